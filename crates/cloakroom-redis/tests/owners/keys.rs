//! Where the index stands, and what its times are.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_revocations_are_keys_outside_of_the_prefix() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let before: i64 = server
            .call(&["TIME"])
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let first = claim(&store, "hanako", 1, HOUR).await;
        let second = claim(&store, "hanako", 2, HOUR).await;
        assert!(before * 1000 <= first.as_millis() && first < second);
        for (number, at) in [(1, first), (2, second)] {
            let score = server.call(&["ZSCORE", CLAIMS, id(number).as_str()]);
            assert_eq!(score, at.as_millis().to_string());
        }
        assert_eq!(server.call(&["GET", LAST]), second.as_millis().to_string());
        assert_eq!(keys(&server, "*"), [LAST, KEEPS, CLAIMS]);

        assert_eq!(store.revoked_at("hanako").await.unwrap(), None);
        let revoked = store.revoke(Whose::Owner("hanako")).await.unwrap();
        assert!(revoked > second);
        assert_eq!(store.revoked_at("hanako").await.unwrap(), Some(revoked));
        assert_eq!(store.revoked_at("taro").await.unwrap(), None);
        for key in [REVOCATION, REVISION, LAST] {
            assert_eq!(
                server.call(&["GET", key]),
                revoked.as_millis().to_string(),
                "{key}"
            );
        }
        let kept = left(&server, REVOCATION);
        let whole = i64::try_from(REVOCATION_TTL.as_millis()).unwrap();
        assert!((whole - 60_000..=whole).contains(&kept), "{kept}");

        let all = store.revoke(Whose::Everybody).await.unwrap();
        assert!(all > revoked);
        for owner in ["hanako", "taro", ""] {
            assert_eq!(store.revoked_at(owner).await.unwrap(), Some(all));
        }
        // store.all(), clear() and length() of connect-redis look at sess:* alone.
        assert_eq!(keys(&server, "sess:*"), [""; 0]);
        assert_eq!(keys(&server, "*").len(), 6);
        store
            .release("hanako", &[id(1), id(2), id(3)])
            .await
            .unwrap();
        assert_eq!(keys(&server, "ck:[uk]:*"), [""; 0]);
    }
}

