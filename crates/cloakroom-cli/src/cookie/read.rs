//! From what somebody copied out of a browser, a log or a header to tickets.

use cloakroom::{
    SessionId,
    core::{
        cookie,
        ticket::{self, InvalidReason, Verdict},
    },
};

use crate::{failure::Failure, secrets::SecretTexts};

/// What the secrets say of a cookie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// One of them signed it.
    By {
        /// Which, counted from 1.
        secret: usize,
        /// The session.
        id: SessionId,
    },
    /// None did.
    No(InvalidReason),
}

/// The tickets in a text: a bare value, or the cookies of this name in a `Cookie` header or a `name=value`, decoded as
/// express decodes them.
pub(crate) fn candidates(text: &str, name: &str) -> Vec<String> {
    let text = strip_header(text);
    let pairs: Vec<_> = cookie::pairs(text.as_bytes()).collect();
    let is_bare = pairs
        .iter()
        .all(|pair| pair.name().is_empty() || looks_signed(pair.name()));
    if is_bare {
        // A value may end with `=`, and a pair's value is decoded: so a bare one is read as the value of a pair.
        let pair = format!("v={text}");
        return cookie::pairs(pair.as_bytes())
            .map(|pair| pair.value().into_owned())
            .take(1)
            .collect();
    }
    pairs
        .iter()
        .filter(|pair| pair.name() == name)
        .map(|pair| pair.value().into_owned())
        .collect()
}

/// A value without a name in front, with an `=` somewhere inside.
fn looks_signed(name: &str) -> bool {
    let name = name.trim_start_matches('"');
    name.starts_with("s:") || name.starts_with("s%3A") || name.starts_with("s%3a")
}

fn strip_header(text: &str) -> &str {
    match text.split_once(':') {
        Some((name, rest)) if name.trim().eq_ignore_ascii_case("cookie") => rest.trim(),
        _ => text,
    }
}

/// The first that verifies, as the session layer takes it; otherwise the most telling reason.
pub(crate) fn verify_first(tickets: &[String], secrets: &SecretTexts) -> Result<Verified, Failure> {
    let mut reason = InvalidReason::Unsigned;
    for text in tickets {
        for (index, secret) in secrets.each().enumerate() {
            match ticket::verify(text, &secret?) {
                Verdict::Valid { id, .. } => {
                    return Ok(Verified::By {
                        secret: index + 1,
                        id,
                    });
                }
                Verdict::Invalid(why) => reason = reason.max(why),
            }
        }
    }
    Ok(Verified::No(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_in_whatever_was_copied() {
        let value = "s:abc.d+e/f";
        for text in [
            "s:abc.d+e/f",
            "s%3Aabc.d%2Be%2Ff",
            "\"s:abc.d+e/f\"",
            "connect.sid=s%3Aabc.d%2Be%2Ff",
            "Cookie: theme=dark; connect.sid=s%3Aabc.d%2Be%2Ff; x=1",
            "cookie:connect.sid=\"s:abc.d+e/f\"",
        ] {
            assert_eq!(candidates(text, "connect.sid"), [value], "{text}");
        }
        assert_eq!(candidates("a=1; b=2", "connect.sid"), [""; 0]);
        assert_eq!(candidates("sid=1; sid=2", "sid"), ["1", "2"]);
        assert_eq!(candidates("s:a=b.c", "connect.sid"), ["s:a=b.c"]);
        assert_eq!(candidates("hunter2", "connect.sid"), ["hunter2"]);
    }
}
