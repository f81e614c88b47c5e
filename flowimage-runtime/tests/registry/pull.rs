//! Pulling: by tag and platform, verified, within bounds.

use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::{Descriptor, Index, Platform, media_type};
use flowimage_runtime::registry::{Access, Registries, RegistryError, Repository};

use crate::kit::{made, message, pushed, repository, settings};
use crate::server::{Fault, Server, rule};

fn platform(architecture: &str, variant: Option<&str>) -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: variant.map(str::to_owned),
    }
}

fn reader(server: &Server) -> Repository {
    Registries::new(settings()).repository(&server.address, "etl/orders", Access::Pull)
}

fn index(manifests: Vec<Descriptor>, media_type: &str) -> Vec<u8> {
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type.to_owned()),
        manifests,
        annotations: Default::default(),
    };
    serde_json::to_vec(&index).unwrap()
}

#[tokio::test]
async fn an_index_gives_the_image_of_the_platform() {
    let server = Server::fake().await;
    let repository = repository(&server);
    let mut manifests = Vec::new();
    let mut digests = Vec::new();
    for (architecture, variant) in [("arm", Some("v6")), ("arm", Some("v7")), ("amd64", None)] {
        let made = made(&format!("{architecture} {variant:?}"));
        digests.push(repository.push(&made.image, None, &made.layout).await.unwrap());
        let mut descriptor = made.image.descriptor();
        descriptor.platform = Some(platform(architecture, variant));
        manifests.push(descriptor);
    }
    for kind in [media_type::INDEX, media_type::DOCKER_INDEX] {
        let bytes = index(manifests.clone(), kind);
        server
            .store
            .lock()
            .unwrap()
            .put_manifest("etl/orders", "all", kind, &bytes);
        for (wanted, digest) in [
            (platform("arm", Some("v7")), &digests[1]),
            (platform("arm", None), &digests[0]),
            (platform("amd64", None), &digests[2]),
        ] {
            let image = reader(&server).image("all", &wanted).await.unwrap().unwrap();
            assert_eq!(image.digest(), *digest, "{wanted}");
        }
    }
    let error = reader(&server)
        .image("all", &platform("s390x", None))
        .await
        .unwrap_err();
    assert_eq!(
        message(&error, &server),
        "HOST/etl/orders:all has no image for linux/s390x, only for linux/arm/v6, linux/arm/v7, linux/amd64"
    );
    assert!(
        reader(&server)
            .image("none", &platform("arm", None))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn docker_manifests_are_read_as_they_are() {
    let server = Server::fake().await;
    let made = made("docker");
    let mut image = made.image.clone();
    image.media_type = media_type::DOCKER_MANIFEST.to_owned();
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["mediaType"] = media_type::DOCKER_MANIFEST.into();
    image.manifest = serde_json::to_vec(&manifest).unwrap();
    let pushed = repository(&server)
        .push(&image, Some("v2s2"), &made.layout)
        .await
        .unwrap();
    let read = reader(&server)
        .image("v2s2", &platform("amd64", None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.digest(), read.media_type), (pushed, image.media_type));
}

#[tokio::test]
async fn downloads_go_on_where_they_broke_off() {
    let (server, made) = pushed().await;
    let image = reader(&server)
        .image("latest", &platform("amd64", None))
        .await
        .unwrap()
        .unwrap();
    let large = image.layers[1].blob.clone();
    server.forget();
    server.goes_wrong([rule("GET", "/blobs/", 2, Fault::CutAnswer(100_000))]);
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let path = reader(&server).fetch(&large, &layout).await.unwrap();
    assert_eq!(
        std::fs::read(path).unwrap(),
        std::fs::read(made.layout.blob_path(&large.digest)).unwrap()
    );
    let ranges: Vec<_> = server
        .seen()
        .iter()
        .map(|it| it.header("range").map(str::to_owned))
        .collect();
    assert_eq!((ranges.len(), &ranges[0]), (3, &None));
    let start = |range: &Option<String>| -> u64 {
        let range = range.as_deref().unwrap().strip_prefix("bytes=").unwrap();
        range.strip_suffix('-').unwrap().parse().unwrap()
    };
    assert!(
        start(&ranges[1]) > 0 && start(&ranges[2]) > start(&ranges[1]),
        "{ranges:?}"
    );
}

#[tokio::test]
async fn damage_on_the_way_is_survived_and_lasting_damage_refused() {
    let (server, _made) = pushed().await;
    let image = reader(&server)
        .image("latest", &platform("amd64", None))
        .await
        .unwrap()
        .unwrap();
    let blob = image.layers[1].blob.clone();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    for (fault, wanted) in [
        (Fault::Garbled, "the registry HOST has sha256:"),
        (
            Fault::Status(200, Vec::new(), "short"),
            "the registry HOST cannot be reached: a layer of ",
        ),
        (
            Fault::Status(404, Vec::new(), ""),
            "the registry HOST answered 404 to a layer: nothing more",
        ),
    ] {
        server.goes_wrong([rule("GET", "/blobs/", 1000, fault.clone())]);
        let error = reader(&server).fetch(&blob, &layout).await.unwrap_err();
        let text = message(&error, &server);
        assert!(text.starts_with(wanted), "{fault:?}: {text}");
        assert!(!layout.has(&blob));
        assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }
    server.goes_wrong([rule("GET", "/blobs/", 2, Fault::Garbled)]);
    reader(&server).fetch(&blob, &layout).await.unwrap();
    assert!(layout.has(&blob));

    // More bytes than the manifest says are not even read.
    let claimed = Descriptor::new(blob.media_type.clone(), image.layers[0].blob.digest.clone(), 10);
    server.goes_wrong([]);
    let error = reader(&server).fetch(&claimed, &layout).await.unwrap_err();
    assert!(
        message(&error, &server).contains("has more than 10 bytes where"),
        "{error}"
    );
}

#[tokio::test]
async fn documents_that_are_not_what_they_should_be_are_refused() {
    let (server, made) = pushed().await;
    let put = |tag: &str, kind: &str, bytes: &[u8]| {
        server
            .store
            .lock()
            .unwrap()
            .put_manifest("etl/orders", tag, kind, bytes);
    };
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&made.image.manifest).unwrap();
        change(&mut manifest);
        serde_json::to_vec(&manifest).unwrap()
    };
    let padding = [b"{\"a\":\"", &vec![b'x'; 5 << 20][..], b"\"}"].concat();
    put("large", media_type::MANIFEST, &padding);
    put(
        "schema1",
        "application/vnd.docker.distribution.manifest.v1+json",
        b"{}",
    );
    put("text", media_type::MANIFEST, b"hello");
    put(
        "fewer",
        media_type::MANIFEST,
        &changed(&|it| it["layers"] = serde_json::json!([])),
    );
    put(
        "config",
        media_type::MANIFEST,
        &changed(&|it| it["config"]["size"] = 5_000_000.into()),
    );
    put(
        "longer",
        media_type::MANIFEST,
        &changed(&|it| it["config"]["size"] = 20.into()),
    );
    let sha512 = format!("sha512:{}", "0".repeat(128));
    put(
        "sha512",
        media_type::MANIFEST,
        &changed(&|it| it["config"]["digest"] = sha512.clone().into()),
    );
    for (tag, wanted) in [
        (
            "large",
            "the manifest of HOST/etl/orders:large cannot be used: it is larger than 4194304 bytes",
        ),
        (
            "schema1",
            "the manifest of HOST/etl/orders:schema1 cannot be used: it is of type `application/vnd.docker",
        ),
        (
            "text",
            "the manifest of HOST/etl/orders:text cannot be used: expected value",
        ),
        (
            "fewer",
            "the manifest of HOST/etl/orders:fewer cannot be used: its layers are not those of",
        ),
        (
            "config",
            "the configuration of HOST/etl/orders:config cannot be used: it is larger than 4194304 bytes",
        ),
        (
            "longer",
            "the configuration of HOST/etl/orders:longer cannot be used: it is longer than its manifest says",
        ),
        (
            "sha512",
            "the manifest of HOST/etl/orders:sha512 cannot be used: ",
        ),
    ] {
        let error = reader(&server)
            .image(tag, &platform("amd64", None))
            .await
            .unwrap_err();
        let text = message(&error, &server);
        assert!(text.starts_with(wanted), "{tag}: {text}");
    }
}

