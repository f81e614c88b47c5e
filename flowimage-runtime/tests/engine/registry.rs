//! The registry client with the real registry: open, with a password, behind a proxy that goes wrong; and what it
//! pushed in the hands of other tools.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flowimage_runtime::layout::Layout;
use flowimage_runtime::oci::{Image, Platform, media_type};
use flowimage_runtime::registry::{Access, CredentialPlaces, Registries, RegistrySettings, Repository};
use serde_json::{Value, json};

use crate::kit::{tar_of, unique, variable as setting};
use crate::server::{Fault, Rule, Server, rule};

fn settings(credentials: CredentialPlaces) -> RegistrySettings {
    RegistrySettings {
        first_pause: Duration::from_millis(1),
        credentials,
        ..RegistrySettings::default()
    }
}

fn repository(registry: &str, path: &str) -> Repository {
    Registries::new(settings(CredentialPlaces::none())).repository(registry, path, Access::Push)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn podman(arguments: &[&str]) -> String {
    let url = setting("FLOWIMAGE_TEST_PODMAN");
    output(
        Command::new("podman")
            .args(["--remote", "--url", &url])
            .args(arguments),
    )
}

/// An image that prints a text, of two layers: the static busybox, and the text.
fn printing(folder: &Path, text: &str) -> Image {
    let busybox = std::fs::read("/bin/busybox").unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "bin/busybox", &busybox[..]).unwrap();
    let layers = [tar.into_inner().unwrap(), tar_of(&[("text", text.as_bytes())])];
    let config = json!({"Cmd": ["/bin/busybox", "cat", "/text"]});
    crate::kit::image(folder, Vec::new(), config, &layers, true)
}

async fn push(repository: &Repository, text: &str, tag: &str) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let image = printing(folder.path(), text);
    let layout = Layout::open(folder.path().join("layout")).unwrap();
    repository.push(&image, Some(tag), &layout).await.unwrap();
    image
}

/// What a registry serves under a digest, asked by nobody of ours.
fn raw(reference: &str) -> String {
    output(Command::new("skopeo").args([
        "inspect",
        "--raw",
        "--tls-verify=false",
        &format!("docker://{reference}"),
    ]))
}

#[tokio::test]
async fn what_was_pushed_is_what_other_tools_read() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let text = unique();
    let place = format!("{registry}/tools/{text}");
    let image = push(&repository(&registry, &format!("tools/{text}")), &text, "latest").await;
    let digest = image.digest();
    let pinned = format!("{place}@{digest}");
    assert_eq!(raw(&pinned).as_bytes(), image.manifest);

    let inspected = output(Command::new("skopeo").args([
        "inspect",
        "--tls-verify=false",
        &format!("docker://{place}:latest"),
    ]));
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], digest.as_str());
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 2);

    let docker = |arguments: &[&str]| output(Command::new("docker").args(arguments));
    docker(&["pull", "-q", &pinned]);
    assert_eq!(docker(&["run", "--rm", "--network=none", &pinned]), text);
    docker(&["rmi", &pinned]);

    podman(&["pull", "-q", "--tls-verify=false", &pinned]);
    assert_eq!(podman(&["run", "--rm", "--network=none", &pinned]), text);
    podman(&["rmi", &pinned]);
}

#[tokio::test]
async fn buildah_builds_on_what_was_pushed() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let text = unique();
    let image = push(
        &repository(&registry, &format!("buildah/{text}")),
        &text,
        "latest",
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let store = |name: &str| folder.path().join(name).display().to_string();
    let buildah = |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        command.args([
            "--root",
            &store("root"),
            "--runroot",
            &store("run"),
            "--storage-driver",
            "vfs",
        ]);
        output(command.args(arguments))
    };
    let reference = format!("{registry}/buildah/{text}@{}", image.digest());
    let container = buildah(&["from", "-q", "--tls-verify=false", &reference]);
    let mounted = buildah(&["mount", container.trim()]);
    assert_eq!(
        std::fs::read_to_string(Path::new(mounted.trim()).join("text")).unwrap(),
        text
    );
    buildah(&["umount", container.trim()]);
    buildah(&["rm", container.trim()]);
}

