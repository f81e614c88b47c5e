//! How many requests a whole command makes, counted on the way to the real servers.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::setting;
use crate::test_flow::TestFlow;

const FLOWS: usize = 50;

/// A port in front of a server. It keeps the path of every request that passes.
struct Door {
    address: SocketAddr,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Door {
    /// In front of `HOST:PORT`.
    fn new(server: &str) -> Self {
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let paths = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&paths);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    carry(client, server, |bytes| {
                        seen.extend_from_slice(bytes);
                        note(&mut seen, &kept);
                    });
                });
                std::thread::spawn(move || carry(back.0, back.1, |_| ()));
            }
        });
        Self { address, paths }
    }

    /// The paths since the last time.
    fn passed(&self) -> Vec<String> {
        std::mem::take(&mut self.paths.lock().unwrap())
    }
}

/// Keeps the path of each request line. A connection serves many requests, one after the other.
fn note(seen: &mut Vec<u8>, paths: &Mutex<Vec<String>>) {
    const END: &[u8] = b" HTTP/1.1\r\n";
    while let Some(at) = seen.windows(END.len()).position(|bytes| bytes == END) {
        let line = String::from_utf8_lossy(&seen[..at]);
        let path = line.rsplit(' ').next().unwrap_or_default();
        paths.lock().unwrap().push(path.to_owned());
        seen.drain(..at + END.len());
    }
    // The rest of a body; a request line is short.
    let done = seen.len().saturating_sub(4096);
    seen.drain(..done);
}

/// Copies one direction until its end, and passes the end on.
fn carry(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer) {
        see(&buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn fifty_unchanged_flows_cost_at_most_a_request_each() {
    let url = setting("PREFECT_API_URL");
    let prefect = Door::new(url.trim_start_matches("http://").trim_end_matches("/api"));
    let registry = Door::new(&setting("FLOWIMAGE_TEST_REGISTRY"));
    let flow = TestFlow::new("fifty", &setting("DOCKER_HOST"));
    let repository = format!("{}/fifty", registry.address);
    let register = |statuses: &str| {
        let mut command = flow.command(&["register", "--no-check", "--work-pool", "containers"]);
        command.args(["--deployment", "fifty", "--registry", &repository]);
        let said = command
            .env("PREFECT_API_URL", format!("http://{}/api", prefect.address))
            .output()
            .unwrap();
        let lines = String::from_utf8(said.stdout).unwrap();
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let as_expected = lines.iter().filter(|line| line["status"] == statuses).count();
        assert_eq!(as_expected, FLOWS, "{lines:#?}");
        (prefect.passed(), registry.passed())
    };
    let (first, sent) = register("registered");
    assert!(
        first.len() >= FLOWS && sent.len() >= FLOWS,
        "the doors count nothing"
    );
    let (asked, looked) = register("unchanged");
    // Version, deployments, pool.
    assert!(asked.len() <= 5, "{asked:#?}");
    assert!(looked.len() <= FLOWS + 2, "{looked:#?}");
    assert!(asked.len() + looked.len() <= FLOWS + 5, "{asked:#?} {looked:#?}");
}
