//! Keys that would do nothing beside the others, or the same thing twice: nobody writes one in order that it does nothing.

use super::super::draft::Draft;
use crate::declaration::Base;
use crate::requirement::Requirement;
use crate::tree::{Findings, Mistake};

pub(super) fn check<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    check_build(draft, findings);
    check_base(draft, findings);
    check_health(draft, findings);
    check_doubles(draft, findings);
}

/// What only steps of a build read.
fn check_build<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let own_steps = draft.dockerfile.is_some() || draft.running_command().is_some();
    let runs = own_steps || draft.generated_run().is_some();
    if let Some((name, _)) = draft.build_args.first()
        && !own_steps
    {
        findings.mistake(
            Mistake::new(
                name.place.clone(),
                format!("no step of the build reads the argument `{}`", name.value),
            )
            .help("`build_args` are for a `dockerfile` or `extra_dockerfile_commands`; `env_vars` are for the flow"),
        );
    }
    if let Some(secret) = draft.secrets.first()
        && !runs
    {
        findings.mistake(
            Mistake::new(
                secret.place.clone(),
                format!("no step of the build reads the secret `{}`", secret.value.id),
            )
            .help("what the flow itself needs is given where it runs, not where it is built"),
        );
    }
    if let Some(path) = &draft.dockerignore
        && !own_steps
    {
        findings.mistake(
            Mistake::new(
                path.place.clone(),
                "nothing is copied from the build context, so that nothing is to be ignored",
            )
            .help("it is for a `dockerfile`, or a `COPY` in `extra_dockerfile_commands`"),
        );
    }
}

/// What says something of a base that there is not.
fn check_base<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let on_image = draft
        .base_image
        .as_ref()
        .is_some_and(|base| base.value != Base::Scratch);
    if let Some(local) = &draft.local_image
        && local.value
        && !on_image
        && draft.dockerfile.is_none()
    {
        findings.mistake(
            Mistake::new(
                local.place.clone(),
                "`local_image` speaks of a base that is not declared",
            )
            .help("name it: `base_image = \"…\"`"),
        );
    }
    if let Some(version) = &draft.python_version
        && draft.python_dependencies.is_empty()
        && (on_image || draft.dockerfile.is_some())
    {
        findings.mistake(
            Mistake::new(
                version.place.clone(),
                "`python_version` chooses a base or runs `python_dependencies`, and neither is asked for here",
            )
            .help("the base has the Python that it has: remove it, or the base"),
        );
    }
}

/// Checks that would never run.
fn check_health<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    if !draft.ignore_healthchecks.as_ref().is_some_and(|it| it.value) {
        return;
    }
    let commands = draft.commands.first().map(|it| ("commands", it.place.clone()));
    let health_checks = draft
        .health_checks
        .first()
        .map(|it| ("health_checks", it.place.clone()));
    for (key, place) in commands.into_iter().chain(health_checks) {
        findings.mistake(
            Mistake::new(
                place,
                format!("`{key}` would never be checked: `ignore_healthchecks` skips all"),
            )
            .help("remove one of the two"),
        );
    }
}

/// One thing said twice in different words.
fn check_doubles<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    for (index, requirement) in draft.python_dependencies.iter().enumerate() {
        let project = requirement.value.normalized_name();
        let marked = |it: &Requirement| it.as_str().contains(';');
        let same =
            |it: &Requirement| it.normalized_name() == project && !(marked(it) && marked(&requirement.value));
        if let Some(earlier) = draft.python_dependencies[..index]
            .iter()
            .find(|it| same(&it.value))
        {
            findings.mistake(
                Mistake::new(
                    requirement.place.clone(),
                    format!(
                        "`{}` and `{}` are of one project",
                        earlier.value, requirement.value
                    ),
                )
                .help("write one requirement, its conditions separated by `,`"),
            );
        }
    }
    for (index, package) in draft.system_dependencies.iter().enumerate() {
        let bare = |text: &str| text.split(['=', '~']).next().unwrap_or_default().to_owned();
        let name = bare(package.value.as_str());
        let earlier = draft.system_dependencies[..index]
            .iter()
            .find(|it| bare(it.value.as_str()) == name);
        if let Some(earlier) = earlier {
            findings.mistake(
                Mistake::new(
                    package.place.clone(),
                    format!("`{}` and `{}` are one package", earlier.value, package.value),
                )
                .help("keep the one with the version you want"),
            );
        }
    }
    for (index, secret) in draft.secrets.iter().enumerate() {
        if draft.secrets[..index]
            .iter()
            .any(|it| it.value.id == secret.value.id)
        {
            findings.mistake(
                Mistake::new(
                    secret.place.clone(),
                    format!("two secrets have the id `{}`", secret.value.id),
                )
                .help("steps ask for a secret by its id: give one of them another"),
            );
        }
    }
}
