//! Finding engines, and saying why one cannot be used.

use std::path::PathBuf;

use flowimage_runtime::Advise;
use flowimage_runtime::engine::{
    BuildRequest, Builder, Engine, EngineAddress, EngineError, EngineKind, LookUp,
};

use crate::kit::{base, build, docker, podman, tar_of, variable};

#[tokio::test]
async fn tells_docker_from_podman() {
    let docker = docker().await;
    let info = docker.info().await.unwrap();
    assert_eq!((info.kind, info.buildkit), (EngineKind::Docker, true), "{info:?}");
    let podman = podman().await;
    let info = podman.info().await.unwrap();
    assert_eq!(
        (info.kind, info.buildkit),
        (EngineKind::Podman, false),
        "{info:?}"
    );
    assert!(info.to_string().starts_with("Podman "));
}

#[tokio::test]
async fn follows_docker_host() {
    let look_up = LookUp {
        docker_host: Some(variable("DOCKER_HOST")),
        ..LookUp::default()
    };
    let engine = Engine::connect(&EngineAddress::Auto, &look_up).await.unwrap();
    assert_eq!(engine.address().to_string(), variable("DOCKER_HOST"));
}

#[tokio::test]
async fn a_dead_docker_host_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    for host in [
        format!("unix://{}/none.sock", folder.path().display()),
        format!("unix://{}", stale.display()),
        "tcp://127.0.0.1:1".to_owned(),
    ] {
        let look_up = LookUp {
            docker_host: Some(host.clone()),
            ..LookUp::default()
        };
        let error = Engine::connect(&EngineAddress::Auto, &look_up).await.unwrap_err();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("no engine answers at {host} (from DOCKER_HOST)")
        );
        assert!(error.advice().unwrap().contains("DOCKER_HOST"));
    }
}

#[tokio::test]
async fn what_answers_but_is_no_engine_is_not_taken_for_one() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = EngineAddress::Tcp(listener.local_addr().unwrap().to_string());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    });
    let error = Engine::connect(&address, &LookUp::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn auto_with_nothing_there_says_where_it_looked() {
    // The machine of the tests may have an engine of its own at the usual place.
    if std::path::Path::new("/var/run/docker.sock").exists()
        || std::path::Path::new("/run/podman/podman.sock").exists()
    {
        let found = Engine::connect(&EngineAddress::Auto, &LookUp::default()).await;
        assert!(!matches!(found, Err(EngineError::NoEngine { .. })));
        return;
    }
    let look_up = LookUp {
        runtime_directory: Some(PathBuf::from("/nonexistent")),
        ..LookUp::default()
    };
    let error = Engine::connect(&EngineAddress::Auto, &look_up).await.unwrap_err();
    let EngineError::NoEngine { looked_at } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(looked_at.len(), 4);
    assert!(error.to_string().contains("/nonexistent/podman/podman.sock"));
}

/// BuildKit calls back over a connection that stops being HTTP: that goes through TLS too.
#[tokio::test]
async fn both_builders_build_through_mutual_tls() {
    let told = std::process::Command::new(variable("FLOWIMAGE_TEST_KIT"))
        .arg("remote")
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let known = |key: &str| {
        let mut pairs = told.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(known, _)| *known == key).unwrap().1.to_owned()
    };
    let look_up = LookUp {
        docker_cert_path: Some(PathBuf::from(known("CERTIFICATES")).join("good")),
        ..LookUp::default()
    };
    let address = EngineAddress::Tls(known("TLS"));
    let engine = Engine::connect(&address, &look_up).await.unwrap();
    for builder in [Builder::BuildKit, Builder::Classic] {
        let request = BuildRequest {
            builder: Some(builder),
            no_cache: true,
            ..BuildRequest::new(format!("FROM {}\nCOPY file /file\nRUN cat /file\n", base()))
        };
        let (built, events) = build(&engine, &request, tar_of(&[("file", b"through TLS")])).await;
        let id = built.unwrap();
        assert!(format!("{events:?}").contains("through TLS"), "{events:?}");
        engine.remove_image(id.as_str()).await.unwrap();
    }
}
