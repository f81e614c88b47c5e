//! The declared commands are on `PATH`, and the user can run them.

use super::super::account::Access;
use super::super::probe::Probe;
use super::super::seen::Seen;
use super::super::{Check, Status};
use crate::elf::RootFiles;

pub(crate) struct Commands;

const NAME: &str = "commands";

impl Probe for Commands {
    fn name(&self) -> &'static str {
        NAME
    }

    fn applies(&self, seen: &Seen<'_>) -> bool {
        !seen.declaration().commands.is_empty()
    }

    fn prove(&self, seen: &Seen<'_>) -> Vec<Check> {
        let commands = &seen.declaration().commands;
        let bad = commands.iter().find_map(|command| judge(command.as_str(), seen));
        vec![bad.unwrap_or_else(|| {
            let names: Vec<_> = commands.iter().map(|command| command.as_str()).collect();
            Check::new(NAME, Status::Pass, names.join(", "))
        })]
    }
}

fn judge(command: &str, seen: &Seen<'_>) -> Option<Check> {
    let failed = |detail: String| Check::new(NAME, Status::Fail, detail);
    let Some(path) = seen.on_path(command) else {
        return Some(
            failed(format!("{command} is not on PATH"))
                .advice(format!("add the package that has it to `system_dependencies`, such as \"{command}\"; or its folder to PATH in `env_vars`")),
        );
    };
    if let Ok(account) = &seen.account
        && let Some((at, entry)) = account.obstacle(Access::Execute, &path, &seen.root)
    {
        return Some(
            failed(format!(
                "the user {} cannot run {path}: {at} has mode {:04o} and belongs to {}:{}",
                account.uid, entry.mode, entry.uid, entry.gid
            ))
            .advice(format!(
                "let it: `RUN chmod 755 {at}` in `extra_dockerfile_commands`"
            )),
        );
    }
    let content = seen.root.file(&path)?;
    if let Some(elf) = &content.elf
        && elf.architecture != seen.config.architecture
    {
        return Some(
            failed(format!(
                "{path} is a program for {}, the image for {}",
                elf.architecture, seen.config.architecture
            ))
            .advice("put the program for the image's architecture there"),
        );
    }
    let line = content.text.as_deref().filter(|_| content.elf.is_none())?;
    let interpreter = missing_interpreter(line, seen)?;
    Some(
        failed(format!(
            "{path} is a script for {interpreter}, which the image does not have"
        ))
        .advice("add the package that has it to `system_dependencies`"),
    )
}

/// The program of a script's first line that is not there: its own, or the one that `env` looks for.
fn missing_interpreter<'a>(line: &'a str, seen: &Seen<'_>) -> Option<&'a str> {
    let mut words = line.strip_prefix("#!")?.split_whitespace();
    let interpreter = words.next()?;
    if !seen.root.exists(interpreter) {
        return Some(interpreter);
    }
    if !interpreter.ends_with("/env") {
        return None;
    }
    let mut words = words.skip_while(|word| matches!(*word, "-S" | "-i" | "-") || word.contains('='));
    // Of other options it is not known here whether they take the next word.
    let program = words.next().filter(|word| !word.starts_with('-'))?;
    let there = match program.starts_with('/') {
        true => seen.root.exists(program),
        false => seen.on_path(program).is_some(),
    };
    (!there).then_some(program)
}
