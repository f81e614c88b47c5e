//! The registry client against a registry in memory, and against servers that go wrong.

mod auth;
mod base;
mod fake;
mod faults;
mod kit;
mod memory;
mod pull;
mod push;
mod server;
