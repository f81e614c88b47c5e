//! The fields of a flow as its parameters: names, docs and defaults as serde has them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Expr, ExprPath, Field, LitStr, Token};

use crate::facade::private;
use crate::item::{docs, last_segment};

/// What the runtime makes the JSON schema of. `own` says that the type is the user's, who may have given it a schema.
pub(crate) fn tokens(input: &DeriveInput, own: bool) -> TokenStream {
    let private = private();
    let name = &input.ident;
    let container = Serde::of(&input.attrs);
    let Data::Struct(data) = &input.data else {
        return TokenStream::new();
    };
    let mut open = false;
    let mut fields = Vec::new();
    for field in &data.fields {
        let serde = Serde::of(&field.attrs);
        open |= serde.flatten;
        let Some(ident) = field.ident.as_ref().filter(|_| !serde.skip && !serde.flatten) else {
            continue;
        };
        let word = ident.to_string();
        let word = word.strip_prefix("r#").unwrap_or(&word);
        let json_name = match (&serde.rename, &container.rename_all) {
            (Some(name), _) => name.clone(),
            (None, Some(rule)) => renamed(word, rule),
            (None, None) => word.to_owned(),
        };
        let description = docs(&field.attrs);
        let ty = &field.ty;
        let schema = schema(ty);
        let default = default(input, &container, field, &serde);
        fields.push(quote_spanned! {ty.span()=>
            #private::Parameter {
                name: #json_name,
                description: #description,
                schema: #schema,
                default: #default,
            }
        });
    }
    let whole = own.then(|| schema(&quote!(#name)));
    let whole = whole.unwrap_or_else(|| quote!(|_| ::core::option::Option::None));
    quote! {
        #private::Parameters {
            fields: &[#(#fields),*],
            open: #open,
            whole: #whole,
        }
    }
}

/// Asks of a type for its schema.
fn schema(ty: &impl ToTokens) -> TokenStream {
    let private = private();
    quote! {
        |generator| {
            #[allow(unused_imports)]
            use #private::{AnySchema as _, HasSchema as _};
            (&&#private::SchemaOf::<#ty>(::core::marker::PhantomData)).schema(generator)
        }
    }
}

/// How the default of a field is made; none where it must be given.
fn default(input: &DeriveInput, container: &Serde, field: &Field, serde: &Serde) -> TokenStream {
    let (name, ty) = (&input.ident, &field.ty);
    let optional = last_segment(ty).is_some_and(|last| last == "Option");
    let value = match (&serde.default, &container.default) {
        // serde takes a missing `Option` for `None`, and `null` says no more than that it may be missing.
        (None | Some(Default::OfType), None) if optional => {
            return quote!(::core::option::Option::Some(|| ::core::option::Option::None));
        }
        (Some(Default::Function(path)), _) => quote!(#path()),
        (Some(Default::OfType), _) => quote!(<#ty as ::core::default::Default>::default()),
        (None, Some(default)) => {
            let whole = match default {
                Default::Function(path) => quote!(#path()),
                Default::OfType => quote!(<#name as ::core::default::Default>::default()),
            };
            let ident = &field.ident;
            quote!(#whole.#ident)
        }
        (None, None) => return quote!(::core::option::Option::None),
    };
    let private = private();
    quote_spanned! {ty.span()=>
        ::core::option::Option::Some(|| {
            #[allow(unused_imports)]
            use #private::{HasJson as _, NoJson as _};
            (&&#private::JsonOf(#value)).json()
        })
    }
}

/// What serde's attributes say that a schema must know.
#[derive(std::default::Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    default: Option<Default>,
    skip: bool,
    flatten: bool,
}

enum Default {
    OfType,
    Function(ExprPath),
}

impl Serde {
    /// Reads the attributes. What is wrong in them is for serde's own derive to say.
    fn of(attributes: &[Attribute]) -> Self {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("serde")) {
            let _ = attribute.parse_nested_meta(|meta| serde.read(&meta));
        }
        serde
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match word.as_str() {
            "skip" | "skip_deserializing" => self.skip = true,
            "flatten" => self.flatten = true,
            "default" if meta.input.peek(Token![=]) => {
                self.default = Some(Default::Function(meta.value()?.parse::<LitStr>()?.parse()?));
            }
            "default" => self.default = Some(Default::OfType),
            "rename" => self.rename = read_name(meta)?.or(self.rename.take()),
            "rename_all" => self.rename_all = read_name(meta)?.or(self.rename_all.take()),
            _ if meta.input.peek(Token![=]) => {
                meta.value()?.parse::<Expr>()?;
            }
            _ if meta.input.peek(syn::token::Paren) => {
                meta.parse_nested_meta(|inner| inner.value()?.parse::<Expr>().map(drop))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// `= "name"`, or `(deserialize = "name", …)`.
fn read_name(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        return Ok(Some(meta.value()?.parse::<LitStr>()?.value()));
    }
    let mut name = None;
    meta.parse_nested_meta(|inner| {
        let text = inner.value()?.parse::<LitStr>()?.value();
        if inner.path.is_ident("deserialize") {
            name = Some(text);
        }
        Ok(())
    })?;
    Ok(name)
}

/// A field's name by a rule of `rename_all`.
///
/// Source: <https://serde.rs/container-attrs.html#rename_all>.
fn renamed(name: &str, rule: &str) -> String {
    let pascal = || -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(|it| it.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        };
        name.split('_').map(capital).collect()
    };
    match rule {
        "PascalCase" => pascal(),
        "camelCase" => {
            let pascal = pascal();
            let mut letters = pascal.chars();
            let first = letters.next().map(|it| it.to_ascii_lowercase());
            first.into_iter().chain(letters).collect()
        }
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => name.to_ascii_uppercase(),
        "kebab-case" => name.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}
