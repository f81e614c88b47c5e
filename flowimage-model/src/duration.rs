//! Spans of time as people write them: `30s`, `5m`, `1h30m`, `1d`.

use std::time::Duration;

use crate::value_error::{ValueError, shown};

/// Units with their seconds, longest first: each may stand once, in this order.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a span of time, in whole seconds, longer than none.
///
/// # Errors
/// Anything but numbers with the units `d`, `h`, `m` and `s`, each once and in that order.
pub fn parse(text: &str) -> Result<Duration, ValueError> {
    let wrong = || {
        ValueError::new(format!(
            "{} is no duration: expected one such as `30s`, `5m` or `1h30m`",
            shown(text)
        ))
    };
    let mut seconds = 0_u64;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|it: char| !it.is_ascii_digit()).ok_or_else(|| {
            wrong().with_help(format!("a number needs its unit: write `{text}s` for seconds"))
        })?;
        let (number, after) = rest.split_at(end);
        let unit = after.chars().next().ok_or_else(wrong)?;
        let (_, length) = units.find(|(known, _)| *known == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        seconds = number
            .checked_mul(*length)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wrong)?;
        rest = &after[unit.len_utf8()..];
    }
    if seconds == 0 {
        return Err(wrong().with_help("it must be longer than no time at all"));
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes a span of time in the form that [`parse`] reads, in as few units as say it.
pub fn display(duration: Duration) -> String {
    let mut seconds = duration.as_secs();
    let mut text = String::new();
    for (unit, length) in UNITS {
        if seconds >= length {
            text.push_str(&format!("{}{unit}", seconds / length));
            seconds %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_out() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("1d", 86_400),
            ("90m", 5400),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(display(Duration::from_secs(5400)), "1h30m");
        assert_eq!(display(Duration::from_secs(86_401)), "1d1s");
    }

    #[test]
    fn the_rest_is_refused() {
        for text in [
            "",
            "0s",
            "30",
            "s",
            "1m1h",
            "1m1m",
            "-1s",
            "1.5h",
            "1 h",
            "1y",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
