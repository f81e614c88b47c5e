//! Declared values through the renderer and a real builder: they come out of the image as they went in.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use flowimage_model::escape::expand_env;
use flowimage_model::render::{STAGED, render, staged_file};

use crate::declared::Declared;
use crate::kit::{Builder, setting};

/// Writes the Dockerfile with all that it copies.
fn write(declared: &Declared, base: &str, folder: &Path) {
    fs::create_dir_all(folder.join(STAGED).join("rootfs")).unwrap();
    fs::write(folder.join(STAGED).join("flow"), "").unwrap();
    fs::write(folder.join(STAGED).join("rootfs/none"), "").unwrap();
    for path in &declared.files {
        let file = folder.join(staged_file(path));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, path).unwrap();
    }
    let text = render(&declared.declaration(base).unwrap()).text;
    fs::write(folder.join("Dockerfile"), text).unwrap();
}

fn environment(configuration: &serde_json::Value) -> BTreeMap<String, String> {
    let pairs = configuration["Env"].as_array().unwrap().iter();
    pairs
        .filter_map(|pair| pair.as_str().unwrap().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_value_comes_out_of_the_image_as_it_went_in() {
    // With a PATH to expand: the base that all engines have sets none, and builders differ on what it then is.
    let base = "localhost/flowimage-test-quoting:base";
    let below = tempfile::tempdir().unwrap();
    let text = format!(
        "FROM {}\nENV PATH=/usr/bin:/bin\n",
        setting("FLOWIMAGE_TEST_BASE")
    );
    fs::write(below.path().join("Dockerfile"), text).unwrap();
    for builder in Builder::ALL {
        let mut declared = Declared::generate(0x5eed);
        if builder == Builder::Podman {
            // Buildah 1.28 takes brackets and backslashes out of a source once more than the others do.
            declared
                .files
                .retain(|path| !path.contains(['\\', '*', '?', '[']));
        }
        let folder = tempfile::tempdir().unwrap();
        write(&declared, base, folder.path());
        let name = "flowimage-test-quoting:all";
        builder.build(below.path(), base);
        let before = environment(&builder.configuration(base));
        builder.build(folder.path(), name);
        let built = builder.configuration(name);
        let files = builder.files(name);
        builder.remove(name);
        builder.remove(base);
        let env = environment(&built);
        for (variable, value) in &declared.env {
            let expected = expand_env(value, &|name| before.get(name).cloned());
            assert_eq!(
                env.get(variable),
                Some(&expected),
                "{builder:?} {variable}: {value:?}"
            );
        }
        for (key, value) in &declared.labels {
            assert_eq!(built["Labels"][key], value.as_str(), "{builder:?} {key}");
        }
        for path in &declared.files {
            assert!(files.contains(path.trim_start_matches('/')), "{builder:?} {path}");
        }
    }
}
