//! A key of the attribute is, for the compiler and so for an editor, the field of a documented struct: where those fields
//! are deprecated, each key is told to be so, at its own place.

#![deny(deprecated)]

extern crate flowimage as real;
extern crate self as flowimage;

mod __private {
    pub use real::__private::*;

    pub mod keys {
        pub struct Keys {
            #[deprecated]
            pub name: (),
            #[deprecated]
            pub registry_url: (),
            #[deprecated]
            pub image_name: (),
            #[deprecated]
            pub image_tag: (),
            #[deprecated]
            pub base_image: (),
            #[deprecated]
            pub dockerfile: (),
            #[deprecated]
            pub dockerignore: (),
            #[deprecated]
            pub system_dependencies: (),
            #[deprecated]
            pub python_dependencies: (),
            #[deprecated]
            pub python_version: (),
            #[deprecated]
            pub files: (),
            #[deprecated]
            pub env_vars: (),
            #[deprecated]
            pub extra_dockerfile_commands: (),
            #[deprecated]
            pub build_args: (),
            #[deprecated]
            pub secrets: (),
            #[deprecated]
            pub commands: (),
            #[deprecated]
            pub health_checks: (),
            #[deprecated]
            pub dynamic_libraries: (),
            #[deprecated]
            pub dry_run: (),
            #[deprecated]
            pub health_checks_network: (),
            #[deprecated]
            pub skip_health_checks: (),
            #[deprecated]
            pub ignore_healthchecks: (),
            #[deprecated]
            pub exec: (),
            #[deprecated]
            pub local_image: (),
            #[deprecated]
            pub libraries: (),
            #[deprecated]
            pub flow_directory: (),
            #[deprecated]
            pub user: (),
            #[deprecated]
            pub platform: (),
            #[deprecated]
            pub labels: (),
            #[deprecated]
            pub image: (),
            #[deprecated]
            pub tags: (),
            #[deprecated]
            pub schedule: (),
            #[deprecated]
            pub concurrency_limit: (),
            #[deprecated]
            pub work_pool: (),
            #[deprecated]
            pub description: (),
            #[deprecated]
            pub allow: (),
        }

        #[allow(deprecated)]
        pub const KEYS: Keys = Keys {
            name: (),
            registry_url: (),
            image_name: (),
            image_tag: (),
            base_image: (),
            dockerfile: (),
            dockerignore: (),
            system_dependencies: (),
            python_dependencies: (),
            python_version: (),
            files: (),
            env_vars: (),
            extra_dockerfile_commands: (),
            build_args: (),
            secrets: (),
            commands: (),
            health_checks: (),
            dynamic_libraries: (),
            dry_run: (),
            health_checks_network: (),
            skip_health_checks: (),
            ignore_healthchecks: (),
            exec: (),
            local_image: (),
            libraries: (),
            flow_directory: (),
            user: (),
            platform: (),
            labels: (),
            image: (),
            tags: (),
            schedule: (),
            concurrency_limit: (),
            work_pool: (),
            description: (),
            allow: (),
        };
    }
}

use real::prelude::*;

#[flow_image(
    name = "a",
    registry_url = "gcr.io/dev",
    image_name = "orders",
    image_tag = "latest",
    base_image = "debian:bookworm-slim",
    local_image = true,
    system_dependencies = ["curl"],
    python_dependencies = ["pyodbc>=5,<6"],
    python_version = "3.12",
    files = { "flowimage.toml" => "/etc/flow.toml" },
    env_vars = { TDSVER = "7.4" },
    extra_dockerfile_commands = ["RUN true"],
    secrets = ["token"],
    commands = ["curl"],
    health_checks = ["curl --version"],
    dynamic_libraries = ["libodbc.so.2"],
    dry_run = {},
    health_checks_network = true,
    skip_health_checks = ["user"],
    libraries = "image",
    flow_directory = "/opt/flow",
    user = "1000:1000",
    platform = "linux/amd64",
    labels = { "org.example.team" = "data" },
    tags = ["daily"],
    schedule = "@daily",
    concurrency_limit = 1,
    work_pool = "pool",
    description = "Copies orders.",
    allow = ["secret_name"],
)]
fn a() {}

#[flow_image(
    image = "own",
    dockerfile = "own.Dockerfile",
    dockerignore = "own.dockerignore",
    build_args = { VERSION = "1" },
    exec = ["true"],
)]
fn b() {}

#[flow_image(ignore_healthchecks = true)]
fn c() {}

fn main() {}
