#![deny(deprecated)]

use flowimage::prelude::*;

#[flow_image(env_vars = { DB_PASSWORD = "changeme", PASSWORD_FILE = "/run/secrets/db" })]
fn told() {}

#[flow_image(env_vars = { DB_PASSWORD = "changeme" }, allow = ["secret_name"])]
fn allowed() {}

fn main() {}
