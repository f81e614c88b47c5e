//! Serves the flows of the library.

use test_expansion as _;

fn main() -> std::process::ExitCode {
    flow::main()
}
