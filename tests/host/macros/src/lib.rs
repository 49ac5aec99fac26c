// SPDX-License-Identifier: GPL-2.0

//! Procedural macros for the replacement of the kernel crate.

mod register;

use proc_macro::{
    Delimiter,
    Group,
    TokenStream,
    TokenTree, //
};

/// Removes the `#[pin]` attributes from a structure's fields.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, item: TokenStream) -> TokenStream {
    item.into_iter()
        .map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                TokenTree::Group(Group::new(Delimiter::Brace, without_pins(group.stream())))
            }
            token => token,
        })
        .collect()
}

fn without_pins(fields: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    for token in fields {
        match &token {
            TokenTree::Group(group) if group.stream().to_string() == "pin" => {
                // Removes the `#` before it.
                out.pop();
            }
            _ => out.push(token),
        }
    }
    out.into_iter().collect()
}

/// Generates the types of registers and their locations; see `kernel::io`.
#[proc_macro]
pub fn register(registers: TokenStream) -> TokenStream {
    register::register(registers)
}

/// Implements `FromBytes`.
#[proc_macro_derive(FromBytes)]
pub fn from_bytes(item: TokenStream) -> TokenStream {
    let name = name_of(item);
    let code = format!(
        "// SAFETY: The driver says so.
        unsafe impl ::kernel::bytes::FromBytes for {name} {{
            fn mut_from_bytes(bytes: &mut [u8]) -> Result<&mut Self, ()> {{
                match <[Self]>::mut_from_bytes(bytes)? {{
                    [one] => Ok(one),
                    _ => Err(()),
                }}
            }}
        }}"
    );
    code.parse().expect("it is Rust")
}

/// Implements `IntoBytes`.
#[proc_macro_derive(IntoBytes)]
pub fn into_bytes(item: TokenStream) -> TokenStream {
    let code = format!(
        "// SAFETY: The driver says so.
        unsafe impl ::kernel::bytes::IntoBytes for {} {{}}",
        name_of(item)
    );
    code.parse().expect("it is Rust")
}

/// Returns the name of a structure.
fn name_of(item: TokenStream) -> String {
    item.into_iter()
        .skip_while(|token| token.to_string() != "struct")
        .nth(1)
        .expect("it is a structure")
        .to_string()
}
