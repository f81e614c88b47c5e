//! Expansions must be clean where the author is strict. That this compiles, and passes `cargo clippy`, is the test.
//!
//! ```
//! use flow::prelude::*;
//!
//! #[flow_image(tags = ["doctest"])]
//! fn in_a_doctest() {}
//!
//! flow::check_declarations().unwrap();
//! ```

#![deny(warnings, missing_docs, unsafe_code, unused, clippy::all, clippy::pedantic)]
#![deny(
    unused_qualifications,
    unreachable_pub,
    missing_debug_implementations,
    single_use_lifetimes
)]

use flow::prelude::*;

/// A flow with every kind of parameter.
#[flow_image(
    description = "everything",
    env_vars = { A = "1" },
    labels = { "a.b" = "c" },
    tags = ["x"],
    schedule = "@daily",
    concurrency_limit = 1_000,
)]
async fn everything(
    /// A day.
    day: String,
    limit: Option<u32>,
    r#type: bool,
    context: &FlowContext,
) -> Result<String, std::fmt::Error> {
    std::future::ready((limit, r#type)).await;
    Ok(format!("{day} {}", context.flow))
}

/// Nothing at all.
#[flow_image]
fn nothing() {}

/// With a Dockerfile, which has an ignore file, and a file that is declared.
#[flow_image(dockerfile = "own.Dockerfile", files = { "Cargo.toml" => "/Cargo.toml" })]
fn own() {}

/// A type, the derive above the attribute.
#[derive(Debug, FlowImage, serde::Deserialize)]
#[flow_image(name = "derive-first")]
pub struct DeriveFirst {
    /// A day.
    pub day: String,
}

/// A type, the attribute above the derive.
#[flow_image(name = "attribute-first")]
#[derive(Debug, FlowImage, serde::Deserialize)]
pub struct AttributeFirst {
    /// A day.
    pub day: String,
}

macro_rules! runs {
    ($($type:ty),*) => {$(
        impl Flow for $type {
            type Output = String;
            type Error = String;

            async fn run(self, _: &FlowContext) -> Result<String, String> {
                Ok(self.day)
            }
        }
    )*};
}
runs!(DeriveFirst, AttributeFirst);

macro_rules! flows {
    ($($(#[$attribute:meta])* $name:ident: $text:literal, [$($tag:expr),*];)*) => {$(
        $(#[$attribute])*
        #[flow_image(name = $text, tags = [$($tag),*])]
        fn $name() -> &'static str {
            $text
        }
    )*};
}
flows! {
    /// Written by a macro.
    first: "macro-first", ["a", "b"];
    second: "macro-second", [];
}

mod inner {
    use flow::prelude::*;

    /// In a module, with names of the prelude hidden.
    #[allow(dead_code)]
    pub(super) mod hidden {
        pub(crate) struct Option;
        pub(crate) struct String;
        pub(crate) struct Result;
        pub(crate) struct Box;
    }
    #[allow(unused_imports)]
    use hidden::{Box, Result, String};

    #[flow_image]
    fn among_other_names(number: u8) -> u8 {
        number
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_dockerfile_is_a_constant() {
        use flow::prelude::*;
        const TEXT: &str = super::DeriveFirst::DOCKERFILE;
        assert!(TEXT.contains("FROM scratch") && super::AttributeFirst::NAME == "attribute-first");
    }

    #[test]
    fn declarations_agree() {
        flow::check_declarations().unwrap();
    }
}
