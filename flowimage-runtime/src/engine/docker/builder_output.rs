//! One translation of what builders write, classic and BuildKit alike, into [`BuildEvent`]s and failures.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex};
use bollard::models::{BuildInfo, BuildInfoAux};

use super::super::builder_words::{
    Announced, Lines, Stream, buildkit_step, classic_step, exit_code, parse_error_line, plain,
};
use super::super::failing_line::line_of;
use super::super::{BuildEvent, BuildFailure};
use super::images::digest;
use crate::oci::Digest;

/// What is known of a build from its output so far.
#[derive(Default)]
pub(super) struct BuilderOutput {
    /// The last image ID said.
    pub(super) image: Option<Digest>,
    /// Unnamed images that the classic builder made for its steps, oldest first.
    pub(super) images: Vec<String>,
    classic: Classic,
    /// BuildKit's steps by digest.
    vertexes: BTreeMap<String, Step>,
}

#[derive(Default)]
struct Classic {
    partial: Lines,
    step: Option<ClassicStep>,
    last: Lines,
}

struct ClassicStep {
    text: String,
    name: String,
    cached: bool,
}

#[derive(Default)]
struct Step {
    name: String,
    started: bool,
    done: bool,
    error: String,
    lines: Lines,
}

impl BuilderOutput {
    /// Takes one message in and tells what it means.
    pub(super) fn take(&mut self, message: BuildInfo, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        match message.aux {
            Some(BuildInfoAux::BuildKit(status)) => self.buildkit(status, on_event),
            Some(BuildInfoAux::Default(aux)) => {
                self.image = aux.id.and_then(|id| digest(&id).ok()).or(self.image.take());
            }
            None => {}
        }
        if let Some(text) = message.stream {
            let mut lines = Vec::new();
            self.classic
                .partial
                .push(Stream::Output, text.as_bytes(), |line| {
                    lines.push(line.to_owned())
                });
            for line in lines {
                self.classic_line(&line, on_event);
            }
        } else if let Some(status) = message.status {
            let detail = message.progress_detail.unwrap_or_default();
            on_event(BuildEvent::PullProgress {
                layer: message.id.unwrap_or_default(),
                status: plain(&status),
                current: detail.current.unwrap_or(0).try_into().unwrap_or(0),
                total: detail.total.unwrap_or(0).try_into().unwrap_or(0),
            });
        }
    }

    /// The end of the output: the last step of a build that went well is done.
    pub(super) fn finish(&mut self, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        let mut rest = Vec::new();
        self.classic.partial.finish(|line| rest.push(line.to_owned()));
        for line in rest {
            self.classic_line(&line, on_event);
        }
        self.classic_step_done(on_event);
    }

    fn classic_line(&mut self, line: &str, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        if let Some(announced) = classic_step(line) {
            self.classic_step_done(on_event);
            self.classic.last.clear();
            on_event(BuildEvent::StepStarted {
                step: line.to_owned(),
                name: announced.name.to_owned(),
                index: announced.index,
                total: announced.total,
            });
            self.classic.step = Some(ClassicStep {
                text: line.to_owned(),
                name: announced.name.to_owned(),
                cached: false,
            });
            return;
        }
        if self.housekeeping(line) {
            return;
        }
        self.classic
            .last
            .push(Stream::Output, format!("{line}\n").as_bytes(), |_| {});
        on_event(BuildEvent::Log {
            step: self.classic.step.as_ref().map(|step| step.text.clone()),
            line: line.to_owned(),
        });
    }

    /// Lines in which the builder speaks of its own containers and images: `true` if this is one.
    fn housekeeping(&mut self, line: &str) -> bool {
        if line.starts_with(" ---> Running in ") || line.starts_with("Removing intermediate container ") {
            return true;
        } else if line.starts_with(" ---> Using cache") || line.starts_with("--> Using cache ") {
            if let Some(step) = &mut self.classic.step {
                step.cached = true;
            }
        } else if let Some(image) = line.strip_prefix(" ---> ").or_else(|| line.strip_prefix("--> ")) {
            let made_here = self.classic.step.as_ref().is_some_and(|step| {
                !step.cached
                    && !step
                        .name
                        .get(..4)
                        .is_some_and(|word| word.eq_ignore_ascii_case("from"))
            });
            let is_id = image.len() >= 11 && image.bytes().all(|byte| byte.is_ascii_hexdigit());
            if made_here && is_id {
                self.images.push(image.to_owned());
            }
            return is_id;
        } else {
            // Podman ends with the bare ID, and says it again where it is looked for.
            let podman = self
                .classic
                .step
                .as_ref()
                .is_some_and(|step| step.text.contains("STEP "));
            let is_id = podman && line.len() == 64 && digest(line).is_ok();
            return line.is_empty() || line.starts_with("Successfully built ") || line == "COMMIT" || is_id;
        }
        true
    }

