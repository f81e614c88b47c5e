//! A deployment as it should be, and what is different on the server.

use std::collections::BTreeMap;

use flowimage_model::schedule::{Rhythm, Schedule};
use serde_json::{Map, Value, json};

use super::TAG;
use super::error::PrefectError;
use crate::oci::{Digest, sha256};

/// The queue that every work pool has.
const QUEUE: &str = "default";

/// What becomes of runs beyond the limit: they wait. The server could also cancel them.
const COLLISION: &str = "ENQUEUE";

/// Everything about a deployment that flowimage decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The flow's name.
    pub flow: String,
    /// The deployment's name.
    pub name: String,
    /// The work pool's name.
    pub work_pool: String,
    /// The queue of the pool; the pool's default one where none is named.
    pub work_queue: Option<String>,
    /// What a worker is told.
    pub job_variables: Map<String, Value>,
    /// The schema that parameters must fit.
    pub parameter_schema: Value,
    /// For people; Markdown.
    pub description: String,
    /// Beside flowimage's own.
    pub tags: Vec<String>,
    /// `schedule` of the API: `cron` or `interval` (seconds), with `timezone`.
    pub schedule: Option<Value>,
    /// How many runs at a time; more wait.
    pub concurrency_limit: Option<u32>,
    /// What it is a deployment of: shown by the server.
    pub version: String,
    /// Digest, program and the like.
    pub labels: BTreeMap<String, String>,
}

/// One thing that is not as it should be on the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The field of the deployment, such as `job_variables.image`.
    pub field: String,
    /// What the server has.
    pub was: Value,
    /// What it should have.
    pub is: Value,
}

/// A schedule as the API takes it.
pub fn body_schedule(schedule: &Schedule) -> Value {
    let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
    match &schedule.rhythm {
        Rhythm::Cron(fields) => json!({ "cron": fields, "timezone": zone }),
        // Whole intervals are counted from here, so that the same declaration gives the same times for ever.
        Rhythm::Every(interval) => json!({
            "interval": interval.as_secs(),
            "anchor_date": "2020-01-01T00:00:00Z",
            "timezone": zone,
        }),
    }
}

/// The labels, complete.
fn labels(wanted: &Wanted) -> BTreeMap<String, String> {
    let mut labels = wanted.labels.clone();
    labels.insert("flowimage.flow".to_owned(), wanted.flow.clone());
    labels.insert("flowimage.identity".to_owned(), identity(wanted).hex().to_owned());
    labels
}

/// The registration identity: a hash of all that the orchestrator is told, the image's digest included.
pub fn identity(wanted: &Wanted) -> Digest {
    let told = json!([
        wanted.flow,
        wanted.name,
        wanted.work_pool,
        wanted.work_queue,
        wanted.job_variables,
        wanted.parameter_schema,
        wanted.description,
        tags(wanted),
        wanted.schedule,
        wanted.concurrency_limit,
        wanted.version,
        wanted.labels,
    ]);
    sha256(told.to_string().as_bytes())
}

fn tags(wanted: &Wanted) -> Vec<String> {
    let mut tags = wanted.tags.clone();
    tags.push(TAG.to_owned());
    tags.sort();
    tags.dedup();
    tags
}

/// The body of `POST /deployments/`, whole: what is left out of it, the server empties or keeps as it likes.
///
/// Only `paused` is not in it: a pause is an operator's and survives. So does a schedule's, from `existing`.
pub fn body(wanted: &Wanted, flow_id: &str, existing: Option<&Value>) -> Value {
    let active = existing.is_none_or(|it| it["schedules"][0]["active"] != json!(false));
    let schedules: Vec<_> = wanted
        .schedule
        .iter()
        .map(|schedule| json!({ "slug": TAG, "active": active, "schedule": schedule, "parameters": {} }))
        .collect();
    json!({
        "name": wanted.name,
        "flow_id": flow_id,
        "work_pool_name": wanted.work_pool,
        "work_queue_name": wanted.work_queue.as_deref().unwrap_or(QUEUE),
        "version": wanted.version,
        "description": wanted.description,
        "tags": tags(wanted),
        "labels": labels(wanted),
        "enforce_parameter_schema": true,
        "parameter_openapi_schema": wanted.parameter_schema,
        "parameters": {},
        "schedules": schedules,
        "concurrency_limit": wanted.concurrency_limit,
        "concurrency_options": wanted.concurrency_limit.map(|_| json!({ "collision_strategy": COLLISION })),
        "job_variables": wanted.job_variables,
    })
}

