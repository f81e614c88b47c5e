//! Pushing: what is asked, what is sent, what is mounted.

use flowimage_runtime::oci::{Image, Source};
use flowimage_runtime::registry::{Access, Registries};

use crate::kit::{made, pushed, repository, settings};
use crate::server::Server;

#[tokio::test]
async fn a_second_push_sends_no_blob() {
    let server = Server::fake().await;
    let made = made("a");
    let repository = repository(&server);
    repository.may_push().await.unwrap();
    assert!(repository.manifest("latest").await.unwrap().is_none());
    let digest = repository
        .push(&made.image, Some("latest"), &made.layout)
        .await
        .unwrap();
    assert_eq!(digest, made.image.digest());
    assert_eq!(repository.manifest("latest").await.unwrap(), Some(digest.clone()));
    assert_eq!(repository.manifest(digest.as_str()).await.unwrap(), Some(digest));

    server.forget();
    repository
        .push(&made.image, Some("again"), &made.layout)
        .await
        .unwrap();
    assert_eq!(
        (server.count("HEAD", "/blobs/"), server.count("POST", "")),
        (3, 0)
    );
    assert!(server.store.lock().unwrap().serves("etl/orders", "again"));
}

#[tokio::test]
async fn the_upload_that_asks_whether_one_may_takes_the_configuration() {
    let server = Server::fake().await;
    let made = made("a");
    let config = flowimage_runtime::oci::sha256(&made.image.config);
    for is_lost in [false, true] {
        let registries = Registries::new(settings());
        let path = format!("etl/{is_lost}");
        let repository = registries.repository(&server.address, &path, Access::Push);
        let other = registries.repository(&server.address, "etl/other", Access::Push);
        repository.may_push().await.unwrap();
        other.may_push().await.unwrap();
        if is_lost {
            server.store.lock().unwrap().uploads.clear();
        }
        server.forget();
        repository
            .push(&made.image, Some("x"), &made.layout)
            .await
            .unwrap();
        assert!(server.store.lock().unwrap().serves(&path, "x"));
        // One each for the layers, and for the configuration where the first is gone.
        assert_eq!(server.count("POST", ""), if is_lost { 3 } else { 2 });
        assert_eq!(server.count("HEAD", config.hex()), usize::from(is_lost));
        registries.give_up_uploads().await;
        assert_eq!(server.count("DELETE", "etl/other"), 1);
        assert_eq!(server.count("DELETE", ""), 1);
    }
}

/// The image as another machine sees it that asked the registry for it.
async fn seen_from_afar(registries: &Registries, server: &Server) -> Image {
    let repository = registries.repository(&server.address, "etl/orders", Access::Pull);
    let platform = flowimage_runtime::oci::Platform::of_this_program();
    repository.image("latest", &platform).await.unwrap().unwrap()
}

#[tokio::test]
async fn layers_of_the_same_registry_are_mounted_and_never_downloaded() {
    let (server, made) = pushed().await;
    let registries = Registries::new(settings());
    let image = seen_from_afar(&registries, &server).await;
    assert_eq!(image.manifest, made.image.manifest);
    let place = Source::Repository(format!("{}/etl/orders", server.address));
    assert!(image.layers.iter().all(|layer| layer.source == place));

    server.forget();
    let other = registries.repository(&server.address, "etl/other", Access::Push);
    let elsewhere = tempfile::tempdir().unwrap();
    let layout = flowimage_runtime::layout::Layout::open(elsewhere.path()).unwrap();
    other.push(&image, None, &layout).await.unwrap();
    assert_eq!(server.count("POST", "mount="), 2);
    assert_eq!(server.count("GET", "/blobs/"), 0);
    assert!(
        server
            .store
            .lock()
            .unwrap()
            .serves("etl/other", image.digest().as_str())
    );
}

