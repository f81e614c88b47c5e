//! What the macros must know of the item: docs, types, and text as tokens.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, Meta, ReturnType, Signature, Type};

/// The doc comment of an item, its lines joined, each without the space after `///`.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) = &pair.value
        {
            let text = text.value();
            lines.extend(
                text.lines()
                    .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()),
            );
        }
    }
    lines.join("\n").trim().to_owned()
}

/// Tokens of our own text. The compiler reads text many times faster than an unoptimised macro strings tokens together,
/// and macros are unoptimised in most builds. `proc_macro2` would read it once more beforehand, for text that may be wrong.
pub(crate) fn tokens(text: &str) -> TokenStream {
    let read = if proc_macro::is_available() {
        text.parse()
            .ok()
            .map(|tokens: proc_macro::TokenStream| tokens.into())
    } else {
        text.parse().ok()
    };
    read.unwrap_or_else(|| {
        let message = format!("flowimage wrote what is no Rust, please report it: {text}");
        quote!(::core::compile_error!(#message);)
    })
}

/// Whether a function may say that something is wrong.
pub(crate) fn returns_result(signature: &Signature) -> bool {
    match &signature.output {
        ReturnType::Type(_, ty) => last_segment(ty).is_some_and(|last| last == "Result"),
        ReturnType::Default => false,
    }
}

/// The type that stands for a flow function, at the place of the function's name.
pub(crate) fn parameters_type(function: &Ident) -> Ident {
    format_ident!("__FlowImage_{}", function)
}

/// Whether a type is written as an `Option`: a parameter that need not be given.
pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|last| last == "Option")
}

/// The last name of a type's path.
pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(inner) => last_segment(&inner.elem),
        _ => None,
    }
}
