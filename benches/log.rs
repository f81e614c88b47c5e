//! What a flow's log costs: one line on the flow's thread, and 50,000 lines until a server has them.
//!
//! `cargo bench --bench log`. The lines are said by a child whose standard output is a pipe that is read and dropped, as a
//! container's is; the server is one on 127.0.0.1 that keeps up and counts. Beside it stands what no log can do without:
//! the write of such a line to such a pipe.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its table"
)]

mod kit;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flowimage_runtime::prefect::report::{FlowRun, Lines, Print, Room, install, send_all, send_to};
use flowimage_runtime::prefect::{Client, Settings};
use kit::median;
use serde_json::Value;

const LINES: usize = 50_000;

/// What is measured, in the order in which a child says it.
const ROWS: [&str; 6] = [
    "one line on the flow's thread, µs",
    "  of it, time on a processor",
    "the bare write of one line, µs",
    "  of it, time on a processor",
    "one line taken in, nine of ten into the file, µs",
    "50,000 lines until all are with the server, s",
];

fn main() {
    if let Ok(url) = std::env::var("FLOWIMAGE_BENCH_SERVER") {
        return say(&url);
    }
    let rounds = if std::env::args().any(|it| it == "--bench") {
        15
    } else {
        1
    };
    let mut measured = vec![Vec::new(); ROWS.len()];
    for _ in 0..rounds {
        let got = Arc::new(Mutex::new(Vec::new()));
        let url = serve(Arc::clone(&got));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("FLOWIMAGE_BENCH_SERVER", url)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = child.stdout.take().unwrap();
        let printing = std::thread::spawn(move || std::io::copy(&mut printed, &mut std::io::sink()).unwrap());
        let output = child.wait_with_output().unwrap();
        printing.join().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let numbers: Vec<f64> = said.split_whitespace().map(|it| it.parse().unwrap()).collect();
        assert_eq!(numbers.len(), ROWS.len(), "{said}");
        for (row, number) in measured.iter_mut().zip(numbers) {
            row.push(number);
        }
        let got = got.lock().unwrap();
        assert!(got.iter().copied().eq(0..LINES), "not whole, or not in order");
    }
    for (row, values) in ROWS.iter().zip(measured) {
        println!("{row:<48} {:7.2}", median(values));
    }
}

/// Microseconds of each of so many lines: as a clock on the wall says, and on a processor.
fn cost(mut line: impl FnMut(usize)) -> (f64, f64) {
    let (began, used) = (Instant::now(), on_a_processor());
    (0..LINES).for_each(&mut line);
    let each = |seconds: f64| seconds / LINES as f64 * 1e6;
    (each(began.elapsed().as_secs_f64()), each(on_a_processor() - used))
}

/// Seconds that this thread has been on a processor. Others may want that too while this runs.
fn on_a_processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The child: says the lines, and how long a line and the whole took.
fn say(url: &str) {
    let bare = "2026-01-01T00:00:00.000000Z  INFO log: line 12345 rows=42\n";
    let bare = std::thread::spawn(|| {
        let mut out = std::io::stdout().lock();
        cost(|_| out.write_all(bare.as_bytes()).unwrap())
    });
    let bare = bare.join().unwrap();
    let full = Lines::new(Room {
        memory: 256 << 10,
        ..Room::default()
    });
    let away = std::thread::spawn(move || cost(|_| full.push(20, "log", "line 12345 rows=42")));
    let away = away.join().unwrap();

    let settings = Settings::from_env(|name| (name == "PREFECT_API_URL").then(|| url.to_owned()));
    let run = Arc::new(FlowRun {
        client: Client::new(settings.unwrap().unwrap()).unwrap(),
        id: "00000000-0000-0000-0000-000000000000".to_owned(),
    });
    let lines = Arc::new(Lines::new(Room::default()));
    install(Print::Stdout);
    send_to(Arc::clone(&lines));
    let began = Instant::now();
    let flow = std::thread::spawn(|| cost(|number| tracing::info!(rows = 42, "line {number}")));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let line = runtime.block_on(async {
        let (close, closed) = tokio::sync::watch::channel(false);
        let sending = tokio::spawn(send_all(run, lines, closed, Duration::from_secs(60)));
        let line = tokio::task::spawn_blocking(|| flow.join().unwrap())
            .await
            .unwrap();
        close.send(true).unwrap();
        assert_eq!(sending.await.unwrap(), 0);
        line
    });
    let whole = began.elapsed().as_secs_f64();
    eprintln!("{} {} {} {} {} {whole}", line.0, line.1, bare.0, bare.1, away.0);
}

/// A server that takes logs and keeps each line's number.
fn serve(got: Arc<Mutex<Vec<usize>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            while take(&stream, &got).is_some() {}
        }
    });
    url
}

fn take(mut stream: &TcpStream, got: &Mutex<Vec<usize>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let lines: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let numbers = lines.iter().map(|line| {
        let words: Vec<_> = line["message"].as_str().unwrap().split(' ').collect();
        words[1].parse::<usize>().unwrap()
    });
    got.lock().unwrap().extend(numbers);
    stream
        .write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        .ok()
}
