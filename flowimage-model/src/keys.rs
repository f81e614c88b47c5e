//! The catalogue of keys: one entry each, from which messages, hover texts and the reference page are made.

/// The form of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `key = "…"`.
    Text,
    /// `key = true`.
    Flag,
    /// `key = 1`.
    Count,
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
            Form::Count => "a whole number from 1 to 2147483647",
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

/// The keys of `[profile.NAME]`: what `--profile NAME` puts in place of what is declared.
pub static PROFILE_KEYS: [Key; 7] = [
    key(
        "registry_url",
        Form::Text,
        "The registry to push to.",
        r#"registry_url = "gcr.io/production""#,
        "the declared one",
    ),
    key(
        "image_tag",
        Form::Text,
        "The tag to move.",
        r#"image_tag = "production""#,
        "the declared one",
    ),
    key(
        "engine",
        Form::Text,
        "The engine, as `--engine` takes it.",
        r#"engine = "ssh://builder@example.com""#,
        "that of `[engine]`",
    ),
    key(
        "schedule",
        Form::Text,
        "When the orchestrator runs the flows.",
        r#"schedule = "every 1h""#,
        "the declared one",
    ),
    key(
        "concurrency_limit",
        Form::Count,
        "How many runs of a flow may be at work at once.",
        "concurrency_limit = 4",
        "the declared one",
    ),
    key(
        "tags",
        Form::List,
        "Tags at the orchestrator.",
        r#"tags = ["production"]"#,
        "the declared ones",
    ),
    key(
        "work_pool",
        Form::Text,
        "The orchestrator's work pool.",
        r#"work_pool = "production""#,
        "the declared one",
    ),
];

/// The keys of `[engine]`.
pub static ENGINE_KEYS: [Key; 2] = [
    key(
        "host",
        Form::Text,
        "The engine's address, as `--engine` takes it, where neither that, the profile nor `DOCKER_HOST` names one.",
        r#"host = "tcp://builder:2376""#,
        "docker's context, else the local socket",
    ),
    key(
        "cert_path",
        Form::Text,
        "The folder with `ca.pem`, `cert.pem` and `key.pem` for TLS, relative to the file.",
        r#"cert_path = "certificates""#,
        "`DOCKER_CERT_PATH`",
    ),
];

/// The keys of `[registry]`.
pub static REGISTRY_KEYS: [Key; 2] = [
    key(
        "bases",
        Form::Text,
        "An OCI layout that is asked for base images before any registry, relative to the file. Its index names them \
         by their references.",
        r#"bases = "vendor/bases""#,
        "none",
    ),
    key(
        "plain_http",
        Form::List,
        "Registries that are spoken to without TLS; those of this machine are anyway.",
        r#"plain_http = ["registry.lan:5000"]"#,
        "none",
    ),
];

/// The keys of `[prefect]`. Its API key is never written down: `PREFECT_API_KEY` has it.
pub static PREFECT_KEYS: [Key; 3] = [
    key(
        "api_url",
        Form::Text,
        "The server's API.",
        r#"api_url = "http://127.0.0.1:4200/api""#,
        "`PREFECT_API_URL`; without any, flows are not registered with Prefect",
    ),
    key(
        "work_pool",
        Form::Text,
        "The work pool of flows that declare none.",
        r#"work_pool = "docker-pool""#,
        "none",
    ),
    key(
        "work_queue",
        Form::Text,
        "The queue of the work pool.",
        r#"work_queue = "nightly""#,
        "the pool's default queue",
    ),
];

/// The keys of `[kubernetes]`, which `register --kubernetes` puts into manifests.
pub static KUBERNETES_KEYS: [Key; 7] = [
    key(
        "namespace",
        Form::Text,
        "The namespace of the manifests.",
        r#"namespace = "flows""#,
        "none: that of the context they are applied in",
    ),
    key(
        "service_account",
        Form::Text,
        "The account that flows run with.",
        r#"service_account = "flows""#,
        "the namespace's default, without its token",
    ),
    key(
        "image_pull_secrets",
        Form::List,
        "Secrets with the registry's credentials.",
        r#"image_pull_secrets = ["registry-login"]"#,
        "none",
    ),
    key(
        "env",
        Form::Map,
        "Environment variables that only the cluster's flows have.",
        r#"env = { TARGET = "warehouse" }"#,
        "none",
    ),
    key(
        "secrets",
        Form::Map,
        "Environment variables whose values stand in a secret of the cluster: `SECRET/KEY`.",
        r#"secrets = { DB_PASSWORD = "orders-db/password" }"#,
        "none",
    ),
    key(
        "cpu",
        Form::Text,
        "The processor time that a flow asks for.",
        r#"cpu = "500m""#,
        "none",
    ),
    key(
        "memory",
        Form::Text,
        "The memory that a flow asks for, and may have.",
        r#"memory = "512Mi""#,
        "none",
    ),
];

