//! What the calls answer when nothing else happens. [`retire`](super::retire) has cases of its own.

use bytes::Bytes;
use cloakroom_core::{Created, EndReason, Replaced, SessionId};

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Probe, fresh_id, open, open_with, same_bytes},
};

/// Rule 1: what was never created is not live, whatever is asked of it.
pub(crate) async fn missing_is_missing(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage
        .probe
        .missing(&id, "before anything was created")
        .await?;
    let was_live = stage.probe.end(&id, EndReason::Destroyed).await?;
    ensure!(!was_live, "end says that a session was live that never was");
    // The browser may hold the id of a session that another server made and this one did not see yet.
    stage
        .probe
        .ended(&id, EndReason::Destroyed, "after end, live or not,")
        .await
}

/// Rules 1 and 2.
pub(crate) async fn what_is_created_is_loaded(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (one, two) = (fresh_id(), fresh_id());
    stage.probe.make(&one, &b"one"[..], HOUR).await?;
    stage.probe.make(&two, &b"two"[..], HOUR).await?;
    for _ in 0..2 {
        stage.probe.holds(&one, b"one", "after create").await?;
        stage.probe.holds(&two, b"two", "after create").await?;
    }
    Ok(())
}

/// Rule 3: create is no upsert. tower-sessions' first stores overwrote whatever a colliding or chosen id held.
pub(crate) async fn create_refuses_a_live_id(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"first"[..], HOUR).await?;
    for value in [&b"second"[..], &b"first"[..]] {
        let created = stage.probe.create(&id, value, HOUR * 5).await?;
        ensure_eq!(created, Created::Taken, "create refuses a live id");
    }
    let when = "after create was refused";
    let stored = stage.probe.holds(&id, b"first", when).await?;
    ensure!(
        stored.remaining.is_none_or(|left| left <= HOUR),
        "{when} the time to live has changed"
    );
    Ok(())
}

/// Rule 1: nothing but create makes a session exist. Most stores of other frameworks save by upsert.
pub(crate) async fn replace_of_missing_is_gone_and_writes_nothing(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    for base in [&b""[..], &b"base"[..]] {
        let id = fresh_id();
        stage.probe.refuses(&id, base, "before create").await?;
        stage
            .probe
            .missing(&id, "after a replace that answered Gone")
            .await?;
    }
    Ok(())
}

/// Rule 5. connect-redis#328 and CVE-2025-46336: a request that was under way at the sign-out saved the session again.
pub(crate) async fn replace_after_end_is_gone(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"signed in"[..], HOUR).await?;
    stage.probe.end(&id, EndReason::Destroyed).await?;
    stage
        .probe
        .refuses(&id, b"signed in", "after the sign-out")
        .await?;
    let when = "after the late write";
    stage.probe.ended(&id, EndReason::Destroyed, when).await
}

/// Rule 3: of two writers with one base the second learns what the first wrote. connect-redis#75, laravel#30996: the
/// slower request's whole session replaced the faster one's.
pub(crate) async fn a_stale_base_is_answered_with_the_current_value(
    factory: &dyn StoreFactory,
) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"one"[..], HOUR).await?;
    let replaced = stage
        .probe
        .replace(&id, &b"one"[..], &b"two"[..], HOUR)
        .await?;
    ensure_eq!(
        replaced,
        Replaced::Replaced,
        "replace with the current bytes as its base"
    );
    stage.probe.holds(&id, b"two", "after replace").await?;
    for stale in [&b"one"[..], &b""[..], &b"never"[..]] {
        let replaced = stage
            .probe
            .replace(&id, stale, &b"three"[..], HOUR * 5)
            .await?;
        let Replaced::Changed(current) = replaced else {
            return Err(Stop::failed(format_args!(
                "replace with a stale base answers Changed, found {replaced:?}"
            )));
        };
        same_bytes(&current.value, b"two", "in the answer to a stale base")?;
        ensure!(
            current.remaining.is_none_or(|left| left <= HOUR),
            "in the answer to a stale base the session lives longer than it was given"
        );
        stage
            .probe
            .holds(&id, b"two", "after a stale replace")
            .await?;
    }
    Ok(())
}

