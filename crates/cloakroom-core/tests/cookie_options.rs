//! The `Set-Cookie` header and the options that it is made of.

use cloakroom_core::{
    CookieOptions, ErrorKind, Priority, SameSite, Secrets, Secure, Timestamp, cookie,
    ticket::{self, Presented, Seal},
};
use proptest::prelude::*;

const T: Timestamp = Timestamp::from_millis(1_764_105_747_999);

#[track_caller]
fn refused(options: &CookieOptions, words: &[&str]) {
    let error = options.validate().expect_err(&format!("{options:?}"));
    assert_eq!(error.kind(), ErrorKind::Config);
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    assert_eq!(
        options.set_cookie("x", None, true).unwrap_err().kind(),
        ErrorKind::Config
    );
}

#[track_caller]
fn allowed(options: &CookieOptions) {
    options.validate().unwrap();
}

#[test]
fn r18_the_defaults_are_host_bound_secure_http_only_and_lax() {
    let options = CookieOptions::new();
    let header = options.set_cookie("s:a.b+/", None, true).unwrap();
    assert_eq!(
        header,
        "__Host-sid=s%3Aa.b%2B%2F; Path=/; HttpOnly; Secure; SameSite=Lax"
    );
    assert_eq!(options.set_cookie("s:a.b+/", None, false).unwrap(), header);
}

#[test]
fn express_defaults_are_those_of_express() {
    let header = CookieOptions::express()
        .set_cookie("s:a.b+/", Some(T), true)
        .unwrap();
    assert_eq!(
        header,
        "connect.sid=s%3Aa.b%2B%2F; Path=/; Expires=Tue, 25 Nov 2025 21:22:27 GMT; HttpOnly"
    );
}

#[test]
fn r19_the_host_prefix_needs_secure_the_root_path_and_no_domain() {
    for name in ["__Host-sid", "__host-sid", "__HOST-", "__Host-Http-sid"] {
        let options = CookieOptions::new().name(name);
        allowed(&options);
        refused(
            &options.clone().domain("ex.com"),
            &["option domain", "\"ex.com\"", name],
        );
        refused(
            &options.clone().path("/app"),
            &["option path", "\"/app\"", name],
        );
        for secure in [Secure::No, Secure::ByRequest] {
            refused(
                &options.clone().secure(secure),
                &["option secure", "Secure::Yes", name],
            );
        }
    }
}

#[test]
fn r19_the_other_prefixes_keep_their_promises_too() {
    for name in ["__Secure-sid", "__SECURE-sid", "__Http-sid"] {
        let options = CookieOptions::new()
            .name(name)
            .path("/app")
            .domain("ex.com");
        allowed(&options);
        refused(&options.secure(Secure::ByRequest), &["option secure", name]);
    }
    for name in ["__Http-sid", "__Host-Http-sid", "__host-http-sid"] {
        refused(
            &CookieOptions::new().name(name).http_only(false),
            &["option http_only", name],
        );
    }
    allowed(
        &CookieOptions::express()
            .name("x__Host-sid")
            .domain("ex.com"),
    );
}

#[test]
fn r19_same_site_none_and_partitioned_need_secure() {
    for secure in [Secure::No, Secure::ByRequest] {
        let plain = CookieOptions::express().secure(secure);
        refused(
            &plain.clone().same_site(Some(SameSite::None)),
            &["same_site", "SameSite::None", "Secure::Yes"],
        );
        refused(&plain.partitioned(true), &["partitioned", "Secure::Yes"]);
    }
    let secure = CookieOptions::express().secure(Secure::Yes);
    allowed(
        &secure
            .clone()
            .same_site(Some(SameSite::None))
            .partitioned(true),
    );
}

