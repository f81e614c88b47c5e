//! Bases of the embedded builder, from a registry and from a layout.

use std::path::Path;

use flowimage_model::reference::ImageReference;
use flowimage_runtime::assemble::Foundation;
use flowimage_runtime::base::Bases;
use flowimage_runtime::failure::Failure;
use flowimage_runtime::layer::LayerBuilder;
use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::{Digest, Image, Platform, Source, media_type};
use flowimage_runtime::registry::Registries;
use serde_json::{Value, json};

use crate::kit::{repository, settings};
use crate::server::Server;

fn amd64() -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
    }
}

/// A base with one layer of these files.
fn image(layout: &Layout, config: Value, files: &[(&str, &str)]) -> Image {
    let mut layer = LayerBuilder::new();
    for (path, text) in files {
        layer.bytes(path, *text, 0o755);
    }
    let layer = layer.write(layout, 0).unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id.as_str()]},
    });
    Image::new(serde_json::to_vec(&config).unwrap(), vec![layer])
}

/// A machine that has nothing yet.
struct Machine {
    folder: tempfile::TempDir,
    layout: Layout,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path().join("images")).unwrap();
        Self { folder, layout }
    }

    async fn get(
        &self,
        reference: &str,
        pin: Option<&Digest>,
        mirror: Option<&Path>,
    ) -> Result<(Foundation, Digest), Failure> {
        let bases = Bases {
            registries: &Registries::new(settings()),
            mirror: mirror.map(Path::to_owned),
            layout: &self.layout,
            folder: self.folder.path().join("bases"),
        };
        let reference: ImageReference = reference.parse().unwrap();
        bases.get(&reference, &amd64(), pin).await
    }
}

/// A registry with a base, pushed under a tag; its reference.
async fn served(server: &Server, config: Value, files: &[(&str, &str)]) -> (String, Digest) {
    let here = Machine::new();
    let image = image(&here.layout, config, files);
    let digest = repository(server)
        .push(&image, Some("base"), &here.layout)
        .await
        .unwrap();
    server.forget();
    (format!("{}/etl/orders:base", server.address), digest)
}

