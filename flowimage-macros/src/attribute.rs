//! The attribute: of a function it makes the flow itself; on a type it passes its tokens on to the derive.

use flowimage_model::tree::{Findings, Mistake};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, Signature, Type, Visibility};

use crate::facade::{private, private_path};
use crate::flow::{self, Flow};
use crate::item::{docs, is_option, last_segment, parameters_type, returns_result, tokens};
use crate::parameters::{Field, json_name};
use crate::{diagnostics, parameters};

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
    // The function as it stands, where the compiler takes it so: nothing is then put together again. Docs and attributes
    // of an argument describe the parameter; the compiler takes none on a function's.
    let function = if signature.inputs.iter().any(has_attributes) {
        let mut bare = signature.clone();
        for argument in &mut bare.inputs {
            if let FnArg::Typed(argument) = argument {
                argument.attrs.clear();
            }
        }
        quote!(#(#attributes)* #visibility #bare #body)
    } else {
        item.clone()
    };
    let ty = parameters_type(&signature.ident);
    let arguments_read = Arguments::of(signature);
    let holder = arguments_read.holder(&ty);
    let marks = tokens("#[doc(hidden)] #[allow(dead_code, non_camel_case_types)]");
    let flow = Flow {
        ty: &ty,
        generics: None,
        name: &signature.ident,
        docs: docs(attributes),
        keys: arguments.clone(),
        parameters: parameters::tokens(&ty, &[], &arguments_read.fields, None),
        run: arguments_read.run(signature, &ty),
    };
    let registered = flow::expand(flow, Findings::default());
    let holder = quote!(#marks #visibility #holder);
    Ok([function, holder, registered].into_iter().collect())
}

/// The arguments of a flow function.
struct Arguments<'a> {
    /// The parameters.
    fields: Vec<Field<'a>>,
    /// All arguments in their order: a parameter's place among the fields, none for the context.
    order: Vec<Option<usize>>,
    /// Whether one has an attribute that serde's derive must read.
    attributes: bool,
}

impl<'a> Arguments<'a> {
    fn of(signature: &'a Signature) -> Self {
        let mut arguments = Self {
            fields: Vec::new(),
            order: Vec::new(),
            attributes: false,
        };
        for argument in &signature.inputs {
            let FnArg::Typed(argument) = argument else {
                continue;
            };
            if is_context(&argument.ty) {
                arguments.order.push(None);
            } else if let Pat::Ident(pattern) = &*argument.pat {
                arguments.order.push(Some(arguments.fields.len()));
                arguments.attributes |= argument.attrs.iter().any(|it| !it.path().is_ident("doc"));
                arguments.fields.push(Field {
                    name: &pattern.ident,
                    ty: &argument.ty,
                    attributes: &argument.attrs,
                });
            }
        }
        arguments
    }

    /// The type that stands for the flow. It holds the parameters only where serde's attributes say how they are read:
    /// a derive costs the compiler more than all the rest of a flow.
    fn holder(&self, ty: &Ident) -> TokenStream {
        if !self.attributes {
            return quote!(struct #ty;);
        }
        let path = private_path();
        let derive = tokens(&format!(
            "#[derive({path}::serde::Deserialize)] #[serde(crate = \"{path}::serde\", deny_unknown_fields)]"
        ));
        let fields = self.fields.iter().map(|field| {
            let Field { name, ty, attributes } = field;
            let optional = is_option(ty).then(|| quote!(#[serde(default)]));
            quote!(#(#attributes)* #optional #name: #ty)
        });
        quote!(#derive struct #ty { #(#fields),* })
    }

    /// Calls the function with what a run is given.
    fn run(&self, signature: &Signature, ty: &Ident) -> TokenStream {
        let function = &signature.ident;
        let private = private();
        let (read, values): (_, Vec<_>) = if self.attributes {
            let names = self.fields.iter().map(|field| field.name);
            (
                quote!(let flow: #ty = given.whole()?;),
                names.map(|name| quote!(flow.#name)).collect(),
            )
        } else {
            let take = |field: &Field<'_>| {
                let name = json_name(field.name);
                quote_spanned!(field.ty.span()=> given.take(#name)?)
            };
            let each = (!self.fields.is_empty()).then(|| quote!(mut));
            (
                quote!(let #each given = given.each()?;),
                self.fields.iter().map(take).collect(),
            )
        };
        let context = quote!(context);
        let passed = self
            .order
            .iter()
            .map(|place| place.map_or(&context, |place| &values[place]));
        let wrap = if returns_result(signature) {
            quote!(#private::fallible)
        } else {
            quote!(#private::infallible)
        };
        if signature.asyncness.is_some() {
            return quote!(|given, context| { #read #wrap(#function(#(#passed),*)) });
        }
        // Parameters are read before anything runs; the function is called when its turn comes.
        let held: Vec<_> = (0..values.len())
            .map(|number| format_ident!("value_{number}"))
            .collect();
        let passed = self.order.iter().map(|place| match place {
            Some(place) => held[*place].to_token_stream(),
            None => context.clone(),
        });
        quote!(|given, context| {
            #read
            #(let #held = #values;)*
            #wrap(async move { #function(#(#passed),*) })
        })
    }
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
