//! Building, failing and being cancelled.

use std::time::Duration;

use flowimage_runtime::engine::{
    BuildEvent, BuildRequest, Dockerfile, EngineError, RegistryLogin, RunRequest,
};

use crate::kit::{Which, base, build, cli, docker, eventually, tar_of, unique, variable};

fn request(which: Which, dockerfile: String) -> BuildRequest {
    BuildRequest {
        builder: which.builder(),
        ..BuildRequest::new(dockerfile)
    }
}

async fn a_build_is_told_and_runs(which: Which) {
    let engine = which.engine().await;
    let mark = unique();
    let dockerfile = format!(
        "FROM {}\nARG GREETING=nobody\nENV MARK={mark}\nCOPY data.txt /data.txt\n\
         RUN echo \"said $GREETING\" > /said && echo told-to-all && echo told-to-stderr >&2\nCMD cat /said /data.txt\n",
        base()
    );
    let mut request = request(which, dockerfile);
    request.build_args.insert("GREETING".into(), "hello".into());
    request.labels.insert("org.example.test".into(), mark.clone());
    // Its own first step, which no build beside it makes at the same time.
    request.project = Some(mark.clone());
    let context = tar_of(&[("data.txt", b"from the context\n"), ("unused.bin", &[7; 200_000])]);
    let (result, events) = build(&engine, &request, context.clone()).await;
    let id = result.unwrap();

    let image = engine.image(id.as_str()).await.unwrap().unwrap();
    assert_eq!(image.id, id);
    assert!(
        image.repo_tags.iter().all(|tag| tag == "<none>:<none>"),
        "{:?}",
        image.repo_tags
    );
    assert_eq!(image.config["Labels"]["dev.flowimage"], "1");
    assert_eq!(image.config["Labels"]["org.example.test"], mark.as_str());
    assert!(image.diff_ids.len() >= 3);

    let told = |wanted: &str| {
        let of_line =
            |event: &BuildEvent| matches!(event, BuildEvent::Log { line, step: Some(_) } if line == wanted);
        events.iter().filter(|event| of_line(event)).count()
    };
    assert_eq!(
        (told("told-to-all"), told("told-to-stderr")),
        (1, 1),
        "{events:#?}"
    );
    let copy = events.iter().find_map(|event| match event {
        BuildEvent::StepStarted { name, index, .. } if name.starts_with("COPY data.txt") => *index,
        _ => None,
    });
    assert!(copy.is_some(), "{events:#?}");
    let done = events
        .iter()
        .filter(|event| matches!(event, BuildEvent::StepDone { .. }))
        .count();
    assert!(done >= 3, "{events:#?}");
    let sent = events.iter().rev().find_map(|event| match event {
        BuildEvent::ContextBytes(bytes) => Some(*bytes),
        _ => None,
    });
    assert!(
        sent.is_some_and(|sent| sent as usize <= context.len()),
        "{sent:?}"
    );

    let outcome = engine.run(&RunRequest::new(id.as_str())).await.unwrap();
    assert_eq!(
        outcome.stdout.text(),
        "said hello\nfrom the context\n",
        "{outcome:?}"
    );

    let (again, events) = build(&engine, &request, context).await;
    let again = again.unwrap();
    // Podman finds nothing in its cache while another test removes an image.
    if which == Which::Podman {
        engine.remove_image(again.as_str()).await.unwrap();
        return;
    }
    assert_eq!(again, id, "nothing changed, so it is the same image");
    let cached = |event: &BuildEvent| matches!(event, BuildEvent::StepDone { cached: true, .. });
    assert!(events.iter().any(cached), "{events:#?}");
    assert!(engine.remove_image(id.as_str()).await.unwrap());
    assert!(engine.image(id.as_str()).await.unwrap().is_none());
}

#[tokio::test]
async fn buildkit_builds() {
    a_build_is_told_and_runs(Which::BuildKit).await;
}

