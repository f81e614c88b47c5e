//! Removing what dead processes left in an engine.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, RemoveImageOptions};

use super::super::owner::is_gone;
use super::super::{CHECKED_NAMES, LABEL, LABEL_HOST, LABEL_OWNER, LABEL_PROJECT, SweepReport};
use super::images::digest;
use super::steady::steady;
use super::{Engine, EngineError};
use crate::oci::Digest;

impl Engine {
    /// Removes the containers of probes whose process is gone, whoever started them.
    ///
    /// What another machine or process namespace owns is judged by its age.
    pub async fn sweep(&self) -> Result<SweepReport, EngineError> {
        let mut report = SweepReport::default();
        for container in self.labelled_containers(&format!("{LABEL}=1")).await? {
            // A container of the user's own, run from one of our images, has inherited the first label only.
            let Some(owner) = label(&container, LABEL_OWNER) else {
                continue;
            };
            let host = label(&container, LABEL_HOST).unwrap_or_default();
            if is_gone(owner, host, age(container.created.unwrap_or_default())) {
                self.remove_swept(container, &mut report).await?;
            }
        }
        Ok(report)
    }

    /// Removes what builds and checks of a project left: containers of steps, unnamed images that `keep` does not
    /// want, images that were being checked.
    ///
    /// Only for who knows that no other process works for this project: what a living build has made so far looks
    /// the same. An image that a container or another image still uses stays.
    pub async fn sweep_project(
        &self,
        project: &str,
        keep: impl Fn(&Digest) -> bool + Send + Sync,
    ) -> Result<SweepReport, EngineError> {
        let mut report = SweepReport::default();
        let of_project = format!("{LABEL_PROJECT}={project}");
        for container in self.labelled_containers(&of_project).await? {
            let runs = container
                .state
                .as_ref()
                .is_some_and(|state| matches!(state.to_string().as_str(), "running" | "paused"));
            // One that runs was started by hand from an environment.
            if !runs && label(&container, LABEL_OWNER).is_none() {
                self.remove_swept(container, &mut report).await?;
            }
        }
        let unnamed = filters(&[("label", &of_project), ("dangling", "true")]);
        for image in self.listed_images(unnamed).await? {
            let Ok(id) = digest(&image.id) else { continue };
            if !keep(&id) && self.remove_unused(id.as_str(), image.size, &mut report).await? {
                report.images.push(id.to_string());
            }
        }
        let being_checked = format!("{CHECKED_NAMES}/{project}:*");
        for image in self
            .listed_images(filters(&[("reference", &being_checked)]))
            .await?
        {
            let names = image.repo_tags.into_iter();
            for name in names.filter(|name| name.starts_with(CHECKED_NAMES)) {
                if self.remove_unused(&name, image.size, &mut report).await? {
                    report.images.push(name);
                }
            }
        }
        Ok(report)
    }

    async fn labelled_containers(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters(&[("label", label)])),
            ..Default::default()
        };
        steady(|| self.docker.list_containers(Some(options.clone())))
            .await
            .map_err(|error| self.failed("list containers", error))
    }

    async fn listed_images(
        &self,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Vec<bollard::models::ImageSummary>, EngineError> {
        let options = ListImagesOptions {
            filters: Some(filters),
            ..Default::default()
        };
        steady(|| self.docker.list_images(Some(options.clone())))
            .await
            .map_err(|error| self.failed("list images", error))
    }

    async fn remove_swept(
        &self,
        container: ContainerSummary,
        report: &mut SweepReport,
    ) -> Result<(), EngineError> {
        if let Some(id) = container.id {
            self.remove_container(&id).await?;
            report.containers.push(id);
        }
        Ok(())
    }

    /// Removes a name, and the image with its last one; `false` where it is in use, or gone already.
    async fn remove_unused(
        &self,
        name: &str,
        size: i64,
        report: &mut SweepReport,
    ) -> Result<bool, EngineError> {
        match self
            .docker
            .remove_image(name, None::<RemoveImageOptions>, None)
            .await
        {
            Ok(done) => {
                if done.iter().any(|it| it.deleted.is_some()) {
                    report.bytes += u64::try_from(size).unwrap_or(0);
                }
                Ok(true)
            }
            Err(Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(false),
            Err(error) => Err(self.failed("remove an image", error)),
        }
    }
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
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
