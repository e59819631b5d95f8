//! An HTTP client on one connection that stays open.

use std::io;

use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{COOKIE, HOST, SET_COOKIE},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::ask::{Answer, Ask, HEADER};

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The `Cookie` headers.
    pub cookies: Vec<String>,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: Option<String>,
    /// `Host`.
    pub host: String,
    /// What the server is asked to do.
    pub ask: Ask,
}

impl Call {
    /// A GET of `/`.
    #[must_use]
    pub fn get(ask: Ask) -> Self {
        Self {
            method: Method::GET,
            path: "/".to_owned(),
            cookies: Vec::new(),
            forwarded_proto: None,
            host: "localhost".to_owned(),
            ask,
        }
    }

    /// With a cookie.
    #[must_use]
    pub fn cookie(mut self, header: impl Into<String>) -> Self {
        self.cookies.push(header.into());
        self
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Response {
    /// The `Set-Cookie` headers.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<String> {
        let headers = self.headers.get_all(SET_COOKIE).iter();
        headers
            .map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned())
            .collect()
    }

    /// `name=value` of the `Set-Cookie` header, if there is one that sets a value.
    #[must_use]
    pub fn cookie(&self) -> Option<String> {
        let header = self.set_cookies().into_iter().next()?;
        let pair = header.split(';').next()?;
        (!pair.ends_with('=')).then(|| pair.to_owned())
    }

    /// The id in that cookie.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        id_of(&self.cookie()?)
    }

    /// What the operations saw; empty where there is no such body.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        serde_json::from_str::<Answer>(&self.body).map_or_else(|_| Vec::new(), |answer| answer.log)
    }

    /// What the last operation saw.
    #[must_use]
    pub fn last(&self) -> Value {
        self.log().pop().unwrap_or(Value::Null)
    }
}

/// The id in `name=s%3A<id>.<mac>`.
#[must_use]
pub fn id_of(pair: &str) -> Option<String> {
    let wire = pair.split_once('=')?.1;
    let value = percent_encoding::percent_decode_str(wire)
        .decode_utf8()
        .ok()?;
    let (id, _) = value.strip_prefix("s:")?.rsplit_once('.')?;
    Some(id.to_owned())
}

/// The client.
#[derive(Debug)]
pub struct Client {
    port: u16,
    sender: Option<SendRequest<Empty<bytes::Bytes>>>,
}

impl Client {
    /// A client of a server on this machine.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port, sender: None }
    }

    /// The server's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn connected(&mut self) -> io::Result<&mut SendRequest<Empty<bytes::Bytes>>> {
        let usable = self
            .sender
            .as_ref()
            .is_some_and(|sender| !sender.is_closed());
        if !usable {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender
            .as_mut()
            .ok_or_else(|| io::Error::other("no connection"))
    }

    /// Sends and waits for the whole response.
    ///
    /// # Errors
    ///
    /// The network's.
    pub async fn send(&mut self, call: &Call) -> io::Result<Response> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.path)
            .header(HOST, &call.host)
            .header(HEADER, call.ask.to_header());
        for cookie in &call.cookies {
            request = request.header(COOKIE, cookie.as_bytes());
        }
        if let Some(proto) = &call.forwarded_proto {
            request = request.header("x-forwarded-proto", proto);
        }
        let request = request.body(Empty::new()).map_err(io::Error::other)?;
        let sender = self.connected().await?;
        sender.ready().await.map_err(io::Error::other)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
