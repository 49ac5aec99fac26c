// SPDX-License-Identifier: GPL-2.0

//! The one attribute of pin-init that the stand-in cannot do without a macro of its own.

use proc_macro::{
    Delimiter,
    Group,
    TokenStream,
    TokenTree, //
};

/// A structure as it is, without the `#[pin]` of its fields.
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
                // The number sign before it.
                out.pop();
            }
            _ => out.push(token),
        }
    }
    out.into_iter().collect()
}
