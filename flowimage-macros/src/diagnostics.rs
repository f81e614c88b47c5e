//! Findings as compiler messages, each on its own token.

use flowimage_model::settings::FILE;
use flowimage_model::tree::{Doubt, Findings, Mistake};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::place::Place;

/// Compile errors for the mistakes, warnings for the doubts.
pub(crate) fn tokens(findings: &Findings<Place>) -> TokenStream {
    let mut mistakes: Vec<_> = findings.mistakes.iter().collect();
    // In the order of the source, whatever the order in which the keys were read.
    mistakes.sort_by_key(|mistake| {
        let token = mistake.place.span.unwrap();
        (token.line(), token.column(), mistake.place.file)
    });
    let mut tokens: TokenStream = mistakes.into_iter().map(error).collect();
    tokens.extend(findings.doubts.iter().enumerate().map(warning));
    tokens
}

/// One compile error.
pub(crate) fn error(mistake: &Mistake<Place>) -> TokenStream {
    syn::Error::new(mistake.place.span, text(mistake)).to_compile_error()
}

/// An item with the errors beside it: it stays, so that nothing that uses it is an error too.
pub(crate) fn beside(item: &TokenStream, mistakes: Vec<Mistake<Span>>) -> TokenStream {
    let errors = mistakes
        .into_iter()
        .map(|mistake| error(&mistake.map(&Place::from)));
    quote!(#item #(#errors)*)
}

/// Stable Rust has no warnings for macros: the use of a deprecated constant is one, at the place of its tokens.
fn warning((number, doubt): (usize, &Doubt<Place>)) -> TokenStream {
    let note = format!("flowimage: {}", text(&doubt.mistake));
    let name = format_ident!(
        "flow_image_{}_{}",
        doubt.lint,
        number,
        span = doubt.mistake.place.span
    );
    quote_spanned! {doubt.mistake.place.span=>
        const _: () = {
            #[deprecated(note = #note)]
            #[allow(non_upper_case_globals)]
            const #name: () = ();
            const _: () = #name;
        };
    }
}

fn text(mistake: &Mistake<Place>) -> String {
    let mut text = match mistake.place.file {
        Some(position) => format!("{FILE}:{position}: {}", mistake.message),
        None => mistake.message.clone(),
    };
    for help in &mistake.help {
        text.push_str("\n  = help: ");
        text.push_str(help);
    }
    text
}
