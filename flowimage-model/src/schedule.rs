//! When a flow runs: a cron expression or an interval, with a time zone if need be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::suggest::suggest;
use crate::text::string_conversions;
use crate::value_error::{ValueError, shown};
use crate::{cron, duration};

/// When a flow runs.
///
/// Forms: five fields of cron (`30 6 * * mon-fri`), `@daily` and its like, or `every 30m`; each with a time zone
/// at the end if it is not UTC (`30 6 * * * Europe/Amsterdam`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    /// The rhythm.
    pub rhythm: Rhythm,
    /// A name of the time zone database, such as `Europe/Amsterdam`; UTC where there is none.
    pub time_zone: Option<String>,
}

/// How often a flow runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Five fields of cron, single spaces between them.
    Cron(String),
    /// A time from one start to the next.
    Every(Duration),
}

string_conversions!(Schedule);

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rhythm {
            Rhythm::Cron(fields) => f.write_str(fields)?,
            Rhythm::Every(interval) => write!(f, "every {}", duration::display(*interval))?,
        }
        match &self.time_zone {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Schedule {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (rhythm, rest) = match words[..] {
            [] => {
                return Err(
                    ValueError::new("an empty schedule never comes").with_help("write `every 30m`, or cron")
                );
            }
            ["every", interval, ref rest @ ..] => (Rhythm::Every(duration::parse(interval)?), rest),
            ["every"] => {
                return Err(ValueError::new("`every` lacks its interval").with_help("write `every 30m`"));
            }
            [word, ref rest @ ..] if word.starts_with('@') => {
                (Rhythm::Cron(shorthand(word)?.to_owned()), rest)
            }
            [minute, hour, day, month, weekday, ref rest @ ..] => {
                let fields = [minute, hour, day, month, weekday];
                cron::check(&fields)?;
                (Rhythm::Cron(fields.join(" ")), rest)
            }
            [word] if duration::parse(word).is_ok() => {
                return Err(ValueError::new(format!("{} is no schedule", shown(text)))
                    .with_help(format!("write `every {word}`")));
            }
            _ => {
                return Err(ValueError::new(format!(
                    "{} has {} of cron's five fields: minute, hour, day of month, month, day of week",
                    shown(text),
                    words.len()
                ))
                .with_help("at six every morning: `0 6 * * *`; or an interval: `every 30m`"));
            }
        };
        let time_zone = match rest {
            [] => None,
            [zone] => Some(time_zone(zone)?),
            [_, extra, ..] => {
                return Err(ValueError::new(format!(
                    "{} is one word too many: after the schedule only a time zone may stand",
                    shown(extra)
                )));
            }
        };
        Ok(Self { rhythm, time_zone })
    }
}

/// The fields that a word of cron stands for.
fn shorthand(word: &str) -> Result<&'static str, ValueError> {
    const WORDS: [(&str, &str); 7] = [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ];
    if let Some((_, fields)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(fields);
    }
    let error = ValueError::new(format!("{} is no word of cron", shown(word)));
    Err(match suggest(word, WORDS.iter().map(|(known, _)| *known)) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None if word == "@reboot" => error.with_help("a flow has no machine that starts: write when it runs"),
        None => error.with_help("expected @hourly, @daily, @weekly, @monthly or @yearly"),
    })
}

/// Checks the form of a time zone's name, and its first part. The database itself is the orchestrator's.
fn time_zone(name: &str) -> Result<String, ValueError> {
    const AREAS: [&str; 12] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
        "Etc",
        "UTC",
    ];
    let error = ValueError::new(format!(
        "{} is no time zone: expected a name such as `Europe/Amsterdam`, or `UTC`",
        shown(name)
    ));
    if name
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"*,-/".contains(&byte))
    {
        return Err(ValueError::new(format!(
            "{} is a sixth field, but cron has five here",
            shown(name)
        ))
        .with_help("schedules know no seconds: leave the first field out"));
    }
    if name == "UTC" {
        return Ok(name.to_owned());
    }
    let Some((area, place)) = name.split_once('/') else {
        return Err(error.with_help("abbreviations such as `CET` mean different things in summer and winter"));
    };
    if !AREAS.contains(&area) {
        return Err(match suggest(area, AREAS) {
            Some(near) => error.with_help(format!("did you mean `{near}/{place}`?")),
            None => error,
        });
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte);
    if place.is_empty() || place.ends_with('/') || !place.bytes().all(fits) {
        return Err(error);
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<Schedule>().unwrap().to_string()
    }

    fn refused(text: &str) -> String {
        let error = text.parse::<Schedule>().unwrap_err();
        format!("{error} / {}", error.help().unwrap_or_default())
    }

    #[test]
    fn each_form_comes_out() {
        assert_eq!(read("30  6 * * mon-fri"), "30 6 * * mon-fri");
        assert_eq!(read("@daily Europe/Amsterdam"), "0 0 * * * Europe/Amsterdam");
        assert_eq!(read("every 90m"), "every 1h30m");
        assert_eq!(
            read("every 1d America/Argentina/Ushuaia"),
            "every 1d America/Argentina/Ushuaia"
        );
        assert_eq!(read("0 0 1 1 * UTC"), "0 0 1 1 * UTC");
    }

    #[test]
    fn mistakes_name_the_way_out() {
        for (text, said) in [
            ("", "never comes"),
            ("30m", "write `every 30m`"),
            ("every", "lacks its interval"),
            ("every 0s", "longer than no time"),
            ("* * * *", "has 4 of cron's five fields"),
            ("0 0 6 * * *", "schedules know no seconds"),
            ("@dayly", "did you mean `@daily`?"),
            ("@reboot", "no machine that starts"),
            ("0 6 * * * Euorpe/Amsterdam", "did you mean `Europe/Amsterdam`?"),
            ("0 6 * * * CET", "summer and winter"),
            ("0 6 * * * Europe/", "no time zone"),
            ("0 6 * * * UTC x", "one word too many"),
        ] {
            let message = refused(text);
            assert!(message.contains(said), "{text}: {message}");
        }
    }
}
