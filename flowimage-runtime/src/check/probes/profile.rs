//! Code compiled without optimisation belongs to development.

use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};

pub(crate) struct Profile;

impl Probe for Profile {
    fn name(&self) -> &'static str {
        "compiler profile"
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let check = if seen.unit.entry.optimized {
            Check::new(self.name(), Status::Pass, "optimized")
        } else {
            Check::new(self.name(), Status::Warn, "the flow binary is of the dev profile")
                .advice("register what you release with `cargo run --release`")
        };
        vec![check]
    }
}
