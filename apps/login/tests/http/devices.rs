//! The page of the devices: where a visitor is logged in, and how it ends there.

use std::time::Duration;

use cloakroom::{
    Secrets, SessionId, Store as _,
    core::{Created, Loaded, Replaced, ticket::sign},
    sqlite::SqliteStore,
};

use crate::{
    App,
    support::{Answer, Visitor, between},
};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";

/// Logs in with a browser that says this of itself.
async fn log_in_with(visitor: &mut Visitor, name: &str, user_agent: &str) {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", user_agent),
    ];
    let form = format!("userName={name}");
    let answer = visitor.ask("POST", "/save-session", &headers, &form).await;
    assert_eq!(answer.status, 302);
}

/// The list on the page.
fn list(page: &Answer) -> &str {
    between(&page.body, "<ul", "</ul>")
}

/// The names of the devices on the page, the marked one with a star.
fn devices(page: &Answer) -> Vec<String> {
    let items = list(page).split("<li").skip(1);
    let shown = items.map(|item| {
        let item = item.split("</li>").next().unwrap();
        let name = between(item, "\">", "</strong>");
        let name = name.rsplit('>').next().unwrap();
        let mark = if item.contains("this browser") {
            "*"
        } else {
            ""
        };
        format!("{name}{mark}")
    });
    shown.collect()
}

/// The handle in the form beside this device.
fn handle_of(page: &Answer, name: &str) -> String {
    let mut items = list(page).split("<li");
    let item = items.find(|item| item.contains(name)).unwrap();
    between(item, "name=\"session\" value=\"", "\"").to_owned()
}

/// Whoever brings this cookie is logged in.
async fn is_logged_in(app: &App, cookie: Option<String>) -> bool {
    let mut visitor = app.visitor();
    visitor.cookie = cookie;
    visitor.is_logged_in().await
}

#[tokio::test]
async fn r30_the_visitors_own_sessions_are_listed_without_their_ids() {
    let app = App::start().await;
    let (mut one, mut two, mut other) = (app.visitor(), app.visitor(), app.visitor());
    log_in_with(&mut one, "hanako", FIREFOX).await;
    log_in_with(&mut two, "hanako", SAFARI).await;
    log_in_with(&mut other, "taro", "curl/8.5.0").await;
    let page = one.get("/devices").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.heading(), "Your devices");
    assert_eq!(devices(&page), ["Firefox on Linux*", "Safari on iPhone"]);
    assert_eq!(
        devices(&two.get("/devices/").await),
        ["Safari on iPhone*", "Firefox on Linux"]
    );
    assert_eq!(devices(&other.get("/devices").await), ["curl*"]);
    assert!(page.body.contains("127.0.0.1") && page.body.contains("just now"));
    for visitor in [&mut one, &mut two] {
        let id = visitor.get("/").await.session_id().to_owned();
        assert!(!page.body.contains(&id), "an id on the page");
    }
}

#[tokio::test]
async fn r31_one_session_is_ended_and_the_others_live() {
    let app = App::start().await;
    let (mut one, mut two, mut three) = (app.visitor(), app.visitor(), app.visitor());
    log_in_with(&mut one, "hanako", FIREFOX).await;
    log_in_with(&mut two, "hanako", SAFARI).await;
    log_in_with(&mut three, "hanako", "curl/8.5.0").await;
    let handle = handle_of(&one.get("/devices").await, "Safari on iPhone");
    for _ in 0..2 {
        let answer = one.post("/devices/end", &format!("session={handle}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (302, "/devices")
        );
    }
    assert!(!two.is_logged_in().await);
    assert!(three.is_logged_in().await && one.is_logged_in().await);
    let page = one.get("/devices").await;
    assert_eq!(devices(&page), ["Firefox on Linux*", "curl"]);
}

#[tokio::test]
async fn r31_all_others_are_ended_and_this_one_gets_a_new_id() {
    let app = App::start().await;
    let (mut one, mut two, mut taro) = (app.visitor(), app.visitor(), app.visitor());
    log_in_with(&mut one, "hanako", FIREFOX).await;
    log_in_with(&mut two, "hanako", SAFARI).await;
    log_in_with(&mut taro, "taro", SAFARI).await;
    let before = one.cookie.clone();
    let browser = [("user-agent", FIREFOX)];
    let answer = one.ask("POST", "/devices/end-others", &browser, "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.location()),
        (302, "/devices")
    );
    assert_ne!(one.cookie, before);
    assert!(!is_logged_in(&app, before).await, "the old id is dead");
    assert!(!two.is_logged_in().await);
    assert!(taro.is_logged_in().await, "somebody else's");
    let page = one.get("/devices").await;
    assert_eq!(devices(&page), ["Firefox on Linux*"]);
    assert!(page.body.contains("There is no other"));
}

#[tokio::test]
async fn nobody_ends_the_sessions_of_somebody_else() {
    let app = App::start().await;
    let (mut hanako, mut phone, mut taro) = (app.visitor(), app.visitor(), app.visitor());
    log_in_with(&mut hanako, "hanako", FIREFOX).await;
    log_in_with(&mut phone, "hanako", SAFARI).await;
    log_in_with(&mut taro, "taro", SAFARI).await;
    let handle = handle_of(&hanako.get("/devices").await, "Safari on iPhone");
    let form = format!("session={handle}");
    assert_eq!(taro.post("/devices/end", &form).await.status, 302);
    let nobody = app.visitor().post("/devices/end", &form).await;
    assert_eq!((nobody.status.as_u16(), nobody.location()), (302, "/login"));
    let cross = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "cross-site"),
    ];
    for path in ["/devices/end", "/devices/end-others"] {
        let answer = hanako.ask("POST", path, &cross, &form).await;
        assert_eq!(answer.status, 403, "r27: {path}");
    }
    assert!(phone.is_logged_in().await && taro.is_logged_in().await);
}

