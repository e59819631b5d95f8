//! Work that nobody waits for: what tidies the owner index.

use std::{future::Future, sync::Arc};

use crate::config::Config;

/// Does the work beside the response. Answers whether it was begun: where too much is under way already, it is left out.
pub(crate) fn beside(config: &Config, work: impl Future<Output = ()> + Send + 'static) -> bool {
    let Ok(permit) = Arc::clone(&config.beside).try_acquire_owned() else {
        return false;
    };
    tokio::spawn(async move {
        work.await;
        drop(permit);
    });
    true
}
