//! The Prefect server of the tests, and what they ask of it.

use std::time::{Duration, Instant};

use flowimage_runtime::prefect::{Answer, Client, Settings};
use serde_json::{Value, json};

use crate::setting;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Server {
    /// The newer of the two servers that all tests share.
    pub(crate) fn new() -> Self {
        Self::at(&setting("PREFECT_API_URL"), None)
    }

    /// Another one, with `user:password` where it asks for that.
    pub(crate) fn at(url: &str, login: Option<&str>) -> Self {
        let settings = Settings::from_env(|name| match name {
            "PREFECT_API_URL" => Some(url.to_owned()),
            "PREFECT_API_AUTH_STRING" => login.map(str::to_owned),
            _ => None,
        });
        Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            client: Client::new(settings.unwrap().unwrap()).unwrap(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.runtime.block_on(self.client.get(path, PATIENCE)).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.runtime
            .block_on(self.client.post(path, body, PATIENCE))
            .unwrap()
    }

    /// Whatever is answered.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = method.parse().unwrap();
        let answer = self.client.send(method, path, Some(body), PATIENCE);
        self.runtime.block_on(answer).unwrap()
    }

    pub(crate) fn deployment(&self, flow: &str, name: &str) -> Value {
        self.get(&format!("/deployments/name/{flow}/{name}"))
    }

    /// Starts a run of a deployment; its id.
    pub(crate) fn start(&self, deployment: &Value, body: &Value) -> String {
        let path = format!(
            "/deployments/{}/create_flow_run",
            deployment["id"].as_str().unwrap()
        );
        self.post(&path, body)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, id: &str) -> Value {
        self.get(&format!("/flow_runs/{id}"))
    }

    /// Waits until a run's state is one of these types.
    pub(crate) fn reaches(&self, id: &str, types: &[&str], seconds: u64) -> Value {
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            let run = self.run(id);
            let state = run["state_type"].as_str().unwrap_or_default();
            if types.contains(&state) {
                return run;
            }
            assert!(
                Instant::now() < until,
                "still {state} after {seconds} s: {:#}\n{}",
                run["state"],
                self.log(id).join("\n")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// When a run came into a state of this type first, by the server's clock; RFC 3339.
    pub(crate) fn since(&self, id: &str, kind: &str) -> String {
        let states = self.get(&format!("/flow_run_states/?flow_run_id={id}"));
        let of_kind = states.as_array().unwrap().iter();
        let times = of_kind
            .filter(|state| state["type"] == kind)
            .map(|state| state["timestamp"].as_str().unwrap().to_owned());
        times.min().unwrap()
    }

    /// Waits for a run's end.
    pub(crate) fn ends(&self, id: &str, seconds: u64) -> Value {
        self.reaches(id, &["COMPLETED", "FAILED", "CANCELLED", "CRASHED"], seconds)
    }

    /// Waits until a flow itself has said that it is at work.
    pub(crate) fn says(&self, id: &str, line: &str, seconds: u64) {
        let until = Instant::now() + Duration::from_secs(seconds);
        while !self.log(id).iter().any(|said| said == line) {
            assert!(
                Instant::now() < until,
                "no `{line}` after {seconds} s: {:#}",
                self.run(id)["state"]
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The messages of a run's log that are its own, not its worker's.
    pub(crate) fn log(&self, id: &str) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            let page = self.post(
                "/logs/filter",
                &json!({
                    "logs": { "flow_run_id": { "any_": [id] } },
                    "sort": "TIMESTAMP_ASC",
                    "offset": messages.len(),
                    "limit": 200,
                }),
            );
            let page = page.as_array().unwrap().clone();
            messages.extend(page.iter().cloned());
            if page.len() < 200 {
                break;
            }
        }
        let own = |line: &&Value| !line["name"].as_str().unwrap().starts_with("prefect.");
        messages
            .iter()
            .filter(own)
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn cancel(&self, id: &str) {
        let state = json!({ "state": { "type": "CANCELLING", "name": "Cancelling" }, "force": false });
        let answer = self.post(&format!("/flow_runs/{id}/set_state"), &state);
        assert_eq!(answer["status"], "ACCEPT", "{answer:#}");
    }
}
