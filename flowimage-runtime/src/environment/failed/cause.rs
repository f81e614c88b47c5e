//! Known causes of failed builds, told by the words of the tools that ran.
//!
//! A wrong guess misleads, so each rule asks for words that only its own cause has.

use flowimage_model::Declaration;

use super::packages;
use crate::elf::Distribution;

/// Where a build failed.
pub(super) struct Place<'a> {
    pub(super) declaration: &'a Declaration,
    /// The key whose step failed; `dockerfile` for the author's own text.
    pub(super) key: &'a str,
    /// The instruction, as the builder shows it.
    pub(super) instruction: &'a str,
    /// Its line.
    pub(super) line: Option<usize>,
}

/// Why it failed.
pub(super) struct Cause {
    /// The line of output that tells it, from 0; `None` where the builder itself does.
    pub(super) line: Option<usize>,
    /// What to do.
    pub(super) advice: String,
}

type Rule = fn(&Place<'_>, &str) -> Option<String>;

/// The rules, the surest first: a missing compiler also makes pip say that a wheel failed; and pip goes on where some
/// page of an index did not answer, so that what it found in the end comes before that.
const RULES: [Rule; 18] = [
    no_space,
    python_conflict,
    name_resolution,
    certificate,
    refused_login,
    no_connection,
    unknown_package,
    missing_manager,
    missing_python,
    python_no_version,
    managed_python,
    missing_header,
    missing_library,
    missing_tool,
    missing_module,
    not_in_context,
    no_shell,
    permission,
];

/// Finds the cause in the output of the step that failed, or in the builder's own words.
pub(super) fn find(
    place: &Place<'_>,
    output: &[&str],
    exit_code: Option<i64>,
    message: &str,
) -> Option<Cause> {
    for rule in RULES {
        // The last mention is the one nearest to the end, and so most likely shown anyway.
        let numbered = output
            .iter()
            .enumerate()
            .rev()
            .map(|(index, line)| (Some(index), *line));
        // pip tries again five times: only the last try that failed is a cause.
        let is_try = |text: &str| text.contains("WARNING: Retrying") && !text.contains("Retry(total=0");
        let said = numbered.filter(|(_, line)| !is_try(line));
        for (line, text) in said.chain([(None, message)]) {
            if let Some(advice) = rule(place, text) {
                return Some(Cause { line, advice });
            }
        }
    }
    let advice = match exit_code? {
        137 => {
            "The step was killed (exit status 137), which is how a machine without memory ends a process: give the \
                engine more memory, or do less at a time."
        }
        _ => return None,
    };
    Some(Cause {
        line: None,
        advice: advice.to_owned(),
    })
}

impl Place<'_> {
    fn family(&self) -> Distribution {
        Distribution::of_base(&self.declaration.base_image.base().to_string())
    }

    /// How a package is added: to the key, or to the author's own Dockerfile.
    fn add(&self, package: &str) -> String {
        if self.key == "dockerfile" {
            let before = self
                .line
                .map_or(String::new(), |line| format!(" before line {line}"));
            let install = self.family().install(package);
            return format!("add `RUN {install}`{before}");
        }
        let mut all: Vec<&str> = self
            .declaration
            .system_dependencies
            .iter()
            .map(|known| known.as_str())
            .chain(package.split(' '))
            .collect();
        all.sort_unstable();
        all.dedup();
        format!("write `system_dependencies = [\"{}\"]`", all.join("\", \""))
    }
}

fn no_space(_: &Place<'_>, line: &str) -> Option<String> {
    let full = [
        "No space left on device",
        "no space left on device",
        "You don't have enough free space",
    ];
    full.iter().any(|words| line.contains(words)).then(|| {
        "The engine's disk is full: `docker system df` shows what takes it, `docker system prune` removes what nothing \
         uses."
            .to_owned()
    })
}

fn name_resolution(_: &Place<'_>, line: &str) -> Option<String> {
    let host = between(line, "Temporary failure resolving '", "'")
        .or_else(|| between(line, "Could not resolve '", "'"))
        .or_else(|| between(line, "Could not resolve host: ", " "))
        .or_else(|| between(line, "bad address '", "'"));
    let unnamed = [
        "Temporary failure in name resolution",
        "Name or service not known",
    ];
    let host = match host {
        Some(host) => format!("`{}`", host.trim_end_matches([')', '.', ','])),
        None if unnamed.iter().any(|words| line.contains(words)) => "a host".to_owned(),
        None => return None,
    };
    Some(format!(
        "The build cannot resolve {host}: give the engine a DNS server that it reaches (`\"dns\"` in \
         /etc/docker/daemon.json), or correct the host's name."
    ))
}

