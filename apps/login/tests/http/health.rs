//! `/livez`, `/readyz` and the command that asks.

use std::net::SocketAddr;

use crate::{App, outage::Breakable};

#[tokio::test]
async fn neither_touches_a_session() {
    let app = App::start().await;
    let mut visitor = app.visitor();
    visitor.log_in("a").await;
    for (path, body) in [("/livez", "live\n"), ("/readyz", "ready\n")] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, body));
        assert!(answer.cookies().is_empty(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_not_ready_but_alive() {
    let store = Breakable::default();
    let app = App::start_with_store(store.clone(), |_| ()).await;
    let mut visitor = app.visitor();
    assert_eq!(visitor.get("/readyz").await.status, 200);
    for trouble in [Breakable::FAIL, Breakable::HANG] {
        store.set(trouble);
        assert_eq!(visitor.get("/readyz").await.status, 503);
        let before = store.calls();
        assert_eq!(visitor.get("/livez").await.status, 200);
        assert_eq!(store.calls(), before, "never asks the store");
    }
    store.set(Breakable::WORK);
    assert_eq!(visitor.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_asks_on_loopback_whoever_listens_everywhere() {
    let app = App::start_with(|s| s.bind = "0.0.0.0".into()).await;
    let port = app.address.port();
    let check =
        |address: SocketAddr| tokio::task::spawn_blocking(move || app::healthcheck(address));
    check(app.address).await.unwrap().unwrap();
    check(([127, 0, 0, 1], port).into()).await.unwrap().unwrap();
    app.stop().await;
    check(([127, 0, 0, 1], port).into())
        .await
        .unwrap()
        .unwrap_err();
}
