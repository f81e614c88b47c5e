//! Many runs at a time, and a machine that dies. Takes minutes: `./test long`.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::Server;
use crate::test_flow::TestFlow;
use crate::{output, setting};

const RUNS: usize = 20;
const ROWS: u32 = 20;

/// Two workers in one pool stand for two machines.
fn worker(name: &str, what: &[&str]) {
    output(
        Command::new(setting("FLOWIMAGE_TEST_KIT"))
            .args(["prefect-worker", name])
            .args(what),
    );
}

#[test]
#[ignore = "minutes: a layer of its own"]
fn a_machine_dies_and_every_run_ends_with_its_rows_there_once() {
    let server = Server::new();
    let flow = TestFlow::new("watched", &setting("DOCKER_HOST"));
    let rows = flow.root().join("rows");
    std::fs::create_dir(&rows).unwrap();
    std::fs::set_permissions(&rows, std::fs::Permissions::from_mode(0o777)).unwrap();
    let database = rusqlite::Connection::open(rows.join("rows.db")).unwrap();
    database.busy_timeout(Duration::from_secs(30)).unwrap();
    database
        .execute("CREATE TABLE rows (run TEXT, row INTEGER)", ())
        .unwrap();
    std::fs::set_permissions(rows.join("rows.db"), std::fs::Permissions::from_mode(0o666)).unwrap();

    let registry = format!("{}/load", setting("FLOWIMAGE_TEST_REGISTRY"));
    let options = [
        "--work-pool",
        "machines",
        "--deployment",
        "load",
        "--registry",
        &registry,
        "--no-check",
    ];
    let mut register = flow.command(&["register", "writes", "--watchdog", "--create-work-pool", "docker"]);
    output(register.args(options));
    // Every job of this pool sees the folder with the database.
    let mut template = server.get("/work_pools/machines")["base_job_template"].clone();
    template["variables"]["properties"]["volumes"]["default"] = json!([format!("{}:/rows", rows.display())]);
    server.send(
        "PATCH",
        "/work_pools/machines",
        &json!({ "base_job_template": template }),
    );
    worker("machine-1", &["machines", "docker", "main"]);
    worker("machine-2", &["machines", "docker", "main"]);

    let deployment = server.deployment("writes", "load");
    let runs: Vec<_> = (0..RUNS)
        .map(|run| {
            let parameters = json!({ "run": run.to_string(), "rows": ROWS, "seconds": 60.0 });
            server.start(&deployment, &json!({ "parameters": parameters }))
        })
        .collect();
    for run in &runs {
        server.reaches(run, &["RUNNING", "COMPLETED"], 180);
    }
    // The machine: first who would notice, then everything on it.
    worker("machine-2", &["kill"]);
    let label = "label=io.prefect.worker-name=machine-2";
    let containers = output(Command::new("docker").args(["ps", "-q", "--filter", label]));
    let containers: Vec<_> = containers.lines().collect();
    assert!(
        (1..RUNS).contains(&containers.len()),
        "{} of the runs are the second worker's",
        containers.len()
    );
    output(Command::new("docker").arg("kill").args(&containers));
    let died = Instant::now();

    let mut listed = Vec::new();
    let mut states: Vec<Value> = Vec::new();
    while died.elapsed() < Duration::from_secs(120) {
        states = runs.iter().map(|run| server.run(run)).collect();
        let ended = |run: &&Value| run["state"]["type"] != "RUNNING";
        if states.iter().filter(ended).count() == RUNS {
            break;
        }
        let list = flow.command(&["list"]).args(options).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        let mut lines = list
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let writes = lines.find(|line| line["flow"] == "writes").unwrap();
        let orphans = writes["deployments"][0]["orphans"].as_array().unwrap();
        listed.extend(
            orphans
                .iter()
                .map(|orphan| orphan["name"].as_str().unwrap().to_owned()),
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    worker("machine-1", &["kill"]);
    listed.sort();
    listed.dedup();
    let of = |wanted: &str| {
        states
            .iter()
            .filter(|run| run["state"]["type"] == wanted)
            .collect::<Vec<_>>()
    };
    let (completed, crashed) = (of("COMPLETED"), of("CRASHED"));
    assert_eq!(
        completed.len() + crashed.len(),
        RUNS,
        "{:#?}",
        states.iter().map(|run| &run["state"]).collect::<Vec<_>>()
    );
    assert_eq!(crashed.len(), containers.len());
    let mut lost: Vec<_> = crashed.iter().map(|run| run["name"].as_str().unwrap()).collect();
    lost.sort_unstable();
    assert_eq!(listed, lost, "`list` named others than those that died");
    for run in completed {
        let name = run["parameters"]["run"].as_str().unwrap();
        let found: Vec<u32> = database
            .prepare("SELECT row FROM rows WHERE run = ?1 ORDER BY row")
            .unwrap()
            .query_map([name], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, (0..ROWS).collect::<Vec<_>>(), "the rows of run {name}");
    }
}