fn certificate(place: &Place<'_>, line: &str) -> Option<String> {
    let words = [
        "CERTIFICATE_VERIFY_FAILED",
        "certificate verify failed",
        "Certificate verification failed",
        "SSL certificate problem",
        "certificate is NOT trusted",
        "server certificate verification failed",
    ];
    words.iter().any(|words| line.contains(words)).then(|| {
        format!(
            "The base does not trust the server's certificate: {}, and where a company's own authority signs, copy its \
             certificate to /usr/local/share/ca-certificates in a base image of your own and run \
             `update-ca-certificates` there.",
            place.add("ca-certificates")
        )
    })
}

fn refused_login(place: &Place<'_>, line: &str) -> Option<String> {
    let refused = [
        "401 Unauthorized",
        "401  Unauthorized",
        "401 Client Error",
        "HTTP error 401",
        "HTTP Error 401",
        "returned error: 401",
        "could not read Username for",
    ];
    // pip asks for a name, and ends when nobody answers.
    let asked = line.starts_with("User for ") && line.trim_end().ends_with(':');
    (asked || refused.iter().any(|words| line.contains(words))).then(|| {
        let key = if place.key == "python_dependencies" {
            "for pip, name a file `secrets = [\"id=pip.conf,src=pip.conf\"]` with its `index-url`"
        } else {
            "name it in `secrets`, and read it from /run/secrets/NAME"
        };
        format!("The server asks for a login: {key}; a build argument would stay in the image.")
    })
}

fn no_connection(_: &Place<'_>, line: &str) -> Option<String> {
    let words = [
        "Could not connect to ",
        "Network is unreachable",
        "Connection refused",
        "Failed to establish a new connection",
        "Connection timed out",
        "connection timed out",
        "Cannot initiate the connection",
        "Failed to connect to ",
    ];
    words.iter().any(|words| line.contains(words)).then(|| {
        "The build has no way to that server: check the address, and where a proxy is needed, say it with \
         `build_args = { http_proxy = \"http://proxy:3128\", https_proxy = \"http://proxy:3128\" }`."
            .to_owned()
    })
}

fn unknown_package(place: &Place<'_>, line: &str) -> Option<String> {
    let name = between(line, "Unable to locate package ", " ")
        .or_else(|| between(line, "E: Package '", "' has no installation candidate"))
        .or_else(|| between(line, "Couldn't find any package by regex '", "'"))
        .or_else(|| between(line, "No match for argument: ", " "))
        .or_else(|| between(line.trim_start(), "", " (no such package)"))?;
    let known = packages::near(name, place.family());
    Some(match known {
        Some(near) if place.key == "system_dependencies" => {
            let all = place.declaration.system_dependencies.iter();
            let corrected: Vec<&str> = all
                .map(|it| if it.as_str() == name { near } else { it.as_str() })
                .collect();
            format!(
                "The base's distribution has no package `{name}`; did you mean `{near}`? Then write \
                 `system_dependencies = [\"{}\"]`.",
                corrected.join("\", \"")
            )
        }
        Some(near) => format!("The base's distribution has no package `{name}`; did you mean `{near}`?"),
        None => format!(
            "The base's distribution has no package `{name}`: look its name up ({}), or add the source that has it in \
             a base image or `dockerfile` of your own.",
            place.family().look_up()
        ),
    })
}

fn missing_manager(_: &Place<'_>, line: &str) -> Option<String> {
    line.contains("flowimage: the base image has none of apt-get").then(|| {
        "Choose a base that has one (`base_image = \"debian:bookworm-slim\"`), or copy what is needed with `files` in \
         place of `system_dependencies`."
            .to_owned()
    })
}

fn missing_python(place: &Place<'_>, line: &str) -> Option<String> {
    let ours = line.starts_with("flowimage: ") && line.contains("Python");
    ours.then(|| match &place.declaration.python_version {
        Some(version) => format!(
            "Choose a base with that Python (`base_image = \"python:{version}-slim\"`), or remove `python_version`."
        ),
        None => format!(
            "Choose a base with Python (`base_image = \"python:3.12-slim\"`), or {}.",
            place.add(place.family().python())
        ),
    })
}

