//! Manifests for Kubernetes: a registered flow as a `Job`, or as a `CronJob` where it has a schedule.
//!
//! The types are Kubernetes' own. What a cluster adds to a flow stands in `[kubernetes]` of `flowimage.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flowimage_model::schedule::{Rhythm, Schedule};
use flowimage_model::settings::KubernetesTable;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, EnvVarSource, LocalObjectReference, PodSecurityContext, PodSpec,
    PodTemplateSpec, ResourceRequirements, SeccompProfile, SecretKeySelector, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::Advise;
use crate::whole;

/// A `CronJob` gives its jobs names with 11 more characters, and a job's name may have 63.
/// Source: <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>.
const LONGEST_NAME: usize = 52;

/// What a manifest says of a flow.
#[derive(Clone, Debug)]
pub struct Workload<'a> {
    /// The flow's name, which is the manifest's too.
    pub flow: &'a str,
    /// What it does, for people.
    pub description: Option<&'a str>,
    /// The registered image, by digest.
    pub image: &'a str,
    /// Hash of its declaration.
    pub declaration: &'a str,
    /// The user of the image, where it is a number; Kubernetes cannot tell of a name that it is not root.
    pub user: Option<i64>,
    /// When it runs; without one it runs when the manifest is applied.
    pub schedule: Option<&'a Schedule>,
    /// What the cluster adds.
    pub cluster: &'a KubernetesTable,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Kubernetes does not take the flow's name.
    #[error("Kubernetes takes no name such as `{name}`")]
    Name {
        /// The flow's name.
        name: String,
    },
    /// An interval that no cron expression has.
    #[error("`every {interval}` is no rhythm of a `CronJob`: it does not divide an hour or a day")]
    Interval {
        /// The interval.
        interval: String,
    },
    /// The image is not named by its digest.
    #[error("`{image}` is in no registry, and a cluster pulls from one")]
    NoRegistry {
        /// The image.
        image: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest cannot be put into YAML.
    #[error("the manifest of `{flow}` cannot be written down: {reason}")]
    Yaml {
        /// The flow.
        flow: String,
        /// Why.
        reason: String,
    },
}

impl Advise for ManifestError {
    fn advice(&self) -> Option<String> {
        Some(match self {
            ManifestError::Name { .. } => format!(
                "give the flow a `name` of at most {LONGEST_NAME} lower-case letters, digits and hyphens, a letter or digit \
                 first and last"
            ),
            ManifestError::Interval { .. } => {
                "write the `schedule` as cron, such as `0 */6 * * *`".to_owned()
            }
            ManifestError::NoRegistry { .. } => "declare `registry_url`, or use `--registry`".to_owned(),
            ManifestError::Write { .. } => "check the folder's owner and the disk's space".to_owned(),
            ManifestError::Yaml { .. } => "please report it".to_owned(),
        })
    }
}

/// Writes `FLOW.yaml` into the folder, whole or not at all, and says where.
///
/// # Errors
/// The flow does not fit Kubernetes; the file cannot be written.
pub fn write(workload: &Workload<'_>, folder: &Path) -> Result<PathBuf, ManifestError> {
    let text = manifest(workload)?;
    let path = folder.join(format!("{}.yaml", workload.flow));
    match whole::write(&path, text.as_bytes()) {
        Ok(()) => Ok(path),
        Err(source) => Err(ManifestError::Write { path, source }),
    }
}

/// The manifest as YAML.
///
/// # Errors
/// The flow's name, its interval or the place of its image does not fit Kubernetes.
pub fn manifest(workload: &Workload<'_>) -> Result<String, ManifestError> {
    check(workload)?;
    let metadata = metadata(workload);
    let job = JobSpec {
        // A flow that failed is run again by whoever looked why, not blindly.
        backoff_limit: Some(0),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: metadata.labels.clone(),
                ..ObjectMeta::default()
            }),
            spec: Some(pod(workload)),
        },
        ..JobSpec::default()
    };
    let text = match workload.schedule {
        None => yaml(&Job {
            metadata,
            spec: Some(job),
            ..Job::default()
        }),
        Some(schedule) => yaml(&CronJob {
            metadata,
            spec: Some(CronJobSpec {
                concurrency_policy: Some("Forbid".to_owned()),
                schedule: cron(&schedule.rhythm)?,
                time_zone: Some(schedule.time_zone.clone().unwrap_or_else(|| "Etc/UTC".to_owned())),
                job_template: JobTemplateSpec {
                    spec: Some(job),
                    ..JobTemplateSpec::default()
                },
                ..CronJobSpec::default()
            }),
            ..CronJob::default()
        }),
    };
    text.map_err(|error| ManifestError::Yaml {
        flow: workload.flow.to_owned(),
        reason: error.to_string(),
    })
}

