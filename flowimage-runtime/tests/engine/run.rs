//! Commands in locked-down containers, and what is left of them.

use std::time::{Duration, Instant};

use flowimage_runtime::engine::{
    BuildRequest, Ended, Engine, EngineError, EngineKind, FileType, Limits, Root, RunRequest,
};

use crate::kit::{base, cli, docker, eventually, podman, unique};

/// One sweep would take what another test has laid out for its own.
static SWEEP: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn shell(script: &str) -> RunRequest {
    RunRequest {
        entrypoint: Some(vec!["/bin/sh".into(), "-c".into(), script.into()]),
        command: Some(Vec::new()),
        ..RunRequest::new(base())
    }
}

async fn engines() -> [Engine; 2] {
    [docker().await, podman().await]
}

fn containers_with(engine: &Engine, mark: &str) -> String {
    cli(
        engine,
        &["ps", "-aq", "--filter", &format!("label=org.example.test={mark}")],
    )
}

#[tokio::test]
async fn a_command_runs_as_asked() {
    for engine in engines().await {
        let mut request = shell("pwd; id -u; echo $ADDED; echo to-stderr >&2; exit 3");
        request.env.insert("ADDED".into(), "a = b".into());
        request.user = Some("12345:54321".into());
        request.working_directory = Some("/usr".into());
        request.labels.insert("org.example.test".into(), unique());
        let outcome = engine.run(&request).await.unwrap();
        assert_eq!(outcome.ended, Ended::Exited(3), "{outcome:?}");
        assert_eq!(outcome.stdout.text(), "/usr\n12345\na = b\n");
        assert_eq!(outcome.stderr.text(), "to-stderr\n");
        assert_eq!(outcome.warnings, Vec::<String>::new());
        assert_eq!(containers_with(&engine, &request.labels["org.example.test"]), "");
    }
}

#[tokio::test]
async fn output_of_a_quick_command_is_never_lost() {
    let engine = docker().await;
    for _ in 0..5 {
        let outcome = engine.run(&shell("echo first; echo last")).await.unwrap();
        assert_eq!(
            (outcome.stdout.text().as_str(), outcome.succeeded()),
            ("first\nlast\n", true)
        );
    }
}

#[tokio::test]
async fn the_container_is_locked_down() {
    for engine in engines().await {
        let script = "\
            echo interfaces $(ls /sys/class/net); \
            grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '[:space:]' ' '; echo; \
            touch /etc/x 2>/dev/null && echo root-writable; \
            touch /tmp/x && echo tmp-writable; \
            head -c 80m /dev/zero > /tmp/fill 2>/dev/null || echo tmp-full; rm -f /tmp/fill; \
            printf '#!/bin/sh\\necho tmp-executes\\n' > /tmp/s; chmod +x /tmp/s; /tmp/s; \
            (exec 3<>/dev/tcp/1.1.1.1/53) 2>/dev/null && echo network; \
            read line || echo no-stdin";
        let outcome = engine
            .run(&shell(&script.replace("80m", "83886080")))
            .await
            .unwrap();
        let text = outcome.stdout.text();
        assert_eq!(
            text,
            "interfaces lo\nCapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 \n\
             tmp-writable\ntmp-full\ntmp-executes\nno-stdin\n",
            "{} {outcome:?}",
            engine.address()
        );
    }
}

#[tokio::test]
async fn a_throw_away_root_can_be_written() {
    for engine in engines().await {
        let mut request = shell("echo x > /etc/x && cat /etc/x");
        request.root = Root::ThrowAway;
        let outcome = engine.run(&request).await.unwrap();
        assert_eq!(outcome.stdout.text(), "x\n", "{outcome:?}");
    }
}

#[tokio::test]
async fn a_hang_ends_in_time() {
    for engine in engines().await {
        // Ends its output at once and ignores the polite signal.
        for script in ["trap '' TERM; sleep 300", "exec >&- 2>&-; sleep 300"] {
            let mut request = shell(script);
            request.labels.insert("org.example.test".into(), unique());
            request.limits.time = Duration::from_secs(2);
            let began = Instant::now();
            let outcome = engine.run(&request).await.unwrap();
            assert_eq!(outcome.ended, Ended::TimedOut);
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
            assert_eq!(containers_with(&engine, &request.labels["org.example.test"]), "");
        }
    }
}

