//! One Redis, one express-session server of each kind and one of ours for all tests of a program, and browsers in front
//! of them.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    ask::{Ask, Options},
    children::{Peer, RedisServer, Server},
    client::{Call, Client, Response},
    differential::presented,
    ours::{Ours, on_redis},
    resp::{Entry, Redis},
};

/// Where everything is.
#[derive(Debug)]
struct Stage {
    redis: u16,
    node: [u16; 3],
    ours: u16,
}

/// The servers, started by the first who asks.
fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let (tell, told) = std::sync::mpsc::channel();
        // A thread of its own: the servers outlive the runtime of any one test.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let redis = RedisServer::start().await;
                let url = redis.url(0);
                let mut nodes = Vec::new();
                for peer in Peer::ALL {
                    nodes.push(Server::node(peer, &url).await);
                }
                let Ok(ours) = Ours::new(on_redis(url)).serve().await else {
                    return;
                };
                let _ = tell.send(Stage {
                    redis: redis.port(),
                    node: [nodes[0].port(), nodes[1].port(), nodes[2].port()],
                    ours,
                });
                std::future::pending::<()>().await;
            });
        });
        match told.recv() {
            Ok(stage) => stage,
            Err(_) => panic!("the servers do not start; see above"),
        }
    })
}

/// Which server a browser talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// express-session.
    Node(Peer),
    /// Ours.
    Ours,
}

impl Side {
    /// Today's express-session, and ours.
    pub const BOTH: [Self; 2] = [Self::Node(Peer::Today), Self::Ours];

    fn port(self) -> u16 {
        match self {
            Self::Node(Peer::Article) => stage().node[0],
            Self::Node(Peer::Today) => stage().node[1],
            Self::Node(Peer::Ioredis5) => stage().node[2],
            Self::Ours => stage().ours,
        }
    }
}

/// A browser. Its sessions have a prefix of their own.
#[derive(Debug)]
pub struct Browser {
    /// Whom it talks to; may be changed, since the sessions are shared.
    pub side: Side,
    /// The options.
    pub options: Options,
    /// The cookie that it holds, as `name=value`.
    pub cookie: Option<String>,
    /// The path.
    pub path: String,
    /// `X-Forwarded-Proto`.
    pub proto: Option<String>,
    /// `Host`.
    pub host: String,
    redis: Redis,
    clients: BTreeMap<u16, Client>,
}

impl Browser {
    /// A browser without a cookie, in front of sessions that nobody else sees.
    pub async fn open(side: Side, options: Options) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("t{}:", NEXT.fetch_add(1, Ordering::SeqCst));
        Self {
            side,
            options: options.with_prefix(&prefix),
            cookie: None,
            path: "/".to_owned(),
            proto: None,
            host: "localhost".to_owned(),
            redis: match Redis::connect(stage().redis, 0).await {
                Ok(redis) => redis,
                Err(error) => panic!("Redis does not answer: {error}"),
            },
            clients: BTreeMap::new(),
        }
    }

    /// The request that asks for `ops`.
    #[must_use]
    pub fn call(&self, ops: Value) -> Call {
        Call {
            path: self.path.clone(),
            cookies: self.cookie.iter().cloned().collect(),
            forwarded_proto: self.proto.clone(),
            host: self.host.clone(),
            ..Call::get(Ask {
                options: self.options.clone(),
                ops,
                now: None,
            })
        }
    }

    /// Sends a request and keeps what the response does to the cookie.
    pub async fn ask(&mut self, ops: Value) -> Response {
        let call = self.call(ops);
        self.send(&call).await
    }

    /// As [`Browser::ask`], of another side.
    pub async fn ask_of(&mut self, side: Side, ops: Value) -> Response {
        self.side = side;
        self.ask(ops).await
    }

    /// Sends a request of any kind.
    ///
    /// # Panics
    ///
    /// If there is no response.
    pub async fn send(&mut self, call: &Call) -> Response {
        let port = self.side.port();
        let client = self
            .clients
            .entry(port)
            .or_insert_with(|| Client::new(port));
        let response = match client.send(call).await {
            Ok(response) => response,
            Err(error) => panic!("no response: {error}"),
        };
        let name = self.options.cookie_name();
        if response
            .set_cookies()
            .iter()
            .any(|header| header.starts_with(&format!("{name}=;")))
        {
            self.cookie = None;
        }
        if let Some(cookie) = response
            .set_cookies()
            .iter()
            .find(|header| header.starts_with(&format!("{name}=s")))
        {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        response
    }

    /// The id in the cookie.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        crate::client::id_of(self.cookie.as_deref()?)
    }

    /// Takes the cookie of an id, signed with the first secret.
    pub fn hold(&mut self, id: &str) {
        let cookie = presented::cookie(self.options.cookie_name(), id, &self.options.secret[0]);
        self.cookie = Some(cookie);
    }

    /// Everything that is stored.
    pub async fn stored(&mut self) -> BTreeMap<String, Entry> {
        let prefix = self.options.prefix().to_owned();
        let dump = self.redis.dump(&prefix).await;
        let cut = |key: String| key[prefix.len()..].to_owned();
        dump.into_iter()
            .map(|(key, entry)| (cut(key), entry))
            .collect()
    }

    /// The stored text of the cookie's session.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn text(&mut self) -> String {
        match self.entry().await {
            Some(entry) => String::from_utf8_lossy(&entry.value).into_owned(),
            None => panic!("there is no such session"),
        }
    }

    /// What is stored of the cookie's session.
    pub async fn entry(&mut self) -> Option<Entry> {
        let id = self.id()?;
        self.stored().await.remove(&id)
    }

    /// Puts a text under an id, as another program would.
    pub async fn put(&mut self, id: &str, text: &str, millis: u64) {
        let key = format!("{}{id}", self.options.prefix());
        let millis = millis.to_string();
        self.redis.call(&["SET", &key, text, "PX", &millis]).await;
    }

    /// The key of an id.
    #[must_use]
    pub fn key(&self, id: &str) -> String {
        format!("{}{id}", self.options.prefix())
    }

    /// Redis itself.
    pub fn redis(&mut self) -> &mut Redis {
        &mut self.redis
    }
}

/// Waits for what a server does beside its responses and should not do. For what it should, [`in_the_end`] looks.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

/// Looks until it is so.
///
/// # Panics
///
/// If it is not after a minute.
pub async fn in_the_end(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !look().await {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
