//! flowimage.
