//! The application in headless Chromium, as a visitor uses it.

mod driver;
#[path = "../support/program.rs"]
mod program;

use std::time::{Duration, Instant};

use driver::{PATIENCE, Wishes, with_browser};
use fantoccini::{Client, Locator, key::Key};
use program::Running;
use serde_json::Value;

/// The lifetime of sessions whose end a test waits for.
const SHORT: Duration = Duration::from_secs(6);

const HANAKO: &str = "\u{82b1}\u{5b50}";

/// Starts at `/`, types the name into the form and presses Enter.
async fn log_in(client: &Client, running: &Running, name: &str) {
    type_the_name(client, running, name).await;
    wait_for(client, "#session h1").await;
    assert_eq!(path(client).await, "/");
}

/// Answers with a moment before the session began.
async fn type_the_name(client: &Client, running: &Running, name: &str) -> Instant {
    client.goto(&url(running, "/")).await.unwrap();
    assert_eq!(path(client).await, "/login", "off to the login");
    let field = client.find(Locator::Id("userName")).await.unwrap();
    field.send_keys(name).await.unwrap();
    let before = Instant::now();
    field.send_keys(&Key::Enter.to_string()).await.unwrap();
    before
}

/// What the start page shows.
struct Page {
    hello: Option<String>,
    seconds: Option<String>,
    has_ended: bool,
}

/// Logs in where sessions are as short as [`SHORT`], and looks at the page. What is seen when the session's time is over
/// already says nothing about its beginning: on a machine so busy it is tried again.
async fn log_in_and_look(client: &Client, running: &Running) -> Page {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE * 2, "this machine is too slow");
        // Whatever was before has ended.
        while path_of(client, running, "/").await != "/login" {
            tokio::time::sleep(SHORT * 2).await;
        }
        let began = type_the_name(client, running, HANAKO).await;
        while began.elapsed() < SHORT && !appears(client, "#session h1").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let page = Page {
            hello: shown(client, "#session h1").await,
            seconds: shown(client, "#seconds").await,
            has_ended: appears(client, "#ended").await,
        };
        if began.elapsed() < SHORT {
            return page;
        }
    }
}

/// The text of an element, if it is there.
async fn shown(client: &Client, css: &str) -> Option<String> {
    let element = client.find(Locator::Css(css)).await.ok()?;
    element.text().await.ok()
}

async fn path_of(client: &Client, running: &Running, of: &str) -> String {
    client.goto(&url(running, of)).await.unwrap();
    path(client).await
}

fn url(running: &Running, path: &str) -> String {
    format!("http://{}{path}", running.address)
}

async fn path(client: &Client) -> String {
    client.current_url().await.unwrap().path().to_owned()
}

/// Whether an element is there and can be seen.
async fn appears(client: &Client, css: &str) -> bool {
    match client.find(Locator::Css(css)).await {
        Ok(element) => element.is_displayed().await.unwrap_or(false),
        Err(_) => false,
    }
}

