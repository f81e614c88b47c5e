//! Whole Dockerfiles, compared with files beside this one. `FLOWIMAGE_BLESS=1` writes them anew.

use std::path::Path;

use flowimage_model::Declaration;
use flowimage_model::render::{environment_with_caches, render};

/// A declaration as a program carries it.
fn declared(toml: &str) -> Declaration {
    let common = "name = \"nightly-orders\"\nflow_directory = \"/opt/flow\"\n";
    toml::from_str(&format!("{common}{toml}")).unwrap()
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/render")
        .join(name);
    if std::env::var_os("FLOWIMAGE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

const EVERYTHING: &str = r#"
base_image = { declared = "debian:bookworm-slim" }
system_dependencies = ["g++", "python3-venv", "unixodbc-dev"]
python_dependencies = ["pyodbc>=5,<6", "requests[socks]; python_version < '4'"]
python_version = "3.11"
files = [
    { destination = "/etc/odbc.ini", source = "config/odbc.ini" },
    { destination = "/opt/a folder", source = "modules", folder = true },
]
env_vars = { PYTHONPATH = "/opt/modules:$PYTHONPATH", TDSVER = "7.4" }
extra_dockerfile_commands = ["RUN curl -H @/run/secrets/TOKEN https://example.org", "EXPOSE 80", "RUN --mount=type=secret,id=TOKEN true"]
build_args = { https_proxy = "http://proxy:3128" }
secrets = ["TOKEN", "id=pip.conf,src=pip.conf"]
labels = { "org.example.team" = "data" }
user = "1000:1000"
"#;

#[test]
fn every_key_in_order_with_its_name() {
    compare("everything.Dockerfile", &render(&declared(EVERYTHING)).text);
}

#[test]
fn caches_change_no_line_number() {
    let declaration = declared(EVERYTHING);
    let with = environment_with_caches(&declaration);
    compare("everything-with-caches.Dockerfile", &with);
    let without = render(&declaration).environment_text().to_owned();
    assert_eq!(with.lines().count(), without.lines().count());
    assert!(!without.contains("type=cache"));
}

#[test]
fn a_library_folder_and_the_list_of_flows() {
    let text = "base_image = { declared = \"busybox:musl\" }\nlibraries = \"bundled\"\nimage = \"etl\"\n";
    compare("bundled-shared.Dockerfile", &render(&declared(text)).text);
}

#[test]
fn flows_with_one_environment_have_one_text_of_it() {
    let one = "base_image = { inferred = \"debian:12-slim\" }\nsystem_dependencies = [\"jq\"]\nlabels = { a = \"1\" }\n";
    let other = one.replace("a = \"1\"", "a = \"2\"");
    let mut renamed = declared(&other);
    renamed.name = "weekly-orders".parse().unwrap();
    let (one, other) = (render(&declared(one)), render(&renamed));
    assert_eq!(one.environment_text(), other.environment_text());
    assert_ne!(one.text, other.text);
}

#[test]
fn an_own_dockerfile_comes_first_and_untouched() {
    let own = "# syntax=docker/dockerfile:1\nFROM debian:12-slim AS base\nARG VERSION=1\nUSER app";
    let text = format!(
        "base_image = {{ dockerfile = \"debian:12-slim\" }}\nbuild_args = {{ VERSION = \"2\" }}\n\
         system_dependencies = [\"jq\"]\n[dockerfile]\npath = \"docker/Dockerfile\"\nlength = {}\nsets_user = true\n",
        own.len()
    );
    let mut declaration = declared(&text);
    declaration.dockerfile.as_mut().unwrap().text = own.to_owned();
    let rendered = render(&declaration);
    assert!(rendered.text.starts_with(own));
    compare("own.Dockerfile", &rendered.text);
    let line = rendered
        .text
        .lines()
        .position(|line| line.contains("apt-get install"))
        .unwrap()
        + 1;
    assert_eq!(rendered.key_of_line(line), Some("system_dependencies"));
    assert_eq!(rendered.key_of_line(4), Some("dockerfile"));
}
