//! Findings as compiler messages, each on its own token.

use flowimage_model::tree::{Doubt, Findings, Mistake};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};

/// Compile errors for the mistakes, warnings for the doubts.
pub(crate) fn tokens(findings: &Findings<Span>) -> TokenStream {
    let mut mistakes: Vec<_> = findings.mistakes.iter().collect();
    // In the order of the source, whatever the order in which the keys were read.
    mistakes.sort_by_key(|mistake| {
        let place = mistake.place.unwrap();
        (place.line(), place.column())
    });
    let mut tokens: TokenStream = mistakes.into_iter().map(error).collect();
    tokens.extend(findings.doubts.iter().enumerate().map(warning));
    tokens
}

/// One compile error.
pub(crate) fn error(mistake: &Mistake<Span>) -> TokenStream {
    syn::Error::new(mistake.place, text(mistake)).to_compile_error()
}

/// Stable Rust has no warnings for macros: the use of a deprecated constant is one, at the place of its tokens.
fn warning((number, doubt): (usize, &Doubt<Span>)) -> TokenStream {
    let note = format!("flowimage: {}", text(&doubt.mistake));
    let name = format_ident!("flow_image_{}_{}", doubt.lint, number, span = doubt.mistake.place);
    quote_spanned! {doubt.mistake.place=>
        const _: () = {
            #[deprecated(note = #note)]
            #[allow(non_upper_case_globals)]
            const #name: () = ();
            const _: () = #name;
        };
    }
}

fn text(mistake: &Mistake<Span>) -> String {
    let mut text = mistake.message.clone();
    for help in &mistake.help {
        text.push_str("\n  = help: ");
        text.push_str(help);
    }
    text
}