#[tokio::test]
async fn a_registry_without_digests_in_its_answers_is_read_all_the_same() {
    let (server, made) = pushed().await;
    server.goes_wrong([rule("HEAD", "/manifests/", 1, Fault::Status(200, Vec::new(), ""))]);
    let found = reader(&server).manifest("latest").await.unwrap();
    assert_eq!(found, Some(made.image.digest()));
    // Another digest than was asked for is no answer.
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    server.goes_wrong([rule(
        "HEAD",
        "/manifests/",
        1,
        Fault::Header("docker-content-digest", other),
    )]);
    let error = reader(&server)
        .manifest(made.image.digest().as_str())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_are_followed_without_credentials_and_only_to_safe_places() {
    let server = Server::fake().await;
    let elsewhere = Server::fake().await;
    let made = made("a");
    repository(&server)
        .push(&made.image, Some("latest"), &made.layout)
        .await
        .unwrap();
    server.store.lock().unwrap().auth = crate::fake::Auth::Basic(crate::kit::KNOWN.to_owned());
    let known = Registries::new(flowimage_runtime::registry::RegistrySettings {
        credentials: crate::kit::known(&server.address),
        ..settings()
    });
    let repository = known.repository(&server.address, "etl/orders", Access::Pull);
    let config = made.image.config.clone();
    elsewhere.store.lock().unwrap().put_blob("etl/orders", &config);
    let place = format!(
        "http://{}/v2/etl/orders/blobs/{}",
        elsewhere.address,
        made.image.id()
    );
    let to = |place: String| Fault::Status(307, vec![("location", place)], "");
    // The manifest first: from then on credentials are known and sent.
    server.goes_wrong([rule("GET", "/blobs/", 1, to(place))]);
    let image = repository
        .image("latest", &platform("amd64", None))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(image.config, config);
    let asked = elsewhere.seen();
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, None));
    assert!(
        server
            .seen()
            .iter()
            .any(|it| it.header("authorization").is_some())
    );

    // Who is led elsewhere shows that place nothing, even if it asks.
    elsewhere.store.lock().unwrap().auth = crate::fake::Auth::Basic("another".to_owned());
    elsewhere.forget();
    let place = format!(
        "http://{}/v2/etl/orders/blobs/{}",
        elsewhere.address,
        made.image.id()
    );
    server.goes_wrong([rule("GET", "/blobs/", 1, to(place))]);
    let error = repository
        .image("latest", &platform("amd64", None))
        .await
        .unwrap_err();
    assert!(
        message(&error, &server).contains("answered 401 to a configuration"),
        "{error}"
    );
    assert!(
        elsewhere
            .seen()
            .iter()
            .all(|it| it.header("authorization").is_none())
    );

    for place in ["http://192.0.2.1/x", "file:///etc/passwd", "gopher://x"] {
        server.goes_wrong([rule("GET", "/blobs/", 1, to(place.to_owned()))]);
        let error = repository
            .image("latest", &platform("amd64", None))
            .await
            .unwrap_err();
        let text = message(&error, &server);
        assert!(
            text.contains("it leads to a place that is not safe"),
            "{place}: {text}"
        );
    }
    let own = format!(
        "http://{}/v2/etl/orders/blobs/{}",
        server.address,
        made.image.id()
    );
    server.goes_wrong([rule("GET", "/blobs/", 1000, to(own))]);
    let error = repository
        .image("latest", &platform("amd64", None))
        .await
        .unwrap_err();
    assert!(
        message(&error, &server).contains("it leads from place to place"),
        "{error}"
    );
}
