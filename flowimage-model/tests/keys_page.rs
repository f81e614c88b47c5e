//! `docs/keys.md` is made from the catalogue. `WRITE_KEYS_PAGE=1 cargo test -p flowimage-model --test keys_page` writes it.

use std::fmt::Write as _;
use std::path::Path;

use flowimage_model::keys::{
    ENGINE_KEYS, KEYS, KUBERNETES_KEYS, Key, PREFECT_KEYS, PROFILE_KEYS, REGISTRY_KEYS,
};

const HEAD: &str = "\
# Keys

What `#[flow_image(…)]` takes, and `[defaults]` and `[image.NAME]` of `flowimage.toml`. In TOML a map is
`{ NAME = \"value\" }` for all keys, `files` included.

The command line stands over the profile, the profile over the attribute, that over the image, that over the defaults. A key
replaces the whole value that a farther place gives it; `dockerfile` and `base_image` replace each other.
";

fn section(page: &mut String, level: &str, key: &Key) {
    let Key {
        name,
        meaning,
        example,
        default,
        ..
    } = key;
    let form = key.form.describe();
    let _ = write!(
        page,
        "\n{level} `{name}`\n\n{meaning}\n\nTakes {form}. Default: {default}.\n\n```text\n{example}\n```\n"
    );
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for key in &KEYS {
        section(&mut page, "##", key);
    }
    page.push_str("\n# Tables of `flowimage.toml` that are read when a command runs\n");
    let tables: [(&str, &[Key]); 5] = [
        ("[profile.NAME]", &PROFILE_KEYS),
        ("[engine]", &ENGINE_KEYS),
        ("[registry]", &REGISTRY_KEYS),
        ("[prefect]", &PREFECT_KEYS),
        ("[kubernetes]", &KUBERNETES_KEYS),
    ];
    for (table, keys) in tables {
        let _ = write!(page, "\n## `{table}`\n");
        for key in keys {
            section(&mut page, "###", key);
        }
    }
    page
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
    if std::env::var_os("WRITE_KEYS_PAGE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page());
}
