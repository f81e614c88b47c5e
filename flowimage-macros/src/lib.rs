//! `#[flow_image(…)]` and `#[derive(FlowImage)]`.
//!
//! Both read the keys, check them with `flowimage-model`, and write the Dockerfile as a `const`: the attribute on a
//! function, the derive on a type, where the attribute only carries its tokens there, in whichever order the two stand.

mod attribute;
mod derive;
mod diagnostics;
mod facade;
mod flow;
mod health_check;
mod item;
mod key_documentation;
mod keys;
mod parameters;
mod place;
mod surroundings;

use proc_macro::TokenStream;

/// Declares what the Docker image of a flow needs. On a function, whose arguments are the flow's parameters, or on
/// a type that derives `FlowImage` and implements `Flow`. See the reference of keys in the crate's documentation.
#[proc_macro_attribute]
pub fn flow_image(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(arguments.into(), item.into()).into()
}

/// Marks a function as a health check of a flow, which is named by its function or type:
/// `#[health_check(nightly_orders)]`. It is run inside the flow's image, by the flow binary, each in a process of its
/// own. It may be async, takes nothing and returns a `Result`, whose error says what is wrong.
#[proc_macro_attribute]
pub fn health_check(arguments: TokenStream, item: TokenStream) -> TokenStream {
    health_check::expand(arguments.into(), item.into()).into()
}

/// Makes a type that carries `#[flow_image(…)]` a flow of this program, with its Dockerfile as
/// `<Type as FlowImage>::DOCKERFILE`.
#[proc_macro_derive(FlowImage, attributes(__flow_image))]
pub fn flow_image_derive(item: TokenStream) -> TokenStream {
    derive::expand(item.into()).into()
}

/// One documented field per key, for editors to show. Called by the facade only.
#[doc(hidden)]
#[proc_macro]
pub fn __key_documentation(_: TokenStream) -> TokenStream {
    key_documentation::fields().into()
}
