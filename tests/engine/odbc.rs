//! The recipe's story with the example `odbc`: a job that needs drivers, a C library, and private Python, its image made
//! in every way, and each image moving rows out of a PostgreSQL server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{common, docker, output, setting};

/// The example's folder, copied, so that its environments are built once for all tests.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn folder() -> &'static Path {
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("odbc");
        let _ = fs::remove_dir_all(&folder);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/odbc");
        let package = folder.join("examples/odbc");
        for file in [
            "Cargo.toml",
            "pyproject.toml",
            "docker/Dockerfile",
            "docker/mssql.Dockerfile",
            "scripts/money.py",
            "scripts/orders_report.py",
        ] {
            let copy = package.join(file);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(source.join(file), copy).unwrap();
        }
        fs::create_dir_all(folder.join("target")).unwrap();
        fs::write(folder.join("target/CACHEDIR.TAG"), "").unwrap();
        fs::hard_link(common::program("odbc"), folder.join("target/odbc")).unwrap();
        // The base that the declarations name, as this machine has it.
        output(Command::new(setting("FLOWIMAGE_TEST_KIT")).args(["image", "python"]));
        docker(&[
            "tag",
            &setting("FLOWIMAGE_TEST_PYTHON"),
            "python:3.11-slim-bookworm",
        ]);
        folder
    })
}

/// The outcome of a command of the example.
fn example(arguments: &[&str]) -> Value {
    let output = Command::new(folder().join("target/odbc"))
        .args(arguments)
        .arg("--json")
        .current_dir(folder())
        .env("DOCKER_HOST", setting("DOCKER_HOST"))
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    match lines.lines().last() {
        Some(line) => serde_json::from_str(line).unwrap(),
        None => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Registers a flow and gives the image that a worker would pull.
fn registered(flow: &str) -> String {
    let registry = format!("{}/odbc", setting("FLOWIMAGE_TEST_REGISTRY"));
    let line = example(&["register", flow, "--registry", &registry]);
    assert_eq!(line["status"], "registered", "{line:#}");
    line["image"].as_str().unwrap().to_owned()
}

/// A warehouse with orders of two days.
struct Warehouse {
    url: String,
    connection: String,
}

impl Warehouse {
    fn new(name: &str) -> Self {
        let said = output(Command::new(setting("FLOWIMAGE_TEST_KIT")).args(["database", name]));
        let (url, inside) = said.trim_end().split_once('\n').unwrap();
        let (login, place) = inside
            .strip_prefix("postgresql://")
            .unwrap()
            .split_once('@')
            .unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let (host, port) = place.split_once('/').unwrap().0.split_once(':').unwrap();
        let warehouse = Self {
            url: url.to_owned(),
            connection: format!(
                "Driver=PostgreSQL Unicode;Server={host};Port={port};Database={name};Uid={user};Pwd={password}"
            ),
        };
        warehouse.ask(
            "CREATE TABLE orders (id bigint PRIMARY KEY, day text, customer text, cents bigint);
             CREATE TABLE daily_totals (day text, customer text, cents bigint);
             INSERT INTO orders VALUES (1, '2013-01-01', 'Ada', 1050), (2, '2013-01-01', 'Bob', 299),
                                       (3, '2013-01-02', 'Ada', 1), (4, '2013-01-01', 'Ada', 5)",
        );
        warehouse
    }

    fn ask(&self, sql: &str) -> String {
        output(Command::new("psql").args(["-qAtX", "-v", "ON_ERROR_STOP=1", &self.url, "-c", sql]))
    }

    /// Runs the flow in its image, as a worker would, and looks at both ends of the way.
    fn moves_rows(&self, image: &str, flow: &str) {
        docker(&["pull", "-q", image]);
        let warehouse = format!("WAREHOUSE={}", self.connection);
        let run = ["run", "--rm", "-e", &warehouse, image, "run", flow];
        let said = docker(&[&run[..], &["--param", "day=2013-01-01"]].concat());
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            said,
            serde_json::json!({ "copied": 3, "totals": { "Ada": "10.55", "Bob": "2.99" } })
        );
        assert_eq!(
            self.ask("SELECT * FROM daily_totals ORDER BY customer"),
            "2013-01-01|Ada|1055\n2013-01-01|Bob|299\n"
        );
    }
}

fn built_by_docker(name: &str, dockerfile: &str) {
    let context = folder().join("examples/odbc/docker");
    let file = context.join(dockerfile);
    let mut build = Command::new("/usr/bin/docker");
    build
        .env("DOCKER_BUILDKIT", "1")
        .args(["build", "-q", "-t", name, "-f"])
        .arg(file);
    output(build.arg(context));
}

#[test]
fn a_package_without_a_wheel_fails_and_says_what_to_add() {
    // What another flow compiled for its own environment does not hide that.
    let line = example(&["build", "orders-with-files"]);
    assert_eq!(line["status"], "built", "{line:#}");
    for (flow, cause, advice) in [
        (
            "orders-naive",
            "error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory",
            "The program `x86_64-linux-gnu-gcc` is missing; the package `build-essential` has it: write \
             `system_dependencies = [\"build-essential\"]`.",
        ),
        (
            "orders-without-headers",
            "src/pyodbc.h:56:10: fatal error: sql.h: No such file or directory",
            "The C header `sql.h` is missing; the package `unixodbc-dev` has it: write `system_dependencies = \
             [\"build-essential\", \"python3-dev\", \"unixodbc-dev\"]`.",
        ),
    ] {
        let line = example(&["build", flow]);
        let error = &line["error"];
        assert_eq!(
            (&error["stage"], &error["advice"]),
            (&"build".into(), &advice.into()),
            "{line:#}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with("`python_dependencies`: line ") && message.contains(cause),
            "{line:#}"
        );
    }
}

#[test]
fn declared_packages_and_scripts_move_rows() {
    Warehouse::new("odbc_files").moves_rows(&registered("orders-with-files"), "orders-with-files");
}

#[test]
fn a_private_package_moves_rows() {
    Warehouse::new("odbc_package").moves_rows(&registered("orders-with-package"), "orders-with-package");
}

#[test]
fn a_base_built_here_and_never_pushed_moves_rows() {
    built_by_docker("flowimage-example/orders:1", "Dockerfile");
    Warehouse::new("odbc_base").moves_rows(&registered("orders-on-base"), "orders-on-base");
}

#[test]
fn a_dockerfile_moves_rows() {
    let warehouse = Warehouse::new("odbc_dockerfile");
    warehouse.moves_rows(&registered("orders-from-dockerfile"), "orders-from-dockerfile");
}

#[test]
fn the_recipes_image_for_sql_server_is_used_as_base_and_as_dockerfile() {
    built_by_docker("flowimage-example/mssql:1", "mssql.Dockerfile");
    for flow in ["sql-server-on-base", "sql-server-from-dockerfile"] {
        let image = registered(flow);
        docker(&["pull", "-q", &image]);
        let said: Value = serde_json::from_str(&docker(&["run", "--rm", "--network=none", &image])).unwrap();
        assert_eq!(said["drivers"], serde_json::json!(["FreeTDS"]), "{flow}");
        assert!(
            said["tools"].as_str().unwrap().starts_with("freetds v1."),
            "{flow}: {said}"
        );
        // The recipe's last lines, which loosen OpenSSL for old servers.
        let openssl = docker(&[
            "run",
            "--rm",
            "--entrypoint",
            "cat",
            &image,
            "/etc/ssl/openssl.cnf",
        ]);
        assert!(
            !openssl.contains("SECLEVEL=2") && !openssl.contains("TLSv1.2"),
            "{flow}"
        );
    }
}
