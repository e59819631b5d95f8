//! Beside a login application that runs on a SQLite file.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use app::{config::Settings, startup};

use crate::stage::{Ran, program};

/// A request, and what was answered.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(address: SocketAddr, cookie: &str) -> String {
    ask(
        address,
        &format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ),
    )
}

fn cookie(answer: &str) -> String {
    let (_, rest) = answer.split_once("set-cookie: ").unwrap();
    rest.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_application_sees_what_was_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.db");
    let settings = Settings {
        port: "0".to_owned(),
        session_store: Some(format!("sqlite:{}", path.display())),
        session_max_age: "3600000".to_owned(),
        session_secret: Some("0123456789abcdef0123456789abcdef".to_owned()),
        ..Settings::default()
    };
    let application = startup::build(settings.check().unwrap()).await.unwrap();
    let address = application.address();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(application.run_until_stopped(async {
        let _ = stopped.await;
    }));
    let answers = tokio::task::spawn_blocking(move || {
        let body = "userName=%E8%8A%B1%E5%AD%90";
        let length = body.len();
        let signed_in = ask(
            address,
            &format!(
                "POST /save-session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
        );
        let cookie = cookie(&signed_in);
        assert!(get(address, &cookie).contains("花子"));
        let run = |arguments: &[&str]| -> Ran {
            let mut command = program();
            command
                .current_dir(dir.path())
                .env("DATA_DIR", ".")
                .args(["sessions"])
                .args(arguments)
                .args(["--prefix", "sid:"]);
            command.output().unwrap().into()
        };
        let list = run(&["ls"]).well();
        let (handle, rest) = list.split_once('\t').unwrap();
        assert!(rest.starts_with("花子\t"), "{list}");
        let shown = run(&["show", handle]).well();
        assert!(shown.contains("userName: string"), "{shown}");
        let hint = Ran::from(
            program()
                .current_dir(dir.path())
                .env("DATA_DIR", ".")
                .args(["sessions", "ls"])
                .output()
                .unwrap(),
        );
        assert!(hint.err.contains("`sid:`"), "{hint:?}");
        let stats = run(&["stats", "--json"]).well();
        assert!(stats.contains(r#""signedIn":1"#), "{stats}");
        assert_eq!(
            run(&["revoke", handle, "--yes"]).well(),
            "Ended 1 session.\n"
        );
        assert!(
            !get(address, &cookie).contains("花子"),
            "the session goes on"
        );
    });
    answers.await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
