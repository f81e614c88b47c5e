//! An engine that is killed in the middle of something: a spare one of the test environment.

use std::io::Cursor;
use std::process::Command;
use std::time::Duration;

use flowimage_runtime::Advise;
use flowimage_runtime::engine::{
    BuildEvent, BuildRequest, Builder, Engine, EngineAddress, EngineError, LookUp, RunRequest,
};

use crate::kit::{base, cli, unique, variable};

fn spare(what: &str) -> String {
    let kit = variable("FLOWIMAGE_TEST_KIT");
    let output = Command::new(kit).args(["spare", what]).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn connect(host: &str) -> Result<Engine, EngineError> {
    let address: EngineAddress = host.lines().last().unwrap().parse().unwrap();
    Engine::connect(&address, &LookUp::default()).await
}

/// One test, because there is one spare engine.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_is_its_own_error_and_leaves_no_image() {
    // What an earlier run of this test left is not what this one is about.
    let engine = connect(&spare("up")).await.unwrap();
    for container in cli(&engine, &["ps", "-aq"]).lines() {
        cli(&engine, &["rm", "-f", container]);
    }
    for builder in [Builder::BuildKit, Builder::Classic] {
        let host = spare("up");
        let engine = connect(&host).await.unwrap();
        let mark = unique();
        let request = BuildRequest {
            builder: Some(builder),
            project: Some("deadly".to_owned()),
            ..BuildRequest::new(format!(
                "FROM {}\nENV MARK={mark}\nRUN echo go-{mark}; sleep 300\n",
                base()
            ))
        };
        let mut kill = None;
        let mut on_event = |event: BuildEvent| {
            if matches!(&event, BuildEvent::Log { line, .. } if line.contains(&format!("go-{mark}"))) {
                kill = Some(std::thread::spawn(|| spare("kill")));
            }
        };
        let build = engine.build(&request, Cursor::new(Vec::new()), &mut on_event);
        let result = tokio::time::timeout(Duration::from_secs(60), build)
            .await
            .expect("the build outlives its engine");
        kill.expect("the step never ran").join().unwrap();
        let Err(
            error @ EngineError::EngineDied {
                during: "was building",
                ..
            },
        ) = &result
        else {
            panic!("{builder:?}: {result:?}");
        };
        assert!(error.advice().unwrap().contains("nothing was tagged"));
        let dead = connect(&host).await;
        assert!(matches!(dead, Err(EngineError::Unreachable { .. })), "{dead:?}");

        let engine = connect(&spare("up")).await.unwrap();
        let left = || {
            let of_project = ["--filter", "label=dev.flowimage.project=deadly"];
            let images = cli(&engine, &[&["images", "-aq"], &of_project[..]].concat());
            (images, cli(&engine, &["ps", "-aq"]))
        };
        // BuildKit leaves nothing; the classic builder the images of the steps before, and a container.
        let (images, containers) = left();
        let classic = builder == Builder::Classic;
        assert_eq!(
            (!images.is_empty(), !containers.is_empty()),
            (classic, classic),
            "{images}{containers}"
        );
        let report = engine.sweep_project("deadly", |_| false).await.unwrap();
        assert_eq!(left(), (String::new(), String::new()), "{report:?}");
    }

    let host = spare("up");
    let engine = connect(&host).await.unwrap();
    let request = RunRequest {
        entrypoint: Some(vec!["/bin/sleep".into(), "300".into()]),
        command: Some(Vec::new()),
        ..RunRequest::new(base())
    };
    let run = tokio::spawn({
        let engine = engine.clone();
        async move { engine.run(&request).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    spare("kill");
    let result = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .expect("the run outlives its engine");
    let result = result.unwrap();
    assert!(
        matches!(result, Err(EngineError::EngineDied { .. })),
        "{result:?}"
    );
    spare("down");
}
