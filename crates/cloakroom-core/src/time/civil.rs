//! The calendar of the two forms in which a session's dates are written, for the years in which they have one length. All
//! others are jiff's business.

/// Of the Gregorian calendar, in which it begins anew.
const DAYS_PER_400_YEARS: i64 = 146_097;

/// From the first of March of the year 0 to 1970.
const DAYS_BEFORE_EPOCH: i64 = 719_468;

const SECONDS_PER_DAY: i64 = 86_400;

/// The first second of the year 0, and the last one that jiff knows, which lies in the year 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_207_200;

const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// ASCII text of a fixed length.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    fn put<const M: usize>(&mut self, at: usize, part: &[u8; M]) {
        if let Some(place) = self.0.get_mut(at..at + M) {
            place.copy_from_slice(part);
        }
    }

    /// A number of two digits.
    fn two(&mut self, at: usize, number: i64) {
        let number = u8::try_from(number.rem_euclid(100)).unwrap_or(0);
        self.put(at, &[b'0' + number / 10, b'0' + number % 10]);
    }
}

/// A second of UTC.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Thursday is 0.
    weekday: i64,
    /// Of the day.
    second: i64,
}

impl Moment {
    /// `None` outside of the years 0 to 9999, and in the last hours of these, which jiff leaves out too.
    fn of(seconds: i64) -> Option<Self> {
        if !SECONDS.contains(&seconds) {
            return None;
        }
        let days = seconds.div_euclid(SECONDS_PER_DAY);
        // A year that begins in March has its leap day at its end (Howard Hinnant, "chrono-compatible low-level date
        // algorithms").
        let day = days + DAYS_BEFORE_EPOCH;
        let (cycle, day) = (
            day.div_euclid(DAYS_PER_400_YEARS),
            day.rem_euclid(DAYS_PER_400_YEARS),
        );
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let january = i64::from(month >= 10);
        Some(Self {
            year: cycle * 400 + year + january,
            month: month + 3 - 12 * january,
            day: day - (153 * month + 2) / 5 + 1,
            weekday: days.rem_euclid(7),
            second: seconds.rem_euclid(SECONDS_PER_DAY),
        })
    }
}

/// As in `Thu, 01 Jan 1970 00:00:00 GMT`.
pub(crate) fn http_date(seconds: i64) -> Option<Text<29>> {
    let moment = Moment::of(seconds)?;
    let mut text = Text(*b"Thu, 01 Jan 1970 00:00:00 GMT");
    text.put(0, WEEKDAYS.get(usize::try_from(moment.weekday).ok()?)?);
    text.two(5, moment.day);
    text.put(8, MONTHS.get(usize::try_from(moment.month - 1).ok()?)?);
    text.two(12, moment.year / 100);
    text.two(14, moment.year);
    clock(&mut text, 17, moment.second);
    Some(text)
}

/// As in `1970-01-01T00:00:00.000Z`.
pub(super) fn iso_string(millis: i64) -> Option<Text<24>> {
    // Of its last second, jiff knows no parts.
    let moment = Moment::of(millis.div_euclid(1000))?;
    if millis > 1000 * SECONDS.end() {
        return None;
    }
    let mut text = Text(*b"1970-01-01T00:00:00.000Z");
    text.two(0, moment.year / 100);
    text.two(2, moment.year);
    text.two(5, moment.month);
    text.two(8, moment.day);
    clock(&mut text, 11, moment.second);
    let millis = millis.rem_euclid(1000);
    text.two(20, millis / 10);
    text.two(21, millis);
    Some(text)
}

fn clock<const N: usize>(text: &mut Text<N>, at: usize, second: i64) {
    text.two(at, second / 3600);
    text.two(at + 3, second / 60 % 60);
    text.two(at + 6, second % 60);
}

