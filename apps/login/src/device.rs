//! What a visitor recognises a session by: browser, system, address, and when.

use std::time::Duration;

use cloakroom::{OwnedSession, Timestamp};

/// A session as the page shows it.
pub(crate) struct Device {
    pub(crate) handle: String,
    pub(crate) name: String,
    /// What the browser says of itself, in full.
    pub(crate) user_agent: String,
    pub(crate) address: Option<String>,
    pub(crate) signed_in: String,
    pub(crate) last_seen: String,
    /// The session of the browser in front of the visitor.
    pub(crate) current: bool,
}

impl Device {
    pub(crate) fn new(session: OwnedSession, now: Timestamp) -> Self {
        let user_agent = session.user_agent.unwrap_or_default();
        let ago = |at: Option<Timestamp>| match at {
            Some(at) => ago(now.saturating_since(at)),
            None => "at an unknown time".to_owned(),
        };
        Self {
            handle: session.handle.to_string(),
            name: name(&user_agent),
            user_agent,
            address: session.address,
            signed_in: ago(session.signed_in),
            last_seen: ago(session.last_seen),
            current: session.current,
        }
    }
}

/// Browsers and systems by the word that gives them away. The order matters: most browsers claim to be others as well.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// "Firefox on Linux" for a browser, and for other programs the name that they give.
fn name(user_agent: &str) -> String {
    let known = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(word, _)| user_agent.contains(word));
        found.map(|(_, name)| *name)
    };
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => {
            let product = user_agent.split(['/', ' ']).next().unwrap_or_default();
            if product.is_empty() {
                "Unknown browser".to_owned()
            } else {
                product.to_owned()
            }
        }
    }
}

/// How long ago, to the unit that matters.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..10 => return "just now".to_owned(),
        10..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_name_and_system() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("", "Unknown browser"),
            ("/ /", "Unknown browser"),
        ];
        for (user_agent, expected) in cases {
            assert_eq!(name(user_agent), expected, "{user_agent}");
        }
    }

    #[test]
    fn ages_are_told_in_the_unit_that_matters() {
        let cases = [
            (0, "just now"),
            (9, "just now"),
            (10, "10 seconds ago"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (86_400, "1 day ago"),
            (200_000, "2 days ago"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(ago(Duration::from_secs(seconds)), expected);
        }
    }
}
