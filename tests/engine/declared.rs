//! Keys that an engine carries out, each seen in the image that came of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::door::Door;
use crate::test_flow::{TestFlow, outcome};
use crate::{docker, output, podman, setting};

/// The program `declared` with the files that its flows declare, and an engine.
fn declared(engine: &str) -> TestFlow {
    let flow = TestFlow::new("declared", engine);
    flow.copy("declared");
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/flowimage.toml");
    fs::copy(settings, flow.root().join("tests/flows/flowimage.toml")).unwrap();
    flow
}

/// Puts what a test alone knows into the program, in the place of a text of this length.
fn replace(flow: &TestFlow, compiled: &str, text: &str) {
    assert_eq!(text.len(), compiled.len(), "{text}");
    // By another process: a file that this one held open for writing could not be run.
    output(
        Command::new("sed")
            .env("LC_ALL", "C")
            .args(["-i", &format!("s|{compiled}|{text}|g")])
            .arg(flow.root().join("target/declared")),
    );
}

/// A place in the registry that no other run has used.
fn registry(flow: &TestFlow) -> String {
    format!("{}/declared-{}", setting("FLOWIMAGE_TEST_REGISTRY"), flow.mark())
}

/// Registers a flow and pulls its image; the image's name.
fn registered(flow: &TestFlow, name: &str) -> String {
    let ended = flow
        .command(&["register", name, "--registry", &registry(flow)])
        .output();
    let line = outcome(&ended.unwrap());
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap().to_owned();
    docker(&["pull", "-q", &image]);
    image
}

/// A line of what `plan` says of a flow.
fn planned(flow: &TestFlow, name: &str, line: &str) -> String {
    let said = outcome(&flow.command(&["plan", name]).output().unwrap());
    said["plan"][line]
        .as_str()
        .unwrap_or_else(|| panic!("{said:#}"))
        .to_owned()
}

/// What the flow of an image returns.
fn returned(image: &str) -> Value {
    let said = docker(&["run", "--rm", "--network=none", image]);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A base image, built by hand and never pushed.
fn base(name: &str, dockerfile: &str) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("FROM {}\n{dockerfile}\n", setting("FLOWIMAGE_TEST_BASE"));
    fs::write(folder.path().join("Dockerfile"), text).unwrap();
    docker(&["build", "-q", "-t", name, folder.path().to_str().unwrap()]);
}

fn config(image: &str) -> Value {
    serde_json::from_str(&docker(&[
        "image",
        "inspect",
        "--format",
        "{{json .Config}}",
        image,
    ]))
    .unwrap()
}

/// The files below a folder that hold the text.
fn holding(folder: &Path, text: &str) -> String {
    let found = Command::new("grep")
        .args(["-rlaF", text])
        .arg(folder)
        .output()
        .unwrap();
    assert!(found.stderr.is_empty(), "{found:?}");
    String::from_utf8(found.stdout).unwrap()
}

