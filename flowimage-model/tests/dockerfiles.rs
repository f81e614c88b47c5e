//! Dockerfiles that are hard to read, each in a file of its own, and the messages for those that are wrong.

use std::fs;
use std::path::Path;

use flowimage_model::dockerfile::{Dockerfile, DockerfileMistake};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/dockerfiles")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn said(mistakes: &[DockerfileMistake]) -> String {
    let lines = mistakes.iter().map(|it| match &it.help {
        Some(help) => format!("{}:{}: {}: {help}\n", it.line, it.column, it.message),
        None => format!("{}:{}: {}\n", it.line, it.column, it.message),
    });
    lines.collect()
}

fn words(file: &Dockerfile) -> String {
    let words: Vec<_> = file.instructions().iter().map(|it| it.word.as_str()).collect();
    words.join(" ")
}

#[test]
fn valid_files_are_read_as_builders_read_them() {
    for (name, expected) in [
        ("heredocs", "FROM RUN RUN COPY RUN RUN RUN CMD"),
        ("continuations", "FROM RUN RUN ENV"),
        (
            "stages",
            "ARG ARG FROM ARG RUN FROM RUN FROM ONBUILD ONBUILD FROM COPY COPY COPY COPY ADD ADD USER",
        ),
        (
            "forms",
            "FROM MAINTAINER ENV ENV LABEL LABEL ARG ARG ADD VOLUME VOLUME EXPOSE STOPSIGNAL SHELL HEALTHCHECK \
             HEALTHCHECK WORKDIR USER RUN RUN ENTRYPOINT CMD",
        ),
        ("utf8", "FROM ENV RUN CMD"),
    ] {
        let file = Dockerfile::parse(&text(&format!("valid/{name}.Dockerfile")))
            .unwrap_or_else(|mistakes| panic!("{name}: {}", said(&mistakes)));
        assert_eq!(words(&file), expected, "{name}");
        assert_eq!(file.doubts(), [], "{name}");
    }
}

/// A file for Windows is read as it is meant, and then refused for what it is.
#[test]
fn another_escape_character_is_understood_and_refused() {
    let text = text("valid/directives.Dockerfile");
    assert_eq!(words(&Dockerfile::read(&text)), "FROM COPY RUN WORKDIR");
    assert_eq!(
        said(&Dockerfile::parse(&text).unwrap_err()),
        "1:1: the escape directive changes how every later line is read, also those of the other keys: flowimage \
         builds Linux images: remove it and continue lines with `\\`\n"
    );
}

#[test]
fn invalid_files_are_refused_at_the_word() {
    for name in [
        "unknown_instruction",
        "no_from",
        "copy_without_destination",
        "from_three_words",
        "heredoc_without_end",
        "stage_twice",
        "unknown_flag",
        "env_without_argument",
        "empty",
    ] {
        let mistakes = Dockerfile::parse(&text(&format!("invalid/{name}.Dockerfile"))).expect_err(name);
        assert_eq!(
            said(&mistakes),
            text(&format!("invalid/{name}.expected")),
            "{name}"
        );
    }
}

/// The Dockerfile of the page that Prefect's users knew.
#[test]
fn the_file_with_the_drivers_for_sql_server_passes() {
    let file =
        Dockerfile::parse(&text("mssql.Dockerfile")).unwrap_or_else(|found| panic!("{}", said(&found)));
    assert_eq!(words(&file), "FROM RUN RUN RUN RUN RUN RUN RUN RUN RUN RUN");
    assert_eq!(file.doubts(), []);
    assert_eq!(
        file.final_base().as_deref(),
        Some("prefecthq/prefect:latest-python3.7")
    );
    assert_eq!(file.final_user(), None);
}

/// Each is one stage with this many instructions after its `FROM`.
#[test]
fn here_documents_and_flags_are_told_from_what_looks_like_them() {
    for (count, rest) in [
        (1, "RUN cat <<EOF\nRUNN\nEOF"),
        (1, "RUN cat <<'EOF'\nRUNN\nEOF"),
        (1, "RUN cat <<\"E F\"\nRUNN\nE F"),
        (1, "RUN cat <<-EOF\n\tRUNN\n\tEOF"),
        (1, "RUN cat <<A <<B\nRUNN\nA\nRUNN\nB"),
        (1, "RUN a && \\\n  cat <<EOF\nRUNN\nEOF"),
        (1, "RUN 3<<EOF cat /dev/fd/3\nRUNN\nEOF"),
        (1, "RUN <<EOF\n#!/usr/bin/env python\nprint(1 << 2)\nEOF"),
        (2, "RUN cat <<< word\nUSER a"),
        (2, "RUN echo $((1 << 2))\nUSER a"),
        (2, "RUN echo '<<EOF'\nUSER a"),
        (2, "RUN echo \"a <<EOF b\"\nUSER a"),
        (2, "RUN [\"sh\", \"-c\", \"cat <<EOF\"]\nUSER a"),
        (2, "LABEL a=<<EOF\nUSER a"),
        (2, "CMD cat <<EOF\nUSER a"),
        (1, "COPY <<robots.txt /srv/\nUser-agent: *\nrobots.txt"),
        (1, "ADD --chmod=644 <<a b /etc/\nFROM x\na"),
        (1, "ONBUILD RUN cat <<EOF\nRUNN\nEOF"),
        (
            1,
            "RUN --mount=type=cache,target=/c,sharing=locked --security=insecure <<EOF\nRUNN\nEOF",
        ),
        (
            2,
            "RUN --mount=type=tmpfs,target=/t -- echo --mount\nCOPY --chown=a:b -- --file /x",
        ),
        (2, "RUN echo --not-a-flag\nCOPY --link=false a /b"),
    ] {
        let text = format!("FROM debian:12\n{rest}\n");
        let file = Dockerfile::parse(&text).unwrap_or_else(|found| panic!("{text}\n{}", said(&found)));
        assert_eq!(file.instructions().len(), count + 1, "{text}\n{}", words(&file));
    }
}

/// What the front end built into engine 20.10 does not know, nor, for the flags of `RUN`, the classic builder.
#[test]
fn rendered_files_ask_nothing_of_an_engine_that_20_10_lacks() {
    const NEWER: [&str; 8] = [
        "# syntax",
        "<<",
        "--link",
        "--parents",
        "--exclude",
        "--start-interval",
        "--checksum",
        "--network",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render");
    let mut looked_at = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let file =
            Dockerfile::parse(&text).unwrap_or_else(|found| panic!("{}: {}", path.display(), said(&found)));
        assert_eq!(file.doubts(), [], "{}", path.display());
        // Its first part is an author's, who may ask for more.
        if path.ends_with("own.Dockerfile") {
            continue;
        }
        for newer in NEWER {
            assert!(!text.contains(newer), "{}: {newer}", path.display());
        }
        looked_at += 1;
    }
    assert!(looked_at >= 3, "{looked_at}");
}
