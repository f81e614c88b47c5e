//! The image's environment is as declared, and the flow's process sees it so.

use flowimage_model::escape::expand_env;

use super::super::probe::Probe;
use super::super::ran::Ran;
use super::super::seen::Seen;
use super::super::{Check, Status};

pub(crate) struct Variables;

const NAME: &str = "env_vars";

/// Stands for a value that only the base knows.
const UNKNOWN: char = '\u{1}';

impl Probe for Variables {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().env_vars.is_empty()
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let variables = &seen.declaration().env_vars;
        for (name, declared) in variables {
            let Some(value) = seen.config.variable(name.as_str()) else {
                return vec![
                    Check::new(NAME, Status::Fail, format!("the image has no variable {name}")).advice(
                        "the image was changed after the declaration was built into it: build it again",
                    ),
                ];
            };
            if !fits(declared.as_str(), value) {
                return vec![
                    Check::new(
                        NAME,
                        Status::Fail,
                        format!(
                            "{name} is `{}` in the image, declared as `{declared}`",
                            short(value)
                        ),
                    )
                    .advice("a later `ENV` replaced it: remove that step, or change `env_vars`"),
                ];
            }
        }
        Vec::new()
    }

    fn judge(&self, seen: &Seen<'_>, ran: &Ran) -> Vec<Check> {
        let variables = &seen.declaration().env_vars;
        let count = variables.len();
        let Some(loaded) = ran.loaded() else {
            return vec![Check::new(
                NAME,
                Status::Pass,
                format!("{count} in the image's configuration"),
            )];
        };
        for name in variables.keys() {
            let configured = seen.config.variable(name.as_str());
            let inside = loaded.variables.get(name.as_str()).map(String::as_str);
            if inside != configured {
                let detail = match inside {
                    None => format!("the image sets {name}, but the flow's process does not see it"),
                    Some(value) => format!("the flow's process sees {name} as `{}`", short(value)),
                };
                return vec![Check::new(NAME, Status::Fail, detail).advice(
                    "the entrypoint that the base puts in front changes the environment: remove it",
                )];
            }
        }
        vec![Check::new(NAME, Status::Pass, format!("{count} as declared"))]
    }
}

fn short(value: &str) -> String {
    value.chars().take(200).collect()
}

/// Whether a value can be what the declared text expands to, whatever the base had set.
fn fits(declared: &str, value: &str) -> bool {
    [Some(UNKNOWN.to_string()), None].into_iter().any(|known| {
        let pattern = expand_env(declared, &|_| known.clone());
        let mut parts = pattern.split(UNKNOWN);
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = value.strip_prefix(first) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_base_set_may_be_anything() {
        assert!(fits("7.4", "7.4") && !fits("7.4", "7.40"));
        assert!(fits("$PATH:/opt/tools", "/bin:/opt/tools") && fits("$PATH:/opt/tools", ":/opt/tools"));
        assert!(!fits("$PATH:/opt/tools", "/bin"));
        assert!(fits("a${X}b${Y}c", "a1b2c") && !fits("a${X}b${Y}c", "a12c"));
        assert!(fits("${X:-default}", "default") && fits("${X:-default}", "other"));
    }
}
