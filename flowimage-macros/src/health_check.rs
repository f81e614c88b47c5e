//! `#[health_check(flow)]`: a function that is run inside the image of a flow.

use flowimage_model::tree::Mistake;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{ItemFn, Path};

use crate::diagnostics;
use crate::facade::private;
use crate::item::{parameters_type, returns_result};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match check(arguments, &item) {
        Ok(registered) => quote!(#item #registered),
        Err(mistakes) => diagnostics::beside(&item, mistakes),
    }
}

fn check(arguments: TokenStream, item: &TokenStream) -> Result<TokenStream, Vec<Mistake<Span>>> {
    let flow = flow_type(arguments).map_err(|mistake| vec![mistake])?;
    let function: ItemFn = syn::parse2(item.clone()).map_err(|error| {
        let mistake = Mistake::new(error.span(), "a health check is a function");
        vec![mistake.help("write `async fn name() -> Result<(), Unhealthy> { … }`")]
    })?;
    let mistakes = refusals(&function);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let private = private();
    let name = &function.sig.ident;
    let text = name.to_string();
    let call = match function.sig.asyncness {
        Some(_) => quote!(#name().await),
        None => quote!(#name()),
    };
    Ok(quote! {
        const _: () = {
            #private::inventory::submit! {
                #private::HealthCheck {
                    flow: <#flow as #private::FlowImageTrait>::NAME,
                    name: #text,
                    module: ::core::module_path!(),
                    run: || ::std::boxed::Box::pin(async { #private::verdict(#call) }),
                }
            }
        };
    })
}

/// The type of the flow: the one named, or the parameters' of the function named.
fn flow_type(arguments: TokenStream) -> Result<Path, Mistake<Span>> {
    let help = "name the flow's function or type: `#[health_check(nightly_orders)]`";
    if arguments.is_empty() {
        return Err(Mistake::new(Span::call_site(), "a health check of which flow?").help(help));
    }
    let place = arguments.span();
    let mut path: Path = syn::parse2(arguments)
        .map_err(|_| Mistake::new(place, "expected the path of a flow, and nothing else").help(help))?;
    if let Some(last) = path.segments.last_mut() {
        let name = last.ident.to_string();
        if name.starts_with(|first: char| first.is_lowercase() || first == '_') {
            last.ident = parameters_type(&last.ident);
        }
    }
    Ok(path)
}

/// Why a function cannot be a health check, each reason at its place.
fn refusals(function: &ItemFn) -> Vec<Mistake<Span>> {
    let signature = &function.sig;
    let mut mistakes = Vec::new();
    if !signature.generics.params.is_empty() {
        let place = signature.generics.span();
        mistakes.push(Mistake::new(place, "a health check cannot be generic"));
    }
    if !signature.inputs.is_empty() {
        mistakes.push(
            Mistake::new(
                signature.inputs.span(),
                "a health check takes no arguments: nobody is there to give them",
            )
            .help("read what it needs from the image: its environment and files"),
        );
    }
    if let syn::Safety::Unsafe(word) = &signature.safety {
        mistakes.push(Mistake::new(
            word.span(),
            "a health check cannot be an unsafe function: flowimage calls it",
        ));
    }
    if !returns_result(signature) {
        mistakes.push(
            Mistake::new(
                signature.ident.span(),
                format!("`{}` cannot say that anything is wrong", signature.ident),
            )
            .help("return a `Result`: its error is what is wrong, and an `Unhealthy` carries advice too"),
        );
    }
    mistakes
}
