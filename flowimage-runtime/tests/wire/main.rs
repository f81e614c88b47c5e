//! What goes over the wire to an engine and what is made of its answers, with a server that plays the engine.
//!
//! The answers in `recorded/` are those of Docker 20.10.24 and Podman 4.3.1 to one Dockerfile, whose last line
//! failed the first time.

mod fake;

use std::io::Cursor;
use std::time::Duration;

use fake::{Answer, Fake};
use flowimage_runtime::engine::{BuildEvent, BuildRequest, Builder, EngineError, RegistryLogin};
use flowimage_runtime::oci::Digest;

/// The recorded Dockerfile, with the status its last line ends with.
fn dockerfile(status: u32) -> String {
    format!(
        "FROM debian:bookworm-slim\nENV A=1\nWORKDIR /w\nRUN echo one && \\\n    printf '\\033[31mred\\033[0m\\n' >&2\n\
         COPY f /f\nRUN for i in 1 2 3; do echo line $i; done; echo err >&2; exit {status}\n"
    )
}

async fn play(
    recording: &'static str,
    chunk: usize,
    builder: Builder,
    status: u32,
) -> (Result<Digest, EngineError>, Vec<BuildEvent>) {
    let fake = Fake::start(move |request| match request.path() {
        "/build" => Answer::stream(recording.as_bytes(), chunk),
        path if path.starts_with("/images/") && request.method() == "GET" => Answer::status(404),
        path => Answer::usual(path),
    })
    .await;
    let engine = fake.engine().await;
    let request = BuildRequest {
        builder: Some(builder),
        ..BuildRequest::new(dockerfile(status))
    };
    let mut events = Vec::new();
    let context = Cursor::new(vec![0; 1024]);
    let mut on_event = |event| events.push(event);
    let build = engine.build(&request, context, &mut on_event);
    let result = tokio::time::timeout(Duration::from_secs(20), build)
        .await
        .expect("the build hangs");
    events.retain(|event| !matches!(event, BuildEvent::ContextBytes(_)));
    (result, events)
}

fn lines(events: &[BuildEvent]) -> Vec<&str> {
    fn line(event: &BuildEvent) -> Option<&str> {
        match event {
            BuildEvent::Log { line, .. } => Some(line),
            _ => None,
        }
    }
    events.iter().filter_map(line).collect()
}

fn started(events: &[BuildEvent]) -> Vec<String> {
    let name = |event: &BuildEvent| match event {
        BuildEvent::StepStarted {
            name,
            index: Some(index),
            total: Some(total),
            ..
        } => Some(format!(
            "{index}/{total} {}",
            name.split(' ').next().unwrap_or_default()
        )),
        _ => None,
    };
    events.iter().filter_map(name).collect()
}

#[tokio::test]
async fn recorded_failures_are_understood_however_they_are_cut() {
    for (recording, builder) in [
        (include_str!("recorded/classic-failed.jsonl"), Builder::Classic),
        (include_str!("recorded/buildkit-failed.jsonl"), Builder::BuildKit),
        (include_str!("recorded/podman-failed.jsonl"), Builder::Classic),
    ] {
        let mut first = None;
        for chunk in [1, 7, 100, 1 << 20] {
            let (result, events) = play(recording, chunk, builder, 7).await;
            let Err(EngineError::Build(failure)) = result else {
                panic!("{builder:?}, {chunk}: {result:?}");
            };
            assert_eq!(
                (failure.dockerfile_line, failure.exit_code),
                (Some(7), Some(7)),
                "{failure:#?}"
            );
            assert_eq!(
                failure.step.as_deref(),
                Some("RUN for i in 1 2 3; do echo line $i; done; echo err >&2; exit 7")
            );
            let mut last_lines = failure.last_lines.clone();
            last_lines.sort();
            assert_eq!(last_lines, ["err", "line 1", "line 2", "line 3"]);
            // What was told does not depend on how it was cut.
            assert_eq!(
                *first.get_or_insert_with(|| events.clone()),
                events,
                "{builder:?}, chunks of {chunk}"
            );
        }
    }
}