/// An owner without a name is refused elsewhere; should one come here, it is not everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_without_a_name_is_not_everybody() {
    let server = Server::redis();
    let store = store(&server).await;
    store.revoke(Whose::Owner("")).await.unwrap();
    assert_eq!(store.revoked_at("hanako").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_look_alike_when_glued_together_share_nothing() {
    let server = Server::redis();
    let (short, long) = (
        connect(server.url(), "a").await,
        connect(server.url(), "a:b:").await,
    );
    claim(&short, ":b:c", 1, HOUR).await;
    assert_eq!(ids(&long, "c").await, []);
    short.revoke(Whose::Owner(":b:c")).await.unwrap();
    assert_eq!(long.revoked_at("c").await.unwrap(), None);
    let loaded = long.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(loaded, (Loaded::Missing, Revision(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_one_round_trip() {
    let server = Server::redis();
    let proxy = Proxy::to(server.port).await;
    let store = connect(proxy.url(), "sess:").await;
    // Once each, so that the scripts are known.
    limited(&store, 1, 5).await;
    store.revoke(Whose::Everybody).await.unwrap();
    store
        .create(&id(1), Bytes::from_static(b"{}"), HOUR)
        .await
        .unwrap();
    proxy.turns();
    limited(&store, 2, 5).await;
    assert_eq!(proxy.turns(), 1, "claim");
    store.revoke(Whose::Owner("hanako")).await.unwrap();
    assert_eq!(proxy.turns(), 1, "revoke");
    assert_eq!(ids(&store, "hanako").await, [id(1), id(2)]);
    assert_eq!(proxy.turns(), 1, "owned");
    store.revoked_at("hanako").await.unwrap();
    assert_eq!(proxy.turns(), 1, "revoked_at");
    let (loaded, revision) = store.load_with_revision(&id(1)).await.unwrap();
    assert!(matches!(loaded, Loaded::Live(_)) && revision != Revision(0));
    assert_eq!(proxy.turns(), 1, "load_with_revision");
    store.release("hanako", &[id(1)]).await.unwrap();
    assert_eq!(proxy.turns(), 1, "release");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_changes_with_revocations_and_with_nothing_else() {
    let server = Server::redis();
    let store = store(&server).await;
    let revision = async || store.load_with_revision(&id(1)).await.unwrap().1;
    assert_eq!(revision().await, Revision(0));
    store
        .create(&id(1), Bytes::from_static(b"{}"), HOUR)
        .await
        .unwrap();
    claim(&store, "hanako", 1, HOUR).await;
    store.release("hanako", &[id(1)]).await.unwrap();
    store.end(&id(1), EndReason::Destroyed).await.unwrap();
    let (ended, unchanged) = store.load_with_revision(&id(1)).await.unwrap();
    assert_eq!(ended, Loaded::Ended(EndReason::Destroyed));
    assert_eq!(unchanged, Revision(0));
    let mut seen = vec![unchanged];
    for whose in [
        Whose::Owner("hanako"),
        Whose::Everybody,
        Whose::Owner("hanako"),
    ] {
        let at = store.revoke(whose).await.unwrap();
        let now = revision().await;
        assert_eq!(now, Revision(at.as_millis().unsigned_abs()));
        assert!(seen.iter().all(|before| *before < now));
        seen.push(now);
    }
}

/// A clock that was put back, or a new primary whose clock is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_go_on_where_the_clock_falls_behind() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await.as_millis();
        let ahead = first + 3_600_000;
        server.call(&["SET", LAST, &ahead.to_string()]);
        assert_eq!(
            claim(&store, "hanako", 2, HOUR).await.as_millis(),
            ahead + 1
        );
        let revoked = store.revoke(Whose::Owner("taro")).await.unwrap();
        assert_eq!(revoked.as_millis(), ahead + 2);
        // Without the last time, as after an eviction, a revocation is still later than those before it.
        server.call(&["DEL", LAST]);
        let revoked = store.revoke(Whose::Owner("jiro")).await.unwrap();
        assert_eq!(revoked.as_millis(), ahead + 3);
        assert_eq!(
            claim(&store, "hanako", 3, HOUR).await.as_millis(),
            ahead + 4
        );
        let claims = store.owned("hanako").await.unwrap();
        assert!(claims.claims.iter().all(|claim| claim.at <= claims.now));
        assert!(!claims.is_settled(&claims.claims[2]));
        // What stands there by hand and is no time is passed over.
        for text in ["soon", "", "nan", "inf", "9e99", "-5"] {
            server.call(&["SET", LAST, text]);
            let at = claim(&store, "saburo", 1, Duration::ZERO).await.as_millis();
            assert!((first..ahead).contains(&at), "{text}: {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_made_again_keeps_its_time_and_never_shortens_the_keys() {
    for program in [Program::Redis, Program::Valkey] {
        let server = Server::start(program, &[]);
        let store = store(&server).await;
        let first = claim(&store, "hanako", 1, HOUR).await;
        claim(&store, "hanako", 2, Duration::from_secs(60)).await;
        assert_eq!(
            claim(&store, "hanako", 1, Duration::from_secs(300)).await,
            first
        );
        assert_eq!(ids(&store, "hanako").await, [id(1), id(2)]);
        for key in [CLAIMS, KEEPS] {
            assert!(left(&server, key) > 3_500_000, "{key}");
        }
        claim(&store, "hanako", 2, HOUR * 2).await;
        for key in [CLAIMS, KEEPS] {
            assert!(left(&server, key) > 7_100_000, "{key}");
        }
        // One set that was evicted without the other.
        server.call(&["DEL", KEEPS]);
        claim(&store, "hanako", 3, HOUR).await;
        assert!(left(&server, KEEPS) > 7_000_000);
        server.call(&["DEL", CLAIMS]);
        claim(&store, "hanako", 3, HOUR).await;
        assert!((1..=3_600_001).contains(&left(&server, CLAIMS)));
        // A key that somebody made permanent is left so.
        server.call(&["PERSIST", CLAIMS]);
        claim(&store, "hanako", 4, HOUR).await;
        assert_eq!(left(&server, CLAIMS), -1);
    }
}
