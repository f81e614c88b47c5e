use std::collections::BTreeMap;

use super::*;

use builder::Docker;
use generator::Generator;

#[path = "../tests/builder/mod.rs"]
mod builder;
#[path = "../tests/declared/generator.rs"]
mod generator;

fn environment() -> BTreeMap<String, String> {
    [
        ("A", "α \"$B\" \\"),
        ("PATH", "/usr/bin:/bin"),
        ("EMPTY", ""),
        ("a_1", "one"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn text(generator: &mut Generator) -> String {
    const PARTS: [&str; 40] = [
        "$",
        "{",
        "}",
        "\\",
        "\"",
        "'",
        "`",
        "#",
        " ",
        "\t",
        "A",
        "$A",
        "${A}",
        "PATH",
        "$PATH",
        "${PATH}:/x",
        "\\$",
        "\\\\",
        ":-",
        ":+",
        "${A:-",
        "${NO:-",
        "${EMPTY:-",
        "${A:+",
        "é",
        "日本",
        "=",
        "<<",
        "EOF",
        "$5",
        "$$",
        "$(",
        "a_1",
        "$a_1",
        "${",
        "0",
        ";",
        "&&",
        "\u{a0}",
        "\u{feff}",
    ];
    generator.some(&PARTS, 11)
}

#[test]
fn declared_values_mean_what_the_module_says() {
    let env = environment();
    let lookup = |name: &str| env.get(name).cloned();
    for (declared, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("$PATH:/x", "/usr/bin:/bin:/x"),
        ("${PATH}x", "/usr/bin:/binx"),
        ("$NO-", "-"),
        ("\\$PATH", "$PATH"),
        ("\\\\$PATH", "\\/usr/bin:/bin"),
        ("\\\\\\$PATH", "\\$PATH"),
        ("C:\\new\\", "C:\\new\\"),
        ("\\\\host\\share", "\\\\host\\share"),
        ("it's \"so\" # no comment", "it's \"so\" # no comment"),
        ("costs $5, $$ and $(x) $", "costs $5, $$ and $(x) $"),
        ("${NO:-it's {a} \"b\"", "it's {a \"b\""),
        ("${NO:-it's \"b\"", "${NO:-it's \"b\""),
        ("${NO:-it's \"b\"}", "it's \"b\""),
        ("${NO:-{\\}}", "{}"),
        ("${NO:-a\\b}", "a\\b"),
        ("${NO:-$PATH}", "/usr/bin:/bin"),
        ("${NO:-${EMPTY:-deep}}", "deep"),
        ("${EMPTY:-x}${EMPTY:+y}", "x"),
        ("${PATH:+$PATH:}/x", "/usr/bin:/bin:/x"),
        ("${PATH", "${PATH"),
        ("${1}", "${1}"),
        ("${}", "${}"),
        ("$Aé", "α \"$B\" \\é"),
        ("}{", "}{"),
    ] {
        assert_eq!(expand_env(declared, &lookup), expected, "{declared}");
        assert_eq!(
            Docker::read(&env_value(declared), &env).as_deref(),
            Ok(expected),
            "{declared}"
        );
    }
}

#[test]
fn builders_read_every_value_as_it_is_expanded_here() {
    let env = environment();
    let lookup = |name: &str| env.get(name).cloned();
    let mut generator = Generator::new(0x9e37_79b9_7f4a_7c15);
    let mut expansions = 0;
    for _ in 0..20_000 {
        let declared = text(&mut generator);
        let expected = expand_env(&declared, &lookup);
        expansions += usize::from(expected != declared);
        let line = env_value(&declared);
        assert_eq!(
            Docker::read(&line, &env),
            Ok(expected),
            "{declared:?} written as {line}"
        );
    }
    assert!(
        expansions > 4_000,
        "the generator writes expansions: {expansions}"
    );
}

#[test]
fn literals_come_out_as_they_went_in() {
    let env = environment();
    let mut generator = Generator::new(7);
    for _ in 0..5_000 {
        let text = text(&mut generator);
        assert_eq!(Docker::read(&literal(&text), &env).as_deref(), Ok(&*text));
        let array: Vec<String> = serde_json::from_str(&word_array(&[&text, "b"])).unwrap();
        let read = Docker::read_all(&array[0], &env);
        assert_eq!(read.as_deref(), Ok(&*text));
    }
}

#[test]
fn json_is_what_a_json_reader_reads() {
    let words = ["a", "", "\"\\", "\u{1}\t\n\r\u{7f}", "$A é 日本 😀", "/bin/sh"];
    let array: Vec<String> = serde_json::from_str(&json_array(&words)).unwrap();
    assert_eq!(array, words);
    assert_eq!(json_array::<&str>(&[]), "[]");
    assert_eq!(
        json_array(&["sh", "-c", "echo \"hi\""]),
        r#"["sh", "-c", "echo \"hi\""]"#
    );
}

#[test]
fn broken_expansions_are_found() {
    for good in [
        "",
        "$",
        "$5",
        "\\${",
        "${A}",
        "${A:-x}",
        "${A:+${B:-y}}",
        "$$",
        "a}b",
    ] {
        assert!(check_expansions(good).is_ok(), "{good}");
    }
    for (bad, named) in [
        ("x ${", "`${`"),
        ("${A", "`${A`"),
        ("${A:-x", "`${A:-x`"),
        ("${1}", "`${1}`"),
        ("${A-x}", "`${A-x}`"),
        ("${A:?x}", "`${A:?x}`"),
        ("${A:-${B%x}}", "`${B%x}}`"),
        ("${A:-${B}", "`${A:-${B}`"),
    ] {
        let error = check_expansions(bad).expect_err(bad);
        assert!(error.message().starts_with(named), "{bad}: {error}");
    }
    assert!(check_expansions(&("${A:-".repeat(17) + &"}".repeat(17))).is_err());
    assert!(check_expansions(&("${A:-".repeat(16) + &"}".repeat(16))).is_ok());
}

/// Whatever is unclosed or deep in it, the work grows with the square of the text at most: what the nesting limit leaves as
/// text is looked at again from each place that is not known to be unclosed. Every combination would be no end of work.
#[test]
fn the_work_grows_with_the_square_of_the_text_at_most() {
    for part in ["${A:-", "${A:-}", "\\", "${A:-x}${B:-"] {
        let steps = |times| {
            let text = part.repeat(times);
            let mut scanner = Scanner::new(&text);
            scanner.pieces(0, false);
            assert!(env_value(&text).len() >= text.len());
            scanner.steps
        };
        let few = steps(20);
        assert!(few <= 500 * part.len(), "{part}: {few} steps");
        let (some, many) = (steps(500), steps(1_000));
        assert!(many <= 4 * some, "{part}: {some} steps, then {many}");
    }
}

#[test]
fn names_are_listed_once_and_in_order() {
    assert_eq!(referenced_names("$B ${A:-$C} $B \\$D $5"), ["B", "A", "C"]);
}

#[test]
fn copy_sources_match_themselves_only() {
    assert_eq!(copy_source("a b/c"), "a b/c");
    assert_eq!(copy_source("a[0]*?\\"), "a[[]0][*][?][\\\\]");
}

#[test]
fn shell_words() {
    for (text, word) in [
        ("", "''"),
        ("a-b/c=1", "a-b/c=1"),
        ("a b", "'a b'"),
        ("it's", r"'it'\''s'"),
        ("$x", "'$x'"),
        ("~", "'~'"),
        ("é", "'é'"),
    ] {
        assert_eq!(shell_word(text), word);
    }
}