#[tokio::test]
async fn the_classic_builder_builds() {
    a_build_is_told_and_runs(Which::Classic).await;
}

#[tokio::test]
async fn podman_builds() {
    a_build_is_told_and_runs(Which::Podman).await;
}

async fn a_failure_names_its_line(which: Which) {
    let engine = which.engine().await;
    let mark = unique();
    let dockerfile = format!(
        "# a comment\nFROM {}\nENV MARK={mark}\nRUN echo fine\n\nRUN for i in $(seq 1 100); do echo \"{mark} line $i\"; done; \\\n    sleep 0.5; echo 'gcc: not found' >&2; \\\n    exit 7\nRUN echo never\n",
        base()
    );
    let images = || cli(&engine, &["images", "-aq", "--no-trunc"]).lines().count();
    let before = images();
    let (result, _) = build(&engine, &request(which, dockerfile), Vec::new()).await;
    let Err(EngineError::Build(failure)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        (failure.dockerfile_line, failure.exit_code),
        (Some(6), Some(7)),
        "{failure:#?}"
    );
    assert!(
        failure
            .step
            .as_ref()
            .is_some_and(|step| step.starts_with("RUN for i in")),
        "{failure:#?}"
    );
    assert_eq!(failure.last_lines.len(), 40);
    assert!(
        failure.last_lines.contains(&format!("{mark} line 100")),
        "{failure:#?}"
    );
    assert!(
        failure.last_lines.contains(&"gcc: not found".to_owned()),
        "{failure:#?}"
    );
    assert!(!failure.last_lines.contains(&format!("{mark} line 1")));
    let text = EngineError::Build(failure).to_string();
    assert!(
        text.starts_with("the build failed at line 6 of the Dockerfile in `RUN for i in"),
        "{text}"
    );
    // Others build at the same time, so what is counted is what carries this test's mark.
    assert!(before > 0 && images() > 0);
    for id in cli(&engine, &["images", "-aq", "--no-trunc"]).lines() {
        let image = engine.image(id).await.unwrap();
        let env = image
            .map(|image| image.config["Env"].to_string())
            .unwrap_or_default();
        assert!(!env.contains(&mark), "image {id} was left behind");
    }
}

#[tokio::test]
async fn a_failure_with_buildkit_names_its_line() {
    a_failure_names_its_line(Which::BuildKit).await;
}

#[tokio::test]
async fn a_failure_with_the_classic_builder_names_its_line() {
    a_failure_names_its_line(Which::Classic).await;
}

#[tokio::test]
async fn a_failure_with_podman_names_its_line() {
    a_failure_names_its_line(Which::Podman).await;
}

