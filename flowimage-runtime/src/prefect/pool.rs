//! Work pools: which kind of machine a deployment's runs are started on, and what its jobs may be told.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::error::PrefectError;

/// Types of pools whose template the server brings along.
const KINDS: [&str; 3] = ["docker", "kubernetes", "process"];

/// A work pool of a server.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its type: `docker`, `kubernetes`, `process` and others.
    pub kind: String,
    /// The variables of its base job template; `None` where it has no template and takes any.
    variables: Option<Vec<String>>,
}

impl Pool {
    /// Finds a pool; where there is none and `create` names a type, it is made.
    ///
    /// # Errors
    /// There is none, or its template lacks what a flow's job needs.
    pub async fn find(
        client: &Client,
        name: &str,
        create: Option<&str>,
        patience: Duration,
    ) -> Result<Self, PrefectError> {
        let path = format!("/work_pools/{name}");
        let answer = client.send(Method::GET, &path, None, patience).await?;
        let pool = match (answer.status, create) {
            (200..300, _) => Self::read(&answer.body),
            (404, Some(kind)) => Self::create(client, name, kind, patience).await?,
            (404, None) => {
                let known = client.post("/work_pools/filter", &json!({}), patience).await?;
                let known = known.as_array().into_iter().flatten();
                return Err(PrefectError::NoPool {
                    name: name.to_owned(),
                    known: known
                        .filter_map(|pool| pool["name"].as_str())
                        .map(str::to_owned)
                        .collect(),
                });
            }
            _ => return Err(answer.refused(&Method::GET, &path)),
        };
        pool.check()?;
        Ok(pool)
    }

    async fn create(
        client: &Client,
        name: &str,
        kind: &str,
        patience: Duration,
    ) -> Result<Self, PrefectError> {
        if !KINDS.contains(&kind) {
            return Err(PrefectError::Kind(kind.to_owned()));
        }
        // The template that `prefect work-pool create` takes too.
        let views = client
            .get("/collections/views/aggregate-worker-metadata", patience)
            .await?;
        let template = views
            .as_object()
            .into_iter()
            .flatten()
            .find_map(|(_, workers)| workers.get(kind))
            .map_or_else(
                || json!({}),
                |worker| worker["default_base_job_configuration"].clone(),
            );
        let body = json!({ "name": name, "type": kind, "base_job_template": template });
        let answer = client
            .send(Method::POST, "/work_pools/", Some(&body), patience)
            .await?;
        match answer.status {
            200..300 => Ok(Self::read(&answer.body)),
            // Somebody else was quicker.
            409 => Ok(Self::read(
                &client.get(&format!("/work_pools/{name}"), patience).await?,
            )),
            _ => Err(answer.refused(&Method::POST, "/work_pools/")),
        }
    }

    /// A pool as the server describes it.
    pub fn read(answer: &Value) -> Self {
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let variables = answer["base_job_template"]["variables"]["properties"].as_object();
        Self {
            name: text("name"),
            kind: text("type"),
            variables: variables.map(|variables| variables.keys().cloned().collect()),
        }
    }

    /// Whether its jobs run images, rather than programs of the worker's machine.
    pub fn runs_images(&self) -> bool {
        self.kind != "process"
    }

    /// Whether its jobs may be told this. The server takes unknown names in silence and ignores them.
    pub fn takes(&self, variable: &str) -> bool {
        match &self.variables {
            Some(variables) => variables.iter().any(|known| known == variable),
            None => true,
        }
    }

    fn check(&self) -> Result<(), PrefectError> {
        let needed: &[&'static str] = if self.runs_images() {
            &["image", "command"]
        } else {
            &["command", "env"]
        };
        match needed.iter().find(|variable| !self.takes(variable)) {
            None => Ok(()),
            Some(variable) => Err(PrefectError::Template {
                pool: self.name.clone(),
                kind: self.kind.clone(),
                variable,
            }),
        }
    }
}