#[tokio::test]
async fn who_is_not_logged_in_is_led_to_the_login() {
    let app = App::start().await;
    for path in ["/devices", "/devices/"] {
        let answer = app.visitor().get(path).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (302, "/login"));
    }
    let answer = app.visitor().post("/devices/end-others", "").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/login"));
}

#[tokio::test]
async fn wrong_forms_end_nothing() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("hanako").await;
    let long = format!("session={}", "A".repeat(9000));
    let cases = [
        ("", 400),
        ("session=", 400),
        ("session=%00", 400),
        ("session=AAAAAAAAAAAAAAAAAAAAAA", 302),
        (long.as_str(), 413),
    ];
    for (form, status) in cases {
        let answer = visitor.post("/devices/end", form).await;
        assert_eq!(answer.status, status, "{form:.40}");
    }
    let json = [("content-type", "application/json")];
    let answer = visitor.ask("POST", "/devices/end", &json, "{}").await;
    assert_eq!(answer.status, 415);
    for path in ["/devices/end", "/devices/end-others"] {
        assert_eq!(visitor.get(path).await.status, 404, "{path}");
    }
    assert!(visitor.is_logged_in().await);
}

#[tokio::test]
async fn what_a_browser_says_of_itself_is_escaped() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let evil = "<script>alert(1)</script>\"onmouseover=x";
    log_in_with(&mut visitor, "a", evil).await;
    let page = visitor.get("/devices").await;
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(!page.body.contains("\"onmouseover"), "{}", page.body);
}

/// A Node service on the same sessions signs in and out by `userName` alone.
#[tokio::test]
async fn sessions_that_node_made_are_listed_once_they_were_seen() {
    let app = App::start_with(|settings| {
        settings.session_secret = Some("a secret for tests".into());
    })
    .await;
    let mut hanako = app.visitor();
    log_in_with(&mut hanako, "hanako", FIREFOX).await;
    let store = SqliteStore::builder(app.store_path())
        .prefix("sid:")
        .open()
        .unwrap();
    let id = SessionId::parse("made-by-node").unwrap();
    let value = r#"{"cookie":{"originalMaxAge":60000,"expires":"2099-01-01T00:00:00.000Z","httpOnly":true,"path":"/"},"userName":"hanako"}"#;
    let minute = Duration::from_secs(60);
    let created = store.create(&id, value.into(), minute).await.unwrap();
    assert_eq!(created, Created::Created);
    assert_eq!(
        devices(&hanako.get("/devices").await).len(),
        1,
        "not seen yet"
    );

    let secrets = Secrets::new(["a secret for tests"]).unwrap();
    let mut node = app.visitor();
    node.cookie = Some(format!("connect.sid={}", sign(id.as_str(), &secrets)));
    assert!(node.is_logged_in().await);
    assert_eq!(devices(&hanako.get("/devices").await).len(), 2);

    // Node logs out as the article does: it takes the name away.
    let stored = match store.load(&id).await.unwrap() {
        Loaded::Live(stored) => stored.value,
        other => panic!("{other:?}"),
    };
    let text = String::from_utf8(stored.to_vec()).unwrap();
    let without = text.replace(r#","userName":"hanako""#, "");
    assert_ne!(text, without);
    let replaced = store.replace(&id, &stored, without.into(), minute).await;
    assert_eq!(replaced.unwrap(), Replaced::Replaced);
    assert_eq!(devices(&hanako.get("/devices").await).len(), 1);
}