#[tokio::test]
async fn a_base_that_says_who_its_user_is_stays_in_the_registry() {
    let server = Server::fake().await;
    let (reference, digest) = served(&server, json!({"User": "app", "Env": ["A=1"]}), &[("/x", "y")]).await;
    let machine = Machine::new();
    let (foundation, found) = machine.get(&reference, None, None).await.unwrap();
    assert_eq!(found, digest);
    assert_eq!(foundation.config["Env"], json!(["A=1"]));
    let place = Source::Repository(format!("{}/etl/orders", server.address));
    assert_eq!(foundation.layers[0].source, place);
    assert!(foundation.account.is_empty());
    // Manifest and configuration, and nothing else.
    assert_eq!((server.seen().len(), server.count("GET", "/manifests/")), (2, 1));

    // Pinned and known, it is not asked for again.
    server.forget();
    machine.get(&reference, Some(&digest), None).await.unwrap();
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_base_without_a_user_is_looked_into_once() {
    let server = Server::fake().await;
    let passwd = "root:x:0:0:root:/root:/bin/sh\n";
    let files = [
        ("/etc/passwd", passwd),
        ("/entry.sh", "#!/bin/sh\nset -e\nexec \"$@\"\n"),
    ];
    let (reference, digest) = served(&server, json!({"Entrypoint": ["/entry.sh"]}), &files).await;
    let machine = Machine::new();
    let (foundation, _) = machine.get(&reference, None, None).await.unwrap();
    assert!(matches!(foundation.layers[0].source, Source::File(_)));
    assert_eq!(
        foundation.account["/etc/passwd"],
        format!("{passwd}flow:x:65532:65532:flow:/home/flow:/bin/false\n")
    );
    assert_eq!(foundation.entrypoint, ["/entry.sh"]);

    // The layers may go; what was read stays.
    std::fs::remove_dir_all(machine.layout.root()).unwrap();
    let machine = Machine {
        layout: Layout::open(machine.layout.root()).unwrap(),
        ..machine
    };
    server.forget();
    let (again, _) = machine.get(&reference, Some(&digest), None).await.unwrap();
    assert_eq!(again.account, foundation.account);
    assert_eq!(again.entrypoint, foundation.entrypoint);
    assert!(matches!(again.layers[0].source, Source::Repository(_)));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_entrypoint_that_does_something_else_is_replaced() {
    let server = Server::fake().await;
    let files = [("/serve.sh", "#!/bin/sh\nexec python serve.py\n")];
    for (config, kept) in [
        (json!({"User": "a", "Entrypoint": ["/serve.sh"]}), vec![]),
        (
            json!({"User": "a", "Entrypoint": ["/usr/bin/tini", "--"]}),
            vec!["/usr/bin/tini", "--"],
        ),
        (json!({"User": "a"}), vec![]),
    ] {
        let (reference, _) = served(&server, config, &files).await;
        let (foundation, _) = Machine::new().get(&reference, None, None).await.unwrap();
        assert_eq!(foundation.entrypoint, kept);
    }
}

#[tokio::test]
async fn a_pin_holds_though_the_tag_moves() {
    let server = Server::fake().await;
    let (reference, first) = served(&server, json!({"User": "one"}), &[("/x", "1")]).await;
    let (_, second) = served(&server, json!({"User": "two"}), &[("/x", "2")]).await;
    for (pin, wanted) in [(Some(&first), "one"), (Some(&second), "two"), (None, "two")] {
        let (foundation, _) = Machine::new().get(&reference, pin, None).await.unwrap();
        assert_eq!(foundation.config["User"], wanted);
    }
    server.store.lock().unwrap().manifests.clear();
    let error = Machine::new()
        .get(&reference, Some(&first), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        format!("the registry has `{reference}` no more as {first}, which it is pinned to")
    );
    assert_eq!(
        error.advice.as_deref(),
        Some("take it as it is now with `--update-base`")
    );
    let error = Machine::new().get(&reference, None, None).await.unwrap_err();
    assert_eq!(error.message, format!("there is no image `{reference}`"));
}

#[tokio::test]
async fn docker_bases_become_layers_of_an_oci_image() {
    let server = Server::fake().await;
    let here = Machine::new();
    let mut base = image(&here.layout, json!({"User": "a"}), &[("/x", "y")]);
    let mut manifest: Value = serde_json::from_slice(&base.manifest).unwrap();
    manifest["mediaType"] = media_type::DOCKER_MANIFEST.into();
    manifest["config"]["mediaType"] = media_type::DOCKER_CONFIG.into();
    manifest["layers"][0]["mediaType"] = media_type::DOCKER_LAYER_GZIP.into();
    base.manifest = serde_json::to_vec(&manifest).unwrap();
    base.media_type = media_type::DOCKER_MANIFEST.to_owned();
    let digest = repository(&server)
        .push(&base, Some("base"), &here.layout)
        .await
        .unwrap();
    let reference = format!("{}/etl/orders:base", server.address);
    let (foundation, found) = Machine::new().get(&reference, None, None).await.unwrap();
    assert_eq!(found, digest);
    assert_eq!(foundation.layers[0].blob.media_type, media_type::LAYER_GZIP);
    assert_eq!(foundation.layers[0].blob.digest, base.layers[0].blob.digest);
}

#[tokio::test]
async fn bases_that_cannot_be_used_are_refused() {
    let server = Server::fake().await;
    let here = Machine::new();
    let good = image(&here.layout, json!({"User": "a"}), &[("/x", "y")]);
    let config = String::from_utf8(good.config.clone()).unwrap();
    let arm = Image::new(config.replace("amd64", "arm64").into_bytes(), good.layers.clone());
    let mut foreign = good.layers.clone();
    foreign[0].blob.media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".to_owned();
    let foreign = Image::new(good.config.clone(), foreign);
    let reference = format!("{}/etl/orders:base", server.address);
    for (bad, wanted) in [
        (arm, "is for arm64, the flow's program for linux/amd64"),
        (foreign, "which is not for others to have"),
    ] {
        repository(&server)
            .push(&bad, Some("base"), &here.layout)
            .await
            .unwrap();
        let error = Machine::new().get(&reference, None, None).await.unwrap_err();
        assert!(error.message.contains(wanted), "{error:?}");
    }
}

#[tokio::test]
async fn a_layout_is_asked_before_any_registry() {
    let folder = tempfile::tempdir().unwrap();
    let mirror = Layout::open(folder.path()).unwrap();
    let base = image(&mirror, json!({}), &[("/etc/passwd", "root:x:0:0::/:/bin/sh\n")]);
    // No such registry is ever reached: nothing listens there.
    let name = "127.0.0.1:1/library/base:1";
    mirror.write_image(&base, name, &amd64()).unwrap();
    let (foundation, digest) = Machine::new().get(name, None, Some(folder.path())).await.unwrap();
    assert_eq!(digest, base.digest());
    assert!(foundation.account["/etc/passwd"].starts_with("root:x:0:0::/:/bin/sh\nflow:"));
    let pinned = Machine::new()
        .get(name, Some(&digest), Some(folder.path()))
        .await
        .unwrap();
    assert_eq!(pinned.1, digest);
    let other = "127.0.0.1:1/library/base:2";
    let error = Machine::new()
        .get(other, None, Some(folder.path()))
        .await
        .unwrap_err();
    assert!(error.message.contains("cannot be reached"), "{error:?}");
}
