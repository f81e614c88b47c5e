//! The job of the recipe: a flow that reads a database through ODBC, with a private Python script that does too.
//!
//! Its image needs a C library, two database drivers and a Python package that is compiled when it is installed. The
//! flows below are one job in every way in which an image can be given those, and the first one shows what happens
//! without. `cargo run -p example-odbc --features odbc` needs an engine and Debian's `unixodbc-dev`.

mod drivers;
mod orders;

use std::process::ExitCode;

use flowimage::prelude::*;
use orders::{OrdersError, Summary};

/// What one would write first. pyodbc 4.0.34 has no wheel for Python 3.11, and the base no compiler: the build fails, and
/// says what to add.
#[flow_image(base_image = "python:3.11-slim-bookworm", python_dependencies = ["pyodbc==4.0.34"])]
async fn orders_naive(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// The compiler alone does not help either: it wants the headers of unixODBC.
#[flow_image(
    base_image = "python:3.11-slim-bookworm",
    system_dependencies = ["build-essential", "python3-dev"],
    python_dependencies = ["pyodbc==4.0.34"],
)]
async fn orders_without_headers(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// All of it declared: packages of the system and of Python, and the private scripts where Python finds them.
#[flow_image(
    base_image = "python:3.11-slim-bookworm",
    system_dependencies = ["build-essential", "libsqliteodbc", "odbc-postgresql", "python3-dev", "unixodbc-dev"],
    python_dependencies = ["pyodbc==4.0.34"],
    files = { "scripts" => "/opt/orders" },
    env_vars = { PYTHONPATH = "/opt/orders:$PYTHONPATH" },
)]
async fn orders_with_files(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// The scripts as a real package, copied into the image and installed there. A newer pyodbc comes as a wheel: the
/// drivers are enough.
#[flow_image(
    base_image = "python:3.11-slim-bookworm",
    system_dependencies = ["libsqliteodbc", "odbc-postgresql", "unixodbc"],
    python_dependencies = ["pyodbc>=5,<6"],
    files = { "pyproject.toml" => "/opt/orders/pyproject.toml", "scripts" => "/opt/orders/scripts" },
    extra_dockerfile_commands = ["RUN pip install --no-cache-dir /opt/orders"],
)]
async fn orders_with_package(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// A base image of one's own, for many flows: `docker build -t flowimage-example/orders:1 docker`. It need not be pushed.
#[flow_image(
    base_image = "flowimage-example/orders:1",
    files = { "scripts" => "/opt/orders" },
    env_vars = { PYTHONPATH = "/opt/orders" },
)]
async fn orders_on_base(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// The same Dockerfile without the intermediate image.
#[flow_image(
    dockerfile = "docker/Dockerfile",
    files = { "scripts" => "/opt/orders" },
    env_vars = { PYTHONPATH = "/opt/orders" },
)]
async fn orders_from_dockerfile(day: String) -> Result<Summary, OrdersError> {
    orders::nightly(&day)
}

/// The recipe's image for SQL Server as a base: `docker build -t flowimage-example/mssql:1 -f docker/mssql.Dockerfile docker`.
#[flow_image(base_image = "flowimage-example/mssql:1")]
async fn sql_server_on_base() -> Result<drivers::Drivers, OrdersError> {
    drivers::installed()
}

/// The recipe's image for SQL Server from its Dockerfile.
#[flow_image(dockerfile = "docker/mssql.Dockerfile")]
async fn sql_server_from_dockerfile() -> Result<drivers::Drivers, OrdersError> {
    drivers::installed()
}

fn main() -> ExitCode {
    flowimage::main()
}
