//! The store contract, in virtual and in real time, directly and behind `Arc<dyn OwnerIndex>`.

mod common;

use std::{
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cloakroom_contract::{Capability, Handle, Opened, StoreFactory};
use cloakroom_core::{Error, OwnerIndex};
use cloakroom_sqlite::{SqliteStore, SqliteStoreBuilder};
use common::Place;

const FILE: &str = "CLOAKROOM_CONTRACT_FILE";
const NO_OUTAGE: &str =
    "an embedded store has no server that could be away; `ReadOnly` is what a foreign lock does";

/// Puts a handle together from an open store.
type Wrap = fn(SqliteStore) -> Handle;

fn full(store: SqliteStore) -> Handle {
    let store = Arc::new(store);
    Handle::full(store.clone()).with_owner_index(store)
}

fn shared(store: SqliteStore) -> Handle {
    let shared: Arc<dyn OwnerIndex> = Arc::new(store);
    Handle::new(Arc::new(shared.clone())).with_owner_index(Arc::new(shared))
}

/// Everything that the store can do, on a file of its own.
fn opened(
    place: Place,
    build: fn(&Place) -> SqliteStoreBuilder,
    wrap: Wrap,
) -> Result<Opened, Error> {
    let handle = wrap(build(&place).open()?);
    let lock = Mutex::new(place.stranger());
    let place = Arc::new(place);
    let (again, beside, file) = (place.clone(), place.clone(), place.file());
    Ok(Opened::new(handle)
        .keep(place)
        .on_reopen(move || {
            let opened = build(&again).open();
            async move { opened.map(wrap) }
        })
        .on_sibling(move |name| {
            // Several of them write to the file at once, and each must wait for its turn.
            let patient = build(&beside).busy_timeout(Duration::from_secs(20));
            let opened = patient.prefix(name).open();
            async move { opened.map(wrap) }
        })
        .on_read_only(move |on| {
            let sql = if on { "BEGIN IMMEDIATE" } else { "COMMIT" };
            lock.lock().unwrap().execute_batch(sql).unwrap();
            async {}
        })
        .on_writer(move || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", "writer", "--nocapture"])
                .env(FILE, &file);
            command
        })
        .without(Capability::Outage, NO_OUTAGE))
}

struct Virtual(Wrap);

#[async_trait]
impl StoreFactory for Virtual {
    async fn open(&self) -> Result<Opened, Error> {
        let place = Place::new();
        let clock = place.clock.clone();
        let opened = opened(place, Place::builder, self.0)?;
        Ok(opened.virtual_time(move |by: Duration| clock.advance(by)))
    }
}

/// The system's clock and the default options, sweeper included.
struct Real;

#[async_trait]
impl StoreFactory for Real {
    async fn open(&self) -> Result<Opened, Error> {
        let build = |place: &Place| SqliteStore::builder(place.file());
        Ok(opened(Place::new(), build, full)?.real_time(Duration::from_millis(1)))
    }
}

/// What `durability` starts and kills; without the variable this is an empty test.
#[tokio::test]
async fn writer() {
    if let Some(file) = std::env::var_os(FILE) {
        let store = SqliteStore::open(file).unwrap();
        cloakroom_contract::kill::write_owned_until_killed(&store).await;
    }
}

mod in_virtual_time {
    use super::*;
    cloakroom_contract::store_contract!(Virtual(full));
}

mod behind_a_pointer {
    use super::*;
    cloakroom_contract::store_contract!(Virtual(shared));
}

mod in_real_time {
    use super::*;
    cloakroom_contract::store_contract!(Real);
}
