//! Serves the flows of a library. Only naming it makes the linker keep them.

use std::process::ExitCode;

use example_flows as _;

fn main() -> ExitCode {
    flowimage::main()
}
