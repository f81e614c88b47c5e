//! What is asked of a Prefect server, and how often, with a small fake one that counts and misbehaves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use flowimage_runtime::Advise;
use flowimage_runtime::prefect::report::{FlowRun, Lines, Room, send_all};
use flowimage_runtime::prefect::{
    Client, Credentials, Orchestrator, PrefectError, Settings, Wanted, Wishes, last_runs,
};
use serde_json::{Value, json};

/// A server that knows version, flows, deployments and logs.
#[derive(Default)]
struct Fake {
    /// Method and path of every request.
    asked: Vec<String>,
    deployments: BTreeMap<String, Value>,
    logs: Vec<Value>,
    version: Option<String>,
    /// Statuses to answer next, instead of the right ones.
    faults: Vec<u16>,
    wants: Option<&'static str>,
    csrf: bool,
    /// Requests for runs are answered when so many are there.
    together: Option<Arc<Barrier>>,
}

struct Running {
    url: String,
    fake: Arc<Mutex<Fake>>,
}

fn serve(fake: Fake) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    let fake = Arc::new(Mutex::new(fake));
    let state = Arc::clone(&fake);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || while answer(&stream, &state).is_some() {});
        }
    });
    Running { url, fake }
}

/// Answers one request of a connection; `None` at its end.
fn answer(stream: &TcpStream, state: &Mutex<Fake>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?.strip_prefix("/api")?);
    let together = state.lock().unwrap().together.clone();
    if let Some(together) = together.filter(|_| path == "/flow_runs/filter") {
        together.wait();
    }
    let (status, said) = state.lock().unwrap().respond(method, path, &headers, &body);
    let said = said.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        said.len()
    );
    let mut stream = stream;
    stream.write_all((head + &said).as_bytes()).ok()
}

impl Fake {
    fn respond(
        &mut self,
        method: &str,
        path: &str,
        headers: &BTreeMap<String, String>,
        body: &Value,
    ) -> (u16, Value) {
        self.asked.push(format!("{method} {path}"));
        if let Some(fault) = self.faults.pop() {
            return (fault, json!({ "detail": "a fault" }));
        }
        if self.wants.is_some() && self.wants != headers.get("authorization").map(String::as_str) {
            return (401, json!({ "exception_message": "Unauthorized" }));
        }
        if path.starts_with("/csrf-token") {
            return (200, json!({ "token": "t" }));
        }
        if self.csrf && method == "POST" && headers.get("prefect-csrf-token").is_none_or(|token| token != "t")
        {
            return (403, json!({ "detail": "Missing CSRF token." }));
        }
        match (method, path) {
            ("GET", "/admin/version") => (200, json!(self.version.clone().unwrap_or("3.8.8".to_owned()))),
            ("POST", "/deployments/filter") => {
                let offset = body["offset"].as_u64().unwrap() as usize;
                let page: Vec<_> = self.deployments.values().skip(offset).take(200).collect();
                (200, json!(page))
            }
            ("POST", "/flows/") => (
                201,
                json!({ "id": format!("flow-{}", body["name"].as_str().unwrap()) }),
            ),
            ("POST", "/deployments/") => {
                let mut kept = body.clone();
                let id = format!("{}-id", body["flow_id"].as_str().unwrap());
                kept["id"] = json!(id);
                let new = self.deployments.insert(id, kept.clone()).is_none();
                (if new { 201 } else { 200 }, kept)
            }
            ("POST", "/flow_runs/filter") => {
                let deployment = &body["flow_runs"]["deployment_id"]["any_"][0];
                (200, json!([{ "name": deployment, "state_name": "Completed" }]))
            }
            ("POST", "/logs/") => {
                self.logs.extend(body.as_array().unwrap().iter().cloned());
                (201, Value::Null)
            }
            _ => (404, json!({ "detail": "Not Found" })),
        }
    }
}

fn settings(url: &str) -> Settings {
    let url = url.to_owned();
    Settings::from_env(|name| (name == "PREFECT_API_URL").then(|| url.clone()))
        .unwrap()
        .unwrap()
}

fn wanted(number: usize) -> Wanted {
    Wanted {
        flow: format!("flow-{number}"),
        name: "default".to_owned(),
        work_pool: "pool".to_owned(),
        parameter_schema: json!({ "type": "object" }),
        ..Wanted::default()
    }
}

async fn register(server: &Running, flows: usize) -> (usize, usize) {
    let before = server.fake.lock().unwrap().asked.len();
    let orchestrator = Orchestrator::reach(&Wishes::default(), settings(&server.url))
        .await
        .unwrap();
    let mut changed = 0;
    for number in 0..flows {
        let deployed = orchestrator.deploy(&wanted(number)).await.unwrap();
        changed += usize::from(deployed.created || !deployed.changes.is_empty());
    }
    (server.fake.lock().unwrap().asked.len() - before, changed)
}

#[tokio::test]
async fn fifty_unchanged_flows_cost_a_fixed_few_requests() {
    let server = serve(Fake::default());
    assert_eq!(register(&server, 50).await, (2 + 2 * 50, 50));
    assert_eq!(register(&server, 50).await, (2, 0));
    // One deleted and one edited by somebody else: both are put right, and nothing else is touched.
    {
        let mut fake = server.fake.lock().unwrap();
        fake.deployments.remove("flow-flow-7-id");
        fake.deployments.get_mut("flow-flow-8-id").unwrap()["description"] = json!("edited");
    }
    assert_eq!(register(&server, 50).await, (2 + 2 + 1, 2));
    assert_eq!(register(&server, 50).await, (2, 0));
}

