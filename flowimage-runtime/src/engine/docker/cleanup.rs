//! Removing what a request made, also when its future is dropped.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{RemoveContainerOptions, RemoveImageOptions};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;

/// Containers and images to be removed when this is dropped.
///
/// A drop cannot wait, so it hands the removal to the runtime; where the process ends before that is done, the
/// labels let a later sweep find them.
pub(super) struct Cleanup {
    docker: Docker,
    pub(super) containers: Vec<String>,
    pub(super) images: Vec<String>,
}

impl Cleanup {
    pub(super) fn new(docker: &Docker) -> Self {
        Self {
            docker: docker.clone(),
            containers: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Forgets everything: it is to stay.
    pub(super) fn keep(mut self) {
        self.containers.clear();
        self.images.clear();
    }

    /// Removes everything and waits for it.
    pub(super) async fn now(mut self) {
        let containers = std::mem::take(&mut self.containers);
        let images = std::mem::take(&mut self.images);
        remove(&self.docker, &containers, &images, 1).await;
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        let containers = std::mem::take(&mut self.containers);
        let images = std::mem::take(&mut self.images);
        if containers.is_empty() && images.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let docker = self.docker.clone();
            // What was asked for a moment ago may come into being after this: an engine does not take back a
            // request whose connection closed. So not being there yet is asked again.
            runtime.spawn(async move { remove(&docker, &containers, &images, 5).await });
        }
    }
}

async fn remove(docker: &Docker, containers: &[String], images: &[String], attempts: u32) {
    for container in containers {
        for attempt in 0..attempts {
            match remove_container(docker, container).await {
                Err(Error::DockerResponseServerError {
                    status_code: 404 | 409 | 500,
                    ..
                }) => tokio::time::sleep(Duration::from_millis(200 << attempt)).await,
                _ => break,
            }
        }
    }
    // The newest first: an image with children cannot go.
    for image in images.iter().rev() {
        let options = RemoveImageOptions {
            noprune: true,
            ..Default::default()
        };
        let _ = docker.remove_image(image, Some(options), None).await;
    }
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

/// 16 hexadecimal digits that nobody else has.
pub(super) fn unique() -> String {
    let mut bytes = [0; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Without the system's randomness, the clock tells apart what one process does one after the other.
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
        bytes = now.to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
