//! A way to a server that can be disturbed.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};

/// What happens to connections, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Bytes pass.
    Open,
    /// A black hole: connections stay open and are accepted, and whatever is sent vanishes.
    BlackHole,
    /// Connections are reset.
    Reset,
}

/// Forwards to a port of this machine. Must live in a tokio runtime.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, watched) = watch::channel(Way::Open);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, target, watched.clone()));
            }
        });
        Self { port, way, task }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(stream: TcpStream, target: u16, mut way: watch::Receiver<Way>) {
    if *way.borrow_and_update() != Way::Reset {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        if let Ok(server) = TcpStream::connect(address).await {
            let (from_client, to_client) = stream.into_split();
            let (from_server, to_server) = server.into_split();
            let both = async {
                tokio::join!(
                    pump(from_client, to_server, way.clone()),
                    pump(from_server, to_client, way.clone())
                )
            };
            let reset = async {
                let mut way = way.clone();
                let _ = way.wait_for(|way| *way == Way::Reset).await;
            };
            tokio::select! {
                ((client, _), (_, _)) = both => drop(client),
                () = reset => {}
            }
            return;
        }
    }
    // Closed with unread bytes or at once: the other side sees a reset or an end either way.
    drop(stream);
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: watch::Receiver<Way>,
) -> (OwnedReadHalf, OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // What enters a black hole does not come out of it later.
        if *way.borrow() == Way::BlackHole {
            continue;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    (from, to)
}
