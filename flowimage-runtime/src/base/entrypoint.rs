//! The entrypoint of what a flow stands on: kept in front of the flow where it runs its arguments, else replaced.

use serde_json::Value;

use crate::oci::config;

/// Programs that become, or run as their child, the command they are given.
const INITS: [&str; 6] = [
    "catatonit",
    "docker-init",
    "dumb-init",
    "tini",
    "tini-static",
    "nvidia_entrypoint.sh",
];

/// What becomes of an entrypoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// These words stay in front of the flow; none where it is replaced.
    Words(Vec<String>),
    /// The same, if the script at this path runs its arguments; else none.
    Script(String, Vec<String>),
}

impl Front {
    /// What a configuration says of it.
    pub(crate) fn of(config: &Value) -> Self {
        let words = config::entrypoint(config);
        let Some((script, inits)) = words.split_last() else {
            return Front::Words(Vec::new());
        };
        if is_init(&words) {
            return Front::Words(words);
        }
        let alone = inits.is_empty() || is_init(inits);
        if !alone || !script.starts_with('/') {
            return Front::Words(Vec::new());
        }
        Front::Script(script.clone(), words)
    }
}

/// Whether these words are an init with its options: what follows them is run.
fn is_init(words: &[String]) -> bool {
    let Some((first, options)) = words.split_first() else {
        return false;
    };
    let name = first.rsplit('/').next().unwrap_or(first);
    INITS.contains(&name) && options.iter().all(|word| word.starts_with('-'))
}

/// Whether a shell script's last command is `exec "$@"`, perhaps as another user.
pub(crate) fn runs_its_arguments(script: &str) -> bool {
    if !script.starts_with("#!") {
        return false;
    }
    let last = script
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.starts_with('#'));
    last.is_some_and(|line| line.starts_with("exec ") && line.ends_with("\"$@\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inits_and_scripts_that_run_their_arguments() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_init(&words("/usr/bin/tini --")));
        assert!(is_init(&words("/sbin/tini -g --")));
        assert!(!is_init(&words("tini -- python")));
        assert!(!is_init(&words("/bin/sh -c")));
        assert!(runs_its_arguments(
            "#!/bin/sh\nset -e\n# note\n\nexec \"$@\"\n# end\n"
        ));
        assert!(runs_its_arguments("#!/bin/bash\nexec gosu app \"$@\"\n"));
        assert!(!runs_its_arguments("#!/bin/sh\nexec python app.py\n"));
        assert!(!runs_its_arguments(
            "#!/bin/sh\nexec \"$@\"\necho never reached, but who knows\n"
        ));
        assert!(!runs_its_arguments("\u{7f}ELF exec \"$@\""));
    }
}
