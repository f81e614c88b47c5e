//! The five fields of cron.
//!
//! Source: <https://man7.org/linux/man-pages/man5/crontab.5.html>. What only some programs know (`L`, `W`, `#`, `?`,
//! seconds) is refused: Prefect and Kubernetes must read a schedule alike.

use crate::value_error::{ValueError, shown};

/// One field: its name, its first and last value, and the words that stand for values from the first on.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        first: 0,
        last: 59,
        words: &[],
    },
    Field {
        name: "hour",
        first: 0,
        last: 23,
        words: &[],
    },
    Field {
        name: "day of month",
        first: 1,
        last: 31,
        words: &[],
    },
    Field {
        name: "month",
        first: 1,
        last: 12,
        words: &MONTHS,
    },
    Field {
        name: "day of week",
        first: 0,
        last: 7,
        words: &WEEKDAYS,
    },
];

/// Checks minute, hour, day of month, month and day of week.
///
/// # Errors
/// A field that cannot be read; a date that no year has.
pub(crate) fn check(fields: &[&str; 5]) -> Result<(), ValueError> {
    let mut values = Vec::new();
    for (field, text) in FIELDS.iter().zip(fields) {
        values.push(field.values(text)?);
    }
    let (days, months, any_weekday) = (&values[2], &values[3], fields[4] == "*");
    const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let comes = months
        .iter()
        .any(|month| days.iter().any(|day| *day <= LONGEST[*month as usize - 1]));
    if any_weekday && !comes {
        return Err(ValueError::new(format!(
            "no year has the day {} in month {}: this schedule never comes",
            fields[2], fields[3]
        )));
    }
    Ok(())
}

impl Field {
    /// Every value that a field's text stands for.
    fn values(&self, text: &str) -> Result<Vec<u32>, ValueError> {
        let mut values = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(self.step(step)?)),
                None => (part, None),
            };
            let (first, last) = if range == "*" {
                (self.first, self.last)
            } else if let Some((first, last)) = range.split_once('-') {
                (self.value(first)?, self.value(last)?)
            } else if step.is_some() {
                return Err(ValueError::new(format!(
                    "{} steps from one value, which programs read differently",
                    shown(part)
                ))
                .with_help(format!("write `{range}-{}/…`", self.last)));
            } else {
                let value = self.value(range)?;
                (value, value)
            };
            if first > last {
                return Err(ValueError::new(format!(
                    "{} goes backwards in the {} field",
                    shown(range),
                    self.name
                ))
                .with_help(format!(
                    "write two parts: `{first}-{},{}-{last}`",
                    self.last, self.first
                )));
            }
            values.extend((first..=last).step_by(step.unwrap_or(1) as usize));
        }
        Ok(values)
    }

    fn value(&self, text: &str) -> Result<u32, ValueError> {
        let lower = text.to_ascii_lowercase();
        if let Some(index) = self.words.iter().position(|word| *word == lower) {
            return Ok(self.first + u32::try_from(index).unwrap_or_default());
        }
        let number = Some(text)
            .filter(|text| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        match number {
            Some(number) if (self.first..=self.last).contains(&number) => Ok(number),
            _ => {
                let error = ValueError::new(format!(
                    "{} is no {}: expected {} to {}",
                    shown(text),
                    self.name,
                    self.first,
                    self.last
                ));
                Err(match self.words.first() {
                    Some(word) => error.with_help(format!("or a word of three letters, such as `{word}`")),
                    None if text.contains(['L', 'W', '#', '?']) => {
                        error.with_help("`L`, `W`, `#` and `?` are not known everywhere")
                    }
                    None => error,
                })
            }
        }
    }

    fn step(&self, text: &str) -> Result<u32, ValueError> {
        match text.parse() {
            Ok(step) if step > 0 && step <= self.last => Ok(step),
            _ => Err(ValueError::new(format!(
                "{} is no step of the {} field: expected 1 to {}",
                shown(text),
                self.name,
                self.last
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), ValueError> {
        let fields: Vec<_> = text.split(' ').collect();
        check(fields[..].try_into().unwrap())
    }

    #[test]
    fn takes_what_every_cron_takes() {
        for text in [
            "* * * * *",
            "*/5 0-6/2 1,15 jan-mar MON",
            "0 0 29 2 *",
            "0 0 31 2 1",
            "59 23 31 12 7",
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, said) in [
            ("60 * * * *", "`60` is no minute: expected 0 to 59"),
            ("* 24 * * *", "`24` is no hour"),
            ("* * 0 * *", "`0` is no day of month"),
            ("* * L * *", "`L` is no day of month"),
            ("* * * 13 *", "`13` is no month"),
            ("* * * foo *", "`foo` is no month"),
            ("* * * * 8", "`8` is no day of week"),
            ("*/0 * * * *", "`0` is no step"),
            ("5/10 * * * *", "steps from one value"),
            ("22-6 * * * *", "goes backwards"),
            (", * * * *", "`` is no minute"),
            ("0 0 31 2 *", "never comes"),
            ("0 0 31 4,6 *", "never comes"),
        ] {
            let error = checked(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
