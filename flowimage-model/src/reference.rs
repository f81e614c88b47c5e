//! Image references after the grammar of the distribution project, and the parts flowimage names separately.
//!
//! Source: <https://github.com/distribution/reference> (`regexp.go`, `normalize.go`). One deliberate difference: the
//! limit of 255 characters counts registry and repository together, as engines before 24 do, so that what is
//! accepted here is accepted by each of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::{string_conversions, text_value};
use crate::value_error::{ValueError, shown};

/// The registry meant where a reference names none.
pub const DOCKER_HUB: &str = "docker.io";

const OFFICIAL: &str = "library";
const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;

/// An image reference: registry, repository, and a tag, a digest, both or neither.
///
/// Displayed in familiar form (`debian:12`), stored in canonical form (`docker.io/library/debian:12`); equality is of
/// the canonical forms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<ImageTag>,
    digest: Option<String>,
}

impl ImageReference {
    /// The registry's host and port: `docker.io`, `gcr.io`, `127.0.0.1:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry, with Docker Hub's `library/` written out: `library/debian`, `dev/etl`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where one is given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_ref().map(ImageTag::as_str)
    }

    /// The tag an engine or registry uses: the one given, else `latest` where there is no digest.
    pub fn effective_tag(&self) -> Option<&str> {
        match (self.tag(), &self.digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        }
    }

    /// The digest with its algorithm, `sha256:…`, where one is given.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether the reference has a digest and so always means the same bytes.
    pub fn is_pinned(&self) -> bool {
        self.digest.is_some()
    }

    /// Registry and repository without tag and digest, written out: `docker.io/library/debian`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The whole reference with everything written out that was given or implied by Docker Hub's short forms:
    /// `docker.io/library/debian:12`. No `latest` is added.
    pub fn canonical(&self) -> String {
        self.name() + &self.suffix()
    }

    /// The short form people use: `debian:12` for `docker.io/library/debian:12`, `user/app` for `docker.io/user/app`.
    pub fn familiar(&self) -> String {
        let path = if self.registry == DOCKER_HUB {
            match self.repository.strip_prefix("library/") {
                Some(official) if !official.contains('/') && !looks_like_host(official) => {
                    official.to_owned()
                }
                // `docker.io/localhost/x`: without its registry the first component would be read as one.
                _ if self.repository.split('/').next().is_some_and(looks_like_host) => self.name(),
                _ => self.repository.clone(),
            }
        } else {
            self.name()
        };
        let suffix = self.suffix();
        // `docker.io/library/<64 hexadecimal digits>` alone is no valid reference: it reads as an image ID.
        if suffix.is_empty() && is_image_id(&path) {
            self.canonical()
        } else {
            path + &suffix
        }
    }

    /// The same image by another digest, or by its first one; the tag is kept.
    ///
    /// Errors: a text that is no digest.
    pub fn with_digest(&self, digest: &str) -> Result<Self, ValueError> {
        check_digest(digest)?;
        Ok(Self {
            digest: Some(digest.to_owned()),
            ..self.clone()
        })
    }

    /// The same repository under another tag, without a digest.
    pub fn with_tag(&self, tag: ImageTag) -> Self {
        Self {
            tag: Some(tag),
            digest: None,
            ..self.clone()
        }
    }

    fn suffix(&self) -> String {
        let mut out = String::new();
        if let Some(tag) = &self.tag {
            out.push(':');
            out.push_str(tag.as_str());
        }
        if let Some(digest) = &self.digest {
            out.push('@');
            out.push_str(digest);
        }
        out
    }
}

impl FromStr for ImageReference {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        check_plain(
            text,
            "image reference",
            "expected [REGISTRY/]NAME[:TAG][@DIGEST] such as `debian:12`",
        )?;
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                check_digest(digest)?;
                (rest, Some(digest.to_owned()))
            }
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it is a port.
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_start..].split_once(':') {
            Some((last, tag)) => (&rest[..name_start + last.len()], Some(tag.parse::<ImageTag>()?)),
            None => (rest, None),
        };
        if digest.is_none() && tag.is_none() && is_image_id(name) {
            return Err(ValueError::new(format!(
                "{} is an image ID, not an image reference: expected a name such as `debian:12`",
                shown(name)
            ))
            .with_help("give the image a name with `docker tag` and write that"));
        }
        let (registry, path) = split_registry(name);
        if registry != DOCKER_HUB {
            check_host(registry)?;
        }
        check_path(path, "image reference", text)?;
        let repository = if registry == DOCKER_HUB && !path.contains('/') {
            format!("{OFFICIAL}/{path}")
        } else {
            path.to_owned()
        };
        let length = registry.len() + 1 + repository.len();
        if length > NAME_LIMIT {
            return Err(too_long("registry and name together", length, NAME_LIMIT));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar())
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

