//! The steps that install packages. Each chooses by itself what the base has: the text is one for every base.

use crate::declaration::Declaration;
use crate::escape;

/// Where package managers keep their downloads between builds, while a builder mounts something there.
const CACHE: &str = "/var/cache/flowimage";

/// apt, apk or dnf, whichever the base has. Lists and downloads are gone from the layer.
pub(super) fn system(declaration: &Declaration, caches: bool, text: &mut String) {
    let words: Vec<_> = declaration
        .system_dependencies
        .iter()
        .map(|it| escape::shell_word(it.as_str()))
        .collect();
    let packages = words.join(" ");
    let (mount, prepare, lists, archives) = if caches {
        (
            format!("--mount=type=cache,id=flowimage-apt,target={CACHE},sharing=locked "),
            format!(" mkdir -p {CACHE}/lists/partial {CACHE}/archives/partial;"),
            format!(" -o Dir::State::Lists={CACHE}/lists"),
            format!(" -o Dir::Cache::Archives={CACHE}/archives"),
        )
    } else {
        Default::default()
    };
    text.push_str(&format!(
        "\
USER 0:0
RUN {mount}set -eu; \\
    if command -v apt-get > /dev/null; then \\
      export DEBIAN_FRONTEND=noninteractive;{prepare} \\
      apt-get{lists} update; \\
      apt-get{lists}{archives} install -y --no-install-recommends {packages}; \\
      rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/cache/apt/*.bin; \\
    elif command -v apk > /dev/null; then \\
      apk add --no-cache {packages}; \\
    elif command -v dnf > /dev/null; then \\
      dnf install -y {packages}; \\
      dnf clean all; \\
    else \\
      echo 'flowimage: the base image has none of apt-get, apk and dnf' >&2; \\
      exit 127; \\
    fi
"
    ));
}

/// A virtual environment on top of the Python that the base has, which sees that Python's own packages too.
pub(super) fn python(declaration: &Declaration, caches: bool, text: &mut String) {
    let folder = format!("{}/venv", declaration.flow_directory);
    let words: Vec<_> = declaration
        .python_dependencies
        .iter()
        .map(|it| escape::shell_word(it.as_str()))
        .collect();
    let (mount, cache) = if caches {
        (
            // Downloads alone: a package that is compiled here fits what this environment has, and may fit no other.
            format!(
                "--mount=type=cache,id=flowimage-pip,target={CACHE} --mount=type=tmpfs,target={CACHE}/pip/wheels "
            ),
            format!("--cache-dir={CACHE}/pip"),
        )
    } else {
        (String::new(), "--no-cache-dir".to_owned())
    };
    let secrets = secret_mounts(declaration, "");
    let (candidates, fits, name) = match &declaration.python_version {
        None => (
            "python3 python".to_owned(),
            "sys.version_info[0] != 3".to_owned(),
            "Python 3".to_owned(),
        ),
        Some(version) => {
            let numbers = version.as_str().replace('.', ", ");
            let count = version.as_str().split('.').count();
            (
                format!("python{} python3 python", version.minor()),
                format!("sys.version_info[:{count}] != ({numbers})"),
                format!("Python {version}"),
            )
        }
    };
    text.push_str(&format!(
        "\
USER 0:0
RUN {mount}{secrets}set -eu; \\
    for python in {candidates} ''; do \\
      if [ -z \"$python\" ]; then echo 'flowimage: the base image has no {name}' >&2; exit 127; fi; \\
      if \"$python\" -c 'import sys; sys.exit({fits})' 2> /dev/null; then break; fi; \\
    done; \\
    if \"$python\" -c 'import ensurepip' 2> /dev/null; then \\
      \"$python\" -m venv --system-site-packages {folder}; \\
      pip='{folder}/bin/python -m pip'; \\
    elif \"$python\" -m pip --version > /dev/null 2>&1; then \\
      \"$python\" -m venv --system-site-packages --without-pip {folder}; \\
      pip=\"$python -m pip --python {folder}/bin/python\"; \\
    else \\
      echo 'flowimage: the Python of the base image has neither ensurepip nor pip' >&2; exit 127; \\
    fi; \\
    \"$python\" -c 'import site, sys; sys.prefix == sys.base_prefix or print(*site.getsitepackages(), sep=\"\\n\")' \\
      > \"$({folder}/bin/python -c 'import site; print(site.getsitepackages()[0])')/base.pth\"; \\
{login}    $pip install --no-input --disable-pip-version-check {cache} \\
      {requirements}
ENV VIRTUAL_ENV={quoted} PATH=\"{folder}/bin:$PATH\"
",
        login = pip_login(declaration),
        requirements = words.join(" \\\n      "),
        quoted = escape::literal(&folder),
    ));
}

/// Secrets that pip reads by itself, under the names that they have everywhere.
fn pip_login(declaration: &Declaration) -> String {
    let known = [("pip.conf", "PIP_CONFIG_FILE"), ("netrc", "NETRC")];
    let has = |id: &str| declaration.secrets.iter().any(|secret| secret.id == id);
    let lines = known.iter().filter(|(id, _)| has(id));
    lines
        .map(|(id, variable)| format!("    export {variable}=/run/secrets/{id}; \\\n"))
        .collect()
}

/// An extra command; a `RUN` finds every secret in `/run/secrets`.
pub(super) fn with_secrets(command: &str, declaration: &Declaration) -> String {
    match command.split_once(char::is_whitespace) {
        Some((word, rest)) if word.eq_ignore_ascii_case("RUN") => {
            format!("{word} {}{}", secret_mounts(declaration, rest), rest.trim_start())
        }
        _ => command.to_owned(),
    }
}

/// The mounts of all secrets that a `RUN` does not mount itself.
fn secret_mounts(declaration: &Declaration, run: &str) -> String {
    let mounted = |id: &str| {
        run.split_whitespace()
            .take_while(|word| word.starts_with("--"))
            .filter(|word| word.contains("type=secret"))
            .any(|word| word.split(',').any(|part| part.strip_prefix("id=") == Some(id)))
    };
    let secrets = declaration.secrets.iter().filter(|secret| !mounted(&secret.id));
    secrets
        .map(|secret| format!("--mount=type=secret,id={},required=true ", secret.id))
        .collect()
}
