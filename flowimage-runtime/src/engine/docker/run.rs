//! Running one command in a locked-down container.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use bollard::query_parameters::{AttachContainerOptions, InspectContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;

use super::super::owner::{this_host, this_process};
use super::super::{
    Captured, Ended, EngineKind, LABEL, LABEL_HOST, LABEL_OWNER, Root, RunOutcome, RunRequest,
};
use super::cleanup::{Cleanup, remove_container};
use super::images::checked;
use super::steady::steady;
use super::{Engine, EngineError};
use crate::unique::unique;

impl Engine {
    /// Runs one command in a container of an image and removes the container, whatever happens.
    ///
    /// A command that fails, hangs, floods or cannot be started is an outcome and no error.
    /// Errors: [`EngineError::NoImage`], and what is wrong with the engine itself.
    pub async fn run(&self, request: &RunRequest) -> Result<RunOutcome, EngineError> {
        checked(&request.image)?;
        let began = Instant::now();
        let name = container_name();
        let mut left = Cleanup::new(self);
        let mut container = container(request);
        // Podman 4 adds limits of its own to a list that is given, and may not be allowed to set them.
        if self.info().await?.kind == EngineKind::Podman
            && let Some(host) = &mut container.host_config
        {
            host.ulimits = None;
        }
        let warnings = match self.create(&mut left, &name, container).await {
            Ok(warnings) => warnings,
            Err(error) => {
                left.now().await;
                return Err(error);
            }
        };
        let mut captured = (
            Captured::new(request.limits.output),
            Captured::new(request.limits.output),
        );
        let ended = self.attended(&name, request, &mut captured).await;
        let duration = began.elapsed();
        left.now().await;
        Ok(RunOutcome {
            ended: ended?,
            stdout: captured.0,
            stderr: captured.1,
            duration,
            warnings,
        })
    }

    /// Makes a container that does not run yet, and gives the engine's warnings about it.
    pub(super) async fn create(
        &self,
        left: &mut Cleanup,
        name: &str,
        container: ContainerCreateBody,
    ) -> Result<Vec<String>, EngineError> {
        let image = container.image.clone().unwrap_or_default();
        match left.create(name, container).await {
            Ok(warnings) => Ok(warnings),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                Err(EngineError::NoImage { reference: image })
            }
            Err(error) => Err(self.failed("make a container", error)),
        }
    }

    /// Starts the container and stays with it until it ends or has to be ended.
    async fn attended(
        &self,
        name: &str,
        request: &RunRequest,
        captured: &mut (Captured, Captured),
    ) -> Result<Ended, EngineError> {
        let during = "was running a container";
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        // Before the start, or the first output would be lost.
        let mut output = match self.docker.attach_container(name, Some(options)).await {
            Ok(attached) => attached.output,
            // Podman prepares the container's process when it is attached to.
            Err(Error::DockerResponseServerError {
                status_code: 409,
                message,
            }) => return Ok(Ended::NotStarted(message)),
            Err(error) => return Err(self.failed_during(during, "attach to a container", error)),
        };
        match self.docker.start_container(name, None).await {
            Ok(()) => {}
            Err(Error::DockerResponseServerError { message, .. }) => return Ok(Ended::NotStarted(message)),
            Err(error) => return Err(self.failed_during(during, "start a container", error)),
        }
        let flood = request.limits.flood;
        let spoken = AtomicBool::new(false);
        let until_exit = async {
            while let Some(chunk) = output.next().await {
                spoken.store(true, Ordering::Relaxed);
                match chunk.map_err(|error| self.failed_during(during, "read a container's output", error))? {
                    LogOutput::StdErr { message } => captured.1.push(&message),
                    other => captured.0.push(other.as_ref()),
                }
                if captured.0.seen() + captured.1.seen() > flood {
                    return Ok(None);
                }
            }
            self.exit_code(name).await.map(Some)
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(request.limits.time, until_exit) => ended,
            full = self.until_full(name, request) => return full,
            () = silent(request, &spoken) => return Ok(Ended::TimedOut),
        };
        match ended {
            Err(_) => Ok(Ended::TimedOut),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) => Ok(Ended::Flooded),
            Ok(Ok(Some(0))) => Ok(Ended::Exited(0)),
            Ok(Ok(Some(code))) => self.why_not_zero(name, code).await,
        }
    }

    /// Ends when a throw-away root has grown beyond its limit. Engines know no such limit on every disk.
    async fn until_full(&self, name: &str, request: &RunRequest) -> Result<Ended, EngineError> {
        if request.root == Root::ReadOnly {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let options = Some(InspectContainerOptions { size: true });
            let seen = steady(|| self.docker.inspect_container(name, options.clone())).await;
            let written = seen
                .map_err(|error| self.failed("look at a container", error))?
                .size_rw;
            if written
                .is_some_and(|bytes| u64::try_from(bytes).is_ok_and(|bytes| bytes > request.limits.root))
            {
                return Ok(Ended::DiskFull);
            }
        }
    }

    pub(super) async fn exit_code(&self, name: &str) -> Result<i64, EngineError> {
        let docker = self.patient();
        let mut waiting = Box::pin(docker.wait_container(name, None::<WaitContainerOptions>));
        match waiting.next().await {
            Some(Ok(response)) => Ok(response.status_code),
            // bollard's word for every exit status but 0.
            Some(Err(Error::DockerContainerWaitError { code, error })) if error.is_empty() => Ok(code),
            Some(Err(error)) => {
                Err(self.failed_during("was running a container", "wait for a container", error))
            }
            None => Err(EngineError::EngineDied {
                address: self.address.to_string(),
                during: "was running a container",
                source: None,
            }),
        }
    }

    /// Asked only after a failure: a good run needs no further question.
    async fn why_not_zero(&self, name: &str, code: i64) -> Result<Ended, EngineError> {
        let inspected = steady(|| self.docker.inspect_container(name, None)).await;
        let state = inspected
            .map_err(|error| self.failed("look at a container", error))?
            .state
            .unwrap_or_default();
        Ok(match state.error.filter(|error| !error.is_empty()) {
            _ if state.oom_killed == Some(true) => Ended::OutOfMemory,
            Some(error) if matches!(code, 126..=128) => Ended::NotStarted(error),
            _ => Ended::Exited(code),
        })
    }

    /// Kills and removes a container by name.
    pub(super) async fn remove_container(&self, name: &str) -> Result<(), EngineError> {
        match remove_container(&self.docker, name).await {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error) => Err(self.failed("remove a container", error)),
        }
    }
}

