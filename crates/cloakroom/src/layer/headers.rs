//! The headers that a session adds to a response.

use cloakroom_core::{Error, ErrorKind, plan::CookieOp};
use http::{
    Extensions, HeaderMap, HeaderValue, Response,
    header::{CACHE_CONTROL, Entry, OccupiedEntry, SET_COOKIE, VARY},
};

use crate::slot::SessionSlot;

/// The cookies that session layers have put into a response, for a layer outside of them that replaces it.
#[derive(Clone, Default)]
struct Committed(Vec<HeaderValue>);

/// Takes over the cookies of nested session layers from the extensions of a response that is replaced.
pub(super) fn keep_nested<B>(response: &mut Response<B>, replaced: &mut Extensions) {
    if let Some(committed) = replaced.remove::<Committed>() {
        for header in &committed.0 {
            response.headers_mut().append(SET_COOKIE, header.clone());
        }
        response.extensions_mut().insert(committed);
    }
}

/// Sets or removes the cookie, and keeps a response that does so out of caches.
pub(super) fn apply<B>(
    response: &mut Response<B>,
    cookie: &CookieOp,
    slot: &SessionSlot,
) -> Result<(), Error> {
    let (config, secure) = (slot.config(), slot.is_secure());
    let header = match cookie {
        CookieOp::Keep => return Ok(()),
        CookieOp::Set { id, expires } => {
            let seal = slot.seal_of(id);
            config.set_cookie.ticket(id, &seal, *expires, secure)?
        }
        CookieOp::Remove => config.set_cookie.removal(secure),
    };
    let mut header = HeaderValue::try_from(header).map_err(|_| {
        Error::new(
            ErrorKind::Config,
            "the cookie's attributes cannot stand in a header",
        )
    })?;
    header.set_sensitive(true);
    // Unless something between the layers has replaced the request's extensions, and with them what tells of the outer one.
    if slot.is_nested() {
        let committed = response.extensions_mut();
        let Committed(committed) = committed.get_or_insert_default();
        committed.push(header.clone());
    }
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, header);
    no_store(headers);
    Ok(())
}

/// Forbids every cache to keep the response, unless the handler has done so.
fn no_store(headers: &mut HeaderMap) {
    let ours = HeaderValue::from_static("no-store");
    match headers.entry(CACHE_CONTROL) {
        Entry::Vacant(entry) => {
            entry.insert(ours);
        }
        Entry::Occupied(mut entry) => {
            if !has_token(&entry, &["no-store"]) {
                entry.insert(ours);
            }
        }
    }
}

/// Tells caches that the response depends on the cookie (RFC 9110 section 12.5.5).
pub(super) fn vary(headers: &mut HeaderMap) {
    let ours = HeaderValue::from_static("Cookie");
    match headers.entry(VARY) {
        Entry::Vacant(entry) => {
            entry.insert(ours);
        }
        Entry::Occupied(mut entry) => {
            if !has_token(&entry, &["cookie", "*"]) {
                entry.append(ours);
            }
        }
    }
}

/// Whether one of the tokens stands among a header's values.
fn has_token(entry: &OccupiedEntry<'_, HeaderValue>, tokens: &[&str]) -> bool {
    let values = entry.iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|part| tokens.iter().any(|token| part.eq_ignore_ascii_case(token)))
}
