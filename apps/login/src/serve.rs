//! Serving on several threads, each with a runtime of its own.
//!
//! On a runtime that several threads share, any of them continues a request once its session is there, and mostly it is another one:
//! what the request has touched then comes from the other processor's cache. Here a connection stays with its thread, as in actix-web or
//! nginx. What that brings is in DESIGN.md ("Speed").

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    io,
    net::{self, SocketAddr},
    num::NonZeroUsize,
    pin::pin,
    task::{Context, Poll},
    thread,
};

use axum::{
    Extension,
    extract::Request,
    middleware::AddExtension,
    response::Response,
    serve::{IncomingStream, Listener},
};
use cloakroom::PeerAddr;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};
use tower_layer::Layer as _;
use tower_service::Service;

/// What can be served.
pub trait App:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> App for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves on this thread and on as many more as `threads` says, connection by connection in turn, until `stop` is ready. Then no new
/// connection is taken. When all threads have answered all requests, each of the others waits for `settled`, and it ends with the last
/// of them: what was begun beside a response goes on in the runtime of its thread. What this thread has begun is left to the caller.
///
/// Where the future is dropped, the other threads end as soon as `settled` is ready, whatever is still asked.
///
/// # Errors
/// A thread cannot be started, or has ended by itself.
pub async fn serve<F: Future<Output = ()> + Send>(
    listener: TcpListener,
    app: impl App,
    threads: NonZeroUsize,
    stop: impl Future<Output = ()>,
    settled: impl Fn() -> F + Clone + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let (here, fed) = Fed::new(address);
    let (alive, cut) = watch::channel(());
    let (serving, mut served_all) = mpsc::channel(1);
    let (running, mut ended_all) = mpsc::channel(1);
    let mut feeds = vec![here];
    for number in 1..threads.get() {
        let (feed, fed) = Fed::new(address);
        let worker = Worker {
            fed,
            app: app.clone(),
            cut: cut.clone(),
            serving: serving.clone(),
            running: running.clone(),
        };
        worker.start(number, settled.clone())?;
        feeds.push(feed);
    }
    drop((serving, running));
    tokio::try_join!(accept(listener, feeds, stop), fed.serve(app))?;
    let _ = served_all.recv().await;
    drop(alive);
    let _ = ended_all.recv().await;
    Ok(())
}

/// Takes connections and gives them to the threads in turn.
async fn accept(
    mut listener: TcpListener,
    feeds: Vec<Feed>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut stop = pin!(stop);
    for feed in feeds.iter().cycle() {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = Listener::accept(&mut listener) => accepted,
        };
        // Small answers must not wait for acknowledgements of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection cannot be handed on");
                continue;
            }
        };
        if feed.send((stream, peer)).is_err() {
            return Err(io::Error::other("a thread that serves visitors has ended"));
        }
    }
    Ok(())
}

type Feed = mpsc::UnboundedSender<(net::TcpStream, SocketAddr)>;

/// The connections that a thread is given. The end of them is the end of serving.
struct Fed {
    connections: mpsc::UnboundedReceiver<(net::TcpStream, SocketAddr)>,
    address: SocketAddr,
    no_more: Option<oneshot::Sender<()>>,
}

impl Fed {
    fn new(address: SocketAddr) -> (Feed, Self) {
        let (feed, connections) = mpsc::unbounded_channel();
        let fed = Self {
            connections,
            address,
            no_more: None,
        };
        (feed, fed)
    }

    /// Serves what it is given, until there is no more and all requests are answered.
    async fn serve(mut self, app: impl App) -> io::Result<()> {
        let (no_more, stop) = oneshot::channel();
        self.no_more = Some(no_more);
        axum::serve(self, Visitors(app))
            .with_graceful_shutdown(async {
                let _ = stop.await;
            })
            .await
    }
}

impl Listener for Fed {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        while let Some((stream, peer)) = self.connections.recv().await {
            match TcpStream::from_std(stream) {
                Ok(stream) => return (stream, peer),
                Err(error) => tracing::warn!(%error, "a connection cannot be served"),
            }
        }
        if let Some(no_more) = self.no_more.take() {
            let _ = no_more.send(());
        }
        std::future::pending().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Makes the application for each connection: it knows whose it is.
struct Visitors<S>(S);

impl<S: Clone> Service<IncomingStream<'_, Fed>> for Visitors<S> {
    type Response = AddExtension<S, PeerAddr>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, Fed>) -> Self::Future {
        let peer = PeerAddr(stream.remote_addr().ip());
        ready(Ok(Extension(peer).layer(self.0.clone())))
    }
}

/// What a further thread has.
struct Worker<S> {
    fed: Fed,
    app: S,
    /// Closed when nobody waits for requests any more, of whichever thread.
    cut: watch::Receiver<()>,
    serving: Held,
    running: Held,
}

/// Nothing is ever sent: that the last one lets go of it is the message.
type Held = mpsc::Sender<Infallible>;

impl<S: App> Worker<S> {
    fn start<F: Future<Output = ()> + Send>(
        self,
        number: usize,
        settled: impl Fn() -> F + Send + 'static,
    ) -> io::Result<()> {
        let (started, starting) = std::sync::mpsc::channel();
        let name = format!("visitors-{number}");
        thread::Builder::new().name(name).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(error);
                    return;
                }
            };
            drop(started);
            let running = self.running.clone();
            runtime.block_on(self.serve(settled));
            drop(runtime);
            drop(running);
        })?;
        // Where it has started, there is no word.
        starting.recv().map_or(Ok(()), Err)
    }

    async fn serve<F: Future<Output = ()>>(self, settled: impl Fn() -> F) {
        let Self {
            fed,
            app,
            mut cut,
            serving,
            running: _,
        } = self;
        tokio::select! {
            served = fed.serve(app) => {
                if let Err(error) = served {
                    tracing::error!(%error, "serving failed");
                }
            }
            _ = cut.changed() => {}
        }
        drop(serving);
        let _ = cut.changed().await;
        settled().await;
    }
}