/// Reads a date in the form of [`iso_string`]. `None` says nothing: there are other forms, and moments at the calendar's ends.
pub(super) fn parse_iso(text: &str) -> Option<i64> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let shape = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
        (23, b'Z'),
    ];
    if shape.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0, |number, byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit < 10).then(|| number * 10 + i64::from(digit))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_plain = (1..9999).contains(&year)
        && (1..=days_of(month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_plain {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - DAYS_BEFORE_EPOCH) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + number(20, 23)?)
}

/// How many days a month has every year.
fn days_of(month: i64) -> i64 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use jiff::fmt::{rfc2822, temporal};
    use proptest::prelude::*;

    use super::*;

    fn http_by_jiff(seconds: i64) -> Option<String> {
        let moment = jiff::Timestamp::from_second(seconds).ok()?;
        let printer = rfc2822::DateTimePrinter::new();
        printer.timestamp_to_rfc9110_string(&moment).ok()
    }

    fn iso_by_jiff(millis: i64) -> String {
        let printer = temporal::DateTimePrinter::new().precision(Some(3));
        printer.timestamp_to_string(&jiff::Timestamp::from_millisecond(millis).unwrap())
    }

    fn by_jiff(text: &str) -> Option<i64> {
        let moment: jiff::Timestamp = text.parse().ok()?;
        Some(moment.as_millisecond())
    }

    fn agree(seconds: i64, millis: i64) -> Result<(), TestCaseError> {
        let http = http_date(seconds);
        prop_assert_eq!(
            http.as_ref().map(|text| text.as_str().to_owned()),
            http_by_jiff(seconds)
        );
        let moment = seconds.saturating_mul(1000).saturating_add(millis);
        if let Some(text) = iso_string(moment) {
            let text = text.as_str();
            prop_assert_eq!(text, iso_by_jiff(moment));
            if let Some(read) = parse_iso(text) {
                prop_assert_eq!(read, moment);
            }
        }
        Ok(())
    }

    #[test]
    fn the_ends_of_what_can_be_written_are_jiffs() {
        for end in [
            *SECONDS.start(),
            *SECONDS.end(),
            0,
            951_782_400,
            4_107_542_400,
            i64::MIN,
            i64::MAX,
        ] {
            for near in -2..=2 {
                agree(end.saturating_add(near), 999).unwrap();
                agree(end.saturating_add(near * SECONDS_PER_DAY), 0).unwrap();
            }
        }
    }

    #[test]
    fn every_day_of_400_years_is_written_and_read_as_jiff_does() {
        for day in 0..DAYS_PER_400_YEARS {
            let seconds = (day - 20_000) * SECONDS_PER_DAY + day % SECONDS_PER_DAY;
            agree(seconds, day % 1000).unwrap();
        }
    }

    #[test]
    fn what_is_read_here_is_read_so_by_jiff() {
        let usual = "2025-11-25T21:19:38.229Z";
        assert!(parse_iso(usual).is_some());
        for at in 0..usual.len() {
            for byte in b"0123456789-+:.TtZz \"x" {
                let mut text = usual.as_bytes().to_vec();
                text[at] = *byte;
                let text = String::from_utf8(text).unwrap();
                if let Some(read) = parse_iso(&text) {
                    assert_eq!(Some(read), by_jiff(&text), "{text}");
                }
            }
        }
        for text in [
            "2024-02-29T00:00:00.000Z",
            "2023-02-29T00:00:00.000Z",
            "2023-02-31T00:00:00.000Z",
            "2023-04-31T00:00:00.000Z",
            "2023-00-10T00:00:00.000Z",
            "2023-13-10T00:00:00.000Z",
            "2023-01-00T00:00:00.000Z",
            "2023-01-01T24:00:00.000Z",
            "2023-01-01T23:59:60.000Z",
            "0000-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
            "",
        ] {
            if let Some(read) = parse_iso(text) {
                assert_eq!(Some(read), by_jiff(text), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_moment_is_written_and_read_as_jiff_does(seconds in SECONDS, millis in 0_i64..1000) {
            agree(seconds, millis)?;
        }
    }
}
