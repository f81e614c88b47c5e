//! A Prefect server during one command: asked once what it has, then told what is different.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::client::Client;
use super::deployment::{self, Change, Wanted, check_name};
use super::error::PrefectError;
use super::pool::Pool;
use super::settings::Settings;
use super::{DEPLOYMENT, TAG, automation};

/// How long a server may be away before a command gives up: a fault, not a restart, is what is to be told.
const FIRST: Duration = Duration::from_secs(2);

/// How long one that has answered may be too busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Deployments in one answer: the server gives no more.
const PAGE: usize = 200;

/// What command line, file and environment say of the orchestrator.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The pool of flows that name none.
    pub work_pool: Option<String>,
    /// The type of pool to create where a pool is missing.
    pub create_work_pool: Option<String>,
    /// The deployments' name.
    pub deployment: Option<String>,
    /// Whether runs that fall silent are to be ended by the server.
    pub watchdog: bool,
}

impl Wishes {
    /// The deployments' name.
    pub fn deployment(&self) -> &str {
        self.deployment.as_deref().unwrap_or(DEPLOYMENT)
    }
}

/// A deployment that the server has.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its flow, as its label says.
    pub flow: String,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Everything the server says of it.
    pub body: Value,
}

impl Known {
    /// The program that its flow was in, as its label says.
    pub fn program(&self) -> String {
        text(&self.body["labels"]["flowimage.program"])
    }
}

/// What became of a flow's deployment.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// `FLOW/NAME`, as Prefect's own command line takes it.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its page.
    pub page: String,
    /// Whether it is new.
    pub created: bool,
    /// What was put right in one that was there.
    pub changes: Vec<Change>,
    /// What may hinder its runs, and is nothing that the server would refuse.
    pub warnings: Vec<String>,
}

/// A server, its pools, and the deployments on it that flowimage made.
#[derive(Debug)]
pub struct Orchestrator {
    client: Client,
    create_work_pool: Option<String>,
    pools: Mutex<BTreeMap<String, Pool>>,
    deployments: Mutex<Vec<Known>>,
    version: Version,
}

/// The three numbers of a release.
type Version = (u32, u32, u32);

impl Orchestrator {
    /// Asks the server for all that a command needs to know, and looks for everything that could be wrong.
    ///
    /// A fixed few requests, however many flows there are.
    ///
    /// # Errors
    /// No server, refused credentials, a name that Prefect does not take.
    pub async fn reach(wishes: &Wishes, settings: Settings) -> Result<Self, PrefectError> {
        check_name("deployment", wishes.deployment())?;
        let client = Client::new(settings)?;
        let version = check_server(&client).await?;
        let deployments = deployments(&client).await?;
        if wishes.watchdog {
            automation::ensure(&client, PATIENCE).await?;
        }
        Ok(Self {
            client,
            create_work_pool: wishes.create_work_pool.clone(),
            pools: Mutex::default(),
            deployments: Mutex::new(deployments),
            version,
        })
    }