#[tokio::test]
async fn a_layer_that_flows_share_is_sent_once_and_taken_over_by_the_others() {
    let made = made("a");
    for mounts in [true, false] {
        let server = Server::fake().await;
        server.store.lock().unwrap().mounts = mounts;
        let registries = Registries::new(settings());
        let flows: Vec<_> = (0..5)
            .map(|flow| registries.repository(&server.address, &format!("etl/flow-{flow}"), Access::Push))
            .collect();
        let pushes = flows
            .iter()
            .map(|flow| flow.push(&made.image, Some("x"), &made.layout));
        for pushed in futures_util::future::join_all(pushes).await {
            assert_eq!(pushed.unwrap(), made.image.digest());
        }
        for flow in 0..5 {
            let repository = format!("etl/flow-{flow}");
            assert!(server.store.lock().unwrap().serves(&repository, "x"));
        }
        for layer in &made.image.layers {
            let sent = server.count("PUT", layer.blob.digest.hex());
            // Where a registry mounts nothing, each gets its own.
            assert_eq!(sent, if mounts { 1 } else { 5 });
            // What one lacked is not asked for again at the others, unless it is not taken over.
            let asked = server.count("HEAD", layer.blob.digest.hex());
            assert_eq!(asked, if mounts { 1 } else { 5 });
        }
    }
}

#[tokio::test]
async fn a_layer_that_flows_share_is_downloaded_once() {
    let (server, _made) = pushed().await;
    let registries = Registries::new(settings());
    let image = seen_from_afar(&registries, &server).await;
    let folder = tempfile::tempdir().unwrap();
    let layout = flowimage_runtime::layout::Layout::open(folder.path()).unwrap();
    server.forget();
    let downloads = (0..5).map(|_| registries.download(&image, &layout));
    for downloaded in futures_util::future::join_all(downloads).await {
        assert!(downloaded.unwrap().layers.iter().all(|it| layout.has(&it.blob)));
    }
    assert_eq!(server.count("GET", "/blobs/"), image.layers.len());
}

#[tokio::test]
async fn layers_that_are_not_mounted_pass_through_the_layout() {
    let (server, _made) = pushed().await;
    server.store.lock().unwrap().mounts = false;
    let registries = Registries::new(settings());
    let image = seen_from_afar(&registries, &server).await;
    let target = Server::fake().await;
    for host in [&server, &target] {
        let elsewhere = tempfile::tempdir().unwrap();
        let layout = flowimage_runtime::layout::Layout::open(elsewhere.path()).unwrap();
        let other = registries.repository(&host.address, "etl/other", Access::Push);
        other.push(&image, Some("x"), &layout).await.unwrap();
        assert!(host.store.lock().unwrap().serves("etl/other", "x"));
        assert!(image.layers.iter().all(|layer| layout.has(&layer.blob)));
    }
}

#[tokio::test]
async fn a_blob_too_large_for_one_request_goes_in_chunks() {
    const LENGTH: usize = 40 << 20;
    let server = Server::fake().await;
    server.store.lock().unwrap().largest = 20 << 20;
    let made = made("a");
    let mut writer = made.layout.blob_writer().unwrap();
    let bytes: Vec<u8> = (0..LENGTH).map(|it| (it / 1000) as u8).collect();
    std::io::Write::write_all(&mut writer, &bytes).unwrap();
    let blob = flowimage_runtime::oci::Descriptor::of("application/vnd.oci.image.layer.v1.tar", &bytes);
    let path = writer.keep(&blob.digest).unwrap();
    let mut layers = made.image.layers.clone();
    layers.push(flowimage_runtime::oci::Layer {
        diff_id: blob.digest.clone(),
        blob,
        source: Source::File(path),
    });
    let image = Image::new(made.image.config.clone(), layers);
    repository(&server)
        .push(&image, Some("large"), &made.layout)
        .await
        .unwrap();
    assert_eq!(server.count("PATCH", "uploads"), 3);
    assert!(server.store.lock().unwrap().serves("etl/orders", "large"));
}

#[tokio::test]
async fn a_damaged_file_is_not_blamed_on_the_registry() {
    let server = Server::fake().await;
    for damage in ["other bytes", "shorter"] {
        let made = made("a");
        let Source::File(path) = &made.image.layers[1].source else {
            unreachable!()
        };
        let mut bytes = std::fs::read(path).unwrap();
        match damage {
            "shorter" => bytes.truncate(100),
            _ => bytes[100] ^= 1,
        }
        std::fs::write(path, bytes).unwrap();
        let error = repository(&server)
            .push(&made.image, Some("x"), &made.layout)
            .await
            .unwrap_err();
        let text = crate::kit::said(&error);
        assert!(
            text.starts_with(&format!("cannot read {}", path.display())),
            "{damage}: {text}"
        );
        assert!(!server.store.lock().unwrap().serves("etl/orders", "x"));
    }
}