/// Rule 3: the bytes are the version, every one of them. Database columns compare text by collation: without case,
/// without trailing blanks, up to the first NUL.
pub(crate) async fn replace_compares_every_byte(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let base = b"{\"a\":\"b\"}";
    let alike: [&[u8]; 9] = [
        b"{\"a\":\"B\"}",
        b"{\"A\":\"b\"}",
        b"{\"a\":\"b\"} ",
        b"{\"a\":\"b\"}\n",
        b"{\"a\":\"b\"}\0",
        b" {\"a\":\"b\"}",
        b"{\"a\": \"b\"}",
        b"{\"a\":\"b\"",
        b"{\"a\":\"b\\u0000\"}",
    ];
    let id = fresh_id();
    stage.probe.make(&id, &base[..], HOUR).await?;
    for other in alike {
        let replaced = stage.probe.replace(&id, other, &b"lost"[..], HOUR).await?;
        ensure!(
            matches!(replaced, Replaced::Changed(_)),
            "replace takes the base {:?} for the stored {:?}",
            other.escape_ascii().to_string(),
            base.escape_ascii().to_string()
        );
    }
    // NFC and NFD of one letter, and a NUL with more behind it.
    for (stored, other) in [
        ("é".as_bytes(), "e\u{301}".as_bytes()),
        (b"a\0b", b"a\0c"),
        (b"\xff\xfe", b"\xff\xff"),
    ] {
        let id = fresh_id();
        stage.probe.make(&id, stored, HOUR).await?;
        let replaced = stage.probe.replace(&id, other, &b"lost"[..], HOUR).await?;
        ensure!(
            matches!(replaced, Replaced::Changed(_)),
            "replace takes one of two values for the other: {} and {}",
            stored.escape_ascii(),
            other.escape_ascii()
        );
        let replaced = stage.probe.replace(&id, stored, stored, HOUR).await?;
        ensure_eq!(
            replaced,
            Replaced::Replaced,
            "replace by the same bytes again"
        );
    }
    Ok(())
}

/// Rule 4. session-file-store PR #55 and connect-redis' early `touch`: they wrote back the bytes that the request had
/// read, over a newer value.
pub(crate) async fn renew_never_changes_the_bytes(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"one"[..], HOUR).await?;
    stage.probe.live(&id, "after create").await?;
    stage
        .probe
        .replace(&id, &b"one"[..], &b"two"[..], HOUR)
        .await?;
    ensure!(
        stage.probe.renew(&id, HOUR * 2).await?,
        "renew of a live session answers false"
    );
    stage.probe.holds(&id, b"two", "after renew").await?;
    let replaced = stage
        .probe
        .replace(&id, &b"two"[..], &b"three"[..], HOUR)
        .await?;
    ensure_eq!(
        replaced,
        Replaced::Replaced,
        "replace after renew, with the bytes from before it"
    );
    Ok(())
}

/// The answer of `end`: revoking a list of sessions counts by it.
pub(crate) async fn end_says_whether_the_session_was_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for reason in [EndReason::Destroyed, EndReason::Rotated] {
        let (id, other) = (fresh_id(), fresh_id());
        stage.probe.make(&id, &b"value"[..], HOUR).await?;
        stage.probe.make(&other, &b"other"[..], HOUR).await?;
        let first = stage.probe.end(&id, reason).await?;
        ensure!(first, "end of a live session answers false");
        let second = stage.probe.end(&id, reason).await?;
        ensure!(!second, "the second end of a session answers true");
        stage.probe.ended(&id, reason, "after end").await?;
        let when = "after another session ended";
        stage.probe.holds(&other, b"other", when).await?;
    }
    Ok(())
}