#[tokio::test]
async fn recorded_successes_are_told_step_by_step() {
    let id = |text: &str| format!("sha256:{text}").parse::<Digest>().unwrap();
    let recording = include_str!("recorded/classic-built.jsonl");
    let (result, events) = play(recording, 33, Builder::Classic, 0).await;
    assert_eq!(
        result.unwrap(),
        id("ff8b5be1c3c60b788e590fa97739fac120757b0e9b40522def832998ea6596e8")
    );
    assert_eq!(
        started(&events),
        [
            "1/6 FROM",
            "2/6 ENV",
            "3/6 WORKDIR",
            "4/6 RUN",
            "5/6 COPY",
            "6/6 RUN"
        ]
    );
    assert_eq!(lines(&events), ["err", "line 1", "line 2", "line 3"]);
    let cached = events
        .iter()
        .filter(|event| matches!(event, BuildEvent::StepDone { cached: true, .. }));
    assert_eq!(cached.count(), 4);

    let recording = include_str!("recorded/podman-built.jsonl");
    let (result, events) = play(recording, 33, Builder::Classic, 0).await;
    assert_eq!(
        result.unwrap(),
        id("f263afd94617571b576dcd514d2c412a414f90dc45dd24df594c4570811641ab")
    );
    assert_eq!(started(&events).len(), 6);
    assert_eq!(lines(&events), ["line 1", "line 2", "line 3", "err"]);

    let recording = include_str!("recorded/buildkit-built.jsonl");
    let (result, events) = play(recording, 33, Builder::BuildKit, 0).await;
    result.unwrap();
    let mut steps = started(&events);
    steps.sort();
    steps.dedup();
    assert_eq!(
        steps,
        ["1/5 FROM", "2/5 WORKDIR", "3/5 RUN", "4/5 COPY", "5/5 RUN"]
    );
    let timed = |event: &&BuildEvent| {
        matches!(
            event,
            BuildEvent::StepDone {
                duration: Some(_),
                ..
            }
        )
    };
    assert!(events.iter().filter(timed).count() >= 5, "{events:#?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_dead_engine() {
    let recording = include_str!("recorded/classic-built.jsonl");
    // Cleanly between two messages, as a proxy would end it.
    let (result, _) = play(
        &recording[..recording.find("{\"aux\"").unwrap()],
        64,
        Builder::Classic,
        0,
    )
    .await;
    assert!(
        matches!(result, Err(EngineError::EngineDied { .. })),
        "{result:?}"
    );

    for builder in [Builder::Classic, Builder::BuildKit] {
        let fake = Fake::start(move |request| match request.path() {
            "/build" => Answer::broken(&recording.as_bytes()[..300]),
            path => Answer::usual(path),
        })
        .await;
        let engine = fake.engine().await;
        let request = BuildRequest {
            builder: Some(builder),
            ..BuildRequest::new(dockerfile(0))
        };
        let result = engine.build(&request, Cursor::new(Vec::new()), &mut |_| {}).await;
        let Err(error @ EngineError::EngineDied { .. }) = &result else {
            panic!("{builder:?}: {result:?}");
        };
        assert!(
            error
                .to_string()
                .ends_with("closed the connection while it was building"),
            "{error}"
        );
    }
}

/// A login whose standard base64 has both characters that the URL-safe alphabet has not.
#[tokio::test]
async fn logins_go_out_in_the_alphabet_that_engines_read() {
    let login = RegistryLogin {
        registry: "registry.example".into(),
        username: "user".into(),
        password: "~~~???>>>ÿÿÿ".into(),
    };
    let fake = Fake::start(|request| match request.path() {
        "/images/create" => Answer::stream(b"{\"errorDetail\":{\"message\":\"unauthorized\"}}\n", 100),
        "/build" => Answer::stream(b"{\"errorDetail\":{\"message\":\"stop\"}}\n", 100),
        path => Answer::usual(path),
    })
    .await;
    let engine = fake.engine().await;
    let pulled = engine
        .pull("registry.example/a:1", None, Some(&login), &mut |_| {})
        .await;
    assert!(
        matches!(pulled, Err(EngineError::PullUnauthorized { .. })),
        "{pulled:?}"
    );
    let request = BuildRequest {
        builder: Some(Builder::Classic),
        logins: vec![login.clone()],
        ..BuildRequest::new("FROM scratch\n")
    };
    engine
        .build(&request, Cursor::new(Vec::new()), &mut |_| {})
        .await
        .unwrap_err();

    for (path, header) in [
        ("/images/create", "x-registry-auth"),
        ("/build", "x-registry-config"),
    ] {
        let sent = fake
            .header(path, header)
            .unwrap_or_else(|| panic!("no {header} was sent to {path}"));
        assert!(
            sent.contains(['-', '_']),
            "the login does not show the difference: {sent}"
        );
        let json = fake::base64_url(&sent).unwrap_or_else(|| panic!("{sent} is not URL-safe base64"));
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let value = value.get("registry.example").unwrap_or(&value);
        assert_eq!(value["password"], login.password.as_str());
    }
    assert!(!format!("{login:?}").contains("~~~"));
}

#[tokio::test]
async fn one_question_finds_an_engine_and_a_reference_without_a_tag_is_latest() {
    let fake = Fake::start(|request| match request.path() {
        "/images/create" => Answer::stream(b"{\"status\":\"done\"}\n", 100),
        path => Answer::usual(path),
    })
    .await;
    let engine = fake.engine().await;
    assert_eq!(fake.paths(), ["/_ping"]);
    let pulled = engine
        .pull("registry.example:5000/a", None, None, &mut |_| {})
        .await;
    assert!(matches!(pulled, Err(EngineError::NoImage { .. })), "{pulled:?}");
    assert!(
        fake.query("/images/create")
            .contains("fromImage=registry.example%3A5000%2Fa%3Alatest")
    );
}
