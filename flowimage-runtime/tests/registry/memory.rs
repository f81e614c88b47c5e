//! Layers larger than memory should be: a process of its own pushes and pulls them, and says what it needed.

use std::fs::File;
use std::process::Command;

use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::{Descriptor, Digest, Image, Layer, Source, media_type};
use flowimage_runtime::registry::{Access, Registries};

use crate::kit::settings;
use crate::server::Server;

const PUSHED: u64 = 2 << 30;
/// SHA-256 of so many zero bytes.
const PUSHED_DIGEST: &str = "sha256:a7c744c13cc101ed66c29f672f92455547889cc586ce6d44fe76ae824958ea51";
const PULLED: usize = 192 << 20;
/// SHA-256 of so many sevens.
const PULLED_DIGEST: &str = "sha256:b7be9e3d6523f3b82d59d7fdb830f3596384889f7cb88297ac79070bd064d9b6";
const LIMIT_KIB: u64 = 64 << 10;

/// Runs a test of this file in a process of its own, with the registry's address.
async fn peak_of(test: &str, address: &str) -> u64 {
    let output = tokio::process::Command::from(Command::new(std::env::current_exe().unwrap()))
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env("FLOWIMAGE_TEST_CHILD", address)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let peak = said.lines().find_map(|line| line.split_once("peak KiB: "));
    peak.unwrap_or_else(|| panic!("{said}")).1.trim().parse().unwrap()
}

#[allow(clippy::print_stdout, reason = "the other process reads it")]
fn say_peak() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    println!("\npeak KiB: {}", peak.trim().trim_end_matches(" kB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_of_two_gibibytes_is_pushed_within_64_mebibytes() {
    let server = Server::fake().await;
    let peak = peak_of("memory::child_pushes", &server.address).await;
    let store = server.store.lock().unwrap();
    assert!(store.bytes_received > PUSHED);
    assert!(store.serves("large/layer", "x"));
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}

#[tokio::test]
#[ignore = "run by another test in a process of its own"]
async fn child_pushes() {
    let address = std::env::var("FLOWIMAGE_TEST_CHILD").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let digest: Digest = PUSHED_DIGEST.parse().unwrap();
    let path = layout.blob_path(&digest);
    // A hole: nothing of it is on the disk.
    File::create(&path).unwrap().set_len(PUSHED).unwrap();
    let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#);
    let layer = Layer {
        blob: Descriptor::new(media_type::LAYER_TAR, digest.clone(), PUSHED),
        diff_id: digest,
        source: Source::File(path),
    };
    let image = Image::new(config.into_bytes(), vec![layer]);
    let repository = Registries::new(settings()).repository(&address, "large/layer", Access::Push);
    repository.push(&image, Some("x"), &layout).await.unwrap();
    say_peak();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_layer_is_pulled_within_64_mebibytes() {
    let server = Server::fake().await;
    server
        .store
        .lock()
        .unwrap()
        .put_blob("large/layer", &vec![7; PULLED]);
    let peak = peak_of("memory::child_pulls", &server.address).await;
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}

#[tokio::test]
#[ignore = "run by another test in a process of its own"]
async fn child_pulls() {
    let address = std::env::var("FLOWIMAGE_TEST_CHILD").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let repository = Registries::new(settings()).repository(&address, "large/layer", Access::Pull);
    let digest = PULLED_DIGEST.parse().unwrap();
    let blob = Descriptor::new(media_type::LAYER_TAR, digest, PULLED as u64);
    repository.fetch(&blob, &layout).await.unwrap();
    say_peak();
}
