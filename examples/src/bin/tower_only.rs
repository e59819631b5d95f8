//! The layer around a plain tower service, served by hyper: no web framework.
//!
//! The session waits in the request's extensions as a [`SessionSlot`]; the store is asked when the slot is opened.
//!
//! `cargo run -p cloakroom-examples --bin tower_only`, then open <http://localhost:3000>.

use std::convert::Infallible;

use bytes::Bytes;
use cloakroom::{Error, MemoryStore, PeerAddr, Secrets, SessionLayer, SessionSlot, Store};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneService};

type Body = cloakroom::layer::SessionBody<Full<Bytes>>;

async fn answer<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let slot = request.extensions().get::<SessionSlot>().cloned();
    Ok(match count(slot).await {
        Ok(visits) => Response::new(format!("visit {visits}\n").into()),
        Err(error) => {
            // "The store cannot be reached" is no "signed out": say so, and leave the cookie alone.
            let mut response = Response::new("please try again\n".into());
            *response.status_mut() = if error.is_retryable() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            response
        }
    })
}

async fn count(slot: Option<SessionSlot>) -> Result<u64, Error> {
    let Some(slot) = slot else {
        return Ok(0);
    };
    let session = slot.session().await?;
    session.update("visits", |n: Option<u64>| n.unwrap_or(0) + 1)
}

pub(crate) fn service<B: Send + 'static>(
    store: impl Store,
    secrets: Secrets,
) -> Result<BoxCloneService<Request<B>, Response<Body>, Infallible>, Error> {
    let sessions = SessionLayer::builder(store, secrets).build()?;
    Ok(ServiceBuilder::new()
        .layer(sessions)
        .service(service_fn(answer::<B>))
        .boxed_clone())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secrets = Secrets::new(["a long random text that only the server knows"])?;
    let service = service::<hyper::body::Incoming>(MemoryStore::new(), secrets)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        // Lets the layer decide whether this peer is a proxy whose forwarded headers are believed.
        let service = service.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(PeerAddr(peer.ip()));
            request
        });
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            // A connection that breaks is the client's affair.
            let _ = connection.await;
        });
    }
}
