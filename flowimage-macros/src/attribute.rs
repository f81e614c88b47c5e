//! The attribute: passes its tokens on to the derive, and makes of a function the type that the derive needs.

use flowimage_model::tree::Mistake;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, Signature, Type, Visibility};

use crate::diagnostics;
use crate::facade::{private, private_path};
use crate::item::{last_segment, parameters_type, returns_result, tokens};

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expansion = match Kind::of(&item) {
        Kind::Function => function(&arguments, &item),
        Kind::Type => Ok(type_item(&arguments, &item)),
        Kind::Other(word, place) => Err(vec![
            Mistake::new(place, format!("`#[flow_image]` cannot serve {word}"))
                .help("put it on a function, or on a struct that derives `FlowImage` and implements `Flow`"),
        ]),
    };
    expansion.unwrap_or_else(|mistakes| diagnostics::beside(&item, mistakes))
}

/// What kind of item the tokens are, from their first keyword.
enum Kind {
    Function,
    Type,
    Other(&'static str, Span),
}

impl Kind {
    fn of(item: &TokenStream) -> Self {
        let mut trees = item.clone().into_iter().peekable();
        while let Some(tree) = trees.next() {
            let TokenTree::Ident(word) = &tree else { continue };
            let place = word.span();
            match word.to_string().as_str() {
                "fn" => return Kind::Function,
                "struct" => return Kind::Type,
                "enum" => return Kind::Other("an enum: its variants are no list of parameters", place),
                "union" => return Kind::Other("a union", place),
                "trait" => return Kind::Other("a trait", place),
                "impl" => return Kind::Other("an impl block", place),
                "mod" => return Kind::Other("a module", place),
                "type" => return Kind::Other("a type alias", place),
                "static" => return Kind::Other("a static", place),
                "use" => return Kind::Other("a `use`", place),
                "const" if !matches!(trees.peek(), Some(TokenTree::Ident(next)) if ["fn", "async", "unsafe", "extern"].contains(&next.to_string().as_str())) =>
                {
                    return Kind::Other("a constant", place);
                }
                _ => {}
            }
        }
        Kind::Other("this item", Span::call_site())
    }
}

/// On a type: where the derive still stands below, it gets the tokens under a name that no macro has. Where it
/// stood above, it has read them already.
fn type_item(arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let Ok(parsed) = syn::parse2::<syn::DeriveInput>(item.clone()) else {
        return item.clone();
    };
    let derives_here = parsed.attrs.iter().any(|attribute| {
        attribute.path().is_ident("derive")
            && attribute
                .parse_args_with(syn::punctuated::Punctuated::<syn::Path, syn::Token![,]>::parse_terminated)
                .is_ok_and(|paths| {
                    paths
                        .iter()
                        .any(|path| path.segments.last().is_some_and(|last| last.ident == "FlowImage"))
                })
    });
    if derives_here {
        let attributes = &parsed.attrs;
        let mut bare = parsed.clone();
        bare.attrs.clear();
        return quote!(#(#attributes)* #[__flow_image(#arguments)] #bare);
    }
    let name = &parsed.ident;
    let (generics, arguments, conditions) = parsed.generics.split_for_impl();
    let private = private();
    quote! {
        #item
        const _: () = {
            fn derives_flow_image<T: #private::FlowImageTrait>() {}
            #[allow(dead_code)]
            fn check #generics () #conditions {
                derives_flow_image::<#name #arguments>();
            }
        };
    }
}

/// A function without its body, which nobody needs to parse.
struct Head {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attributes: input.call(Attribute::parse_outer)?,
            visibility: input.parse()?,
            signature: input.parse()?,
        })
    }
}

