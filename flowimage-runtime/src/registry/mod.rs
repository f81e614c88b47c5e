//! A client of image registries: asks before it sends, streams what is missing, and checks what it is told.
//!
//! Our own, on reqwest: the existing crate loads TLS roots (130 ms) for every client, plain http ones too, and has
//! no retries. Source: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>.
//!
//! ```no_run
//! # async fn look_up() -> Result<(), Box<dyn std::error::Error>> {
//! use flowimage_runtime::layout::Layout;
//! use flowimage_runtime::oci::Platform;
//! use flowimage_runtime::registry::{Access, Registries};
//!
//! let registries = Registries::default(); // one for a whole command: it keeps connections and tokens
//! let repository = registries.repository("registry.example", "etl/orders", Access::Push);
//!
//! // Manifest and configuration, verified. No layer is downloaded: each is a `Source::Repository`.
//! if let Some(image) = repository.image("env-1a2b3c", &Platform::of_this_program()).await? {
//!     let layout = Layout::open("images")?;
//!     // Pushing it elsewhere in the same registry mounts its layers; nothing passes through this machine.
//!     registries.repository("registry.example", "etl/other", Access::Push).push(&image, Some("tag"), &layout).await?;
//!     // What reads the layers (an engine, a check) needs them here: each `Source` is then a file.
//!     let local = registries.download(&image, &layout).await?;
//! }
//! # Ok(()) }
//! ```

mod auth;
mod challenge;
mod client;
mod credentials;
mod error;
mod pull;
mod push;
mod request;
mod retry;
mod settings;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use credentials::{CredentialPlaces, login};
pub use error::RegistryError;
pub use settings::RegistrySettings;

use auth::Authorizations;
use client::Client;
use request::Request;
use reqwest::{Method, Url};

use crate::oci::Digest;

/// A registry gets this long to end an upload, at the end of a command.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a repository is opened for: the rights that its token service is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

/// The registries that one command speaks to: their connections, credentials and tokens.
///
/// Cheap to clone; clones share everything. Nothing is set up before it is used.
#[derive(Clone, Default)]
pub struct Registries {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    settings: RegistrySettings,
    client: Client,
    authorizations: Authorizations,
    /// Blobs under way or done, so that flows that share one do not send or fetch it each for themselves.
    turns: Mutex<HashMap<String, Turn>>,
    /// Uploads that nothing was sent to yet, with their repository: [`Repository::place`].
    begun: Mutex<Vec<(String, Url)>>,
}

/// Held by who sends or fetches a blob; then, of one that repositories want, one that has it.
type Turn = Arc<tokio::sync::Mutex<Option<Place>>>;

/// A repository that has a blob.
#[derive(Clone)]
struct Place {
    path: String,
    /// Whether it has it from this command.
    is_new: bool,
}

impl Registries {
    /// Registries spoken to in this way.
    pub fn new(settings: RegistrySettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                ..Shared::default()
            }),
        }
    }

    /// A repository of a registry (`host[:port]`). Nothing is sent yet.
    pub fn repository(&self, registry: &str, path: &str, access: Access) -> Repository {
        Repository {
            registries: self.clone(),
            registry: registry.to_owned(),
            path: path.to_owned(),
            access,
            mounts_from: None,
        }
    }

    /// Ends uploads that were begun to ask whether one may, and that nothing was sent to: registries keep them for days.
    pub async fn give_up_uploads(&self) {
        let begun = std::mem::take(&mut *self.begun());
        let ended = begun.into_iter().map(async |(repository, place)| {
            let repository = self.at(&repository, Access::Push);
            let request = Request::new(Method::DELETE, place);
            let _ = tokio::time::timeout(PATIENCE, repository.once(&request)).await;
        });
        futures_util::future::join_all(ended).await;
    }

    fn begun(&self) -> MutexGuard<'_, Vec<(String, Url)>> {
        self.shared.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose turn it is with a blob of a registry or layout.
    fn turn(&self, place: &str, blob: &Digest) -> Turn {
        let mut turns = self.shared.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(format!("{place} {blob}")).or_default().clone()
    }

    /// The repository that a `Source::Repository` names: `registry[:port]/path`.
    fn source(&self, place: &str) -> Repository {
        self.at(place, Access::Pull)
    }

    fn at(&self, place: &str, access: Access) -> Repository {
        let (registry, path) = place.split_once('/').unwrap_or((place, ""));
        self.repository(registry, path, access)
    }
}

/// One repository of a registry.
#[derive(Clone)]
pub struct Repository {
    registries: Registries,
    registry: String,
    path: String,
    access: Access,
    /// Another repository of the registry, which the token must allow to read.
    mounts_from: Option<String>,
}

impl Repository {
    /// `registry[:port]/path`: what a `Source::Repository` holds.
    pub fn place(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    fn settings(&self) -> &RegistrySettings {
        &self.registries.shared.settings
    }
}
