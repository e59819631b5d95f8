//! One attempt to connect: the stream, TLS, who we are, which database, and what the server is.

use std::{
    fmt,
    io::{self, ErrorKind as IoKind},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Pipeline, RedisConnectionInfo, Value, aio::MultiplexedConnection,
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    address::Endpoint,
    credentials::{Credentials, CredentialsProvider},
    fault::{Fault, Refusal},
    keys::Keys,
    near_cache::{
        cache::Cache,
        tracking::{Listening, Refused, Tracking, is_tracked, sign_in, track},
    },
    server::ServerInfo,
    wire::{Driver, Wire},
};

/// Where, how, and as whom to connect.
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) identity: Identity,
    pub(crate) database: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) keys: Keys,
    /// For a store with a near cache.
    pub(crate) tracking: Option<Tracking>,
}

/// Who we are to the server.
pub(crate) enum Identity {
    Nobody,
    Fixed(Credentials),
    Asked(Arc<dyn CredentialsProvider>),
}

impl Identity {
    pub(crate) async fn credentials(&self) -> Result<Option<Credentials>, Fault> {
        match self {
            Self::Nobody => Ok(None),
            Self::Fixed(credentials) => Ok(Some(credentials.clone())),
            Self::Asked(provider) => match provider.credentials().await {
                Ok(credentials) => Ok(Some(credentials)),
                Err(error) => Err(Fault::Provider(Arc::new(error))),
            },
        }
    }
}

/// The address alone: no user, no password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Tcp { host, port } => {
                let scheme = if self.tls.is_some() {
                    "rediss"
                } else {
                    "redis"
                };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}/{}", self.database)
                } else {
                    write!(f, "{scheme}://{host}:{port}/{}", self.database)
                }
            }
            Endpoint::Unix(path) => write!(f, "unix://{}?db={}", path.display(), self.database),
        }
    }
}

/// A connection that is ready for work. Its driver ends when this is dropped.
pub(crate) struct Ready {
    pub(crate) wire: Wire,
    pub(crate) driver: Driver,
    pub(crate) info: ServerInfo,
    pub(crate) renew_after: Option<Duration>,
    pub(crate) near: Option<Arc<Cache>>,
}

/// A connection that the greeting goes over.
struct Opened {
    wire: Wire,
    driver: Driver,
    /// Whether who we are has been said already.
    signed_in: bool,
    near: Option<Arc<Cache>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How many requests may wait for the socket inside of the client; the bound that counts is `max_in_flight`.
const BUFFER: usize = 256;

impl Target {
    /// Connects within `connect_timeout`. `attempt` says with which of the host's addresses to begin.
    pub(crate) async fn connect(&self, attempt: usize) -> Result<Ready, Fault> {
        let connecting = async {
            let credentials = self.identity.credentials().await?;
            if let Some(tracking) = &self.tracking {
                let stream = self.stream(attempt).await?;
                let opened = self.open_near(tracking, stream, credentials.as_ref());
                if let Some(opened) = opened.await? {
                    return self.greet(opened, credentials).await;
                }
            }
            let stream = self.stream(attempt).await?;
            let ready = self.greet(self.open(stream).await?, credentials).await?;
            if let Some(tracking) = &self.tracking {
                tracking.tell_refused(Refused::Protocol);
            }
            Ok(ready)
        };
        match timeout(self.connect_timeout, connecting).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::SlowConnect),
        }
    }

    async fn stream(&self, attempt: usize) -> Result<Pin<Box<dyn Stream>>, Fault> {
        let (host, port) = match &self.endpoint {
            Endpoint::Tcp { host, port } => (host, *port),
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                return Ok(Box::pin(stream));
            }
        };
        let tcp = dial(host, port, attempt, self.connect_timeout).await?;
        // An answer must not wait for the next request.
        tcp.set_nodelay(true).map_err(unreachable)?;
        let Some(config) = &self.tls else {
            return Ok(Box::pin(tcp));
        };
        let name = ServerName::try_from(&**host)
            .map_err(|error| Fault::Tls(Arc::new(io::Error::other(error))))?
            .to_owned();
        let tls = TlsConnector::from(config.clone()).connect(name, tcp).await;
        match tls {
            Ok(tls) => Ok(Box::pin(tls)),
            // A server that goes away during the handshake is not one whose certificate is wrong.
            Err(error) if error.kind() == IoKind::ConnectionReset => Err(unreachable(error)),
            Err(error) if error.kind() == IoKind::UnexpectedEof => {
                Err(Fault::Dismissed { tls: true })
            }
            Err(error) => Err(Fault::Tls(Arc::new(error))),
        }
    }

    async fn open(&self, stream: Pin<Box<dyn Stream>>) -> Result<Opened, Fault> {
        // The client's own greeting does not say which part of it the server refused; ours does.
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let (conn, driver) =
            MultiplexedConnection::new_with_config(&silent, stream, config()).await?;
        let (wire, driver) = Wire::drive(conn, driver, self.keys.clone());
        Ok(Opened {
            wire,
            driver,
            signed_in: false,
            near: None,
        })
    }

    /// `None` where the server does not speak the protocol that a near cache needs. Why it does not, if it is not that it is
    /// too old, the other greeting finds out.
    async fn open_near(
        &self,
        tracking: &Tracking,
        mut stream: Pin<Box<dyn Stream>>,
        credentials: Option<&Credentials>,
    ) -> Result<Option<Opened>, Fault> {
        if let Some(credentials) = credentials {
            let answer = sign_in(&mut stream, &auth(credentials)).await;
            authenticated(&answer.map_err(|fault| self.dismissed(fault))?)?;
        }
        let listening = tracking.listen(stream, config()).await;
        let listening = listening.map_err(|fault| self.dismissed(fault))?;
        Ok(listening.map(|listening| {
            let Listening {
                wire,
                driver,
                cache,
            } = listening;
            Opened {
                wire,
                driver,
                signed_in: true,
                near: Some(cache),
            }
        }))
    }

    fn dismissed(&self, fault: Fault) -> Fault {
        match fault {
            // A refusal of our certificate comes after the handshake as this.
            Fault::Lost => Fault::Dismissed {
                tls: self.tls.is_some(),
            },
            fault => fault,
        }
    }

    async fn greet(
        &self,
        opened: Opened,
        credentials: Option<Credentials>,
    ) -> Result<Ready, Fault> {
        let Opened {
            wire,
            driver,
            signed_in,
            mut near,
        } = opened;
        let mut greeting = Pipeline::new();
        let to_sign_in = credentials.as_ref().filter(|_| !signed_in);
        if let Some(credentials) = to_sign_in {
            greeting.add_command(auth(credentials));
        }
        if self.database != 0 {
            greeting.cmd("SELECT").arg(self.database);
        }
        greeting.cmd("HELLO").cmd("INFO").arg("server");
        if near.is_some() {
            track(&mut greeting);
        }
        let answers = wire.pipeline(&greeting).await;
        let answers = answers.map_err(|fault| self.dismissed(fault))?;
        let mut answers = answers.iter();
        let mut next = || answers.next().ok_or(Fault::Protocol);
        if to_sign_in.is_some() {
            authenticated(next()?)?;
        }
        if self.database != 0 {
            selected(next()?, self.database)?;
        }
        let hello = next()?;
        if let Value::ServerError(error) = hello {
            match Refusal::of(error) {
                // A proxy or a server that does not know HELLO can still be of use.
                Refusal::Other | Refusal::Syntax | Refusal::NoPermission => {}
                Refusal::NoAuth => return Err(Fault::NoCredentials),
                _ => return Err(error.into()),
            }
        }
        if ServerInfo::is_sentinel(hello) {
            return Err(Fault::Sentinel);
        }
        let info = ServerInfo::read(hello, next()?);
        if let (Some(tracking), Some(_)) = (&self.tracking, &near)
            && let Err(refused) = is_tracked(next()?, next()?)
        {
            tracking.tell_refused(refused);
            near = None;
        }
        Ok(Ready {
            wire,
            driver,
            near,
            info,
            renew_after: credentials.and_then(|credentials| credentials.renew_after),
        })
    }
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(BUFFER)
}

