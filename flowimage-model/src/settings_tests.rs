use super::*;

fn places(text: &str) -> Vec<String> {
    let (settings, findings) = Settings::read(text);
    let mut said: Vec<_> = findings
        .mistakes
        .iter()
        .map(|mistake| format!("{} {}", mistake.place, mistake.message))
        .collect();
    if let Err(mistakes) = settings.running(None) {
        said.extend(mistakes.iter().map(|it| match it.place {
            Some(place) => format!("{place} {}", it.message),
            None => it.message.clone(),
        }));
    }
    said
}

#[test]
fn mistakes_have_line_and_column() {
    for (text, said) in [
        ("é = 1", "1:1 "),
        ("[defaults]\nuser = \n", "2:"),
        ("[default]\n", "1:2 unknown table `default`"),
        ("user = \"x\"\n", "1:1 unknown table `user`"),
        (
            "defaults = 1\n",
            "1:1 `defaults` is a table, but this is a number",
        ),
        (
            "[image]\nuser = \"x\"\n",
            "2:1 `[image]` needs a name before its keys",
        ),
        (
            "[image.a]\nimage = \"b\"\n",
            "2:1 an image is not of another image",
        ),
        ("[profile.a]\n\"é\" = 1\n", "2:1 unknown key `é`"),
        ("[profile.a]\nfiles = {}\n", "2:1 unknown key `files`"),
        (
            "[profile.a]\nschedule = \"60 * * * *\"\n",
            "2:12 `60` is no minute: expected 0 to 59",
        ),
        (
            "[profile.a]\nconcurrency_limit = 0x0\n",
            "2:21 `concurrency_limit` takes a whole number from 1 to 2147483647, but this is 0x0",
        ),
        (
            "[engine]\nhost = 1\n",
            "2:8 `host` takes a string, but this is a number",
        ),
        ("[prefect]\napi_key = \"x\"\n", "2:1 unknown key `api_key`"),
        (
            "[registry]\nplain_http = [ \"a\",\n \"a\"]\n",
            "3:2 `a` stands twice in `plain_http`",
        ),
    ] {
        let found = places(text);
        assert!(
            found.len() == 1 && found[0].starts_with(said),
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn profiles_are_read_by_name() {
    let text = "[profile.prod]\nregistry_url = \"gcr.io/p\"\nconcurrency_limit = 2_000\ntags = []\n[engine]\nhost = \"tcp://x:1\"\n";
    let (settings, findings) = Settings::read(text);
    assert!(findings.mistakes.is_empty());
    let running = settings.running(Some("prod")).unwrap();
    assert_eq!(running.profile.registry_url.unwrap().to_string(), "gcr.io/p");
    assert_eq!(running.profile.concurrency_limit, NonZeroU32::new(2_000));
    assert_eq!(running.profile.tags, Some(Vec::new()));
    assert_eq!(running.engine.host.as_deref(), Some("tcp://x:1"));
    assert_eq!(settings.running(None).unwrap().profile, Profile::default());
    let missing = settings.running(Some("prd")).unwrap_err();
    assert_eq!(missing[0].help, ["did you mean `prod`?"]);
}

#[test]
fn nearer_keys_replace_farther_ones() {
    let text = "[defaults]\nimage = \"etl\"\nuser = \"a\"\nbase_image = \"debian:12\"\ntags = [\"x\"]\n\
                [image.etl]\nuser = \"b\"\ndockerfile = \"D\"\n";
    let (settings, _) = Settings::read(text);
    let (attribute, _) = Settings::read("[defaults]\ntags = [\"y\"]\n");
    let mut findings = Findings::default();
    let tree = layer(attribute.defaults, &settings, &mut findings);
    let keys: Vec<_> = tree.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["tags", "user", "dockerfile", "image"]);
    assert_eq!(tree.text("user").unwrap().0, "b");
    let (attribute, _) = Settings::read("[defaults]\nimage = \"elt\"\n");
    layer(attribute.defaults, &settings, &mut findings);
    assert_eq!(
        findings.mistakes[0].message,
        "`flowimage.toml` has no `[image.elt]`"
    );
    assert_eq!(findings.mistakes[0].help, ["did you mean `etl`?"]);
}

#[test]
fn the_fingerprint_is_of_what_is_baked() {
    let of = |text: &str| fingerprint(&Settings::read(text).0, Some("a"));
    let base = of("[defaults]\nuser = \"x\"\n[image.a]\ntags = [\"t\"]\n");
    assert_eq!(
        base,
        of(
            "# a comment\n[image.a]\ntags = ['t']\n[image.b]\nuser = \"y\"\n[defaults]\nuser = \"x\"\n[engine]\nhost = \"h\"\n"
        )
    );
    assert_ne!(
        base,
        of("[defaults]\nuser = \"x\"\n[image.a]\ntags = [\"t\", \"u\"]\n")
    );
    assert_ne!(base, of("[defaults]\nuser = \"y\"\n[image.a]\ntags = [\"t\"]\n"));
    assert_eq!(of(""), of("[defaults]\n"));
}
