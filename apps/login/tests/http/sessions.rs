//! What becomes of a visitor's session: at the login, at the logout, in time, and with a Node service beside us.

use std::time::{Duration, Instant};

use cloakroom::{
    SessionId, Store as _,
    core::{Loaded, Replaced},
    sqlite::SqliteStore,
};

use crate::{
    App,
    support::{PATIENCE, Visitor, between},
};

#[tokio::test]
async fn r08_the_login_gives_a_new_id_and_the_old_one_is_dead() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.get("/").await;
    let mut before = visitor.clone();
    visitor.log_in("a").await;
    assert_ne!(visitor.cookie, before.cookie);
    assert!(!before.is_logged_in().await, "fixation");

    let first = visitor.clone();
    assert_eq!(visitor.log_in("b").await.heading(), "Hello, b!");
    assert_ne!(visitor.cookie, first.cookie, "another login, another id");
}

#[tokio::test]
async fn r10_the_logout_ends_the_session_for_every_copy_of_the_cookie() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    let mut copy = visitor.clone();
    let old = visitor.cookie.clone();
    let answer = visitor.post("/delete-session", "").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
    assert_eq!(visitor.cookie, None, "the cookie is cleared");
    assert!(!copy.is_logged_in().await, "replayed");
    visitor.get("/").await;
    assert!(
        visitor.cookie.is_some() && visitor.cookie != old,
        "a new id"
    );
}

#[tokio::test]
async fn logging_out_without_a_session_is_no_fault() {
    let app = App::start().await;
    let answer = app.visitor().post("/delete-session", "").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
}

#[tokio::test]
async fn r03_an_unknown_id_is_never_adopted() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    for cookie in [
        "connect.sid=s%3Aforged.AAAA",
        "connect.sid=plain",
        "connect.sid=",
        "connect.sid=s%3A",
    ] {
        visitor.cookie = Some(cookie.to_owned());
        let page = visitor.log_in("a").await;
        assert_eq!(page.status, 200);
        assert_ne!(page.session_id(), "forged");
    }
}

#[tokio::test]
async fn visitors_do_not_see_each_other() {
    let app = App::start().await;
    let (mut one, mut other) = (app.visitor(), app.visitor());
    one.log_in("one").await;
    other.log_in("other").await;
    assert_eq!(one.get("/").await.heading(), "Hello, one!");
    assert_eq!(other.get("/").await.heading(), "Hello, other!");
    one.post("/delete-session", "").await;
    assert!(other.is_logged_in().await);
}

#[tokio::test]
async fn r13_time_without_a_visit_ends_the_session_and_a_visit_renews_it() {
    let app = App::start_with(|s| s.session_max_age = "3000".into()).await;
    let mut visitor = app.visitor();
    // Longer than one lifetime, with visits in between. A lifetime in which the machine did not let us ask is a real end: then
    // it is tried once more.
    let start = Instant::now();
    'again: loop {
        assert!(start.elapsed() < PATIENCE, "this machine is too slow");
        let mut last = Instant::now();
        let page = visitor.log_in("a").await;
        assert_eq!(page.seconds(), 3);
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let before = Instant::now();
            let page = visitor.get("/").await;
            if last.elapsed() > Duration::from_millis(2900) {
                continue 'again;
            }
            assert_eq!((page.status.as_u16(), page.seconds()), (200, 3));
            last = before;
        }
        break;
    }
    tokio::time::sleep(Duration::from_millis(3300)).await;
    assert!(!visitor.is_logged_in().await);
}

#[tokio::test]
async fn without_rolling_the_page_shows_what_the_login_has_left() {
    let app = App::start_with(|s| s.session_rolling = "false".into()).await;
    let mut visitor = app.visitor();
    let before = Instant::now();
    let login = visitor.post("/save-session", "userName=a").await;
    let after = Instant::now();
    assert_eq!(login.cookies().len(), 1, "a new id is always told");
    for wait in [0, 2100] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let least = after.elapsed().as_secs();
        let page = visitor.get("/").await;
        let most = before.elapsed().as_secs() + 1;
        assert!(page.cookies().is_empty(), "the browser's end stays");
        let gone = 60 - page.seconds();
        assert!(
            (least..=most).contains(&gone),
            "{gone} s of {least} to {most}"
        );
        assert!(page.body.contains("Visits do not extend it."));
    }
}

#[tokio::test]
async fn a_restart_keeps_the_logins() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("kept/s.db").display());
    let start = || {
        let store = store.clone();
        App::start_with(|s| s.session_store = Some(store))
    };
    let app = start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    app.stop().await;

    let app = start().await;
    visitor.address = app.address;
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
    app.stop().await;
}

#[tokio::test]
async fn a_new_secret_in_front_keeps_the_logins_and_a_withdrawn_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("s.db").display());
    let start = |secret: &str| {
        let (store, secret) = (store.clone(), secret.to_owned());
        App::start_with(|s| {
            s.session_store = Some(store);
            s.session_secret = Some(secret);
        })
    };
    let mut visitor = Visitor::new(([127, 0, 0, 1], 1).into());
    for (secret, logged_in) in [
        ("old", false),
        ("new,old", true),
        ("new", true),
        ("other", false),
    ] {
        let app = start(secret).await;
        visitor.address = app.address;
        assert_eq!(visitor.is_logged_in().await, logged_in, "{secret}");
        if !logged_in {
            visitor.log_in("a").await;
        }
        app.stop().await;
    }
}

/// What Node may have put into the session that both share.
#[tokio::test]
async fn names_that_node_has_stored_are_shown() {
    let app = App::start().await;
    for (name, heading) in [
        (r#""\u82b1""#, "Hello, \u{82b1}!"),
        (r#"["a",["b",null]]"#, "Hello, a,b,!"),
        ("12.5", "Hello, 12.5!"),
        ("true", "Hello, true!"),
        (r#"{"first":"a"}"#, "Hello, [object Object]!"),
        // Half of a surrogate pair is JSON for Node and text for nobody.
        (r#""\ud83d""#, "Hello, \u{fffd}!"),
    ] {
        let mut visitor = app.visitor();
        visitor.log_in("me").await;
        overwrite(&app, &visitor, name).await;
        let page = visitor.get("/").await;
        assert_eq!(page.heading(), heading, "{name}");
        visitor.post("/delete-session", "").await;
        assert!(!visitor.is_logged_in().await, "{name}: the way out is open");
    }
    for name in [r#""""#, "0", "null", "false"] {
        let mut visitor = app.visitor();
        visitor.log_in("me").await;
        overwrite(&app, &visitor, name).await;
        assert!(!visitor.is_logged_in().await, "{name} is nobody");
    }
}

/// Puts another JSON text in place of the name `me`.
async fn overwrite(app: &App, visitor: &Visitor, name: &str) {
    let id = between(visitor.cookie.as_deref().unwrap(), "s%3A", ".");
    let id = SessionId::parse(id).unwrap();
    let store = SqliteStore::builder(app.store_path())
        .prefix("sid:")
        .open()
        .unwrap();
    let Loaded::Live(stored) = store.load(&id).await.unwrap() else {
        panic!("the session is not there");
    };
    let text = String::from_utf8(stored.value.to_vec()).unwrap();
    let text = text.replace(r#""userName":"me""#, &format!(r#""userName":{name}"#));
    let replaced = store
        .replace(&id, &stored.value, text.into(), Duration::from_secs(60))
        .await;
    assert_eq!(replaced.unwrap(), Replaced::Replaced);
}