#[tokio::test]
async fn a_flood_ends_and_stays_small() {
    for engine in engines().await {
        let mut request = shell("echo begin; yes flood");
        request.limits.flood = 4 << 20;
        let outcome = engine.run(&request).await.unwrap();
        assert_eq!(outcome.ended, Ended::Flooded);
        assert!(outcome.stdout.truncated() && outcome.stdout.bytes().len() <= Limits::default().output);
        assert!(outcome.stdout.text().starts_with("begin\n"));
    }
}

#[tokio::test]
async fn a_memory_hog_is_told_from_a_crash() {
    for engine in engines().await {
        let mut request = RunRequest::new(base());
        request.entrypoint = Some(vec!["/usr/bin/tail".into(), "/dev/zero".into()]);
        request.limits.memory = 32 << 20;
        let outcome = engine.run(&request).await.unwrap();
        let expected = match engine.info().await.unwrap().kind {
            EngineKind::Docker => Ended::OutOfMemory,
            EngineKind::Podman => Ended::Exited(137),
        };
        assert_eq!(outcome.ended, expected, "{} {outcome:?}", engine.address());
        let outcome = engine.run(&shell("sh -c 'kill -9 $$'; exit $?")).await.unwrap();
        assert_eq!(outcome.ended, Ended::Exited(137), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_fork_bomb_meets_its_limit() {
    for engine in engines().await {
        let mut request = shell("i=0; while [ $i -lt 200 ]; do sleep 60 & i=$((i+1)); done; echo all");
        request.limits.pids = 32;
        request.limits.time = Duration::from_secs(20);
        request.labels.insert("org.example.test".into(), unique());
        let outcome = engine.run(&request).await.unwrap();
        assert!(
            matches!(outcome.ended, Ended::Exited(1..=255)),
            "{} {outcome:?}",
            engine.address()
        );
        let text = outcome.stderr.text();
        assert!(text.contains("fork"), "{text}");
        assert_eq!(containers_with(&engine, &request.labels["org.example.test"]), "");
    }
}

#[tokio::test]
async fn what_cannot_start_is_an_outcome() {
    for engine in engines().await {
        let mut request = RunRequest::new(base());
        request.entrypoint = Some(vec!["/no/such/program".into()]);
        let outcome = engine.run(&request).await.unwrap();
        let Ended::NotStarted(reason) = &outcome.ended else {
            panic!("{} {outcome:?}", engine.address());
        };
        assert!(reason.contains("no such file"), "{reason}");
        let missing = engine.run(&RunRequest::new("no-such-image:at-all")).await;
        assert!(matches!(missing, Err(EngineError::NoImage { .. })), "{missing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_run_leaves_no_container() {
    for engine in engines().await {
        let mark = unique();
        for delay in [0, 20, 200, 1500] {
            let mut request = shell("sleep 300");
            request.labels.insert("org.example.test".into(), mark.clone());
            let run = tokio::time::timeout(Duration::from_millis(delay), engine.run(&request)).await;
            assert!(run.is_err());
        }
        eventually(20, "containers of dropped runs are gone", || {
            containers_with(&engine, &mark).is_empty()
        })
        .await;
        // And none comes into being late.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(containers_with(&engine, &mark), "");
    }
}

#[tokio::test]
async fn the_sweep_takes_what_the_dead_left_and_nothing_else() {
    let _alone = SWEEP.lock().await;
    for engine in engines().await {
        let mark = unique();
        let test = format!("org.example.test={mark}");
        let own = |owner: &str, host: &str| {
            let owner = format!("dev.flowimage.owner={owner}");
            let host = format!("dev.flowimage.host={host}");
            let labels = [
                "--label",
                "dev.flowimage=1",
                "--label",
                &owner,
                "--label",
                &host,
                "--label",
                &test,
            ];
            let image = base();
            cli(
                &engine,
                &[&["create", "--network", "none"], &labels[..], &[&image, "true"]].concat(),
            )
        };
        let files = engine.files(&base()).await.unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
        let here = format!("{}/{}", boot.trim(), namespace.display());
        let dead = own("4194304-1", &here);
        let elsewhere = own("4194304-1", "another-machine/pid:[1]");
        let report = engine.sweep().await.unwrap();
        assert!(report.containers.contains(&dead), "{report:?}");
        assert!(!report.containers.contains(&elsewhere), "{report:?}");
        assert_eq!(containers_with(&engine, &mark).lines().count(), 1);
        // The container of this living process is still there.
        assert!(files.stat("/etc/passwd").await.unwrap().is_some());
        files.close().await.unwrap();
        cli(&engine, &["rm", &elsewhere]);
    }
}

#[tokio::test]
async fn the_sweep_of_a_project_takes_its_unnamed_images_that_nobody_keeps() {
    let engine = docker().await;
    let (project, other) = (unique(), unique());
    let mut ids = Vec::new();
    for project in [&project, &project, &other] {
        let request = BuildRequest {
            project: Some(project.clone()),
            ..BuildRequest::new(format!("FROM {}\nENV MARK={}\n", base(), unique()))
        };
        ids.push(
            engine
                .build(&request, tokio::io::empty(), &mut |_| {})
                .await
                .unwrap(),
        );
    }
    let name = format!("flowimage.local/checked/{project}:x");
    engine.tag(&ids[1], &name).await.unwrap();
    let report = engine.sweep_project(&project, |_| true).await.unwrap();
    assert_eq!(
        report.images,
        [name],
        "what was being checked goes, what is wanted stays"
    );
    let report = engine.sweep_project(&project, |_| false).await.unwrap();
    assert_eq!(report.images, [ids[0].to_string()]);
    assert!(engine.image(ids[0].as_str()).await.unwrap().is_none());
    assert!(engine.remove_image(ids[2].as_str()).await.unwrap());
}

#[tokio::test]
async fn files_are_read_without_running_anything() {
    for engine in engines().await {
        let files = engine.files(&base()).await.unwrap();
        let passwd = files.stat("/etc/passwd").await.unwrap().unwrap();
        assert_eq!((passwd.file_type, passwd.mode), (FileType::File, 0o644));
        let bytes = files.read("/etc/passwd", 1 << 20).await.unwrap().unwrap();
        assert_eq!(bytes.len() as u64, passwd.size);
        assert!(bytes.starts_with(b"root:"));

        let tmp = files.stat("/tmp").await.unwrap().unwrap();
        assert_eq!((tmp.file_type, tmp.mode), (FileType::Folder, 0o1777));
        let shadow = files.stat("/etc/shadow").await.unwrap().unwrap();
        let owner = match engine.info().await.unwrap().kind {
            EngineKind::Docker => Some((0, 42)),
            EngineKind::Podman => None,
        };
        assert_eq!((shadow.mode, shadow.owner), (0o640, owner));

        // /bin is a link to usr/bin, /bin/sh one to dash.
        let sh = files.stat("/bin/sh").await.unwrap().unwrap();
        assert_eq!(
            (sh.file_type, sh.path.as_str(), sh.mode),
            (FileType::File, "/usr/bin/dash", 0o755)
        );
        let os = files.read("/etc/os-release", 1 << 20).await.unwrap().unwrap();
        assert!(String::from_utf8(os).unwrap().contains("Debian"));

        assert!(files.stat("/no/such/file").await.unwrap().is_none());
        assert!(files.read("/etc/passwd/below-a-file", 9).await.unwrap().is_none());
        let large = files.read("/etc/passwd", 10).await.unwrap_err();
        assert!(large.to_string().contains("more than the 10 allowed"), "{large}");
        assert!(matches!(
            files.read("/etc", 10).await,
            Err(EngineError::File { .. })
        ));
        assert!(matches!(
            files.read("etc/passwd", 10).await,
            Err(EngineError::File { .. })
        ));

        let names = files.archive("/etc/apt", |reader| {
            let mut archive = tar::Archive::new(reader);
            let names = archive
                .entries()?
                .map(|entry| Ok(entry?.path()?.display().to_string()));
            names.collect::<std::io::Result<Vec<String>>>()
        });
        let names = names.await.unwrap();
        assert!(
            names
                .iter()
                .any(|name| name.trim_end_matches('/') == "apt/apt.conf.d"),
            "{names:?}"
        );
        files.close().await.unwrap();
    }
}
