//! The application as a process: what it prints, what it refuses, how it stops.

#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use program::{Running, program, texts};
use support::{PATIENCE, Visitor, between};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn starts_with_nothing_set_and_says_where_things_are() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    assert!(running.address.ip().is_loopback());
    assert!(
        running.printed.contains("data/sessions.db"),
        "{}",
        running.printed
    );
    assert!(running.printed.contains("data/sessions.db.secret"));
    let mut visitor = Visitor::new(running.address);
    assert_eq!(visitor.log_in("a").await.heading(), "Hello, a!");
    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    assert!(
        log.contains("SESSION_SECRET is not set"),
        "a warning: {log}"
    );

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| {
            let metadata = folder.path().join(path).metadata().unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode("data"), 0o700);
        assert_eq!(mode("data/sessions.db"), 0o600);
        assert_eq!(mode("data/sessions.db.secret"), 0o600);
    }
    let secret = std::fs::read_to_string(folder.path().join("data/sessions.db.secret")).unwrap();
    assert!(!log.contains(secret.trim()));
}

#[tokio::test]
async fn a_restart_keeps_the_logins_with_the_secret_that_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let mut visitor = Visitor::new(running.address);
    visitor.log_in("a").await;
    assert!(running.stop().0.success());
    let running = Running::start(folder.path(), &[]);
    visitor.address = running.address;
    assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
    // Not even a kill loses a login that was answered.
    visitor.log_in("b").await;
    drop(running);
    let running = Running::start(folder.path(), &[]);
    visitor.address = running.address;
    assert_eq!(visitor.get("/").await.heading(), "Hello, b!");
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_committed_before_the_end() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let running = Running::start(folder.path(), &[]);
        let address = running.address;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /save-session HTTP/1.1\r\nHost: {address}\r\nContent-Length: 10\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // It says so when the handler waits for the form.
        let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut go_on).await.unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{go_on:?}");
        stream.write_all(b"userName").await.unwrap();
        running.signal(signal);
        let start = Instant::now();
        while TcpStream::connect(address).await.is_ok() {
            assert!(start.elapsed() < PATIENCE, "takes more and more");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stream.write_all(b"=a").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (status, log) = running.wait();
        assert!(
            status.success() && log.contains("stopped"),
            "{signal}, {status}: {log}"
        );
        assert!(answer.starts_with("HTTP/1.1 302"), "{signal}: {answer}");

        let running = Running::start(folder.path(), &[]);
        let mut visitor = Visitor::new(running.address);
        let cookie = between(&answer, "set-cookie: ", ";");
        visitor.cookie = Some(cookie.to_owned());
        assert_eq!(visitor.get("/").await.heading(), "Hello, a!");
    }
}

#[test]
fn a_signal_that_comes_at_once_stops_it_in_order() {
    for signal in ["TERM", "INT"] {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let running = Running::start(folder.path(), &[("SESSION_STORE", "memory")]);
            running.signal(signal);
            let (status, log) = running.wait();
            assert!(
                status.success() && log.contains("stopped"),
                "{signal}, {status}: {log}"
            );
        }
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_end_up() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let silent = TcpStream::connect(running.address).await.unwrap();
    let mut kept = TcpStream::connect(running.address).await.unwrap();
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    let (status, log) = running.stop();
    assert!(status.success() && !log.contains("cut off"), "{log}");
    drop((silent, kept));
}

#[tokio::test]
async fn r28_the_log_has_neither_ids_nor_queries_nor_names() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[("RUST_LOG", "trace")]);
    let mut visitor = Visitor::new(running.address);
    visitor.get("/").await;
    let first = visitor.cookie.clone().unwrap();
    visitor.get("/save-session?userName=zaphod").await;
    let page = visitor.get("/").await;
    let second = visitor.cookie.clone().unwrap();
    visitor.post("/save-session", "userName=trillian").await;
    visitor.post("/delete-session", "").await;
    visitor.get("/nope?userName=zaphod").await;
    let (_, log) = running.stop();
    assert!(log.contains("GET /save-session 302"), "{log}");
    assert!(log.contains("POST /delete-session 302"), "{log}");
    // Our lines; hyper's and mio's own at this level are not ours to write.
    let ours = |line: &&str| {
        ["request:", " app::", "cloakroom"]
            .iter()
            .any(|part| line.contains(part))
    };
    let ours: String = log.lines().filter(ours).collect();
    for cookie in [&first, &second] {
        assert!(!ours.contains(between(cookie, "s%3A", ".")), "{ours}");
    }
    assert!(!ours.contains(page.session_id()));
    assert!(
        !ours.contains("zaphod") && !ours.contains("trillian"),
        "{ours}"
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_said_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("PORT", "http", "PORT is \"http\": a number from 0 to 65535"),
        ("SESSION_MAX_AGE", "1h", "SESSION_MAX_AGE is \"1h\""),
        ("REDIS_PORT", "6379", "REDIS_HOST, which is not set"),
        ("REDIS_URL", "http://:hunter2@db", "REDIS_URL: it must be"),
        ("SESSION_STORE", "redis://:hunter2@db/x", "SESSION_STORE: "),
        ("APP_ENV", "production", "SESSION_SECRET: not set"),
    ];
    for (variable, value, expected) in cases {
        let output = program(folder.path())
            .env(variable, value)
            .output()
            .unwrap();
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{variable}: {err}");
        assert!(err.contains(expected), "{variable}: {err}");
        assert!(!err.contains("hunter2") && out.is_empty());
    }
    let output = program(folder.path())
        .env("APP_ENV", "production")
        .env("SESSION_SECRET", "hogehoge")
        .output()
        .unwrap();
    let (_, err) = texts(&output);
    assert!(
        err.contains("8 bytes") && !err.contains("hogehoge"),
        "{err}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_port_in_use_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let port = running.address.port().to_string();
    let output = program(folder.path()).env("PORT", &port).output().unwrap();
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains(&format!("PORT {port} on 127.0.0.1 is in use")),
        "{err}"
    );
}

#[tokio::test]
async fn flags_win_over_variables() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path())
        .env("PORT", "0")
        .args(["--port", "nine"])
        .output()
        .unwrap();
    let (_, err) = texts(&output);
    assert!(err.contains("PORT is \"nine\""), "{err}");
}

#[tokio::test]
async fn help_names_the_variables_and_never_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path())
        .env("SESSION_SECRET", "hunter2")
        .env("SESSION_STORE", "redis://:hunter2@db")
        .arg("--help")
        .output()
        .unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{err}");
    assert!(out.contains("SESSION_SECRET") && out.contains("TRUSTED_PROXIES"));
    assert!(!out.contains("hunter2"), "{out}");
}

#[tokio::test]
async fn the_health_check_answers_by_its_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let port = running.address.port().to_string();
    // As in a container: the variables are those of the application, the secret among them.
    let check = || {
        let mut command = program(folder.path());
        command.env("PORT", &port).env("APP_ENV", "production");
        command.arg("healthcheck").output().unwrap()
    };
    assert_eq!(check().status.code(), Some(0));
    let by_flag = program(folder.path())
        .args(["healthcheck", "--port", &port])
        .output()
        .unwrap();
    assert_eq!(by_flag.status.code(), Some(0));
    running.stop();
    let output = check();
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("not alive at 127.0.0.1"));
}
