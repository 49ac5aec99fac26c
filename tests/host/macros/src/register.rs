// SPDX-License-Identifier: GPL-2.0

//! Registers and their fields.

use std::iter::Peekable;

use proc_macro::{
    token_stream::IntoIter,
    Delimiter,
    TokenStream,
    TokenTree, //
};

type Tokens = Peekable<IntoIter>;

/// Returns the next token, which must exist.
fn next(tokens: &mut Tokens) -> TokenTree {
    tokens.next().expect("the definition goes on")
}

/// Skips the next token if it is `text`. Returns whether it was.
fn skip(tokens: &mut Tokens, text: &str) -> bool {
    tokens.next_if(|token| token.to_string() == text).is_some()
}

/// Skips doc comments, which are attributes.
fn skip_comments(tokens: &mut Tokens) {
    while skip(tokens, "#") {
        next(tokens);
    }
}

/// Returns the tokens inside of braces, brackets or parentheses.
fn within(token: TokenTree) -> TokenStream {
    match token {
        TokenTree::Group(group) => group.stream(),
        other => panic!("{other} where something in brackets is to be"),
    }
}

/// Generates the code for registers of the form `<visibility> <NAME>(u32)[<count>] @ <base> +
/// <offset> { <fields> }`; count and base may be missing.
pub(crate) fn register(registers: TokenStream) -> TokenStream {
    let mut tokens = registers.into_iter().peekable();
    let mut code = String::new();
    while tokens.peek().is_some() {
        skip_comments(&mut tokens);
        let mut visibility = String::new();
        if skip(&mut tokens, "pub") {
            visibility.push_str("pub");
            let is_open = |token: &TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Parenthesis,
                _ => false,
            };
            if let Some(scope) = tokens.next_if(is_open) {
                visibility.push_str(&scope.to_string());
            }
        }
        let name = next(&mut tokens).to_string();
        assert_eq!(within(next(&mut tokens)).to_string(), "u32", "of {name}");
        let is_count = |token: &TokenTree| matches!(token, TokenTree::Group(_));
        let count = tokens.next_if(is_count).map(within);
        assert!(skip(&mut tokens, "@"), "no place of {name}");
        let mut offset = next(&mut tokens).to_string();
        let base = skip(&mut tokens, "+")
            .then(|| std::mem::replace(&mut offset, next(&mut tokens).to_string()));
        let fields = fields(&visibility, within(next(&mut tokens)));

        let place = match (&count, &base) {
            (Some(count), _) => format!(
                "impl ::kernel::io::register::Array for {name} {{ const COUNT: usize = {count}; }}"
            ),
            (_, Some(base)) => format!(
                "impl ::kernel::io::register::WithBase for {name} {{ type BaseFamily = {base}; }}"
            ),
            _ => format!(
                "impl ::kernel::io::register::FixedRegister for {name} {{}}
                {visibility} const {name}: ::kernel::io::register::At<{name}> =
                    ::kernel::io::register::At::new();"
            ),
        };
        code.push_str(&format!(
            "#[derive(Clone, Copy)]
            #[expect(non_camel_case_types, reason = \"the name in the data sheet\")]
            {visibility} struct {name} {{ raw: u32 }}
            {place}
            impl ::kernel::io::register::Register for {name} {{
                const OFFSET: usize = {offset};
                fn into_raw(self) -> u32 {{ self.raw }}
                fn from_raw(raw: u32) -> Self {{ Self {{ raw }} }}
            }}
            impl ::kernel::init::Zeroable for {name} {{
                fn zeroed() -> Self {{ Self {{ raw: 0 }} }}
            }}
            impl {name} {{
                {visibility} fn into_raw(self) -> u32 {{ self.raw }}
                {fields}
            }}"
        ));
    }
    code.parse().expect("it is Rust")
}

/// Generates the methods for fields of the form `<high>:<low> <name> => <type>;`. A field without a
/// type is a number.
fn fields(visibility: &str, fields: TokenStream) -> String {
    let mut tokens = fields.into_iter().peekable();
    let mut code = String::new();
    while tokens.peek().is_some() {
        skip_comments(&mut tokens);
        let mut number = || {
            let bit = next(&mut tokens).to_string();
            bit.parse::<u32>().expect("it is the number of a bit")
        };
        let high = number();
        assert!(skip(&mut tokens, ":"), "one bit only");
        let low = next(&mut tokens).to_string().parse::<u32>();
        let low = low.expect("it is the number of a bit");
        let name = next(&mut tokens).to_string();
        let bits = high - low + 1;
        let kind = if skip(&mut tokens, "=") {
            assert!(skip(&mut tokens, ">"), "no type of {name}");
            next(&mut tokens).to_string()
        } else {
            format!("::kernel::num::Bounded<u32, {bits}>")
        };
        assert!(skip(&mut tokens, ";"), "{name} goes on");
        assert!(kind != "bool" || bits == 1, "{name} has {bits} bits");
        let mask = u32::MAX >> (32 - bits);
        code.push_str(&format!(
            "{visibility} fn {name}(self) -> {kind} {{
                ::kernel::io::register::Field::from_bits(self.raw >> {low} & {mask})
            }}
            {visibility} fn with_{name}(self, value: impl Into<{kind}>) -> Self {{
                let bits = ::kernel::io::register::Field::bits(value.into());
                assert!(bits <= {mask}, \"too large\");
                Self {{ raw: self.raw & !({mask} << {low}) | bits << {low} }}
            }}
            {visibility} fn with_const_{name}<const VALUE: u32>(self) -> Self {{
                const {{ assert!(VALUE <= {mask}) }};
                Self {{ raw: self.raw & !({mask} << {low}) | VALUE << {low} }}
            }}"
        ));
    }
    code
}
