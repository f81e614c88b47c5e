//! Say beside a Rust flow what its Docker image needs; build, health-check, push and register it by digest.

pub mod build;

pub use flowimage_macros::{FlowImage, flow_image, health_check};
pub use flowimage_runtime::flow::{Flow, FlowContext, FlowImage};
pub use flowimage_runtime::health::Unhealthy;

/// Runs that a Prefect server watches.
#[cfg(feature = "prefect")]
pub mod prefect {
    pub use flowimage_runtime::prefect::report::layer;
}

/// What a file with flows needs in scope.
pub mod prelude {
    pub use crate::{Flow, FlowContext, FlowImage, Unhealthy, flow_image, health_check};
}

/// What the macros' expansions name. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use flowimage_runtime::flow::{
        FlowEntry, FlowImage as FlowImageTrait, Registered, fallible, infallible, run,
    };
    pub use flowimage_runtime::health::{HealthCheck, verdict};
    pub use flowimage_runtime::parameters::{
        AnySchema, HasJson, JsonOf, NoJson, Parameter, Parameters, SchemaOf, no_schema, no_value,
    };
    pub use flowimage_runtime::{inventory, serde};

    pub mod keys {
        //! One documented field per key, for editors.
        #![allow(missing_debug_implementations, missing_docs)]
        flowimage_macros::__key_documentation!();
    }
}

/// Checks what no single declaration shows: that no two flows of this program have one name, and that the flows of one
/// `image` agree on it. Every command does it first; a test finds it sooner:
///
/// ```
/// flowimage::check_declarations().unwrap();
/// ```
///
/// # Errors
/// Every mistake, each on a line of its own.
pub fn check_declarations() -> Result<(), String> {
    flowimage_runtime::flow::flows().map(drop).map_err(str::to_owned)
}

/// The command line of a program with flows: `fn main() -> ExitCode { flowimage::main() }`.
///
/// Exit status: 0 all flows done, 1 a flow failed, 2 wrong usage or no flows in the program.
pub fn main() -> std::process::ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    flowimage_runtime::cli::main(std::env::args_os(), &mut out, &mut err).into()
}
