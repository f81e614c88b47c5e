//! The parameters of a flow as a JSON schema, from what the derive leaves of each field.

use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What the derive knows of a flow's parameters.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Parameters {
    /// The fields, in the order written.
    pub fields: &'static [Parameter],
    /// Whether a field is flattened, so that others may be given too.
    pub open: bool,
    /// The schema of the whole type, where that implements `JsonSchema` itself.
    pub whole: MakeSchema,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Parameter {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its doc comment.
    pub description: &'static str,
    /// The schema of its type, where that implements `JsonSchema`.
    pub schema: MakeSchema,
    /// Its default: none for a parameter that must be given, and `None` of it where the value is no JSON.
    pub default: Option<fn() -> Option<Value>>,
}

impl Parameters {
    /// The JSON schema (draft 2020-12, nothing referred to elsewhere but types that hold themselves) of an object
    /// with the parameters, which no other may stand beside.
    pub fn schema(&self) -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let mut generator = settings.into_generator();
        let mut object = match (self.whole)(&mut generator) {
            Some(schema) => object(schema),
            None => self.of_fields(&mut generator),
        };
        object.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        if !self.open {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        let definitions = generator.take_definitions(true);
        if !definitions.is_empty() {
            object.insert("$defs".to_owned(), Value::Object(definitions));
        }
        Value::Object(object)
    }

    fn of_fields(&self, generator: &mut SchemaGenerator) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in self.fields {
            let mut property = (field.schema)(generator).map(object).unwrap_or_default();
            if !field.description.is_empty() {
                property.insert("description".to_owned(), json!(field.description));
            }
            match field.default {
                Some(default) => property.extend(default().map(|value| ("default".to_owned(), value))),
                None => required.push(field.name),
            }
            properties.insert(field.name.to_owned(), Value::Object(property));
        }
        let mut object = Map::new();
        object.insert("type".to_owned(), json!("object"));
        object.insert("properties".to_owned(), Value::Object(properties));
        object.insert("required".to_owned(), json!(required));
        object
    }
}

/// A schema as an object: `true`, which allows anything, is the empty one.
fn object(schema: Schema) -> Map<String, Value> {
    match schema.to_value() {
        Value::Object(object) => object,
        Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
        _ => Map::new(),
    }
}

/// How the schema of a type is made; none of a type that has none.
#[doc(hidden)]
pub type MakeSchema = fn(&mut SchemaGenerator) -> Option<Schema>;

/// Asks of a type whether it has a schema. Its own constant is there where the type implements `JsonSchema`, and hides
/// that of [`AnySchema`]: a type without a schema may be a parameter, and any JSON then passes the schema.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SchemaOf<T>(PhantomData<T>);

impl<T: JsonSchema> SchemaOf<T> {
    /// The type's schema.
    pub const SCHEMA: MakeSchema = |generator| Some(T::json_schema(generator));
}

/// The second choice.
#[doc(hidden)]
pub trait AnySchema {
    /// No schema.
    const SCHEMA: MakeSchema = no_schema;
}

impl<T> AnySchema for SchemaOf<T> {}

/// The schema of a type that has none.
#[doc(hidden)]
pub fn no_schema(_: &mut SchemaGenerator) -> Option<Schema> {
    None
}

/// The default of a parameter that may be missing and then is nothing.
#[doc(hidden)]
pub fn no_value() -> Option<Value> {
    None
}

/// Asks of a value whether it is JSON, as [`SchemaOf`] does of a type: method resolution takes [`HasJson`] where it
/// fits, else [`NoJson`].
#[doc(hidden)]
#[derive(Debug)]
pub struct JsonOf<T>(pub T);

/// The first choice.
#[doc(hidden)]
pub trait HasJson {
    /// The value.
    fn json(&self) -> Option<Value>;
}

impl<T: Serialize> HasJson for &JsonOf<T> {
    fn json(&self) -> Option<Value> {
        serde_json::to_value(&self.0).ok()
    }
}

/// The second choice.
#[doc(hidden)]
pub trait NoJson {
    /// No value.
    fn json(&self) -> Option<Value>;
}

impl<T> NoJson for JsonOf<T> {
    fn json(&self) -> Option<Value> {
        None
    }
}
