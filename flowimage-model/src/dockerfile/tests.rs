use super::*;

fn mistakes(rest: &str) -> Vec<String> {
    let text = format!("FROM debian:12\n{rest}\n");
    let found = Dockerfile::parse(&text).err().unwrap_or_default();
    found
        .into_iter()
        .map(|it| match it.help {
            Some(help) => format!("{}:{}: {} | {help}", it.line, it.column, it.message),
            None => format!("{}:{}: {}", it.line, it.column, it.message),
        })
        .collect()
}

#[test]
fn knows_stages_users_and_bases() {
    let text = "ARG BASE=debian:12\nFROM $BASE AS a\nUSER app\nFROM a as b\nFROM golang AS c\nUSER root\nFROM b\nRUN a \\\n # c\n  && b\n";
    let file = Dockerfile::parse(text).unwrap();
    assert_eq!(file.final_user().as_deref(), Some("app"));
    assert_eq!(file.final_base().as_deref(), Some("debian:12"));
    let run = file.instructions().last().unwrap();
    assert_eq!((run.line, run.arguments.as_str()), (8, "a   && b"));
    assert_eq!(Dockerfile::parse("FROM x:1\n").unwrap().final_user(), None);
}

/// Place, message and help of every mistake in one instruction.
#[test]
fn each_mistake_has_its_place_and_its_way_out() {
    let rows: &[(&str, &str)] = &[
        (
            "ENV A = b",
            "2:7: `A` would be set to a text that begins with `=` | no blanks around it: `ENV A=b`",
        ),
        (
            "ENV A =b",
            "2:7: `A` would be set to a text that begins with `=` | no blanks around it: `ENV A=b`",
        ),
        ("ENV A", "2:5: `A` has no value | write `ENV A=value`"),
        (
            "ENV A=b c",
            "2:9: `c` has no `=` | put a value with blanks in double quotes: `NAME=\"two words\"`",
        ),
        (
            "ENV A=b =c",
            "2:9: a name is missing before `=` | no blanks around it: `NAME=value`",
        ),
        (
            "ENV A=\"b",
            "2:7: nothing ends this quote | end it, or write `\\` before it where it stands for itself",
        ),
        (
            "LABEL é=\"ü\" \\\n  b='c",
            "3:5: nothing ends this quote | end it, or write `\\` before it where it stands for itself",
        ),
        (
            "ARG =x",
            "2:5: a name is missing before `=` | no blanks around it: `ARG NAME=default`",
        ),
        (
            "EXPOSE 80 http",
            "2:11: `http` is no port: expected a number | write `8080`, `8080/udp` or `8080-8090`",
        ),
        (
            "EXPOSE 80/tls",
            "2:8: `80/tls` is no port: the protocol is `tcp`, `udp` or `sctp`, not `tls` | write `8080`, `8080/udp` or `8080-8090`",
        ),
        (
            "EXPOSE 70000",
            "2:8: `70000` is no port: 65535 is the last port | write `8080`, `8080/udp` or `8080-8090`",
        ),
        (
            "HEALTHCHECK --interval=30 CMD a",
            "2:24: `30` is no duration | write `30s` for seconds",
        ),
        (
            "HEALTHCHECK --timeout=soon CMD a",
            "2:23: `soon` is no duration | write a number and its unit: `500ms`, `30s`, `5m`, `1h30m`",
        ),
        (
            "HEALTHCHECK --timeout=10us CMD a",
            "2:23: `10us` is too short | 1 ms is the least; 0 is the default",
        ),
        (
            "HEALTHCHECK --retries=-1 CMD a",
            "2:23: `-1` is no number of times | write `--retries=3`",
        ),
        (
            "HEALTHCHECK --intervall=5s CMD a",
            "2:13: `HEALTHCHECK` has no flag `--intervall` | did you mean `--interval`?",
        ),
        (
            "HEALTHCHECK curl x",
            "2:13: `HEALTHCHECK` takes `CMD` or `NONE`, not `curl` | write `HEALTHCHECK CMD curl x`",
        ),
        (
            "HEALTHCHECK CMD",
            "2:13: `HEALTHCHECK CMD` has no command | write the command after it: `HEALTHCHECK CMD curl -f http://localhost/`",
        ),
        (
            "HEALTHCHECK NONE x",
            "2:18: `HEALTHCHECK NONE` takes nothing | remove what follows it",
        ),
        (
            "ONBUILD FROM a",
            "2:9: `ONBUILD` cannot hold `FROM` | it holds what is done in an image that stands on this one: `ONBUILD RUN make`",
        ),
        (
            "ONBUILD ONBUILD RUN a",
            "2:9: `ONBUILD` cannot hold another `ONBUILD` | write it once",
        ),
        (
            "ONBUILD RUNN a",
            "2:9: unknown instruction `RUNN` | did you mean `RUN`?",
        ),
        (
            "ONBUILD COPY a",
            "2:14: `COPY` has a source but no destination | write where it goes in the image: `COPY a /app/`",
        ),
        (
            "COPY a b /c",
            "2:10: several sources go to `/c`, which is no folder | write `/c/`",
        ),
        (
            "COPY a <<EOF\nEOF",
            "2:8: a here-document cannot be the destination | write sources and a destination: `COPY config/ /etc/app/`",
        ),
        (
            "COPY ['a', '/b']",
            "2:7: this is no JSON, so that brackets and commas would be taken for parts of paths | write words in double quotes with commas between them: `[\"a\", \"b\"]`",
        ),
        (
            "COPY --chmod=rwx a /b",
            "2:14: `rwx` is no mode | write octal digits: `0755`, `644`",
        ),
        (
            "COPY --link=yes a /b",
            "2:13: `--link` is `true` or `false`, not `yes` | write `--link`",
        ),
        (
            "COPY --chown a /b",
            "2:6: `--chown` has no value | write it after `=`, without blanks: `--chown=…`",
        ),
        (
            "COPY --chown=a --chown=b c /d",
            "2:16: `--chown` stands twice | keep one of them",
        ),
        (
            "COPY --from=1 a /b",
            "2:13: no stage before this one has the number 1 | there is no stage before this one",
        ),
        ("COPY --from=A/B a /b", ""),
        (
            "COPY --from=a..b a /b",
            "2:13: `a..b` is neither a stage nor an image | image reference `a..b` has the separator `..`: allowed are lower-case letters, digits, and `.`, `_`, `__` or `-` between them",
        ),
        (
            "FROM a:1 AS 1st",
            "2:13: `1st` cannot name a stage | a name starts with a letter; letters, digits, `-`, `_` and `.` follow",
        ),
        (
            "FROM a:1 AS",
            "2:10: `AS` names no stage | write a name after it, or remove it",
        ),
        (
            "FROM $NOPE",
            "2:6: `NOPE` is not declared before the first `FROM` | write `ARG NOPE=…` above it",
        ),
        (
            "FROM --platform=linux/ a:1",
            "2:17: `linux/` is no platform | write system and processor: `linux/amd64`, `linux/arm64/v8`",
        ),
        (
            "FROM a:1 AS build\nFROM b:1\nCOPY --from=buidl /a /b",
            "4:13: no stage is called `buidl` | did you mean `build`? For an image of that name write its tag",
        ),
        (
            "FROM a:1 AS build\nCOPY --from=build /a /b",
            "3:13: the stage `build` takes from itself | name a stage before it, or an image",
        ),
        (
            "COPY --from=late /a /b\nFROM a:1 AS late",
            "2:13: the stage `late` begins only further down | move it above this line",
        ),
        (
            "FROM a:1 AS x\nFROM b:1\nRUN --mount=type=bind,from=y,target=/a b",
            "4:13: no stage is called `y` | did you mean `x`? For an image of that name write its tag",
        ),
        (
            "RUN --mount=type=cash,target=/a b",
            "2:13: `cash` is no type of mount | did you mean `cache`?",
        ),
        (
            "RUN --mount=type=secret,ident=a b",
            "2:13: a mount of type `secret` has no `ident` | expected one of: id, target, dst, destination, source, src, required, mode, uid, gid, env",
        ),
        (
            "RUN --mount=type=cache b",
            "2:13: a mount of type `cache` has no `target` | say where it appears: `target=/path`",
        ),
        (
            "RUN --network=bridge a",
            "2:15: `bridge` is nothing that `--network` takes | expected one of: default, host, none",
        ),
        (
            "RUN [\"a\", 1]",
            "2:11: a JSON array of strings has something else in it | put each word in double quotes",
        ),
        (
            "SHELL /bin/bash",
            "2:7: `SHELL` takes a JSON array | write a JSON array: `SHELL [\"/bin/bash\", \"-c\"]`",
        ),
        (
            "SHELL ['a']",
            "2:8: `SHELL` takes a JSON array, which this is not | write a JSON array: `SHELL [\"/bin/bash\", \"-c\"]`",
        ),
        (
            "STOPSIGNAL SIGTREM",
            "2:12: `SIGTREM` is no signal | did you mean `SIGTERM`?",
        ),
        (
            "USER a b",
            "2:8: a user is one word | write `USER name`, or `USER name:group`",
        ),
        (
            "VOLUME [\"\"]",
            "2:9: an empty path cannot be a volume | write a path: `/data`",
        ),
        (
            "CMD --help",
            "2:5: `CMD` has no flag `--help` | `CMD` takes no flags; a command that begins with `--` goes into a JSON array",
        ),
        (
            "RUN a \\",
            "2:7: the last line is continued, but nothing follows | remove the `\\` at its end",
        ),
    ];
    for (rest, expected) in rows {
        assert_eq!(mistakes(rest).join("\n"), *expected, "{rest}");
    }
}

