mod redis;

use clap::{CommandFactory as _, FromArgMatches as _, builder::Resettable};

use super::*;

const LONG: &str = "an-old-secret-of-more-than-32-bytes!";

/// Settings with one variable set and the others as clap fills them in.
fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        port: "3000".into(),
        bind: "localhost".into(),
        ..Settings::default()
    };
    change(&mut settings);
    settings
}

fn message(change: impl FnOnce(&mut Settings)) -> String {
    with(change).check().unwrap_err().to_string()
}

#[test]
fn defaults_are_the_articles() {
    let config = with(|_| ()).check().unwrap();
    assert_eq!(config.address.to_string(), "127.0.0.1:3000");
    assert_eq!(config.cookie_name, "connect.sid");
    assert_eq!(config.prefix, "sid:");
    assert_eq!(config.max_age, Duration::from_millis(60_000));
    assert!(config.rolling && config.save_uninitialized && !config.resave);
    assert!(config.renew_after == 0.0 && config.near_cache.is_none());
    assert!(!config.production);
    assert!(config.trusted_proxies.is_empty());
    assert_eq!(
        config.store,
        StoreChoice::Sqlite(PathBuf::from("data/sessions.db"))
    );
}

#[test]
fn as_many_workers_as_processors_unless_it_is_said() {
    let workers = |text: Option<&str>| {
        let config = with(|s| s.workers = text.map(str::to_owned)).check();
        config.unwrap().workers.get()
    };
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(workers(None), processors.min(64));
    assert_eq!(workers(Some("")), processors.min(64));
    assert_eq!(workers(Some("1")), 1);
    assert_eq!(workers(Some("64")), 64);
}

#[test]
fn what_clap_fills_in_is_what_an_empty_variable_means() {
    // Both are written down: in the help, and for variables that are set but empty.
    let command = Cli::command().mut_args(|argument| argument.env(Resettable::Reset));
    let matches = command.get_matches_from([""]);
    let filled = Cli::from_arg_matches(&matches).unwrap().settings.check();
    let empty = Settings::default().check();
    assert_eq!(format!("{filled:?}"), format!("{empty:?}"));
}

#[test]
fn every_refusal_names_the_variable_the_value_and_what_is_allowed() {
    type Change = fn(&mut Settings);
    let cases: [(Change, &str, &str, &str); 21] = [
        (|s| s.port = "70000".into(), "PORT", "70000", "0 to 65535"),
        (|s| s.port = "-1".into(), "PORT", "-1", "0 to 65535"),
        (|s| s.workers = Some("0".into()), "WORKERS", "0", "1 to 64"),
        (
            |s| s.workers = Some("65".into()),
            "WORKERS",
            "65",
            "1 to 64",
        ),
        (
            |s| s.workers = Some("all".into()),
            "WORKERS",
            "all",
            "1 to 64",
        ),
        (
            |s| s.bind = "0.0.0.0:80".into(),
            "BIND",
            "0.0.0.0:80",
            "without a port",
        ),
        (
            |s| s.bind = "example.com".into(),
            "BIND",
            "example.com",
            "IP address",
        ),
        (
            |s| s.app_env = "prod".into(),
            "APP_ENV",
            "prod",
            "`production`",
        ),
        (
            |s| s.session_max_age = "60s".into(),
            "SESSION_MAX_AGE",
            "60s",
            "milliseconds",
        ),
        (
            |s| s.session_max_age = "0".into(),
            "SESSION_MAX_AGE",
            "\"0\"",
            "1000",
        ),
        (
            |s| s.session_max_age = "34560000001".into(),
            "SESSION_MAX_AGE",
            "34560000001",
            "400 days",
        ),
        (
            |s| s.session_rolling = "ja".into(),
            "SESSION_ROLLING",
            "ja",
            "`true` or `false`",
        ),
        (
            |s| s.session_save_uninitialized = "2".into(),
            "SESSION_SAVE_UNINITIALIZED",
            "2",
            "`false`",
        ),
        (
            |s| s.session_resave = "never".into(),
            "SESSION_RESAVE",
            "never",
            "`false`",
        ),
        (
            |s| s.session_renew_after = "1.5".into(),
            "SESSION_RENEW_AFTER",
            "1.5",
            "from 0 to 1",
        ),
        (
            |s| s.session_renew_after = "NaN".into(),
            "SESSION_RENEW_AFTER",
            "NaN",
            "from 0 to 1",
        ),
        (
            |s| s.redis_near_cache = "5000".into(),
            "REDIS_NEAR_CACHE",
            "5000",
            "REDIS_URL or REDIS_HOST",
        ),
        (
            |s| s.session_prefix = "a b".into(),
            "SESSION_PREFIX",
            "a b",
            "visible ASCII",
        ),
        (
            |s| s.session_cookie_name = "a;b".into(),
            "SESSION_COOKIE_NAME",
            "a;b",
            "letters",
        ),
        (
            |s| s.trusted_proxies = Some("10.0.0.0/8,10.0.0.0/99".into()),
            "TRUSTED_PROXIES",
            "\"10.0.0.0/99\"",
            "network",
        ),
        (
            |s| s.session_store = Some("sqlite:".into()),
            "SESSION_STORE",
            "sqlite:",
            "path of a file",
        ),
    ];
    for (change, variable, given, allowed) in cases {
        let text = message(change);
        assert!(text.starts_with(variable), "{text}");
        assert!(text.contains(given), "{text}");
        assert!(text.contains(allowed), "{text}");
    }
}