fn python_conflict(_: &Place<'_>, line: &str) -> Option<String> {
    let wanted = between(
        line,
        "ERROR: Cannot install ",
        " because these package versions have conflicting",
    )?;
    let names: Vec<&str> = wanted
        .split([',', ' '])
        .filter(|word| !word.is_empty() && *word != "and")
        .collect();
    Some(format!(
        "No version satisfies {} at once: loosen the version of one of them in `python_dependencies`, or leave it out \
         where another needs it anyway.",
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" and ")
    ))
}

fn python_no_version(_: &Place<'_>, line: &str) -> Option<String> {
    let wanted = between(
        line,
        "Could not find a version that satisfies the requirement ",
        " (from",
    )?;
    let versions = between(line, "(from versions: ", ")").unwrap_or("none");
    Some(if versions == "none" {
        format!(
            "The index has nothing for `{wanted}` that fits the base's Python and platform: check the name, or choose \
             another `python_version`. An index that wants a login gives nothing either: name its `pip.conf` in \
             `secrets = [\"id=pip.conf,src=pip.conf\"]`."
        )
    } else {
        let newest: Vec<&str> = versions.rsplit(", ").take(3).collect();
        let package = wanted
            .split(['=', '<', '>', '!', '~', ' ', ';'])
            .next()
            .unwrap_or(wanted);
        format!(
            "`{wanted}` has no such version; the newest are {}: write one of them in `python_dependencies`, \
             `\"{package}=={}\"` say.",
            newest.join(", "),
            newest[0]
        )
    })
}

fn managed_python(place: &Place<'_>, line: &str) -> Option<String> {
    if !line.contains("externally-managed-environment") {
        return None;
    }
    let (_, rest) = place.instruction.split_once("install ").unwrap_or_default();
    let packages: Vec<String> = rest
        .split_whitespace()
        .take_while(|word| !word.starts_with(['&', '|', ';']))
        .filter(|word| !word.starts_with(['-', '/', '.']))
        .map(|word| format!("\"{}\"", word.trim_matches(['"', '\'', ';'])))
        .collect();
    let add = match packages.is_empty() {
        true => "name yours in `python_dependencies`, which go into a virtual environment".to_owned(),
        false => format!(
            "write `python_dependencies = [{}]` in place of this, which go into a virtual environment",
            packages.join(", ")
        ),
    };
    Some(format!("The distribution keeps its own Python packages: {add}."))
}

fn missing_header(place: &Place<'_>, line: &str) -> Option<String> {
    let (before, _) = line.split_once(": No such file or directory")?;
    let (_, header) = before.split_once("fatal error: ")?;
    Some(match packages::of_header(header, place.family()) {
        Some(package) => format!(
            "The C header `{header}` is missing; the package `{package}` has it: {}.",
            place.add(package)
        ),
        None => format!(
            "The C header `{header}` is missing: add the development package that has it to `system_dependencies` \
             ({}).",
            place.family().look_up()
        ),
    })
}

fn missing_library(place: &Place<'_>, line: &str) -> Option<String> {
    let name = between(line, "cannot find -l", " ")?.trim_end_matches(':');
    let package = packages::of_library(name, place.family());
    Some(match package {
        Some(package) => format!(
            "The linker misses lib{name}; the package `{package}` has it: {}.",
            place.add(package)
        ),
        None => format!(
            "The linker misses lib{name}: add the development package that has it to `system_dependencies`."
        ),
    })
}

fn missing_tool(place: &Place<'_>, line: &str) -> Option<String> {
    let name = tool_in(line)?;
    let name = name.rsplit('/').next().unwrap_or(name);
    Some(match packages::of_tool(name, place.family()) {
        Some(package) => format!(
            "The program `{name}` is missing; the package `{package}` has it: {}.",
            place.add(package)
        ),
        None => format!(
            "The program `{name}` is missing in the base: name the package that has it in `system_dependencies`."
        ),
    })
}

