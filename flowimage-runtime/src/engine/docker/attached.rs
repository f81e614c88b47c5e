//! Running an image as it runs elsewhere: with a network, without limits, its output passed on as it comes.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::AttachContainerOptions;
use futures_util::StreamExt;

use super::cleanup::Cleanup;
use super::images::checked;
use super::run::{container_name, owned};
use super::{Engine, EngineError};

/// Whom a container's output is passed on to: its bytes, and whether they are of standard error.
pub type Listener<'a> = dyn FnMut(&[u8], bool) + 'a;

impl Engine {
    /// Runs a command of an image, passes its output on, and removes the container, also when this is dropped.
    ///
    /// Returns the exit status. Errors: [`EngineError::NoImage`], and what is wrong with the engine itself.
    pub async fn run_attached(
        &self,
        image: &str,
        command: &[String],
        env: &[String],
        tell: &mut Listener<'_>,
    ) -> Result<i64, EngineError> {
        checked(image)?;
        let name = container_name();
        let mut left = Cleanup::new(self);
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(command.to_vec()),
            env: Some(env.to_vec()),
            labels: Some(owned()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let ended = match self.create(&mut left, &name, body).await {
            Ok(_) => self.passed_on(&name, tell).await,
            Err(error) => Err(error),
        };
        left.now().await;
        ended
    }

    async fn passed_on(&self, name: &str, tell: &mut Listener<'_>) -> Result<i64, EngineError> {
        let during = "was running a container";
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        // Before the start, or the first output would be lost.
        let attached = self.docker.attach_container(name, Some(options)).await;
        let mut output = attached
            .map_err(|error| self.failed_during(during, "attach to a container", error))?
            .output;
        let started = self.docker.start_container(name, None).await;
        started.map_err(|error: Error| self.failed_during(during, "start a container", error))?;
        while let Some(chunk) = output.next().await {
            match chunk.map_err(|error| self.failed_during(during, "read a container's output", error))? {
                LogOutput::StdErr { message } => tell(&message, true),
                other => tell(other.as_ref(), false),
            }
        }
        self.exit_code(name).await
    }
}
