//! Serving, the same for every kind.

use std::{error::Error, net::Ipv4Addr};

use axum::{Router, serve::ListenerExt as _};
use cloakroom_bench_common::args::announce;
use tokio::net::TcpListener;

/// Serves on 127.0.0.1 until the process is ended.
pub(super) async fn serve(router: Router, port: u16) -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    // As the login application does it: small answers must not wait for acknowledgements of earlier ones.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    announce(port)?;
    axum::serve(listener, router).await?;
    Ok(())
}
