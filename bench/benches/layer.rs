//! A whole request through the layer on the memory store, against the same service without the layer.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use cloakroom::{MemoryStore, SessionLayer, SessionSlot, Store as _, core::ticket};
use cloakroom_bench::{SIZES, id, secrets, session};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response, header};
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _, service_fn};

type Body = Empty<Bytes>;

async fn ignore(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::new()))
}

async fn read(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let slot = request.extensions().get::<SessionSlot>().unwrap();
    let opened = slot.session().await.unwrap();
    let visits: Option<u64> = opened.get("visits").unwrap();
    assert!(visits.is_some());
    Ok(Response::new(Body::new()))
}

async fn update(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let slot = request.extensions().get::<SessionSlot>().unwrap();
    let opened = slot.session().await.unwrap();
    let visits = opened.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1);
    assert!(visits.is_ok());
    Ok(Response::new(Body::new()))
}

fn layer(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let secrets = secrets().unwrap();
    let store = std::sync::Arc::new(MemoryStore::new());
    let builder = || SessionLayer::builder(std::sync::Arc::clone(&store), secrets.clone());
    let each_use = builder().build().unwrap();
    let seldom = builder().renew_after(0.5).build().unwrap();
    let request = |cookie: &str| {
        Request::builder()
            .header(header::COOKIE, cookie)
            .body(Body::new())
            .unwrap()
    };
    // A macro, since every service has a type of its own.
    macro_rules! measure {
        ($name:expr, $service:expr, $cookie:expr) => {
            c.bench_function($name, |b| {
                b.to_async(&runtime).iter_batched(
                    || ($service.clone(), request($cookie)),
                    |(service, request)| async move { service.oneshot(request).await.unwrap() },
                    BatchSize::SmallInput,
                );
            });
        };
    }

    measure!("layer/no layer", service_fn(ignore), "");
    measure!("layer/untouched", each_use.layer(service_fn(ignore)), "");
    for (name, size) in SIZES {
        let id = id();
        let cookie = format!("__Host-sid={}", ticket::sign(id.as_str(), &secrets));
        let created = store.create(&id, session(size), Duration::from_secs(1800));
        runtime.block_on(created).unwrap();
        let cookie = cookie.as_str();
        // The first request gives the session its absolute end; from then on reading writes nothing.
        let first = seldom.layer(service_fn(read)).oneshot(request(cookie));
        runtime.block_on(first).unwrap();
        let reading = seldom.layer(service_fn(read));
        measure!(&format!("layer/read {name}"), reading, cookie);
        let renewing = each_use.layer(service_fn(read));
        measure!(&format!("layer/read and renew {name}"), renewing, cookie);
        let updating = each_use.layer(service_fn(update));
        measure!(&format!("layer/update {name}"), updating, cookie);
    }
}

criterion_group!(benches, layer);
criterion_main!(benches);
