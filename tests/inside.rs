//! What the flow binary does when it is asked for its health, on this machine: how programs end, and that nothing of
//! them is left.

#[path = "common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::Project;
use serde_json::{Value, json};

/// Has the example carry out tasks, and gives the lines of its answer.
fn answer(tasks: &[(&[&str], u64)], processes: usize) -> Vec<Value> {
    let project = Project::new();
    let tasks: Vec<_> = tasks
        .iter()
        .enumerate()
        .map(|(id, (argv, seconds))| json!({ "id": id.to_string(), "argv": argv, "seconds": seconds }))
        .collect();
    let plan = json!({
        "mark": "m", "variables": ["AIRPORTS_CONFIG", "UNSET"], "tasks": tasks,
        "processes": processes, "memory": 128 << 20,
    });
    let mut command = project.command(&["__probe", &plan.to_string()]);
    let output = command.env("AIRPORTS_CONFIG", "here").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line.strip_prefix("flowimage m ").unwrap()).unwrap())
        .collect()
}

/// How a shell's script ends.
fn end(script: &str, seconds: u64, processes: usize) -> Value {
    let lines = answer(&[(&["/bin/sh", "-c", script], seconds)], processes);
    lines[2]["ended"].clone()
}

#[test]
fn the_flow_binary_says_what_it_is() {
    let lines = answer(&[], 100);
    let loaded = &lines[0]["loaded"];
    let flows = loaded["flows"].as_object().unwrap();
    assert_eq!(
        flows.keys().collect::<Vec<_>>(),
        ["carrier-delays", "late-departures", "sorted-airlines"]
    );
    assert_eq!(loaded["variables"], json!({"AIRPORTS_CONFIG": "here"}));
    let hashes: std::collections::BTreeSet<_> = flows
        .values()
        .map(|flow| &flow["declaration"])
        .map(Value::to_string)
        .collect();
    assert_eq!(hashes.len(), 3);
    assert!(hashes.iter().all(|hash| hash.starts_with("\"sha256:")));
    assert_eq!(lines[1], json!("done"));
}

#[test]
fn ends_are_told_apart() {
    let exited = end("echo out; echo err >&2; exit 3", 60, 100);
    assert_eq!(
        (&exited["how"], &exited["stdout"], &exited["stderr"]),
        (&json!({"exited": 3}), &json!("out\n"), &json!("err\n"))
    );
    assert_eq!(end("kill -SEGV $$", 60, 100)["how"], json!({"signal": 11}));
    assert_eq!(end("echo begun; sleep 300", 1, 100)["how"], json!("timed_out"));
    // A closed output is no end.
    assert_eq!(end("exec >&- 2>&-; sleep 300", 1, 100)["how"], json!("timed_out"));
    let flood = end("yes", 300, 100);
    assert_eq!(flood["how"], json!("flooded"));
    assert!(flood["stdout"].as_str().unwrap().len() < 20_000);
    let many = "i=0; while [ $i -lt 60 ]; do sleep 300 & i=$((i+1)); done; wait";
    assert_eq!(end(many, 300, 40)["how"], json!("forked"));
    // One stays below the limit on memory, two together do not.
    let holds = "{ head -c 90000000 /dev/zero; sleep 300; } | tail -c 90000000";
    assert_eq!(end(holds, 2, 100)["how"], json!("timed_out"));
    assert_eq!(
        end(&format!("{holds} & {holds}"), 300, 100)["how"],
        json!("out_of_memory")
    );
    let lines = answer(&[(&["/no/such/program"], 1)], 100);
    assert!(lines[2]["ended"]["how"]["not_started"].is_string(), "{lines:?}");
}

#[test]
fn what_a_task_leaves_behind_is_gone_and_holds_nothing_up() {
    let began = Instant::now();
    let mark = format!("{}.5", 300_000 + std::process::id());
    // In a session of its own, so that ending the group does not reach it.
    let left = format!("setsid sleep {mark} & sleep 0.3; echo done");
    let lines = answer(
        &[
            (&["/bin/sh", "-c", &left], 60),
            (&["/bin/sh", "-c", "echo next"], 60),
        ],
        100,
    );
    assert_eq!(lines[2]["ended"]["stdout"], "done\n");
    assert_eq!(lines[4]["ended"]["stdout"], "next\n");
    assert!(began.elapsed() < Duration::from_secs(60));
    let alive = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
    });
    assert!(!alive);
}
