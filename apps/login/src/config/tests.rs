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
    let cases: [(Change, &str, &str, &str); 18] = [
        (|s| s.port = "70000".into(), "PORT", "70000", "0 to 65535"),
        (|s| s.port = "-1".into(), "PORT", "-1", "0 to 65535"),
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

fn plain_host(host: &str, port: u16) -> RedisHost {
    RedisHost {
        host: host.to_owned(),
        port,
        tls: false,
        username: None,
        password: None,
    }
}

#[tokio::test]
async fn redis_is_taken_from_a_url_or_from_host_and_port() {
    let folder = || PathBuf::from("data");
    let host = |host: &str, port| StoreChoice::Redis {
        server: RedisServer::Host(plain_host(host, port)),
        folder: folder(),
    };
    let url = |url: &str| StoreChoice::Redis {
        server: RedisServer::Url(url.to_owned()),
        folder: folder(),
    };
    let store = |change: fn(&mut Settings)| with(change).check().unwrap().store;
    let by_host = store(|s| s.redis_host = Some("redis_db".into()));
    assert_eq!(by_host, host("redis_db", 6379));
    let by_port = store(|s| {
        s.redis_host = Some("redis_db".into());
        s.redis_port = Some("6380".into());
    });
    assert_eq!(by_port, host("redis_db", 6380));
    let by_url = store(|s| s.redis_url = Some("rediss://app:hunter2@cache:6380/2".into()));
    assert_eq!(by_url, url("rediss://app:hunter2@cache:6380/2"));
    let by_store = store(|s| s.session_store = Some("unix:///run/redis.sock".into()));
    assert_eq!(by_store, url("unix:///run/redis.sock"));
    let chosen = store(|s| {
        s.redis_host = Some("redis_db".into());
        s.session_store = Some("memory".into());
    });
    assert_eq!(chosen, StoreChoice::Memory);
    let empty = store(|s| s.redis_host = Some(String::new()));
    assert_eq!(empty, StoreChoice::Sqlite("data/sessions.db".into()));
}

#[tokio::test]
async fn a_near_cache_has_a_maximum_age_or_is_off() {
    let settings = |text: &str| {
        let text = text.to_owned();
        with(|s| {
            s.redis_host = Some("cache".into());
            s.redis_near_cache = text;
        })
    };
    for (text, millis) in [
        ("", None),
        ("off", None),
        ("1", Some(1)),
        ("60000", Some(60_000)),
    ] {
        let age = settings(text).check().unwrap().near_cache;
        assert_eq!(age, millis.map(Duration::from_millis), "{text:?}");
    }
    for text in ["0", "60001", "-1", "5s", "on", "OFF", "true"] {
        let error = settings(text).check().unwrap_err().to_string();
        assert!(error.starts_with("REDIS_NEAR_CACHE"), "{error}");
        assert!(
            error.contains(text) && error.contains("from 1 to 60000"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn tls_user_and_password_stand_beside_the_host() {
    let server = |change: fn(&mut Settings)| {
        let settings = with(|s| {
            s.redis_host = Some("cache".into());
            change(s);
        });
        match settings.check().unwrap().store {
            StoreChoice::Redis {
                server: RedisServer::Host(server),
                ..
            } => server,
            other => panic!("{other:?}"),
        }
    };
    let all = server(|s| {
        s.redis_tls = Some("on".into());
        s.redis_username = Some("app".into());
        // In a URL each of these characters would be written with a percent sign.
        s.redis_password = Some("a/b@c:%d#?".into());
    });
    let expected = RedisHost {
        tls: true,
        username: Some("app".into()),
        password: Some("a/b@c:%d#?".into()),
        ..plain_host("cache", 6379)
    };
    assert_eq!(all, expected);
    let shown = format!("{all:?}");
    assert!(shown.contains("rediss cache:6379"), "{shown}");
    assert!(!shown.contains("app") && !shown.contains("a/b"), "{shown}");
    // The password of the server's default user; and, as compose files pass them on, empty ones.
    let alone = server(|s| {
        s.redis_tls = Some("false".into());
        s.redis_username = Some(String::new());
        s.redis_password = Some("p".into());
    });
    let expected = RedisHost {
        password: Some("p".into()),
        ..plain_host("cache", 6379)
    };
    assert_eq!(alone, expected);
}

#[tokio::test]
async fn a_redis_that_cannot_be_is_refused_by_name() {
    type Change = fn(&mut Settings);
    let cases: [(Change, &str, &str); 15] = [
        (
            |s| s.redis_tls = Some("true".into()),
            "REDIS_TLS is \"true\"",
            "REDIS_HOST, which is not set",
        ),
        (
            |s| s.redis_username = Some("app".into()),
            "REDIS_USERNAME is \"app\"",
            "REDIS_HOST, which is not set",
        ),
        (
            |s| s.redis_password = Some("hunter2".into()),
            "REDIS_PASSWORD: ",
            "REDIS_HOST, which is not set",
        ),
        (
            |s| {
                s.redis_url = Some("redis://redis_db".into());
                s.redis_password = Some("hunter2".into());
            },
            "REDIS_URL: set beside REDIS_PASSWORD",
            "unset either",
        ),
        (
            |s| {
                s.redis_host = Some("redis_db".into());
                s.redis_tls = Some("required".into());
            },
            "REDIS_TLS is \"required\"",
            "`true` or `false`",
        ),
        (
            |s| {
                s.redis_host = Some("redis_db".into());
                s.redis_username = Some("app".into());
            },
            "REDIS_USERNAME is \"app\"",
            "REDIS_PASSWORD",
        ),
        (
            |s| {
                s.redis_host = Some("redis_db".into());
                s.redis_password = Some("hunter2\n".into());
            },
            "REDIS_PASSWORD: ",
            "a line end for instance",
        ),
        (
            |s| s.redis_port = Some("6379".into()),
            "REDIS_PORT is \"6379\"",
            "REDIS_HOST, which is not set",
        ),
        (
            |s| {
                s.redis_host = Some("redis_db".into());
                s.redis_port = Some("6379x".into());
            },
            "REDIS_PORT is \"6379x\"",
            "from 1 to 65535",
        ),
        (
            |s| s.redis_host = Some("redis_db:6379".into()),
            "REDIS_HOST is \"redis_db:6379\"",
            "the port goes to REDIS_PORT",
        ),
        (
            |s| s.redis_host = Some("redis://redis_db".into()),
            "REDIS_HOST is \"redis://redis_db\"",
            "a URL to REDIS_URL",
        ),
        (
            |s| s.redis_host = Some("redis://:hunter2@redis_db".into()),
            "REDIS_HOST: ",
            "a URL to REDIS_URL",
        ),
        (
            |s| {
                s.redis_host = Some("redis_db".into());
                s.redis_url = Some("redis://:hunter2@redis_db".into());
            },
            "REDIS_URL: set beside REDIS_HOST",
            "unset either",
        ),
        (
            |s| s.redis_url = Some("hunter2".into()),
            "REDIS_URL: ",
            "redis://localhost:6379",
        ),
        (
            |s| s.redis_url = Some("redis://:hunter2@db/first".into()),
            "REDIS_URL: ",
            "database",
        ),
    ];
    for (change, variable, allowed) in cases {
        let text = message(change);
        assert!(text.starts_with(variable), "{text}");
        assert!(text.contains(allowed), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
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
