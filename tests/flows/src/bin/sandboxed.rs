//! A flow that is tried out as a whole where there is no engine: with sample parameters, and by two checks of one name.

use flowimage::prelude::*;

/// Counts the letters of a word.
#[flow_image(base_image = "scratch", health_checks = ["/opt/flow/flow describe"], dry_run = { word = "flow" })]
fn sandboxed(word: String) -> usize {
    word.chars().count()
}

mod of_the_system {
    use flowimage::prelude::*;

    /// Programs find out about themselves.
    #[health_check(super::sandboxed)]
    fn ready() -> Result<(), Unhealthy> {
        let program = std::env::current_exe().map_err(|error| Unhealthy::new(error.to_string()))?;
        match program.starts_with("/opt/flow") {
            true => Ok(()),
            false => Err(Unhealthy::new(format!("the program is {}", program.display()))),
        }
    }
}

mod of_the_weather {
    use flowimage::prelude::*;

    /// Never well.
    #[health_check(super::sandboxed)]
    fn ready() -> Result<(), Unhealthy> {
        Err(Unhealthy::new("it rains").advice("wait"))
    }
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
