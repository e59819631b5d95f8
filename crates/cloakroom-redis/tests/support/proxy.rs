//! A way to a server that can be disturbed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
};

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

/// How often the client spoke after the server: the round trips that somebody waited for.
#[derive(Clone, Debug, Default)]
struct Turns(Arc<(AtomicUsize, AtomicUsize)>);

impl Turns {
    fn client_spoke(&self) {
        if self.0.1.swap(0, Ordering::SeqCst) == 0 {
            return;
        }
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }

    fn server_spoke(&self) {
        self.0.1.store(1, Ordering::SeqCst);
    }
}

/// Forwards to a port of this machine. Must live in a tokio runtime.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    target: Arc<AtomicU16>,
    turns: Turns,
    way: watch::Sender<Way>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(target: u16) -> Self {
        Self::rewriting(target, "", "").await
    }

    /// Writes `with` where the server says `what`; both have the same length.
    pub async fn rewriting(target: u16, what: &'static str, with: &'static str) -> Self {
        assert_eq!(what.len(), with.len());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, watched) = watch::channel(Way::Open);
        let turns = Turns::default();
        let target = Arc::new(AtomicU16::new(target));
        let pair = Pair {
            target: target.clone(),
            way: watched,
            turns: turns.clone(),
            rewrite: (what, with),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pair.clone().forward(stream));
            }
        });
        Self {
            port,
            target,
            turns,
            way,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The round trips since the last call of this.
    pub fn turns(&self) -> usize {
        self.turns.0.0.swap(0, Ordering::SeqCst)
    }

    /// Where new connections lead; old ones stay.
    pub fn lead_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
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

#[derive(Clone)]
struct Pair {
    target: Arc<AtomicU16>,
    way: watch::Receiver<Way>,
    turns: Turns,
    rewrite: (&'static str, &'static str),
}

impl Pair {
    async fn forward(self, stream: TcpStream) {
        if *self.way.borrow() == Way::Reset {
            return;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target.load(Ordering::SeqCst)));
        let Ok(server) = TcpStream::connect(address).await else {
            return;
        };
        let (from_client, to_client) = stream.into_split();
        let (from_server, to_server) = server.into_split();
        let both = async {
            tokio::join!(
                self.pump(from_client, to_server, true),
                self.pump(from_server, to_client, false)
            )
        };
        let mut way = self.way.clone();
        let reset = way.wait_for(|way| *way == Way::Reset);
        tokio::select! {
            _ = both => {}
            _ = reset => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, from_client: bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let way = *self.way.borrow();
            match way {
                Way::Open => {}
                // What enters a black hole does not come out of it later.
                Way::BlackHole => continue,
                // Not even what arrives before the reset is noticed.
                Way::Reset => return,
            }
            if from_client {
                // Nobody waits for the heartbeat, which comes when it comes.
                if !buffer[..read].windows(4).any(|word| word == b"PING") {
                    self.turns.client_spoke();
                }
            } else {
                self.turns.server_spoke();
                self.rewrite(&mut buffer[..read]);
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    }

    fn rewrite(&self, bytes: &mut [u8]) {
        let (what, with) = (self.rewrite.0.as_bytes(), self.rewrite.1.as_bytes());
        if what.is_empty() {
            return;
        }
        while let Some(at) = bytes.windows(what.len()).position(|found| found == what) {
            bytes[at..at + what.len()].copy_from_slice(with);
        }
    }
}
