//! What an editor shows of a key: the documentation of a field of its name.

use flowimage_model::keys::KEYS;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// A struct with a documented field per key, and a constant of it.
pub(crate) fn fields() -> TokenStream {
    let names: Vec<_> = KEYS.iter().map(|key| format_ident!("{}", key.name)).collect();
    let texts = KEYS.iter().map(|key| {
        format!(
            "{}\n\nDefault: {}.\n\n```text\n{}\n```",
            key.meaning, key.default, key.example
        )
    });
    quote! {
        pub struct Key;
        pub struct Keys { #(#[doc = #texts] pub #names: Key,)* }
        pub const KEYS: Keys = Keys { #(#names: Key),* };
    }
}

#[cfg(test)]
mod tests {
    use syn::{File, Item};

    use super::*;
    use crate::item::docs;

    #[test]
    fn every_key_is_a_documented_field() {
        let file: File = syn::parse2(fields()).unwrap();
        let Item::Struct(item) = &file.items[1] else {
            panic!("the struct of keys stands below that of one")
        };
        let fields: Vec<_> = item.fields.iter().collect();
        assert_eq!(fields.len(), KEYS.len());
        for (field, key) in fields.iter().zip(KEYS) {
            assert_eq!(field.ident.as_ref().unwrap(), key.name);
            let docs = docs(&field.attrs);
            assert!(
                !key.meaning.is_empty() && docs.starts_with(key.meaning),
                "{}: {docs}",
                key.name
            );
            assert!(docs.contains(key.example), "{}: {docs}", key.name);
        }
    }
}
