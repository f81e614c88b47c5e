//! Three flows over real flight data, each leaning on something outside of the language. `cargo run --example
//! register` builds, checks and registers their images; `cargo run --example register run carrier-delays --param
//! day=1` runs one here.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use flowimage::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// Where the tables lie: in the image, or beside this file where a flow runs on the author's machine.
fn table(name: &str) -> PathBuf {
    let image = Path::new("/data").join(name);
    if image.exists() {
        image
    } else {
        Path::new("examples/data").join(name)
    }
}

#[derive(Deserialize)]
struct Flight {
    day: u32,
    /// Minutes; empty or `NA` where the flight was cancelled.
    dep_delay: String,
    carrier: String,
    origin: String,
    time_hour: String,
}

fn flights() -> Result<Vec<Flight>, csv::Error> {
    csv::Reader::from_path(table("flights.csv"))?
        .into_deserialize()
        .collect()
}

/// One line of the delay report.
#[derive(Serialize)]
struct Delay {
    carrier: String,
    name: String,
    flights: u32,
    mean_delay: f64,
    mean_wind: f64,
}

/// Mean departure delay of each airline on a day of January 2013, with the wind it flew in. The rows go into an
/// SQLite database.
#[flow_image(files = { "examples/data" => "/data" })]
async fn carrier_delays(
    day: u32,
    database: Option<PathBuf>,
) -> Result<Vec<Delay>, Box<dyn Error + Send + Sync>> {
    let connection = match database {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.execute_batch(
        "CREATE TEMP TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT);
         CREATE TEMP TABLE weather (origin TEXT, time_hour TEXT, wind REAL);
         CREATE TEMP TABLE flights (carrier TEXT, origin TEXT, time_hour TEXT, delay REAL);",
    )?;
    for row in csv::Reader::from_path(table("airlines.csv"))?.records() {
        let row = row?;
        connection.execute("INSERT INTO airlines VALUES (?1, ?2)", (&row[0], &row[1]))?;
    }
    for row in csv::Reader::from_path(table("weather.csv"))?.records() {
        let row = row?;
        connection.execute(
            "INSERT INTO weather VALUES (?1, ?2, ?3)",
            (&row[0], &row[5], row[2].parse::<f64>().ok()),
        )?;
    }
    for flight in flights()?.into_iter().filter(|flight| flight.day == day) {
        connection.execute(
            "INSERT INTO flights VALUES (?1, ?2, ?3, ?4)",
            (
                flight.carrier,
                flight.origin,
                flight.time_hour,
                flight.dep_delay.parse::<f64>().ok(),
            ),
        )?;
    }
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS delays (carrier TEXT, name TEXT, flights INTEGER, mean_delay REAL, mean_wind REAL);
         DELETE FROM delays;
         INSERT INTO delays
           SELECT f.carrier, a.name, count(f.delay), round(avg(f.delay), 2), round(avg(w.wind), 2)
           FROM flights f JOIN airlines a USING (carrier) LEFT JOIN weather w USING (origin, time_hour)
           GROUP BY f.carrier;",
    )?;
    let mut rows = connection.prepare("SELECT * FROM delays ORDER BY mean_delay DESC")?;
    let rows = rows.query_map([], |row| {
        Ok(Delay {
            carrier: row.get(0)?,
            name: row.get(1)?,
            flights: row.get(2)?,
            mean_delay: row.get(3)?,
            mean_wind: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[derive(Deserialize)]
struct Report {
    airports: Vec<String>,
    late_after: i32,
}

/// How many flights left late from each airport. Airports and limit come from a configuration file, whose path
/// comes from the environment.
#[flow_image(
    files = {
        "examples/data/flights.csv" => "/data/",
        "examples/config/airports.toml" => "/etc/flow/airports.toml",
    },
    env_vars = { AIRPORTS_CONFIG = "/etc/flow/airports.toml" },
)]
fn late_departures() -> Result<BTreeMap<String, u32>, Box<dyn Error + Send + Sync>> {
    let path = std::env::var("AIRPORTS_CONFIG").unwrap_or("examples/config/airports.toml".to_owned());
    let report: Report = toml::from_str(&std::fs::read_to_string(path)?)?;
    let mut late: BTreeMap<String, u32> = report
        .airports
        .iter()
        .map(|airport| (airport.clone(), 0))
        .collect();
    for flight in flights()? {
        if let Some(count) = late.get_mut(&flight.origin)
            && flight
                .dep_delay
                .parse::<i32>()
                .is_ok_and(|delay| delay > report.late_after)
        {
            *count += 1;
        }
    }
    Ok(late)
}

/// The airlines by name, sorted by a program that the image ships.
#[derive(FlowImage, Serialize, Deserialize)]
#[flow_image(files = {
    "examples/data/airlines.csv" => "/data/airlines.csv",
    "/usr/bin/sort" => "/usr/bin/sort",
})]
struct SortedAirlines {
    /// From Z to A.
    #[serde(default)]
    reverse: bool,
}

impl Flow for SortedAirlines {
    type Output = Vec<String>;
    type Error = Box<dyn Error + Send + Sync>;

    async fn run(self, _context: &FlowContext) -> Result<Vec<String>, Self::Error> {
        let mut names = String::new();
        for row in csv::Reader::from_reader(File::open(table("airlines.csv"))?).records() {
            names.push_str(&row?[1]);
            names.push('\n');
        }
        let mut sort = Command::new("sort");
        if self.reverse {
            sort.arg("-r");
        }
        let mut sort = sort
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        sort.stdin
            .take()
            .ok_or("sort takes no input")?
            .write_all(names.as_bytes())?;
        let sorted = sort.wait_with_output()?;
        if !sorted.status.success() {
            return Err(format!("sort ended with {}", sorted.status).into());
        }
        Ok(String::from_utf8(sorted.stdout)?
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

fn main() -> ExitCode {
    flowimage::main()
}
