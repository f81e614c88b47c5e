//! Removing what dead processes left in an engine.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};

use super::super::owner::is_gone;
use super::super::{LABEL, LABEL_HOST, LABEL_OWNER, SweepReport};
use super::images::digest;
use super::{Engine, EngineError};
use crate::oci::Digest;

impl Engine {
    /// Removes labelled containers whose process is gone, and labelled images without a name.
    ///
    /// `keep` is asked for each such image; one that a container or another image still uses stays in any
    /// case. An image's age would be no help: its time of creation is part of its bytes, and mostly not true.
    pub async fn sweep(
        &self,
        keep: impl Fn(&Digest) -> bool + Send + Sync,
    ) -> Result<SweepReport, EngineError> {
        let mut report = SweepReport::default();
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters(&[("label", &format!("{LABEL}=1"))])),
            ..Default::default()
        };
        let containers = listed(|| self.docker.list_containers(Some(options.clone()))).await;
        for container in containers.map_err(|error| self.failed("list containers", error))? {
            let labels = container.labels.unwrap_or_default();
            let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
            // A container of the user's own, run from one of our images, has inherited the first label only.
            if !labels.contains_key(LABEL_OWNER) {
                continue;
            }
            let age = age(container.created.unwrap_or_default());
            if let (Some(id), true) = (container.id, is_gone(label(LABEL_OWNER), label(LABEL_HOST), age)) {
                self.remove_container(&id).await?;
                report.containers.push(id);
            }
        }
        let options = ListImagesOptions {
            filters: Some(filters(&[("label", &format!("{LABEL}=1")), ("dangling", "true")])),
            ..Default::default()
        };
        let images = listed(|| self.docker.list_images(Some(options.clone()))).await;
        for image in images.map_err(|error| self.failed("list images", error))? {
            let Ok(id) = digest(&image.id) else { continue };
            if keep(&id) {
                continue;
            }
            match self
                .docker
                .remove_image(id.as_str(), None::<RemoveImageOptions>, None)
                .await
            {
                Ok(_) => report.images.push(id.to_string()),
                Err(Error::DockerResponseServerError {
                    status_code: 404 | 409,
                    ..
                }) => {}
                Err(error) => return Err(self.failed("remove an image", error)),
            }
        }
        Ok(report)
    }
}

/// Asks for a list again where the engine stumbled: Podman's lists fail when something goes while it looks.
async fn listed<T, F>(mut list: impl FnMut() -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<Vec<T>, Error>>,
{
    for _ in 0..4 {
        match list().await {
            Err(Error::DockerResponseServerError { status_code: 500, .. }) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            result => return result,
        }
    }
    list().await
}

fn filters(pairs: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
        .collect()
}

/// Since a moment in seconds since 1970.
fn age(created: i64) -> Duration {
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(created.try_into().unwrap_or(0));
    SystemTime::now().duration_since(created).unwrap_or_default()
}
