//! Serving, the same for every kind: on tokio's threads, or as the login application does it.

use std::{future::ready, net::Ipv4Addr, num::NonZeroUsize, thread};

use app::serve::App;
use axum::{ServiceExt as _, serve::ListenerExt as _};
use cloakroom_bench_common::args::announce;
use tokio::net::TcpListener;

use super::Outcome;

/// Serves on 127.0.0.1 until the process is ended.
pub(super) async fn serve(app: impl App, port: u16, per_core: bool) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    announce(port)?;
    if per_core {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let never = std::future::pending();
        app::serve::serve(listener, app, threads, never, || ready(())).await?;
    } else {
        // As the login application does it: small answers must not wait for acknowledgements of earlier ones.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app.into_make_service()).await?;
    }
    Ok(())
}
