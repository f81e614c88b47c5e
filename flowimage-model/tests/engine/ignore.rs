//! Ignore files against what `docker build` copies.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flowimage_model::ignore::Ignore;

use crate::declared::generator::Generator;
use crate::kit::Builder;

/// A folder with names that patterns are about.
const TREE: [&str; 24] = [
    ".env",
    ".git/HEAD",
    ".git/refs/main",
    "Dockerfile.dev",
    "README.md",
    "a.md",
    "a b.txt",
    "app.rs",
    "build/a.o",
    "build/deep/b.o",
    "build/deep/keep.md",
    "docs/README.md",
    "docs/a.md",
    "docs/api/a.md",
    "docs/api/index.html",
    "docs/api/v2/a.md",
    "docs2/a.md",
    "naïve.txt",
    "src/build/x.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/main.rs.bak",
    "src/target/y",
    "target/debug/app",
];

/// An ignore file of a few lines. Exceptions name their folders: command lines before 23.0 do not look into a folder
/// that is left out for what a wildcard in the folder's place could bring back.
fn lines(generator: &mut Generator) -> Vec<String> {
    const NAMES: [&str; 16] = [
        "a.md",
        "*.md",
        "docs",
        "build",
        "src",
        "a?md",
        "*",
        "[a-d]*",
        "[^a-s]*",
        "api",
        "*.rs",
        "naïve.txt",
        "*ï*",
        "main.*",
        "target",
        "a b.txt",
    ];
    const FOLDERS: [&str; 8] = [
        "docs",
        "docs/api",
        "build",
        "src",
        "build/deep",
        "src/build",
        "target",
        ".",
    ];
    let count = 1 + generator.below(4);
    (0..count)
        .map(|_| {
            let name = generator.one(&NAMES);
            let folder = generator.one(&FOLDERS);
            match generator.below(11) {
                0 => name.to_owned(),
                1 => format!("**/{name}"),
                2 => format!("{folder}/**"),
                3 => format!("*/{name}"),
                4 => format!("{folder}/**/{name}"),
                5 => format!("{folder}/{name}/"),
                6 => format!("./{folder}/../{folder}//{name}"),
                7 => folder.to_owned(),
                8 => format!("{folder}*"),
                9 => format!("!{folder}/{name}"),
                _ => format!("!{folder}"),
            }
        })
        .collect()
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn kept(ignore: &Ignore, paths: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    paths.into_iter().filter(|path| !ignore.excludes(path)).collect()
}

/// What a walk keeps that does not enter what it need not enter.
fn walked(ignore: &Ignore, root: &Path, folder: &str, kept: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        let path = path.trim_start_matches('/').to_owned();
        if entry.file_type().unwrap().is_dir() {
            if !ignore.excludes_all_below(&path) {
                walked(ignore, root, &path, kept);
            }
        } else if !ignore.excludes(&path) {
            kept.insert(path);
        }
    }
}

/// Builds a folder that copies itself, and holds what arrived against what the model says.
fn compare(root: &Path, name: &str, text: &str) {
    fs::write(root.join(".dockerignore"), text).unwrap();
    let ignore = Ignore::parse(text).unwrap();
    let mut expected = BTreeSet::new();
    walked(&ignore, root, "", &mut expected);
    let expected: BTreeSet<_> = expected
        .into_iter()
        .map(|path| format!("context/{path}"))
        .collect();
    for builder in [Builder::BuildKit, Builder::Classic] {
        builder.build(root, name);
        let arrived: BTreeSet<_> = builder
            .files(name)
            .into_iter()
            .filter(|path| path.starts_with("context/"))
            .collect();
        builder.remove(name);
        let lost: Vec<_> = expected.difference(&arrived).collect();
        let more: Vec<_> = arrived.difference(&expected).collect();
        assert!(
            lost.is_empty() && more.is_empty(),
            "{builder:?}\n{text}\nlost: {lost:?}\nmore: {more:?}"
        );
    }
}

/// 150 ignore files in one: each has a copy of the tree, and its patterns begin with the folder of that.
#[test]
fn generated_ignore_files_leave_out_what_docker_leaves_out() {
    let root = tempfile::tempdir().unwrap();
    let mut generator = Generator::new(2026);
    let mut text = String::new();
    let (mut out, mut kept_paths) = (0, 0);
    for case in 0..150 {
        let lines = lines(&mut generator);
        let alone = Ignore::parse(&lines.join("\n")).unwrap();
        let kept = kept(&alone, TREE.map(str::to_owned)).len();
        kept_paths += kept;
        out += TREE.len() - kept;
        for line in lines {
            match line.strip_prefix('!') {
                Some(rest) => text += &format!("!c{case}/{rest}\n"),
                None => text += &format!("c{case}/{line}\n"),
            }
        }
        for path in TREE {
            write(root.path(), &format!("c{case}/{path}"), "");
        }
    }
    assert!(out > 600 && kept_paths > 600, "{out} out, {kept_paths} kept");
    write(root.path(), "Dockerfile", "FROM scratch\nCOPY . /context/\n");
    compare(root.path(), "flowimage-test-ignore:generated", &text);
}

/// What only a whole file can say: comments, blanks, slashes at the root, the files of the build itself.
#[test]
fn whole_ignore_files_leave_out_what_docker_leaves_out() {
    let root = tempfile::tempdir().unwrap();
    for path in TREE.into_iter().chain(["#c", "!x"]) {
        write(root.path(), path, "");
    }
    write(root.path(), "Dockerfile", "FROM scratch\nCOPY . /context/\n");
    for text in [
        "",
        "\u{feff}# comment\n #c\n\n  /docs/  \r\n! /docs/api/a.md\n",
        "*\n!docs\n!/src/../app.rs\ndocs/api\n!docs/api/a.md\n",
        "Dockerfile\n.dockerignore\n**/*.md\n!README.md\n\\!x\n",
        "**\n!src/main.rs\n!build/deep/*.md\n",
        "/\n.\n..\n../a.md\na*b.txt\n",
    ] {
        compare(root.path(), "flowimage-test-ignore:whole", text);
    }
}
