//! Where something was written: a token, or a place in `flowimage.toml` that a token leads to.

use flowimage_model::tree::Position;
use proc_macro2::Span;

/// A token, and where it only stands for the place in `flowimage.toml`, that place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The token that a message points at.
    pub(crate) span: Span,
    /// The place in `flowimage.toml`.
    pub(crate) file: Option<Position>,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { span, file: None }
    }
}
