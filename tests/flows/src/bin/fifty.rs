//! Fifty flows of one binary.

use flowimage::prelude::*;

macro_rules! flows {
    ($($name:ident)*) => { $(
        /// One of fifty.
        #[flow_image]
        fn $name() {}
    )* };
}

flows! {
    flow01 flow02 flow03 flow04 flow05 flow06 flow07 flow08 flow09 flow10 flow11 flow12 flow13 flow14
    flow15 flow16 flow17 flow18 flow19 flow20 flow21 flow22 flow23 flow24 flow25 flow26 flow27 flow28
    flow29 flow30 flow31 flow32 flow33 flow34 flow35 flow36 flow37 flow38 flow39 flow40 flow41 flow42
    flow43 flow44 flow45 flow46 flow47 flow48 flow49 flow50
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
