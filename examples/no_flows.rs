//! A program that forgot its flows, to show what it says.

use std::process::ExitCode;

fn main() -> ExitCode {
    flowimage::main()
}
