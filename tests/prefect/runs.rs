//! Deployments and runs, on a pool of containers and on one of processes.

use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::Project;
use crate::server::Server;
use crate::test_flow::TestFlow;
use crate::{output, setting};

/// A pool and how to register on it.
#[derive(Clone, Copy)]
struct Pool {
    name: &'static str,
    images: bool,
}

const CONTAINERS: Pool = Pool {
    name: "containers",
    images: true,
};
const PROCESSES: Pool = Pool {
    name: "processes",
    images: false,
};

impl Pool {
    /// The options of `register` for a deployment on this pool, which bears the pool's name.
    fn options(self) -> Vec<String> {
        let registry = format!("{}/prefect", setting("FLOWIMAGE_TEST_REGISTRY"));
        let place: &[&str] = if self.images {
            &["--registry", &registry]
        } else {
            &["--no-push"]
        };
        // What the checks find is tested elsewhere.
        let mut options = vec!["--no-check", "--work-pool", self.name, "--deployment", self.name];
        options.extend(place);
        options.into_iter().map(str::to_owned).collect()
    }
}

/// The flows of `watched`, registered on both pools. They lie where the workers find them until the tests end.
static WATCHED: LazyLock<TestFlow> = LazyLock::new(|| {
    let watched = TestFlow::new("watched", &setting("DOCKER_HOST"));
    for pool in [CONTAINERS, PROCESSES] {
        let flows = ["talks", "fails", "waits", "panics", "works"];
        let lines = register(&watched, pool, &flows);
        assert!(
            lines.iter().all(|line| line["status"] == "registered"),
            "{lines:#?}"
        );
    }
    watched
});

fn register(flow: &TestFlow, pool: Pool, flows: &[&str]) -> Vec<Value> {
    let said = flow
        .command(&["register"])
        .args(flows)
        .args(pool.options())
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        said.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&said.stderr)
    );
    lines
}

fn watched(flow: &str, pool: Pool) -> (Server, Value) {
    LazyLock::force(&WATCHED);
    let server = Server::new();
    let deployment = server.deployment(flow, pool.name);
    (server, deployment)
}

/// The container of a run, if one is there and runs.
fn container(run: &str) -> Option<String> {
    let label = format!("label=io.prefect.flow-run-id={run}");
    let names = output(Command::new("docker").args(["ps", "-q", "--filter", &label]));
    names.lines().next().map(str::to_owned)
}

fn kill(run: &str, pool: Pool) {
    if pool.images {
        let container = container(run).expect("the run has no container");
        output(Command::new("docker").args(["kill", &container]));
        return;
    }
    let wanted = format!("PREFECT__FLOW_RUN_ID={run}");
    let mut killed = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = process.path();
        let read = |file: &str| std::fs::read(path.join(file)).unwrap_or_default();
        let has =
            |bytes: Vec<u8>, text: &str| bytes.split(|byte| *byte == 0).any(|part| part == text.as_bytes());
        if has(read("cmdline"), "run") && has(read("environ"), &wanted) {
            output(Command::new("kill").arg("-KILL").arg(process.file_name()));
            killed += 1;
        }
    }
    assert_eq!(killed, 1);
}

fn completes_with_its_log_in_order(pool: Pool) {
    let (server, deployment) = watched("talks", pool);
    let run = server.start(&deployment, &json!({ "parameters": { "lines": 40 } }));
    let ended = server.ends(&run, 60);
    assert_eq!(ended["state_type"], "COMPLETED", "{:#}", ended["state"]);
    let expected: Vec<_> = (0..40).map(|line| format!("line {line}")).collect();
    assert_eq!(server.log(&run), expected);
    let artifacts = json!({ "artifacts": { "flow_run_id": { "any_": [run] } } });
    let artifacts = server.post("/artifacts/filter", &artifacts);
    assert_eq!(artifacts[0]["key"], "talks-summary", "{artifacts:#}");
    assert!(
        artifacts[0]["data"]
            .as_str()
            .unwrap()
            .contains("| log lines | 40 |")
    );
}

fn fails_with_the_errors_chain(pool: Pool) {
    let (server, deployment) = watched("fails", pool);
    let run = server.start(&deployment, &json!({}));
    let ended = server.ends(&run, 60);
    assert_eq!(ended["state_type"], "FAILED");
    assert_eq!(
        ended["state"]["message"],
        "the orders were not copied: the disk is full"
    );
    assert_eq!(
        server.log(&run),
        [
            "the flow failed: the orders were not copied",
            "because: the disk is full"
        ]
    );
}

fn is_cancelled_within_five_seconds(pool: Pool, busy: bool) {
    let (server, deployment) = watched("waits", pool);
    let run = server.start(
        &deployment,
        &json!({ "parameters": { "seconds": 600, "busy": busy } }),
    );
    server.says(&run, "waiting", 60);
    assert!(!pool.images || container(&run).is_some());
    let asked = Instant::now();
    server.cancel(&run);
    assert_eq!(server.ends(&run, 20)["state_type"], "CANCELLED");
    while pool.images && container(&run).is_some() {
        std::thread::sleep(Duration::from_millis(50));
        assert!(
            asked.elapsed() < Duration::from_secs(20),
            "the container is still there"
        );
    }
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        asked.elapsed()
    );
}