string_conversions!(ImageReference);

/// Where images are pushed: a registry's host and port, and a path under it, as Prefect's `registry_url`.
///
/// `gcr.io/dev`, `127.0.0.1:5000`, `localhost/etl`; a trailing slash is dropped. As for Docker itself, a first
/// component with no `.`, no `:` and other than `localhost` is a Docker Hub user: `prefecthq` is
/// `docker.io/prefecthq`. Docker Hub alone (`docker.io`) is refused, since nobody can push to its root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryUrl {
    registry: String,
    path: String,
}

impl RegistryUrl {
    /// The registry's host and port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path under which repositories are made, without slashes at its ends; may be empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reference of an image of this name under this URL, with neither tag nor digest.
    ///
    /// Errors: a name that is too long together with the URL.
    pub fn image(&self, name: &ImageName) -> Result<ImageReference, ValueError> {
        let repository = if self.path.is_empty() {
            name.0.clone()
        } else {
            format!("{}/{}", self.path, name.as_str())
        };
        let length = self.registry.len() + 1 + repository.len();
        if length > NAME_LIMIT {
            return Err(too_long(
                "registry URL and image name together",
                length,
                NAME_LIMIT,
            ));
        }
        Ok(ImageReference {
            registry: self.registry.clone(),
            repository,
            tag: None,
            digest: None,
        })
    }

    /// The reference of an image of this name and tag under this URL.
    ///
    /// Errors: a name that is too long together with the URL.
    pub fn tagged(&self, name: &ImageName, tag: &ImageTag) -> Result<ImageReference, ValueError> {
        Ok(self.image(name)?.with_tag(tag.clone()))
    }

    /// The reference of an image of this name and digest under this URL.
    ///
    /// Errors: a name that is too long together with the URL, a text that is no digest.
    pub fn pinned(&self, name: &ImageName, digest: &str) -> Result<ImageReference, ValueError> {
        self.image(name)?.with_digest(digest)
    }
}

impl FromStr for RegistryUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str = "expected HOST[:PORT][/PATH] such as `gcr.io/dev`";
        if let Some((scheme, rest)) = text.split_once("://") {
            let rest = rest.trim_end_matches('/');
            return Err(ValueError::new(format!(
                "{} has the scheme `{scheme}://`: {EXPECTED}",
                shown(text)
            ))
            .with_help(format!(
                "write \"{rest}\"; whether TLS is used is decided when pushing"
            )));
        }
        check_plain(text, "registry URL", EXPECTED)?;
        if text.contains('@') {
            return Err(
                ValueError::new(format!("{} has a user or a digest: {EXPECTED}", shown(text)))
                    .with_help("credentials come from `docker login`, never from the declaration"),
            );
        }
        let trimmed = text.trim_end_matches('/');
        let (first, rest) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        let (registry, path) = if looks_like_host(first) {
            (hub_or(first), rest)
        } else {
            (DOCKER_HUB, trimmed)
        };
        if registry != DOCKER_HUB {
            check_host(registry)?;
        }
        if path.is_empty() {
            if registry == DOCKER_HUB {
                return Err(ValueError::new(
                    "Docker Hub needs a user or an organisation: nobody can push to its root",
                )
                .with_help("write \"docker.io/USER\""));
            }
        } else {
            if let Some((_, tag)) = path.rsplit_once(':') {
                return Err(ValueError::new(format!(
                    "{} has the tag {}: {EXPECTED}",
                    shown(text),
                    shown(tag)
                ))
                .with_help("give the name in `image_name` and the tag in `image_tag`"));
            }
            check_path(path, "registry URL", text)?;
        }
        let length = registry.len() + 1 + path.len();
        if length > NAME_LIMIT {
            return Err(too_long("registry URL", length, NAME_LIMIT));
        }
        Ok(Self {
            registry: registry.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.path)
        }
    }
}

impl fmt::Debug for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

string_conversions!(RegistryUrl);

/// The name of an image under a [`RegistryUrl`]: path components such as `nightly-orders` or `etl/orders`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

