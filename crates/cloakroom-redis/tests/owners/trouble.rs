//! The index on a server that refuses, forgets, is a replica or starts again.

use super::*;

/// A stranger's key is an error that changes nothing, and never "no sessions" or "not revoked".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_another_type_are_errors_and_stay_as_they_are() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let wrong = |error: Error| check(&error, ErrorKind::Rejected, "WRONGTYPE");
        for key in [CLAIMS, KEEPS, LAST] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.claim("hanako", &id(1), HOUR, None).await.unwrap_err());
            assert_eq!(keys(&server, "ck:*"), [key]);
            server.call(&["DEL", key]);
        }
        for key in [CLAIMS, KEEPS] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.release("hanako", &[id(1)]).await.unwrap_err());
            server.call(&["DEL", key]);
        }
        for key in [REVOCATION, REVISION, LAST] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.revoke(Whose::Owner("hanako")).await.unwrap_err());
            assert_eq!(keys(&server, "ck:*"), [key]);
            server.call(&["DEL", key]);
        }
        server.call(&["HSET", CLAIMS, "field", "value"]);
        wrong(store.owned("hanako").await.unwrap_err());
        for key in [REVOCATION, "ck:a:{5:sess:}"] {
            server.call(&["HSET", key, "field", "value"]);
            wrong(store.revoked_at("hanako").await.unwrap_err());
            server.call(&["DEL", key]);
            server.call(&["SET", key, "yesterday"]);
            let error = store.revoked_at("hanako").await.unwrap_err();
            check(&error, ErrorKind::Rejected, "ck:*");
            server.call(&["DEL", key]);
        }
        server.call(&["HSET", REVISION, "field", "value"]);
        wrong(store.load_with_revision(&id(1)).await.unwrap_err());
        // A session is as readable as before for whoever does not ask for the revision.
        assert_eq!(store.load(&id(1)).await.unwrap(), Loaded::Missing);
    }
}

/// R32: what is wanted most when a server is full works then, and what takes memory changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r32_a_server_without_memory_still_revokes_and_releases() {
    for server in [Server::redis(), Server::valkey()] {
        let store = store(&server).await;
        let at = claim(&store, "hanako", 1, HOUR).await;
        // One that is over, which a claim would take away.
        server.call(&["ZADD", KEEPS, "5", "old"]);
        server.call(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        server.call(&["CONFIG", "SET", "maxmemory", "1"]);
        let error = store.claim("hanako", &id(2), HOUR, None).await.unwrap_err();
        check(&error, ErrorKind::Unavailable, "OOM");
        assert_eq!(ids(&store, "hanako").await, [id(1)]);
        assert_eq!(server.call(&["GET", LAST]), at.as_millis().to_string());
        let owner = store.revoke(Whose::Owner("hanako")).await.unwrap();
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(owner));
        let all = store.revoke(Whose::Everybody).await.unwrap();
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(all));
        store.release("hanako", &[id(1)]).await.unwrap();
        assert_eq!(ids(&store, "hanako").await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_sent_again_within_the_call() {
    let server = Server::redis();
    let store = store(&server).await;
    for number in 1..10 {
        server.call(&["SCRIPT", "FLUSH"]);
        let at = claim(&store, "hanako", number, HOUR).await;
        server.call(&["SCRIPT", "FLUSH"]);
        assert!(store.revoke(Whose::Everybody).await.unwrap() > at);
    }
    assert_eq!(ids(&store, "hanako").await.len(), 9);
}

/// A replica, a primary that is read-only for want of replicas, and a server that comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_the_index_goes_on_on_a_read_only_replica() {
    let server = Server::redis();
    let store = store(&server).await;
    claim(&store, "hanako", 1, HOUR).await;
    let revoked = store.revoke(Whose::Owner("hanako")).await.unwrap();
    server.call(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(ids(&store, "hanako").await, [id(1)]);
    assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
    let (loaded, revision) = store.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(loaded, Loaded::Missing);
    assert_eq!(revision, Revision(revoked.as_millis().unsigned_abs()));
    for error in [
        store.claim("hanako", &id(2), HOUR, None).await.unwrap_err(),
        store.claim("hanako", &id(1), HOUR, None).await.unwrap_err(),
        store.release("hanako", &[id(1)]).await.unwrap_err(),
        store.revoke(Whose::Everybody).await.unwrap_err(),
    ] {
        check(&error, ErrorKind::Unavailable, "READONLY");
    }
}

/// R48: what was acknowledged is as durable as the server is; the index no less than a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_what_a_server_writes_to_its_disk_outlives_it() {
    for program in [Program::Redis, Program::Valkey] {
        let always = ["--appendonly", "yes", "--appendfsync", "always"];
        let server = Server::start(program, &always);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await;
        let revoked = store.revoke(Whose::Owner("taro")).await.unwrap();
        server.kill();
        server.restart(&[]);
        let start = Instant::now();
        let claims = loop {
            match store.owned("hanako").await {
                Ok(claims) => break claims,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            assert!(start.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!((claims.claims.len(), claims.claims[0].at), (1, first));
        assert_eq!(store.revoked_at("taro").await.unwrap(), Some(revoked));
        assert!(claim(&store, "hanako", 2, HOUR).await > revoked);
    }
}
