//! What the smallest flow costs by each set of features: crates, processor time of a clean build, the program's size and
//! its image's; and what a release profile makes of it.
//!
//! `benches/run size [WORD…]` writes small crates below `target/` and builds them, only lines whose names have one of the
//! words. A build takes minutes, and processor time and sizes hardly differ between two, so there is one of each.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod kit;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use kit::{SmallCrate, children_seconds};
use serde_json::Value;

/// As a flow's author would write it.
const HELLO: &str = r#"use flowimage::prelude::*;

/// Says hello.
#[flow_image]
fn hello() -> String {
    "hello".to_owned()
}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
"#;

/// Sets of features, the first without any.
const SETS: [(&str, &str); 7] = [
    ("none", ""),
    ("kubernetes", "'kubernetes'"),
    ("registry", "'registry'"),
    ("prefect", "'prefect'"),
    ("engine", "'engine'"),
    ("default", "'default'"),
    ("all", "'default', 'kubernetes'"),
];

/// What sets of features are compared with.
const ADVISED: &str = "lto = true\ncodegen-units = 1\nstrip = true";

const PROFILES: [(&str, &str); 5] = [
    ("as cargo has it", ""),
    ("strip", "strip = true"),
    ("strip, lto = \"thin\"", "strip = true\nlto = \"thin\""),
    ("strip, lto, codegen-units = 1", ADVISED),
    (
        "strip, lto, codegen-units = 1, opt-level = \"s\"",
        "lto = true\ncodegen-units = 1\nstrip = true\nopt-level = \"s\"",
    ),
];

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    words.retain(|it| !it.starts_with("--"));
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));

    println!(
        "| features | crates | `cargo check`, CPU s | `cargo build --release`, CPU s | program, MB | image, MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, features) in SETS.iter().filter(|(name, _)| wanted(name)) {
        let hello = hello(&format!("set-{name}"), features, ADVISED);
        hello.clean();
        let check = seconds(&hello, &["check", "--quiet", "--offline"]);
        let build = release(&hello);
        println!(
            "| {name} | {} | {check:.0} | {build:.0} | {:.1} | {:.1} |",
            hello.dependencies(),
            megabytes(&hello),
            image(&hello)
        );
        hello.clean();
    }
    println!();
    println!("| `[profile.release]` | clean, CPU s | after an edit, s | program, MB | image, MB |");
    println!("| --- | --- | --- | --- | --- |");
    for (number, (name, profile)) in PROFILES.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
        let hello = hello(&format!("profile-{number}"), "'default'", profile);
        hello.clean();
        let build = release(&hello);
        fs::write(hello.path("src/main.rs"), HELLO.replace("\"hello\"", "\"hallo\"")).unwrap();
        let start = Instant::now();
        release(&hello);
        println!(
            "| {name} | {build:.0} | {:.0} | {:.1} | {:.1} |",
            start.elapsed().as_secs_f64(),
            megabytes(&hello),
            image(&hello)
        );
        hello.clean();
    }
}

fn hello(name: &str, features: &str, profile: &str) -> SmallCrate {
    let hello = SmallCrate::new(
        "size",
        name,
        &format!(
            "[dependencies]\nflowimage = {{ path = \"ROOT\", default-features = false, features = [{features}] }}\n\n\
             [profile.release]\n{profile}"
        ),
    );
    fs::write(hello.path("src/main.rs"), HELLO).unwrap();
    hello
}

fn release(hello: &SmallCrate) -> f64 {
    seconds(hello, &["build", "--release", "--quiet", "--offline"])
}

/// On all processors together.
fn seconds(hello: &SmallCrate, arguments: &[&str]) -> f64 {
    let before = children_seconds();
    hello.cargo(arguments);
    children_seconds() - before
}

fn megabytes(hello: &SmallCrate) -> f64 {
    fs::metadata(hello.program()).unwrap().len() as f64 / 1e6
}

/// What a registry keeps of it: from `scratch`, with the C library, compressed.
fn image(hello: &SmallCrate) -> f64 {
    let layout = hello.path("layout");
    if layout.exists() {
        fs::remove_dir_all(&layout).unwrap();
    }
    hello.run(Command::new(hello.program()).args([
        "register",
        "--quiet",
        "--engine",
        "none",
        "--no-check",
        "--output",
        "layout",
    ]));
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let manifest = &json(&layout.join("index.json"))["manifests"][0];
    let digest = manifest["digest"].as_str().unwrap().replace(':', "/");
    let bytes: u64 = json(&layout.join("blobs").join(digest))["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["size"].as_u64().unwrap())
        .sum();
    bytes as f64 / 1e6
}