impl FromStr for ImageName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str =
            "expected lower-case letters, digits and single `.`, `_`, `-` or `/` between them";
        check_plain(text, "image name", EXPECTED)?;
        if let Some((name, tag)) = text.split_once(':') {
            return Err(ValueError::new(format!("{} has a `:`: {EXPECTED}", shown(text)))
                .with_help(format!("write image_name = \"{name}\", image_tag = \"{tag}\"")));
        }
        check_path(text, "image name", text)?;
        if text.len() > NAME_LIMIT {
            return Err(too_long("image name", text.len(), NAME_LIMIT));
        }
        Ok(Self(text.to_owned()))
    }
}

text_value!(ImageName);

/// The tag of an image: at most 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageTag(String);

impl FromStr for ImageTag {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const EXPECTED: &str = "expected letters, digits, `_`, `.` and `-`, not starting with `.` or `-`";
        if text.is_empty() {
            return Err(ValueError::new(format!("the tag is empty: {EXPECTED}")));
        }
        if let Some(bad) = text
            .chars()
            .find(|&c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
        {
            return Err(ValueError::new(format!(
                "tag {} has the character {}: {EXPECTED}",
                shown(text),
                shown(&bad.to_string())
            )));
        }
        if text.starts_with(['.', '-']) {
            return Err(ValueError::new(format!(
                "tag {} starts with `{}`: {EXPECTED}",
                shown(text),
                &text[..1]
            )));
        }
        if text.len() > TAG_LIMIT {
            return Err(too_long("tag", text.len(), TAG_LIMIT));
        }
        Ok(Self(text.to_owned()))
    }
}

text_value!(ImageTag);

/// Splits off the registry as Docker does: the first component is one if it has a `.` or `:`, is `localhost`, or
/// has upper-case letters, which no repository may have.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (hub_or(first), rest),
        _ => (DOCKER_HUB, name),
    }
}

fn looks_like_host(component: &str) -> bool {
    component.contains(['.', ':'])
        || component == "localhost"
        || component.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn hub_or(registry: &str) -> &str {
    if registry == "index.docker.io" {
        DOCKER_HUB
    } else {
        registry
    }
}

fn is_image_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn too_long(what: &str, length: usize, limit: usize) -> ValueError {
    ValueError::new(format!(
        "{what} of {length} characters: at most {limit} are allowed"
    ))
}

/// What no kind of reference may be or hold, with the commonest ways to get there.
fn check_plain(text: &str, what: &str, expected: &str) -> Result<(), ValueError> {
    if text.is_empty() {
        return Err(ValueError::new(format!("the {what} is empty: {expected}")));
    }
    if text.contains("://") {
        return Err(
            ValueError::new(format!("{} is a URL, not an {what}: {expected}", shown(text)))
                .with_help("leave out the scheme"),
        );
    }
    if text.contains('$') {
        return Err(ValueError::new(format!(
            "{} has a `$`, and nothing is expanded here: {expected}",
            shown(text)
        )));
    }
    match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(space) => Err(ValueError::new(format!(
            "{} has the white space {}: {expected}",
            shown(text),
            shown(&space.escape_default().to_string())
        ))),
        None => Ok(()),
    }
}

fn check_host(text: &str) -> Result<(), ValueError> {
    let wrong = |why: &str| {
        Err(ValueError::new(format!(
            "registry {} {why}: expected HOST[:PORT] such as `gcr.io` or `127.0.0.1:5000`",
            shown(text)
        )))
    };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return wrong("has a `[` without `]`");
        };
        if address.is_empty()
            || !address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
        {
            return wrong("has no IPv6 address in its brackets");
        }
        match after.strip_prefix(':') {
            None if after.is_empty() => return Ok(()),
            None => return wrong("has text after its brackets"),
            Some(port) => ("", Some(port)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if let Some(port) = port
        && (port.is_empty()
            || !port.bytes().all(|byte| byte.is_ascii_digit())
            || port.parse::<u16>().is_err())
    {
        return wrong("has no port number from 0 to 65535 after `:`");
    }
    if text.starts_with('[') {
        return Ok(());
    }
    for label in host.split('.') {
        if label.is_empty() {
            return wrong("has an empty part");
        }
        if !label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return wrong("has a character that no host has");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return wrong("has a part that starts or ends with `-`");
        }
    }
    Ok(())
}

