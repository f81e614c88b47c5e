//! Say beside a Rust flow what its Docker image needs; build, health-check, push and register it by digest.

pub use flowimage_macros::{FlowImage, flow_image};
pub use flowimage_runtime::flow::{Flow, FlowContext, FlowImage};

/// What a file with flows needs in scope.
pub mod prelude {
    pub use crate::{Flow, FlowContext, FlowImage, flow_image};
}

/// What the macros' expansions name. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use flowimage_macros::FlowImage;
    pub use flowimage_runtime::flow::{
        DerivesFlowImage, FlowContext, FlowEntry, FlowError, FlowImage as FlowImageTrait, Registered, Run,
        outcome, run,
    };
    pub use flowimage_runtime::serde_json::Value;
    pub use flowimage_runtime::{inventory, serde};

    pub mod keys {
        //! One documented item per key, for editors.
        #![allow(non_upper_case_globals, missing_docs)]
        flowimage_macros::__key_documentation!();
    }
}

/// The command line of a program with flows: `fn main() -> ExitCode { flowimage::main() }`.
///
/// Exit status: 0 all flows done, 1 a flow failed, 2 wrong usage or no flows in the program.
pub fn main() -> std::process::ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    flowimage_runtime::cli::main(std::env::args_os(), &mut out, &mut err).into()
}
