//! The account that flows run as.

use std::collections::BTreeMap;

/// The account that flows run as, added to a base's own files where the base has no user.
pub(crate) fn account(passwd: &str, group: &str) -> BTreeMap<String, String> {
    let with = |text: &str, line: &str| {
        let known = text.lines().any(|it| it.split(':').nth(2) == Some("65532"));
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        if known {
            text.to_owned()
        } else {
            format!("{text}{gap}{line}\n")
        }
    };
    BTreeMap::from([
        (
            "/etc/passwd".to_owned(),
            with(passwd, "flow:x:65532:65532:flow:/home/flow:/bin/false"),
        ),
        ("/etc/group".to_owned(), with(group, "flow:x:65532:")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_added_once() {
        let once = account("root:x:0:0:root:/root:/bin/bash", "");
        assert!(once["/etc/passwd"].starts_with("root:x:0:0:root:/root:/bin/bash\nflow:x:65532:"));
        let twice = account(&once["/etc/passwd"], &once["/etc/group"]);
        assert_eq!(once, twice);
    }
}
