//! Finding the line of a Dockerfile that a builder speaks of.
//!
//! Not a parser: a wrong guess costs a line number in a message.

use super::builder_words::Announced;

/// One instruction of a Dockerfile.
#[derive(Debug, PartialEq, Eq)]
struct Instruction {
    line: usize,
    text: String,
}

/// The first line of the instruction that a builder announced.
///
/// Docker's classic builder numbers all instructions, so its number is enough where it fits the text. Others
/// show the instruction with variables expanded and spaces changed, and number those of one stage only; the
/// text decides, and where it is not found as it stands, the number within the stage does.
pub(super) fn line_of(
    dockerfile: &str,
    announced: &Announced<'_>,
    every_instruction_counts: bool,
) -> Option<usize> {
    let instructions = instructions(dockerfile);
    let wanted = squeeze(announced.name);
    let same: Vec<&Instruction> = instructions.iter().filter(|i| i.text == wanted).collect();
    let at_index = announced.index.and_then(|index| {
        if every_instruction_counts {
            instructions.get(index.checked_sub(1)? as usize)
        } else {
            numbered_in_stage(&instructions, announced.stage, index, announced.total?)
        }
    });
    match (&same[..], at_index) {
        (_, Some(numbered)) if same.contains(&numbered) => Some(numbered.line),
        ([only], _) => Some(only.line),
        (_, Some(numbered)) if keyword(&numbered.text) == keyword(&wanted) => Some(numbered.line),
        ([first, ..], _) => Some(first.line),
        _ => None,
    }
}

/// BuildKit numbers `FROM` and the instructions that make a layer, stage by stage.
fn numbered_in_stage<'a>(
    instructions: &'a [Instruction],
    stage: Option<&str>,
    index: u32,
    total: u32,
) -> Option<&'a Instruction> {
    let mut stages: Vec<(Option<String>, Vec<&Instruction>)> = Vec::new();
    for instruction in instructions {
        let words: Vec<&str> = instruction.text.split(' ').collect();
        match keyword(&instruction.text).as_str() {
            "FROM" => {
                let name = words
                    .iter()
                    .position(|word| word.eq_ignore_ascii_case("as"))
                    .and_then(|at| words.get(at + 1))
                    .map(|name| name.to_lowercase());
                stages.push((name, vec![instruction]));
            }
            "RUN" | "COPY" | "ADD" | "WORKDIR" => {
                if let Some((_, counted)) = stages.last_mut() {
                    counted.push(instruction);
                }
            }
            _ => {}
        }
    }
    let numbered = stages.iter().enumerate().find(|(position, (name, counted))| {
        let named = match stage {
            Some(stage) => name.as_deref() == Some(stage) || stage == format!("stage-{position}"),
            None => true,
        };
        named && counted.len() == total as usize
    });
    numbered.and_then(|(_, (_, counted))| counted.get(index.checked_sub(1)? as usize).copied())
}

fn keyword(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_ascii_uppercase()
}

/// Instructions with continued lines joined, comments dropped, spaces squeezed and here-documents skipped.
fn instructions(dockerfile: &str) -> Vec<Instruction> {
    let escape = escape_character(dockerfile);
    let mut found = Vec::new();
    let mut lines = dockerfile.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut text = String::new();
        let mut piece = line;
        loop {
            let trimmed = piece.trim_end();
            match trimmed.strip_suffix(escape) {
                Some(continued) => text.push_str(continued),
                None => {
                    text.push_str(trimmed);
                    break;
                }
            }
            let next = lines.by_ref().find(|(_, line)| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with('#')
            });
            match next {
                Some((_, line)) => piece = line,
                None => break,
            }
        }
        for mark in heredocs(&text) {
            let _ = lines
                .by_ref()
                .find(|(_, line)| line.trim_start_matches('\t') == mark);
        }
        found.push(Instruction {
            line: number + 1,
            text: squeeze(&text),
        });
    }
    found
}

/// The parser directive `# escape=…`, allowed only before everything else.
fn escape_character(dockerfile: &str) -> char {
    dockerfile
        .lines()
        .map_while(|line| line.trim().strip_prefix('#'))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("escape"))
        .and_then(|(_, value)| value.trim().chars().next())
        .unwrap_or('\\')
}

fn heredocs(instruction: &str) -> Vec<String> {
    if !matches!(keyword(instruction.trim_start()).as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    instruction
        .split_whitespace()
        .filter_map(|word| word.split_once("<<").map(|(_, mark)| mark))
        .map(|mark| mark.trim_start_matches('-').trim_matches(['"', '\'']).to_owned())
        .filter(|mark| !mark.is_empty() && mark.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect()
}

fn squeeze(text: &str) -> String {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    words.fold(first, |mut text, word| {
        text.push(' ');
        text.push_str(word);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "\
# syntax is the built-in one
ARG BASE=debian
FROM ${BASE} AS build
ENV A=1
RUN apt-get update && \\
    # a comment inside
    apt-get install -y \\
      gcc

COPY . /src
run  make $A
FROM scratch
COPY --from=build /src/out /out
RUN true
";

    fn step(name: &str, stage: Option<&'static str>, index: u32, total: u32) -> Option<usize> {
        let announced = Announced {
            stage,
            index: Some(index),
            total: Some(total),
            name,
        };
        line_of(DOCKERFILE, &announced, stage == Some("every"))
    }

    #[test]
    fn finds_the_line_by_text_and_by_number() {
        assert_eq!(
            step(
                "RUN apt-get update &&     apt-get install -y       gcc",
                Some("build"),
                2,
                4
            ),
            Some(5)
        );
        assert_eq!(
            step("RUN make 1", Some("build"), 4, 4),
            Some(11),
            "expanded, so only the number fits"
        );
        assert_eq!(
            step("COPY --from=build /src/out /out", Some("stage-1"), 2, 3),
            Some(13)
        );
        assert_eq!(step("RUN true", Some("every"), 9, 9), Some(14));
        assert_eq!(step("FROM ${BASE} AS build", Some("every"), 2, 9), Some(3));
        assert_eq!(step("RUN nothing like it", None, 9, 12), None);
    }

    #[test]
    fn skips_here_documents() {
        let text = "FROM a\nRUN <<EOF\nFROM b\nRUN false\nEOF\nRUN false\n";
        let lines: Vec<usize> = instructions(text).iter().map(|i| i.line).collect();
        assert_eq!(lines, [1, 2, 6]);
    }

    #[test]
    fn honours_the_escape_directive() {
        let text = "# escape=`\nFROM a\nRUN a `\n b\nRUN c\\\nRUN d\n";
        let lines: Vec<usize> = instructions(text).iter().map(|i| i.line).collect();
        assert_eq!(lines, [2, 3, 5, 6]);
    }
}
