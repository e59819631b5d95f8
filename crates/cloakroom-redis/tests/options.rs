//! Connecting: what can be configured, what is wrong with it, and that no message shows a password.

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom_core::{
    Created, EndReason, Error, ErrorKind, Loaded, OwnerIndex as _, SessionId, Store as _,
    owner_index::Whose, store::Scan as _,
};
use cloakroom_redis::{Address, Credentials, CredentialsProvider, RedisStore, RedisStoreBuilder};
use support::{PATIENCE, Program, Server, awake::Awake};

const HOUR: Duration = Duration::from_secs(3600);
const PASSWORD: &str = "hunter2/@#";

fn id(number: u8) -> SessionId {
    SessionId::from_random([number; 24])
}

/// Options for `address` with deadlines that a busy machine does not reach.
fn at(address: impl Into<Address>) -> RedisStoreBuilder {
    RedisStore::builder(address)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

async fn works(store: &RedisStore, number: u8) {
    let created = store
        .create(&id(number), Bytes::from_static(b"{}"), HOUR)
        .await
        .unwrap();
    assert_eq!(created, Created::Created);
    assert!(matches!(
        store.load(&id(number)).await.unwrap(),
        Loaded::Live(_)
    ));
}

/// The error of a builder that must not connect: its kind, and words that it must have.
async fn refused(builder: RedisStoreBuilder, kind: ErrorKind, says: &[&str]) {
    let shown = format!("{builder:?}");
    let error = builder.connect().await.expect_err(&format!("{says:?}"));
    let all = format!("{shown} {error} {error:?}");
    assert_eq!(error.kind(), kind, "{error}");
    for word in says {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
    assert!(
        !all.contains("hunter2") && !all.contains("hunter3"),
        "{all}"
    );
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_name_a_server_works() {
    let server = Server::redis();
    let (url, port) = (server.url(), server.port);
    works(&at(&*url).connect().await.unwrap(), 1).await;
    works(&at(format!("{url}/3")).connect().await.unwrap(), 1).await;
    works(
        &at(("127.0.0.1", port)).database(4).connect().await.unwrap(),
        1,
    )
    .await;
    works(
        &at(("localhost", port)).database(5).connect().await.unwrap(),
        1,
    )
    .await;
    works(&at(server.socket()).database(6).connect().await.unwrap(), 1).await;
    works(
        &at(format!("{}?db=7", server.socket_url()))
            .connect()
            .await
            .unwrap(),
        1,
    )
    .await;
    let keyspace = server.call(&["INFO", "keyspace"]);
    for database in [0, 3, 4, 5, 6, 7] {
        assert!(
            keyspace.contains(&format!("db{database}:keys=1,")),
            "{keyspace}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_options_are_named() {
    let builder = || RedisStore::builder("redis://localhost:6379");
    use ErrorKind::Config;
    for (builder, says) in [
        (builder().prefix("a\nb"), "`prefix`"),
        (builder().prefix("ck:sess:"), "`prefix`"),
        (builder().prefix("x".repeat(1000)), "`prefix`"),
        (
            builder().command_timeout(Duration::ZERO),
            "`command_timeout`",
        ),
        (
            builder().connect_timeout(Duration::ZERO),
            "`connect_timeout`",
        ),
        (
            builder().connect_timeout(Duration::MAX),
            "`connect_timeout`",
        ),
        (builder().max_in_flight(0), "`max_in_flight`"),
        (builder().max_in_flight(usize::MAX), "`max_in_flight`"),
        (builder().max_value_size(usize::MAX), "`max_value_size`"),
        (builder().username("app"), "`username`"),
        (
            builder()
                .password("hunter2")
                .credentials_provider(Rotating::new("x")),
            "`credentials_provider`",
        ),
        (RedisStore::builder("redis://:hunter2@h/one"), "database"),
        (RedisStore::builder("http://:hunter2@h"), "scheme"),
        (
            RedisStore::builder("unix:///run/s").tls(cloakroom_redis::Tls::new()),
            "`tls`",
        ),
    ] {
        refused(builder, Config, &[says]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_answer_is_named() {
    let server = Server::redis();
    // Nobody else gets the port meanwhile, and nobody listens there.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let nobody = held.local_addr().unwrap();
    let builder = at(format!("redis://:hunter2@{nobody}"));
    refused(
        builder,
        ErrorKind::Unavailable,
        &[&nobody.to_string(), "refused"],
    )
    .await;
    let builder = at("redis://:hunter2@no-such-host.invalid");
    refused(
        builder,
        ErrorKind::Unavailable,
        &["no-such-host.invalid", "name"],
    )
    .await;
    let builder = at(server.dir.path().join("other"));
    refused(builder, ErrorKind::Unavailable, &["/other", "not found"]).await;
    let builder = at(format!("{}/99", server.url()));
    refused(builder, ErrorKind::Rejected, &["database 99", "`database`"]).await;
    let builder = at(server.url()).password("hunter2");
    refused(builder, ErrorKind::Rejected, &["`password`", "none"]).await;

    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let builder = RedisStore::builder(("127.0.0.1", silent.local_addr().unwrap().port()));
    refused(builder, ErrorKind::Timeout, &["`connect_timeout`"]).await;
}

/// What listens there may be something else altogether.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_redis_is_named() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let builder = at(("127.0.0.1", port));
    refused(builder, ErrorKind::Unavailable, &["what listens"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_takes_the_store_when_it_has_room() {
    let server = Server::redis();
    let store = at(server.url()).connect_lazy().unwrap();
    let mut wire = server.wire();
    wire.call(&["CONFIG", "SET", "maxclients", "1"]);
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    wire.call(&["CONFIG", "SET", "maxclients", "100"]);
    comes_up(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_passwords() {
    let server = Server::start(Program::Redis, &["--requirepass", PASSWORD]);
    let url = server.url();
    let builder = || at(&*url);
    refused(builder(), ErrorKind::Rejected, &["NOAUTH", "`password`"]).await;
    refused(
        builder().database(3),
        ErrorKind::Rejected,
        &["NOAUTH", "`password`"],
    )
    .await;
    refused(
        builder().password("hunter3"),
        ErrorKind::Rejected,
        &["WRONGPASS", "`password`"],
    )
    .await;
    works(&builder().password(PASSWORD).connect().await.unwrap(), 1).await;
    let store = at(url.replace("//", "//:hunter2%2F%40%23@")).connect();
    let store = store.await.unwrap();
    works(&store, 2).await;
    let shown = format!("{store:?} {}", store.address());
    assert!(!shown.contains("hunter2"), "{shown}");

    let mut wire = server.wire();
    wire.call(&["AUTH", PASSWORD]);
    // Exactly what the documentation says that a user needs.
    let rights = "+get +mget +set +del +exists +pttl +pexpire +eval +evalsha +scan \
                  +time +zadd +zrem +zscore +zcard +zrange";
    let mut create = vec![
        "ACL", "SETUSER", "app", "on", ">hunter3", "~sess:*", "~ck:*",
    ];
    create.extend(rights.split(' '));
    wire.call(&create);
    let builder = builder().username("app");
    refused(
        builder.clone().password("hunter2"),
        ErrorKind::Rejected,
        &["WRONGPASS"],
    )
    .await;
    let store = builder.password("hunter3").connect().await.unwrap();
    works(&store, 3).await;
    let (base, next) = (Bytes::from_static(b"{}"), Bytes::from_static(b"{ }"));
    store
        .replace(&id(3), &base, next.clone(), HOUR)
        .await
        .unwrap();
    assert!(store.renew(&id(3), HOUR).await.unwrap());
    store.retire(&id(3), &next).await.unwrap();
    store.end(&id(3), EndReason::Destroyed).await.unwrap();
    store.scan(None, 10).await.unwrap();
    let limit = std::num::NonZeroUsize::new(1);
    store.claim("hanako", &id(3), HOUR, None).await.unwrap();
    store
        .claim("hanako", &id(4), Duration::ZERO, limit)
        .await
        .unwrap();
    assert_eq!(store.owned("hanako").await.unwrap().claims.len(), 2);
    store.release("hanako", &[id(3)]).await.unwrap();
    for whose in [Whose::Owner("hanako"), Whose::Everybody] {
        let at = store.revoke(whose).await.unwrap();
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(at));
    }
    store.load_with_revision(&id(3)).await.unwrap();
    wire.call(&["ACL", "SETUSER", "app", "-mget"]);
    let error = store.load(&id(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("NOPERM"), "{error}");
}

/// Gives the password that is valid now, and counts how often it was asked.
#[derive(Clone)]
struct Rotating {
    password: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Rotating {
    fn new(password: &str) -> Self {
        Self {
            password: Arc::new(Mutex::new(password.to_owned())),
            asked: Arc::default(),
        }
    }
}

#[async_trait]
impl CredentialsProvider for Rotating {
    async fn credentials(&self) -> Result<Credentials, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let password = self.password.lock().unwrap().clone();
        if password.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "the vault is sealed"));
        }
        Ok(Credentials::new(password)
            .username("app")
            .renew_after(Duration::from_secs(1)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_change_are_asked_for_again() {
    let server = Server::redis();
    server.call(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">first-hunter2",
        "~*",
        "+@all",
    ]);
    let provider = Rotating::new("first-hunter2");
    let start = Instant::now();
    let store = at(server.url())
        .credentials_provider(provider.clone())
        .connect()
        .await
        .unwrap();
    works(&store, 1).await;
    // Once for the connection, and once for each second since then.
    let asked = provider.asked.load(Ordering::SeqCst);
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((1..=1 + seconds).contains(&asked), "{asked}");

    // On the open connection, before the old one runs out.
    server.call(&["ACL", "SETUSER", "app", ">second-hunter2"]);
    *provider.password.lock().unwrap() = "second-hunter2".to_owned();
    let asked = provider.asked.load(Ordering::SeqCst);
    let start = Instant::now();
    while provider.asked.load(Ordering::SeqCst) == asked {
        assert!(start.elapsed() < PATIENCE, "nobody asks for it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // With a new connection; the old password is of no use any more.
    server.call(&["ACL", "SETUSER", "app", "<first-hunter2"]);
    server.call(&["CLIENT", "KILL", "USER", "app"]);
    comes_up(&store).await;
    works(&store, 2).await;

    // While the vault is sealed the store says so, and comes back afterwards.
    provider.password.lock().unwrap().clear();
    server.call(&["CLIENT", "KILL", "USER", "app"]);
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("the vault is sealed"), "{error}");
    *provider.password.lock().unwrap() = "second-hunter2".to_owned();
    comes_up(&store).await;
}

/// A provider may say "never" with the longest time that there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_to_be_renewed_never_are_no_trouble() {
    struct Never;
    #[async_trait]
    impl CredentialsProvider for Never {
        async fn credentials(&self) -> Result<Credentials, Error> {
            Ok(Credentials::new(PASSWORD).renew_after(Duration::MAX))
        }
    }
    let server = Server::start(Program::Redis, &["--requirepass", PASSWORD]);
    let builder = at(server.url()).credentials_provider(Never);
    let connected = tokio::time::timeout(PATIENCE * 2, builder.connect()).await;
    works(&connected.expect("an answer").unwrap(), 1).await;
}

async fn comes_up(store: &RedisStore) {
    let start = Awake::now();
    while let Err(error) = store.load(&id(1)).await {
        assert!(start.elapsed() < Duration::from_secs(3), "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lazy_store_comes_up_when_the_server_does() {
    let server = Server::redis();
    server.kill();
    let store = at(server.url()).connect_lazy().unwrap();
    assert_eq!(store.server_info(), None);
    let error = store.load(&id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    server.restart(&[]);
    comes_up(&store).await;
    works(&store, 1).await;
    assert!(store.server_info().is_some());
}

/// Not only in the runtime in which it was made.
#[test]
fn a_store_survives_the_runtime_that_it_was_made_in() {
    let server = Server::redis();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let store = runtime().block_on(at(server.url()).connect()).unwrap();
    for number in 1..4 {
        runtime().block_on(works(&store, number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_ends_with_the_last_handle() {
    let server = Server::redis();
    let store = at(server.url()).connect().await.unwrap();
    let clone = store.clone();
    drop(store);
    works(&clone, 1).await;
    let clients = || server.call(&["CLIENT", "LIST"]).lines().count();
    assert_eq!(clients(), 2);
    drop(clone);
    let start = Instant::now();
    while clients() > 1 {
        assert!(start.elapsed() < PATIENCE, "the connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nodes of a cluster and sentinels are refused in words, not with a riddle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_and_sentinel_are_refused_in_words() {
    let (one, two) = (cluster_node(), cluster_node());
    one.call(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    two.call(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    let bus = two.call(&["CONFIG", "GET", "cluster-port"]);
    let bus = bus.split(' ').next_back().unwrap().to_owned();
    two.call(&["CLUSTER", "BUMPEPOCH"]);
    one.call(&["CLUSTER", "MEET", "127.0.0.1", &two.port.to_string(), &bus]);
    let start = Instant::now();
    while !one.call(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        assert!(start.elapsed() < PATIENCE, "the cluster does not form");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let slot = |key: &str| {
        one.call(&["CLUSTER", "KEYSLOT", key])
            .parse::<u16>()
            .unwrap()
    };
    let here = |number: &u8| slot(&format!("sess:{}", id(*number).as_str())) < 8192;
    let store = at(one.url()).connect().await.unwrap();
    let moved = (0..=255).find(|number| !here(number)).unwrap();
    let error = store.load(&id(moved)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(
        error.to_string().contains("cluster") && error.to_string().contains("not support"),
        "{error}"
    );

    // A session and its tombstone stand in one slot, so one node has both: scripts and pipelines are whole.
    let kept: Vec<u8> = (0..=255).filter(here).take(20).collect();
    for number in kept {
        works(&store, number).await;
        assert!(store.end(&id(number), EndReason::Destroyed).await.unwrap());
        let ended = store.load(&id(number)).await.unwrap();
        assert_eq!(ended, Loaded::Ended(EndReason::Destroyed));
    }

    let config = tempfile::NamedTempFile::new().unwrap();
    let sentinel = Server::sentinel(config.path());
    refused(at(sentinel.url()), ErrorKind::Rejected, &["sentinel"]).await;
}

fn cluster_node() -> Server {
    let bus = free_port().to_string();
    Server::start(
        Program::Redis,
        &["--cluster-enabled", "yes", "--cluster-port", &bus],
    )
}
