//! Secrets where everybody can read them: in source, layers and histories. Values that are one are mistakes, names that
//! sound like one are doubts. No message repeats a value.

use super::super::draft::Draft;
use crate::tree::{Findings, Mistake};

/// The lint of names that sound like a secret's.
pub(crate) const SECRET_NAME: &str = "secret_name";

pub(super) fn check<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    check_values(draft, findings);
    check_names(draft, findings);
}

fn check_values<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let env_vars = draft
        .env_vars
        .iter()
        .map(|(_, it)| ("env_vars", it.value.as_str(), &it.place));
    let build_args = draft
        .build_args
        .iter()
        .map(|(_, it)| ("build_args", it.value.0.as_str(), &it.place));
    let labels = draft
        .labels
        .iter()
        .map(|(_, it)| ("labels", it.value.0.as_str(), &it.place));
    let commands = draft
        .extra_dockerfile_commands
        .iter()
        .map(|it| ("extra_dockerfile_commands", it.value.as_str(), &it.place));
    let requirements = draft
        .python_dependencies
        .iter()
        .map(|it| ("python_dependencies", it.value.as_str(), &it.place));
    let exec = draft
        .exec
        .iter()
        .map(|it| ("exec", it.value.0.as_str(), &it.place));
    let tags = draft
        .tags
        .iter()
        .map(|it| ("tags", it.value.0.as_str(), &it.place));
    let dry_run = draft.dry_run.iter().flat_map(|parameters| parameters.iter());
    let dry_run = dry_run.map(|(_, it)| ("dry_run", it.value.0.as_str(), &it.place));
    let texts = env_vars
        .chain(build_args)
        .chain(labels)
        .chain(commands)
        .chain(requirements)
        .chain(exec)
        .chain(tags)
        .chain(dry_run);
    for (key, text, place) in texts {
        if let Some(what) = secret_in(text) {
            findings.mistake(
                Mistake::new(
                    place.clone(),
                    format!("{what} in `{key}` stays readable in source and image"),
                )
                .help(way_out(key)),
            );
        }
    }
    for check in &draft.health_checks {
        if let Some(what) = check.value.0.iter().find_map(|word| secret_in(word)) {
            findings.mistake(
                Mistake::new(
                    check.place.clone(),
                    format!("{what} in `health_checks` stays readable in source and image"),
                )
                .help(way_out("health_checks")),
            );
        }
    }
    for secret in &draft.secrets {
        if let Some(what) = secret_in(&secret.value.id) {
            findings.mistake(
                Mistake::new(
                    secret.place.clone(),
                    format!("{what} in `secrets`: here stands where a secret is found, never the secret"),
                )
                .help("put it into an environment variable, and write the variable's name"),
            );
        }
    }
}

fn way_out(key: &str) -> &'static str {
    match key {
        "env_vars" | "exec" | "health_checks" | "labels" | "tags" => {
            "give it to the flow where it runs: as an environment variable of the deployment"
        }
        "dry_run" => "have the flow read it from its environment: a dry run goes without secrets",
        _ => "declare it in `secrets`: steps of the build read it from `/run/secrets`, and no layer keeps it",
    }
}

/// Tokens by their beginning, and how many letters follow at least.
///
/// Source: what the issuers document, as collected in <https://github.com/gitleaks/gitleaks>.
const TOKENS: [(&str, usize, &str); 22] = [
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("AIza", 35, "a Google API key"),
    ("ya29.", 20, "a Google access token"),
    ("sk_live_", 16, "a Stripe key"),
    ("rk_live_", 16, "a Stripe key"),
    ("npm_", 36, "an npm token"),
    ("pypi-AgE", 50, "a PyPI token"),
    ("dckr_pat_", 20, "a Docker Hub token"),
    ("pnu_", 36, "a Prefect key"),
    ("hf_", 34, "a Hugging Face token"),
    ("SG.", 40, "a SendGrid key"),
    ("sk-ant-", 40, "an Anthropic key"),
];

/// What kind of secret a text holds.
fn secret_in(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    for word in text.split(|letter| !part(letter)) {
        for (start, length, what) in TOKENS {
            if word.len() >= start.len() + length && word.starts_with(start) {
                return Some(what);
            }
        }
        let parts: Vec<_> = word.split('.').collect();
        if parts.len() == 3 && parts[..2].iter().all(|it| it.starts_with("eyJ") && it.len() > 10) {
            return Some("a JSON web token");
        }
    }
    if has_url_password(text) {
        return Some("a password in an address");
    }
    has_connection_password(text).then_some("a password in a connection string")
}

