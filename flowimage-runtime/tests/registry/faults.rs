//! Registries that fail in every way: each push ends in success after retries, or in one clear error; and what is
//! reported as pushed is served.

use std::time::{Duration, Instant};

use flowimage_runtime::registry::{Access, Registries, RegistrySettings};

use crate::kit::{made, message, pushed, repository, settings};
use crate::server::{Fault, Rule, Server, rule};

/// The requests of a push, by method and a part of their address.
const REQUESTS: [(&str, &str); 6] = [
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/sha256"),
    ("GET", "/manifests/sha256"),
    ("PUT", "/manifests/latest"),
];

async fn survives(server: &Server, rules: Vec<Rule>, text: &str) {
    let made = made(text);
    server.goes_wrong(rules.clone());
    let pushed = repository(server)
        .push(&made.image, Some("latest"), &made.layout)
        .await;
    let faults: Vec<_> = rules.iter().map(|it| (it.method, it.part, &it.fault)).collect();
    assert_eq!(
        pushed.unwrap_or_else(|error| panic!("{faults:?}: {error:?}")),
        made.image.digest()
    );
    let store = server.store.lock().unwrap();
    for reference in [made.image.digest().as_str(), "latest"] {
        assert!(store.serves("etl/orders", reference), "{faults:?}: {reference}");
    }
}