/// Checks the path components of a repository: runs of `[a-z0-9]` with `.`, `_`, `__` or any number of `-` between.
fn check_path(path: &str, what: &str, whole: &str) -> Result<(), ValueError> {
    const ALLOWED: &str = "allowed are lower-case letters, digits, and `.`, `_`, `__` or `-` between them";
    for component in path.split('/') {
        let wrong = |why: String| {
            Err(ValueError::new(format!(
                "{what} {} {why}: {ALLOWED}",
                shown(whole)
            )))
        };
        if component.is_empty() {
            return wrong("has an empty part".to_owned());
        }
        if component.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return wrong(format!("has upper-case letters in {}", shown(component))).map_err(
                |error: ValueError| {
                    error.with_help(format!(
                        "write \"{}\"",
                        whole.replacen(component, &component.to_lowercase(), 1)
                    ))
                },
            );
        }
        if let Some(bad) = component
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
        {
            return wrong(format!("has the character {}", shown(&bad.to_string())));
        }
        let separators = component.split(|c: char| c.is_ascii_alphanumeric());
        if component.starts_with(['.', '_', '-']) || component.ends_with(['.', '_', '-']) {
            return wrong(format!("has a separator at an end of {}", shown(component)));
        }
        for separator in separators {
            let fine =
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
            if !fine {
                return wrong(format!("has the separator {}", shown(separator)));
            }
        }
    }
    Ok(())
}