/// `scheme://user:password@host`, where the password is no variable.
fn has_url_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let authority = rest
            .split(['/', ' ', '"', '\'', '?', '#'])
            .next()
            .unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(login, _)| login.split_once(':'))
            .is_some_and(|(_, password)| is_literal(password))
    })
}

/// `…;Pwd=password;…`, as ODBC and ADO write it.
fn has_connection_password(text: &str) -> bool {
    text.contains(';')
        && text
            .split(';')
            .filter_map(|part| part.split_once('='))
            .any(|(name, value)| {
                let name = name.trim().to_ascii_lowercase();
                matches!(name.as_str(), "pwd" | "password") && is_literal(value.trim())
            })
}

/// Whether a password is written out: a variable or a placeholder is none.
fn is_literal(password: &str) -> bool {
    !password.is_empty()
        && !password.starts_with(['$', '<', '{', '%'])
        && password
            .chars()
            .any(|letter| letter != '*' && letter != 'x' && letter != 'X')
}

/// Names of variables that sound like a secret's, and hold something.
fn check_names<P: Clone>(draft: &Draft<P>, findings: &mut Findings<P>) {
    let env_vars = draft
        .env_vars
        .iter()
        .map(|(name, value)| ("env_vars", name, value.value.as_str()));
    let build_args = draft
        .build_args
        .iter()
        .map(|(name, value)| ("build_args", name, value.value.0.as_str()));
    for (key, name, value) in env_vars.chain(build_args) {
        // A variable of the base, or none at all, is no secret written down.
        if !sounds_secret(name.value.as_str()) || value.is_empty() || value.starts_with('$') {
            continue;
        }
        findings.doubt(
            SECRET_NAME,
            Mistake::new(
                name.place.clone(),
                format!(
                    "`{}` sounds like a secret, and what is in `{key}` stays readable in the image",
                    name.value
                ),
            )
            .help(format!(
                "{}; if it is none, `allow = [\"{SECRET_NAME}\"]`",
                way_out(key)
            )),
        );
    }
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<_> = name.split('_').collect();
    let place = matches!(
        words.last(),
        Some(&("FILE" | "PATH" | "DIR" | "URL" | "NAME" | "ID"))
    );
    let word = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let pair = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    !place
        && (word(&[
            "PASSWORD",
            "PASSWD",
            "PWD",
            "PASSPHRASE",
            "SECRET",
            "TOKEN",
            "CREDENTIALS",
            "APIKEY",
        ]) && name != "PWD"
            || pair("API", "KEY")
            || pair("ACCESS", "KEY")
            || pair("PRIVATE", "KEY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_shape() {
        let letters = "a1".repeat(30);
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            &format!("token ghp_{letters}"),
            &format!("ENV X=glpat-{letters}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
            "postgres://etl:hunter2@db/orders",
            "pip install x --index-url https://u:p4ss@pypi.example/simple",
            "Driver={FreeTDS};Server=db;Uid=sa;Pwd=hunter2",
        ] {
            assert!(secret_in(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        for text in [
            "",
            "7.4",
            "postgres://db/orders",
            "postgres://etl@db/orders",
            "postgres://etl:$PASSWORD@db/orders",
            "postgres://etl:<password>@db/orders",
            "postgres://etl:***@db/orders",
            "http://host:80/@x:y",
            "Driver={FreeTDS};Server=db;Pwd=$PWD",
            "ghp_short",
            "a.b.c",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(secret_in(text), None, "{text}");
        }
    }

    #[test]
    fn names_that_sound_secret() {
        for name in [
            "DB_PASSWORD",
            "API_KEY",
            "token",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
        ] {
            assert!(sounds_secret(name), "{name}");
        }
        for name in [
            "TDSVER",
            "PWD",
            "TOKEN_FILE",
            "KEYBOARD",
            "TOKENIZERS",
            "SECRET_NAME",
            "SORT_KEY",
        ] {
            assert!(!sounds_secret(name), "{name}");
        }
    }
}
