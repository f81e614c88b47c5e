//! Secrets of a build: read when it begins, served to the steps that ask, struck out of all that is said.

use std::path::Path;

use flowimage_model::Declaration;
use flowimage_model::secret::SecretSource;

use super::failed::shown_line;
use crate::engine::{BuildEvent, BuildSecret, EngineError, EngineInfo};
use crate::failure::{Failure, Stage};

/// BuildKit's own limit.
const LARGEST: usize = 500 << 10;

/// The secrets of a declaration, with their values.
pub(super) struct Secrets {
    pub(super) values: Vec<BuildSecret>,
}

impl Secrets {
    /// Reads them; the text is the Dockerfile that asks for them.
    ///
    /// # Errors
    /// The engine has no way to serve secrets; a variable or file is not there.
    pub(super) fn read(
        declaration: &Declaration,
        text: &str,
        folder: &Path,
        engine: &EngineInfo,
    ) -> Result<Self, Failure> {
        if !declaration.secrets.is_empty() && !engine.buildkit {
            let line = line_with(text, "type=secret");
            return Err(Failure::text(
                Stage::Build,
                format!(
                    "`secrets`: {engine} has no BuildKit, and only BuildKit keeps secrets out of layers{line}"
                ),
                "use an engine with BuildKit (Docker 18.09 or later), or build without `secrets`",
            ));
        }
        let mut values = Vec::new();
        for secret in &declaration.secrets {
            let failed = |what: String, advice: String| {
                let line = line_with(text, &format!("type=secret,id={}", secret.id));
                Failure::text(Stage::Build, format!("`secrets`: {what}{line}"), advice)
            };
            let value = match &secret.source {
                SecretSource::Env(name) => std::env::var_os(name.as_str())
                    .map(|value| value.into_encoded_bytes())
                    .ok_or_else(|| {
                        failed(
                            format!(
                                "the environment variable {name} of the secret `{}` is not set",
                                secret.id
                            ),
                            format!("set it for this command: `{name}=… cargo run …`"),
                        )
                    })?,
                SecretSource::File(path) => std::fs::read(folder.join(path)).map_err(|error| {
                    failed(
                        format!(
                            "cannot read {path}, the file of the secret `{}`: {error}",
                            secret.id
                        ),
                        "correct `src`, which is absolute or relative to the crate".to_owned(),
                    )
                })?,
            };
            if value.len() > LARGEST {
                return Err(failed(
                    format!(
                        "the secret `{}` has more than 500 KiB, which no builder takes",
                        secret.id
                    ),
                    "name a smaller file".to_owned(),
                ));
            }
            values.push(BuildSecret {
                id: secret.id.clone(),
                value,
            });
        }
        Ok(Self { values })
    }

    /// An event with every secret struck out: a step may well print one.
    pub(super) fn redacted(&self, event: BuildEvent) -> BuildEvent {
        match event {
            BuildEvent::Log { step, line } => BuildEvent::Log {
                step,
                line: self.strike(line),
            },
            event => event,
        }
    }

    /// The same for a failure.
    pub(super) fn redacted_error(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::Build(mut failed) => {
                failed.message = self.strike(std::mem::take(&mut failed.message));
                let lines = std::mem::take(&mut failed.last_lines);
                failed.last_lines = lines.into_iter().map(|line| self.strike(line)).collect();
                EngineError::Build(failed)
            }
            error => error,
        }
    }

    fn strike(&self, mut text: String) -> String {
        for secret in &self.values {
            let value = String::from_utf8_lossy(&secret.value);
            // Each line of a file by itself; what is too short to be secret would strike out half the output.
            for line in value.lines().map(str::trim).filter(|line| line.len() >= 4) {
                if text.contains(line) {
                    text = text.replace(line, "***");
                }
            }
        }
        text
    }
}

/// The first line of a text with these words, as it is shown below a message; nothing where no line has them.
fn line_with(text: &str, words: &str) -> String {
    let mut lines = (1..).zip(text.lines());
    let line = lines.find(|(_, line)| line.contains(words));
    line.map_or(String::new(), |(number, line)| shown_line(number, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_struck_out() {
        let secret = |id: &str, value: &str| BuildSecret {
            id: id.to_owned(),
            value: value.into(),
        };
        let secrets = Secrets {
            values: vec![
                secret("a", "hunter2\n"),
                secret("b", "machine x\npassword open-sesame\n"),
            ],
        };
        assert_eq!(
            secrets.strike("curl -u me:hunter2; password open-sesame".to_owned()),
            "curl -u me:***; ***"
        );
        assert!(
            !format!("{:?}", secrets.values).contains("104"),
            "a value is not shown as bytes either"
        );
    }
}
