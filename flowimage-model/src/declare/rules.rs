//! Rules across keys, one function each.

mod needless;
mod places;
pub(super) mod secrets;

use super::draft::Draft;
use crate::declaration::Base;
use crate::names::PathKind;
use crate::suggest::instead;
use crate::tree::{Findings, Mistake};

/// Checks every rule.
pub(super) fn check<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    check_one_base(draft, findings);
    check_destinations(draft, findings);
    check_variables(draft, findings);
    super::dockerfile::check_extra_commands(draft, findings);
    check_scratch(draft, findings);
    places::check(draft, findings);
    needless::check(draft, findings);
    secrets::check(draft, findings);
    check_lints(draft, findings);
}

/// A Dockerfile names its base itself.
fn check_one_base<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    if let (Some(base), Some(_)) = (&draft.base_image, &draft.dockerfile) {
        findings.mistake(
            Mistake::new(
                base.place.clone(),
                "`base_image` and `dockerfile` exclude each other",
            )
            .help("the Dockerfile's own `FROM` names its base: remove `base_image`"),
        );
    }
}

/// Two sources cannot lie at one place, and what lies below a file has no folder to lie in.
fn check_destinations<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    for (index, file) in draft.files.iter().enumerate() {
        let path = file.destination.value.as_str();
        for earlier in &draft.files[..index] {
            let other = earlier.destination.value.as_str();
            if path == other {
                findings.mistake(
                    Mistake::new(
                        file.destination.place.clone(),
                        format!(
                            "`{}` and `{}` both go to `{path}`",
                            earlier.source.value, file.source.value
                        ),
                    )
                    .help("give one of them another destination"),
                );
            } else if is_below(path, other) && earlier.kind == Some(PathKind::File) {
                findings.mistake(below_a_file(file.destination.place.clone(), path, other));
            } else if is_below(other, path) && file.kind == Some(PathKind::File) {
                findings.mistake(below_a_file(earlier.destination.place.clone(), other, path));
            }
        }
        if path == "/" && file.kind == Some(PathKind::File) {
            findings.mistake(
                Mistake::new(
                    file.destination.place.clone(),
                    "a file cannot become the root folder",
                )
                .help(format!(
                    "write its name: `/{}`",
                    file.source.value.rsplit('/').next().unwrap_or("name")
                )),
            );
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn below_a_file<P>(place: P, path: &str, file: &str) -> Mistake<P> {
    Mistake::new(place, format!("`{path}` lies below `{file}`, which is a file"))
        .help("give one of them another destination")
}

/// All variables are set at once, so that one cannot see another; only what the base set is seen.
fn check_variables<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    for (name, value) in &draft.env_vars {
        for wanted in crate::escape::referenced_names(value.value.as_str()) {
            if wanted != name.value.as_str()
                && draft.env_vars.iter().any(|(it, _)| it.value.as_str() == wanted)
            {
                findings.mistake(
                    Mistake::new(
                        value.place.clone(),
                        format!(
                            "`${wanted}` is the base image's value here, not that of the `{wanted}` beside it"
                        ),
                    )
                    .help("all `env_vars` are set at once: write the value out"),
                );
            }
        }
    }
}

/// The empty image has nothing that could run a command.
fn check_scratch<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let on_scratch = draft
        .base_image
        .as_ref()
        .is_some_and(|base| base.value == Base::Scratch);
    if !on_scratch {
        return;
    }
    if let Some((key, place)) = draft.generated_run() {
        findings.mistake(
            Mistake::new(
                place.clone(),
                format!("`{key}` needs a base that can run commands, but `scratch` is empty"),
            )
            .help("remove `base_image = \"scratch\"`: a base is then chosen that can"),
        );
    }
    if let Some(user) = &draft.user
        && user
            .value
            .as_str()
            .split(':')
            .next()
            .is_some_and(|name| name.parse::<u32>().is_err())
        && !matches!(user.value.as_str(), "root" | "flow")
    {
        findings.mistake(
            Mistake::new(
                user.place.clone(),
                format!("`scratch` knows no user `{}`", user.value),
            )
            .help("write a number, such as `65532`"),
        );
    }
}

/// `allow` names lints that exist.
fn check_lints<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    for lint in &draft.allow {
        if !super::LINTS.contains(&lint.value.as_str()) {
            let mistake = Mistake::new(lint.place.clone(), format!("unknown lint `{}`", lint.value));
            findings.mistake(mistake.help(instead(&lint.value, &super::LINTS)));
        }
    }
    if let Some(base) = &draft.base_image
        && base.value.floats()
    {
        findings.doubt(
            super::UNPINNED_BASE,
            Mistake::new(
                base.place.clone(),
                format!("`{}` has neither tag nor digest", base.value),
            )
            .help("name a tag, or `allow = [\"unpinned_base\"]`"),
        );
    }
}