#[test]
fn directives_and_order() {
    let said = |text: &str| -> Vec<String> {
        let found = Dockerfile::parse(text).err().unwrap_or_default();
        found
            .iter()
            .map(|it| format!("{}:{}: {}", it.line, it.column, it.message))
            .collect()
    };
    assert_eq!(
        said("# escape=x\n# escape=\\\nFROM a:1\n"),
        [
            "1:1: `x` cannot be the escape character: expected a backslash or a backquote",
            "2:1: the directive `escape` stands twice"
        ]
    );
    // After the first line that is no directive it is a comment.
    assert_eq!(said("# hello\n# escape=`\nFROM a:1\n"), [""; 0]);
    assert_eq!(
        said("ARG A\nRUN x\nFROM a:1\n"),
        ["2:1: `RUN` stands before the first `FROM`"]
    );
}

#[test]
fn doubts_are_named() {
    let doubts = |rest: &str| -> Vec<String> {
        let file = Dockerfile::parse(&format!("FROM debian:12\n{rest}\n")).unwrap();
        let said = file.doubts().iter();
        said.map(|it| format!("{} {}:{}", it.lint, it.mistake.line, it.mistake.column))
            .collect()
    };
    assert_eq!(doubts("CMD ['a', 'b']"), ["shell_form 2:6"]);
    assert_eq!(doubts("ENTRYPOINT [\"a\" \"b\"]"), ["shell_form 2:17"]);
    assert_eq!(doubts("RUN [\"a\", 'b']"), ["shell_form 2:11"]);
    assert_eq!(doubts("HEALTHCHECK CMD [a]"), ["shell_form 2:18"]);
    assert_eq!(doubts("RUN [ -f x ] && y"), [""; 0]);
    assert_eq!(doubts("EXPOSE 8080:80"), ["published_port 2:8"]);
    assert_eq!(doubts("FROM debian"), ["unpinned_base 2:6"]);
    assert_eq!(doubts("FROM scratch"), [""; 0]);
    assert_eq!(doubts("FROM debian AS a\nFROM a"), [""; 0]);
}

#[test]
fn a_command_alone_has_no_stages_to_know() {
    assert_eq!(check_alone("COPY --from=nginx:1 /a /b"), Ok(Vec::new()));
    let found = check_alone(" EXPOSE x").unwrap_err();
    assert_eq!((found[0].line, found[0].column), (1, 9));
}
