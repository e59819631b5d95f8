//! A headless Chromium of its own for each scenario.

use std::{
    io::{BufRead as _, BufReader},
    panic::resume_unwind,
    process::{Command, Stdio},
    time::Duration,
};

use crate::program::watched::Watched;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};

/// How long a page may take to show what it should.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// chromedriver on a free port; ends with this value.
struct Driver {
    _child: Watched,
    url: String,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Chromium with it, where it was not closed.
        let mut child = Watched::group(&mut command).unwrap_or_else(|error| {
            panic!("chromedriver cannot be started ({error}); run ./test, which installs what is missing")
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let port: u16 = loop {
            line.clear();
            assert!(
                lines.read_line(&mut line).unwrap() > 0,
                "chromedriver ended"
            );
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim().trim_end_matches('.').parse().unwrap();
            }
        };
        // It keeps writing; a full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self {
            _child: child,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

/// What is asked of a browser beyond the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) no_javascript: bool,
    pub(crate) dark: bool,
    pub(crate) phone: bool,
}

fn capabilities(profile: &str, wishes: Wishes) -> serde_json::Map<String, Value> {
    let mut args = vec![
        "--headless".to_owned(),
        "--no-sandbox".into(),
        "--disable-gpu".into(),
        "--disable-quic".into(),
        "--no-first-run".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-sync".into(),
        "--disable-dev-shm-usage".into(),
        "--hide-scrollbars".into(),
        "--window-size=1000,760".into(),
        format!("--user-data-dir={profile}"),
    ];
    if wishes.dark {
        args.push("--blink-settings=preferredColorScheme=0".into());
    }
    let mut options = json!({ "args": args });
    if wishes.no_javascript {
        options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
    }
    if wishes.phone {
        options["mobileEmulation"] =
            json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } });
    }
    let Value::Object(map) = json!({
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    }) else {
        unreachable!("an object")
    };
    map
}

/// Runs a scenario in a fresh browser, and closes the browser whatever becomes of it.
pub(crate) async fn with_browser<F, Fut>(wishes: Wishes, scenario: F)
where
    F: FnOnce(Client) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let driver = Driver::start();
    let profile = tempfile::tempdir().unwrap();
    let profile = profile.path().display().to_string();
    let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
        .capabilities(capabilities(&profile, wishes))
        .connect(&driver.url)
        .await
        .unwrap_or_else(|error| panic!("Chromium cannot be started: {error}"));
    let ended = tokio::spawn(scenario(client.clone())).await;
    let closed = client.close().await;
    if let Err(failure) = ended {
        resume_unwind(failure.into_panic());
    }
    closed.unwrap();
}
