//! The article's routes, one row of its table after the other.

use cloakroom::{SessionId, Store as _, core::Loaded, sqlite::SqliteStore};

use crate::{App, support::between};

const HANAKO: &str = "%E8%8A%B1%E5%AD%90";

/// What the store holds under the id of a ticket.
async fn stored(app: &App, cookie: &str) -> Option<String> {
    let id = between(cookie, "s%3A", ".");
    let store = SqliteStore::builder(app.store_path())
        .prefix("sid:")
        .open()
        .unwrap();
    match store.load(&SessionId::parse(id).unwrap()).await.unwrap() {
        Loaded::Live(stored) => Some(String::from_utf8(stored.value.to_vec()).unwrap()),
        _ => None,
    }
}

#[tokio::test]
async fn the_first_visit_leads_to_the_login_and_begins_a_session() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let answer = visitor.get("/").await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.location(), "/login");
    let [cookie] = answer.cookies()[..] else {
        panic!("{answer:?}")
    };
    assert!(cookie.starts_with("connect.sid=s%3A"), "{cookie}");
    let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    let [path, expires, http_only] = attributes[..] else {
        panic!("{cookie}")
    };
    assert_eq!((path, http_only), ("Path=/", "HttpOnly"));
    assert!(expires.starts_with("Expires="), "{cookie}");

    let value = stored(&app, cookie).await.unwrap();
    let date = between(&value, "\"expires\":\"", "\"");
    let expected = format!(
        r#"{{"cookie":{{"originalMaxAge":60000,"expires":"{date}","httpOnly":true,"path":"/"}}}}"#
    );
    assert_eq!(value, expected, "as express stores it");
}

#[tokio::test]
async fn the_login_page_has_a_form_and_sends_the_cookie_again() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.get("/").await;
    let before = visitor.cookie.clone();
    let answer = visitor.get("/login").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.heading(), "Login");
    assert!(
        answer
            .body
            .contains(r#"<form action="/save-session" method="post">"#)
    );
    assert!(answer.body.contains(r#"name="userName""#));
    assert_eq!(answer.cookies().len(), 1, "rolling");
    assert_eq!(visitor.cookie, before, "the same id");
}

#[tokio::test]
async fn logging_in_shows_name_id_and_seconds() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.get("/").await;
    let page = visitor.log_in(HANAKO).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.heading(), "Hello, \u{82b1}\u{5b50}!");
    let ticket = visitor.cookie.clone().unwrap();
    assert_eq!(page.session_id(), between(&ticket, "s%3A", "."));
    assert!((59..=60).contains(&page.seconds()), "{}", page.seconds());
    assert!(page.body.contains(r#"action="/delete-session""#));
    let value = stored(&app, &ticket).await.unwrap();
    assert!(
        value.contains("\"userName\":\"\u{82b1}\u{5b50}\""),
        "raw UTF-8: {value}"
    );

    let answer = visitor.get("/login").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
}

#[tokio::test]
async fn the_articles_get_forms_work_too() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let answer = visitor
        .get(&format!("/save-session?userName={HANAKO}"))
        .await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
    assert_eq!(visitor.get("/").await.heading(), "Hello, \u{82b1}\u{5b50}!");
    let answer = visitor.get("/delete-session").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
    assert!(!visitor.is_logged_in().await);
}

#[tokio::test]
async fn an_empty_or_missing_name_changes_nothing() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    let before = visitor.cookie.clone();
    for form in ["", "userName=", "userName", "userName[]=", "name=b"] {
        let answer = visitor.post("/save-session", form).await;
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (302, "/"),
            "{form}"
        );
        let answer = visitor.get(&format!("/save-session?{form}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (302, "/"),
            "{form}"
        );
    }
    assert_eq!(visitor.cookie, before);
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
}

