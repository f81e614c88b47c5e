//! A second registration where nothing changed, counted: what was asked of the registry and of the engine, and what was
//! read of the files and of the program.

#[path = "../../../../flowimage-runtime/tests/registry/fake.rs"]
#[allow(dead_code, reason = "the registry's own tests use the rest")]
mod fake;
#[path = "../../../../flowimage-runtime/tests/registry/server.rs"]
#[allow(dead_code, reason = "the registry's own tests use the rest")]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use server::Server;

/// Bytes that may be read where nothing changed: the index, the catalog, the heads of program and libraries.
const LITTLE: u64 = 1 << 20;

/// A program in a project of its own, with an engine that nobody should knock at and a registry that counts.
struct Machine {
    project: tempfile::TempDir,
    program: PathBuf,
    knocks: Arc<AtomicUsize>,
    registry: Server,
}

/// What a command did.
struct Ran {
    lines: Vec<Value>,
    /// Bytes that it read, of whatever file.
    read: u64,
    /// Its requests to the registry: method, path and bytes sent.
    requests: Vec<(String, String, u64)>,
    /// How often it came to the engine's door.
    knocks: usize,
}

impl Machine {
    async fn new(program: &str) -> Self {
        let project = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let package = project.path().join("tests/flows");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("Cargo.toml"), "[package]\nname = \"test-flows\"\n").unwrap();
        let target = project.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        let name = Path::new(program).file_name().unwrap();
        let copy = target.join(name);
        fs::hard_link(program, &copy).unwrap();
        let knocks = Arc::new(AtomicUsize::new(0));
        let (counted, door) = (
            knocks.clone(),
            UnixListener::bind(project.path().join("engine.sock")).unwrap(),
        );
        // Whoever comes is counted, and sent away.
        std::thread::spawn(move || {
            for _ in door.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            project,
            program: copy,
            knocks,
            registry: Server::fake().await,
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.registry.forget();
        self.knocks.store(0, Ordering::SeqCst);
        let said = self.project.path().join("said");
        let mut child = Command::new(&self.program)
            .args(arguments)
            .args(["--json", "--no-check", "--registry"])
            .arg(format!("{}/counted", self.registry.address))
            .current_dir(self.project.path())
            .env(
                "DOCKER_HOST",
                format!("unix://{}/engine.sock", self.project.path().display()),
            )
            .env("DOCKER_CONFIG", self.project.path())
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("SOURCE_DATE_EPOCH")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let read = read_at_the_end(child.id());
        child.wait().unwrap();
        let requests = self.registry.seen().into_iter();
        let lines = fs::read_to_string(said).unwrap();
        Ran {
            lines: lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            read,
            requests: requests
                .map(|it| (it.method.clone(), it.path().to_owned(), it.length))
                .collect(),
            knocks: self.knocks.load(Ordering::SeqCst),
        }
    }

    /// Writes into the file index, in place of every file's digest, another one: what is planned of a file that is
    /// not read is then wrong.
    fn falsify_the_index(&self) {
        let path = self.project.path().join("target/flowimage/files");
        let text = fs::read_to_string(&path).unwrap();
        let (head, lines) = text.split_once('\n').unwrap();
        let lines = lines.lines().map(|line| {
            let (known, _digest) = line.rsplit_once(' ').unwrap();
            format!("{known} sha256:{}\n", "0".repeat(64))
        });
        let lines: String = lines.collect();
        // The index vouches for its lines by their checksum.
        let (form, _sum) = head.rsplit_once(' ').unwrap();
        let text = format!("{form} {:08x}\n{lines}", libdeflater::crc32(lines.as_bytes()));
        fs::write(&path, text).unwrap();
    }
}

/// Waits for the end of a process, and says how much it has read by then.
fn read_at_the_end(id: u32) -> u64 {
    let of_process = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap();
    while !of_process("status").contains("State:\tZ") {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let io = of_process("io");
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

fn statuses(ran: &Ran) -> BTreeSet<&str> {
    ran.lines
        .iter()
        .filter_map(|line| line["status"].as_str())
        .collect()
}

/// What two registrations of the same did.
fn twice(machine: &Machine) -> (Ran, Ran) {
    // A file that was made or linked a moment ago is read again, for it may change yet without a trace.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let first = machine.run(&["register"]);
    assert_eq!(
        statuses(&first),
        BTreeSet::from(["registered"]),
        "{:#?}",
        first.lines
    );
    let second = machine.run(&["register"]);
    assert_eq!(
        statuses(&second),
        BTreeSet::from(["unchanged"]),
        "{:#?}",
        second.lines
    );
    (first, second)
}

/// The one look at the target: the manifest that is registered of a flow, and nothing sent.
fn look(line: &Value) -> (String, String, u64) {
    let path = format!(
        "/v2/counted/{}/manifests/{}",
        line["flow"].as_str().unwrap(),
        line["digest"].as_str().unwrap()
    );
    ("HEAD".to_owned(), path, 0)
}

/// What a plan says of files whose digests in the index are false.
fn planned_with_a_false_index(machine: &Machine) -> Vec<String> {
    machine.falsify_the_index();
    let planned = machine.run(&["plan"]);
    let because = planned.lines.iter().map(|line| line["plan"]["because"].as_str());
    because.map(|it| it.unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_costs_one_request_and_no_byte_of_its_files() {
    const FILES: u64 = 8;
    const BYTES: u64 = 4 << 20;
    let machine = Machine::new(env!("CARGO_BIN_EXE_many_files")).await;
    let data = machine.project.path().join("tests/flows/data");
    fs::create_dir(&data).unwrap();
    for number in 0..FILES {
        let mut seed = number + 1;
        let noise: Vec<u8> = (0..BYTES)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        fs::write(data.join(number.to_string()), noise).unwrap();
    }
    let (first, second) = twice(&machine);
    assert!(
        first.read > FILES * BYTES,
        "what is read is counted: {}",
        first.read
    );
    assert_eq!(second.requests, [look(&second.lines[0])]);
    assert_eq!(second.knocks, 0);
    assert!(second.read < LITTLE, "{} bytes were read", second.read);

    let said = planned_with_a_false_index(&machine);
    for number in 0..FILES {
        let changed = format!("file /data/{number} changed");
        assert!(said[0].contains(&changed), "{changed}: {said:#?}");
    }
    assert!(said[0].contains("binary /opt/flow/flow changed"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_flows_read_their_program_once_and_unchanged_cost_one_request_each() {
    let machine = Machine::new(env!("CARGO_BIN_EXE_twenty")).await;
    let program = fs::metadata(&machine.program).unwrap().len();
    let (first, second) = twice(&machine);
    // Once to be hashed, once to be stripped and compressed; and then it is sent.
    let times = first.read / program;
    assert!(times == 2, "{} of {program} bytes were read", first.read);
    let large = first.requests.iter().filter(|request| request.2 > program / 10);
    assert_eq!(large.count(), 1, "{:#?}", first.requests);
    assert_eq!(second.lines.len(), 20);
    let seen: BTreeSet<_> = second.requests.iter().cloned().collect();
    assert_eq!(seen, second.lines.iter().map(look).collect());
    assert_eq!((second.requests.len(), second.knocks), (20, 0));
    assert!(second.read < LITTLE, "{} bytes were read", second.read);

    let said = planned_with_a_false_index(&machine);
    assert_eq!(said.len(), 20);
    for because in said {
        assert!(because.contains("binary /opt/flow/flow changed"), "{because}");
    }
}
