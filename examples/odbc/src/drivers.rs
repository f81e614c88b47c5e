//! What the image offers to a flow that talks to SQL Server.

use std::process::Command;

use odbc_api::Environment;
use serde::Serialize;

use crate::orders::OrdersError;

/// The ODBC drivers that unixODBC knows, and the FreeTDS tools on PATH.
#[derive(Debug, Serialize)]
pub(crate) struct Drivers {
    drivers: Vec<String>,
    tools: String,
}

/// Asks unixODBC and `tsql`.
pub(crate) fn installed() -> Result<Drivers, OrdersError> {
    let environment = Environment::new()?;
    let drivers = environment.drivers()?;
    let tools = Command::new("tsql")
        .arg("-C")
        .output()
        .map_err(|error| OrdersError::Program("tsql".to_owned(), error))?;
    let said = String::from_utf8_lossy(&tools.stdout).into_owned();
    let library = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Version: "));
    Ok(Drivers {
        drivers: drivers.into_iter().map(|driver| driver.description).collect(),
        tools: library.unwrap_or_default().to_owned(),
    })
}
