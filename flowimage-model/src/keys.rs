//! The catalogue of keys: one entry each, from which messages, hover texts and the reference page are made.

/// The form of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `key = "…"`.
    Text,
    /// `key = true`.
    Flag,
    /// `key = ["…", "…"]`.
    List,
    /// `key = { NAME = "value" }`.
    Map,
    /// `key = { "from" => "to" }`.
    Pairs,
}

impl Form {
    /// The form in words, for a message: "expected …".
    pub fn describe(self) -> &'static str {
        match self {
            Form::Text => "a string",
            Form::Flag => "`true` or `false`",
            Form::List => "a list of strings",
            Form::Map => "a map such as `{ NAME = \"value\" }`",
            Form::Pairs => "a map such as `{ \"source\" => \"/destination\" }`",
        }
    }
}

/// One key of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The word.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// What it means, in one or two sentences of Markdown.
    pub meaning: &'static str,
    /// An example as it stands in the attribute.
    pub example: &'static str,
    /// What holds where the key is not given.
    pub default: &'static str,
}

/// Finds a key by its name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

const fn key(
    name: &'static str,
    form: Form,
    meaning: &'static str,
    example: &'static str,
    default: &'static str,
) -> Key {
    Key {
        name,
        form,
        meaning,
        example,
        default,
    }
}

/// Every key, in the order of the reference page.
pub static KEYS: [Key; 15] = [
    key(
        "name",
        Form::Text,
        "The flow's name: on the command line, in the catalog, at the orchestrator.",
        r#"name = "nightly-orders""#,
        "the item's name in kebab-case",
    ),
    key(
        "registry_url",
        Form::Text,
        "The registry, with a path if it has one, that the image is pushed to.",
        r#"registry_url = "gcr.io/dev""#,
        "none: the image is registered in an OCI layout under `target/flowimage`",
    ),
    key(
        "image_name",
        Form::Text,
        "The repository's name below `registry_url`.",
        r#"image_name = "orders""#,
        "the flow's name, or that of its `image`",
    ),
    key(
        "image_tag",
        Form::Text,
        "A tag to move to the image once it is pushed. What is registered is the digest all the same.",
        r#"image_tag = "v1""#,
        "the image identity, so that a tag never lies",
    ),
    key(
        "base_image",
        Form::Text,
        "The image to build on, or `\"scratch\"`. One that only the engine has (built there, never pushed) is used as it is.",
        r#"base_image = "debian:bookworm-slim""#,
        "`scratch` where nothing needs `RUN`, else debian-slim, or python-slim with `python_dependencies`",
    ),
    key(
        "dockerfile",
        Form::Text,
        "Your own Dockerfile, relative to the crate; the flow is laid on top of its last stage. The build context is the crate's folder.",
        r#"dockerfile = "docker/Dockerfile""#,
        "none: the Dockerfile is written from the other keys",
    ),
    key(
        "system_dependencies",
        Form::List,
        "Packages of the base's distribution (apt, apk or dnf).",
        r#"system_dependencies = ["unixodbc", "tdsodbc"]"#,
        "none",
    ),
    key(
        "files",
        Form::Pairs,
        "Files and folders to copy into the image: relative to the crate or absolute, to an absolute path in the image.",
        r#"files = { "config/odbc.ini" => "/etc/odbc.ini" }"#,
        "none",
    ),
    key(
        "env_vars",
        Form::Map,
        "Environment variables of the image. `$NAME` expands as in a Dockerfile, to what the base set; `\\$` is a dollar.",
        r#"env_vars = { TDSVER = "7.4", PYTHONPATH = "/modules:$PYTHONPATH" }"#,
        "none",
    ),
    key(
        "extra_dockerfile_commands",
        Form::List,
        "Dockerfile instructions, after the files and before the flow.",
        r#"extra_dockerfile_commands = ["RUN sed -i s/TLSv1.2/TLSv1.0/g /etc/ssl/openssl.cnf"]"#,
        "none",
    ),
    key(
        "ignore_healthchecks",
        Form::Flag,
        "Skips all health checks of this flow.",
        "ignore_healthchecks = true",
        "false",
    ),
    key(
        "user",
        Form::Text,
        "The user the flow runs as: a name of the base, or `uid` or `uid:gid`.",
        r#"user = "65532:65532""#,
        "the base's or Dockerfile's, else uid 65532",
    ),
    key(
        "labels",
        Form::Map,
        "Labels of the image.",
        r#"labels = { "org.opencontainers.image.vendor" = "Example" }"#,
        "those flowimage sets",
    ),
    key(
        "description",
        Form::Text,
        "What the flow does, for people.",
        r#"description = "Copies orders""#,
        "the item's doc comment",
    ),
    key(
        "allow",
        Form::List,
        "Lints to silence.",
        r#"allow = ["unpinned_base"]"#,
        "none",
    ),
];
