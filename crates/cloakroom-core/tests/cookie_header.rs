//! What a request presents: Cookie headers in, a session id or a reason out.

use cloakroom_core::{
    Secrets,
    id::MAX_ID_LEN,
    keyring::Key,
    ticket::{
        self,
        InvalidReason::{self, BadId, BadSignature, TooLong, Unsigned},
        MAX_TICKET_LEN, MAX_TRIED, Presented, Verdict,
    },
};

/// With the secret `new` its signature has both `+` and `/`: the tests below say so themselves.
const ID: &str = "aZ0-_bY1cX2dW3eV4fU5gT6hS7iR8j13";

fn secrets() -> Secrets {
    Secrets::new(["new", "old"]).unwrap()
}

fn signed(id: &str, secret: &str) -> String {
    ticket::sign_with(id, &Key::new(secret).unwrap())
}

fn good() -> String {
    let ticket = signed(ID, "new");
    assert!(ticket.contains('+') && ticket.contains('/'), "{ticket}");
    ticket
}

fn encoded(ticket: &str) -> String {
    ticket
        .replace(':', "%3A")
        .replace('+', "%2B")
        .replace('/', "%2F")
}

fn presented(headers: &[&str]) -> Presented {
    let headers = headers.iter().map(|header| header.as_bytes());
    ticket::presented(headers, "connect.sid", &secrets())
}

#[track_caller]
fn accepted(headers: &[&str], id: &str, resign: bool) {
    match presented(headers) {
        Presented::Valid {
            id: read,
            needs_resign,
            ..
        } => {
            assert_eq!((read.as_str(), needs_resign), (id, resign));
        }
        other => panic!("{headers:?}: {other:?}"),
    }
}

#[track_caller]
fn rejected(headers: &[&str], reason: InvalidReason) {
    assert_eq!(
        presented(headers),
        Presented::Invalid(reason),
        "{headers:?}"
    );
}

fn cookie(value: &str) -> String {
    format!("connect.sid={value}")
}

// The rows of the table of Cookie header variants that were sent to express-session 1.19.

#[test]
fn row_1_encoded_raw_quoted_and_lower_case_hex_are_accepted() {
    let (raw, wire) = (good(), encoded(&good()));
    for value in [
        wire.clone(),
        raw.clone(),
        format!("\"{wire}\""),
        format!("\"{raw}\""),
        wire.replace("%3A", "%3a")
            .replace("%2B", "%2b")
            .replace("%2F", "%2f"),
    ] {
        accepted(&[&cookie(&value)], ID, false);
    }
}

#[test]
fn row_2_a_ticket_of_the_old_secret_is_accepted_and_signed_anew() {
    accepted(&[&cookie(&encoded(&signed(ID, "old")))], ID, true);
}

#[test]
fn row_3_good_then_bad_is_accepted() {
    let header = format!("connect.sid={}; connect.sid=s%3Abad.bad", encoded(&good()));
    accepted(&[&header], ID, false);
}

/// express/session#881: express looks at the first alone, and a browser with a stale cookie beside the new one can never
/// sign in. A difference from express on purpose.
#[test]
fn row_4_stale_then_good_is_accepted() {
    let good = encoded(&good());
    for stale in [
        signed(ID, "retired"),
        "x".into(),
        String::new(),
        signed("a b", "new"),
    ] {
        let header = format!("connect.sid={}; connect.sid={good}", encoded(&stale));
        accepted(&[&header], ID, false);
    }
    let other = encoded(&signed("other", "old"));
    accepted(
        &[&format!("connect.sid={other}; connect.sid={good}")],
        "other",
        true,
    );
}

#[test]
fn row_5_all_cookie_headers_are_read() {
    let good = cookie(&encoded(&good()));
    accepted(&["theme=dark", &good], ID, false);
    accepted(&[&good, "connect.sid=s%3Abad.bad"], ID, false);
    accepted(&["connect.sid=s%3Abad.bad", &good], ID, false);
}

#[test]
fn row_6_what_we_did_not_sign_is_invalid_and_has_no_id() {
    let good = good();
    let unsigned_id = format!("s:{ID}");
    let tampered = good.replacen('a', "b", 1);
    let upper = good.replacen("s:", "S:", 1);
    let twice = encoded(&good).replace('%', "%25");
    for (value, reason) in [
        (ID, Unsigned),
        (unsigned_id.as_str(), Unsigned),
        (&tampered, BadSignature),
        (&signed(ID, "wrong"), BadSignature),
        (&upper, Unsigned),
        (&twice, Unsigned),
        ("", Unsigned),
        ("s:", Unsigned),
        ("s:.", BadSignature),
    ] {
        rejected(&[&cookie(value)], reason);
    }
    assert_eq!(
        presented(&[&format!("Connect.Sid={good}")]),
        Presented::None
    );
    assert_eq!(
        presented(&[&format!("xconnect.sid={good}")]),
        Presented::None
    );
    assert_eq!(presented(&[]), Presented::None);
    assert_eq!(presented(&["", "theme=dark; connect.sid"]), Presented::None);
}

/// express asks its store for such ids; here the grammar comes first.
#[test]
fn row_8_a_good_signature_over_a_weird_id_is_no_id() {
    rejected(&[&cookie("s%3A..%2F..%2Fx%20y%C3%A9.x")], BadSignature);
    let weird = signed("../../x yé", "new");
    let wire = encoded(&weird).replace(' ', "%20").replace('é', "%C3%A9");
    rejected(&[&cookie(&wire)], BadId);
    rejected(&[&cookie(&encoded(&signed("", "new")))], BadId);
}