/// A digest is one word: folded over lines it could be read, but not searched for.
fn yaml(manifest: &impl serde::Serialize) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(manifest, options)
}

/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>.
fn check(workload: &Workload<'_>) -> Result<(), ManifestError> {
    let name = workload.flow;
    let edge = |letter: Option<char>| letter.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let fits = name.len() <= LONGEST_NAME
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name
            .chars()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-');
    if !fits {
        return Err(ManifestError::Name {
            name: name.to_owned(),
        });
    }
    if !workload.image.contains("@sha256:") {
        return Err(ManifestError::NoRegistry {
            image: workload.image.to_owned(),
        });
    }
    Ok(())
}

fn metadata(workload: &Workload<'_>) -> ObjectMeta {
    let labels = [
        ("app.kubernetes.io/name", workload.flow),
        ("app.kubernetes.io/managed-by", "flowimage"),
    ];
    let annotations = [
        ("dev.flowimage.declaration", Some(workload.declaration)),
        ("dev.flowimage.description", workload.description),
    ];
    ObjectMeta {
        name: Some(workload.flow.to_owned()),
        namespace: workload.cluster.namespace.clone(),
        labels: Some(
            labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        ),
        annotations: Some(
            annotations
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect(),
        ),
        ..ObjectMeta::default()
    }
}

fn pod(workload: &Workload<'_>) -> PodSpec {
    let cluster = workload.cluster;
    let secrets = cluster.image_pull_secrets.iter();
    PodSpec {
        restart_policy: Some("Never".to_owned()),
        service_account_name: cluster.service_account.clone(),
        // A flow that talks to the cluster says so by naming an account.
        automount_service_account_token: Some(cluster.service_account.is_some()),
        image_pull_secrets: (!cluster.image_pull_secrets.is_empty()).then(|| {
            secrets
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect()
        }),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: workload.user,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: "flow".to_owned(),
            image: Some(workload.image.to_owned()),
            // The entrypoint is the flow binary.
            args: Some(vec!["run".to_owned(), workload.flow.to_owned()]),
            env: environment(cluster),
            resources: resources(cluster),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities {
                    drop: Some(vec!["ALL".to_owned()]),
                    ..Capabilities::default()
                }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

/// Variables with their values, then those whose values only the cluster knows.
fn environment(cluster: &KubernetesTable) -> Option<Vec<EnvVar>> {
    let plain = cluster.env.iter().map(|(name, value)| EnvVar {
        name: name.to_string(),
        value: Some(value.clone()),
        ..EnvVar::default()
    });
    let secret = cluster.secrets.iter().map(|(name, reference)| EnvVar {
        name: name.to_string(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: reference.secret.clone(),
                key: reference.key.clone(),
                optional: Some(false),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    });
    let all: Vec<_> = plain.chain(secret).collect();
    (!all.is_empty()).then_some(all)
}

/// Memory is asked for and bounded alike, so that a flow is never ended for what its node promised to others; a
/// processor is asked for only.
fn resources(cluster: &KubernetesTable) -> Option<ResourceRequirements> {
    let amount = |name: &str, amount: &Option<String>| {
        amount
            .as_ref()
            .map(|amount| (name.to_owned(), Quantity(amount.clone())))
    };
    let memory = amount("memory", &cluster.memory);
    let requests: BTreeMap<_, _> = [amount("cpu", &cluster.cpu), memory.clone()]
        .into_iter()
        .flatten()
        .collect();
    (!requests.is_empty()).then(|| ResourceRequirements {
        requests: Some(requests),
        limits: memory.map(|memory| BTreeMap::from([memory])),
        ..ResourceRequirements::default()
    })
}

/// Five fields of cron. An interval has them where it divides an hour or a day.
fn cron(rhythm: &Rhythm) -> Result<String, ManifestError> {
    let interval = match rhythm {
        Rhythm::Cron(fields) => return Ok(fields.clone()),
        Rhythm::Every(interval) => interval,
    };
    let seconds = interval.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        86_400 => Ok("0 0 * * *".to_owned()),
        3600 => Ok("0 * * * *".to_owned()),
        60 => Ok("* * * * *".to_owned()),
        _ if seconds % 3600 == 0 && hours < 24 && 24 % hours == 0 => Ok(format!("0 */{hours} * * *")),
        _ if seconds % 60 == 0 && minutes < 60 && 60 % minutes == 0 => Ok(format!("*/{minutes} * * * *")),
        _ => Err(ManifestError::Interval {
            interval: flowimage_model::duration::display(*interval),
        }),
    }
}

#[cfg(test)]
#[path = "kubernetes_tests.rs"]
mod tests;
