//! Tests on real engines.