#[tokio::test]
async fn r29_no_password_and_no_secret_is_repeated() {
    for store in [
        "redis://:hunter2@db/x",
        "postgres://u:hunter2@db",
        "hunter2",
    ] {
        let text = message(|s| s.session_store = Some(store.into()));
        assert!(text.contains("SESSION_STORE"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    for secret in ["hunter2", "hunter2,,", " hunter2", "hunter2,hunter2\n"] {
        let settings = with(|s| {
            s.app_env = "production".into();
            s.session_secret = Some(secret.into());
        });
        let error = settings.check().unwrap_err();
        assert!(!format!("{error} {error:?} {settings:?}").contains("hunter2"));
    }
    let config = with(|s| {
        s.session_secret = Some("hunter2".into());
        s.redis_url = Some("redis://:hunter2@db".into());
    })
    .check()
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = with(|s| {
        s.redis_host = Some("db".into());
        s.redis_username = Some("hunter2".into());
        s.redis_password = Some("hunter2".into());
    })
    .check()
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn production_demands_a_secret_of_32_bytes_each() {
    let production = |secret: Option<&str>| {
        with(|s| {
            s.app_env = "production".into();
            s.session_secret = secret.map(str::to_owned);
        })
        .check()
    };
    let cases = [
        (None, "not set"),
        (Some(""), "not set"),
        (Some("hogehoge"), "8 bytes"),
        (
            Some("an-old-secret-of-more-than-32-bytes!,hogehoge"),
            "secret 2 of 2",
        ),
    ];
    for (secret, expected) in cases {
        let text = production(secret).unwrap_err().to_string();
        assert!(
            text.starts_with("SESSION_SECRET") && text.contains(expected),
            "{text}"
        );
    }
    let two = production(Some(&format!("{LONG},{LONG}2"))).unwrap();
    assert_eq!(
        two.secrets.0,
        [LONG.to_owned(), format!("{LONG}2")],
        "the new one first"
    );
}

#[test]
fn development_takes_the_articles_secret_or_none() {
    assert!(with(|_| ()).check().unwrap().secrets.0.is_empty());
    let config = with(|s| s.session_secret = Some("hogehoge".into()))
        .check()
        .unwrap();
    assert_eq!(config.secrets.0, ["hogehoge"]);
}

#[test]
fn proxies_are_addresses_and_networks() {
    let config = with(|s| s.trusted_proxies = Some("10.0.0.0/8, ::1 ,192.0.2.7".into()))
        .check()
        .unwrap();
    let shown: Vec<String> = config
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]);
}

#[test]
fn help_lists_every_variable_and_shows_no_secret() {
    let help = Cli::command().render_long_help().to_string();
    for variable in [
        "PORT",
        "BIND",
        "WORKERS",
        "APP_ENV",
        "SESSION_SECRET",
        "SESSION_STORE",
        "DATA_DIR",
        "SESSION_MAX_AGE",
        "SESSION_ROLLING",
        "SESSION_SAVE_UNINITIALIZED",
        "SESSION_RESAVE",
        "SESSION_RENEW_AFTER",
        "SESSION_PREFIX",
        "SESSION_COOKIE_NAME",
        "TRUSTED_PROXIES",
        "REDIS_NEAR_CACHE",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_TLS",
        "REDIS_USERNAME",
        "REDIS_PASSWORD",
        "RUST_LOG",
    ] {
        assert!(help.contains(variable), "{variable}");
    }
    let hidden = |id: &str| {
        Cli::command()
            .get_arguments()
            .any(|arg| arg.get_id() == id && arg.is_hide_env_values_set())
    };
    for id in [
        "session_secret",
        "session_store",
        "redis_url",
        "redis_password",
    ] {
        assert!(hidden(id), "{id}");
    }
}
