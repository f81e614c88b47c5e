//! How registries are spoken to.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Url;

use super::credentials::CredentialPlaces;

/// What may be set about registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Registries (`host[:port]`) that speak plain http. Those on a loopback address need not be named, all others
    /// are spoken to in https.
    pub plain_http: BTreeSet<String>,
    /// Blobs under way at once; at least 1.
    pub parallel: usize,
    /// How long a registry may be silent before the connection is given up. Slow is not silent.
    pub patience: Duration,
    /// Where credentials are.
    pub credentials: CredentialPlaces,
    /// The wait before the second try of a request; each later one is twice as long.
    pub first_pause: Duration,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            plain_http: BTreeSet::new(),
            parallel: 4,
            patience: Duration::from_secs(60),
            credentials: CredentialPlaces::default(),
            first_pause: Duration::from_millis(100),
        }
    }
}

impl RegistrySettings {
    /// Whether a registry is spoken to in plain http.
    pub(super) fn is_plain(&self, registry: &str) -> bool {
        is_loopback(registry) || self.plain_http.contains(registry)
    }

    /// Whether something may be sent there: in https to anybody, in plain http to whom that is allowed.
    pub(super) fn permits(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.is_plain(&authority(url)),
            _ => false,
        }
    }
}

/// `host[:port]` of an address.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether a registry's name means this machine.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for name in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:5000",
            "127.1.2.3",
            "[::1]:5000",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "localhost.example",
            "10.0.0.1:5000",
            "gcr.io",
            "127.0.0.1.example",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_and_named_registries() {
        let settings = RegistrySettings {
            plain_http: BTreeSet::from(["registry.lan:5000".to_owned()]),
            ..RegistrySettings::default()
        };
        let permits = |url: &str| settings.permits(&Url::parse(url).unwrap());
        for good in [
            "https://gcr.io/v2/",
            "http://127.0.0.1:5000/v2/",
            "http://[::1]:5000/",
            "http://registry.lan:5000/v2/",
        ] {
            assert!(permits(good), "{good}");
        }
        for bad in [
            "http://gcr.io/v2/",
            "http://registry.lan/v2/",
            "http://registry.lan:5001/",
            "http://localhost@evil.example/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
        ] {
            assert!(!permits(bad), "{bad}");
        }
    }
}
