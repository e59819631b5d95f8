//! The task definition's variables and the template's rights, with a real server that speaks TLS.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    FORM,
    program_support::Running,
    servers::{Program, Server, wire::Wire},
    support::{Answer, Visitor, between},
};

/// What the load balancer adds for whoever came to it by TLS.
const HTTPS: [(&str, &str); 2] = [("x-forwarded-proto", "https"), FORM];

fn deploy(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    fs::read_to_string(root.unwrap().join("deploy/aws").join(file)).unwrap()
}

/// The access strings of the application's user and of the default user, for a prefix.
fn rights(prefix: &str) -> (String, String) {
    let template = deploy("cloakroom.yaml");
    let of = |user: &str| {
        let user = between(&template, &format!("  {user}:\n"), "Passwords:");
        let line = between(user, "AccessString: ", "\n").trim_start_matches("!Sub ");
        line.trim_matches('\'').replace("${SessionPrefix}", prefix)
    };
    (of("RedisUser"), of("RedisDefaultUser"))
}

/// A server with TLS and the users that the template makes; `admin` is the test's own.
struct Cache {
    server: Server,
    tls_port: u16,
    authority: String,
    admin: Wire,
}

impl Cache {
    const PASSWORD: &str = "a password of 64 letters and digits, or something like that / @ %";