/// Every key, in the order of the reference page.
pub static KEYS: [Key; 36] = [
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
        "dockerignore",
        Form::Text,
        "The file that says what is no part of the build context, as Docker reads it; relative to the crate.",
        r#"dockerignore = "docker/etl.dockerignore""#,
        "`.dockerignore` beside the Dockerfile or in the crate; without any, `target/` and `.git` are left out",
    ),
    key(
        "system_dependencies",
        Form::List,
        "Packages of the base's distribution (apt, apk or dnf).",
        r#"system_dependencies = ["unixodbc", "tdsodbc"]"#,
        "none",
    ),
    key(
        "python_dependencies",
        Form::List,
        "Python requirements (PEP 508), installed into a virtual environment that is on `PATH`.",
        r#"python_dependencies = ["pyodbc>=5,<6"]"#,
        "none",
    ),
    key(
        "python_version",
        Form::Text,
        "The version of Python 3.",
        r#"python_version = "3.12""#,
        "3.12 where the base is inferred, else the base's own",
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
        "build_args",
        Form::Map,
        "Values of the `ARG`s of your Dockerfile or extra commands. They stay readable in the image's history.",
        r#"build_args = { DRIVER = "18.3" }"#,
        "none",
    ),
    key(
        "secrets",
        Form::List,
        "Secrets that steps of the build may read: an environment variable, or `id=…` with `env=…` or `src=…`. They enter no layer, log or catalog.",
        r#"secrets = ["PIP_TOKEN", "id=netrc,src=.netrc"]"#,
        "none",
    ),
    key(
        "commands",
        Form::List,
        "Programs that must be on `PATH`. A health check looks for them.",
        r#"commands = ["sqlcmd", "git"]"#,
        "none",
    ),
    key(
        "health_checks",
        Form::List,
        "Commands that are run inside the image, split into words without a shell. Exit status 0 is healthy.",
        r#"health_checks = ["odbcinst -q -d", "sh -c 'test -d /data'"]"#,
        "none beyond flowimage's own",
    ),
    key(
        "dynamic_libraries",
        Form::List,
        "Shared libraries that the flow or its programs open at run time, such as database drivers: names, or paths in the image. A health check looks for them and for what they need.",
        r#"dynamic_libraries = ["libtdsodbc.so"]"#,
        "none",
    ),
    key(
        "dry_run",
        Form::Map,
        "Parameters with which the flow itself is run once inside the image, as a health check: JSON, or plain text.",
        r#"dry_run = { day = "2013-01-01", batch = "5" }"#,
        "none: the flow is loaded, not run",
    ),
    key(
        "health_checks_network",
        Form::Flag,
        "Lets health checks see the engine's network.",
        "health_checks_network = true",
        "false",
    ),
    key(
        "skip_health_checks",
        Form::List,
        "Health checks to leave out, by name. They are shown as skipped.",
        r#"skip_health_checks = ["pip check"]"#,
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
        "exec",
        Form::List,
        "For a flow that is a script or a program: what the flow binary runs as its child, program and arguments.",
        r#"exec = ["python", "/opt/flow/main.py"]"#,
        "the Rust code is the flow",
    ),
    key(
        "local_image",
        Form::Flag,
        "Never asks a registry for the base: the engine has it.",
        "local_image = true",
        "false: a base that the engine lacks is pulled",
    ),
    key(
        "libraries",
        Form::Text,
        "Where the flow binary finds its shared libraries: in the `image`, or `bundled` beside it with their loader.",
        r#"libraries = "bundled""#,
        "`image`",
    ),
    key(
        "flow_directory",
        Form::Text,
        "The folder of the flow binary in the image.",
        r#"flow_directory = "/srv/flow""#,
        "`/opt/flow`",
    ),
    key(
        "user",
        Form::Text,
        "The user the flow runs as: a name of the base, or `uid` or `uid:gid`.",
        r#"user = "65532:65532""#,
        "the base's or Dockerfile's, else uid 65532",
    ),
    key(
        "platform",
        Form::Text,
        "The platform of the image. The flow binary must fit it.",
        r#"platform = "linux/arm64""#,
        "the flow binary's",
    ),
    key(
        "labels",
        Form::Map,
        "Labels of the image.",
        r#"labels = { "org.opencontainers.image.vendor" = "Example" }"#,
        "those flowimage sets",
    ),
    key(
        "image",
        Form::Text,
        "The `[image.NAME]` of `flowimage.toml` whose keys hold for this flow. Flows of one image share it.",
        r#"image = "etl""#,
        "none: the flow has an image of its own",
    ),
    key(
        "tags",
        Form::List,
        "Tags of the flow at the orchestrator.",
        r#"tags = ["nightly"]"#,
        "none",
    ),
    key(
        "schedule",
        Form::Text,
        "When the orchestrator runs the flow: cron, or `every` with an interval; a time zone may follow.",
        r#"schedule = "30 6 * * mon-fri Europe/Amsterdam""#,
        "none: runs are started by hand",
    ),
    key(
        "concurrency_limit",
        Form::Count,
        "How many runs of the flow may be at work at once at the orchestrator. More of them wait.",
        "concurrency_limit = 1",
        "none: all runs begin when they are due",
    ),
    key(
        "work_pool",
        Form::Text,
        "The orchestrator's work pool.",
        r#"work_pool = "docker-pool""#,
        "that of `[prefect]` in `flowimage.toml`",
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
