//! What the model says of ignore files, quoting and references, held against a real engine and its command line.
//! `./test engine` sets both up and runs this.

#[path = "../declared/mod.rs"]
mod declared;
mod ignore;
mod kit;
mod quoting;
mod references;
