//! Credentials and tokens: who gets them, who does not, and that nobody sees them.

use flowimage_runtime::registry::{
    Access, CredentialPlaces, Registries, RegistryError, RegistrySettings, Repository,
};

use crate::fake::Auth;
use crate::kit::{KNOWN, known, made, message, said, settings};
use crate::server::{Fault, Server, rule};

fn as_somebody(server: &Server, credentials: CredentialPlaces) -> Repository {
    let settings = RegistrySettings {
        credentials,
        // Here tokens are used up, not too old: two requests at the same time would take them from each other.
        parallel: 1,
        ..settings()
    };
    Registries::new(settings).repository(&server.address, "etl/orders", Access::Push)
}

async fn with_tokens(uses: usize) -> Server {
    let server = Server::fake().await;
    let realm = format!("http://{}/token", server.address);
    server.store.lock().unwrap().auth = Auth::Bearer { realm, uses };
    server
}

#[tokio::test]
async fn names_and_passwords_are_shown_when_asked_for() {
    let server = Server::fake().await;
    server.store.lock().unwrap().auth = Auth::Basic(KNOWN.to_owned());
    let made = made("a");
    let nobody = as_somebody(&server, CredentialPlaces::none());
    let error = nobody.push(&made.image, None, &made.layout).await.unwrap_err();
    assert_eq!(
        message(&error, &server),
        "the registry HOST refuses to go on without credentials"
    );
    let me = as_somebody(&server, known(&server.address));
    me.push(&made.image, Some("x"), &made.layout).await.unwrap();
    assert!(server.store.lock().unwrap().serves("etl/orders", "x"));

    server.store.lock().unwrap().auth = Auth::Basic("Basic other".to_owned());
    let me = as_somebody(&server, known(&server.address));
    let error = me.may_push().await.unwrap_err();
    assert_eq!(
        message(&error, &server),
        "the registry HOST refuses the credentials it was given"
    );
    // Credentials are for one registry.
    let other = as_somebody(&server, known("registry.example"));
    let error = other.may_push().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { known: false, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn tokens_are_bought_once_and_again_when_they_expire_in_mid_push() {
    let made = made("a");
    let server = with_tokens(usize::MAX).await;
    server.store.lock().unwrap().wanted = Some(KNOWN.to_owned());
    let me = as_somebody(&server, known(&server.address));
    me.push(&made.image, Some("x"), &made.layout).await.unwrap();
    assert_eq!(server.count("GET", "/token"), 1);
    let asked = server
        .seen()
        .into_iter()
        .find(|it| it.path() == "/token")
        .unwrap();
    assert_eq!(
        asked.query("scope").as_deref(),
        Some("repository:etl/orders:pull,push")
    );
    assert_eq!(asked.query("service").as_deref(), Some("tests"));

    for uses in [1, 2, 3, 5] {
        let server = with_tokens(uses).await;
        as_somebody(&server, CredentialPlaces::none())
            .push(&made.image, Some("x"), &made.layout)
            .await
            .unwrap();
        assert!(server.store.lock().unwrap().serves("etl/orders", "x"), "{uses}");
        assert!(server.count("GET", "/token") > 1);
    }
}

#[tokio::test]
async fn a_token_for_a_mount_may_read_the_other_repository() {
    let server = with_tokens(usize::MAX).await;
    let made = made("a");
    let registries = Registries::new(settings());
    let first = registries.repository(&server.address, "etl/orders", Access::Push);
    first.push(&made.image, Some("x"), &made.layout).await.unwrap();
    let platform = flowimage_runtime::oci::Platform::of_this_program();
    let image = first.image("x", &platform).await.unwrap().unwrap();
    server.forget();
    let second = registries.repository(&server.address, "etl/other", Access::Push);
    second.push(&image, Some("x"), &made.layout).await.unwrap();
    let scopes: Vec<_> = server
        .seen()
        .iter()
        .filter(|it| it.path() == "/token")
        .map(|it| it.target.matches("scope=").count())
        .collect();
    assert_eq!(scopes, [1, 2]);
    assert_eq!(server.count("GET", "/blobs/"), 0);
}

#[tokio::test]
async fn an_identity_token_buys_tokens() {
    let server = with_tokens(usize::MAX).await;
    let address = &server.address;
    let identity = CredentialPlaces {
        docker_auth_config: Some(format!(
            r#"{{"auths": {{"{address}": {{"auth": "PHRva2VuPjo=", "identitytoken": "refresh me"}}}}}}"#
        )),
        ..CredentialPlaces::none()
    };
    as_somebody(&server, identity).may_push().await.unwrap();
    let asked = server
        .seen()
        .into_iter()
        .find(|it| it.path() == "/token")
        .unwrap();
    assert_eq!(asked.method, "POST");
    assert_eq!(
        String::from_utf8(asked.body).unwrap(),
        "grant_type=refresh_token&service=tests&client_id=flowimage\
         &scope=repository%3Aetl%2Forders%3Apull%2Cpush&refresh_token=refresh+me"
    );
}

#[tokio::test]
async fn credentials_are_found_where_they_are_kept() {
    let server = Server::fake().await;
    server.store.lock().unwrap().auth = Auth::Basic(KNOWN.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let address = &server.address;
    let entry = format!(r#"{{"auths": {{"{address}": {{"auth": "bWU6aHVudGVyMg=="}}}}}}"#);
    let file = folder.path().join("config.json");
    std::fs::write(&file, &entry).unwrap();
    let in_folder = CredentialPlaces {
        docker_folder: Some(folder.path().to_owned()),
        ..CredentialPlaces::none()
    };
    as_somebody(&server, in_folder.clone()).may_push().await.unwrap();
    let in_file = CredentialPlaces {
        registry_auth_file: Some(file.clone()),
        docker_folder: Some(folder.path().join("none")),
        ..CredentialPlaces::none()
    };
    as_somebody(&server, in_file).may_push().await.unwrap();

    std::fs::write(&file, "no json").unwrap();
    let error = as_somebody(&server, in_folder).may_push().await.unwrap_err();
    assert_eq!(
        message(&error, &server),
        format!(
            "the credentials for HOST cannot be read from {}: it is no docker configuration",
            file.display()
        )
    );

    // A helper that is not on PATH is said to be so, and does not make us nobody.
    let helper = CredentialPlaces {
        docker_auth_config: Some(format!(r#"{{"credHelpers": {{"{address}": "of-no-machine"}}}}"#)),
        ..CredentialPlaces::none()
    };
    let error = as_somebody(&server, helper).may_push().await.unwrap_err();
    assert_eq!(
        message(&error, &server),
        "the credentials for HOST cannot be read from the variable DOCKER_AUTH_CONFIG: its credential helper does \
         not run, or answers something else"
    );
    let variables = |name: &str| match name {
        "DOCKER_CONFIG" => Some("/c".to_owned()),
        "REGISTRY_AUTH_FILE" => Some(String::new()),
        "HOME" => Some("/h".to_owned()),
        _ => None,
    };
    let places = CredentialPlaces::from_env(variables);
    assert_eq!(places.docker_folder.as_deref(), Some(std::path::Path::new("/c")));
    assert_eq!(places.registry_auth_file, None);
}

#[tokio::test]
async fn a_token_service_that_is_not_safe_gets_no_credentials() {
    for (realm, reason) in [
        ("http://192.0.2.1/token", "which is not encrypted"),
        ("ftp://127.0.0.1/token", "which is not encrypted"),
        (
            "http://me:secret@127.0.0.1/token",
            "with a name or password of its own",
        ),
        ("nonsense", "which is no address"),
    ] {
        let server = Server::fake().await;
        server.store.lock().unwrap().auth = Auth::Bearer {
            realm: realm.to_owned(),
            uses: 1,
        };
        let error = as_somebody(&server, known(&server.address))
            .may_push()
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Realm { .. }), "{error:?}");
        let text = said(&error);
        assert!(text.contains(reason) && !text.contains("secret"), "{text}");
        assert!(
            server
                .seen()
                .iter()
                .all(|it| it.header("authorization").is_none())
        );
    }
}

#[tokio::test]
async fn answers_of_a_token_service_are_bounded_and_not_followed() {
    let made = made("a");
    let large = "x".repeat(2 << 20);
    let large: &'static str = Box::leak(large.into_boxed_str());
    let elsewhere = Server::fake().await;
    let redirect = vec![("location", format!("http://{}/token", elsewhere.address))];
    for fault in [
        Fault::Status(200, Vec::new(), large),
        Fault::Status(200, Vec::new(), "{}"),
        Fault::Status(200, Vec::new(), r#"{"token": ""}"#),
        Fault::Status(307, redirect, ""),
    ] {
        let server = with_tokens(usize::MAX).await;
        server.goes_wrong([rule("GET", "/token", 1000, fault.clone())]);
        let me = as_somebody(&server, known(&server.address));
        let error = me.push(&made.image, None, &made.layout).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Unauthorized { known: true, .. }),
            "{fault:?}: {error:?}"
        );
    }
    assert_eq!(elsewhere.seen().len(), 0);
    // One that is out for a moment is asked again.
    let server = with_tokens(usize::MAX).await;
    server.goes_wrong([rule("GET", "/token", 2, Fault::Status(503, Vec::new(), ""))]);
    as_somebody(&server, CredentialPlaces::none())
        .may_push()
        .await
        .unwrap();
}

#[tokio::test]
async fn credentials_are_in_no_error() {
    let made = made("a");
    let echo = r#"{"errors": [{"code": "DENIED", "message": "you sent Basic bWU6aHVudGVyMg== which is me:hunter2"}]}"#;
    for (method, part) in [
        ("POST", "uploads"),
        ("HEAD", "/blobs/"),
        ("PUT", "uploads"),
        ("PUT", "/manifests/"),
    ] {
        for status in [400, 403, 500] {
            let server = Server::fake().await;
            server.store.lock().unwrap().auth = Auth::Basic(KNOWN.to_owned());
            let me = as_somebody(&server, known(&server.address));
            me.may_push().await.unwrap();
            server.goes_wrong([rule(method, part, 1000, Fault::Status(status, Vec::new(), echo))]);
            let error = me.push(&made.image, None, &made.layout).await.unwrap_err();
            let text = said(&error);
            assert!(
                !text.contains("hunter2") && !text.contains("bWU6aHVudGVyMg"),
                "{text}"
            );
        }
    }
    let settings = RegistrySettings {
        credentials: known("registry.example"),
        ..settings()
    };
    assert!(!format!("{settings:?}").contains("bWU6aHVudGVyMg"));
}
