//! Images and clients for the tests.

use std::time::Duration;

use flowimage_runtime::layer::LayerBuilder;
use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::Image;
use flowimage_runtime::registry::{
    Access, CredentialPlaces, Registries, RegistryError, RegistrySettings, Repository,
};
use flowimage_runtime::{Advise, failure};

use crate::server::Server;

/// As in life, but in a hurry and known to nobody.
pub(crate) fn settings() -> RegistrySettings {
    RegistrySettings {
        first_pause: Duration::from_millis(1),
        patience: Duration::from_secs(20),
        credentials: CredentialPlaces::none(),
        ..RegistrySettings::default()
    }
}

/// Docker's configuration with a name and a password for a registry. The base64 is that of `me:hunter2`.
pub(crate) fn known(registry: &str) -> CredentialPlaces {
    CredentialPlaces {
        docker_auth_config: Some(format!(
            r#"{{"auths": {{"{registry}": {{"auth": "bWU6aHVudGVyMg=="}}}}}}"#
        )),
        ..CredentialPlaces::none()
    }
}

/// What that is as a header.
pub(crate) const KNOWN: &str = "Basic bWU6aHVudGVyMg==";

pub(crate) fn repository(server: &Server) -> Repository {
    Registries::new(settings()).repository(&server.address, "etl/orders", Access::Push)
}

/// A layout that goes away, and in it the layers of an image: one small, one of 300 kB.
pub(crate) struct Made {
    _folder: tempfile::TempDir,
    pub(crate) layout: Layout,
    pub(crate) image: Image,
}

pub(crate) fn made(text: &str) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let large = noise(300_000);
    let layers: Vec<_> = [text.as_bytes(), &large]
        .iter()
        .map(|bytes| {
            let mut layer = LayerBuilder::new();
            layer.bytes("/x", bytes.to_vec(), 0o644);
            layer.write(&layout, 0).unwrap()
        })
        .collect();
    let ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = serde_json::json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let image = Image::new(serde_json::to_vec(&config).unwrap(), layers);
    Made {
        _folder: folder,
        layout,
        image,
    }
}

/// A registry that has an image as `etl/orders:latest`, and the image.
pub(crate) async fn pushed() -> (Server, Made) {
    let (server, made) = (Server::fake().await, made("a"));
    let repository = repository(&server);
    repository
        .push(&made.image, Some("latest"), &made.layout)
        .await
        .unwrap();
    (server, made)
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Everything that is said of an error, to people and to developers.
pub(crate) fn said(error: &RegistryError) -> String {
    let failure = failure::Failure::new(failure::Stage::Publish, error);
    format!(
        "{} | {} | {error:?}",
        failure.message,
        error.advice().unwrap_or_default()
    )
}

/// What people are told.
pub(crate) fn message(error: &RegistryError, server: &Server) -> String {
    let failure = failure::Failure::new(failure::Stage::Publish, error);
    failure.message.replace(&server.address, "HOST")
}
