//! The embedded store: one call alone, and 64 at once, which share commits.

use std::time::Duration;

use cloakroom::{
    SessionId, Store as _,
    core::{
        owner_index::OwnerIndex as _,
        store::{Loaded, Replaced},
    },
    sqlite::{Durability, SqliteStore},
};
use cloakroom_bench::{id, session};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;

const TTL: Duration = Duration::from_secs(1800);
const TASKS: usize = 64;

async fn load(store: SqliteStore, id: SessionId) {
    let answer = store.load(&id).await.unwrap();
    assert!(matches!(answer, Loaded::Live(_)));
}

/// What the layer asks where the store has an owner index.
async fn load_with_revision(store: SqliteStore, id: SessionId) {
    let (answer, _) = store.load_with_revision(&id).await.unwrap();
    assert!(matches!(answer, Loaded::Live(_)));
}

async fn renew(store: SqliteStore, id: SessionId) {
    assert!(store.renew(&id, TTL).await.unwrap());
}

/// What a commit is to the store: the same bytes again, so that each round finds its base.
async fn replace(store: SqliteStore, id: SessionId) {
    let value = session(300);
    let answer = store
        .replace(&id, &value, value.clone(), TTL)
        .await
        .unwrap();
    assert_eq!(answer, Replaced::Replaced);
}

fn sqlite(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (durability, name) in [
        (Durability::ProcessCrash, "process crash"),
        (Durability::PowerLoss, "power loss"),
    ] {
        let path = folder.path().join(format!("{durability:?}.db"));
        let store = SqliteStore::builder(path)
            .durability(durability)
            .open()
            .unwrap();
        let ids: Vec<SessionId> = (0..1000).map(|_| id()).collect();
        runtime.block_on(async {
            let created = ids.iter().map(|id| store.create(id, session(300), TTL));
            for created in join_all(created).await {
                created.unwrap();
            }
        });
        macro_rules! measure {
            ($call:ident) => {
                let mut group = c.benchmark_group(format!("sqlite/{}", stringify!($call)));
                group.bench_function(format!("alone, {name}"), |b| {
                    b.iter(|| runtime.block_on($call(store.clone(), ids[0].clone())));
                });
                group.throughput(Throughput::Elements(TASKS as u64));
                group.bench_function(format!("{TASKS} tasks, {name}"), |b| {
                    b.iter(|| {
                        runtime.block_on(async {
                            let tasks = ids[..TASKS]
                                .iter()
                                .map(|id| tokio::spawn($call(store.clone(), id.clone())));
                            for task in join_all(tasks).await {
                                task.unwrap();
                            }
                        });
                    });
                });
                group.finish();
            };
        }
        if durability == Durability::ProcessCrash {
            measure!(load);
            measure!(load_with_revision);
        }
        measure!(renew);
        measure!(replace);
        runtime.block_on(store.close()).unwrap();
    }
}

criterion_group!(benches, sqlite);
criterion_main!(benches);
