//! The derive: keys to declaration, declaration to Dockerfile, and both into the program.

use flowimage_model::declare::{self, Item};
use flowimage_model::render::render;
use flowimage_model::tree::{Findings, Mistake};
use flowimage_model::{Declaration, keys as catalogue};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Attribute, DeriveInput, Meta};

use crate::item::{docs, private};
use crate::surroundings::CrateFolder;
use crate::{diagnostics, keys};

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
    if !matches!(input.data, syn::Data::Struct(_)) {
        findings.mistake(
            Mistake::new(
                input.ident.span(),
                "`FlowImage` is derived for structs, whose fields are the parameters",
            )
            .help("make it a struct"),
        );
    }
    let attribute = attribute(&input.attrs);
    let (tokens, place) = match &attribute {
        Some(found) => found.clone(),
        None => {
            findings.mistake(
                Mistake::new(
                    input.ident.span(),
                    format!("`{}` says nothing of its image", input.ident),
                )
                .help("add `#[flow_image(…)]`; `#[flow_image()]` takes every default"),
            );
            (TokenStream::new(), input.ident.span())
        }
    };
    let (function, tokens) = function_name(tokens);
    let name = function.clone().unwrap_or_else(|| input.ident.clone());
    let tree = keys::read(tokens, &mut findings);
    let documented = documented_keys(&tree);
    let folder = CrateFolder::find();
    let docs = docs(&input.attrs);
    let item = Item {
        name: &name.to_string(),
        docs: &docs,
    };
    let (declaration, found) = declare::declare(&item, &place, tree, &folder);
    findings.mistakes.extend(found.mistakes);
    findings.doubts.extend(found.doubts);
    let messages = diagnostics::tokens(&findings);
    let registered = match declaration {
        Some(declaration) if findings.mistakes.is_empty() => register(&input.ident, &declaration, &folder),
        _ => stub(&input.ident),
    };
    quote!(#messages #documented #registered)
}

/// The tokens of the attribute and the place of its name: the inert one that the attribute macro passed on, or
/// `#[flow_image]` itself where it stands below the derive.
fn attribute(attributes: &[Attribute]) -> Option<(TokenStream, Span)> {
    attributes.iter().find_map(|attribute| {
        let last = attribute.path().segments.last()?;
        if last.ident != "__flow_image" && last.ident != "flow_image" {
            return None;
        }
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        Some((tokens, last.ident.span()))
    })
}

/// `fn name,` in front says that the item is the parameter struct of that function.
fn function_name(tokens: TokenStream) -> (Option<Ident>, TokenStream) {
    let mut trees = tokens.clone().into_iter();
    match (trees.next(), trees.next(), trees.next()) {
        (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(name)), Some(TokenTree::Punct(_)))
            if word == "fn" =>
        {
            (Some(name), trees.collect())
        }
        _ => (None, tokens),
    }
}

/// For editors: each key's span on an item whose documentation is the key's.
fn documented_keys(tree: &flowimage_model::tree::Tree<Span>) -> TokenStream {
    let private = private();
    let paths = tree
        .entries
        .iter()
        .filter(|entry| catalogue::find(&entry.key).is_some())
        .map(|entry| {
            let key = Ident::new(&entry.key, entry.key_place);
            quote_spanned!(entry.key_place=> const _: () = #private::keys::#key;)
        });
    quote!(#(#paths)*)
}

/// The flow's entry in the program.
fn register(name: &Ident, declaration: &Declaration, folder: &CrateFolder) -> TokenStream {
    let private = private();
    let rendered = render(declaration);
    let text = match toml::to_string(declaration) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("this declaration cannot be written down: {error}");
            return syn::Error::new(name.span(), message).to_compile_error();
        }
    };
    let flow = declaration.name.as_str();
    let dockerfile = rendered.text;
    let crate_folder = folder.within_workspace();
    let (tracked, seen) = match &declaration.dockerfile {
        Some(dockerfile) => {
            let path = folder.resolve(&dockerfile.path);
            let path = path.to_string_lossy();
            // Tracks the file: a change of it expands this derive again. The bytes themselves are dropped.
            (
                quote!(
                    const _: &[u8] = ::core::include_bytes!(#path);
                ),
                dockerfile.path.clone(),
            )
        }
        None => (TokenStream::new(), String::new()),
    };
    quote! {
        #tracked

        impl #private::FlowImageTrait for #name {
            const NAME: &'static str = #flow;
            const DOCKERFILE: &'static str = #dockerfile;
        }

        #[allow(non_local_definitions)]
        impl #private::DerivesFlowImage for #name {}

        const _: () = {
            static FLOW: #private::FlowEntry = #private::FlowEntry {
                name: #flow,
                declaration: #text,
                dockerfile: #dockerfile,
                package: ::core::env!("CARGO_PKG_NAME"),
                crate_folder: #crate_folder,
                dockerfile_path: #seen,
                optimized: !::core::cfg!(debug_assertions),
                run: #private::run::<#name>,
            };
            #private::inventory::submit! { #private::Registered(&FLOW) }
        };
    }
}

/// What the user's code may name, so that one mistake is not two.
fn stub(name: &Ident) -> TokenStream {
    let private = private();
    quote! {
        impl #private::FlowImageTrait for #name {
            const NAME: &'static str = "";
            const DOCKERFILE: &'static str = "";
        }
        impl #private::DerivesFlowImage for #name {}
    }
}
