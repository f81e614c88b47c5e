//! The connections. What costs time is set up when it is first needed.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Url};
use tokio::sync::OnceCell;

use super::RegistryError;
use super::settings::{authority, is_loopback};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// One pool of connections to this machine, one to all others.
#[derive(Default)]
pub(super) struct Client {
    loopback: OnceCell<reqwest::Client>,
    remote: OnceCell<reqwest::Client>,
}

impl Client {
    /// The client for an address.
    pub(super) async fn of(&self, url: &Url) -> Result<&reqwest::Client, RegistryError> {
        if url.scheme() == "http" && is_loopback(&authority(url)) {
            // No proxy stands between a machine and itself, and no certificates are read where none is needed.
            let plain = || async { build(builder().no_proxy().tls_certs_only([])) };
            self.loopback.get_or_try_init(plain).await
        } else {
            // Reading the system's roots takes 130 ms of this thread, once.
            self.remote.get_or_try_init(|| async { build(builder()) }).await
        }
    }
}

fn builder() -> ClientBuilder {
    // Another library of the program may have chosen one already: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("flowimage/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(Policy::none())
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, RegistryError> {
    builder.build().map_err(RegistryError::Client)
}
