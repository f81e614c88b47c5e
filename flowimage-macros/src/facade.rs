//! What the crate that is compiled calls `flowimage`: a manifest may rename it.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use toml::{Table, Value};

use crate::item::tokens;

const PACKAGE: &str = "flowimage";

/// The path of the facade's hidden module.
pub(crate) fn private() -> TokenStream {
    tokens(&private_path())
}

/// The same as text.
pub(crate) fn private_path() -> String {
    thread_local! {
        // A compiler's process has one crate, an editor's many: the last one asked for is remembered.
        static LAST: RefCell<(PathBuf, String)> = RefCell::default();
    }
    let folder = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    LAST.with_borrow_mut(|(path, text)| {
        if text.is_empty() || *path != folder {
            *text = format!("::{}::__private", name_in(&folder));
            *path = folder;
        }
        text.clone()
    })
}

/// The facade's name in the crate of a folder.
fn name_in(folder: &Path) -> String {
    let read =
        |folder: &Path| -> Option<Table> { fs::read_to_string(folder.join("Cargo.toml")).ok()?.parse().ok() };
    let Some(manifest) = read(folder) else {
        return PACKAGE.to_owned();
    };
    let inherited = || {
        folder.ancestors().filter_map(read).find_map(|manifest| {
            Some(
                manifest
                    .get("workspace")?
                    .get("dependencies")?
                    .as_table()?
                    .clone(),
            )
        })
    };
    renamed(&manifest, &inherited).unwrap_or_else(|| PACKAGE.to_owned())
}

/// The name of a dependency whose `package` is the facade, here or where the workspace says it.
fn renamed(manifest: &Table, inherited: &dyn Fn() -> Option<Table>) -> Option<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = std::iter::once(manifest).chain(
        targets
            .into_iter()
            .flat_map(|targets| targets.values().filter_map(Value::as_table)),
    );
    let is_facade = |value: &Value| value.get("package").and_then(Value::as_str) == Some(PACKAGE);
    for table in tables {
        for kind in ["dependencies", "dev-dependencies"] {
            let Some(dependencies) = table.get(kind).and_then(Value::as_table) else {
                continue;
            };
            if dependencies.contains_key(PACKAGE) {
                return None;
            }
            for (name, value) in dependencies {
                let of_workspace = value.get("workspace").and_then(Value::as_bool) == Some(true);
                if is_facade(value) || (of_workspace && inherited()?.get(name).is_some_and(is_facade)) {
                    return Some(name.replace('-', "_"));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_manifests() {
        let workspace: Table = "flow.package = \"flowimage\"\nserde = \"1\"".parse().unwrap();
        for (manifest, name) in [
            ("[dependencies]\nflowimage = \"1\"", None),
            ("[dependencies]\nserde = \"1\"", None),
            (
                "[dependencies]\nmy-flow = { package = \"flowimage\" }",
                Some("my_flow"),
            ),
            ("[dev-dependencies.x]\npackage = \"flowimage\"", Some("x")),
            (
                "[dependencies]\nserde.workspace = true\nflow.workspace = true",
                Some("flow"),
            ),
            (
                "[target.'cfg(unix)'.dependencies]\ny = { package = \"flowimage\" }",
                Some("y"),
            ),
        ] {
            let found = renamed(&manifest.parse().unwrap(), &|| Some(workspace.clone()));
            assert_eq!(found.as_deref(), name, "{manifest}");
        }
    }
}