/// All that a command said.
fn said(output: &Output) -> String {
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn sha256(text: &str) -> String {
    flowimage_runtime::oci::sha256(text.as_bytes()).hex().to_owned()
}

#[test]
fn secrets_reach_the_steps_and_nothing_else() {
    let flow = declared(&setting("DOCKER_HOST"));
    replace(&flow, "0000000000000000;", &format!("{};", flow.mark()));
    let token = format!("token-{}", sha256(&flow.mark()));
    let netrc = format!("machine index.test login me password pass-{}", sha256(&token));
    fs::write(flow.root().join("tests/flows/declared/netrc"), &netrc).unwrap();
    let registry = registry(&flow);
    let register = |token: &str| {
        let arguments = [
            "register",
            "secret",
            "--registry",
            &registry,
            "--progress",
            "json",
        ];
        let mut command = flow.command(&arguments);
        command.env("FLOWIMAGE_TEST_TOKEN", token).output().unwrap()
    };
    let ended = register(&token);
    let line = outcome(&ended);
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap();
    docker(&["pull", "-q", image]);
    let read = |secret: &str| format!("{}  -", sha256(secret));
    assert_eq!(
        returned(image),
        json!({ "token": read(&token), "netrc": read(&netrc), "left": "" })
    );

    // What the steps printed is told without it.
    let told = said(&ended);
    assert!(
        told.contains("machine index.test") || told.contains("***"),
        "{told}"
    );
    // The image with its environment, layer by layer, as the registry has them.
    let folder = tempfile::tempdir().unwrap();
    let repository = image.split_once('@').unwrap().0;
    let tags = output(Command::new("skopeo").args([
        "list-tags",
        "--tls-verify=false",
        &format!("docker://{repository}"),
    ]));
    let tags: Value = serde_json::from_str(&tags).unwrap();
    let tags: Vec<&str> = tags["Tags"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(tags.iter().any(|tag| tag.starts_with("env-")), "{tags:?}");
    for tag in &tags {
        output(
            Command::new("skopeo")
                .args([
                    "--insecure-policy",
                    "copy",
                    "-q",
                    "--src-tls-verify=false",
                    "--dest-decompress",
                ])
                .arg(format!("docker://{repository}:{tag}"))
                .arg(format!("dir:{}", folder.path().join(tag).display())),
        );
    }
    let history = docker(&["history", "--no-trunc", image]);
    fs::remove_file(flow.root().join("tests/flows/declared/netrc")).unwrap();
    for value in [&token, netrc.rsplit(' ').next().unwrap()] {
        assert_ne!(
            holding(folder.path(), &sha256(&token)),
            "",
            "layers can be searched"
        );
        assert_eq!(holding(folder.path(), value), "");
        assert_eq!(holding(flow.root(), value), "");
        assert!(!history.contains(value), "{history}");
        assert!(!told.contains(value), "{told}");
    }

    // Another value is no other image.
    fs::write(flow.root().join("tests/flows/declared/netrc"), "another").unwrap();
    assert_eq!(outcome(&register("another"))["status"], "unchanged");
}

/// What becomes of building a flow whose secret is `open-sesame`.
fn built_with_secret(flow: &TestFlow, name: &str) -> Value {
    let mut command = flow.command(&["build", name]);
    let built = command.env("FLOWIMAGE_TEST_TOKEN", "open-sesame").output();
    outcome(&built.unwrap())
}

#[test]
fn a_secret_is_struck_out_of_a_failure() {
    let flow = declared(&setting("DOCKER_HOST"));
    let line = built_with_secret(&flow, "loose-tongue");
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("\n    login with *** failed") && !line.to_string().contains("open-sesame"),
        "{line:#}"
    );
}

#[test]
fn secrets_are_refused_without_buildkit() {
    let door = Door::without_buildkit(&setting("DOCKER_HOST"));
    for (engine, name) in [
        (door.address(), "Docker"),
        (setting("FLOWIMAGE_TEST_PODMAN"), "Podman"),
    ] {
        let flow = declared(&engine);
        let line = built_with_secret(&flow, "secret");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("`secrets`: {name} "))
                && message.contains("has no BuildKit, and only BuildKit keeps secrets out of layers\n")
                && message.contains(" | RUN --mount=type=secret,id=FLOWIMAGE_TEST_TOKEN,"),
            "{line:#}"
        );
        let advice = line["error"]["advice"].as_str().unwrap();
        assert!(advice.contains("Docker 18.09"), "{line:#}");
    }
    assert_eq!(door.builds(), 0);
}

/// Builds and registers the flow with packages at an engine, and runs its image.
fn packages_at(engine: &str) -> String {
    let flow = declared(engine);
    let arguments = [
        "register",
        "packaged",
        "--registry",
        &registry(&flow),
        "--progress",
        "json",
    ];
    let ended = flow.command(&arguments).output().unwrap();
    let line = outcome(&ended);
    assert_eq!(line["status"], "registered", "{line:#}");
    let image = line["image"].as_str().unwrap();
    docker(&["pull", "-q", image]);
    assert_eq!(
        returned(image),
        json!({ "jq": "1", "greeting": "hello from docopt 0.6.2", "channel": "stable", "left": "" })
    );
    assert_eq!(config(image)["Labels"]["com.example.team"], "words");
    docker(&["rmi", image]);
    said(&ended)
}

#[test]
fn buildkit_installs_packages_with_caches() {
    let told = packages_at(&setting("DOCKER_HOST"));
    for cache in ["id=flowimage-apt", "id=flowimage-pip"] {
        assert!(told.contains(cache), "{told}");
    }
}

#[test]
fn the_classic_builder_installs_packages() {
    let door = Door::without_buildkit(&setting("DOCKER_HOST"));
    let told = packages_at(&door.address());
    assert_eq!(door.builds(), 1);
    assert!(!told.contains("--mount"), "{told}");
}

#[test]
fn podman_installs_packages() {
    let told = packages_at(&setting("FLOWIMAGE_TEST_PODMAN"));
    assert!(!told.contains("--mount"), "{told}");
}

#[test]
fn a_base_without_python_is_refused_before_the_build() {
    let door = Door::new(&setting("DOCKER_HOST"));
    let flow = TestFlow::new("broken", &door.address());
    let line = outcome(&flow.command(&["build", "python-missing"]).output().unwrap());
    let message = line["error"]["message"].as_str().unwrap();
    assert!(message.contains("debian:bookworm-slim has no Python"), "{line:#}");
    assert_eq!(door.builds(), 0);
}

