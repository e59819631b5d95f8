//! `SESSION_SECRET` is replaced while visitors are there, as `deploy/aws/README.md` says. Two processes stand for a service whose
//! tasks are replaced one after the other; no visitor sticks to one of them.

use tempfile::TempDir;

use crate::{
    FORM, ask,
    program_support::Running,
    servers::Server,
    support::{Visitor, between},
};

const OLD: &str = "the old secret of more than thirty-two bytes";
const NEW: &str = "the new secret of more than thirty-two bytes";

struct Service {
    server: Server,
    folder: TempDir,
    rolling: &'static str,
    tasks: Vec<Running>,
}

impl Service {
    fn start(secret: &str, rolling: &'static str) -> Self {
        let mut service = Self {
            server: Server::redis(),
            folder: tempfile::tempdir().unwrap(),
            rolling,
            tasks: Vec::new(),
        };
        service.tasks = vec![service.task(secret), service.task(secret)];
        service
    }

    fn task(&self, secret: &str) -> Running {
        let port = self.server.port.to_string();
        let variables = [
            ("APP_ENV", "production"),
            ("SESSION_SECRET", secret),
            ("SESSION_MAX_AGE", "3600000"),
            ("SESSION_ROLLING", self.rolling),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        Running::start(self.folder.path(), &variables)
    }

    /// Replaces one task, and waits for the end of the old one.
    fn replace(&mut self, number: usize, secret: &str) {
        let next = self.task(secret);
        let last = std::mem::replace(&mut self.tasks[number], next);
        let (status, log) = last.stop();
        assert!(status.success(), "{log}");
    }

    /// Whether every task knows the visitor, each asked in its turn with the cookie that the other gave.
    async fn knows(&self, visitor: &mut Visitor) -> bool {
        for _ in 0..2 {
            for task in &self.tasks {
                visitor.address = task.address;
                let answer = ask(visitor, "GET", "/", &[], "").await;
                if answer.status != 200 {
                    assert_eq!(answer.location(), "/login");
                    return false;
                }
            }
        }
        true
    }

    async fn sign_in(&self, name: &str) -> Visitor {
        let mut visitor = Visitor::new(self.tasks[0].address);
        let form = format!("userName={name}");
        let answer = ask(&mut visitor, "POST", "/save-session", &[FORM], &form).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
        visitor
    }

    /// A deployment: one task after the other, and the visitor comes to all of them at any time.
    async fn deploy(&mut self, secret: &str, visitor: &mut Visitor) {
        for number in 0..self.tasks.len() {
            self.replace(number, secret);
            assert!(self.knows(visitor).await, "signed out by a deployment");
        }
    }
}

/// The cookie's id and its signature.
fn parts(visitor: &Visitor) -> (String, String) {
    let cookie = format!("{};", visitor.cookie.as_deref().unwrap());
    let (id, signature) = between(&cookie, "s%3A", ";").split_once('.').unwrap();
    (id.to_owned(), signature.to_owned())
}

#[tokio::test]
async fn r36_a_secret_is_replaced_and_nobody_is_signed_out() {
    for rolling in ["true", "false"] {
        let mut service = Service::start(OLD, rolling);
        let mut visitor = service.sign_in("hanako").await;
        let mut absent = service.sign_in("taro").await;
        let by_old = parts(&visitor);

        // Every task learns the new secret before any of them signs with it.
        service.deploy(&format!("{OLD},{NEW}"), &mut visitor).await;
        assert_eq!(parts(&visitor), by_old);

        // Now all of them sign with it, and whoever comes gets a cookie that is signed anew.
        service.deploy(&format!("{NEW},{OLD}"), &mut visitor).await;
        let by_new = parts(&visitor);
        assert_eq!(by_new.0, by_old.0, "the session is the same");
        assert_ne!(by_new.1, by_old.1, "the signature is not");

        service.deploy(NEW, &mut visitor).await;
        assert_eq!(parts(&visitor), by_new);

        // Who did not come meanwhile has a cookie that nobody believes any more, although the session lives.
        let key = format!("sid:{}", parts(&absent).0);
        assert_eq!(service.server.call(&["EXISTS", &key]), "1");
        assert!(!service.knows(&mut absent).await);
    }
}

/// Why there are three deployments: with the first of them left out, a visitor comes with a cookie of the new secret to a task that
/// knows the old one alone.
#[tokio::test]
async fn a_secret_that_not_every_task_knows_yet_signs_visitors_out() {
    let mut service = Service::start(OLD, "true");
    let mut visitor = service.sign_in("hanako").await;
    service.replace(0, &format!("{NEW},{OLD}"));
    assert!(!service.knows(&mut visitor).await);
}