fn is_crashed_after_kill_9(pool: Pool) {
    let (server, deployment) = watched("waits", pool);
    let run = server.start(&deployment, &json!({ "parameters": { "seconds": 600 } }));
    server.says(&run, "waiting", 60);
    kill(&run, pool);
    assert_eq!(server.ends(&run, 30)["state_type"], "CRASHED");
}

#[test]
fn containers_complete_with_their_log_in_order() {
    completes_with_its_log_in_order(CONTAINERS);
}

#[test]
fn processes_complete_with_their_log_in_order() {
    completes_with_its_log_in_order(PROCESSES);
}

#[test]
fn containers_fail_with_the_errors_chain() {
    fails_with_the_errors_chain(CONTAINERS);
}

#[test]
fn processes_fail_with_the_errors_chain() {
    fails_with_the_errors_chain(PROCESSES);
}

#[test]
fn containers_are_cancelled_within_five_seconds() {
    is_cancelled_within_five_seconds(CONTAINERS, false);
}

#[test]
fn a_container_that_waits_for_nothing_is_cancelled_too() {
    is_cancelled_within_five_seconds(CONTAINERS, true);
}

#[test]
fn processes_are_cancelled_within_five_seconds() {
    is_cancelled_within_five_seconds(PROCESSES, false);
}

#[test]
fn containers_are_crashed_after_kill_9() {
    is_crashed_after_kill_9(CONTAINERS);
}

#[test]
fn processes_are_crashed_after_kill_9() {
    is_crashed_after_kill_9(PROCESSES);
}

#[test]
fn a_panic_is_a_crash_with_its_message() {
    let (server, deployment) = watched("panics", CONTAINERS);
    let run = server.start(&deployment, &json!({}));
    let ended = server.ends(&run, 60);
    assert_eq!(ended["state_type"], "CRASHED");
    assert_eq!(ended["state"]["message"], "panicked: out of luck");
}

#[test]
fn tasks_have_states_of_their_own() {
    let (server, deployment) = watched("works", PROCESSES);
    let run = server.start(&deployment, &json!({}));
    assert_eq!(server.ends(&run, 60)["state_type"], "COMPLETED");
    let filter = json!({ "flow_runs": { "id": { "any_": [run] } }, "sort": "NAME_ASC" });
    let tasks = server.post("/task_runs/filter", &filter);
    let mut states: Vec<_> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            (
                task["name"].as_str().unwrap(),
                task["state_type"].as_str().unwrap(),
                task["run_count"].as_i64().unwrap(),
            )
        })
        .collect();
    states.sort_unstable();
    assert_eq!(
        states,
        [
            ("extract-0", "COMPLETED", 1),
            ("load-0", "COMPLETED", 2),
            ("tidy-0", "FAILED", 1)
        ]
    );
}

#[test]
fn the_server_decides_how_often_a_failed_run_is_tried() {
    let (server, deployment) = watched("fails", PROCESSES);
    let policy = json!({ "empirical_policy": { "retries": 2, "retry_delay": 1 } });
    let run = server.start(&deployment, &policy);
    let ended = server.ends(&run, 60);
    assert_eq!(
        (&ended["state_type"], &ended["run_count"]),
        (&json!("FAILED"), &json!(3))
    );
}

#[test]
fn parameters_that_do_not_fit_are_refused_by_the_server() {
    let (server, deployment) = watched("talks", CONTAINERS);
    let path = format!(
        "/deployments/{}/create_flow_run",
        deployment["id"].as_str().unwrap()
    );
    for wrong in [json!({ "lines": "many" }), json!({ "liens": 3 })] {
        let answer = server.send("POST", &path, &json!({ "parameters": wrong }));
        assert_eq!(answer.status, 409, "{wrong}: {:#}", answer.body);
    }
}

#[test]
fn a_run_that_ended_is_not_begun_again() {
    let (server, deployment) = watched("talks", PROCESSES);
    let run = server.start(&deployment, &json!({}));
    assert_eq!(server.ends(&run, 60)["state_type"], "COMPLETED");
    let again = WATCHED
        .command(&["run", "talks"])
        .env("PREFECT__FLOW_RUN_ID", &run)
        .output()
        .unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(
        said,
        "error: the flow run is not begun: it is Completed already, and a run is begun once\n"
    );
    assert_eq!((again.status.code(), server.log(&run).len()), (Some(1), 3));
}

