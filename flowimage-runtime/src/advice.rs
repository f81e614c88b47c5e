//! Errors that say what to do.

/// An error that may know what its reader should do next.
///
/// `Display` says what failed and where, for its own level only; the cause is `source()`; the way out is here.
pub trait Advise: std::error::Error + Send + Sync + 'static {
    /// One or more sentences of advice, or `None` where the message says all that is known.
    fn advice(&self) -> Option<String> {
        None
    }
}
