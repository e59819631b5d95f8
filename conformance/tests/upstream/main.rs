//! express-session's own tests that can be seen over HTTP, asked of express-session 1.19 and of us alike. The table
//! `upstream.tsv` says for each row which test shows it; `table.rs` holds the table to it.

#![allow(unreachable_pub, reason = "nothing outside of this program uses it")]

mod cookie;
mod options;
mod requests;
mod session;

use cloakroom_conformance::{ask::Options, client::Response};

/// Runs the same test on both sides.
#[macro_export]
macro_rules! both {
    ($(#[$meta:meta])* $name:ident, $options:expr, |$browser:ident| $body:block) => {
        $(#[$meta])*
        #[tokio::test]
        async fn $name() {
            for side in cloakroom_conformance::stage::Side::BOTH {
                let mut $browser = cloakroom_conformance::stage::Browser::open(side, $options).await;
                $body
            }
        }
    };
}

/// What upstream's helper uses: a minute, and the defaults of `resave` and `saveUninitialized`.
fn helper() -> Options {
    Options {
        resave: true,
        save_uninitialized: true,
        ..Options::default().with_max_age(60_000)
    }
}

/// The attributes of the only Set-Cookie header.
fn attributes(response: &Response) -> String {
    let all = response.set_cookies();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
        .split_once(';')
        .map_or("", |(_, rest)| rest)
        .trim()
        .to_owned()
}

/// Whether the response sets no cookie at all.
fn is_silent(response: &Response) -> bool {
    response.set_cookies().is_empty()
}

/// `Expires` of the only Set-Cookie header, in seconds since 1970.
fn expires(response: &Response) -> Option<i64> {
    let attributes = attributes(response);
    let date = attributes
        .split("; ")
        .find_map(|a| a.strip_prefix("Expires="))?;
    Some(seconds(date))
}

/// The `Date` header.
fn date(response: &Response) -> i64 {
    seconds(response.headers["date"].to_str().unwrap())
}

/// An IMF-fixdate, by civil-from-days arithmetic.
fn seconds(date: &str) -> i64 {
    let parts: Vec<&str> = date.split([' ', ':']).collect();
    let number = |index: usize| parts[index].parse::<i64>().unwrap();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|m| *m == parts[2]).unwrap() as i64 + 1;
    let (year, month_from_march) = if month > 2 {
        (number(3), month - 3)
    } else {
        (number(3) - 1, month + 9)
    };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month_from_march + 2) / 5 + number(1) - 1;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719_468;
    ((days * 24 + number(4)) * 60 + number(5)) * 60 + number(6)
}

#[test]
fn dates_are_read() {
    assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    assert_eq!(seconds("Tue, 25 Nov 2025 21:22:27 GMT"), 1_764_105_747);
    assert_eq!(seconds("Thu, 29 Feb 2024 23:59:59 GMT"), 1_709_251_199);
}
