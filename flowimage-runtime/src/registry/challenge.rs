//! What a registry asks for with `WWW-Authenticate`. Source: RFC 7235, and the token protocol of the distribution
//! project, <https://distribution.github.io/distribution/spec/auth/token/>.

/// A challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token of a token service.
    Bearer {
        /// Address of the service.
        realm: String,
        /// The registry's name there.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads a header; `None` for schemes that are not known.
    pub(super) fn read(header: &str) -> Option<Self> {
        let header = header.trim();
        let (scheme, parameters) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Challenge::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Challenge::Bearer {
            realm: parameter(parameters, "realm")?,
            service: parameter(parameters, "service"),
        })
    }
}

/// A parameter of a challenge, quoted or not.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, value)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']);
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_taken_apart() {
        let text = r#"bearer realm="https://auth.example/token?a=b,c",service=registry, scope="x""#;
        assert_eq!(
            Challenge::read(text),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token?a=b,c".to_owned(),
                service: Some("registry".to_owned()),
            })
        );
        assert_eq!(Challenge::read(r#"Basic realm="tests""#), Some(Challenge::Basic));
    }

    #[test]
    fn what_cannot_be_answered_is_none() {
        for text in ["", "Negotiate abc", "Bearer", r#"Bearer realm="open"#, "Bearer x"] {
            assert_eq!(Challenge::read(text), None, "{text}");
        }
    }
}
