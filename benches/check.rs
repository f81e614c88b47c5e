//! What health checks cost, beside starting a container of the same image that does nothing.
//!
//! `benches/run check`. The flow leans on nothing but its base: all probes of such a flow run, in one container. The
//! image is in the engine and was looked at before, as its base's layers have been wherever a flow is worked on. The
//! commands run in turn, so that a busy machine slows all alike; only the ratios mean something.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod kit;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use flowimage::prelude::*;
use kit::median;

const ROUNDS: usize = 15;
const IMAGE: &str = "flowimage-bench/based:1";

/// Says where it is.
#[flow_image(base_image = "debian:bookworm-slim")]
fn based() -> Result<String, std::io::Error> {
    fs::read_to_string("/etc/debian_version")
}

/// The benchmark's program is the flow's too: in the image it runs without cargo's argument.
fn main() -> ExitCode {
    if std::env::args().any(|it| it == "--bench") {
        measure();
        return ExitCode::SUCCESS;
    }
    flowimage::main()
}

fn measure() {
    assert!(
        std::env::var_os("FLOWIMAGE_TEST_ENV").is_some(),
        "no engine of the tests: `benches/run check`"
    );
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("target/flow");
    fs::create_dir(folder.path().join("target")).unwrap();
    fs::write(folder.path().join("target/CACHEDIR.TAG"), "").unwrap();
    fs::write(
        folder.path().join("Cargo.toml"),
        "[package]\nname = \"flowimage\"\n",
    )
    .unwrap();
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let flow = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder.path());
        command.env_remove("CARGO_MANIFEST_DIR");
        command
    };
    let quick = |mut command: Command| {
        command.stdout(Stdio::null());
        timed(&mut command)
    };
    quick(flow(&["register", "--quiet"]));
    into_the_engine(folder.path());
    let run = ["run", "--rm", "--entrypoint", "/bin/true", IMAGE];
    let docker = || {
        let mut command = Command::new("docker");
        command.args(run);
        command
    };
    let commands: [(&str, &dyn Fn() -> Command); 3] = [
        ("docker run --rm --entrypoint /bin/true IMAGE", &docker),
        ("PROGRAM check based --image IMAGE", &|| {
            flow(&["check", "based", "--image", IMAGE])
        }),
        (
            "PROGRAM check based (puts the image into the engine first)",
            &|| flow(&["check", "based"]),
        ),
    ];
    let mut times: [Vec<Duration>; 3] = Default::default();
    // The first round warms all up.
    for round in 0..=ROUNDS {
        for ((_, command), times) in commands.iter().zip(&mut times) {
            let time = quick(command());
            if round > 0 {
                times.push(time);
            }
        }
    }
    let medians = times.map(|times| median(times).as_secs_f64());
    println!("health checks, medians of {ROUNDS} alternating rounds");
    for ((name, _), seconds) in commands.iter().zip(medians) {
        println!("  {seconds:.3} s  {:.2}  {name}", seconds / medians[0]);
    }
    println!("  goal: at most 2.5 times the first");
}

fn timed(command: &mut Command) -> Duration {
    let started = Instant::now();
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let took = started.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    took
}

/// Puts the registered image into the engine, under a name.
fn into_the_engine(project: &Path) {
    let archive = project.join("image.tar");
    let layout = format!("oci:{}:based", project.join("target/flowimage/images").display());
    let target = format!("docker-archive:{}:{IMAGE}", archive.display());
    let mut copy = Command::new("skopeo");
    timed(copy.args(["--insecure-policy", "copy", "-q", &layout, &target]));
    timed(Command::new("docker").args(["load", "-q", "-i"]).arg(archive));
}
