//! What the documents say of the code holds.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of a page's tables, without their heads, as cells.
fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| Prefect |") && !line.starts_with("| ---")
        })
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn every_word_of_prefect_has_a_row_with_tests_that_exist() {
    let page = read("docs/from-prefect.md");
    let rows = rows(&page);
    for word in [
        "registry_url",
        "base_image",
        "dockerfile",
        "dockerignore",
        "python_dependencies",
        "image_name",
        "image_tag",
        "env_vars",
        "files",
        "prefect_version",
        "local_image",
        "ignore_healthchecks",
        "base_url",
        "tls_config",
        "build_kwargs",
        "prefect_directory",
        "path",
        "stored_as_script",
        "extra_dockerfile_commands",
    ] {
        assert!(
            rows.iter().any(|row| row[0] == format!("`{word}`")),
            "no row for {word}"
        );
    }
    for row in &rows {
        assert_eq!(row.len(), 3, "{row:?}");
        for test in row[2].split(", ") {
            let (module, name) = test.trim_matches('`').split_once("::").unwrap();
            let source = read(&format!("tests/engine/{module}.rs"));
            let declared = format!("#[test]\nfn {name}() {{");
            assert!(source.contains(&declared), "{test} is no test");
        }
    }
}
