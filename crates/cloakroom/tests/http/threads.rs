//! One layer on several threads, each with a runtime and a connection of its own.

use std::{sync::Barrier, thread};

use axum::{Router, body::Body, routing::get};
use cloakroom::{Session, SessionError, layer::SessionRouter};
use cloakroom_redis::RedisStore;
use futures_util::future::join_all;
use http::{
    Request, StatusCode,
    header::{COOKIE, SET_COOKIE},
};
use http_body_util::BodyExt as _;
use tokio::runtime;
use tower::ServiceExt as _;

use crate::{
    article,
    servers::{PATIENCE, Server},
};

const ROUNDS: usize = 50;
const THREADS: usize = 2;

async fn increment(session: Session) -> Result<String, SessionError> {
    tokio::task::yield_now().await;
    let n = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1)?;
    Ok(n.to_string())
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    cookie: String,
    body: String,
}

/// Asserts nothing: a thread that panics would let the others wait for it.
async fn ask(app: &SessionRouter, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path)
        .header(COOKIE, cookie)
        .body(Body::empty());
    let answer = app.clone().oneshot(request.unwrap()).await.unwrap();
    let cookie = answer.headers().get(SET_COOKIE).map(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(';').next().unwrap_or_default().to_owned()
    });
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        cookie: cookie.unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// connect-redis#75, with requests that never meet on one runtime: they still take turns.
#[test]
fn fifty_increments_on_two_threads_give_fifty() {
    let server = Server::redis();
    let store = RedisStore::builder(server.url())
        .connection_per_thread(true)
        .command_timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .connect_lazy()
        .unwrap();
    let routes = Router::new().route("/increment", get(increment)).route(
        "/read",
        get(async |session: Session| session.get_raw("n").unwrap_or_default()),
    );
    let layer = article(store).deadline(PATIENCE).build().unwrap();
    let app = layer.around(routes);
    let cookies: Vec<String> = on_a_runtime(async {
        let made = join_all((0..ROUNDS).map(|_| ask(&app, "/read", ""))).await;
        made.into_iter().map(|answer| answer.cookie).collect()
    });
    assert!(cookies.iter().all(|cookie| !cookie.is_empty()));
    let together = Barrier::new(THREADS);
    let increment_all = async || {
        let mut rounds = Vec::new();
        for cookie in &cookies {
            together.wait();
            let asked = (0..50 / THREADS).map(|_| ask(&app, "/increment", cookie));
            let answers = join_all(asked).await;
            together.wait();
            rounds.push((answers, ask(&app, "/read", cookie).await.body));
        }
        rounds
    };
    let of_all = thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| scope.spawn(|| on_a_runtime(increment_all())));
        threads.map(|thread| thread.join().unwrap())
    });
    for (round, (answers, read)) in of_all.iter().flat_map(|rounds| rounds.iter().enumerate()) {
        let refused = answers
            .iter()
            .find(|answer| answer.status != StatusCode::OK);
        assert!(refused.is_none(), "round {round}: {refused:?}");
        assert_eq!(read, "50", "round {round}");
    }
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}
