//! Making the prepared sessions through the store's own `create`.

use cloakroom::{
    Clock as _, Error, SessionId, Store, SystemClock, Timestamp, core::store::Created,
};
use cloakroom_bench_common::{
    args::Args,
    sessions::{LIFETIME, id_bytes, value},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// How many calls are under way at once: enough to fill the store's pipeline or transaction.
const AT_ONCE: usize = 512;

/// Makes the first `args.seed` sessions; those that are there already stay.
pub(super) async fn make(store: &dyn Store, args: &Args) -> Result<(), Error> {
    let ends: Timestamp = SystemClock.now().saturating_add(LIFETIME);
    let value = value(args.bytes, &ends.to_iso_string().unwrap_or_default());
    let value = bytes::Bytes::from(value);
    stream::iter(0..args.seed)
        .map(|n| {
            let (id, value) = (SessionId::from_random(id_bytes(n)), value.clone());
            async move {
                match store.create(&id, value, LIFETIME).await? {
                    Created::Created | Created::Taken => Ok(()),
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}
