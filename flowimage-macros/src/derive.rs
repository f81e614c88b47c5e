//! The derive: of a struct whose fields are the parameters it makes a flow.

use flowimage_model::tree::{Findings, Mistake};
use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Meta};

use crate::facade::private_path;
use crate::flow::{self, Flow};
use crate::item::{self, docs};
use crate::parameters::{self, Field};

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut findings = Findings::default();
    if !input.generics.params.is_empty() {
        findings.mistake(
            Mistake::new(
                syn::spanned::Spanned::span(&input.generics.params),
                "a flow cannot be generic: the command line knows no types",
            )
            .help("derive `FlowImage` on a type without parameters"),
        );
    }
    if !matches!(input.data, Data::Struct(_)) {
        findings.mistake(
            Mistake::new(
                input.ident.span(),
                "`FlowImage` is derived for structs, whose fields are the parameters",
            )
            .help("make it a struct"),
        );
    }
    let tokens = match attribute(&input.attrs) {
        Some(found) => found,
        None => {
            findings.mistake(
                Mistake::new(
                    input.ident.span(),
                    format!("`{}` says nothing of its image", input.ident),
                )
                .help("add `#[flow_image(…)]`; `#[flow_image()]` takes every default"),
            );
            TokenStream::new()
        }
    };
    let own = parameters::tokens(&input.ident, &input.attrs, &fields(&input), Some(&input.ident));
    let (path, name) = (private_path(), &input.ident);
    let flow = Flow {
        ty: name,
        generics: Some(&input.generics),
        name,
        docs: docs(&input.attrs),
        keys: tokens,
        parameters: own,
        run: item::tokens(&format!("{path}::run::<{name}>")),
    };
    flow::expand(flow, findings)
}

fn fields(input: &DeriveInput) -> Vec<Field<'_>> {
    let Data::Struct(data) = &input.data else {
        return Vec::new();
    };
    data.fields
        .iter()
        .filter_map(|field| {
            Some(Field {
                name: field.ident.as_ref()?,
                ty: &field.ty,
                attributes: &field.attrs,
            })
        })
        .collect()
}

/// The tokens of the attribute: of the inert one that the attribute macro passed on, or of `#[flow_image]` itself where it
/// stands below the derive.
fn attribute(attributes: &[Attribute]) -> Option<TokenStream> {
    attributes.iter().find_map(|attribute| {
        let last = attribute.path().segments.last()?;
        if last.ident != "__flow_image" && last.ident != "flow_image" {
            return None;
        }
        Some(match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        })
    })
}