/// Signs an open connection in anew.
pub(crate) async fn renew(wire: &Wire, identity: &Identity) -> Result<Option<Duration>, Fault> {
    let Some(credentials) = identity.credentials().await? else {
        return Ok(None);
    };
    let answer = wire.command(&auth(&credentials)).await?;
    authenticated(&answer)?;
    Ok(credentials.renew_after)
}

fn auth(credentials: &Credentials) -> redis::Cmd {
    let mut auth = redis::cmd("AUTH");
    if let Some(username) = &credentials.username {
        auth.arg(&**username);
    }
    auth.arg(&*credentials.password);
    auth
}

fn authenticated(answer: &Value) -> Result<(), Fault> {
    let Value::ServerError(error) = answer else {
        return Ok(());
    };
    if error
        .details()
        .is_some_and(|text| text.contains("without any password configured"))
    {
        return Err(Fault::NoPasswordSet);
    }
    match Refusal::of(error) {
        Refusal::Other | Refusal::Syntax | Refusal::WrongPass => Err(Fault::Credentials),
        refusal => Err(Fault::Server(refusal)),
    }
}

fn selected(answer: &Value, database: u32) -> Result<(), Fault> {
    let Value::ServerError(error) = answer else {
        return Ok(());
    };
    match Refusal::of(error) {
        Refusal::Other => Err(Fault::Database(database)),
        Refusal::NoAuth => Err(Fault::NoCredentials),
        refusal => Err(Fault::Server(refusal)),
    }
}

/// Tries every address of the host within `time`, another one first each time.
async fn dial(host: &str, port: u16, attempt: usize, time: Duration) -> Result<TcpStream, Fault> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| Fault::NoSuchHost(Arc::new(error)))?;
    let mut addresses: Vec<_> = found.collect();
    let first = attempt.checked_rem(addresses.len()).unwrap_or(0);
    addresses.rotate_left(first);
    one_of(&addresses, time).await.map_err(unreachable)
}

/// An address that swallows packets, as IPv6 does on many a machine, has its share of the time and leaves the rest to the
/// others.
async fn one_of(addresses: &[SocketAddr], time: Duration) -> io::Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(IoKind::NotFound.into());
    };
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in others {
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await
}

fn unreachable(error: io::Error) -> Fault {
    Fault::Unreachable(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_swallows_packets_leaves_time_for_the_next_one() {
        // Whoever is beyond the queue of a listener that accepts nobody gets no answer.
        let hole = TcpSocket::new_v4().unwrap();
        hole.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let hole = hole.listen(1).unwrap();
        let swallows = hole.local_addr().unwrap();
        let mut queue = Vec::new();
        let patience = Duration::from_millis(300);
        while let Ok(stream) = timeout(patience, TcpStream::connect(swallows)).await {
            queue.push(stream.unwrap());
            assert!(queue.len() < 64, "the queue has no end");
        }
        let works = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let works = works.local_addr().map(|address| (works, address)).unwrap();
        let time = Duration::from_secs(2);
        let stream = timeout(time, one_of(&[swallows, works.1], time)).await;
        let stream = stream.expect("the whole time went to the first address");
        assert_eq!(stream.unwrap().peer_addr().unwrap(), works.1);
    }
}
