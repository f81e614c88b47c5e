//! Points in time as text, without a library of dates: RFC 3339, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn seconds(seconds: u64) -> String {
    let mut text = String::new();
    push_to_the_second(&mut text, seconds);
    text.push('Z');
    text
}

/// Microseconds since 1970.
pub fn micros(micros: u64) -> String {
    let mut text = String::new();
    push_micros(&mut text, micros);
    text
}

/// Adds microseconds since 1970 to a text. Each line of a log begins so: digit by digit it takes a tenth of what
/// formatting does.
pub fn push_micros(text: &mut String, micros: u64) {
    push_to_the_second(text, micros / 1_000_000);
    text.push('.');
    push_digits(text, micros % 1_000_000, 6);
    text.push('Z');
}

/// Microseconds from 1970 until now; 0 on a clock before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

fn push_to_the_second(text: &mut String, seconds: u64) {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date in the proleptic Gregorian calendar, counted in eras of 400 years from March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (rest / 3600, 2, ':'),
        (rest / 60 % 60, 2, ':'),
    ];
    for (value, width, end) in parts {
        push_digits(text, value, width);
        text.push(end);
    }
    push_digits(text, rest % 60, 2);
}

/// The last `width` digits.
fn push_digits(text: &mut String, value: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_u64.pow(place) % 10;
        text.push(char::from_digit(digit as u32, 10).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates() {
        assert_eq!(seconds(0), "1970-01-01T00:00:00Z");
        assert_eq!(seconds(951_826_554), "2000-02-29T12:15:54Z");
        assert_eq!(seconds(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(micros(951_826_554_000_042), "2000-02-29T12:15:54.000042Z");
    }
}
