//! What the tests share: running the program, and sessions as express and as we write them.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    time::Duration,
};

use bytes::Bytes;
use cloakroom::{Owners, SessionId, redis::RedisStore};

use crate::support::Server;

/// As express-session 1.19 and connect-redis 9 write it.
pub(crate) const EXPRESS: &str = r#"{"cookie":{"originalMaxAge":3600000,"expires":"2099-11-25T22:23:53.352Z","httpOnly":true,"path":"/"},"userName":"swordfish","n":[]}"#;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Variables that an application has and a test's surroundings may have.
pub(crate) const VARIABLES: [&str; 17] = [
    "SESSION_STORE",
    "SESSION_PREFIX",
    "SESSION_SECRET",
    "SESSION_COOKIE",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "DATA_DIR",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "FORCE_COLOR",
    "REDIS_TLS",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "CI",
];

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cloakroom");

/// The program, in an environment without settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// How a run went.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// What it wrote, if it ended well.
    pub(crate) fn well(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.out
    }
}

/// Runs the program on a server.
pub(crate) fn on(server: &Server, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.env("SESSION_STORE", server.url()).args(arguments);
    command.output().unwrap().into()
}

/// Runs the program as a user of the server who has these rights alone.
pub(crate) fn as_user(server: &Server, rights: &[&str], arguments: &[&str]) -> Ran {
    server.call(
        &[
            &["ACL", "SETUSER", "app", "reset", "on", ">swordfish"],
            rights,
        ]
        .concat(),
    );
    let url = format!("redis://app:swordfish@127.0.0.1:{}", server.port);
    let mut command = program();
    command.env("SESSION_STORE", url).args(arguments);
    command.output().unwrap().into()
}

/// Runs a command with something on its standard input.
pub(crate) fn with_input(command: &mut Command, input: &str) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

pub(crate) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

/// The handle of an id.
pub(crate) fn handle(text: &str) -> String {
    id(text).handle().to_string()
}

/// Writes a session as connect-redis does.
pub(crate) fn put(server: &Server, id: &str, value: &str, time: Duration) {
    let millis = time.as_millis().to_string();
    server.call(&["SET", &format!("sess:{id}"), value, "PX", &millis]);
}

/// A store on the server, as an application has it.
pub(crate) async fn store(server: &Server) -> RedisStore {
    RedisStore::builder(server.url())
        .command_timeout(Duration::from_secs(20))
        .connect_timeout(Duration::from_secs(20))
        .connect()
        .await
        .unwrap()
}

/// Signs somebody in as the library does with an owner index: the claim first, then the session.
pub(crate) async fn sign_in(store: &impl cloakroom::OwnerIndex, owner: &str, name: &str) {
    let session = id(name);
    let claimed = store.claim(owner, &session, HOUR * 8, None).await.unwrap();
    let at = claimed.at.as_millis();
    let value = format!(
        r#"{{"cookie":{{"originalMaxAge":3600000,"expires":null,"httpOnly":true,"path":"/"}},"__ck":{{"owner":"{owner}","signedIn":{at}}},"theme":"swordfish"}}"#
    );
    store
        .create(&session, Bytes::from(value), HOUR)
        .await
        .unwrap();
}

/// The handles of an owner's sessions, by the library.
pub(crate) async fn owned(store: RedisStore, owner: &str) -> Vec<String> {
    let owners = Owners::new(store).deadline(Duration::from_secs(20));
    let sessions = owners.list(owner).await.unwrap();
    sessions
        .iter()
        .map(|session| session.handle.to_string())
        .collect()
}
