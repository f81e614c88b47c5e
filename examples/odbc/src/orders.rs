//! The job: a day's orders from the warehouse (PostgreSQL) into an extract (SQLite), and their totals back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use odbc_api::{Connection, ConnectionOptions, Cursor, Environment, IntoParameter};
use serde::Serialize;

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    copied: usize,
    totals: BTreeMap<String, String>,
}

/// Why it went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrdersError {
    #[error("WAREHOUSE is not set: it holds the warehouse's ODBC connection string")]
    NoWarehouse,
    #[error("the database refused")]
    Odbc(#[from] odbc_api::Error),
    #[error("cannot run {0}")]
    Program(String, #[source] io::Error),
    #[error("the report failed: {0}")]
    Report(String),
    #[error("the report is not what was expected")]
    Answer(#[from] serde_json::Error),
}

/// One order of the warehouse.
struct Order {
    id: i64,
    customer: String,
    cents: i64,
}

/// Copies the orders of a day and has the private script add them up.
pub(crate) fn nightly(day: &str) -> Result<Summary, OrdersError> {
    let warehouse = std::env::var("WAREHOUSE").map_err(|_| OrdersError::NoWarehouse)?;
    let environment = Environment::new()?;
    let orders = orders_of(&connect(&environment, &warehouse)?, day)?;
    let extract = std::env::temp_dir().join(format!("orders-{}.sqlite", std::process::id()));
    write_extract(&environment, &extract, &orders)?;
    let totals = report(&extract, day)?;
    Ok(Summary {
        copied: orders.len(),
        totals,
    })
}

fn connect<'a>(environment: &'a Environment, string: &str) -> Result<Connection<'a>, odbc_api::Error> {
    environment.connect_with_connection_string(string, ConnectionOptions::default())
}

fn orders_of(warehouse: &Connection<'_>, day: &str) -> Result<Vec<Order>, OrdersError> {
    let query = "SELECT id, customer, cents FROM orders WHERE day = ? ORDER BY id";
    let mut orders = Vec::new();
    let Some(mut rows) = warehouse.execute(query, &day.into_parameter(), None)? else {
        return Ok(orders);
    };
    while let Some(mut row) = rows.next_row()? {
        let mut order = Order {
            id: 0,
            customer: String::new(),
            cents: 0,
        };
        let mut text = Vec::new();
        row.get_data(1, &mut order.id)?;
        row.get_text(2, &mut text)?;
        row.get_data(3, &mut order.cents)?;
        order.customer = String::from_utf8_lossy(&text).into_owned();
        orders.push(order);
    }
    Ok(orders)
}

fn write_extract(environment: &Environment, path: &Path, orders: &[Order]) -> Result<(), OrdersError> {
    let extract = connect(
        environment,
        &format!("Driver=SQLite3;Database={}", path.display()),
    )?;
    extract.execute(
        "CREATE TABLE orders (id INTEGER, customer TEXT, cents INTEGER)",
        (),
        None,
    )?;
    for order in orders {
        let row = (&order.id, &order.customer.as_str().into_parameter(), &order.cents);
        extract.execute("INSERT INTO orders VALUES (?, ?, ?)", row, None)?;
    }
    Ok(())
}

/// Runs the private script, which Python must find from wherever the flow runs.
fn report(extract: &Path, day: &str) -> Result<BTreeMap<String, String>, OrdersError> {
    let output = Command::new("python")
        .args(["-m", "orders_report"])
        .args([extract.as_os_str(), day.as_ref()])
        .current_dir("/")
        .output()
        .map_err(|error| OrdersError::Program("python".to_owned(), error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(OrdersError::Report(said));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
