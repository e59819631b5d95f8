//! The settings that change what a visitor gets.

use app::startup::{self, StartupError};

use crate::App;

#[tokio::test]
async fn name_and_lifetime_of_the_cookie() {
    let app = App::start_with(|s| {
        s.session_cookie_name = "shop".into();
        s.session_max_age = "300000".into();
    })
    .await;
    let mut visitor = app.visitor();
    let page = visitor.log_in("a").await;
    assert!(page.cookies()[0].starts_with("shop=s%3A"));
    assert_eq!(page.seconds(), 300);
}

#[tokio::test]
async fn without_save_uninitialized_there_is_no_session_before_the_login() {
    let app = App::start_with(|s| s.session_save_uninitialized = "false".into()).await;
    let mut visitor = app.visitor();
    assert!(visitor.get("/").await.cookies().is_empty());
    assert!(visitor.get("/login").await.cookies().is_empty());
    visitor.log_in("a").await;
    assert!(visitor.is_logged_in().await);
}

#[tokio::test]
async fn memory_and_resave_serve_as_well() {
    let app = App::start_with(|s| {
        s.session_store = Some("memory".into());
        s.session_resave = "true".into();
    })
    .await;
    let mut visitor = app.visitor();
    assert_eq!(visitor.log_in("a").await.heading(), "Hello, a!");
    assert!(visitor.is_logged_in().await);
    assert!(!app.store_path().exists());
}

#[tokio::test]
async fn r18_r44_only_a_trusted_proxy_can_say_https() {
    let https = [("x-forwarded-proto", "https")];
    let http = [("x-forwarded-proto", "http")];
    let app = App::start_with(|s| s.trusted_proxies = Some("127.0.0.0/8".into())).await;
    let secure = |cookies: &[&str]| cookies[0].contains("; Secure");
    assert!(secure(
        &app.visitor().ask("GET", "/", &https, "").await.cookies()
    ));
    assert!(!secure(
        &app.visitor().ask("GET", "/", &http, "").await.cookies()
    ));
    assert!(!secure(&app.visitor().get("/").await.cookies()));

    for proxies in [None, Some("192.0.2.0/24".to_owned())] {
        let app = App::start_with(|s| s.trusted_proxies = proxies).await;
        let answer = app.visitor().ask("GET", "/", &https, "").await;
        assert!(!secure(&answer.cookies()), "spoofed");
    }
}

#[tokio::test]
async fn r43_a_host_cookie_is_given_over_tls_alone() {
    let app = App::start_with(|s| {
        s.session_cookie_name = "__Host-sid".into();
        s.trusted_proxies = Some("127.0.0.1".into());
    })
    .await;
    let https = [("x-forwarded-proto", "https")];
    let answer = app.visitor().ask("GET", "/", &https, "").await;
    assert!(answer.cookies()[0].contains("; Secure"));
    let http = [("x-forwarded-proto", "http")];
    let answer = app.visitor().ask("GET", "/", &http, "").await;
    assert!(answer.cookies().is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_port_in_use_says_so_and_touches_no_file() {
    let app = App::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::settings(&folder, |s| s.port = app.address.port().to_string());
    let error = startup::build(settings.check().unwrap()).await.unwrap_err();
    assert!(matches!(error, StartupError::PortInUse(address) if address == app.address));
    let text = error.to_string();
    assert!(text.contains("in use") && text.contains(&app.address.port().to_string()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let settings = crate::settings(&folder, |s| {
        s.data_dir = file.join("data").display().to_string();
    });
    let error = startup::build(settings.check().unwrap()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("DATA_DIR") && text.contains("file/data"),
        "{text}"
    );
}
