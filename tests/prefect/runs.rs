//! Deployments and runs, on a pool of containers and on one of processes.

use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::Project;
use crate::server::Server;
use crate::test_flow::TestFlow;
use crate::{output, setting};

/// A pool, and how to register on it.
#[derive(Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) name: &'static str,
    pub(crate) images: bool,
    /// On the older server.
    pub(crate) older: bool,
}

const CONTAINERS: Pool = Pool {
    name: "containers",
    images: true,
    older: false,
};
const PROCESSES: Pool = Pool {
    name: "processes",
    images: false,
    older: false,
};

impl Pool {
    fn url(self) -> String {
        setting(if self.older {
            "FLOWIMAGE_TEST_OLDER_PREFECT"
        } else {
            "PREFECT_API_URL"
        })
    }

    pub(crate) fn server(self) -> Server {
        Server::at(&self.url(), None)
    }

    /// The options of `register` for a deployment on this pool, which bears the pool's name.
    pub(crate) fn options(self) -> Vec<String> {
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

    /// The flows of `watched`, registered on both pools of the server. They lie where the workers find them until the
    /// tests end.
    pub(crate) fn flows(self) -> &'static TestFlow {
        static NEWER: LazyLock<TestFlow> = LazyLock::new(|| registered(false));
        static OLDER: LazyLock<TestFlow> = LazyLock::new(|| registered(true));
        if self.older { &OLDER } else { &NEWER }
    }
}

fn registered(older: bool) -> TestFlow {
    let watched = TestFlow::new("watched", &setting("DOCKER_HOST"));
    for pool in [CONTAINERS, PROCESSES] {
        let mut flows = vec!["talks", "fails", "waits", "panics", "works", "alone"];
        flows.extend(["aborts", "executes"].iter().filter(|_| !older));
        let lines = register(&watched, Pool { older, ..pool }, &flows);
        assert!(
            lines.iter().all(|line| line["status"] == "registered"),
            "{lines:#?}"
        );
        if older && pool.images {
            by_hand(&lines);
        }
    }
    watched
}

/// Pulls images by digest, which workers of that age do not: `register` says so.
fn by_hand(lines: &[Value]) {
    for line in lines {
        let warnings = line["deployment"]["warnings"].to_string();
        assert!(warnings.contains("do not pull images by digest"), "{line:#}");
        output(Command::new("docker").args(["pull", "-q", line["image"].as_str().unwrap()]));
    }
}

/// Registers flows on a pool; the lines that say what became of them.
pub(crate) fn register(flow: &TestFlow, pool: Pool, flows: &[&str]) -> Vec<Value> {
    let said = flow
        .command(&["register"])
        .args(flows)
        .args(pool.options())
        .env("PREFECT_API_URL", pool.url())
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

pub(crate) fn watched(flow: &str, pool: Pool) -> (Server, Value) {
    pool.flows();
    let server = pool.server();
    let deployment = server.deployment(flow, pool.name);
    (server, deployment)
}

/// The container of a run, if one is there and runs.
fn container(run: &str) -> Option<String> {
    containers(run, &[]).pop()
}

fn containers(run: &str, options: &[&str]) -> Vec<String> {
    let label = format!("label=io.prefect.flow-run-id={run}");
    let mut docker = Command::new("docker");
    let names = output(docker.args(["ps", "-q", "--filter", &label]).args(options));
    names.lines().map(str::to_owned).collect()
}

/// Sends a signal to the container of a run, or to its process.
fn signal(run: &str, pool: Pool, signal: &str) {
    if pool.images {
        let container = container(run).expect("the run has no container");
        output(Command::new("docker").args(["kill", "--signal", signal, &container]));
        return;
    }
    let own = processes(run, |words| words.iter().any(|word| word == "run"));
    assert_eq!(own.len(), 1, "{own:?}");
    output(Command::new("kill").args(["-s", signal, &own[0]]));
}

/// The ids of a run's processes on this machine of which `wanted` says so by their words.
fn processes(run: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let parts = |bytes: Vec<u8>| -> Vec<String> {
        let parts = bytes.split(|byte| *byte == 0);
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    };
    let marked = format!("PREFECT__FLOW_RUN_ID={run}");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|process| {
        let read = |file: &str| parts(std::fs::read(process.path().join(file)).unwrap_or_default());
        read("environ").contains(&marked) && wanted(&read("cmdline"))
    })
    .map(|process| process.file_name().into_string().unwrap())
    .collect()
}

