//! The JSON schema of parameters, and what a parameter's type must have.

#![allow(dead_code, reason = "these flows are described, not run")]

use flowimage::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A type that has no JSON schema: any JSON passes for it.
#[derive(Deserialize)]
struct Opaque(u8);

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Speed {
    Slow,
    Fast,
}

fn fast() -> Speed {
    Speed::Fast
}

/// Every kind of parameter.
#[flow_image()]
fn arguments(
    /// The day, as `YYYY-MM-DD`.
    day: String,
    #[serde(default)] batch: u32,
    #[serde(default = "fast")] speed: Speed,
    limit: Option<u32>,
    r#type: Vec<bool>,
    opaque: Opaque,
    _context: &FlowContext,
) {
    let _ = (day, batch, speed, limit, r#type, opaque);
}

/// Read as serde's attributes say.
#[flow_image()]
async fn read_by_serde(
    #[serde(rename = "in")] input: u8,
    #[serde(default = "fast")] speed: Speed,
    limit: Option<u8>,
    context: &FlowContext,
) -> Result<(u8, Speed, Option<u8>, String), std::io::Error> {
    Ok((input, speed, limit, context.flow.clone()))
}

#[derive(FlowImage, Deserialize)]
#[serde(rename_all = "camelCase")]
#[flow_image()]
struct Fields {
    /// Two lines
    /// of words.
    start_day: String,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    number: Option<i8>,
    #[serde(skip)]
    hidden: u8,
    #[serde(rename(deserialize = "in", serialize = "out"), alias = "inn")]
    both: bool,
}

impl Flow for Fields {
    type Output = ();
    type Error = String;

    async fn run(self, _: &FlowContext) -> Result<(), String> {
        Ok(())
    }
}

#[derive(FlowImage, Deserialize, schemars::JsonSchema)]
#[flow_image()]
#[serde(default)]
struct Own {
    #[schemars(range(min = 1, max = 9))]
    digit: u8,
}

impl Default for Own {
    fn default() -> Self {
        Self { digit: 5 }
    }
}

impl Flow for Own {
    type Output = ();
    type Error = String;

    async fn run(self, _: &FlowContext) -> Result<(), String> {
        Ok(())
    }
}

fn schema(flow: &str) -> Value {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status =
        flowimage_runtime::cli::main(["program", "describe", flow].map(Into::into), &mut out, &mut err);
    assert_eq!((status, String::from_utf8_lossy(&err).as_ref()), (0, ""));
    let described: Value = serde_json::from_slice(&out).unwrap();
    described["parameters"].clone()
}

/// Runs a flow: its result, or what is said on standard error.
fn run(arguments: &[&str]) -> Result<Value, String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["program", "run"].iter().chain(arguments).map(Into::into);
    match flowimage_runtime::cli::main(words, &mut out, &mut err) {
        0 => Ok(serde_json::from_slice(&out).unwrap()),
        _ => Err(String::from_utf8(err).unwrap()),
    }
}

#[test]
fn attributes_of_a_functions_arguments_are_obeyed() {
    assert_eq!(
        run(&["read-by-serde", "--param", "in=3"]),
        Ok(json!([3, "fast", null, "read-by-serde"]))
    );
    let said = run(&["read-by-serde", "--param", "input=3"]).unwrap_err();
    assert!(
        said.contains("unknown field `input`, expected one of `in`"),
        "{said}"
    );
}

#[test]
fn of_a_function() {
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["day", "type", "opaque"],
        "properties": {
            "day": { "type": "string", "description": "The day, as `YYYY-MM-DD`." },
            "batch": { "type": "integer", "format": "uint32", "minimum": 0, "default": 0 },
            "speed": { "type": "string", "enum": ["slow", "fast"], "default": "fast" },
            "limit": { "type": ["integer", "null"], "format": "uint32", "minimum": 0 },
            "type": { "type": "array", "items": { "type": "boolean" } },
            "opaque": {},
        },
    });
    assert_eq!(schema("arguments"), expected);
}

#[test]
fn of_a_type_as_serde_reads_it() {
    let expected = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["startDay", "in"],
        "properties": {
            "startDay": { "type": "string", "description": "Two lines\nof words." },
            "n": { "type": ["integer", "null"], "format": "int8", "minimum": -128, "maximum": 127 },
            "in": { "type": "boolean" },
        },
    });
    assert_eq!(schema("fields"), expected);
}

#[test]
fn of_a_type_that_says_it_itself() {
    let schema = schema("own");
    assert_eq!(schema["properties"]["digit"]["maximum"], 9);
    assert_eq!(schema["properties"]["digit"]["default"], 5);
    assert_eq!(schema["additionalProperties"], false);
}