/// A program that could not be found, in the words of compilers, shells and build tools.
fn tool_in(line: &str) -> Option<&str> {
    let quoted = |start, end| between(line, start, end);
    quoted("error trying to exec '", "'")
        .or_else(|| {
            let command = quoted("error: command '", "' failed: No such file")?;
            Some(command)
        })
        .or_else(|| quoted("unable to execute '", "': No such file"))
        .or_else(|| quoted("Cannot find command '", "'"))
        .or_else(|| quoted("error: linker `", "` not found"))
        .or_else(|| line.contains("can't find Rust compiler").then_some("cargo"))
        .or_else(|| {
            let missing = [
                "pg_config executable not found",
                "mysql_config not found",
                "CMake must be installed",
            ];
            let tools = ["pg_config", "mysql_config", "cmake"];
            let found = missing.iter().position(|words| line.contains(words))?;
            tools.get(found).copied()
        })
        .or_else(|| {
            // `/bin/sh: 1: curl: not found`, `bash: line 1: curl: command not found`
            let rest = line
                .strip_suffix(": not found")
                .or_else(|| line.strip_suffix(": command not found"))?;
            let (shell, name) = rest.rsplit_once(": ")?;
            shell.contains("sh:").then_some(name)
        })
}

fn missing_module(place: &Place<'_>, line: &str) -> Option<String> {
    let module = between(line, "ModuleNotFoundError: No module named '", "'")?;
    let top = module.split('.').next().unwrap_or(module);
    let known = packages::of_module(top);
    let package = known.unwrap_or(top).to_owned();
    let all = place.declaration.python_dependencies.iter();
    let all: Vec<String> = all.map(|it| it.as_str().to_owned()).chain([package]).collect();
    let write = format!("`python_dependencies = {all:?}`");
    Some(match known {
        Some(package) => {
            format!("Python finds no module `{module}`; the package `{package}` has it: write {write}.")
        }
        None => format!("Python finds no module `{module}`: add the package that has it, {write} say."),
    })
}

fn not_in_context(place: &Place<'_>, line: &str) -> Option<String> {
    let copies = ["COPY", "ADD"]
        .iter()
        .any(|word| place.instruction.starts_with(word));
    let missing = line.contains("not found")
        || line.contains("no such file or directory")
        || line.contains("no files found");
    if !copies || !missing {
        return None;
    }
    let source = between(line, "\"/", "\": not found")
        .or_else(|| between(line, "\"/", "\" not found"))
        .or_else(|| {
            between(
                line,
                "COPY failed: file not found in build context or excluded by .dockerignore: stat ",
                ":",
            )
        })
        .or_else(|| between(line, "lstat /", ":").and_then(|path| path.rsplit('/').next()));
    let source = source.unwrap_or("it").to_owned();
    Some(format!(
        "The build context is the crate's folder, and `{source}` is not in it or an ignore file leaves it out: \
         correct the path, or copy it from elsewhere with `files`."
    ))
}

fn no_shell(_: &Place<'_>, line: &str) -> Option<String> {
    let no_shell = line.contains("\"/bin/sh\": stat /bin/sh: no such file or directory")
        || line.contains("exec: \"/bin/sh\": stat");
    no_shell.then(|| {
        "The base has no shell, so nothing can be run in it: choose a base with one, or leave out the keys that need \
         `RUN`."
            .to_owned()
    })
}

fn permission(place: &Place<'_>, line: &str) -> Option<String> {
    let denied = line.contains("Permission denied") || line.contains("are you root?");
    (denied && place.key == "dockerfile").then(|| {
        "The step runs as the user that `USER` names: write `USER root` before it, and the user again after it."
            .to_owned()
    })
}

/// What stands between two marks; up to the line's end where the second is a space that is not there.
fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &line[line.find(start)? + start.len()..];
    match rest.find(end) {
        Some(at) => Some(&rest[..at]),
        None if end == " " => Some(rest),
        None => None,
    }
    .filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_told_though_a_name_was_not_resolved_on_the_way() {
        let declaration =
            "name = \"a\"\nbase_image = { inferred = \"scratch\" }\nflow_directory = \"/opt/flow\"\n";
        let place = Place {
            declaration: &toml::from_str(declaration).unwrap(),
            key: "python_dependencies",
            instruction: "RUN pip install",
            line: None,
        };
        let output = [
            "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError: [Errno -3] \
             Temporary failure in name resolution': /simple/pip/",
            "ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.",
        ];
        let told = |output: &[&str]| find(&place, output, Some(1), "").map(|cause| cause.advice);
        assert!(
            told(&output)
                .unwrap()
                .starts_with("No version satisfies `a==1` and `b==2`")
        );
        assert!(
            told(&output[..1])
                .unwrap()
                .starts_with("The build cannot resolve a host")
        );
    }
}
