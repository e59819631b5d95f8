//! The contract kit, run on the store that shows how to write one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use cloakroom::{
    EndReason, Error, SessionId, Store as _, Timestamp,
    core::store::{Loaded, Replaced, Retired, Stored},
    core::time::ManualClock,
};
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

/// What a rotation relies on: another request's commit is not lost with the old id.
#[tokio::test]
async fn retire_ends_a_session_only_while_its_bytes_are_the_base() {
    let start = Timestamp::from_millis(1_764_105_578_229);
    let store = MapStore::new(ManualClock::new(start));
    let id = SessionId::from_random([7; 24]);
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new"));
    let minute = Duration::from_secs(60);
    assert_eq!(store.retire(&id, &old).await.unwrap(), Retired::Gone);

    store.create(&id, old.clone(), minute).await.unwrap();
    let replaced = store.replace(&id, &old, new.clone(), minute).await;
    assert_eq!(replaced.unwrap(), Replaced::Replaced);
    let current = Stored {
        value: new.clone(),
        remaining: Some(minute),
    };
    let refused = store.retire(&id, &old).await.unwrap();
    assert_eq!(refused, Retired::Changed(current.clone()));
    assert_eq!(store.load(&id).await.unwrap(), Loaded::Live(current));

    assert_eq!(store.retire(&id, &new).await.unwrap(), Retired::Retired);
    let ended = Loaded::Ended(EndReason::Rotated);
    assert_eq!(store.load(&id).await.unwrap(), ended);
    assert_eq!(store.retire(&id, &new).await.unwrap(), Retired::Gone);
}
