//! The article's Node application and our login application on one Redis: signed in on either is signed in on the other,
//! signed out on either is out on both.

use app::{config::Cli, startup};
use clap::Parser as _;
use cloakroom_conformance::children::{RedisServer, Server};
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

const SECRET: &str = "hogehoge";
const HANAKO: &str = "%E8%8A%B1%E5%AD%90";

/// A browser with one cookie for both, as on one host behind a load balancer.
struct Browser {
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Empty<bytes::Bytes>>,
    cookie: Option<String>,
}

impl Browser {
    fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookie: None,
        }
    }

    async fn get(&mut self, port: u16, path: &str) -> String {
        self.ask(Method::GET, port, path).await
    }

    /// Follows redirects, and answers with the page where they end.
    async fn ask(&mut self, mut method: Method, port: u16, path: &str) -> String {
        let mut path = path.to_owned();
        for _ in 0..5 {
            let mut request = Request::builder()
                .method(method)
                .uri(format!("http://127.0.0.1:{port}{path}"));
            method = Method::GET;
            if let Some(cookie) = &self.cookie {
                request = request.header(header::COOKIE, cookie);
            }
            let request = request.body(Empty::new()).unwrap();
            let answer = self.client.request(request).await.unwrap();
            if let Some(set) = answer.headers().get(header::SET_COOKIE) {
                let set = set.to_str().unwrap();
                let removed = set.contains("Expires=Thu, 01 Jan 1970");
                self.cookie = (!removed).then(|| set.split(';').next().unwrap().to_owned());
            }
            if let Some(location) = answer.headers().get(header::LOCATION) {
                let location = location.to_str().unwrap();
                path = format!("/{}", location.trim_start_matches('/'));
                continue;
            }
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            return String::from_utf8(body.to_vec()).unwrap();
        }
        panic!("it redirects without an end");
    }

    /// Signs in with an empty browser.
    async fn signed_in(port: u16, name: &str) -> Self {
        let mut browser = Self::new();
        let page = browser
            .get(port, &format!("/save-session?userName={name}"))
            .await;
        assert!(page.contains("Hello"), "{page}");
        browser
    }

    /// How many devices our application shows.
    async fn devices(&mut self, ours: u16) -> usize {
        let page = self.get(ours, "/devices").await;
        assert!(page.contains("Your devices"), "{page}");
        page.matches("last seen ").count()
    }

    async fn is_signed_in(&mut self, port: u16) -> bool {
        let page = self.get(port, "/").await;
        let signed_in = page.contains("花子");
        assert!(
            signed_in || page.contains("Login") || page.contains("Log in"),
            "{page}"
        );
        signed_in
    }
}

async fn ours(redis: &RedisServer) -> u16 {
    let port = redis.port().to_string();
    let cli = Cli::try_parse_from([
        "cloakroom-login",
        "--port=0",
        "--bind=127.0.0.1",
        "--session-secret",
        SECRET,
        "--redis-host=127.0.0.1",
        "--redis-port",
        &port,
    ]);
    let config = cli.unwrap().settings.check().unwrap();
    let application = startup::build(config).await.unwrap();
    let port = application.address().port();
    tokio::spawn(application.run_until_stopped(std::future::pending()));
    port
}

#[tokio::test]
async fn signed_in_on_either_is_signed_in_on_both_and_signed_out_too() {
    let redis = RedisServer::start().await;
    let node = Server::application(&redis, SECRET).await;
    let (node, ours) = (node.port(), ours(&redis).await);
    for (first, second) in [(node, ours), (ours, node)] {
        for sign_out_at in [first, second] {
            let mut browser = Browser::new();
            assert!(!browser.is_signed_in(first).await);
            browser
                .get(first, "/save-session?userName=%E8%8A%B1%E5%AD%90")
                .await;
            for port in [second, first, second] {
                assert!(browser.is_signed_in(port).await);
            }
            let cookie = browser.cookie.clone();
            browser.get(sign_out_at, "/delete-session").await;
            let mut replay = Browser::new();
            for port in [second, first] {
                assert!(!browser.is_signed_in(port).await);
                replay.cookie.clone_from(&cookie);
                assert!(
                    !replay.is_signed_in(port).await,
                    "with the cookie of before"
                );
            }
        }
    }
}

/// Node knows nothing of owners: whose its sessions are is seen when they come to us, by the name that Node has written.
#[tokio::test]
async fn sessions_that_node_signs_in_switches_and_signs_out_are_adopted_moved_and_released() {
    let redis = RedisServer::start().await;
    let node = Server::application(&redis, SECRET).await;
    let (node, ours) = (node.port(), ours(&redis).await);
    let mut desk = Browser::signed_in(ours, HANAKO).await;
    let mut phone = Browser::signed_in(node, HANAKO).await;
    assert_eq!(desk.devices(ours).await, 1, "not seen here yet");
    assert!(phone.is_signed_in(ours).await, "seen and adopted");
    assert_eq!(desk.devices(ours).await, 2);

    // Another name under the same id, as the article's application does it.
    phone.get(node, "/save-session?userName=taro").await;
    assert_eq!(desk.devices(ours).await, 1, "whose it is now is looked at");
    assert_eq!(phone.devices(ours).await, 1, "seen and moved");

    phone
        .get(node, &format!("/save-session?userName={HANAKO}"))
        .await;
    assert_eq!(phone.devices(ours).await, 2, "and back");
    phone.get(node, "/delete-session").await;
    assert_eq!(desk.devices(ours).await, 1, "Node has taken the name away");
    assert!(phone.get(ours, "/devices").await.contains("Login"));
}

#[tokio::test]
async fn a_session_that_node_made_is_ended_from_our_page_for_node_too() {
    let redis = RedisServer::start().await;
    let node = Server::application(&redis, SECRET).await;
    let (node, ours) = (node.port(), ours(&redis).await);
    let mut desk = Browser::signed_in(ours, HANAKO).await;
    let mut phone = Browser::signed_in(node, HANAKO).await;
    assert!(phone.is_signed_in(ours).await && phone.is_signed_in(node).await);
    let page = desk.ask(Method::POST, ours, "/devices/end-others").await;
    assert_eq!(page.matches("last seen ").count(), 1, "{page}");
    for port in [node, ours] {
        assert!(!phone.is_signed_in(port).await);
        assert!(
            desk.is_signed_in(port).await,
            "this one lives on, at Node too"
        );
    }
}

/// A session that we have never seen is in no index. Node goes on with it, since it asks nobody; the first look of ours is
/// its end.
#[tokio::test]
async fn a_revocation_ends_a_session_of_node_that_was_never_seen_here() {
    let redis = RedisServer::start().await;
    let node = Server::application(&redis, SECRET).await;
    let (node, ours) = (node.port(), ours(&redis).await);
    let mut phone = Browser::signed_in(node, HANAKO).await;
    let mut desk = Browser::signed_in(ours, HANAKO).await;
    desk.ask(Method::POST, ours, "/devices/end-others").await;
    assert!(phone.is_signed_in(node).await, "Node asks nobody");
    for port in [ours, node] {
        assert!(!phone.is_signed_in(port).await);
    }
    assert!(desk.is_signed_in(ours).await);
}
