//! The flow does not run as root, and its user can write where programs write.

use super::super::account::{Access, Account};
use super::super::layer::Kind;
use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::elf::RootFiles;

pub(crate) struct User;

const NAME: &str = "user";

impl Probe for User {
    fn name(&self) -> &'static str {
        NAME
    }

    fn comes_first(&self) -> bool {
        true
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        vec![match &seen.account {
            Err(reason) => Check::new(NAME, Status::Fail, reason.clone())
                .advice("write the user as a number, or make it in the Dockerfile"),
            Ok(account) => judge(account, seen),
        }]
    }
}

fn judge(account: &Account, seen: &Seen<'_>) -> Check {
    let failed = |detail: String| Check::new(NAME, Status::Fail, detail);
    if account.uid == 0 {
        return match &seen.declaration().user {
            Some(_) => Check::new(NAME, Status::Warn, "the flow runs as root, as declared")
                .advice("leave `user` out, and the flow runs as a user without rights"),
            None => failed("the flow runs as root, and nobody said so".to_owned())
                .advice("leave root in the Dockerfile with a `USER`, or say user = \"root\""),
        };
    }
    if let Some((at, entry)) = account.obstacle(Access::Execute, &seen.program, &seen.root) {
        return failed(format!(
            "the user {} cannot run {}: {at} has mode {:04o} and belongs to {}:{}",
            account.uid, seen.program, entry.mode, entry.uid, entry.gid
        ))
        .advice(format!("let it: `RUN chmod 755 {at}`, or another `user`"));
    }
    if let Some(detail) = unwritable("/tmp", account, seen) {
        return failed(detail).advice("make it so in a step as root: `RUN mkdir -p /tmp && chmod 1777 /tmp`");
    }
    let home = seen
        .config
        .variable("HOME")
        .map(str::to_owned)
        .or_else(|| account.home.clone());
    match home {
        Some(home) if seen.root.exists(&home) => match unwritable(&home, account, seen) {
            Some(detail) => failed(detail).advice(format!(
                "give it to the user in a step as root: `RUN chown {} {home}`",
                account.uid
            )),
            None => Check::new(NAME, Status::Pass, format!("{}, home {home}", account.uid)),
        },
        Some(home) => Check::new(
            NAME,
            Status::Warn,
            format!("{}, whose home {home} is not there", account.uid),
        )
        .advice("programs that keep settings or caches at home will fail; make the folder, or set HOME"),
        None => Check::new(NAME, Status::Warn, format!("{}, who has no home", account.uid))
            .advice("programs that keep settings or caches at home will fail; set HOME in `env_vars`"),
    }
}

/// Why a user cannot make a file in a folder.
fn unwritable(folder: &str, account: &Account, seen: &Seen<'_>) -> Option<String> {
    let Some((_, entry)) = seen.root.find(folder) else {
        return Some(format!("{folder} is missing"));
    };
    if entry.kind != Kind::Folder {
        return Some(format!("{folder} is no folder"));
    }
    let obstacle = account
        .obstacle(Access::Write, folder, &seen.root)
        .or_else(|| account.obstacle(Access::Execute, folder, &seen.root));
    obstacle.map(|(at, entry)| {
        format!(
            "the user {} cannot write to {folder}: {at} has mode {:04o} and belongs to {}:{}",
            account.uid, entry.mode, entry.uid, entry.gid
        )
    })
}
