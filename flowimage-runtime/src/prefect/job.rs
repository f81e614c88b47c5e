//! What a worker is told of a flow's job, by type of work pool.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flowimage_model::Declaration;
use flowimage_model::escape::expand_env;
use serde_json::{Map, Value, json};

use super::pool::Pool;

/// A program on this machine, for workers that start processes of it.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its absolute path.
    pub path: PathBuf,
    /// The folder it is started in.
    pub folder: PathBuf,
}

impl Program {
    /// What says which program a deployment's flow was in: the same on every machine.
    pub fn label(&self, package: &str) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{package}/{name}")
    }
}

/// The job variables of a flow: its image by digest and its command, or the program itself.
///
/// Only names that the pool's template declares are used.
pub fn job_variables(
    declaration: &Declaration,
    pool: &Pool,
    image: &str,
    program: &Program,
) -> Map<String, Value> {
    let flow = declaration.name.as_str();
    let mut variables = Map::new();
    if pool.runs_images() {
        variables.insert("image".to_owned(), json!(image));
        // Without a command a worker passes its own; the entrypoint is kept.
        variables.insert("command".to_owned(), json!(format!("run {flow}")));
        // A digest never changes, so an image that is there is the right one.
        variables.insert("image_pull_policy".to_owned(), json!("IfNotPresent"));
        variables.insert("labels".to_owned(), json!({ "dev.flowimage.flow": flow }));
    } else {
        let path = shell_word(&program.path.display().to_string());
        variables.insert("command".to_owned(), json!(format!("{path} run {flow}")));
        variables.insert("working_dir".to_owned(), json!(program.folder));
        variables.insert("env".to_owned(), json!(environment(declaration)));
    }
    variables.retain(|name, _| pool.takes(name));
    variables
}

/// The declared keys that come to nothing on a pool whose workers start the program itself: an image would hold what they
/// name, such a worker's machine must have it already.
pub fn unheeded(declaration: &Declaration, pool: &Pool) -> Vec<&'static str> {
    if pool.runs_images() {
        return Vec::new();
    }
    let keys = [
        ("dockerfile", declaration.dockerfile.is_some()),
        ("system_dependencies", !declaration.system_dependencies.is_empty()),
        ("python_dependencies", !declaration.python_dependencies.is_empty()),
        ("files", !declaration.files.is_empty()),
        (
            "extra_dockerfile_commands",
            !declaration.extra_dockerfile_commands.is_empty(),
        ),
    ];
    keys.into_iter()
        .filter(|(_, given)| *given)
        .map(|(key, _)| key)
        .collect()
}

/// What an image would set; there is no base whose variables could be referred to.
fn environment(declaration: &Declaration) -> BTreeMap<String, String> {
    declaration
        .env_vars
        .iter()
        .map(|(name, value)| (name.to_string(), expand_env(value.as_str(), &|_| None)))
        .collect()
}

/// Quoted for the worker, which splits a command as a POSIX shell does.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(shell_word("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(shell_word("/it's here"), r"'/it'\''s here'");
    }
}