#[tokio::test]
async fn answers_that_are_errors_for_a_while_are_asked_for_again() {
    let server = Server::fake().await;
    for (method, part) in REQUESTS {
        for status in [429, 500, 502, 503, 504] {
            let fault = Fault::Status(status, Vec::new(), "<html>not now</html>");
            survives(
                &server,
                vec![rule(method, part, 2, fault)],
                &format!("{method} {part} {status}"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn connections_that_end_in_mid_answer_are_made_again() {
    let server = Server::fake().await;
    for (method, part) in REQUESTS {
        for length in [0, 1, 9, 12, 17, 40, 60, 100, 150, 200, 250, 300, 400, 500] {
            let fault = Fault::CutAnswer(length);
            survives(
                &server,
                vec![rule(method, part, 2, fault)],
                &format!("{method} {part} {length}"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn connections_that_end_in_mid_request_are_made_again() {
    let server = Server::fake().await;
    for length in [0, 1, 100, 4096, 65_536, 100_000, 200_000, 299_999] {
        let rules = vec![rule("PUT", "/blobs/uploads/", 3, Fault::CutRequest(length))];
        survives(&server, rules, &format!("blob {length}")).await;
    }
    for length in [0, 1, 100, 300] {
        let rules = vec![rule("PUT", "/manifests/", 3, Fault::CutRequest(length))];
        survives(&server, rules, &format!("manifest {length}")).await;
    }
}

#[tokio::test]
async fn everything_goes_wrong_once() {
    let server = Server::fake().await;
    let mut rules = Vec::new();
    for (method, part) in REQUESTS {
        let status = Fault::Status(503, vec![("retry-after", "0".to_owned())], "");
        rules.push(rule(method, part, 1, Fault::CutAnswer(30)));
        rules.push(rule(method, part, 1, status));
    }
    survives(&server, rules, "all").await;
}

#[tokio::test]
async fn wrong_digests_that_pass_are_survived() {
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let server = Server::fake().await;
    let digest_of_blob = Fault::Header("docker-content-digest", other);
    survives(
        &server,
        vec![rule("PUT", "/blobs/uploads/", 1, digest_of_blob)],
        "blob",
    )
    .await;
    survives(
        &server,
        vec![rule("GET", "/manifests/sha256", 2, Fault::Garbled)],
        "manifest",
    )
    .await;
    let shorter = Fault::Header("content-length", "100");
    survives(
        &server,
        vec![rule("GET", "/manifests/sha256", 1, shorter)],
        "shorter",
    )
    .await;
    let longer = Fault::Header("content-length", "100000");
    survives(
        &server,
        vec![rule("GET", "/manifests/sha256", 1, longer)],
        "longer",
    )
    .await;
}

#[tokio::test]
async fn blobs_that_vanish_after_they_were_seen_are_sent_again() {
    let server = Server::fake().await;
    let made = made("a");
    let repository = repository(&server);
    repository
        .push(&made.image, Some("before"), &made.layout)
        .await
        .unwrap();
    survives(
        &server,
        vec![rule("PUT", "/manifests/sha256", 1, Fault::Vanish)],
        "a",
    )
    .await;

    // A registry whose answers about blobs are those of a while ago.
    server.store.lock().unwrap().lose_blobs();
    let lie = Fault::Status(200, Vec::new(), "");
    survives(&server, vec![rule("HEAD", "/blobs/", 3, lie)], "a").await;
}

#[tokio::test]
async fn blobs_that_vanish_every_time_are_one_clear_error() {
    let server = Server::fake().await;
    let made = made("a");
    server.goes_wrong([rule("PUT", "/manifests/", 1000, Fault::Vanish)]);
    let error = repository(&server)
        .push(&made.image, Some("x"), &made.layout)
        .await
        .unwrap_err();
    assert_eq!(
        message(&error, &server),
        "the registry HOST answered 400 to the manifest: blob unknown to registry"
    );
    assert_eq!(server.count("PUT", "/manifests/"), 3);
}

/// What is said of a fault that does not pass; nothing is then served under the tag.
async fn said_of(rule: Rule) -> String {
    let server = Server::fake().await;
    let made = made("a");
    let slow = RegistrySettings {
        patience: Duration::from_millis(300),
        ..settings()
    };
    let repository = Registries::new(slow).repository(&server.address, "etl/orders", Access::Push);
    let digest = made.image.digest().to_string();
    server.goes_wrong([rule]);
    let error = repository
        .push(&made.image, Some("latest"), &made.layout)
        .await
        .unwrap_err();
    assert!(!server.store.lock().unwrap().serves("etl/orders", "latest"));
    message(&error, &server).replace(&digest, "DIGEST")
}

#[tokio::test]
async fn faults_that_do_not_pass_are_one_clear_error() {
    let always = |method, part, fault| rule(method, part, 1000, fault);
    let status = |status, body| Fault::Status(status, Vec::new(), body);
    let other = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    let busy = Fault::Status(429, vec![("retry-after", "3600".to_owned())], "");
    let cases = [
        (
            always("HEAD", "/blobs/", status(500, "")),
            "the registry HOST answered 500 to a request: nothing more",
        ),
        (
            always(
                "POST",
                "uploads",
                status(403, r#"{"errors": [{"code": "DENIED", "message": "not yours"}]}"#),
            ),
            "the registry HOST answered 403 to the start of an upload: not yours",
        ),
        (
            always("PUT", "uploads", status(413, "")),
            "the registry HOST answered 413 to an upload: not even 16777216 bytes are taken at a time",
        ),
        (
            always("PUT", "uploads", busy),
            "the registry HOST takes no more requests for 3600 seconds",
        ),
        (
            always("PUT", "/manifests/sha256", status(201, "")),
            "the registry HOST has nothing where DIGEST should be",
        ),
        (
            always("GET", "/manifests/sha256", status(404, "")),
            "the registry HOST has nothing where DIGEST should be",
        ),
        (
            always("PUT", "uploads", Fault::Silent),
            "the registry HOST cannot be reached: nothing was heard for 0.3 seconds",
        ),
        (
            always(
                "POST",
                "uploads",
                Fault::Header("location", "http://evil.example/upload"),
            ),
            "the registry HOST answered 202 to an upload: it names no place of its own to send to",
        ),
    ];
    for (rule, wanted) in cases {
        let name = format!("{} {} {:?}", rule.method, rule.part, rule.fault);
        assert_eq!(said_of(rule).await, wanted, "{name}");
    }
    let wrong = said_of(always("GET", "/manifests/sha256", Fault::Garbled)).await;
    assert!(
        wrong.starts_with("the registry HOST has sha256:") && wrong.ends_with("where DIGEST should be"),
        "{wrong}"
    );
    let wrong = said_of(always(
        "PUT",
        "uploads",
        Fault::Header("docker-content-digest", other),
    ))
    .await;
    assert!(
        wrong.starts_with(&format!("the registry HOST has {other} where sha256:")),
        "{wrong}"
    );
    let broken = said_of(always("PUT", "uploads", Fault::CutRequest(10))).await;
    assert!(
        broken.starts_with("the registry HOST cannot be reached: "),
        "{broken}"
    );
}

#[tokio::test]
async fn the_wait_that_a_registry_asks_for_is_kept() {
    let server = Server::fake().await;
    let asked = vec![("retry-after", "1".to_owned())];
    let started = Instant::now();
    let rules = vec![rule("POST", "uploads", 1, Fault::Status(429, asked, ""))];
    survives(&server, rules, "wait").await;
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn slow_is_not_silent() {
    let (server, _made) = pushed().await;
    let short = RegistrySettings {
        patience: Duration::from_millis(3500),
        ..settings()
    };
    let registries = Registries::new(short);
    let repository = registries.repository(&server.address, "etl/orders", Access::Pull);
    let platform = flowimage_runtime::oci::Platform::of_this_program();
    server.goes_wrong([rule("GET", "/blobs/", 3, Fault::Slow(Duration::from_millis(500)))]);
    let image = repository.image("latest", &platform).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = flowimage_runtime::layout::Layout::open(folder.path()).unwrap();
    // Eight pieces take four seconds: longer than the patience, which starts anew with each.
    registries.download(&image, &layout).await.unwrap();
    assert_eq!(server.count("GET", "/blobs/"), 3);
}
