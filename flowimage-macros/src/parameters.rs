//! The fields of a flow as its parameters: names, docs and defaults as serde has them.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprPath, LitStr, Token, Type};

use crate::facade::{private, private_path};
use crate::item::{self, docs, is_option};

/// One parameter, as it is written.
pub(crate) struct Field<'a> {
    pub(crate) name: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attributes: &'a [Attribute],
}

/// What the runtime makes the JSON schema of: the fields of a type with these attributes. `own` is the type where it is
/// the user's, who may have given it a schema.
pub(crate) fn tokens(
    name: &Ident,
    attributes: &[Attribute],
    fields: &[Field<'_>],
    own: Option<&Ident>,
) -> TokenStream {
    let path = private_path();
    let container = Serde::of(attributes);
    let mut open = false;
    let mut parameters = TokenStream::new();
    for field in fields {
        let serde = Serde::of(field.attributes);
        open |= serde.flatten;
        if serde.skip || serde.flatten {
            continue;
        }
        let word = json_name(field.name);
        let json_name = match (&serde.rename, &container.rename_all) {
            (Some(name), _) => name.clone(),
            (None, Some(rule)) => renamed(&word, rule),
            (None, None) => word,
        };
        let description = docs(field.attributes);
        let texts = item::tokens(&format!("name: {json_name:?}, description: {description:?},"));
        let schema = schema(&path, field.ty);
        let default = default(name, &container, field, &serde);
        parameters.extend(item::tokens(&format!("{path}::Parameter")));
        parameters.extend(quote!({ #texts schema: #schema, default: #default },));
    }
    let whole = match own {
        Some(ty) => schema(&path, ty),
        None => item::tokens(&format!("{path}::no_schema")),
    };
    let head = item::tokens(&format!("{path}::Parameters"));
    quote!(#head { fields: &[#parameters], open: #open, whole: #whole })
}

/// A parameter's name in JSON, where serde is told nothing else.
pub(crate) fn json_name(name: &Ident) -> String {
    let word = name.to_string();
    word.strip_prefix("r#").map_or(word.clone(), str::to_owned)
}

/// The schema of a type, if it has one: `AnySchema` must be in scope.
fn schema(path: &str, ty: &impl ToTokens) -> TokenStream {
    let of = item::tokens(&format!("{path}::SchemaOf"));
    quote!(<#of<#ty>>::SCHEMA)
}

/// How the default of a field is made; none where it must be given.
fn default(name: &Ident, container: &Serde, field: &Field<'_>, serde: &Serde) -> TokenStream {
    let ty = field.ty;
    let value = match (&serde.default, &container.default) {
        // serde takes a missing `Option` for `None`, and `null` says no more than that it may be missing.
        (None | Some(Default::OfType), None) if is_option(ty) => {
            let path = private_path();
            return item::tokens(&format!("::core::option::Option::Some({path}::no_value)"));
        }
        (Some(Default::Function(path)), _) => quote!(#path()),
        (Some(Default::OfType), _) => quote!(<#ty as ::core::default::Default>::default()),
        (None, Some(default)) => {
            let whole = match default {
                Default::Function(path) => quote!(#path()),
                Default::OfType => quote!(<#name as ::core::default::Default>::default()),
            };
            let field = field.name;
            quote!(#whole.#field)
        }
        (None, None) => return item::tokens("::core::option::Option::None"),
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
