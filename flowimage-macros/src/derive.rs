//! The derive: keys to declaration, declaration to Dockerfile, and both into the program.

use std::collections::HashSet;

use flowimage_model::declare::{self, Item};
use flowimage_model::names::GroupName;
use flowimage_model::render::render;
use flowimage_model::settings;
use flowimage_model::tree::{Findings, Mistake};
use flowimage_model::{Declaration, keys as catalogue};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, DeriveInput, Meta};

use crate::facade::{private, private_path};
use crate::item::{docs, tokens};
use crate::place::Place;
use crate::surroundings::{CrateFolder, SettingsFile};
use crate::{diagnostics, keys, parameters};

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
    let (function, tokens) = function(tokens);
    let name = function
        .as_ref()
        .map_or(&input.ident, |function| &function.name)
        .clone();
    // What no token of the attribute stands for is shown at the item's name.
    let place = name.span();
    let tree = keys::read(tokens, &mut findings);
    let documented = documented_keys(&tree);
    let folder = CrateFolder::find();
    let mut findings = findings.map(&Place::from);
    let settings = SettingsFile::read(&folder, place, &mut findings);
    let tree = settings::layer(tree.map(&Place::from), &settings.settings, &mut findings);
    let docs = docs(&input.attrs);
    let item = Item {
        name: &name.to_string(),
        docs: &docs,
    };
    let (declaration, found) = declare::declare(&item, &Place::from(place), tree, &folder);
    findings.extend(found);
    let messages = diagnostics::tokens(&findings);
    let registered = match declaration {
        Some(declaration) if findings.mistakes.is_empty() => {
            register(&input, function, &declaration, &folder, &settings)
        }
        _ => stub(&input),
    };
    quote!(#messages #documented #registered)
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

/// What the attribute says of the function whose parameters the item holds.
struct Function {
    name: Ident,
    /// Calls it with the parameters `flow`, in an asynchronous block.
    call: TokenStream,
}

/// `fn name { call },` in front says that the item is the parameter struct of that function.
fn function(tokens: TokenStream) -> (Option<Function>, TokenStream) {
    let mut trees = tokens.clone().into_iter();
    match (trees.next(), trees.next(), trees.next(), trees.next()) {
        (
            Some(TokenTree::Ident(word)),
            Some(TokenTree::Ident(name)),
            Some(TokenTree::Group(call)),
            Some(TokenTree::Punct(_)),
        ) if word == "fn" => {
            let call = call.stream();
            (Some(Function { name, call }), trees.collect())
        }
        _ => (None, tokens),
    }
}

/// For editors: each key's span on an item whose documentation is the key's.
fn documented_keys(tree: &flowimage_model::tree::Tree<Span>) -> TokenStream {
    let private = private();
    let mut seen = HashSet::new();
    let keys = tree
        .entries
        .iter()
        // A key given twice is a mistake already, and no name is imported twice.
        .filter(|entry| catalogue::find(&entry.key).is_some() && seen.insert(&entry.key))
        .map(|entry| Ident::new(&entry.key, entry.key_place));
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #private::keys::{#(#keys),*};
        };
    }
}

/// The flow's entry in the program.
fn register(
    input: &DeriveInput,
    function: Option<Function>,
    declaration: &Declaration,
    folder: &CrateFolder,
    settings: &SettingsFile,
) -> TokenStream {
    let name = &input.ident;
    let parameters = parameters::tokens(input, function.is_none());
    let item = name.to_string();
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
    let seen = declaration
        .dockerfile
        .as_ref()
        .map(|dockerfile| dockerfile.path.as_str());
    let parsed = seen
        .map(|path| folder.resolve(path))
        .into_iter()
        .chain(settings.path.clone());
    // The constants track the files: a change of one expands this derive again. The bytes themselves are dropped.
    let tracked: String = parsed
        .map(|path| {
            format!(
                "const _: &[u8] = ::core::include_bytes!({:?});",
                path.to_string_lossy()
            )
        })
        .collect();
    let seen = seen.unwrap_or_default();
    let fingerprint = settings::fingerprint(
        &settings.settings,
        declaration.image.as_ref().map(GroupName::as_str),
    );
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let repository = std::env::var("CARGO_PKG_REPOSITORY").unwrap_or_default();
    let path = private_path();
    let constants = tokens(&format!(
        "impl {path}::FlowImageTrait for {item} {{
            const NAME: &'static str = {flow:?};
            const DOCKERFILE: &'static str = {dockerfile:?};
        }}"
    ));
    let run = match function {
        None => tokens(&format!("{path}::run::<{item}>")),
        Some(Function { call, .. }) => {
            let read = tokens(&format!("let flow: {item} = {path}::parameters(parameters)?;"));
            let ok = tokens("::core::result::Result::Ok");
            quote!(|parameters, context| {
                #read
                #ok(::std::boxed::Box::pin(async move { #call }))
            })
        }
    };
    let fields = tokens(&format!(
        "name: {flow:?},
        declaration: {text:?},
        dockerfile: <{item} as {path}::FlowImageTrait>::DOCKERFILE,
        package: {package:?},
        repository: {repository:?},
        crate_folder: {crate_folder:?},
        dockerfile_path: {seen:?},
        settings: {fingerprint},
        optimized: !::core::cfg!(debug_assertions),"
    ));
    let tracked = tokens(&tracked);
    let entry = tokens(&format!("{path}::FlowEntry"));
    let submit = tokens(&format!(
        "{path}::inventory::submit! {{ {path}::Registered(&FLOW) }}"
    ));
    quote! {
        #constants
        const _: () = {
            #tracked
            static FLOW: #entry = #entry { #fields parameters: #parameters, run: #run };
            #submit
        };
    }
}

/// What the user's code may name, so that one mistake is not two.
fn stub(input: &DeriveInput) -> TokenStream {
    let private = private();
    let name = &input.ident;
    let (generics, arguments, conditions) = input.generics.split_for_impl();
    quote! {
        impl #generics #private::FlowImageTrait for #name #arguments #conditions {
            const NAME: &'static str = "";
            const DOCKERFILE: &'static str = "";
        }
    }
}