/// Waits until an element is there and can be seen.
async fn wait_for(client: &Client, css: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if appears(client, css).await {
            return;
        }
        if Instant::now() > deadline {
            let source = client.source().await.unwrap_or_default();
            panic!("{css} does not appear in {source}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn text(client: &Client, css: &str) -> String {
    client
        .find(Locator::Css(css))
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

async fn is_visible(client: &Client, css: &str) -> bool {
    let element = client.find(Locator::Css(css)).await.unwrap();
    element.is_displayed().await.unwrap()
}

async fn seconds(client: &Client) -> i64 {
    text(client, "#seconds").await.parse().unwrap()
}

async fn script(client: &Client, text: &str) -> Value {
    client.execute(text, Vec::new()).await.unwrap()
}

async fn press(client: &Client, css: &str) {
    let button = client.find(Locator::Css(css)).await.unwrap();
    button.click().await.unwrap();
}

#[tokio::test]
async fn logs_in_counts_down_reloads_and_logs_out() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    with_browser(Wishes::default(), async move |client| {
        log_in(&client, &running, HANAKO).await;
        assert_eq!(
            text(&client, "#session h1").await,
            format!("Hello, {HANAKO}!")
        );
        let id = text(&client, "#session code").await;
        assert_eq!(id.len(), 32, "{id}");
        assert_eq!(
            text(&client, ".id").await.replace('\n', " "),
            format!("SESSION ID : {id}")
        );

        let before = Instant::now();
        let first = seconds(&client).await;
        let full = script(&client, "return document.getElementById('bar').value").await;
        tokio::time::sleep(Duration::from_millis(4500)).await;
        let second = seconds(&client).await;
        let most = i64::try_from(before.elapsed().as_secs()).unwrap() + 2;
        assert!((3..=most).contains(&(first - second)), "{first}, {second}");
        let less = script(&client, "return document.getElementById('bar').value").await;
        assert!(less.as_f64() < full.as_f64(), "the bar: {full} then {less}");

        let before = Instant::now();
        client.refresh().await.unwrap();
        wait_for(&client, "#session h1").await;
        let third = seconds(&client).await;
        let gone = i64::try_from(before.elapsed().as_secs()).unwrap() + 1;
        assert!(third >= first - gone, "a visit starts the time anew");
        assert_eq!(text(&client, "#session code").await, id, "the same id");

        client.goto(&url(&running, "/login")).await.unwrap();
        assert_eq!(path(&client).await, "/", "logged in already");

        press(&client, "#session button").await;
        wait_for(&client, "#login form").await;
        assert_eq!(path(&client).await, "/login");
        client.goto(&url(&running, "/")).await.unwrap();
        assert_eq!(path(&client).await, "/login", "still logged out");
    })
    .await;
}

#[tokio::test]
async fn the_end_is_said_and_leads_to_the_login() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[("SESSION_MAX_AGE", "6000")]);
    with_browser(Wishes::default(), async move |client| {
        assert!(!log_in_and_look(&client, &running).await.has_ended);
        wait_for(&client, "#ended").await;
        assert!(!is_visible(&client, "#session").await);
        assert_eq!(text(&client, "#ended h1").await, "Your session has ended");
        assert!(client.title().await.unwrap().starts_with("Session ended"));
        assert_eq!(path(&client).await, "/", "the page does not run away");

        // What the page said is true: the store has forgotten.
        press(&client, "#ended a").await;
        wait_for(&client, "#login form").await;
        assert_eq!(path(&client).await, "/login");
    })
    .await;
}

#[tokio::test]
async fn two_browsers_are_two_visitors_and_both_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    with_browser(Wishes::default(), async move |one| {
        with_browser(Wishes::default(), async move |other| {
            log_in(&one, &running, HANAKO).await;
            log_in(&other, &running, "Zo\u{eb}").await;
            let id = text(&one, "#session code").await;
            assert_ne!(text(&other, "#session code").await, id);

            // The same port, since the browser keeps to its address.
            let port = running.address.port().to_string();
            assert!(running.stop().0.success());
            let running = Running::start(folder.path(), &[("PORT", &port)]);

            one.refresh().await.unwrap();
            assert_eq!(text(&one, "#session h1").await, format!("Hello, {HANAKO}!"));
            assert_eq!(text(&one, "#session code").await, id);
            press(&one, "#session button").await;
            wait_for(&one, "#login form").await;
            other.goto(&url(&running, "/")).await.unwrap();
            assert_eq!(text(&other, "#session h1").await, "Hello, Zo\u{eb}!");
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn tabs_of_one_browser_agree_about_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    with_browser(Wishes::default(), async move |client| {
        log_in(&client, &running, "a").await;
        let first = client.window().await.unwrap();
        let second = client.new_window(true).await.unwrap().handle;
        tokio::time::sleep(Duration::from_secs(4)).await;
        client.switch_to_window(second.clone()).await.unwrap();
        let before = Instant::now();
        client.goto(&url(&running, "/")).await.unwrap();
        client.switch_to_window(first.clone()).await.unwrap();
        let told = seconds(&client).await;
        let gone = i64::try_from(before.elapsed().as_secs()).unwrap() + 2;
        assert!(
            told >= 60 - gone,
            "a visit in the other tab counts here: {told} after {gone}"
        );

        client.switch_to_window(second).await.unwrap();
        press(&client, "#session button").await;
        wait_for(&client, "#login form").await;
        client.switch_to_window(first).await.unwrap();
        wait_for(&client, "#ended").await;
    })
    .await;
}

#[tokio::test]
async fn works_without_javascript() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[("SESSION_MAX_AGE", "6000")]);
    let wishes = Wishes {
        no_javascript: true,
        ..Wishes::default()
    };
    with_browser(wishes, async move |client| {
        let page = log_in_and_look(&client, &running).await;
        assert_eq!(page.hello, Some(format!("Hello, {HANAKO}!")));
        let seconds: u64 = page.seconds.unwrap().parse().unwrap();
        assert_eq!(seconds, SHORT.as_secs(), "it stands still");
        assert!(!page.has_ended);
        // The page asks again by itself, once it is over.
        wait_for(&client, "#login form").await;
        assert_eq!(path(&client).await, "/login");
    })
    .await;
}

#[tokio::test]
async fn markup_in_a_name_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    with_browser(Wishes::default(), async move |client| {
        let name = "<img src=x onerror=\"document.title='owned'\">";
        log_in(&client, &running, name).await;
        assert_eq!(
            text(&client, "#session h1").await,
            format!("Hello, {name}!")
        );
        assert!(client.title().await.unwrap().contains(name));
        client.goto(&url(&running, "/nope")).await.unwrap();
        assert_eq!(text(&client, "#error h1").await, "Not Found");
    })
    .await;
}