fn function(arguments: &TokenStream, item: &TokenStream) -> Result<TokenStream, Vec<Mistake<Span>>> {
    let mut trees: Vec<TokenTree> = item.clone().into_iter().collect();
    let body = match trees.pop() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => group,
        _ => return Err(vec![Mistake::new(Span::call_site(), "a flow needs a body")]),
    };
    let head: Head = syn::parse2(trees.into_iter().collect())
        .map_err(|error| vec![Mistake::new(error.span(), error.to_string())])?;
    let mistakes = refusals(&head.signature);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }

    let Head {
        attributes,
        visibility,
        signature,
    } = &head;
    let name = &signature.ident;
    let type_name = parameters_type(name);
    let mut fields = Vec::new();
    let mut passed = Vec::new();
    let mut bare = signature.clone();
    for (argument, bare) in signature.inputs.iter().zip(&mut bare.inputs) {
        let (FnArg::Typed(argument), FnArg::Typed(bare)) = (argument, bare) else {
            continue;
        };
        // Attributes and docs of an argument describe the parameter; the compiler takes none on a function's.
        bare.attrs.clear();
        if is_context(&argument.ty) {
            passed.push(quote!(context));
            continue;
        }
        let Pat::Ident(pattern) = &*argument.pat else {
            continue;
        };
        let (field, ty, field_attributes) = (&pattern.ident, &argument.ty, &argument.attrs);
        let optional = last_segment(ty)
            .is_some_and(|last| last == "Option")
            .then(|| quote!(#[serde(default)]));
        fields.push(quote!(#(#field_attributes)* #optional #field: #ty));
        passed.push(quote!(flow.#field));
    }
    let docs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"));
    let private = private();
    let call = if signature.asyncness.is_some() {
        quote!(#name(#(#passed),*).await)
    } else {
        quote!(#name(#(#passed),*))
    };
    let outcome = if returns_result(signature) {
        quote!(#private::outcome(#call))
    } else {
        quote!(#private::outcome(::core::result::Result::<_, ::std::string::String>::Ok(#call)))
    };
    // The function as it stands, where the compiler takes it so: nothing is then put together again.
    let function = if signature.inputs.iter().any(has_attributes) {
        quote!(#(#attributes)* #visibility #bare #body)
    } else {
        item.clone()
    };
    let path = private_path();
    let marks = tokens(&format!(
        "#[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive({path}::serde::Deserialize, {path}::FlowImage)]
        #[serde(crate = \"{path}::serde\", deny_unknown_fields)]"
    ));
    Ok(quote! {
        #function

        #(#docs)*
        #marks
        #[__flow_image(fn #name { #outcome }, #arguments)]
        #visibility struct #type_name { #(#fields),* }
    })
}

fn has_attributes(argument: &FnArg) -> bool {
    match argument {
        FnArg::Receiver(receiver) => !receiver.attrs.is_empty(),
        FnArg::Typed(argument) => !argument.attrs.is_empty(),
    }
}

/// Why a function cannot be a flow, each reason at its place.
fn refusals(signature: &Signature) -> Vec<Mistake<Span>> {
    let mut mistakes = Vec::new();
    if !signature.generics.params.is_empty() {
        mistakes.push(
            Mistake::new(
                signature.generics.params.span(),
                "a flow cannot be generic: the command line knows no types",
            )
            .help("write one function for each type"),
        );
    }
    if let syn::Safety::Unsafe(word) = &signature.safety {
        mistakes.push(Mistake::new(
            word.span(),
            "a flow cannot be an unsafe function: flowimage calls it",
        ));
    }
    if let Some(word) = &signature.constness {
        mistakes.push(Mistake::new(word.span(), "a flow cannot be a const function"));
    }
    if let Some(abi) = &signature.abi {
        mistakes.push(Mistake::new(abi.span(), "a flow cannot be an extern function"));
    }
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => mistakes.push(
                Mistake::new(receiver.span(), "a flow cannot be a method: nobody could make its `self`").help(
                    "derive `FlowImage` on the type and implement `Flow`, or write a function outside of the impl",
                ),
            ),
            FnArg::Typed(argument) => match &*argument.pat {
                Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                    if let Type::Reference(reference) = &*argument.ty
                        && !is_context(&argument.ty)
                    {
                        mistakes.push(
                            Mistake::new(reference.span(), "a parameter cannot be a reference: it is read from JSON")
                                .help("take it by value, a `String` for a `&str`"),
                        );
                    }
                }
                pattern => mistakes.push(
                    Mistake::new(pattern.span(), "a parameter needs a name: this is a pattern")
                        .help("name the argument and take it apart in the body"),
                ),
            },
        }
    }
    mistakes
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if last_segment(&reference.elem).is_some_and(|last| last == "FlowContext"))
}