#[test]
fn r19_names_paths_and_domains_that_browsers_or_node_refuse_are_refused() {
    let plain = CookieOptions::express();
    for name in [
        "", " ", "a b", "a=b", "a;b", "é", "a\r\n", "\"a\"", "a,b", "(a)", "a/b",
    ] {
        refused(&plain.clone().name(name), &["option name"]);
    }
    allowed(&plain.clone().name("!#$%&'*+-.^_`|~09azAZ"));
    for path in [
        "", "app", "/a;b", "/a<b", "/a\nb", "/a\u{7f}", "/é", " /", "*",
    ] {
        refused(&plain.clone().path(path), &["option path"]);
    }
    allowed(&plain.clone().path("/a b:=>~%C3%A9"));
    let label = "a".repeat(63);
    for domain in [
        "ex.com",
        ".ex.com",
        "EX.com",
        "localhost",
        "a-b.c-d",
        "127.0.0.1",
        &label,
    ] {
        allowed(&plain.clone().domain(domain));
    }
    for domain in [
        "",
        ".",
        "ex com",
        "ex.com.",
        "..ex.com",
        "a..b",
        "-a.com",
        "a-.com",
        "a_b.com",
        "é.com",
        "ex.com:80",
        "ex.com; Secure",
        &format!("{label}a"),
    ] {
        refused(&plain.clone().domain(domain), &["option domain"]);
    }
}

