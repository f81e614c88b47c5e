//! Removing what a request made, also when its future is dropped.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions, RemoveImageOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::Engine;

/// Containers and images to be removed when this is dropped.
///
/// A drop cannot wait, so it hands the removal to the runtime; where the process ends before that is done, the
/// labels let a later sweep find them.
pub(super) struct Cleanup {
    docker: Docker,
    removals: TaskTracker,
    pub(super) containers: Vec<String>,
    pub(super) images: Vec<String>,
    /// What must have ended before anything is removed.
    pending: Option<JoinHandle<()>>,
}

impl Cleanup {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            docker: engine.docker.clone(),
            removals: engine.removals.clone(),
            containers: Vec::new(),
            images: Vec::new(),
            pending: None,
        }
    }

    /// Makes a container that is removed with the rest, and gives the engine's warnings.
    ///
    /// Once asked for, the container is waited for even if nobody wants it any more: an engine does not take
    /// the request back when its connection closes, and Podman's list of containers is broken for good when
    /// one is removed while it is being made.
    pub(super) async fn create(
        &mut self,
        name: &str,
        container: ContainerCreateBody,
    ) -> Result<Vec<String>, Error> {
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        self.containers.push(name.to_owned());
        let (sender, receiver) = oneshot::channel();
        let docker = self.docker.clone();
        self.pending = Some(tokio::spawn(async move {
            let _ = sender.send(docker.create_container(Some(options), container).await);
        }));
        // The task ends without an answer only together with the runtime.
        let created = receiver.await.unwrap_or(Err(Error::RequestTimeoutError))?;
        self.pending = None;
        Ok(created.warnings)
    }

    /// Forgets everything: it is to stay.
    pub(super) fn keep(mut self) {
        self.containers.clear();
        self.images.clear();
    }

    /// Removes everything and waits for it.
    pub(super) async fn now(mut self) {
        self.take().run(3).await;
    }

    fn take(&mut self) -> Removal {
        Removal {
            docker: self.docker.clone(),
            containers: std::mem::take(&mut self.containers),
            images: std::mem::take(&mut self.images),
            pending: self.pending.take(),
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let removal = self.take();
        if removal.containers.is_empty() && removal.images.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Podman holds on to what a cancelled build made until the step that runs has ended.
            self.removals.spawn_on(removal.run(9), &runtime);
        }
    }
}

/// What is left of a [`Cleanup`] to do.
struct Removal {
    docker: Docker,
    containers: Vec<String>,
    images: Vec<String>,
    pending: Option<JoinHandle<()>>,
}

impl Removal {
    /// What is still in use is tried so many times; the pauses double from 100 ms, so that 3 take 0.7 s in all
    /// and 9 take 51 s.
    async fn run(self, attempts: u32) {
        if let Some(pending) = self.pending {
            let _ = pending.await;
        }
        for container in &self.containers {
            again(attempts, || remove_container(&self.docker, container)).await;
        }
        // The newest first: an image with children cannot go, nor can one whose container is just ending.
        for image in self.images.iter().rev() {
            again(attempts, || remove_unnamed(&self.docker, image)).await;
        }
    }
}

/// Repeats what the engine says it cannot do now.
async fn again<F>(attempts: u32, mut action: impl FnMut() -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    for attempt in 0..attempts {
        match action().await {
            Err(Error::DockerResponseServerError {
                status_code: 409 | 500,
                ..
            }) => tokio::time::sleep(Duration::from_millis(100 << attempt)).await,
            _ => break,
        }
    }
}

/// Takes a name off its image, which goes too if that was its last, once its containers are gone.
pub(super) async fn remove_name(docker: Docker, name: String) {
    let remove = || async {
        docker
            .remove_image(&name, None::<RemoveImageOptions>, None)
            .await
            .map(drop)
    };
    again(9, remove).await;
}

/// Removes an image that has no name.
///
/// The ID was read from a builder's output, where a step can write what it likes: an image that somebody has
/// named was not made by a step.
pub(super) async fn remove_unnamed(docker: &Docker, id: &str) -> Result<(), Error> {
    let image = docker.inspect_image(id).await?;
    let names = [image.repo_tags, image.repo_digests]
        .into_iter()
        .flatten()
        .flatten();
    if names.into_iter().any(|name| !name.starts_with("<none>")) {
        return Ok(());
    }
    let options = RemoveImageOptions {
        noprune: true,
        ..Default::default()
    };
    docker.remove_image(id, Some(options), None).await.map(drop)
}

/// Kills the container if it runs, and removes it with its anonymous volumes.
pub(super) async fn remove_container(docker: &Docker, container: &str) -> Result<(), Error> {
    let options = RemoveContainerOptions {
        force: true,
        v: true,
        ..Default::default()
    };
    docker.remove_container(container, Some(options)).await
}
