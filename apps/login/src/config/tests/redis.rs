//! Which Redis or Valkey server keeps the sessions, and the settings that belong to it.

use super::*;

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