    fn start(program: Program, files: &Path, prefix: &str) -> Self {
        let put = |name: &str, text: &str| {
            let path = files.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, "authority");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = put("authority", &parameters.self_signed(&key).unwrap().pem());
        let issuer = rcgen::Issuer::new(parameters, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let chain = put("chain", &parameters.signed_by(&key, &issuer).unwrap().pem());
        let key = put("key", &key.serialize_pem());
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let tls_port = free.local_addr().unwrap().port();
        drop(free);
        let port = tls_port.to_string();
        let mut arguments = vec!["--tls-port", &port, "--tls-auth-clients", "no"];
        arguments.extend(["--tls-cert-file", &chain, "--tls-key-file", &key]);
        arguments.extend(["--tls-ca-cert-file", &authority]);
        let server = Server::start(program, &arguments);

        let mut admin = server.wire();
        admin.call(&["ACL", "SETUSER", "admin", "on", ">admin", "~*", "+@all"]);
        admin.call(&["AUTH", "admin", "admin"]);
        let (application, default) = rights(prefix);
        let password = format!(">{}", Self::PASSWORD);
        for (user, rights) in [("cloakroom", application), ("default", default)] {
            let mut command = vec!["ACL", "SETUSER", user, &password];
            command.extend(rights.split(' '));
            admin.call(&command);
        }
        // What was called up to here was the test's.
        admin.call(&["CONFIG", "RESETSTAT"]);
        Self {
            server,
            tls_port,
            authority,
            admin,
        }
    }

    /// Waits until a command has come, whether it was taken or refused.
    async fn comes(&mut self, command: &str) {
        let line = format!("cmdstat_{command}:");
        let deadline = Instant::now() + Duration::from_secs(120);
        while !self.admin.call(&["INFO", "commandstats"]).contains(&line) {
            assert!(Instant::now() < deadline, "{command} never came");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The task's variables with what a test must have of its own in place of what AWS would give.
fn variables(cache: &Cache) -> Vec<(String, String)> {
    let task: Value = serde_json::from_str(&deploy("task-definition.json")).unwrap();
    let container = &task["containerDefinitions"][0];
    let names = |list: &str, name: &str| -> Vec<(String, String)> {
        let list = container[list].as_array().unwrap().iter();
        let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
        list.map(|it| (text(it, "name"), text(it, name))).collect()
    };
    let mut variables = names("environment", "value");
    variables.extend(names("secrets", "valueFrom"));
    for (name, value) in &mut variables {
        match name.as_str() {
            "PORT" => *value = "0".into(),
            "REDIS_HOST" => *value = "127.0.0.1".into(),
            "REDIS_PORT" => *value = cache.tls_port.to_string(),
            "REDIS_USERNAME" => *value = "cloakroom".into(),
            "REDIS_PASSWORD" => *value = Cache::PASSWORD.into(),
            "SESSION_SECRET" => *value = "x".repeat(64),
            "TRUSTED_PROXIES" => *value = "127.0.0.1".into(),
            _ => assert!(!value.contains("arn:"), "{name} is another secret"),
        }
    }
    // Where the machine's authorities are; in the image they are those of Amazon and others.
    variables.push(("SSL_CERT_FILE".into(), cache.authority.clone()));
    variables
}

async fn ask(visitor: &mut Visitor, method: &str, path: &str, form: &str) -> Answer {
    crate::ask(visitor, method, path, &HTTPS, form).await
}

#[tokio::test]
async fn the_task_runs_with_its_variables_and_the_rights_of_its_user_on_redis() {
    the_task_runs(Program::Redis).await;
}

#[tokio::test]
async fn the_task_runs_with_its_variables_and_the_rights_of_its_user_on_valkey() {
    the_task_runs(Program::Valkey).await;
}

async fn the_task_runs(program: Program) {
    let files = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut cache = Cache::start(program, files.path(), "sid:");
    let variables = variables(&cache);
    let variables: Vec<_> = variables
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let running = Running::start(folder.path(), &variables);
    assert!(running.printed.contains("rediss://"), "{}", running.printed);

    // As the load balancer sends it on.
    let mut visitor = Visitor::new(running.address);
    let answer = ask(&mut visitor, "POST", "/save-session", "userName=hanako").await;
    assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
    let cookie = answer.cookies()[0];
    assert!(cookie.starts_with("__Host-sid=s%3A"), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let page = ask(&mut visitor, "GET", "/", "").await;
    assert_eq!(page.heading(), "Hello, hanako!");
    assert_eq!(ask(&mut visitor, "GET", "/readyz", "").await.status, 200);
    let mut copy = visitor.clone();
    ask(&mut visitor, "POST", "/delete-session", "").await;
    assert_eq!(ask(&mut copy, "GET", "/", "").await.status, 302);
    // Who did not come by TLS gets no session at all.
    let mut plain = Visitor::new(running.address);
    plain.get("/login").await;
    assert_eq!(plain.cookie, None);

    // The heartbeat of an idle connection is among the rights too.
    cache.comes("ping").await;
    let refused = cache.admin.call(&["ACL", "LOG"]);
    assert_eq!(refused, "", "{program:?} refused something");

    // The command of the container's health check.
    let port = running.address.port().to_string();
    let mut check = Command::new(env!("CARGO_BIN_EXE_cloakroom-login"));
    check.env_clear().envs(variables).env("PORT", port);
    assert!(check.arg("healthcheck").status().unwrap().success());

    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(
        left, 0,
        "something was written, and the task's file system is read-only"
    );
}

#[tokio::test]
async fn nobody_else_gets_into_the_cache_and_its_user_reaches_no_other_keys() {
    let files = tempfile::tempdir().unwrap();
    let cache = Cache::start(Program::Valkey, files.path(), "sid:");
    let mut wire = cache.server.wire();
    let mut refused = |command: &[&str], says: &str| {
        wire.send(command).unwrap();
        let error = wire.receive().unwrap().expect_err("a refusal");
        assert!(error.contains(says), "{error}");
    };
    refused(&["GET", "sid:x"], "NOAUTH");
    refused(&["AUTH", Cache::PASSWORD], "WRONGPASS");
    refused(&["AUTH", "cloakroom", "hunter2"], "WRONGPASS");
    let mut wire = cache.server.wire();
    wire.call(&["AUTH", "cloakroom", Cache::PASSWORD]);
    let mut refused = |command: &[&str]| {
        wire.send(command).unwrap();
        let error = wire.receive().unwrap().expect_err("a refusal");
        assert!(error.contains("NOPERM"), "{error}");
    };
    refused(&["GET", "sess:x"]);
    refused(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "other"]);
    refused(&["KEYS", "*"]);
    refused(&["FLUSHALL"]);
    refused(&["CONFIG", "GET", "*"]);
    refused(&["ACL", "LIST"]);
}
