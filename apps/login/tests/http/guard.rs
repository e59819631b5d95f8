//! What other sites can make a visitor's browser do: nothing.

use crate::App;

#[tokio::test]
async fn r27_other_sites_can_neither_log_in_nor_log_out() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    let before = visitor.cookie.clone();
    let foreign: [&[(&str, &str)]; 4] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://other.example")],
        &[("origin", "null")],
    ];
    for headers in foreign {
        for (method, path) in [
            ("POST", "/save-session"),
            ("POST", "/delete-session"),
            ("GET", "/save-session?userName=b"),
            ("GET", "/delete-session"),
        ] {
            let answer = visitor.ask(method, path, headers, "").await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}");
            assert_eq!(answer.heading(), "Forbidden");
            assert!(answer.body.contains("Another site"));
            assert!(answer.cookies().is_empty());
        }
    }
    assert_eq!(visitor.cookie, before);
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
}

#[tokio::test]
async fn r27_our_own_pages_and_programs_without_a_browser_can() {
    let app = App::start().await;
    let origin = format!("http://{}", app.address);
    let own: [&[(&str, &str)]; 4] = [
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", &origin)],
    ];
    for headers in own {
        let mut visitor = app.visitor();
        visitor
            .ask("GET", "/save-session?userName=b", headers, "")
            .await;
        assert_eq!(visitor.get("/").await.heading(), "Hello, b!", "{headers:?}");
        visitor.ask("POST", "/delete-session", headers, "").await;
        assert!(!visitor.is_logged_in().await, "{headers:?}");
    }
}

#[tokio::test]
async fn links_from_other_sites_lead_to_the_pages() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(visitor.ask("GET", "/", &foreign, "").await.status, 200);
}
