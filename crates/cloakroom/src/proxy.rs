//! Whose forwarded headers are believed.
//!
//! A layer sees neither the socket nor TLS. What it knows of them is put into the request's extensions by the server:
//! [`PeerAddr`] (axum's `ConnectInfo<SocketAddr>` serves as well) and [`RequestScheme`]. `X-Forwarded-Proto` counts only
//! if the peer is one of the configured proxies; everybody else may write into it what they like. So does
//! `X-Forwarded-For`, which tells the address that owned sessions remember.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderMap, HeaderName, Uri};
use ipnet::IpNet;

/// The address of the connection's other end, for servers that have no `ConnectInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

/// How the request reached the first server that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestScheme {
    /// Over TLS.
    Https,
    /// In the clear.
    Http,
}

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The scheme, as far as it can be known: from the extensions, from a trusted proxy, from the request's own URI (HTTP/2
/// and absolute-form).
pub(crate) fn scheme(
    extensions: &Extensions,
    headers: &HeaderMap,
    uri: &Uri,
    trusted: &[IpNet],
) -> Option<RequestScheme> {
    if let Some(scheme) = extensions.get::<RequestScheme>() {
        return Some(*scheme);
    }
    if let Some(value) = headers.get(&X_FORWARDED_PROTO) {
        let believed = peer(extensions).is_some_and(|peer| is_trusted(peer, trusted));
        if believed {
            // The left-most value counts, as in express: the proxy nearest to the browser wrote it.
            let first = value.as_bytes().split(|&byte| byte == b',').next();
            let first = first.unwrap_or_default().trim_ascii();
            return Some(if first.eq_ignore_ascii_case(b"https") {
                RequestScheme::Https
            } else {
                RequestScheme::Http
            });
        }
        tracing::debug!(
            "X-Forwarded-Proto is ignored: the peer is not among the trusted proxies of the session layer"
        );
    }
    // An `https` URI in a request line is the client's own word and worth nothing without TLS; it is not believed.
    uri.scheme_str()
        .filter(|scheme| *scheme == "http")
        .map(|_| RequestScheme::Http)
}

/// The client's address: the peer's, or where the peer is a trusted proxy the right-most address of `X-Forwarded-For`
/// that is none. What stands further left was sent by the client and may be anything.
pub(crate) fn client(
    extensions: &Extensions,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let mut client = peer(extensions)?;
    let forwarded: Vec<&[u8]> = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .collect();
    for hop in forwarded.into_iter().rev() {
        if !is_trusted(client, trusted) {
            break;
        }
        match address(hop) {
            Some(address) => client = address,
            // Who wrote what is no address is known, and nobody before.
            None => break,
        }
    }
    Some(client.to_canonical())
}

/// An address as proxies write it: with or without a port, IPv6 with or without brackets.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop
        .strip_prefix('[')
        .and_then(|hop| hop.strip_suffix(']'))
        .unwrap_or(hop);
    let with_port = || hop.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    if let Some(PeerAddr(address)) = extensions.get::<PeerAddr>() {
        return Some(*address);
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(address)) =
        extensions.get::<axum::extract::ConnectInfo<SocketAddr>>()
    {
        return Some(address.ip());
    }
    extensions.get::<SocketAddr>().map(SocketAddr::ip)
}

fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
    let peer = peer.to_canonical();
    trusted.iter().any(|net| net.contains(&peer))
}