#[test]
fn r20_name_and_value_stay_within_4096_bytes() {
    // The longest ticket: 128 bytes of id and 43 of signature escaped, `s%3A` and the dot.
    let longest = 4096 - (3 * 128 + 3 * 43 + 5);
    let fits = CookieOptions::express().name("n".repeat(longest));
    allowed(&fits);
    refused(
        &CookieOptions::express().name("n".repeat(longest + 1)),
        &["option name", "4096"],
    );
    fits.set_cookie(&":".repeat(172), None, true).unwrap();

    let options = CookieOptions::express().name("n");
    options.set_cookie(&"v".repeat(4095), None, true).unwrap();
    for value in ["v".repeat(4096), ":".repeat(1366)] {
        let error = options.set_cookie(&value, None, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(
            error.to_string().contains("4097") || error.to_string().contains("4099"),
            "{error}"
        );
    }
}

#[test]
fn r20_attributes_stay_within_1024_bytes() {
    let plain = CookieOptions::express();
    allowed(&plain.clone().path(format!("/{}", "p".repeat(1023))));
    refused(
        &plain.clone().path(format!("/{}", "p".repeat(1024))),
        &["option path", "1024"],
    );
    allowed(&plain.clone().domain(format!("{}aa", "a.".repeat(511))));
    refused(
        &plain.domain(format!("{}a", "a.".repeat(512))),
        &["option domain", "1024"],
    );
}

proptest! {
    #[test]
    fn r21_whatever_is_signed_is_cookie_octets_and_comes_back(
        id in "[A-Za-z0-9_.~:+/=@,-]{1,128}",
        secret in prop::collection::vec(any::<u8>(), 1..200),
        older in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        prop_assume!(secret != older);
        let secrets = Secrets::new([secret, older]).unwrap();
        let signed = ticket::sign(&id, &secrets);
        let options = CookieOptions::new();
        let header = options.set_cookie(&signed, Some(T), true).unwrap();
        let pair = header.split("; ").next().unwrap();
        let wire = pair.strip_prefix("__Host-sid=").unwrap();
        prop_assert!(wire.bytes().all(is_cookie_octet), "{}", wire);
        match ticket::presented([pair.as_bytes()], &options.name, &secrets) {
            Presented::Valid { id: read, needs_resign, seal } => {
                prop_assert_eq!(read.as_str(), &id);
                prop_assert!(!needs_resign);
                // Sent again without another signature, it is the same to the byte.
                prop_assert_eq!(seal, Seal::of(&read, &secrets));
                let again = options.prepare().unwrap().ticket(&read, &seal, Some(T), true);
                prop_assert_eq!(again.unwrap(), header);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn r21_any_value_is_written_in_cookie_octets_and_read_back(value in any::<String>()) {
        let header = CookieOptions::express().set_cookie(&value, None, false).unwrap();
        let pair = header.split("; ").next().unwrap();
        prop_assert!(pair["connect.sid=".len()..].bytes().all(is_cookie_octet));
        let read = cookie::pairs(pair.as_bytes()).next().unwrap();
        prop_assert_eq!(&*read.value(), value.as_str());
    }

    #[test]
    fn no_cookie_header_is_a_panic(header in prop::collection::vec(any::<u8>(), 0..200)) {
        let secrets = Secrets::new(["s"]).unwrap();
        let _ = ticket::presented([header.as_slice()], "a", &secrets);
        for pair in cookie::pairs(&header) {
            let _ = pair.value();
        }
    }

    #[test]
    fn no_option_is_a_panic(name in any::<String>(), path in any::<String>(), domain in any::<String>(), millis in any::<i64>()) {
        let options = CookieOptions::new().name(name).path(path).domain(domain);
        let _ = options.set_cookie("x", Some(Timestamp::from_millis(millis)), true);
        let _ = (options.removal(false), options.path_matches("/x"));
    }
}

fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

#[test]
fn r22_the_removal_has_all_attributes_that_the_cookie_was_set_with() {
    let full = CookieOptions::express()
        .domain("ex.com")
        .path("/app")
        .secure(Secure::Yes)
        .same_site(Some(SameSite::None))
        .partitioned(true)
        .priority(Some(Priority::High));
    let past = "connect.sid=; Domain=ex.com; Path=/app; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; \
                Partitioned; Priority=High; SameSite=None";
    assert_eq!(full.removal(true), past);
    let by_request = CookieOptions::express()
        .secure(Secure::ByRequest)
        .same_site(Some(SameSite::Auto));
    for options in [
        CookieOptions::new(),
        CookieOptions::express(),
        full,
        by_request,
    ] {
        for secure_request in [false, true] {
            let set = options
                .set_cookie("", Some(Timestamp::UNIX_EPOCH), secure_request)
                .unwrap();
            assert_eq!(options.removal(secure_request), set);
        }
    }
}

#[test]
fn by_request_and_auto_follow_the_request() {
    let auto = CookieOptions::express()
        .secure(Secure::ByRequest)
        .same_site(Some(SameSite::Auto));
    allowed(&auto);
    let written = |options: &CookieOptions, secure| options.set_cookie("x", None, secure).unwrap();
    assert_eq!(
        written(&auto, true),
        "connect.sid=x; Path=/; HttpOnly; Secure; SameSite=None"
    );
    assert_eq!(
        written(&auto, false),
        "connect.sid=x; Path=/; HttpOnly; SameSite=Lax"
    );
    // Unlike express, never None on a cookie that is not Secure.
    let never = auto.secure(Secure::No);
    assert_eq!(
        written(&never, true),
        "connect.sid=x; Path=/; HttpOnly; SameSite=Lax"
    );
    let always = never.secure(Secure::Yes);
    assert_eq!(
        written(&always, false),
        "connect.sid=x; Path=/; HttpOnly; Secure; SameSite=None"
    );
}

#[test]
fn a_date_far_away_is_written_and_one_that_cannot_be_is_an_error() {
    let options = CookieOptions::express();
    let far = Timestamp::parse_iso("9999-12-29T23:59:59.999Z").unwrap();
    let header = options.set_cookie("x", Some(far), true).unwrap();
    assert!(
        header.contains("; Expires=Wed, 29 Dec 9999 23:59:59 GMT;"),
        "{header}"
    );
    assert!(!header.to_lowercase().contains("max-age"));
    for millis in [i64::MIN, i64::MAX, -70_000_000_000_000] {
        let error = options
            .set_cookie("x", Some(Timestamp::from_millis(millis)), true)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("expires"), "{error}");
    }
}

/// express/session PR#1114: express compares the path as a prefix of characters.
#[test]
fn the_path_admin_is_not_the_path_administrator() {
    let admin = CookieOptions::express().path("/admin");
    for inside in ["/admin", "/admin/", "/admin/users"] {
        assert!(admin.path_matches(inside), "{inside}");
    }
    for outside in [
        "/administrator",
        "/Admin",
        "/",
        "",
        "*",
        "/a",
        "admin",
        "//admin",
    ] {
        assert!(!admin.path_matches(outside), "{outside}");
    }
    let slash = CookieOptions::express().path("/admin/");
    assert!(slash.path_matches("/admin/") && slash.path_matches("/admin/users"));
    assert!(!slash.path_matches("/admin") && !slash.path_matches("/administrator/"));
    for any in ["/", "/admin", "", "*", "//x"] {
        assert!(CookieOptions::express().path_matches(any), "{any}");
    }
    let nested = CookieOptions::express().path("/foo/bar");
    assert!(nested.path_matches("/foo/bar/baz") && !nested.path_matches("/foo/barbaz"));
}
