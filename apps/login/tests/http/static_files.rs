//! Style sheet, script and icon.

use crate::App;

#[tokio::test]
async fn files_are_served_with_a_tag_and_without_a_session() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    for (path, media_type) in [
        ("/stylesheets/style.css", "text/css; charset=utf-8"),
        (
            "/javascripts/countdown.js",
            "text/javascript; charset=utf-8",
        ),
        ("/images/icon.svg", "image/svg+xml"),
    ] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), media_type);
        assert_eq!(answer.header("cache-control"), "public, max-age=0");
        assert!(answer.cookies().is_empty(), "{path}: no session");
        assert_eq!(answer.header("vary"), "");

        let tag = answer.header("etag").to_owned();
        let known = [("if-none-match", tag.as_str())];
        let answer = visitor.ask("GET", path, &known, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""));
        assert_eq!(answer.header("etag"), tag);
    }
}

#[tokio::test]
async fn pages_name_only_files_that_exist() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    let page = visitor.log_in("a").await;
    let mut found = 0;
    for attribute in [
        "src=\"",
        "rel=\"stylesheet\" href=\"",
        "rel=\"icon\" href=\"",
    ] {
        for rest in page.body.split(attribute).skip(1) {
            let path = rest.split('"').next().unwrap();
            assert_eq!(visitor.get(path).await.status, 200, "{path}");
            found += 1;
        }
    }
    assert!(found >= 4, "{found}");
}
