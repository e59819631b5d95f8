//! How durations and sizes are shown, and how they are read.

use std::time::Duration;

/// Two units at most, in few columns: `45s`, `14m03s`, `2h05m`, `3d04h`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => "<1s".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// A number of bytes in few columns: `312 B`, `1.4 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // A rounded figure for people: what a float loses does not show.
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with commas: `1,000,000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 session`, `2 sessions`.
pub(crate) fn sessions(number: u64) -> String {
    let noun = if number == 1 { "session" } else { "sessions" };
    format!("{} {noun}", count(number))
}

/// A share as whole percents; an empty whole has none.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let share = u128::from(part) * 100 / u128::from(whole);
    match share {
        0 if part > 0 => "<1%".to_owned(),
        _ => format!("{share}%"),
    }
}

/// Reads `15m`, `2h`, `1d 12h`, for clap.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| {
        "a duration is a number and a unit, as `30s`, `15m`, `2h` or `7d`; several add up, as `1h 30m`".to_owned()
    })
}

/// As [`duration`], longer than nothing.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than zero".to_owned()),
        time if time > Duration::from_secs(86400) => Err("it must be a day at most".to_owned()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (millis, shown) in [
            (0, "0s"),
            (999, "<1s"),
            (59_999, "59s"),
            (60_000, "1m00s"),
            (843_000, "14m03s"),
            (3_600_000, "1h00m"),
            (86_399_000, "23h59m"),
            (273_600_000, "3d04h"),
        ] {
            assert_eq!(short(Duration::from_millis(millis)), shown);
        }
        assert!(!short(Duration::MAX).is_empty());
    }

    #[test]
    fn numbers_and_sizes_are_readable() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), shown);
        }
        assert_eq!(
            (percent(1, 3), percent(1, 1000), percent(0, 0)),
            ("33%".to_owned(), "<1%".to_owned(), "-".to_owned())
        );
    }

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "15", "m", "-1h", "99999999999999999999h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(interval("0s").is_err() && interval("2d").is_err() && interval("1s").is_ok());
    }
}