#[tokio::test]
async fn a_layout_goes_to_a_registry_and_back_under_its_digest() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let text = unique();
    let folder = tempfile::tempdir().unwrap();
    let image = printing(folder.path(), &text);
    let layout = Layout::open(folder.path().join("layout")).unwrap();
    layout
        .write_image(&image, "x", &Platform::of_this_program())
        .unwrap();
    let from = format!("oci:{}:x", layout.root().display());
    let to = format!("{registry}/skopeo/{text}:x");
    output(Command::new("skopeo").args([
        "--insecure-policy",
        "copy",
        "-q",
        "--preserve-digests",
        "--dest-tls-verify=false",
        &from,
        &format!("docker://{to}"),
    ]));
    let repository = repository(&registry, &format!("skopeo/{text}"));
    let read = repository
        .image("x", &Platform::of_this_program())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.digest(), &read.config), (image.digest(), &image.config));
    let elsewhere = Layout::open(folder.path().join("elsewhere")).unwrap();
    let registries = Registries::new(settings(CredentialPlaces::none()));
    let local = registries.download(&read, &elsewhere).await.unwrap();
    assert!(local.layers.iter().all(|layer| elsewhere.has(&layer.blob)));
}

#[tokio::test]
async fn docker_manifests_and_indexes_of_other_tools_are_read() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let text = unique();
    let base = repository(&registry, "debian");
    let platform = Platform::of_this_program();
    let image = base.image("bookworm-slim", &platform).await.unwrap().unwrap();
    // The engine pushed it, in docker's own form.
    assert_eq!(image.media_type, media_type::DOCKER_MANIFEST);
    let place = format!("127.0.0.1/{text}");
    let one = push(&repository(&registry, &format!("index/{text}")), &text, "one").await;
    // A list has each image once.
    push(&repository(&registry, &format!("index/{text}")), &unique(), "two").await;
    podman(&["manifest", "create", &place]);
    let member = format!("docker://{registry}/index/{text}:one");
    let other = format!("docker://{registry}/index/{text}:two");
    podman(&[
        "manifest",
        "add",
        "--tls-verify=false",
        "--arch",
        "amd64",
        "--os",
        "linux",
        &place,
        &member,
    ]);
    podman(&[
        "manifest",
        "add",
        "--tls-verify=false",
        "--arch",
        "arm",
        "--variant",
        "v7",
        "--os",
        "linux",
        &place,
        &other,
    ]);
    let all = format!("docker://{registry}/index/{text}:all");
    podman(&["manifest", "push", "--tls-verify=false", "--all", &place, &all]);
    podman(&["manifest", "rm", &place]);
    let repository = repository(&registry, &format!("index/{text}"));
    let read = repository.image("all", &platform).await.unwrap().unwrap();
    assert_eq!(read.digest(), one.digest());
    let other = Platform {
        architecture: "s390x".to_owned(),
        ..platform
    };
    assert!(repository.image("all", &other).await.is_err());
}

/// Docker's configuration for the registry with a password, as its own `docker login` writes it.
fn logged_in(folder: &Path) -> CredentialPlaces {
    let login = Command::new("docker")
        .args([
            "--config",
            folder.to_str().unwrap(),
            "login",
            "-u",
            &setting("FLOWIMAGE_TEST_AUTH_USER"),
        ])
        .args([
            "-p",
            &setting("FLOWIMAGE_TEST_AUTH_PASSWORD"),
            &setting("FLOWIMAGE_TEST_AUTH_REGISTRY"),
        ])
        .output()
        .unwrap();
    assert!(
        login.status.success(),
        "{}",
        String::from_utf8_lossy(&login.stderr)
    );
    CredentialPlaces {
        docker_folder: Some(folder.to_owned()),
        ..CredentialPlaces::none()
    }
}

