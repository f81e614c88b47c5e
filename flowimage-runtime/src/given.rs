//! The parameters that a run is given, on their way from JSON into the flow.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

use crate::parameters::Parameters;

/// What a run is given.
#[derive(Debug)]
#[doc(hidden)]
pub struct Given {
    value: Value,
    declared: Parameters,
}

impl Given {
    /// A value for a flow with these parameters.
    pub fn new(value: Value, declared: Parameters) -> Self {
        Self { value, declared }
    }

    /// All in one, as the type's own `Deserialize` has it.
    ///
    /// # Errors
    /// It does not fit.
    pub fn whole<T: DeserializeOwned>(self) -> Result<T, String> {
        serde_json::from_value(self.value).map_err(|error| error.to_string())
    }

    /// To be taken one by one.
    ///
    /// # Errors
    /// It is no object, or has what is none of the flow's parameters.
    pub fn each(self) -> Result<Each, String> {
        let Value::Object(values) = self.value else {
            return Err(format!(
                "the parameters are an object, and this is not: {}",
                self.value
            ));
        };
        let names: Vec<_> = self.declared.fields.iter().map(|field| field.name).collect();
        let Some(unknown) = values.keys().find(|key| !names.contains(&key.as_str())) else {
            return Ok(Each(values));
        };
        Err(match &names[..] {
            [] => format!("there is no parameter `{unknown}`: the flow has none"),
            names => format!("there is no parameter `{unknown}`, only `{}`", names.join("`, `")),
        })
    }
}

/// Parameters that are taken one by one.
#[derive(Debug)]
#[doc(hidden)]
pub struct Each(Map<String, Value>);

impl Each {
    /// Takes one out. One that is missing is `None`, for a type that has it.
    ///
    /// # Errors
    /// It does not fit, or is missing and must be given.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        match self.0.remove(name) {
            Some(value) => {
                serde_json::from_value(value).map_err(|error| format!("the parameter `{name}`: {error}"))
            }
            None => T::deserialize(Missing).map_err(|_| format!("the parameter `{name}` is missing")),
        }
    }
}

/// A value that is not there.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("it is missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::parameters::{Parameter, no_schema};

    fn each(value: Value) -> Result<Each, String> {
        const DAY: Parameter = Parameter {
            name: "day",
            description: "",
            schema: no_schema,
            default: None,
        };
        let declared = Parameters {
            fields: &[DAY, Parameter { name: "limit", ..DAY }],
            open: false,
            whole: no_schema,
        };
        Given::new(value, declared).each()
    }

    #[test]
    fn what_is_missing_is_none_where_the_type_has_it() {
        type Named = Option<u8>;
        let mut given = each(json!({ "day": 3 })).unwrap();
        assert_eq!(given.take::<Named>("limit"), Ok(None));
        assert_eq!(given.take::<u8>("day"), Ok(3));
        assert_eq!(
            given.take::<u8>("day"),
            Err("the parameter `day` is missing".to_owned())
        );
        let nothing = given.take::<()>("limit");
        assert_eq!(nothing, Err("the parameter `limit` is missing".to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_name() {
        let mut given = each(json!({ "day": "x", "limit": null })).unwrap();
        let wrong = given.take::<u32>("day").unwrap_err();
        assert_eq!(
            wrong,
            "the parameter `day`: invalid type: string \"x\", expected u32"
        );
        assert_eq!(given.take::<Option<u32>>("limit"), Ok(None));
        let unknown = each(json!({ "dya": 1 })).unwrap_err();
        assert_eq!(unknown, "there is no parameter `dya`, only `day`, `limit`");
        let text = each(json!("day")).unwrap_err();
        assert_eq!(text, "the parameters are an object, and this is not: \"day\"");
    }
}
