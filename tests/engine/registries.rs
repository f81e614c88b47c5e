//! Registries as whole commands meet them: behind TLS, behind a credential helper, and several of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::Project;
use crate::{output, setting};

/// The last line of a registration, and everything that was printed.
fn register(project: &Project, registry: &str, prepare: impl FnOnce(&mut Command)) -> (Value, String) {
    let mut command = project.command(&[
        "register",
        "late-departures",
        "--no-check",
        "--json",
        "--registry",
        registry,
    ]);
    for name in [
        "DOCKER_AUTH_CONFIG",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "SSL_CERT_FILE",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", project.path("."));
    prepare(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    (line, said + &String::from_utf8(output.stderr).unwrap())
}

fn error<'a>(line: &'a Value, what: &str) -> &'a str {
    line["error"][what].as_str().unwrap_or_else(|| panic!("{line:#}"))
}

#[test]
fn a_registry_with_tls_is_trusted_by_its_authority_alone() {
    let said = output(Command::new(setting("FLOWIMAGE_TEST_KIT")).arg("tls-registry"));
    let known: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once('=')).collect();
    let port = known["PORT"];
    // 127.0.0.1 in another spelling: as a registry's name that is not loopback, which is spoken to in plain http.
    let registry = format!("127.1:{port}/tls-{}", std::process::id());
    let project = Project::new();
    for authority in [None, Some(known["OTHER"])] {
        let (line, _) = register(&project, &registry, |command| {
            command.envs(authority.map(|file| ("SSL_CERT_FILE", file)));
        });
        assert_eq!(
            (error(&line, "stage"), error(&line, "message")),
            (
                "publish",
                &*format!(
                    "the certificate of the registry 127.1:{port} is refused: no authority that this machine \
                     trusts has signed it"
                )
            )
        );
        assert!(error(&line, "advice").contains("SSL_CERT_FILE"), "{line:#}");
        // Nothing is built for a registry that is not trusted.
        assert!(!project.path("flowimage.lock").exists());
    }
    let (line, _) = register(&project, &registry, |command| {
        command.env("SSL_CERT_FILE", known["CA"]);
    });
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap().replace("127.1:", "127.0.0.1:");
    let digest = output(
        Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
            .arg(format!("docker://{image}")),
    );
    assert_eq!(digest.trim(), line["digest"]);
    let (line, _) = register(&project, &registry, |command| {
        command.env("SSL_CERT_FILE", known["CA"]);
    });
    assert_eq!(line["status"], "unchanged", "{line:#}");
}

/// A folder with docker's configuration and a helper that answers with this and exits so.
fn helper(project: &Project, configuration: &Value, answer: &str, exit: u8) {
    let bin = project.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(project.path("answer"), answer).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] || exit 9\ncat >> {asked}\ncat {answer}\nexit {exit}\n",
        asked = project.path("asked").display(),
        answer = project.path("answer").display(),
    );
    let program = bin.join("docker-credential-flowimage-test");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(project.path("docker")).unwrap();
    std::fs::write(project.path("docker/config.json"), configuration.to_string()).unwrap();
}

#[test]
fn a_credential_helper_is_asked_for_the_registry_and_its_failure_is_said_without_the_secret() {
    let registry = setting("FLOWIMAGE_TEST_AUTH_REGISTRY");
    let target = format!("{registry}/helper-{}", std::process::id());
    let password = setting("FLOWIMAGE_TEST_AUTH_PASSWORD");
    let right = json!({
        "ServerURL": registry,
        "Username": setting("FLOWIMAGE_TEST_AUTH_USER"),
        "Secret": password,
    });
    let project = Project::new();
    let path = format!(
        "{}:{}",
        project.path("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let ask = |with_path: bool| {
        register(&project, &target, |command| {
            command.env("DOCKER_CONFIG", project.path("docker"));
            if with_path {
                command.env("PATH", &path);
            }
        })
    };
    let for_registry = json!({ "credHelpers": { &registry: "flowimage-test" } });

    helper(
        &project,
        &for_registry,
        &format!("locked, but it is {password}"),
        1,
    );
    let (line, said) = ask(true);
    let message = error(&line, "message");
    assert!(
        message.contains(&format!("the credentials for {registry} cannot be read"))
            && message.contains("`docker-credential-flowimage-test` failed"),
        "{message}"
    );
    assert!(!said.contains(&password), "{said}");

    helper(&project, &for_registry, "no JSON", 0);
    let (line, _) = ask(true);
    assert!(error(&line, "message").contains("credential helper"), "{line:#}");

    helper(&project, &for_registry, &right.to_string(), 0);
    let (line, _) = ask(false);
    assert!(error(&line, "message").contains("does not run"), "{line:#}");
    assert!(!project.path("flowimage.lock").exists());

    std::fs::remove_file(project.path("asked")).unwrap();
    let (line, said) = ask(true);
    assert_eq!(line["status"], "registered", "{line:#}");
    assert!(!said.contains(&password), "{said}");
    let asked = std::fs::read_to_string(project.path("asked")).unwrap();
    assert!(asked.starts_with(&registry), "{asked}");

    // The same by the store for all registries; one that does not know this one leaves us nobody.
    helper(
        &project,
        &json!({ "credsStore": "flowimage-test" }),
        &right.to_string(),
        0,
    );
    assert_eq!(ask(true).0["status"], "unchanged");
    helper(
        &project,
        &json!({ "credsStore": "flowimage-test" }),
        "credentials not found in native keychain\n",
        1,
    );
    let (line, _) = ask(true);
    assert!(
        error(&line, "message").contains("refuses to go on without credentials"),
        "{line:#}"
    );
}

#[test]
fn two_registries_and_two_profiles_do_not_overwrite_each_other() {
    let registry = setting("FLOWIMAGE_TEST_REGISTRY");
    let project = Project::new();
    let mark = std::process::id();
    std::fs::write(
        project.path("flowimage.toml"),
        format!(
            "[profile.staging]\nregistry_url = \"{registry}/profiles-{mark}\"\nimage_tag = \"staging\"\n\
             [profile.production]\nregistry_url = \"{registry}/profiles-{mark}\"\nimage_tag = \"production\"\n"
        ),
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let (mut lines, _) =
            project.json(&[&["register", "late-departures", "--no-check"], arguments].concat());
        let line = lines.pop().unwrap();
        assert_ne!(line["status"], "failed", "{line:#}");
        line["status"].clone()
    };
    let elsewhere = format!("{registry}/elsewhere-{mark}");
    let ways: [&[&str]; 4] = [
        &["--profile", "staging"],
        &["--profile", "production"],
        &["--registry", &elsewhere],
        &["--no-push"],
    ];
    for way in ways {
        assert_eq!(run(way), "registered", "{way:?}");
    }
    let catalog = std::fs::read_to_string(project.path("flowimage.lock")).unwrap();
    for way in ways {
        assert_eq!(run(way), "unchanged", "{way:?}");
    }
    assert_eq!(
        std::fs::read_to_string(project.path("flowimage.lock")).unwrap(),
        catalog
    );
    let catalog: toml::Table = toml::from_str(&catalog).unwrap();
    let targets = catalog["flow"]["late-departures"].as_table().unwrap();
    assert_eq!(targets.len(), ways.len(), "{targets:#?}");
    let tags = output(
        Command::new("skopeo")
            .args(["list-tags", "--tls-verify=false"])
            .arg(format!("docker://{registry}/profiles-{mark}/late-departures")),
    );
    assert!(
        tags.contains("\"staging\"") && tags.contains("\"production\""),
        "{tags}"
    );
}