    /// Whether workers of the server's age pull images by digest. Those before 3.4.1 take the digest for a tag
    /// (<https://github.com/PrefectHQ/prefect/pull/17987>).
    pub fn pulls_by_digest(&self) -> bool {
        self.version >= (3, 4, 1)
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A work pool; asked for once, and made where it is missing and that was wished for.
    ///
    /// # Errors
    /// There is none, or its template lacks what a flow's job needs.
    pub async fn pool(&self, name: &str) -> Result<Pool, PrefectError> {
        check_name("work pool", name)?;
        let mut pools = self.pools.lock().await;
        if let Some(pool) = pools.get(name) {
            return Ok(pool.clone());
        }
        let pool = Pool::find(&self.client, name, self.create_work_pool.as_deref(), PATIENCE).await?;
        pools.insert(name.to_owned(), pool.clone());
        Ok(pool)
    }

    /// Refuses a flow's name that the server would refuse.
    ///
    /// # Errors
    /// The name, and why.
    pub fn check_name(&self, flow: &str) -> Result<(), PrefectError> {
        check_name("flow", flow)
    }

    /// The deployments that flowimage made.
    pub async fn deployments(&self) -> Vec<Known> {
        self.deployments.lock().await.clone()
    }

    /// Creates a deployment or puts it right. One that is as it should be costs no request.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn deploy(&self, wanted: &Wanted) -> Result<Deployed, PrefectError> {
        let known = self.known(&wanted.flow, &wanted.name).await;
        let changes = match &known {
            Some(known) => deployment::differences(wanted, &known.body),
            None => Vec::new(),
        };
        let (id, created) = match &known {
            Some(known) if changes.is_empty() => (known.id.clone(), false),
            _ => self.put(wanted, known.as_ref()).await?,
        };
        Ok(Deployed {
            name: format!("{}/{}", wanted.flow, wanted.name),
            page: self
                .client
                .settings()
                .page(&format!("deployments/deployment/{id}")),
            id,
            created,
            changes,
            warnings: Vec::new(),
        })
    }

    /// Removes a deployment, with its schedule; its runs stay.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn remove(&self, known: &Known) -> Result<(), PrefectError> {
        let path = format!("/deployments/{}", known.id);
        let answer = self.client.send(Method::DELETE, &path, None, PATIENCE).await?;
        match answer.status {
            200..300 | 404 => Ok(()),
            _ => Err(answer.refused(&Method::DELETE, &path)),
        }
    }

    async fn known(&self, flow: &str, name: &str) -> Option<Known> {
        let known = self.deployments.lock().await;
        known
            .iter()
            .find(|it| it.flow == flow && it.name == name)
            .cloned()
    }

    async fn put(&self, wanted: &Wanted, known: Option<&Known>) -> Result<(String, bool), PrefectError> {
        let flow_id = match known.and_then(|known| known.body["flow_id"].as_str()) {
            Some(id) => id.to_owned(),
            None => {
                let flow = self
                    .client
                    .post("/flows/", &json!({ "name": wanted.flow }), PATIENCE)
                    .await?;
                text(&flow["id"])
            }
        };
        let body = deployment::body(wanted, &flow_id, known.map(|known| &known.body));
        let answer = self
            .client
            .send(Method::POST, "/deployments/", Some(&body), PATIENCE)
            .await?;
        match answer.status {
            200..300 => Ok((text(&answer.body["id"]), answer.status == 201)),
            _ => Err(answer.refused(&Method::POST, "/deployments/")),
        }
    }
}

/// The server's address, credentials and version.
async fn check_server(client: &Client) -> Result<Version, PrefectError> {
    let path = "/admin/version";
    let answer = client.send(Method::GET, path, None, FIRST).await?;
    let url = || client.settings().api_url.clone();
    let Some(version) = answer.body.as_str().filter(|_| answer.status == 200) else {
        return Err(PrefectError::NotPrefect {
            url: url(),
            said: format!("it answers {} to {path}", answer.status),
        });
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let numbers = (next(), next(), next());
    if numbers < (3, 2, 0) {
        return Err(PrefectError::Old {
            url: url(),
            version: version.to_owned(),
        });
    }
    Ok(numbers)
}

/// All deployments of flowimage on the server.
async fn deployments(client: &Client) -> Result<Vec<Known>, PrefectError> {
    let mut all = Vec::new();
    loop {
        let filter = json!({
            "deployments": { "tags": { "all_": [TAG] } },
            "offset": all.len(),
            "limit": PAGE,
        });
        let page = client.post("/deployments/filter", &filter, PATIENCE).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        let last = page.len() < PAGE;
        all.extend(page.into_iter().map(|body| Known {
            flow: text(&body["labels"]["flowimage.flow"]),
            name: text(&body["name"]),
            id: text(&body["id"]),
            body,
        }));
        if last {
            return Ok(all);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