/// Every character of the id's grammar, and ids that look like something else to a key-value store, a file system, a
/// pattern or a database with a case-insensitive collation.
pub(crate) async fn ids_of_the_whole_grammar_stay_apart(factory: &dyn StoreFactory) -> Step {
    let longest = "x".repeat(cloakroom_core::id::MAX_ID_LEN);
    let longest_but_one = &longest[1..];
    let texts = [
        "a",
        "A",
        "b",
        "aa",
        "a.",
        ".a",
        ".",
        "..",
        "../a",
        "./a",
        "/",
        "//",
        "/a",
        "a/",
        "a/b",
        "a/../b",
        "~",
        "~a",
        "a~",
        "-",
        "--",
        "--a",
        "-a",
        "_",
        "__",
        "a_",
        "a-",
        ":",
        "::",
        "a:",
        ":a",
        "a:b",
        "a::b",
        "+",
        "a+",
        "a+b",
        "=",
        "a=",
        "a==",
        "@",
        "@a",
        "a@b",
        ",",
        "a,",
        ",a",
        "a,b",
        "0",
        "00",
        "1",
        "01",
        "1.0",
        "1e0",
        "null",
        "NULL",
        "true",
        "sid:a",
        "sess:a",
        "ck:t:a",
        "con",
        "nul",
        &longest,
        longest_but_one,
        "-_.~:+/=@,ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    ];
    let stage = open(factory).await?;
    let mut ids = Vec::new();
    for text in texts {
        let id = SessionId::parse(text);
        let id = id.ok_or_else(|| Stop::failed(format_args!("the id {text} has left the law")))?;
        let created = stage
            .probe
            .create(&id, text.as_bytes().to_vec(), HOUR)
            .await?;
        ensure_eq!(
            created,
            Created::Created,
            "the id {text:?} is free though others exist"
        );
        ids.push((id, text));
    }
    for (id, text) in &ids {
        let when = format!("with ids like {text:?} in the store");
        stage.probe.holds(id, text.as_bytes(), &when).await?;
    }
    // Ending every second one must not end its neighbours.
    for (id, text) in ids.iter().step_by(2) {
        let was_live = stage.probe.end(id, EndReason::Destroyed).await?;
        ensure!(was_live, "the end of another session ended {text:?} too");
    }
    for (number, (id, text)) in ids.iter().enumerate() {
        let when = format!("after every second of the sessions ended, {text:?}:");
        if number % 2 == 0 {
            stage.probe.ended(id, EndReason::Destroyed, &when).await?;
        } else {
            stage.probe.holds(id, text.as_bytes(), &when).await?;
        }
    }
    Ok(())
}

/// Rule 6: a change is seen by every later call, from whatever handle.
pub(crate) async fn a_change_is_seen_from_every_handle(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Siblings]).await?;
    let one = Probe(stage.sibling("same").await?.store);
    let two = Probe(stage.sibling("same").await?.store);
    let id = fresh_id();
    two.missing(&id, "before create").await?;
    one.make(&id, &b"one"[..], HOUR).await?;
    two.holds(&id, b"one", "after another handle's create")
        .await?;
    let replaced = two.replace(&id, &b"one"[..], &b"two"[..], HOUR).await?;
    ensure_eq!(
        replaced,
        Replaced::Replaced,
        "replace from the second handle"
    );
    one.holds(&id, b"two", "after another handle's replace")
        .await?;
    two.live(&id, "before another handle's end").await?;
    one.end(&id, EndReason::Destroyed).await?;
    let when = "after another handle's end";
    two.ended(&id, EndReason::Destroyed, when).await?;
    two.refuses(&id, b"two", when).await
}

/// One backing, several applications: the same id in two namespaces is two sessions.
pub(crate) async fn namespaces_are_isolated(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::Siblings]).await?;
    let names = ["app", "app:", "App", "app:admin:", "other"];
    let id = fresh_id();
    let mut probes = Vec::new();
    for name in names {
        let probe = Probe(stage.sibling(name).await?.store);
        let when = format!("with the same id in the namespaces before {name:?}");
        probe.missing(&id, &when).await?;
        probe.make(&id, name.as_bytes().to_vec(), HOUR).await?;
        probes.push((name, probe));
    }
    for (name, probe) in &probes {
        let when = format!("in the namespace {name:?}");
        probe.holds(&id, name.as_bytes(), &when).await?;
    }
    for (at, (name, probe)) in probes.iter().enumerate() {
        let was_live = probe.end(&id, EndReason::Destroyed).await?;
        ensure!(
            was_live,
            "the end in another namespace reached into {name:?}"
        );
        for (next, probe) in &probes[at + 1..] {
            let when = format!("after {name:?} ended its own, the session of {next:?}");
            probe.holds(&id, next.as_bytes(), &when).await?;
        }
    }
    Ok(())
}

/// An id cannot reach into another namespace: in stores that join prefix and id, `ab` + `c` and `a` + `bc` are one key.
pub(crate) async fn nested_namespaces_are_isolated(factory: &dyn StoreFactory) -> Step {
    let stage = open_with(factory, &[Capability::NestedNamespaces]).await?;
    let pairs = [
        ("a", "bc", "ab", "c"),
        ("a:", "b:c", "a:b:", "c"),
        ("a", ":c", "a:", "c"),
    ];
    for (outer, long, inner, short) in pairs {
        let outside = Probe(stage.sibling(outer).await?.store);
        let inside = Probe(stage.sibling(inner).await?.store);
        let ids = SessionId::parse(long).zip(SessionId::parse(short));
        let (long, short) = ids.ok_or_else(|| Stop::failed("the ids have left the law"))?;
        inside.make(&short, Bytes::from_static(b"in"), HOUR).await?;
        let when = format!("an id of the namespace {outer:?} reaches into {inner:?}:");
        outside.missing(&long, &when).await?;
        outside.end(&long, EndReason::Destroyed).await?;
        inside.holds(&short, b"in", &when).await?;
    }
    Ok(())
}