#[test]
fn a_schedule_starts_runs_on_time() {
    let server = Server::new();
    let watched = &*WATCHED;
    register(watched, PROCESSES, &["ticks"]);
    let deployment = server.deployment("ticks", PROCESSES.name);
    let filter = json!({
        "flow_runs": {
            "deployment_id": { "any_": [deployment["id"]] },
            "state": { "type": { "any_": ["COMPLETED"] } },
        },
    });
    let until = Instant::now() + Duration::from_secs(90);
    let run = loop {
        let runs = server.post("/flow_runs/filter", &filter);
        if let Some(run) = runs.get(0) {
            break run.clone();
        }
        assert!(Instant::now() < until, "no scheduled run has completed");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(run["auto_scheduled"], true);
    // What the server's own clock says of the delay; the machine may be busy.
    let late = run["estimated_start_time_delta"].as_f64().unwrap();
    assert!(late < 10.0, "{late} s late");
    let tags = run["tags"].as_array().unwrap();
    assert!(
        ["flowimage", "ticking"]
            .iter()
            .all(|tag| tags.contains(&json!(tag))),
        "{tags:?}"
    );
    output(
        watched
            .command(&["unregister", "ticks"])
            .args(PROCESSES.options()),
    );
    let gone = server.send(
        "GET",
        &format!("/deployments/{}", deployment["id"].as_str().unwrap()),
        &Value::Null,
    );
    assert_eq!(gone.status, 404);
}

#[test]
fn what_others_edit_or_delete_is_put_right() {
    let server = Server::new();
    let flow = TestFlow::new("watched", &setting("DOCKER_HOST"));
    let pool = Pool {
        name: "edited",
        images: false,
    };
    let mut create = flow.command(&["register", "talks", "waits", "--create-work-pool", "process"]);
    output(create.args(pool.options()));
    let unchanged = register(&flow, pool, &["talks", "waits"]);
    assert!(
        unchanged.iter().all(|line| line["status"] == "unchanged"),
        "{unchanged:#?}"
    );
    let path = format!(
        "/deployments/{}",
        server.deployment("talks", "edited")["id"].as_str().unwrap()
    );
    server.send(
        "PATCH",
        &path,
        &json!({ "description": "edited", "paused": true }),
    );
    let deleted = format!(
        "/deployments/{}",
        server.deployment("waits", "edited")["id"].as_str().unwrap()
    );
    server.send("DELETE", &deleted, &Value::Null);
    let again = register(&flow, pool, &["talks", "waits"]);
    assert_eq!(
        again[0]["deployment"]["changed"],
        json!(["description"]),
        "{again:#?}"
    );
    assert_eq!(again[1]["deployment"]["created"], true);
    let talks = server.deployment("talks", "edited");
    assert_eq!(
        talks["description"],
        "Says so many lines, by turns through `tracing` and `log`."
    );
    assert_eq!(talks["paused"], true, "an operator's pause is not ours to end");
    output(
        flow.command(&["unregister", "talks", "waits"])
            .args(pool.options()),
    );
}

#[test]
fn faults_are_found_before_anything_is_built() {
    let flow = TestFlow::new("watched", &setting("DOCKER_HOST"));
    for (options, said) in [
        (["--work-pool", "no-such-pool"], "has no work pool `no-such-pool`"),
        (["--work-pool", CONTAINERS.name], "is pushed to none"),
        (["--deployment", "a/b"], "takes no deployment named `a/b`"),
    ] {
        let mut command = flow.command(&["register", "talks", "--no-push", "--work-pool", PROCESSES.name]);
        if options[0] == "--work-pool" {
            command = flow.command(&["register", "talks", "--no-push"]);
        }
        let output = command.args(options).output().unwrap();
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(line["error"]["stage"], "plan", "{line:#}");
        assert!(
            line["error"]["message"].as_str().unwrap().contains(said),
            "{line:#}"
        );
    }
    assert!(!flow.root().join("target/flowimage/images").exists());
}

#[test]
fn the_examples_flows_run_where_they_are_registered() {
    let server = Server::new();
    let project = Project::new();
    for (pool, flows) in [
        (
            CONTAINERS,
            &["carrier-delays", "late-departures", "sorted-airlines"][..],
        ),
        (PROCESSES, &["carrier-delays"]),
    ] {
        let mut command = project.command(&["register"]);
        command
            .args(flows)
            .args(pool.options())
            .env("DOCKER_HOST", setting("DOCKER_HOST"));
        output(&mut command);
        let runs: Vec<_> = flows
            .iter()
            .map(|flow| {
                let parameters = if *flow == "carrier-delays" {
                    json!({ "day": 2 })
                } else {
                    json!({})
                };
                server.start(
                    &server.deployment(flow, pool.name),
                    &json!({ "parameters": parameters }),
                )
            })
            .collect();
        for run in runs {
            let ended = server.ends(&run, 90);
            assert_eq!(ended["state_type"], "COMPLETED", "{:#}", ended["state"]);
        }
    }
    let listed = output(project.command(&["list", "--json"]).args(CONTAINERS.options()));
    let listed: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(
        listed["deployments"][0]["last_run"]["state"], "Completed",
        "{listed:#}"
    );
}
