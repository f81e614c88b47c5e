//! A gallery of broken images, each beside a healthy twin that differs in one thing: every broken one is refused for
//! its own reason and with its own advice, every twin passes.

mod cases;
mod workshop;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use cases::{CASES, Case};
use workshop::Workshop;

use crate::common::example;
use crate::{docker, setting};

#[test]
fn every_broken_image_is_refused_for_its_own_reason_and_every_twin_passes() {
    let workshop = Workshop::open();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        // Some wait for a time limit: more at a time than there are processors.
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = CASES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(reason) = case.try_out(&workshop) {
                        wrong.lock().unwrap().push(format!("{}: {reason}", case.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n\n")
    );
    workshop.close();
}

/// The container's limit comes before the number at which a program is ended: it is refused a process, and gives up.
#[test]
fn giving_up_at_the_containers_limit_of_processes_is_starting_them_without_end() {
    let script = "i=0; while [ $i -lt 60 ]; do sleep 300 & i=$((i+1)); done; wait";
    let plan = json!({
        "mark": "m", "variables": [], "processes": 10_000, "memory": null,
        "tasks": [{ "id": "it", "argv": ["/bin/sh", "-c", script], "seconds": 60 }],
    });
    let container = docker(&[
        "create",
        "--network=none",
        "--pids-limit=40",
        "--entrypoint=/flow",
        &setting("FLOWIMAGE_TEST_BASE"),
        "__probe",
        &plan.to_string(),
    ]);
    let container = container.trim();
    docker(&[
        "cp",
        example("checks").to_str().unwrap(),
        &format!("{container}:/flow"),
    ]);
    let answer = docker(&["start", "--attach", container]);
    docker(&["rm", container]);
    let end = answer.lines().nth(2).unwrap();
    assert!(end.contains(r#""how":"forked""#), "{answer}");
}

#[test]
fn the_gallery_is_large_and_no_two_are_refused_in_the_same_words() {
    assert!(CASES.len() >= 40, "{}", CASES.len());
    let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    let reasons: BTreeSet<_> = CASES.iter().map(|case| (case.check, case.detail)).collect();
    assert_eq!((names.len(), reasons.len()), (CASES.len(), CASES.len()));
    assert!(
        CASES
            .iter()
            .all(|case| !case.advice.is_empty() && case.broken != case.healthy)
    );
}

impl Case {
    fn try_out(&self, workshop: &Workshop) -> Result<(), String> {
        let (broken, status) = workshop.check(self.flow, &format!("{}-broken", self.name), self.broken);
        let failed: Vec<&Value> = checks(&broken)
            .filter(|check| check["status"] == "fail")
            .collect();
        let [only] = failed[..] else {
            return Err(format!("not one check failed but {}: {broken:#}", failed.len()));
        };
        let says = |key: &str, words: &str| only[key].as_str().is_some_and(|text| text.contains(words));
        if only["name"] != self.check || !says("detail", self.detail) || !says("advice", self.advice) {
            return Err(format!("refused otherwise: {only:#}"));
        }
        let message = format!("{}: {}", self.check, only["detail"].as_str().unwrap_or_default());
        if status != 1 || broken["error"]["stage"] != "check" || broken["error"]["message"] != message {
            return Err(format!("status {status}: {broken:#}"));
        }
        let (healthy, status) = workshop.check(self.flow, &format!("{}-healthy", self.name), self.healthy);
        let passes = |check: &Value| matches!(check["status"].as_str(), Some("pass" | "warn"));
        if status != 0 || !checks(&healthy).all(passes) {
            return Err(format!("the twin is refused: {healthy:#}"));
        }
        Ok(())
    }
}

fn checks(line: &Value) -> impl Iterator<Item = &Value> {
    line["checks"].as_array().into_iter().flatten()
}