#[tokio::test]
async fn the_registry_with_a_password_takes_what_docker_logged_in_for() {
    let registry = setting("FLOWIMAGE_TEST_AUTH_REGISTRY");
    let folder = tempfile::tempdir().unwrap();
    let places = logged_in(folder.path());
    let me =
        Registries::new(settings(places)).repository(&registry, &format!("auth/{}", unique()), Access::Push);
    me.may_push().await.unwrap();
    let image = push(&me, "hello", "x").await;
    assert_eq!(me.manifest("x").await.unwrap(), Some(image.digest()));

    let nobody = repository(&registry, "auth/x");
    let error = nobody.may_push().await.unwrap_err();
    assert!(error.to_string().contains("without credentials"), "{error}");
    let wrong = CredentialPlaces {
        docker_auth_config: Some(format!(
            r#"{{"auths": {{"{registry}": {{"auth": "bWU6aHVudGVyMg=="}}}}}}"#
        )),
        ..CredentialPlaces::none()
    };
    let wrong = Registries::new(settings(wrong)).repository(&registry, "auth/x", Access::Push);
    let error = wrong.may_push().await.unwrap_err();
    assert!(error.to_string().contains("refuses the credentials"), "{error}");
}

async fn survives(server: &Server, rules: Vec<Rule>) {
    let text = unique();
    let path = format!("faults/{text}");
    server.goes_wrong(rules.clone());
    let image = push(&repository(&server.address, &path), &text, "latest").await;
    let real = setting("FLOWIMAGE_TEST_REGISTRY");
    let served = raw(&format!("{real}/{path}@{}", image.digest()));
    assert_eq!(served.as_bytes(), image.manifest);
    let tagged = raw(&format!("{real}/{path}:latest"));
    assert_eq!(tagged.as_bytes(), image.manifest);
}

#[tokio::test]
async fn the_real_registry_gets_all_through_a_proxy_that_goes_wrong() {
    let server = Server::before(&setting("FLOWIMAGE_TEST_REGISTRY")).await;
    let requests = [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/sha256"),
        ("GET", "/manifests/sha256"),
        ("PUT", "/manifests/latest"),
    ];
    for fault in [
        Fault::CutAnswer(0),
        Fault::CutAnswer(100),
        Fault::Status(429, vec![("retry-after", "0".to_owned())], ""),
        Fault::Status(500, Vec::new(), "no"),
    ] {
        let rules = requests.map(|(method, part)| rule(method, part, 2, fault.clone()));
        survives(&server, rules.into()).await;
    }
    for length in [0, 1, 10_000, 500_000] {
        survives(
            &server,
            vec![rule("PUT", "/blobs/uploads/", 3, Fault::CutRequest(length))],
        )
        .await;
    }
    let garbled = rule("GET", "/manifests/sha256", 2, Fault::Garbled);
    survives(&server, vec![garbled]).await;
}

#[tokio::test]
async fn the_real_registry_takes_chunks() {
    let server = Server::before(&setting("FLOWIMAGE_TEST_REGISTRY")).await;
    // Whatever stands before the registry takes no whole layer.
    let refused = Fault::Status(413, Vec::new(), "");
    survives(&server, vec![rule("PUT", "/blobs/uploads/", 3, refused)]).await;
    assert!(server.count("PATCH", "/blobs/uploads/") >= 1);
}

#[tokio::test]
async fn layers_in_the_real_registry_are_mounted() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let server = Server::before(&registry).await;
    let text = unique();
    let first = repository(&server.address, &format!("mount/{text}"));
    push(&first, &text, "x").await;
    let image = first
        .image("x", &Platform::of_this_program())
        .await
        .unwrap()
        .unwrap();
    server.forget();
    let second = repository(&server.address, &format!("mounted/{text}"));
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    second.push(&image, Some("x"), &layout).await.unwrap();
    assert_eq!(server.count("POST", "mount="), 2);
    assert_eq!(server.count("GET", "/blobs/"), 0);
    assert_eq!(
        raw(&format!("{registry}/mounted/{text}:x")).as_bytes(),
        image.manifest
    );
}
