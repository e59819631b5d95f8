//! The contract kit, run on the store that shows how to write one.

use std::sync::Arc;

use async_trait::async_trait;
use cloakroom::{Error, Timestamp, core::time::ManualClock};
use cloakroom_contract::{Handle, Opened, StoreFactory, store_contract};
use cloakroom_examples::own_store::MapStore;

struct Factory;

#[async_trait]
impl StoreFactory for Factory {
    async fn open(&self) -> Result<Opened, Error> {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_764_105_578_229)));
        let store = Arc::new(MapStore::new(Arc::clone(&clock)));
        Ok(Opened::new(Handle::new(store)).virtual_time(move |by| clock.advance(by)))
    }
}

store_contract!(Factory);
