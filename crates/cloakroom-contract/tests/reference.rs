//! The reference store keeps the law, directly, behind `Arc<dyn Store>` and in real time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use cloakroom_contract::{Handle, Opened, StoreFactory, reference::ReferenceStore};
use cloakroom_core::{Clock, Error, Store, Timestamp, time::ManualClock};

fn reference() -> (ReferenceStore, Arc<ManualClock>) {
    let start = Timestamp::from_millis(1_764_105_578_229);
    let clock = Arc::new(ManualClock::new(start));
    (ReferenceStore::new(clock.clone()), clock)
}

struct Reference;

#[async_trait]
impl StoreFactory for Reference {
    async fn open(&self) -> Result<Opened, Error> {
        Ok(cloakroom_contract::reference::opened())
    }
}

mod the_reference_store {
    use super::*;
    cloakroom_contract::store_contract!(Reference);
}

/// The least that a factory can give: a store behind two pointers and a clock.
struct Shared;

#[async_trait]
impl StoreFactory for Shared {
    async fn open(&self) -> Result<Opened, Error> {
        let (store, clock) = reference();
        let shared: Arc<dyn Store> = Arc::new(store);
        let handle = Handle::new(Arc::new(shared));
        Ok(Opened::new(handle).virtual_time(move |by: Duration| clock.advance(by)))
    }
}

mod a_shared_store {
    use super::*;
    cloakroom_contract::store_contract!(Shared);
}

/// Cases that wait, wait for real here.
struct RealTime;

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

#[async_trait]
impl StoreFactory for RealTime {
    async fn open(&self) -> Result<Opened, Error> {
        let store = Arc::new(ReferenceStore::new(Arc::new(SystemClock)));
        let handle = Handle::full(store.clone()).with_owner_index(store);
        Ok(Opened::new(handle).real_time(Duration::from_millis(2)))
    }
}

mod in_real_time {
    use super::*;
    cloakroom_contract::store_contract!(RealTime);
}
