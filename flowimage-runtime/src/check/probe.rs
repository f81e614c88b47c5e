//! What a health check is, and which ones apply to a flow.

use super::Check;
use super::probes::{
    commands, dry_run, dynamic_libraries, files, health_checks, libraries, load, pip_check, platform,
    profile, python, rust, user, variables,
};
use super::protocol::Task;
use super::ran::Ran;
use super::seen::Seen;

/// One health check. It proves what reading can prove, and judges what was seen in the one run of the image.
pub(crate) trait Probe: Sync {
    /// Its name: one of [`flowimage_model::health::PROBES`].
    fn name(&self) -> &'static str;

    /// Whether the declaration asks for it.
    fn applies(&self, _seen: &Seen<'_>) -> bool {
        true
    }

    /// Whether running the image is pointless once this has failed.
    fn comes_first(&self) -> bool {
        false
    }

    /// What reading the image's files and configuration shows.
    fn prove(&self, _seen: &Seen<'_>) -> Vec<Check> {
        Vec::new()
    }

    /// What is to be run in the image.
    fn tasks(&self, _seen: &Seen<'_>) -> Vec<Task> {
        Vec::new()
    }

    /// What the run shows.
    fn judge(&self, _seen: &Seen<'_>, _ran: &Ran) -> Vec<Check> {
        Vec::new()
    }
}

/// All of them, in the order they are shown.
pub(crate) static PROBES: [&dyn Probe; 14] = [
    &profile::Profile,
    &platform::Platform,
    &libraries::Libraries,
    &dynamic_libraries::DynamicLibraries,
    &files::Files,
    &variables::Variables,
    &user::User,
    &commands::Commands,
    &load::Load,
    &python::Python,
    &pip_check::PipCheck,
    &health_checks::HealthChecks,
    &rust::Rust,
    &dry_run::DryRun,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_a_declaration_may_skip() {
        assert_eq!(PROBES.map(|probe| probe.name()), flowimage_model::health::PROBES);
    }
}
