//! `/livez`: does the process answer? `/readyz`: does the store answer, too?
//!
//! Neither touches a session or sets a cookie. An orchestrator restarts what is not live, so `/livez` never asks the store: a
//! restart would not bring it back.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use cloakroom::SessionId;

use crate::startup::AppState;

/// How long the store may take to answer `/readyz`.
const STORE_DEADLINE: Duration = Duration::from_secs(1);

/// How long `/livez` may take to answer the `healthcheck` command, each step.
const CHECK_DEADLINE: Duration = Duration::from_secs(3);

/// Always 200 while the process serves.
pub(crate) async fn livez() -> Response {
    answer(StatusCode::OK, "live\n")
}

/// 200 if the store answers a look-up in time, 503 otherwise.
pub(crate) async fn readyz(State(state): State<AppState>) -> Response {
    let mut bytes = [0_u8; 24];
    if getrandom::fill(&mut bytes).is_err() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "no randomness\n");
    }
    // An id that nobody has: the look-up costs what a visitor's does and finds nothing.
    let id = SessionId::from_random(bytes);
    match tokio::time::timeout(STORE_DEADLINE, state.store.load(&id)).await {
        Ok(Ok(_)) => answer(StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(kind = %error.kind(), "not ready: {error}");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store is unavailable\n",
            )
        }
        Err(_) => {
            tracing::warn!("not ready: the store did not answer in time");
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store is unavailable\n",
            )
        }
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// Asks the application at `address` for `/livez`, for the `healthcheck` command.
///
/// # Errors
/// It cannot be reached, does not answer in time, or answers anything but 200.
pub fn check(address: SocketAddr) -> io::Result<()> {
    let address = SocketAddr::new(reachable(address.ip()), address.port());
    let mut stream = TcpStream::connect_timeout(&address, CHECK_DEADLINE)?;
    stream.set_read_timeout(Some(CHECK_DEADLINE))?;
    stream.set_write_timeout(Some(CHECK_DEADLINE))?;
    write!(
        stream,
        "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = [0_u8; 12];
    stream.read_exact(&mut line)?;
    if line == *b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(io::Error::other("the answer to /livez is not 200"))
    }
}

/// Whoever listens on every address is asked on the loopback one.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
