//! Twenty flows with one environment.

use std::convert::Infallible;
use std::process::ExitCode;

use flowimage::prelude::*;

/// A test puts another text of this length in its place: a program with other code.
const BUILD: &str = "the first build of the twenty";

macro_rules! flows {
    ($($name:ident)*) => {$(
        #[flow_image(
            base_image = "debian:bookworm-slim",
            extra_dockerfile_commands = ["RUN echo twenty > /twenty"],
        )]
        async fn $name() -> Result<&'static str, Infallible> {
            Ok(BUILD)
        }
    )*};
}

flows! {
    flow_01 flow_02 flow_03 flow_04 flow_05 flow_06 flow_07 flow_08 flow_09 flow_10
    flow_11 flow_12 flow_13 flow_14 flow_15 flow_16 flow_17 flow_18 flow_19 flow_20
}

fn main() -> ExitCode {
    flowimage::main()
}
