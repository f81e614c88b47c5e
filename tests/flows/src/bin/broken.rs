//! Flows whose environments cannot be built, each for another reason.

use flowimage::prelude::*;

#[flow_image(base_image = "debian:bookworm-slim", system_dependencies = ["jq", "sqlite33"])]
fn package_misspelt() {}

#[flow_image(base_image = "debian:bookworm-slim", system_dependencies = ["python3-devel"])]
fn package_of_another_distribution() {}

#[flow_image(base_image = "debian:bookworm-slim", system_dependencies = ["flowimage-no-such-package"])]
fn package_unknown() {}

#[flow_image(base_image = "flowimage-test/busybox:static", system_dependencies = ["jq"])]
fn package_manager_missing() {}

#[flow_image(base_image = "debian:bookworm-slim", python_dependencies = ["docopt"])]
fn python_missing() {}

#[flow_image(base_image = "flowimage-test/python:3.11", python_dependencies = ["docopt"], python_version = "3.9")]
fn python_of_another_version() {}

#[flow_image(base_image = "flowimage-test/python:3.11", python_dependencies = ["docopt==9.9"])]
fn python_package_without_that_version() {}

#[flow_image(base_image = "flowimage-test/python:3.11", python_dependencies = ["flowimage-no-such-package"])]
fn python_package_unknown() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    python_dependencies = ["docopt==0.6.1", "num2words==0.5.12"],
)]
fn python_packages_in_conflict() {}

#[flow_image(base_image = "flowimage-test/python:3.11", python_dependencies = ["ujson==1.35"])]
fn python_package_without_a_compiler() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    python_dependencies = ["docopt @ git+https://127.0.0.1:9/docopt.git"],
)]
fn python_package_without_git() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    extra_dockerfile_commands = ["RUN python -c 'import yaml'"],
)]
fn module_missing() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = ["RUN true", "RUN curl -fsS https://example.org > /page"],
)]
fn command_missing() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = [
        "RUN exec >&2; echo 'src/pyodbc.h:56:10: fatal error: sql.h: No such file or directory'; echo '   56 | #include <sql.h>'; seq 20; exit 1",
    ],
)]
fn header_missing() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = ["RUN echo '/usr/bin/ld: cannot find -lpq: No such file or directory' >&2; exit 1"],
)]
fn library_missing() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    extra_dockerfile_commands = ["RUN dd if=/dev/zero of=/dev/full count=1 status=none"],
)]
fn disk_full() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    extra_dockerfile_commands = ["RUN python -c \"import urllib.request as u; u.urlopen('http://nowhere.invalid')\""],
)]
fn name_unresolved() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    extra_dockerfile_commands = ["RUN python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:9')\""],
)]
fn connection_refused() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    system_dependencies = ["curl", "openssl"],
    files = { "broken/stranger.sh" => "/opt/stranger.sh" },
    extra_dockerfile_commands = ["RUN sh /opt/stranger.sh && curl -sS https://localhost:8443"],
)]
fn certificate_unknown() {}

#[flow_image(
    base_image = "flowimage-test/python:3.11",
    files = { "broken/locked.py" => "/opt/locked.py" },
    extra_dockerfile_commands = [
        "RUN python /opt/locked.py pip install -q --no-input http://127.0.0.1:8000/orders-1.0-py3-none-any.whl",
    ],
)]
fn login_missing() {}

#[flow_image(base_image = "debian:bookworm-slim", extra_dockerfile_commands = ["RUN sh -c 'kill -9 $$'; exit $?"])]
fn killed() {}

#[flow_image(base_image = "debian:bookworm-slim", extra_dockerfile_commands = ["RUN echo no reason known; exit 3"])]
fn reason_unknown() {}

#[flow_image(
    base_image = "flowimage-test/nowhere:1",
    local_image = true,
    extra_dockerfile_commands = ["RUN true"],
)]
fn local_image_missing() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    secrets = ["FLOWIMAGE_TEST_UNSET"],
    extra_dockerfile_commands = ["RUN cat /run/secrets/FLOWIMAGE_TEST_UNSET"],
)]
fn secret_not_set() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    secrets = ["id=netrc,src=broken/no-such-netrc"],
    extra_dockerfile_commands = ["RUN cat /run/secrets/netrc"],
)]
fn secret_file_missing() {}

#[flow_image(dockerfile = "broken/permission.Dockerfile")]
fn own_step_not_root() {}

#[flow_image(dockerfile = "broken/tool.Dockerfile")]
fn own_tool_missing() {}

#[flow_image(dockerfile = "broken/shell.Dockerfile", extra_dockerfile_commands = ["RUN true"])]
fn shell_missing() {}

#[flow_image(dockerfile = "broken/mirror.Dockerfile", system_dependencies = ["jq"])]
fn mirror_unresolved() {}

#[flow_image(dockerfile = "broken/closed.Dockerfile", system_dependencies = ["jq"])]
fn mirror_closed() {}

#[flow_image(
    base_image = "debian:bookworm-slim",
    system_dependencies = ["python3-pip"],
    extra_dockerfile_commands = ["RUN pip install docopt"],
)]
fn python_of_the_distribution() {}

#[flow_image(base_image = "registry.invalid/flows/base:1", extra_dockerfile_commands = ["RUN true"])]
fn base_registry_unresolved() {}

#[flow_image(base_image = "127.0.0.1:1/flows/base:1", extra_dockerfile_commands = ["RUN true"])]
fn base_registry_closed() {}

#[flow_image(dockerfile = "broken/base.Dockerfile")]
fn own_base_registry_closed() {}

fn main() -> std::process::ExitCode {
    flowimage::main()
}
