//! TLS with a real server: whom the store trusts, and how it proves itself.

mod support;

use std::{net::TcpListener, time::Duration};

use bytes::Bytes;
use cloakroom_core::{Created, ErrorKind, Loaded, SessionId, Store as _};
use cloakroom_redis::{Address, NearCache, RedisStore, RedisStoreBuilder, Tls};
use support::{PATIENCE, Program, Server};
use tokio::io::AsyncReadExt as _;

/// A first handshake on a busy machine may take its time.
fn patient(builder: RedisStoreBuilder) -> RedisStoreBuilder {
    builder.command_timeout(PATIENCE).connect_timeout(PATIENCE)
}

async fn works(store: &RedisStore, number: u8) {
    let (id, hour) = (
        SessionId::from_random([number; 24]),
        Duration::from_secs(3600),
    );
    let created = store
        .create(&id, Bytes::from_static(b"{}"), hour)
        .await
        .unwrap();
    assert_eq!(created, Created::Created);
    assert!(matches!(store.load(&id).await.unwrap(), Loaded::Live(_)));
}

async fn refused(builder: RedisStoreBuilder, kind: ErrorKind, says: &[&str]) {
    let error = builder.connect().await.expect_err(&format!("{says:?}"));
    assert_eq!(error.kind(), kind, "{error}");
    for word in says {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
}

/// A certificate authority of the test's own.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        // OpenSSL takes a certificate that names itself as its issuer for its own authority.
        let name = rcgen::DnType::CommonName;
        parameters.distinguished_name.push(name, "authority");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        let issuer = rcgen::Issuer::new(parameters, key);
        Self { issuer, pem }
    }

    fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `name` and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let parameters = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_tls_is_verified() {
    let authority = Authority::new();
    let files = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (chain, key) = authority.sign("127.0.0.1");
    let (chain, key, ca) = (
        put("chain", &chain),
        put("key", &key),
        put("ca", authority.pem()),
    );
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let server = Server::start(
        Program::Redis,
        &[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &chain,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
            "--tls-auth-clients",
            "optional",
        ],
    );
    let url = format!("rediss://127.0.0.1:{port}");
    // The two greet differently.
    for (near, first) in [(false, 1), (true, 11)] {
        server.call(&["CONFIG", "SET", "tls-auth-clients", "optional"]);
        let builder = |address: Address| {
            let builder = patient(RedisStore::builder(address));
            if near {
                builder.near_cache(NearCache::new())
            } else {
                builder
            }
        };
        let trusting = Tls::new().authorities(authority.pem());
        let store = builder(url.as_str().into())
            .tls(trusting.clone())
            .connect()
            .await
            .unwrap();
        works(&store, first).await;
        assert!(
            store.address().starts_with("rediss://"),
            "{}",
            store.address()
        );
        // `tls` alone is enough.
        let parts = builder(("127.0.0.1", port).into());
        works(
            &parts.tls(trusting.clone()).connect().await.unwrap(),
            first + 1,
        )
        .await;

        let stranger = Tls::new().authorities(Authority::new().pem());
        refused(
            builder(url.as_str().into()).tls(stranger),
            ErrorKind::Rejected,
            &["TLS", "invalid peer certificate"],
        )
        .await;
        let other_name = format!("rediss://localhost:{port}");
        refused(
            builder(other_name.as_str().into()).tls(trusting.clone()),
            ErrorKind::Rejected,
            &["TLS", "certificate"],
        )
        .await;
        let in_the_clear = builder(format!("redis://127.0.0.1:{port}").into());
        refused(
            in_the_clear,
            ErrorKind::Unavailable,
            &["rediss://", "`tls`"],
        )
        .await;

        server.call(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
        let anonymous = builder(url.as_str().into()).tls(trusting.clone());
        refused(anonymous, ErrorKind::Unavailable, &["`client_certificate`"]).await;
        let (chain, key) = authority.sign("client");
        let known = trusting.client_certificate(chain, key);
        works(
            &builder(url.as_str().into())
                .tls(known)
                .connect()
                .await
                .unwrap(),
            first + 2,
        )
        .await;
    }
}

/// A server without TLS waits for the end of what it takes for a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_to_a_server_without_it_is_found_out() {
    let server = Server::redis();
    let builder = RedisStore::builder(format!("rediss://127.0.0.1:{}", server.port));
    let builder = builder.tls(Tls::new().authorities(Authority::new().pem()));
    refused(builder, ErrorKind::Timeout, &["TLS", "`connect_timeout`"]).await;
}

/// Something in front of the server that has nobody behind it yet: that passes, and is no fault of a certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_hung_up_on_is_worth_another_try() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("rediss://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 4096];
            // What was not read would make this a reset.
            let _ = stream.read(&mut hello).await;
        }
    });
    let builder = patient(RedisStore::builder(url));
    let builder = builder.tls(Tls::new().authorities(Authority::new().pem()));
    refused(builder, ErrorKind::Unavailable, &["closed the connection"]).await;
}