    fn classic_step_done(&mut self, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        if let Some(step) = self.classic.step.take() {
            on_event(BuildEvent::StepDone {
                step: step.text,
                cached: step.cached,
                duration: None,
            });
        }
    }

    fn buildkit(&mut self, status: StatusResponse, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        for vertex in status.vertexes {
            self.vertex(vertex, on_event);
        }
        for log in status.logs {
            let step = self.vertexes.entry(log.vertex.clone()).or_default();
            let tell = |line: &str| {
                on_event(BuildEvent::Log {
                    step: Some(log.vertex.clone()),
                    line: line.to_owned(),
                });
            };
            let stream = if log.stream == 2 {
                Stream::Errors
            } else {
                Stream::Output
            };
            step.lines.push(stream, &log.msg, tell);
        }
        for progress in status.statuses {
            // Besides layers that come in, BuildKit reports its own copying in the same shape.
            if progress.id.starts_with("sha256:") || progress.total > 0 {
                on_event(BuildEvent::PullProgress {
                    layer: plain(&progress.id),
                    status: plain(&progress.name),
                    current: progress.current.try_into().unwrap_or(0),
                    total: progress.total.try_into().unwrap_or(0),
                });
            }
        }
    }

    fn vertex(&mut self, vertex: Vertex, on_event: &mut (dyn FnMut(BuildEvent) + Send)) {
        let step = self.vertexes.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        if vertex.started.is_some() && !step.started {
            step.started = true;
            let announced = buildkit_step(&vertex.name);
            on_event(BuildEvent::StepStarted {
                step: vertex.digest.clone(),
                name: announced.name.to_owned(),
                index: announced.index,
                total: announced.total,
            });
        }
        if !vertex.error.is_empty() {
            step.error.clone_from(&vertex.error);
        }
        if let (Some(completed), false) = (vertex.completed, step.done) {
            step.done = true;
            step.lines.finish(|line| {
                on_event(BuildEvent::Log {
                    step: Some(vertex.digest.clone()),
                    line: line.to_owned(),
                });
            });
            if step.error.is_empty() {
                let duration = vertex.started.map(|started| {
                    let nanoseconds = i128::from(completed.seconds - started.seconds) * 1_000_000_000
                        + i128::from(completed.nanos - started.nanos);
                    Duration::from_nanos(nanoseconds.try_into().unwrap_or(0))
                });
                step.lines.clear();
                on_event(BuildEvent::StepDone {
                    step: vertex.digest,
                    cached: vertex.cached,
                    duration,
                });
            }
        }
    }

    /// What failed, when the builder ended with these words.
    pub(super) fn failure(&mut self, dockerfile: &str, message: &str) -> BuildFailure {
        let message = plain(message);
        let parse_error = parse_error_line(&message);
        let failed_vertex = self
            .vertexes
            .values_mut()
            // A step beside the failing one is cancelled, and says so.
            .find(|step| !step.error.is_empty() && !step.error.contains("context canceled"));
        if let Some(vertex) = failed_vertex {
            vertex.lines.finish(|_| {});
            let announced = buildkit_step(&vertex.name);
            return BuildFailure {
                step: Some(announced.name.to_owned()),
                dockerfile_line: parse_error
                    .or_else(|| metadata_line(dockerfile, announced.name))
                    .or_else(|| line_of(dockerfile, &announced, false)),
                exit_code: exit_code(&message).or_else(|| exit_code(&vertex.error)),
                last_lines: vertex.lines.last(),
                message,
            };
        }
        self.classic.last.finish(|_| {});
        let step = self.classic.step.as_ref();
        let announced: Option<Announced<'_>> = step.and_then(|step| classic_step(&step.text));
        BuildFailure {
            step: announced.as_ref().map(|announced| announced.name.to_owned()),
            dockerfile_line: parse_error.or_else(|| {
                let announced = announced.as_ref()?;
                // Podman numbers the instructions of one stage, Docker all of the file.
                let whole_file = step.is_some_and(|step| step.text.starts_with("Step "));
                line_of(dockerfile, announced, whole_file)
            }),
            exit_code: exit_code(&message),
            last_lines: self.classic.last.last(),
            message,
        }
    }
}

/// The `FROM` whose image BuildKit looks up in `[internal] load metadata for docker.io/library/debian:12`.
fn metadata_line(dockerfile: &str, step: &str) -> Option<usize> {
    let reference = looked_up(step)?;
    let short = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let untagged = short.strip_suffix(":latest").unwrap_or(short);
    let from = dockerfile.lines().position(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
            && words.any(|word| [reference, short, untagged].contains(&word))
    });
    from.map(|index| index + 1)
}

/// The image that a step only looks up.
pub(super) fn looked_up(step: &str) -> Option<&str> {
    step.split_once("load metadata for ")
        .map(|(_, reference)| reference.trim())
}