#[tokio::test]
async fn more_deployments_than_a_page_holds_are_all_found() {
    let server = serve(Fake::default());
    register(&server, 230).await;
    assert_eq!(register(&server, 230).await, (3, 0));
}

#[tokio::test]
async fn last_runs_are_asked_for_eight_at_a_time_and_told_in_order() {
    let server = serve(Fake {
        together: Some(Arc::new(Barrier::new(8))),
        ..Fake::default()
    });
    register(&server, 16).await;
    let orchestrator = Orchestrator::reach(&Wishes::default(), settings(&server.url))
        .await
        .unwrap();
    let known = orchestrator.deployments().await;
    let runs = last_runs(orchestrator.client(), &known, Duration::from_secs(20));
    let names: Vec<_> = runs
        .await
        .unwrap()
        .into_iter()
        .map(|run| run.unwrap().name)
        .collect();
    let expected: Vec<_> = known.iter().map(|known| known.id.as_str()).collect();
    assert_eq!(
        (names.len(), names),
        (16, expected.iter().map(ToString::to_string).collect())
    );
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = serve(Fake {
        faults: vec![503, 429, 502],
        ..Fake::default()
    });
    assert_eq!(register(&server, 1).await.1, 1);
}

#[tokio::test]
async fn a_server_that_wants_a_csrf_token_gets_one() {
    let server = serve(Fake {
        csrf: true,
        ..Fake::default()
    });
    let (requests, changed) = register(&server, 2).await;
    // The refused first POST and the token.
    assert_eq!((requests, changed), (2 + 2 * 2 + 2, 2));
}

async fn refusal(fake: Fake, change: impl Fn(&mut Settings)) -> PrefectError {
    let server = serve(fake);
    let mut settings = settings(&server.url);
    change(&mut settings);
    Orchestrator::reach(&Wishes::default(), settings)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn every_fault_has_its_own_words() {
    let none = refusal(
        Fake {
            wants: Some("Basic YTpi"),
            ..Fake::default()
        },
        |_| {},
    )
    .await;
    assert!(
        none.to_string().ends_with("refuses to go on without credentials"),
        "{none}"
    );
    assert!(none.advice().unwrap().contains("PREFECT_API_AUTH_STRING"));
    let wrong = refusal(
        Fake {
            wants: Some("Basic YTpi"),
            ..Fake::default()
        },
        |settings| {
            settings.credentials = Some(Credentials::ApiKey("x".to_owned()));
        },
    );
    assert_eq!(wrong.await.advice().unwrap(), "check PREFECT_API_KEY");
    let old = refusal(
        Fake {
            version: Some("2.20.1".to_owned()),
            ..Fake::default()
        },
        |_| {},
    )
    .await;
    assert!(matches!(old, PrefectError::Old { .. }), "{old}");
    let other = refusal(Fake::default(), |settings| settings.api_url.push_str("/nowhere")).await;
    assert!(matches!(other, PrefectError::NotPrefect { .. }), "{other}");
    let away = refusal(Fake::default(), |settings| {
        settings.api_url = "http://127.0.0.1:9/api".to_owned()
    })
    .await;
    assert!(matches!(away, PrefectError::Unreachable { .. }), "{away}");
    let ca = refusal(Fake::default(), |settings| {
        settings.api_url = "https://127.0.0.1:9/api".to_owned();
        settings.certificates = Some("/nonexistent.pem".into());
    });
    let ca = ca.await.to_string();
    assert!(
        ca.starts_with("PREFECT_API_SSL_CERT_FILE names /nonexistent.pem, which cannot be read"),
        "{ca}"
    );
}

#[tokio::test]
async fn the_right_credentials_are_let_in() {
    let server = serve(Fake {
        wants: Some("Basic YTpi"),
        ..Fake::default()
    });
    let mut settings = settings(&server.url);
    settings.credentials = Some(Credentials::AuthString("a:b".to_owned()));
    Orchestrator::reach(&Wishes::default(), settings).await.unwrap();
}

#[tokio::test]
async fn the_log_catches_up_after_faults_whole_and_in_order() {
    let server = serve(Fake {
        faults: vec![503; 4],
        ..Fake::default()
    });
    let run = Arc::new(FlowRun {
        client: Client::new(settings(&server.url)).unwrap(),
        id: "run".to_owned(),
    });
    // So little room that most of it goes through the file.
    let lines = Arc::new(Lines::new(Room {
        memory: 10_000,
        file: 8 << 20,
    }));
    let (close, closed) = tokio::sync::watch::channel(false);
    let sending = tokio::spawn(send_all(run, Arc::clone(&lines), closed, Duration::from_secs(20)));
    for number in 0..5000 {
        lines.push(20, "flow", &format!("line {number}"));
    }
    close.send(true).unwrap();
    assert_eq!(sending.await.unwrap(), 0);
    let fake = server.fake.lock().unwrap();
    let messages: Vec<_> = fake
        .logs
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (0..5000).map(|number| format!("line {number}")).collect();
    assert_eq!(messages, expected);
    assert!(
        fake.logs
            .is_sorted_by(|a, b| a["timestamp"].as_str() < b["timestamp"].as_str())
    );
    assert_eq!(lines.left(), 0);
}