/// Checks a digest: an algorithm the OCI image specification registers, with its length in lower-case hexadecimal.
fn check_digest(text: &str) -> Result<(), ValueError> {
    let wrong = |why: &str| {
        Err(ValueError::new(format!(
            "digest {} {why}: expected `sha256:` and 64 lower-case hexadecimal digits",
            shown(text)
        )))
    };
    let Some((algorithm, hex)) = text.split_once(':') else {
        return wrong("has no algorithm");
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return wrong("has an unknown algorithm"),
    };
    if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return wrong("has a character that is no lower-case hexadecimal digit");
    }
    if hex.len() != length {
        return wrong(&format!("has {} digits, not {length}", hex.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn reference(text: &str) -> ImageReference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn docker_hub_short_forms_are_written_out() {
        for (text, canonical) in [
            ("debian", "docker.io/library/debian"),
            ("debian:12-slim", "docker.io/library/debian:12-slim"),
            ("docker.io/debian", "docker.io/library/debian"),
            ("index.docker.io/debian", "docker.io/library/debian"),
            ("index.docker.io/library/debian", "docker.io/library/debian"),
            (
                "prefecthq/prefect:latest-python3.7",
                "docker.io/prefecthq/prefect:latest-python3.7",
            ),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
            ("[::1]:5000/app", "[::1]:5000/app"),
            ("[2001:db8::1]/app", "[2001:db8::1]/app"),
            ("Uppercase/lower", "Uppercase/lower"),
            ("gcr.io/dev/etl", "gcr.io/dev/etl"),
            ("a__b--c.d_e", "docker.io/library/a__b--c.d_e"),
            ("xn--n3h.com/myimage", "xn--n3h.com/myimage"),
        ] {
            assert_eq!(reference(text).canonical(), canonical, "{text}");
        }
    }

    #[test]
    fn familiar_form_reads_back_as_the_same_reference() {
        for (text, familiar) in [
            ("docker.io/library/debian:12", "debian:12"),
            ("docker.io/user/app", "user/app"),
            ("docker.io/library/foo/bar", "library/foo/bar"),
            ("gcr.io/dev/etl:1", "gcr.io/dev/etl:1"),
            ("docker.io/localhost/x", "docker.io/localhost/x"),
            ("docker.io/library/localhost", "library/localhost"),
            ("docker.io/a.b/x", "docker.io/a.b/x"),
        ] {
            assert_eq!(reference(text).familiar(), familiar);
            assert_eq!(reference(familiar), reference(text), "{text}");
        }
        let id = format!("docker.io/library/{HEX}");
        assert_eq!(reference(&id).familiar().parse(), Ok(reference(&id)));
    }

    #[test]
    fn parts_are_told_apart() {
        let text = format!("127.0.0.1:5000/dev/etl:v1@sha256:{HEX}");
        let parsed = reference(&text);
        assert_eq!(parsed.registry(), "127.0.0.1:5000");
        assert_eq!(parsed.repository(), "dev/etl");
        assert_eq!(parsed.tag(), Some("v1"));
        assert_eq!(parsed.digest(), Some(&*format!("sha256:{HEX}")));
        assert!(parsed.is_pinned());
        assert_eq!(parsed.to_string(), text);
        assert!(!reference("debian").is_pinned());
        assert_eq!(reference("debian").effective_tag(), Some("latest"));
        assert_eq!(reference(&format!("debian@sha256:{HEX}")).effective_tag(), None);
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let tag = "t".repeat(128);
        assert!(format!("a:{tag}").parse::<ImageReference>().is_ok());
        assert!(format!("a:{tag}t").parse::<ImageReference>().is_err());
        // `docker.io/library/` has 18 characters.
        assert!("a".repeat(255 - 18).parse::<ImageReference>().is_ok());
        assert!("a".repeat(256 - 18).parse::<ImageReference>().is_err());
        let host = format!("h.io/{}", "a".repeat(250));
        assert!(host.parse::<ImageReference>().is_ok());
        assert!((host + "a").parse::<ImageReference>().is_err());
    }

    #[test]
    fn refuses_what_docker_refuses() {
        for bad in [
            "",
            ":tag",
            "Debian",
            "a:",
            "a:-x",
            "a:.x",
            "a:x y",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a_-b",
            "https://gcr.io/a",
            "-host.io/a",
            "host-.io/a",
            "a.b:x/c",
            "a.b:99999/c",
            "a.b:/c",
            "[::1/c",
            "[g]/c",
            "[::1]x/c",
            "a@sha256:00",
            "a@md5:d41d8cd98f00b204e9800998ecf8427e",
            "a@",
            "a b",
            "aä",
            "a:ä",
            "$BASE",
            "a\n",
            HEX,
            "gcr.io/Dev/etl",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
        let upper = format!("a@sha256:{}", HEX.to_uppercase());
        assert!(upper.parse::<ImageReference>().is_err());
    }

    #[test]
    fn messages_say_what_is_wrong_and_what_to_write() {
        let error = "gcr.io/Dev/etl".parse::<ImageReference>().unwrap_err();
        assert_eq!(
            error.message(),
            "image reference `gcr.io/Dev/etl` has upper-case letters in `Dev`: allowed are lower-case letters, \
             digits, and `.`, `_`, `__` or `-` between them"
        );
        assert_eq!(error.help(), Some("write \"gcr.io/dev/etl\""));
        let error = "https://gcr.io/dev/".parse::<RegistryUrl>().unwrap_err();
        assert_eq!(
            error.help(),
            Some("write \"gcr.io/dev\"; whether TLS is used is decided when pushing")
        );
    }

    #[test]
    fn registry_urls_as_prefect_wrote_them() {
        for (text, registry, path, shown) in [
            ("gcr.io/dev/", "gcr.io", "dev", "gcr.io/dev"),
            ("127.0.0.1:5000", "127.0.0.1:5000", "", "127.0.0.1:5000"),
            (
                "localhost:5000/a/b",
                "localhost:5000",
                "a/b",
                "localhost:5000/a/b",
            ),
            ("prefecthq", "docker.io", "prefecthq", "docker.io/prefecthq"),
            ("index.docker.io/me", "docker.io", "me", "docker.io/me"),
        ] {
            let url: RegistryUrl = text.parse().unwrap();
            assert_eq!(
                (url.registry(), url.path(), &*url.to_string()),
                (registry, path, shown)
            );
            assert_eq!(url.to_string().parse(), Ok(url));
        }
        for bad in [
            "",
            "/",
            "docker.io",
            "http://x.io",
            "gcr.io/dev:1",
            "me@x.io",
            "gcr.io/Dev",
            "gcr.io//a",
            "a.b:x",
        ] {
            assert!(bad.parse::<RegistryUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn url_and_name_join_to_a_reference_that_reads_back() {
        let name: ImageName = "etl/orders".parse().unwrap();
        for url in ["gcr.io/dev", "127.0.0.1:5000", "prefecthq"] {
            let url: RegistryUrl = url.parse().unwrap();
            let tagged = url.tagged(&name, &"v1".parse().unwrap()).unwrap();
            assert_eq!(tagged.canonical().parse(), Ok(tagged.clone()));
            assert_eq!(tagged.canonical(), format!("{url}/etl/orders:v1"));
            let pinned = url.pinned(&name, &format!("sha256:{HEX}")).unwrap();
            assert!(pinned.is_pinned());
            assert_eq!(pinned.canonical().parse(), Ok(pinned.clone()));
            assert!(url.pinned(&name, "sha256:0").is_err());
        }
    }

    #[test]
    fn names_and_tags() {
        assert!("nightly-orders".parse::<ImageName>().is_ok());
        for bad in ["", "a:1", "A", "a b", "a/", "é"] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
        assert_eq!(
            "etl:1".parse::<ImageName>().unwrap_err().help(),
            Some("write image_name = \"etl\", image_tag = \"1\"")
        );
    }

    #[test]
    fn serde_goes_through_the_parser() {
        let parsed: ImageReference = serde_json::from_str("\"debian:12\"").unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), "\"debian:12\"");
        assert!(serde_json::from_str::<ImageReference>("\"Debian\"").is_err());
    }
}