pub(crate) fn completes_with_its_log_in_order(pool: Pool) {
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

pub(crate) fn fails_with_the_errors_chain(pool: Pool) {
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

pub(crate) fn is_cancelled_within_five_seconds(pool: Pool, busy: bool) {
    let (server, deployment) = watched("waits", pool);
    let run = server.start(
        &deployment,
        &json!({ "parameters": { "seconds": 600, "busy": busy } }),
    );
    server.says(&run, "waiting", 60);
    assert!(!pool.images || container(&run).is_some());
    server.cancel(&run);
    assert_eq!(server.ends(&run, 60)["state_type"], "CANCELLED");
    let until = Instant::now() + Duration::from_secs(60);
    while pool.images && container(&run).is_some() {
        assert!(Instant::now() < until, "the container is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    // By the clocks of server and engine: when the test comes to look is another matter.
    let asked = seconds(&server.since(&run, "CANCELLING"));
    let mut ends = vec![server.since(&run, "CANCELLED")];
    for container in containers(&run, &["--all"]) {
        let format = "{{.State.FinishedAt}}";
        ends.push(output(
            Command::new("docker").args(["inspect", "-f", format, &container]),
        ));
    }
    for end in ends {
        let took = (seconds(&end) - asked).rem_euclid(86_400.0);
        assert!(took < 5.0, "it took {took} s");
    }
}

/// Seconds of the day of a time in RFC 3339, in UTC.
fn seconds(time: &str) -> f64 {
    let (_, clock) = time.trim().split_once('T').unwrap();
    let clock = clock.trim_end_matches("+00:00").trim_end_matches('Z');
    let parts = clock.split(':').map(|part| part.parse::<f64>().unwrap());
    parts.fold(0.0, |sum, part| sum * 60.0 + part)
}

pub(crate) fn is_crashed_after_kill_9(pool: Pool) {
    let (server, deployment) = watched("waits", pool);
    let run = server.start(&deployment, &json!({ "parameters": { "seconds": 600 } }));
    server.says(&run, "waiting", 60);
    signal(&run, pool, "KILL");
    assert_eq!(server.ends(&run, 60)["state_type"], "CRASHED");
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
fn standard_output_has_every_line_of_a_run_that_is_gone_at_once() {
    let (server, deployment) = watched("aborts", CONTAINERS);
    let run = server.start(&deployment, &json!({ "parameters": { "lines": 1200 } }));
    assert_eq!(server.ends(&run, 60)["state_type"], "CRASHED");
    let container = containers(&run, &["--all"]).pop().unwrap();
    let printed = output(Command::new("docker").args(["logs", &container]));
    let lines: Vec<_> = printed
        .lines()
        .filter_map(|line| line.split_once(" watched: line ")?.1.parse::<u32>().ok())
        .collect();
    assert_eq!(lines, (0..1200).collect::<Vec<_>>());
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

pub(crate) fn bad_parameters_are_refused(pool: Pool) {
    let (server, deployment) = watched("talks", pool);
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
fn parameters_that_do_not_fit_are_refused_by_the_server() {
    bad_parameters_are_refused(CONTAINERS);
}

#[test]
fn a_process_pools_bad_parameters_are_refused_by_the_server() {
    bad_parameters_are_refused(PROCESSES);
}

/// The program runs where its worker is, in no image: what was declared of the image is not there, and that is said.
#[test]
fn declared_files_are_in_containers_and_not_on_a_process_pools_machine() {
    let flow = TestFlow::new("watched", &setting("DOCKER_HOST"));
    flow.copy("data");
    for (pool, warnings, state) in [
        (CONTAINERS, json!([]), "COMPLETED"),
        (
            PROCESSES,
            json!([
                "the pool `processes` starts the program itself, in no image: what files names must be on its workers' \
                 machines"
            ]),
            "FAILED",
        ),
    ] {
        let lines = register(&flow, pool, &["reads"]);
        assert_eq!(lines[0]["deployment"]["warnings"], warnings, "{lines:#?}");
        let server = pool.server();
        let run = server.start(&server.deployment("reads", pool.name), &json!({}));
        let ended = server.ends(&run, 60);
        assert_eq!(ended["state_type"], state, "{:#}", ended["state"]);
    }
}

#[test]
fn a_process_that_is_told_to_end_is_crashed() {
    let (server, deployment) = watched("waits", PROCESSES);
    let run = server.start(&deployment, &json!({ "parameters": { "seconds": 600 } }));
    server.says(&run, "waiting", 60);
    signal(&run, PROCESSES, "TERM");
    let ended = server.ends(&run, 60);
    assert_eq!(ended["state_type"], "CRASHED");
    assert_eq!(ended["state"]["message"], "terminated by a signal");
    nothing_is_left_of(&run);
}

fn nothing_is_left_of(run: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while !processes(run, |_| true).is_empty() {
        assert!(Instant::now() < until, "something of it is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A program that minds no request to end, and its own child: neither may outlive the run.
fn nothing_of_a_program_outlives_the_run(pool: Pool, end: impl Fn(&Server, &str), state: &str) {
    let (server, deployment) = watched("executes", pool);
    let run = server.start(&deployment, &json!({}));
    let until = Instant::now() + Duration::from_secs(60);
    let sleeps = |words: &[String]| words.first().is_some_and(|word| word == "sleep");
    while processes(&run, sleeps).is_empty() {
        assert!(Instant::now() < until, "{:#}", server.run(&run)["state"]);
        std::thread::sleep(Duration::from_millis(50));
    }
    end(&server, &run);
    assert_eq!(server.ends(&run, 60)["state_type"], state);
    nothing_is_left_of(&run);
}

#[test]
fn nothing_of_a_cancelled_program_stays_in_a_process_pool() {
    nothing_of_a_program_outlives_the_run(PROCESSES, Server::cancel, "CANCELLED");
}

#[test]
fn nothing_of_a_cancelled_program_stays_in_a_pool_of_containers() {
    nothing_of_a_program_outlives_the_run(CONTAINERS, Server::cancel, "CANCELLED");
}

#[test]
fn nothing_of_a_program_stays_where_its_run_is_told_to_end() {
    nothing_of_a_program_outlives_the_run(PROCESSES, |_, run| signal(run, PROCESSES, "TERM"), "CRASHED");
}

#[test]
fn a_run_that_ended_is_not_begun_again() {
    let (server, deployment) = watched("talks", PROCESSES);
    let run = server.start(&deployment, &json!({}));
    assert_eq!(server.ends(&run, 60)["state_type"], "COMPLETED");
    let again = PROCESSES
        .flows()
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
    a_scheduled_run_is_on_time(PROCESSES);
}

pub(crate) fn a_scheduled_run_is_on_time(pool: Pool) {
    let server = pool.server();
    let watched = pool.flows();
    register(watched, pool, &["ticks"]);
    let deployment = server.deployment("ticks", pool.name);
    let filter = json!({
        "flow_runs": {
            "deployment_id": { "any_": [deployment["id"]] },
            "state": { "type": { "any_": ["COMPLETED"] } },
        },
    });
    let until = Instant::now() + Duration::from_secs(180);
    let run = loop {
        let runs = server.post("/flow_runs/filter", &filter);
        // What the server's own clock says of the delay. The machine may be busy when one is due: then it is the next.
        let late: Vec<_> = runs
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["estimated_start_time_delta"].as_f64().unwrap())
            .collect();
        if let Some(on_time) = late.iter().position(|late| *late < 10.0) {
            break runs[on_time].clone();
        }
        assert!(
            Instant::now() < until,
            "no scheduled run was on time: {late:?} s late"
        );
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(run["auto_scheduled"], true);
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
            .args(pool.options())
            .env("PREFECT_API_URL", pool.url()),
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
        older: false,
    };
    let flows = ["alone", "talks", "waits"];
    let mut create = flow.command(&["register", "--create-work-pool", "process"]);
    output(create.args(flows).args(pool.options()));
    let limit = || server.deployment("alone", "edited")["global_concurrency_limit"]["limit"].clone();
    assert_eq!(limit(), 1);
    let unchanged = register(&flow, pool, &flows);
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
    let limited = format!(
        "/deployments/{}",
        server.deployment("alone", "edited")["id"].as_str().unwrap()
    );
    let edit = json!({
        "concurrency_limit": 5,
        "concurrency_options": { "collision_strategy": "CANCEL_NEW" },
    });
    server.send("PATCH", &limited, &edit);
    assert_eq!(limit(), 5);
    let deleted = format!(
        "/deployments/{}",
        server.deployment("waits", "edited")["id"].as_str().unwrap()
    );
    server.send("DELETE", &deleted, &Value::Null);
    let again = register(&flow, pool, &flows);
    let deployed = |flow: &str| {
        let line = again.iter().find(|line| line["flow"] == flow);
        line.unwrap()["deployment"].clone()
    };
    assert_eq!(deployed("talks")["changed"], json!(["description"]), "{again:#?}");
    assert_eq!(deployed("waits")["created"], true);
    assert_eq!(
        deployed("alone")["changed"],
        json!(["concurrency_limit", "concurrency_options.collision_strategy"])
    );
    assert_eq!(limit(), 1);
    let talks = server.deployment("talks", "edited");
    assert_eq!(
        talks["description"],
        "Says so many lines, by turns through `tracing` and `log`."
    );
    assert_eq!(talks["paused"], true, "an operator's pause is not ours to end");
    output(flow.command(&["unregister"]).args(flows).args(pool.options()));
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
