//! The cookies of the prepared sessions, and the id in a cookie for the kinds that verify nothing.

use std::sync::OnceLock;

use axum::http::{HeaderMap, header};
use cloakroom::{
    Secrets,
    core::{cookie::encode_value, ticket},
};
use cloakroom_bench_common::sessions::{SECRET, id_text};

/// The name of the article's cookie.
const NAME: &str = "connect.sid";

/// The length of an id.
const ID: usize = 32;

/// The secret of every program.
pub(super) fn secrets() -> Option<&'static Secrets> {
    static SECRETS: OnceLock<Option<Secrets>> = OnceLock::new();
    SECRETS.get_or_init(|| Secrets::new([SECRET]).ok()).as_ref()
}

/// The cookie of the n-th session, as a browser sends it: `name=value`.
pub(super) fn cookie(n: u64) -> String {
    let signed = secrets().map(|secrets| ticket::sign(&id_text(n), secrets));
    format!("{NAME}={}", encode_value(&signed.unwrap_or_default()))
}

/// The id in the cookie, taken as it is.
pub(super) fn id_unverified(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::COOKIE)?.to_str().ok()?;
    value.strip_prefix(NAME)?.strip_prefix("=s%3A")?.get(..ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_the_cookie() {
        let mut headers = HeaderMap::new();
        assert_eq!(id_unverified(&headers), None);
        headers.insert(header::COOKIE, cookie(3).parse().unwrap());
        assert_eq!(id_unverified(&headers), Some(&*id_text(3)));
    }
}
