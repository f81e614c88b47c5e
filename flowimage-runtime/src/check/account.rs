//! The user that an image runs as, and what that user may do with a file.

use super::layer::Entry;
use super::root::ImageRoot;
use crate::elf::RootFiles;

/// A user in numbers, with what the image's own files say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u64,
    /// The main group first.
    pub(crate) groups: Vec<u64>,
    /// The home in `/etc/passwd`.
    pub(crate) home: Option<String>,
}

/// One of the three things a mode allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read = 4,
    Write = 2,
    Execute = 1,
}

impl Account {
    /// The user of a configuration: empty, `name`, `uid`, each with `:group` or without.
    ///
    /// Source of the rule: `USER` in the Dockerfile reference; names are looked up in the image.
    pub(crate) fn of(user: &str, root: &ImageRoot) -> Result<Self, String> {
        let (name, group) = match user.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (user, None),
        };
        let name = if name.is_empty() { "0" } else { name };
        let passwd = root.text("/etc/passwd").unwrap_or_default();
        let groups = root.text("/etc/group").unwrap_or_default();
        let line = rows(&passwd).find(|row| row.first() == Some(&name) || row.get(2) == Some(&name));
        let uid = match name.parse() {
            Ok(uid) => uid,
            Err(_) => line
                .as_ref()
                .and_then(|row| row.get(2)?.parse().ok())
                .ok_or_else(|| format!("the image knows no user `{name}`"))?,
        };
        let main = match group {
            None => line
                .as_ref()
                .and_then(|row| row.get(3)?.parse().ok())
                .unwrap_or(0),
            Some(group) => match group.parse() {
                Ok(group) => group,
                Err(_) => rows(&groups)
                    .find(|row| row.first() == Some(&group))
                    .and_then(|row| row.get(2)?.parse().ok())
                    .ok_or_else(|| format!("the image knows no group `{group}`"))?,
            },
        };
        let mut all = vec![main];
        if let Some(name) = line.as_ref().and_then(|row| row.first())
            && group.is_none()
        {
            let member = |row: &Vec<&str>| row.get(3).is_some_and(|it| it.split(',').any(|it| it == *name));
            all.extend(
                rows(&groups)
                    .filter(member)
                    .filter_map(|row| row.get(2)?.parse::<u64>().ok()),
            );
        }
        let home = line.and_then(|row| row.get(5).map(|home| (*home).to_owned()));
        Ok(Self {
            uid,
            groups: all,
            home: home.filter(|home| home.starts_with('/')),
        })
    }

    /// Whether owner, group and mode of an entry allow this. Root may do everything but run what nobody may.
    pub(crate) fn may(&self, access: Access, entry: &Entry) -> bool {
        if self.uid == 0 {
            return access != Access::Execute || entry.mode & 0o111 != 0;
        }
        let bits = if entry.uid == self.uid {
            entry.mode >> 6
        } else if self.groups.contains(&entry.gid) {
            entry.mode >> 3
        } else {
            entry.mode
        };
        bits & access as u32 != 0
    }

    /// The first thing on the way to a path that keeps this user from it: a folder that cannot be entered, or the
    /// entry itself.
    pub(crate) fn obstacle<'a>(
        &self,
        access: Access,
        path: &str,
        root: &'a ImageRoot,
    ) -> Option<(String, &'a Entry)> {
        let mut way = root.way_to(path);
        let last = way.pop()?;
        way.into_iter()
            .find(|(_, folder)| !self.may(Access::Execute, folder))
            .or_else(|| (!self.may(access, last.1)).then_some(last))
    }
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::super::layer::{FileContent, Kind, LayerEntries};
    use super::*;

    fn root() -> ImageRoot {
        let file = |text: &str| Entry {
            kind: Kind::File(FileContent {
                size: 0,
                digest: crate::oci::sha256(b""),
                elf: None,
                code: None,
                text: Some(text.to_owned()),
            }),
            mode: 0o640,
            uid: 0,
            gid: 42,
        };
        let passwd = "root:x:0:0:root:/root:/bin/sh\nflow:x:65532:65532::/home/flow:\n";
        let entries = [
            ("etc/passwd".to_owned(), file(passwd)),
            (
                "etc/group".to_owned(),
                file("shadow:x:42:flow,other\nstaff:x:50:\n"),
            ),
        ];
        ImageRoot::new(vec![LayerEntries(entries.into()).into()])
    }

    #[test]
    fn users_are_resolved_as_the_engine_does() {
        let of = |user: &str| Account::of(user, &root());
        let flow = of("flow").unwrap();
        assert_eq!((flow.uid, &flow.groups[..]), (65532, &[65532, 42][..]));
        assert_eq!(flow, of("65532").unwrap());
        assert_eq!(of("flow:staff").unwrap().groups, [50]);
        assert_eq!(of("").unwrap().uid, 0);
        let stranger = of("1234:99").unwrap();
        assert_eq!(
            (stranger.uid, &stranger.groups[..], stranger.home),
            (1234, &[99][..], None)
        );
        assert_eq!(of("nobody").unwrap_err(), "the image knows no user `nobody`");
        assert_eq!(of("0:nobody").unwrap_err(), "the image knows no group `nobody`");
    }

    #[test]
    fn modes_are_read_for_owner_group_and_others() {
        let root = root();
        let allowed = |user: &str, access| {
            let account = Account::of(user, &root).unwrap();
            account.obstacle(access, "/etc/passwd", &root).is_none()
        };
        assert!(allowed("flow", Access::Read) && !allowed("flow", Access::Write));
        assert!(!allowed("1:1", Access::Read));
        assert!(allowed("root", Access::Write) && !allowed("root", Access::Execute));
        assert!(!allowed("1:42", Access::Write) && allowed("1:42", Access::Read));
    }
}
