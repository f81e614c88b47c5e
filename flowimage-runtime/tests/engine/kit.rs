//! What the tests share.

use std::io::{Cursor, Read};
use std::path::Path;

use flowimage_runtime::engine::{
    BuildEvent, BuildRequest, Builder, Engine, EngineAddress, EngineError, LookUp,
};
use flowimage_runtime::oci::{Descriptor, Digest, Image, Layer, Source, media_type, sha256};

/// A variable of the test environment.
pub(crate) fn variable(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!(
            "{name} is not set: these tests need a running engine (see the head of tests/engine/main.rs)"
        ),
    }
}

/// The image with a shell that both engines have.
pub(crate) fn base() -> String {
    variable("FLOWIMAGE_TEST_BASE")
}

async fn connect(name: &str) -> Engine {
    let address: EngineAddress = variable(name).parse().unwrap();
    Engine::connect(&address, &LookUp::default())
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) async fn docker() -> Engine {
    connect("DOCKER_HOST").await
}

pub(crate) async fn podman() -> Engine {
    connect("FLOWIMAGE_TEST_PODMAN").await
}

/// Who builds in a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Which {
    BuildKit,
    Classic,
    Podman,
}

impl Which {
    pub(crate) async fn engine(self) -> Engine {
        match self {
            Self::Podman => podman().await,
            _ => docker().await,
        }
    }

    pub(crate) fn builder(self) -> Option<Builder> {
        match self {
            Self::BuildKit => Some(Builder::BuildKit),
            Self::Classic => Some(Builder::Classic),
            Self::Podman => None,
        }
    }
}

/// A text that no other test or run uses.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("{since:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A tar archive of these files, mode 0644.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Builds, and gives the result with everything that was told.
pub(crate) async fn build(
    engine: &Engine,
    request: &BuildRequest,
    context: Vec<u8>,
) -> (Result<Digest, EngineError>, Vec<BuildEvent>) {
    let mut events = Vec::new();
    let result = engine
        .build(request, Cursor::new(context), &mut |event| events.push(event))
        .await;
    (result, events)
}

/// An image of plain tar layers over the layers of another, as a builder without an engine would make it.
pub(crate) fn image(
    folder: &Path,
    below: Vec<Layer>,
    config: serde_json::Value,
    layers: &[Vec<u8>],
    gzip: bool,
) -> Image {
    let mut all = below;
    for bytes in layers {
        let diff_id = sha256(bytes);
        let (stored, kind) = if gzip {
            let mut stored = Vec::new();
            flate2::read::GzEncoder::new(&bytes[..], flate2::Compression::fast())
                .read_to_end(&mut stored)
                .unwrap();
            (stored, media_type::LAYER_GZIP)
        } else {
            (bytes.clone(), media_type::LAYER_TAR)
        };
        let path = folder.join(sha256(&stored).hex());
        std::fs::write(&path, &stored).unwrap();
        all.push(Layer {
            blob: Descriptor::of(kind, &stored),
            diff_id,
            source: Source::File(path),
        });
    }
    let diff_ids: Vec<&Digest> = all.iter().map(|layer| &layer.diff_id).collect();
    let document = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": all.iter().map(|_| serde_json::json!({"created_by": "test"})).collect::<Vec<_>>(),
    });
    Image::new(document.to_string().into_bytes(), all)
}

/// Asks an engine by the command line, to look at it with other eyes than ours.
pub(crate) fn cli(engine: &Engine, arguments: &[&str]) -> String {
    let host = engine.address().to_string();
    let ask = || {
        let mut docker = std::process::Command::new("docker");
        let asked = docker.arg("--host").arg(&host).args(arguments).output();
        asked.expect("the docker command line client is needed")
    };
    let mut answer = ask();
    // Podman's lists fail when another test removes something while it looks.
    for _ in 0..10 {
        if answer.status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        answer = ask();
    }
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}

/// Waits until a condition holds, at most this many seconds.
pub(crate) async fn eventually(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !holds() {
        assert!(
            std::time::Instant::now() < until,
            "not within {seconds} s: {what}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
