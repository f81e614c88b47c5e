//! Twenty flows of one binary.

use flowimage::prelude::*;

macro_rules! flows {
    ($($name:ident)*) => { $(
        /// One of twenty.
        #[flow_image]
        fn $name() {}
    )* };
}

flows! {
    flow01 flow02 flow03 flow04 flow05 flow06 flow07 flow08 flow09 flow10
    flow11 flow12 flow13 flow14 flow15 flow16 flow17 flow18 flow19 flow20
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
