//! Whether there is a Python, asked before anything is built.

use flowimage_model::render::Rendered;
use flowimage_model::requirement::Requirement;

use super::failed::shown_line;
use crate::engine::{Engine, EngineImage};
use crate::failure::{Failure, Stage, at};
use crate::flow::FlowUnit;
use crate::oci::config;

/// Looks for a Python in the image that `python_dependencies` are installed on.
///
/// Packages installed before them may bring one: then the step itself finds out.
pub(super) async fn check(unit: &FlowUnit, engine: &Engine, on: &EngineImage) -> Result<(), Failure> {
    let declaration = &unit.declaration;
    let brought = declaration
        .system_dependencies
        .iter()
        .any(|package| package.as_str().starts_with("py"));
    if declaration.python_dependencies.is_empty() || brought {
        return Ok(());
    }
    let names = match &declaration.python_version {
        Some(version) => vec![
            format!("python{}", version.minor()),
            "python3".to_owned(),
            "python".to_owned(),
        ],
        None => vec!["python3".to_owned(), "python".to_owned()],
    };
    let files = engine.files(on.id.as_str()).await.map_err(at(Stage::Build))?;
    let mut found = false;
    'search: for folder in search_path(on).split(':') {
        for name in &names {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            if path.starts_with('/') && files.stat(&path).await.map_err(at(Stage::Build))?.is_some() {
                found = true;
                break 'search;
            }
        }
    }
    files.close().await.map_err(at(Stage::Build))?;
    if found {
        return Ok(());
    }
    let base = declaration.base_image.base();
    let version = declaration
        .python_version
        .as_ref()
        .map_or("3.12", |version| version.as_str());
    let mut packages: Vec<&str> = declaration
        .system_dependencies
        .iter()
        .map(|it| it.as_str())
        .collect();
    packages.push("python3-venv");
    packages.sort_unstable();
    Err(Failure::text(
        Stage::Build,
        format!(
            "`python_dependencies`: {base} has no Python, so they cannot be installed{}",
            requirement_line(&unit.rendered, &declaration.python_dependencies)
        ),
        format!(
            "Choose a base that has one (`base_image = \"python:{version}-slim\"`), or install the distribution's: \
             `system_dependencies = [\"{}\"]`.",
            packages.join("\", \"")
        ),
    ))
}

/// The line of the first requirement, as it is shown below a message.
fn requirement_line(rendered: &Rendered, requirements: &[Requirement]) -> String {
    let first = requirements.first().map_or("", |it| it.as_str());
    let mut lines = (1..).zip(rendered.text.lines());
    let line = lines.find(|(number, line)| {
        rendered.key_of_line(*number) == Some("python_dependencies") && line.contains(first)
    });
    line.map_or(String::new(), |(number, line)| shown_line(number, line))
}

fn search_path(image: &EngineImage) -> &str {
    let mut variables = config::words(&image.config, "Env");
    let path = variables.find_map(|pair| pair.strip_prefix("PATH="));
    path.unwrap_or(config::PATH)
}
