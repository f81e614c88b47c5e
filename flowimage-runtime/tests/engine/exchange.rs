//! Images into an engine and out of it.

use std::io::Read;
use std::sync::{Arc, Mutex};

use flowimage_runtime::engine::{Engine, EngineError, LoadRequest, RunRequest, SavedLimits};
use flowimage_runtime::oci::{Descriptor, Digest, Layer, Source, media_type, sha256};
use serde_json::json;

use crate::kit::{base, docker, image, podman, tar_of, unique};

/// Layers as they came out.
type Taken = Vec<(Digest, Vec<u8>)>;

async fn engines() -> [Engine; 2] {
    [docker().await, podman().await]
}

/// The base's layers as somebody has them who pulled nothing.
async fn layers_of_the_base(engine: &Engine) -> Vec<Layer> {
    let base = engine.image(&base()).await.unwrap().unwrap();
    let layer = |diff_id: &Digest| Layer {
        blob: Descriptor::new(media_type::LAYER_TAR, diff_id.clone(), 1),
        diff_id: diff_id.clone(),
        source: Source::Repository("registry.example/base".into()),
    };
    base.diff_ids.iter().map(layer).collect()
}

#[tokio::test]
async fn a_whole_image_is_loaded_under_its_own_id() {
    for engine in engines().await {
        for gzip in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mark = unique();
            let layers = [
                tar_of(&[("mark.txt", mark.as_bytes())]),
                tar_of(&[("big.bin", &vec![9; 3 << 20])]),
            ];
            let config = json!({"Cmd": ["/none"], "Labels": {"dev.flowimage": "1"}});
            let image = image(folder.path(), Vec::new(), config, &layers, gzip);
            let name = format!("localhost/flowimage-test/{mark}:1");
            let request = LoadRequest {
                name: Some(name.clone()),
                ..LoadRequest::default()
            };
            let report = engine.load(&image, &request).await.unwrap();
            assert_eq!(
                (report.id, report.layers_sent, report.fell_back),
                (image.id(), 2, false)
            );
            let loaded = engine.image(&name).await.unwrap().unwrap();
            assert_eq!(loaded.id, image.id());
            assert_eq!(loaded.diff_ids, [sha256(&layers[0]), sha256(&layers[1])]);
            let files = engine.files(&name).await.unwrap();
            assert_eq!(
                files.read("/mark.txt", 100).await.unwrap().unwrap(),
                mark.as_bytes()
            );
            files.close().await.unwrap();
            assert!(engine.untag(&name).await.unwrap());
            assert!(engine.image(image.id().as_str()).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn only_the_new_layer_is_sent_where_the_engine_has_the_base() {
    let engine = docker().await;
    let folder = tempfile::tempdir().unwrap();
    let below = layers_of_the_base(&engine).await;
    let present: Vec<Digest> = below.iter().map(|layer| layer.diff_id.clone()).collect();
    let mark = unique();
    let layers = [tar_of(&[("mark.txt", mark.as_bytes())])];
    let config = json!({"Cmd": ["cat", "/mark.txt"]});
    let image = image(folder.path(), below, config, &layers, true);

    let refused = engine.load(&image, &LoadRequest::default()).await;
    assert!(
        matches!(refused, Err(EngineError::LayerElsewhere { .. })),
        "{refused:?}"
    );

    let request = LoadRequest {
        present,
        ..LoadRequest::default()
    };
    let report = engine.load(&image, &request).await.unwrap();
    assert_eq!((&report.id, report.layers_sent), (&image.id(), 1));
    let outcome = engine.run(&RunRequest::new(report.id.as_str())).await.unwrap();
    assert_eq!(outcome.stdout.text(), mark);
    engine.remove_image(report.id.as_str()).await.unwrap();
}

#[tokio::test]
async fn all_layers_go_when_the_engine_has_not_what_it_should_have() {
    for engine in engines().await {
        let folder = tempfile::tempdir().unwrap();
        let layers = [
            tar_of(&[("one.txt", unique().as_bytes())]),
            tar_of(&[("two.txt", unique().as_bytes())]),
        ];
        let image = image(
            folder.path(),
            Vec::new(),
            json!({"Cmd": ["/none"]}),
            &layers,
            false,
        );
        let request = LoadRequest {
            present: vec![sha256(&layers[0])],
            ..LoadRequest::default()
        };
        let report = engine.load(&image, &request).await.unwrap();
        assert_eq!((&report.id, report.layers_sent), (&image.id(), 2));
        engine.remove_image(report.id.as_str()).await.unwrap();
    }
}

#[tokio::test]
async fn a_layer_that_is_not_what_its_config_says_is_refused() {
    for engine in engines().await {
        let folder = tempfile::tempdir().unwrap();
        let layers = [tar_of(&[("a.txt", unique().as_bytes())])];
        let image = image(
            folder.path(),
            Vec::new(),
            json!({"Cmd": ["/none"]}),
            &layers,
            false,
        );
        let Source::File(path) = &image.layers[0].source else {
            unreachable!();
        };
        let mut bytes = std::fs::read(path).unwrap();
        bytes[600] ^= 1;
        std::fs::write(path, bytes).unwrap();
        let result = engine.load(&image, &LoadRequest::default()).await;
        assert!(result.is_err(), "{} {result:?}", engine.address());
        assert!(engine.image(image.id().as_str()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_export_gives_back_what_was_loaded() {
    for engine in engines().await {
        let folder = tempfile::tempdir().unwrap();
        let layers = [
            tar_of(&[("one.txt", unique().as_bytes())]),
            tar_of(&[("two.bin", &vec![5; 1 << 20])]),
            tar_of(&[("three.txt", unique().as_bytes())]),
        ];
        let image = image(
            folder.path(),
            Vec::new(),
            json!({"Cmd": ["/none"]}),
            &layers,
            true,
        );
        let id = engine.load(&image, &LoadRequest::default()).await.unwrap().id;
        let loaded = engine.image(id.as_str()).await.unwrap().unwrap();
        let wanted = [sha256(&layers[2]), sha256(&layers[1])];
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let sink = taken.clone();
        let take = move |digest: &Digest, reader: &mut dyn Read| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            sink.lock().unwrap().push((digest.clone(), bytes));
            Ok(())
        };
        let limits = SavedLimits::default();
        let exported = engine
            .export_layers(&loaded, &wanted, &limits, folder.path(), take)
            .await
            .unwrap();
        assert_eq!(exported.config, image.config, "{}", engine.address());
        assert_eq!(exported.diff_ids, loaded.diff_ids);
        let mut taken = std::mem::take(&mut *taken.lock().unwrap());
        taken.sort();
        let mut expected = vec![
            (sha256(&layers[1]), layers[1].clone()),
            (sha256(&layers[2]), layers[2].clone()),
        ];
        expected.sort();
        assert!(taken == expected, "{}: other layers came out", engine.address());
        engine.remove_image(id.as_str()).await.unwrap();

        let gone = engine
            .export_layers(&loaded, &[], &limits, folder.path(), |_, _| Ok(()))
            .await;
        assert!(
            matches!(
                gone,
                Err(EngineError::NoImage { .. } | EngineError::Export { .. } | EngineError::Refused { .. })
            ),
            "{gone:?}"
        );
    }
}

#[tokio::test]
async fn the_real_base_comes_out_whole() {
    for engine in engines().await {
        let folder = tempfile::tempdir().unwrap();
        let base = engine.image(&base()).await.unwrap().unwrap();
        let count = Arc::new(Mutex::new(0));
        let counter = count.clone();
        let take = move |_: &Digest, reader: &mut dyn Read| {
            *counter.lock().unwrap() += std::io::copy(reader, &mut std::io::sink())?;
            Ok(())
        };
        let exported = engine
            .export_layers(
                &base,
                &base.diff_ids,
                &SavedLimits::default(),
                folder.path(),
                take,
            )
            .await
            .unwrap();
        assert_eq!(sha256(&exported.config), base.id);
        assert!(*count.lock().unwrap() > 10 << 20);
    }
}