/// What is not as it should be: nothing, for an unchanged deployment.
pub fn differences(wanted: &Wanted, server: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |field: &str, was: &Value, is: Value| {
        if *was != is {
            changes.push(Change {
                field: field.to_owned(),
                was: was.clone(),
                is,
            });
        }
    };
    compare(
        "work_pool_name",
        &server["work_pool_name"],
        json!(wanted.work_pool),
    );
    compare(
        "work_queue_name",
        &server["work_queue_name"],
        json!(wanted.work_queue.as_deref().unwrap_or(QUEUE)),
    );
    compare("version", &server["version"], json!(wanted.version));
    compare("description", &server["description"], json!(wanted.description));
    compare("tags", &sorted(&server["tags"]), json!(tags(wanted)));
    compare(
        "enforce_parameter_schema",
        &server["enforce_parameter_schema"],
        json!(true),
    );
    compare(
        "parameter_openapi_schema",
        &server["parameter_openapi_schema"],
        wanted.parameter_schema.clone(),
    );
    compare("parameters", &server["parameters"], json!({}));
    compare(
        "schedules",
        &schedules(&server["schedules"]),
        wanted_schedules(wanted),
    );
    let limit = match &server["global_concurrency_limit"]["limit"] {
        Value::Null => &server["concurrency_limit"],
        limit => limit,
    };
    compare("concurrency_limit", limit, json!(wanted.concurrency_limit));
    if wanted.concurrency_limit.is_some() {
        compare(
            "concurrency_options.collision_strategy",
            &server["concurrency_options"]["collision_strategy"],
            json!(COLLISION),
        );
    }
    for (label, value) in labels(wanted) {
        compare(
            &format!("labels.{label}"),
            &server["labels"][&label],
            json!(value),
        );
    }
    let names = server["job_variables"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    let mut names: Vec<_> = names.chain(wanted.job_variables.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let is = wanted.job_variables.get(name).cloned().unwrap_or_default();
        compare(
            &format!("job_variables.{name}"),
            &server["job_variables"][name],
            is,
        );
    }
    changes
}

fn sorted(tags: &Value) -> Value {
    let mut tags: Vec<_> = tags
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    tags.sort_unstable();
    json!(tags)
}

/// What of the server's schedules is ours to decide.
fn schedules(server: &Value) -> Value {
    let schedules = server.as_array().into_iter().flatten();
    schedules.map(|it| comparable(&it["schedule"])).collect()
}

fn wanted_schedules(wanted: &Wanted) -> Value {
    wanted.schedule.iter().map(comparable).collect()
}

fn comparable(schedule: &Value) -> Value {
    let zone = schedule["timezone"].as_str().unwrap_or("UTC");
    match schedule["interval"].as_f64() {
        Some(seconds) => json!([seconds, zone]),
        None => json!([schedule["cron"], zone]),
    }
}

/// Refuses a name that Prefect would refuse, or answer with an error of its own.
///
/// Source: `BANNED_CHARACTERS` in Prefect's `prefect/types/names.py`; an empty name is taken and useless.
///
/// # Errors
/// The name, and why.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), PrefectError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.contains(['/', '%', '&', '>', '<']) {
        "none of / % & > < may be in it"
    } else {
        return Ok(());
    };
    Err(PrefectError::Name {
        what,
        name: name.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            flow: "orders".to_owned(),
            name: "default".to_owned(),
            work_pool: "pool".to_owned(),
            job_variables: json!({ "image": "r/orders@sha256:1", "command": "run orders" })
                .as_object()
                .unwrap()
                .clone(),
            parameter_schema: json!({ "type": "object" }),
            tags: vec!["nightly".to_owned()],
            schedule: Some(json!({ "interval": 60, "timezone": "UTC" })),
            concurrency_limit: Some(1),
            ..Wanted::default()
        }
    }

    /// What a server answers after it took a body.
    fn taken(body: Value) -> Value {
        let mut server = body;
        server["schedules"][0]["schedule"]["interval"] = json!(60.0);
        server["global_concurrency_limit"] = json!({ "limit": server["concurrency_limit"] });
        server["concurrency_limit"] = Value::Null;
        server["labels"]["prefect.of.its.own"] = json!("x");
        server
    }

    #[test]
    fn what_was_sent_is_unchanged_and_every_edit_is_seen() {
        let server = taken(body(&wanted(), "id", None));
        assert_eq!(differences(&wanted(), &server), []);
        let edits: [(&str, Value, &str); 10] = [
            ("/description", json!("edited"), "description"),
            ("/tags", json!(["flowimage"]), "tags"),
            ("/job_variables/image", json!("other"), "job_variables.image"),
            (
                "/job_variables",
                json!({ "image": "r/orders@sha256:1", "command": "run orders", "env": {} }),
                "job_variables.env",
            ),
            ("/schedules", json!([]), "schedules"),
            ("/global_concurrency_limit", Value::Null, "concurrency_limit"),
            (
                "/concurrency_options/collision_strategy",
                json!("CANCEL_NEW"),
                "concurrency_options.collision_strategy",
            ),
            ("/parameter_openapi_schema", json!({}), "parameter_openapi_schema"),
            (
                "/enforce_parameter_schema",
                json!(false),
                "enforce_parameter_schema",
            ),
            ("/labels/flowimage.flow", json!("x"), "labels.flowimage.flow"),
        ];
        for (pointer, value, field) in edits {
            let mut edited = server.clone();
            *edited.pointer_mut(pointer).unwrap() = value;
            let changes = differences(&wanted(), &edited);
            let fields: Vec<_> = changes.iter().map(|change| change.field.as_str()).collect();
            assert_eq!(fields, [field]);
        }
    }

    #[test]
    fn a_paused_schedule_stays_paused() {
        let mut server = taken(body(&wanted(), "id", None));
        server["schedules"][0]["active"] = json!(false);
        assert_eq!(differences(&wanted(), &server), []);
        assert_eq!(
            body(&wanted(), "id", Some(&server))["schedules"][0]["active"],
            json!(false)
        );
    }

    #[test]
    fn the_identity_is_of_all_that_is_told() {
        let same = identity(&wanted());
        let mut other = wanted();
        other.schedule = None;
        assert_ne!(identity(&other), same);
        assert_eq!(identity(&wanted()), same);
    }

    #[test]
    fn names_that_prefect_refuses() {
        for name in ["", "a/b", "50%", "a&b", "<a>"] {
            assert!(check_name("flow", name).is_err(), "{name}");
        }
        check_name("flow", "nightly orders-é").unwrap();
    }
}
