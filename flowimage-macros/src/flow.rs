//! A flow from its keys to its entry in the program: keys to declaration, declaration to Dockerfile.

use std::collections::HashSet;

use flowimage_model::declare::{self, Item};
use flowimage_model::names::GroupName;
use flowimage_model::render::render;
use flowimage_model::tree::{Findings, Tree};
use flowimage_model::{Declaration, keys as catalogue, settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Generics;

use crate::facade::private_path;
use crate::item::tokens;
use crate::place::Place;
use crate::surroundings::{CrateFolder, SettingsFile};
use crate::{diagnostics, keys};

/// What one of the macros was put on.
pub(crate) struct Flow<'a> {
    /// The type that stands for the flow.
    pub(crate) ty: &'a Ident,
    /// Its generics, which are a mistake.
    pub(crate) generics: Option<&'a Generics>,
    /// The name of the item. What no token of the attribute stands for is shown there.
    pub(crate) name: &'a Ident,
    /// The item's doc comment.
    pub(crate) docs: String,
    /// The attribute's keys.
    pub(crate) keys: TokenStream,
    /// What is known of the parameters.
    pub(crate) parameters: TokenStream,
    /// The function that runs the flow.
    pub(crate) run: TokenStream,
}

/// What the flow leaves beside its item; a stub where there are mistakes, those of its item among them.
pub(crate) fn expand(flow: Flow<'_>, mut findings: Findings<Span>) -> TokenStream {
    let place = flow.name.span();
    let tree = keys::read(flow.keys.clone(), &mut findings);
    let documented = documented_keys(&tree);
    let folder = CrateFolder::find();
    let mut findings = findings.map(&Place::from);
    let settings = SettingsFile::read(&folder, place, &mut findings);
    let tree = settings::layer(tree.map(&Place::from), &settings.settings, &mut findings);
    let item = Item {
        name: &flow.name.to_string(),
        docs: &flow.docs,
    };
    let (declaration, found) = declare::declare(&item, &Place::from(place), tree, &folder);
    findings.extend(found);
    let messages = diagnostics::tokens(&findings);
    let registered = match declaration {
        Some(declaration) if findings.mistakes.is_empty() => {
            register(&flow, &declaration, &folder, &settings)
        }
        _ => stub(&flow),
    };
    // Together at once: each stream that is added to another is copied.
    [messages, documented, registered].into_iter().collect()
}

/// For editors: each key's span on a field whose documentation is the key's.
fn documented_keys(tree: &Tree<Span>) -> TokenStream {
    let mut seen = HashSet::new();
    let keys = tree
        .entries
        .iter()
        // A key given twice is a mistake already, and no field is given twice.
        .filter(|entry| catalogue::find(&entry.key).is_some() && seen.insert(&entry.key))
        .map(|entry| {
            let place = entry.key_place;
            let key = Ident::new(&entry.key, place);
            // All of it at the key: that is where the compiler sees the field named.
            quote_spanned!(place=> #key: _,)
        });
    let path = private_path();
    let (head, rest) = (
        tokens(&format!("let {path}::keys::Keys")),
        tokens(&format!("= {path}::keys::KEYS;")),
    );
    quote!(const _: () = { #head { #(#keys)* .. } #rest };)
}

/// The flow's entry in the program.
fn register(
    flow: &Flow<'_>,
    declaration: &Declaration,
    folder: &CrateFolder,
    settings: &SettingsFile,
) -> TokenStream {
    let Flow {
        ty, parameters, run, ..
    } = flow;
    let rendered = render(declaration);
    let text = match toml::to_string(declaration) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("this declaration cannot be written down: {error}");
            return syn::Error::new(flow.name.span(), message).to_compile_error();
        }
    };
    let name = declaration.name.as_str();
    let dockerfile = rendered.text;
    let crate_folder = folder.within_workspace();
    let seen = declaration
        .dockerfile
        .as_ref()
        .map(|dockerfile| dockerfile.path.as_str());
    let read = folder.read().into_iter().chain(settings.path.clone());
    // The constants track the files: a change of one expands this macro again. The bytes themselves are dropped.
    let tracked: String = read
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
    let before = tokens(&format!(
        "#[allow(unused_imports)]
        use {path}::AnySchema as _;
        {tracked}
        impl {path}::FlowImageTrait for {ty} {{
            const NAME: &'static str = {name:?};
            const DOCKERFILE: &'static str = {dockerfile:?};
        }}
        {path}::inventory::submit!"
    ));
    let fields = tokens(&format!(
        "name: {name:?},
        declaration: {text:?},
        dockerfile: <{ty} as {path}::FlowImageTrait>::DOCKERFILE,
        package: {package:?},
        repository: {repository:?},
        crate_folder: {crate_folder:?},
        dockerfile_path: {seen:?},
        settings: {fingerprint},
        optimized: !::core::cfg!(debug_assertions),"
    ));
    let registered = tokens(&format!("{path}::Registered"));
    let entry = tokens(&format!("&{path}::FlowEntry"));
    quote! {
        const _: () = {
            #before { #registered(#entry { #fields parameters: #parameters, run: #run }) }
        };
    }
}

/// What the user's code may name, so that one mistake is not two.
fn stub(flow: &Flow<'_>) -> TokenStream {
    let ty = flow.ty;
    let path = private_path();
    let head = tokens(&format!("{path}::FlowImageTrait"));
    let constants = tokens("const NAME: &'static str = \"\"; const DOCKERFILE: &'static str = \"\";");
    let Some(generics) = flow.generics else {
        return quote!(impl #head for #ty { #constants });
    };
    let (generics, arguments, conditions) = generics.split_for_impl();
    quote!(impl #generics #head for #ty #arguments #conditions { #constants })
}