/// Ends when nothing was said for as long as that may be.
async fn silent(request: &RunRequest, spoken: &AtomicBool) {
    match request.limits.first_output {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
    if spoken.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

pub(super) fn container_name() -> String {
    format!("flowimage-{}", unique())
}

/// The labels by which a container's owner is found again.
pub(super) fn owned() -> HashMap<String, String> {
    HashMap::from([
        (LABEL.to_owned(), "1".to_owned()),
        (LABEL_OWNER.to_owned(), this_process()),
        (LABEL_HOST.to_owned(), this_host()),
    ])
}

fn container(request: &RunRequest) -> ContainerCreateBody {
    let limits = &request.limits;
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut labels = owned();
    labels.extend(request.labels.clone());
    ContainerCreateBody {
        image: Some(request.image.clone()),
        entrypoint: request.entrypoint.clone(),
        cmd: request.command.clone(),
        env: Some(
            request
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        user: request.user.clone(),
        working_dir: request.working_directory.clone(),
        labels: Some(labels),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        // The image's own check would start processes that count against the limits.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..Default::default()
        }),
        network_disabled: Some(!request.network),
        host_config: Some(HostConfig {
            network_mode: Some(if request.network { "default" } else { "none" }.to_owned()),
            memory: Some(bytes(limits.memory)),
            // Equal to memory: no swap.
            memory_swap: Some(bytes(limits.memory)),
            pids_limit: Some(i64::from(limits.pids)),
            nano_cpus: Some((limits.cpus * 1e9) as i64),
            readonly_rootfs: Some(request.root == Root::ReadOnly),
            tmpfs: Some(HashMap::from([(
                "/tmp".to_owned(),
                format!("rw,nosuid,nodev,exec,mode=1777,size={}", limits.tmp),
            )])),
            shm_size: Some(bytes(limits.tmp)),
            ulimits: Some(vec![ResourcesUlimits {
                name: Some("fsize".to_owned()),
                soft: Some(bytes(limits.root)),
                hard: Some(bytes(limits.root)),
            }]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            // Output is read here and now; a flood must not fill the engine's disk.
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".to_owned()),
                config: None,
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