#[test]
fn a_script_runs_in_the_flows_place() {
    let flow = declared(&setting("DOCKER_HOST"));
    let image = registered(&flow, "report");
    let ending = |ending: &str| format!("ending=\"{ending}\"");
    let run = |word: &str| {
        let given = ending(word);
        let run = [
            "run",
            "--rm",
            "--network=none",
            &image,
            "run",
            "report",
            "--param",
            &given,
        ];
        Command::new("docker").args(run).output().unwrap()
    };
    let ended = run("well");
    assert!(ended.status.success(), "{}", said(&ended));
    assert!(
        said(&ended).contains("daily {\"ending\":\"well\"}\n"),
        "{}",
        said(&ended)
    );
    let ended = run("fails");
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    assert!(
        said(&ended).contains("`sh /opt/report.sh daily` ended with exit status 3"),
        "{}",
        said(&ended)
    );
    // The flow binary stays in front, and passes on what an orchestrator asks of it.
    let given = ending("waits");
    let container = docker(&["run", "-d", &image, "run", "report", "--param", &given]);
    let container = container.trim();
    let logs = || said(&Command::new("docker").args(["logs", container]).output().unwrap());
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !logs().contains("daily") {
        assert!(std::time::Instant::now() < limit, "{}", logs());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    docker(&["stop", "-t", "30", container]);
    let state = docker(&["inspect", "--format", "{{.State.ExitCode}}", container]);
    assert_eq!(
        (state.trim(), logs().contains("stopped in order")),
        ("0", true),
        "{}",
        logs()
    );
    docker(&["rm", container]);
}

#[test]
fn an_entrypoint_that_runs_its_arguments_stays_and_another_goes() {
    let front = "RUN printf '#!/bin/sh\\nset -e\\nexport FRONT=\"the front\"\\nexec \"$@\"\\n' > /front && chmod 755 /front\n\
                 ENTRYPOINT [\"/front\"]";
    base("flowimage-test/front:1", front);
    base(
        "flowimage-test/tool:1",
        "ENTRYPOINT [\"cat\"]\nCMD [\"/etc/os-release\"]",
    );
    let flow = declared(&setting("DOCKER_HOST"));
    let kept = "`/front` of the base, which runs the flow as its argument (when it was last built)";
    let replaced = "the flow itself, in place of the base's `cat`, which does not run its arguments (when it was last \
                    built)";
    for (name, words, front, told) in [
        (
            "behind-front",
            &["/front", "/opt/flow/flow"][..],
            "the front",
            kept,
        ),
        (
            "built-behind-front",
            &["/front", "/opt/flow/flow"],
            "the front",
            kept,
        ),
        ("on-tool", &["/opt/flow/flow"], "nobody", replaced),
    ] {
        assert_eq!(
            planned(&flow, name, "entrypoint"),
            "not known before it was built here once"
        );
        let image = registered(&flow, name);
        let config = config(&image);
        assert_eq!(
            (&config["Entrypoint"], &config["Cmd"]),
            (&json!(words), &json!(["run", name]))
        );
        assert_eq!(returned(&image), front, "{name}");
        assert_eq!(planned(&flow, name, "entrypoint"), told);
    }
}

#[test]
fn steps_run_as_root_and_the_flow_as_who_is_said() {
    let user =
        "RUN useradd --uid 1400 --home-dir /srv/base --create-home base && mkdir -p /usr/games\nUSER base";
    base("flowimage-test/user:1", user);
    let flow = declared(&setting("DOCKER_HOST"));
    let files = || {
        let listed = output(Command::new("find").arg(flow.root().join("tests")).args([
            "-type",
            "f",
            "-printf",
            "%p %s %T@\n",
        ]));
        let mut listed: Vec<_> = listed.lines().map(str::to_owned).collect();
        listed.sort();
        listed
    };
    let before = files();
    for (name, user, home) in [
        ("default-user", "65532", "/home/flow"),
        ("user-of-the-base", "1400", "/srv/base"),
        ("user-of-the-dockerfile", "1500", "/srv/app"),
        ("declared-user", "5", "/usr/games"),
    ] {
        let image = registered(&flow, name);
        assert_eq!(
            returned(&image),
            json!({ "user": user, "home": home, "writable": "yes", "steps": "0" }),
            "{name}"
        );
        if name == "user-of-the-dockerfile" {
            assert_eq!(
                config(&image)["Healthcheck"]["Test"],
                json!(["CMD-SHELL", "true"])
            );
        }
    }
    assert_eq!(
        planned(&flow, "user-of-the-dockerfile", "context"),
        "the crate's folder without `target` and `.git`, as there is no ignore file"
    );
    assert_eq!(files(), before, "the author's folder is read, never written");
}

#[test]
fn flows_of_one_image_are_one_image() {
    let flow = declared(&setting("DOCKER_HOST"));
    let registry = registry(&flow);
    let ended = flow
        .command(&["register", "extract", "load", "--registry", &registry])
        .output()
        .unwrap();
    let lines = String::from_utf8(ended.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let images: Vec<&str> = lines.iter().filter_map(|line| line["image"].as_str()).collect();
    let [image, other] = images[..] else {
        panic!("{lines:#?}");
    };
    assert_eq!(image, other);
    assert!(image.starts_with(&format!("{registry}/etl@sha256:")), "{image}");
    docker(&["pull", "-q", image]);
    for flow in ["extract", "load"] {
        let said = docker(&["run", "--rm", "--network=none", image, "run", flow]);
        assert_eq!(said, format!("\"{flow} shared\"\n"));
    }
}

/// The program with another base.
fn with_base(name: &str) -> TestFlow {
    let flow = declared(&setting("DOCKER_HOST"));
    replace(&flow, "127.0.0.1:00000/flowimage-test/private:1", name);
    flow
}

/// A base of 32 MB that Docker's engine never saw, in the registry that wants a password.
fn push_private(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "FROM {}\nRUN head -c 32000000 /dev/urandom > /noise && echo private > /private\n",
        setting("FLOWIMAGE_TEST_BASE")
    );
    fs::write(folder.path().join("Dockerfile"), text).unwrap();
    let login = format!(
        "{}:{}",
        setting("FLOWIMAGE_TEST_AUTH_USER"),
        setting("FLOWIMAGE_TEST_AUTH_PASSWORD")
    );
    podman(&[
        "build",
        "-q",
        "--no-cache",
        "-t",
        name,
        folder.path().to_str().unwrap(),
    ]);
    podman(&["push", "-q", "--tls-verify=false", "--creds", &login, name]);
    podman(&["rmi", name]);
}

#[test]
fn a_base_behind_a_login_is_pulled_with_progress() {
    let registry = setting("FLOWIMAGE_TEST_AUTH_REGISTRY");
    let name = format!("{registry}/flowimage-test/private:1");
    push_private(&name);
    // A run that failed may have left it.
    let _ = Command::new("docker").args(["rmi", "-f", &name]).output();
    let nobody = tempfile::tempdir().unwrap();
    let somebody = tempfile::tempdir().unwrap();
    output(
        Command::new("docker")
            .args(["--config", somebody.path().to_str().unwrap(), "login"])
            .args([
                "-u",
                &setting("FLOWIMAGE_TEST_AUTH_USER"),
                "-p",
                &setting("FLOWIMAGE_TEST_AUTH_PASSWORD"),
                &registry,
            ]),
    );
    let build = |flow: &TestFlow, login: &tempfile::TempDir| {
        let mut command = flow.command(&["build", "on-private-base", "--progress", "json"]);
        command.env("DOCKER_CONFIG", login.path()).output().unwrap()
    };
    let refused = |flow: &TestFlow, login: &tempfile::TempDir| {
        let line = outcome(&build(flow, login));
        assert_eq!(line["error"]["stage"], "build", "{line:#}");
        let said = |what: &str| line["error"][what].as_str().unwrap().to_owned();
        (said("message"), said("advice"))
    };
    let pulls = |ended: &Output| -> Vec<(u64, u64)> {
        let lines = String::from_utf8_lossy(&ended.stdout);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let pulls = lines.filter(|line| line["event"] == "pull" && line["image"] == name.as_str());
        pulls
            .map(|line| (line["done"].as_u64().unwrap(), line["total"].as_u64().unwrap()))
            .collect()
    };

    let flow = with_base(&name);
    let (message, advice) = refused(&flow, &nobody);
    assert!(
        message.starts_with(&format!("`base_image`: the registry refused to serve {name}: "))
            && message.ends_with(&format!("\n     4 | FROM {name}")),
        "{message}"
    );
    assert_eq!(
        advice,
        format!("Check the name, and log in with `docker login {registry}`.")
    );
    let other = format!("{registry}/flowimage-test/private:0");
    let (message, advice) = refused(&with_base(&other), &somebody);
    assert!(
        message.starts_with(&format!("`base_image`: the image {other} was not found: "))
            && message.ends_with(&format!("\n     4 | FROM {other}")),
        "{message}"
    );
    assert!(advice.contains("`local_image = true`"), "{advice}");

    let ended = build(&flow, &somebody);
    assert_eq!(outcome(&ended)["status"], "built", "{}", said(&ended));
    let told = pulls(&ended);
    let (done, total) = *told.last().unwrap();
    // How often in between is the engine's to say.
    assert!(told.len() > 1 && told.is_sorted() && told[0].0 == 0, "{told:?}");
    assert!(done == total && done > 32_000_000, "{told:?}");

    // What the engine has it needs no login for.
    let ended = build(&with_base(&name), &nobody);
    assert_eq!(outcome(&ended)["status"], "built", "{}", said(&ended));
    assert_eq!(pulls(&ended), []);
    docker(&["rmi", &name]);
}
