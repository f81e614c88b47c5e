//! The same on the oldest server that is tested.

use serde_json::Value;

use crate::runs::{self, Pool};

const CONTAINERS: Pool = Pool {
    name: "containers",
    images: true,
    older: true,
};
const PROCESSES: Pool = Pool {
    name: "processes",
    images: false,
    older: true,
};

#[test]
fn it_is_older() {
    assert_eq!(CONTAINERS.server().get("/admin/version"), Value::from("3.4.0"));
}

#[test]
fn unchanged_flows_are_unchanged() {
    let lines = runs::register(
        CONTAINERS.flows(),
        CONTAINERS,
        &["talks", "fails", "panics", "alone"],
    );
    assert!(
        lines.iter().all(|line| line["status"] == "unchanged"),
        "{lines:#?}"
    );
    let limited = CONTAINERS.server().deployment("alone", CONTAINERS.name);
    assert_eq!(limited["global_concurrency_limit"]["limit"], 1);
}

#[test]
fn containers_complete_with_their_log_in_order() {
    runs::completes_with_its_log_in_order(CONTAINERS);
}

#[test]
fn processes_complete_with_their_log_in_order() {
    runs::completes_with_its_log_in_order(PROCESSES);
}

#[test]
fn containers_fail_with_the_errors_chain() {
    runs::fails_with_the_errors_chain(CONTAINERS);
}

#[test]
fn containers_are_cancelled_within_five_seconds() {
    runs::is_cancelled_within_five_seconds(CONTAINERS, false);
}

#[test]
fn processes_are_cancelled_within_five_seconds() {
    runs::is_cancelled_within_five_seconds(PROCESSES, false);
}

#[test]
fn containers_are_crashed_after_kill_9() {
    runs::is_crashed_after_kill_9(CONTAINERS);
}

#[test]
fn a_schedule_starts_runs_on_time() {
    runs::a_scheduled_run_is_on_time(PROCESSES);
}

#[test]
fn parameters_that_do_not_fit_are_refused_by_the_server() {
    runs::bad_parameters_are_refused(CONTAINERS);
}