#[tokio::test]
async fn several_names_are_an_array() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.get("/save-session?userName[]=a&userName[]=b").await;
    assert_eq!(visitor.get("/").await.heading(), "Hello, a,b!");
    let value = stored(&app, visitor.cookie.as_deref().unwrap())
        .await
        .unwrap();
    assert!(value.contains(r#""userName":["a","b"]"#), "{value}");
}

#[tokio::test]
async fn html_in_a_name_is_shown_and_not_run() {
    let app = App::start().await;
    let page = app
        .visitor()
        .log_in("%3Cscript%3Ealert(1)%3C/script%3E")
        .await;
    assert_eq!(
        page.heading(),
        "Hello, &#60;script&#62;alert(1)&#60;/script&#62;!"
    );
    assert!(!page.body.contains("<script>"));
}

#[tokio::test]
async fn a_name_that_is_too_long_is_a_400_and_changes_nothing() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    let long = "x".repeat(1025);
    for answer in [
        visitor.get(&format!("/save-session?userName={long}")).await,
        visitor
            .post("/save-session", &format!("userName={long}"))
            .await,
    ] {
        assert_eq!(answer.status, 400);
        assert_eq!(answer.heading(), "Bad Request");
    }
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
    let longest = "x".repeat(1024);
    let page = visitor.log_in(&longest).await;
    assert_eq!(page.heading(), format!("Hello, {longest}!"));
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let body = "userName=".to_owned() + &"x".repeat(9000);
    let answer = visitor.post("/save-session", &body).await;
    assert_eq!(answer.status, 413);
    let json = [("content-type", "application/json")];
    let answer = visitor
        .ask("POST", "/save-session", &json, r#"{"userName":"a"}"#)
        .await;
    assert_eq!(answer.status, 415);
    assert!(!visitor.is_logged_in().await);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_404_pages() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    for (method, path) in [
        ("GET", "/nope"),
        ("POST", "/login"),
        ("POST", "/"),
        ("PUT", "/save-session"),
        ("DELETE", "/delete-session"),
        ("OPTIONS", "/login"),
        ("GET", "/login/x"),
        ("GET", "/stylesheets/../main.rs"),
        ("GET", "/stylesheets/"),
        ("POST", "/stylesheets/style.css"),
    ] {
        let answer = visitor.ask(method, path, &[], "").await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.heading(), "Not Found", "{method} {path}");
        assert!(answer.body.contains("<h2>404</h2>"), "{method} {path}");
        assert!(answer.cookies().is_empty(), "{method} {path}");
    }
    for path in ["/login/", "/save-session/", "/delete-session/"] {
        assert!(visitor.get(path).await.status != 404, "{path}");
    }
}

#[tokio::test]
async fn head_answers_as_get_without_a_body_and_changes_nothing() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    for path in ["/", "/login", "/nope", "/stylesheets/style.css"] {
        let get = visitor.get(path).await;
        let head = visitor.ask("HEAD", path, &[], "").await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, "", "{path}");
        for name in [
            "content-type",
            "location",
            "content-length",
            "cache-control",
        ] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    for path in ["/delete-session", "/save-session?userName=b"] {
        let head = visitor.ask("HEAD", path, &[], "").await;
        assert_eq!(
            (head.status.as_u16(), head.location()),
            (302, "/"),
            "{path}"
        );
    }
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
}

#[tokio::test]
async fn r24_r25_no_cache_keeps_a_visitors_page() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let answers = [
        visitor.get("/").await,
        visitor.get("/login").await,
        visitor.post("/save-session", "userName=a").await,
        visitor.get("/").await,
        visitor.post("/delete-session", "").await,
    ];
    for answer in answers {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("vary"), "Cookie");
        assert!(!answer.cookies().is_empty());
    }
}

#[tokio::test]
async fn every_answer_narrows_what_the_browser_may_do() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    for path in ["/", "/login", "/nope", "/livez", "/stylesheets/style.css"] {
        let answer = visitor.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    }
}