#[test]
fn r04_bad_unsigned_oversized_and_many_cookies_are_anonymous_without_an_id() {
    rejected(&[&cookie(ID)], Unsigned);
    rejected(
        &[&cookie(&format!("s:{ID}.{}", "A".repeat(43)))],
        BadSignature,
    );
    let longest = "i".repeat(MAX_ID_LEN);
    assert_eq!(signed(&longest, "new").len(), MAX_TICKET_LEN);
    accepted(&[&cookie(&signed(&longest, "new"))], &longest, false);
    rejected(&[&cookie(&signed(&format!("{longest}i"), "new"))], TooLong);
    rejected(&[&cookie(&"%73".repeat(4000))], TooLong);
    rejected(
        &[&cookie(&format!("{0},connect.sid={0}", good()))],
        BadSignature,
    );
    rejected(&[&cookie(&format!("{},x", good()))], BadSignature);
}

#[test]
fn r04_a_request_has_no_more_than_so_many_signatures_checked() {
    let bad = format!("{}; ", cookie(&signed(ID, "wrong")));
    let good = cookie(&good());
    accepted(
        &[&format!("{}{good}", bad.repeat(MAX_TRIED - 1))],
        ID,
        false,
    );
    rejected(&[&format!("{}{good}", bad.repeat(MAX_TRIED))], BadSignature);
    let headers: Vec<&str> = std::iter::repeat_n(bad.as_str(), MAX_TRIED)
        .chain([good.as_str()])
        .collect();
    rejected(&headers, BadSignature);
    // What costs no signature does not count.
    let cheap = "connect.sid=x; ".repeat(4 * MAX_TRIED);
    accepted(&[&format!("{cheap}{good}")], ID, false);
}

#[test]
fn r05_line_breaks_globs_and_braces_never_become_an_id() {
    for id in ["a\r\nDEL x", "*", "{a}", "a b", "[a]", "a?", "\0", "é"] {
        let verdict = ticket::verify(&signed(id, "new"), &secrets());
        assert_eq!(verdict, Verdict::Invalid(BadId), "{id:?}");
    }
}

#[test]
fn r06_no_other_writing_of_the_signature_is_accepted() {
    let good = good();
    assert!(matches!(
        ticket::verify(&good, &secrets()),
        Verdict::Valid { .. }
    ));
    let url_safe = good.replace('+', "-").replace('/', "_");
    for bad in [
        format!("{good}="),
        format!("{good} "),
        format!("{good}A"),
        url_safe,
        good[..good.len() - 1].into(),
    ] {
        let verdict = ticket::verify(&bad, &secrets());
        assert_eq!(verdict, Verdict::Invalid(BadSignature), "{bad}");
    }
    // Every other last character: four of them differ in bits that base64 leaves unused.
    let (start, last) = good.split_at(good.len() - 1);
    for other in ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['+', '/'])
    {
        let valid = matches!(
            ticket::verify(&format!("{start}{other}"), &secrets()),
            Verdict::Valid { .. }
        );
        assert_eq!(valid, last == other.to_string(), "{other}");
    }
}

#[test]
fn r36_rotation_in_three_steps_signs_nobody_out() {
    let present = |ticket: &str, secrets: &Secrets| {
        let header = cookie(ticket);
        ticket::presented([header.as_bytes()], "connect.sid", secrets)
    };
    let valid = |presented: Presented| match presented {
        Presented::Valid {
            id, needs_resign, ..
        } => (id.as_str().to_owned(), needs_resign),
        other => panic!("{other:?}"),
    };
    let before = Secrets::new(["old"]).unwrap();
    let during = Secrets::new(["new", "old"]).unwrap();
    let after = Secrets::new(["new"]).unwrap();

    let carried = ticket::sign(ID, &before);
    assert_eq!(valid(present(&carried, &before)), (ID.into(), false));
    assert_eq!(valid(present(&carried, &during)), (ID.into(), true));
    let renewed = ticket::sign(ID, &during);
    assert_eq!(valid(present(&renewed, &during)), (ID.into(), false));
    assert_eq!(valid(present(&renewed, &after)), (ID.into(), false));
    assert_eq!(present(&carried, &after), Presented::Invalid(BadSignature));
}

#[test]
fn a_pair_that_is_not_utf8_does_not_hide_its_neighbours() {
    let mut header = b"connect.sid=\xff\xfe; \xc3=x; ".to_vec();
    assert_eq!(
        ticket::presented([header.as_slice()], "connect.sid", &secrets()),
        Presented::None
    );
    header.extend(cookie(&good()).bytes());
    let read = ticket::presented([header.as_slice()], "connect.sid", &secrets());
    assert!(matches!(read, Presented::Valid { .. }), "{read:?}");
}

#[test]
fn the_most_telling_reason_is_the_one_that_is_given() {
    let bad = signed(ID, "wrong");
    rejected(
        &[&format!("connect.sid=x; connect.sid={bad}; connect.sid=y")],
        BadSignature,
    );
    let weird = encoded(&signed("*", "old"));
    rejected(&[&format!("connect.sid={weird}; connect.sid={bad}")], BadId);
}

#[test]
fn r29_debug_shows_no_id_and_no_ticket() {
    let shown = format!(
        "{:?} {:?}",
        presented(&[&cookie(&good())]),
        ticket::verify(&good(), &secrets())
    );
    assert!(
        shown.contains("Valid") && !shown.contains(&ID[..6]),
        "{shown}"
    );
}
