//! What an image's configuration says of how it runs: the document's part `config`, which the rest goes through as it is.
//!
//! Source: <https://github.com/opencontainers/image-spec/blob/main/config.md>.

use serde_json::Value;

/// `PATH` where an image names none.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A text; nothing where it is empty.
pub(crate) fn text<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    config.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The user.
pub(crate) fn user(config: &Value) -> Option<&str> {
    text(config, "User")
}

/// A list of texts.
pub(crate) fn words<'a>(config: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    let words = config.get(key).and_then(Value::as_array);
    words.into_iter().flatten().filter_map(Value::as_str)
}

/// The words of the entrypoint.
pub(crate) fn entrypoint(config: &Value) -> Vec<String> {
    words(config, "Entrypoint").map(str::to_owned).collect()
}

/// The variables, in their order.
pub(crate) fn variables(config: &Value) -> Vec<(String, String)> {
    words(config, "Env")
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_nothing() {
        for config in [
            json!(null),
            json!({}),
            json!({"User": "", "Entrypoint": null, "Env": null}),
        ] {
            assert_eq!(user(&config), None);
            assert!(entrypoint(&config).is_empty() && variables(&config).is_empty());
        }
        let config = json!({"User": "7", "Entrypoint": ["tini", "--"], "Env": ["A=b=c", "odd", "B="]});
        assert_eq!((user(&config), entrypoint(&config).len()), (Some("7"), 2));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variables(&config), [pair("A", "b=c"), pair("B", "")]);
    }
}