#[tokio::test]
async fn a_dockerfile_that_cannot_be_parsed_names_its_line() {
    for which in [Which::BuildKit, Which::Classic] {
        let dockerfile = format!("FROM {}\nRUNN true\n", base());
        let (result, _) = build(&docker().await, &request(which, dockerfile), Vec::new()).await;
        let Err(EngineError::Build(failure)) = result else {
            panic!("{which:?}: {result:?}");
        };
        assert_eq!(failure.dockerfile_line, Some(2), "{which:?}: {failure:#?}");
        assert!(
            failure.to_string().contains("unknown instruction: RUNN"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_missing_file_is_a_failure_of_its_copy() {
    for which in [Which::BuildKit, Which::Classic, Which::Podman] {
        let dockerfile = format!("FROM {}\nRUN true\nCOPY none.txt /\n", base());
        let (result, _) = build(&which.engine().await, &request(which, dockerfile), Vec::new()).await;
        let Err(EngineError::Build(failure)) = result else {
            panic!("{which:?}: {result:?}");
        };
        assert_eq!(
            (failure.dockerfile_line, failure.exit_code),
            (Some(3), None),
            "{which:?}: {failure:#?}"
        );
    }
}

#[tokio::test]
async fn a_base_that_is_nowhere_is_told_apart() {
    let reference = format!("{}/no/such:image", variable("FLOWIMAGE_TEST_REGISTRY"));
    for which in [Which::BuildKit, Which::Classic] {
        let engine = which.engine().await;
        let (result, _) = build(
            &engine,
            &request(which, format!("FROM {reference}\nRUN true\n")),
            Vec::new(),
        )
        .await;
        let Err(EngineError::BaseNotFound { reference: named, .. }) = result else {
            panic!("{which:?}: {result:?}");
        };
        assert_eq!(named, reference);
    }
    let engine = docker().await;
    let result = engine.pull(&reference, None, None, &mut |_| {}).await;
    assert!(
        matches!(result, Err(EngineError::BaseNotFound { .. })),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_user_dockerfile_stays_where_it_is_in_the_context() {
    for which in [Which::BuildKit, Which::Classic, Which::Podman] {
        let engine = which.engine().await;
        let text = format!(
            "FROM {}\nENV MARK={}\nCOPY . /all\nCMD ls -A /all\n",
            base(),
            unique()
        );
        let context = tar_of(&[("docker/Dockerfile", text.as_bytes()), ("a.txt", b"a")]);
        let dockerfile = Dockerfile::InContext {
            path: "docker/Dockerfile".into(),
            text,
        };
        let request = BuildRequest {
            dockerfile,
            ..request(which, String::new())
        };
        let id = build(&engine, &request, context).await.0.unwrap();
        let outcome = engine.run(&RunRequest::new(id.as_str())).await.unwrap();
        assert_eq!(outcome.stdout.text(), "a.txt\ndocker\n", "{which:?}");
        engine.remove_image(id.as_str()).await.unwrap();
    }
}

#[tokio::test]
async fn a_context_that_breaks_off_is_our_own_error() {
    struct Broken;
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the file went away")))
        }
    }
    for which in [Which::BuildKit, Which::Classic, Which::Podman] {
        let engine = which.engine().await;
        let request = request(which, format!("FROM {}\nCOPY . /all\n", base()));
        let result = engine.build(&request, Broken, &mut |_| {}).await;
        let Err(EngineError::Context(error)) = result else {
            panic!("{which:?}: {result:?}");
        };
        assert!(error.to_string().contains("the file went away"));
    }
}

/// The number of processes whose command line has this text. The tests' engines share this machine's kernel.
fn processes_with(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

async fn a_dropped_build_ends(which: Which) {
    let engine = which.engine().await;
    let mark = unique();
    // Podman cannot end a step, but it must not begin the next.
    let seconds = if which == Which::Podman { 5 } else { 300 };
    let dockerfile = format!(
        "FROM {}\nENV MARK={mark}\nRUN echo started-{mark}; sleep {seconds} # {mark}\nRUN sleep 300 # {mark}\n",
        base()
    );
    let request = request(which, dockerfile);
    let (started, mut is_started) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn({
        let engine = engine.clone();
        let mark = mark.clone();
        async move {
            let mut tell = move |event: BuildEvent| {
                if matches!(&event, BuildEvent::Log { line, .. } if line.contains(&format!("started-{mark}")))
                {
                    let _ = started.send(());
                }
            };
            engine
                .build(&request, std::io::Cursor::new(Vec::new()), &mut tell)
                .await
        }
    });
    tokio::time::timeout(Duration::from_secs(60), is_started.recv())
        .await
        .expect("the step never began");
    assert!(processes_with(&mark) > 0, "the step is running");
    task.abort();
    let _ = task.await;
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while processes_with(&mark) > 0 {
        assert!(
            std::time::Instant::now() < until,
            "{which:?}: the step outlived its build"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually(20, "containers and images are gone", || {
        let containers = cli(&engine, &["ps", "-a", "--no-trunc", "--format", "{{.Command}}"]);
        !containers.contains(&mark)
    })
    .await;
    for _ in 0..50 {
        let mut left = Vec::new();
        for id in cli(&engine, &["images", "-aq", "--no-trunc"]).lines() {
            let image = engine.image(id).await.unwrap();
            if image.is_some_and(|image| image.config["Env"].to_string().contains(&mark)) {
                left.push(id.to_owned());
            }
        }
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{which:?}: images of the cancelled build stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_buildkit_build_cancels_it() {
    a_dropped_build_ends(Which::BuildKit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_classic_build_cancels_it() {
    a_dropped_build_ends(Which::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_podman_build_cancels_it() {
    a_dropped_build_ends(Which::Podman).await;
}

/// The password of the test registry has characters whose base64 differs between the two alphabets.
#[tokio::test]
async fn logins_arrive_whatever_their_characters() {
    let engine = docker().await;
    let registry = variable("FLOWIMAGE_TEST_AUTH_REGISTRY");
    let login = RegistryLogin {
        registry: registry.clone(),
        username: variable("FLOWIMAGE_TEST_AUTH_USER"),
        password: variable("FLOWIMAGE_TEST_AUTH_PASSWORD"),
    };
    let name = format!("{registry}/engine-test/{}:1", unique());
    let id = engine.image(&base()).await.unwrap().unwrap().id;
    engine.tag(&id, &name).await.unwrap();
    let refused = engine.push(&name, None).await;
    assert!(
        matches!(refused, Err(EngineError::PushUnauthorized { .. })),
        "{refused:?}"
    );
    let digest = engine.push(&name, Some(&login)).await.unwrap();
    assert!(engine.untag(&name).await.unwrap());

    let refused = engine.pull(&name, None, None, &mut |_| {}).await;
    assert!(
        matches!(refused, Err(EngineError::PullUnauthorized { .. })),
        "{refused:?}"
    );
    let pulled = engine.pull(&name, None, Some(&login), &mut |_| {}).await.unwrap();
    assert_eq!(pulled.id, id);
    assert!(
        pulled
            .repo_digests
            .iter()
            .any(|name| name.ends_with(digest.as_str()))
    );
    engine.untag(&name).await.unwrap();

    for which in [Which::BuildKit, Which::Classic] {
        let mut request = request(which, format!("FROM {name}\nRUN echo {}\n", unique()));
        let (refused, _) = build(&engine, &request, Vec::new()).await;
        assert!(
            matches!(refused, Err(EngineError::PullUnauthorized { .. })),
            "{which:?}: {refused:?}"
        );
        request.logins = vec![login.clone()];
        let id = build(&engine, &request, Vec::new()).await.0.unwrap();
        engine.remove_image(id.as_str()).await.unwrap();
        let _ = engine.untag(&name).await;
    }
}

/// A large context, for both of Docker's builders. What memory it takes is measured of a process of its own, elsewhere.
#[tokio::test]
async fn a_large_context_is_streamed() {
    use tokio::io::AsyncReadExt;
    const SIZE: u64 = 256 << 20;
    for which in [Which::BuildKit, Which::Classic] {
        let mut header = tar::Header::new_ustar();
        header.set_path("large.bin").unwrap();
        header.set_size(SIZE);
        header.set_mode(0o644);
        header.set_cksum();
        let context = std::io::Cursor::new(header.as_bytes().to_vec()).chain(tokio::io::repeat(0).take(SIZE));
        let engine = which.engine().await;
        let dockerfile = format!("FROM {}\nLABEL mark={}\n", base(), unique());
        let mut sent = 0;
        let mut on_event = |event: BuildEvent| {
            if let BuildEvent::ContextBytes(bytes) = event {
                sent = bytes;
            }
        };
        let id = engine
            .build(&request(which, dockerfile), context, &mut on_event)
            .await
            .unwrap();
        assert_eq!(sent, SIZE + 512, "{which:?}");
        engine.remove_image(id.as_str()).await.unwrap();
    }
}