#[tokio::test]
async fn r30_r31_the_devices_are_listed_and_ended_one_by_one_and_together() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let phone = Wishes {
        phone: true,
        ..Wishes::default()
    };
    with_browser(Wishes::default(), async move |desk| {
        with_browser(phone, async move |on_phone| {
            log_in(&desk, &running, HANAKO).await;
            log_in(&on_phone, &running, HANAKO).await;
            press(&desk, "#session .back a").await;
            wait_for(&desk, "#devices li.current").await;
            assert_eq!(path(&desk).await, "/devices");
            let items = "return document.querySelectorAll('#devices li').length";
            assert_eq!(script(&desk, items).await, 2);
            let first = text(&desk, "#devices li.current").await;
            assert!(first.contains("this browser") && first.contains("127.0.0.1"));
            assert!(first.contains("Chrome on Linux"), "{first}");

            press(&desk, "#devices li:not(.current) button").await;
            wait_for(&desk, "#devices .stub .hint").await;
            assert_eq!(script(&desk, items).await, 1);
            on_phone.goto(&url(&running, "/")).await.unwrap();
            assert_eq!(path(&on_phone).await, "/login", "logged out from afar");

            log_in(&on_phone, &running, HANAKO).await;
            on_phone.goto(&url(&running, "/devices")).await.unwrap();
            wait_for(&on_phone, "#devices li.current").await;
            let sideways = "return document.documentElement.scrollWidth - window.innerWidth";
            assert_eq!(script(&on_phone, sideways).await, 0, "nothing sticks out");
            press(&on_phone, "#devices .stub button").await;
            wait_for(&on_phone, "#devices .stub .hint").await;
            desk.goto(&url(&running, "/")).await.unwrap();
            assert_eq!(path(&desk).await, "/login", "logged out from afar");

            press(&on_phone, "#devices li.current button").await;
            wait_for(&on_phone, "#login form").await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn r27_a_page_of_another_site_cannot_log_a_visitor_out() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    with_browser(Wishes::default(), async move |client| {
        log_in(&client, &running, "a").await;
        for method in ["get", "post"] {
            // A page of our own making, under an origin of its own.
            let page = format!(
                "data:text/html,<form method={method} action='{}'><button>win</button></form>",
                url(&running, "/delete-session")
            );
            client.goto(&page).await.unwrap();
            press(&client, "button").await;
            wait_for(&client, "#error h1").await;
            assert_eq!(text(&client, "#error h1").await, "Forbidden", "{method}");
        }
        client.goto(&url(&running, "/")).await.unwrap();
        assert_eq!(text(&client, "#session h1").await, "Hello, a!");
    })
    .await;
}

#[tokio::test]
async fn pages_fit_a_phone_and_respect_a_dark_mode() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let phone = Wishes {
        phone: true,
        ..Wishes::default()
    };
    let dark = Wishes {
        dark: true,
        ..Wishes::default()
    };
    let background = "return getComputedStyle(document.body).backgroundColor";
    let sideways = "return document.documentElement.scrollWidth - window.innerWidth";
    with_browser(phone, async move |on_phone| {
        with_browser(dark, async move |in_the_dark| {
            log_in(&on_phone, &running, &"long".repeat(60)).await;
            assert_eq!(script(&on_phone, "return window.innerWidth").await, 390);
            assert_eq!(script(&on_phone, sideways).await, 0, "nothing sticks out");
            in_the_dark.goto(&url(&running, "/")).await.unwrap();
            let light = script(&on_phone, background).await;
            let dark = script(&in_the_dark, background).await;
            assert_eq!(light, "rgb(244, 239, 232)");
            assert_eq!(dark, "rgb(23, 20, 26)");
        })
        .await;
    })
    .await;
}
