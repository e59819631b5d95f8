//! What the tests share: a client that speaks real HTTP, and a visitor with a cookie.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{COOKIE, LOCATION, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a test waits for what must come, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The seconds that the page shows.
    pub(crate) fn seconds(&self) -> u64 {
        between(&self.body, "<strong id=\"seconds\">", "</strong>")
            .parse()
            .unwrap()
    }

    /// The id that the page shows.
    pub(crate) fn session_id(&self) -> &str {
        between(&self.body, "<code>", "</code>")
    }

    /// The page's main heading, as it stands in the HTML.
    pub(crate) fn heading(&self) -> &str {
        let rest = between(&self.body, "<h1", "</h1>");
        rest.split_once('>').unwrap().1
    }

    /// All `Set-Cookie` headers.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }
}

/// The text between two marks.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from} in {text}"));
    rest.split_once(to).unwrap().0
}

/// Sends one request on a connection of its own.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request));
    let (head, body) = answer.await.unwrap().unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A visitor: keeps the cookie that the application gives, and gives it back. Asked to come again later (503), it does: on a
/// busy machine a store that works may be late once.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) address: SocketAddr,
    /// `name=value`, as the browser sends it.
    pub(crate) cookie: Option<String>,
    comes_again: bool,
}

#[allow(dead_code, reason = "each test binary uses its part")]
impl Visitor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookie: None,
            comes_again: true,
        }
    }

    /// One that takes a 503 for the answer.
    pub(crate) fn that_takes_no(self) -> Self {
        Self {
            comes_again: false,
            ..self
        }
    }

    /// Sends a request with the cookie and keeps what comes back.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let start = Instant::now();
        loop {
            let answer = self.ask_once(method, path, headers, body).await;
            let late = answer.status == StatusCode::SERVICE_UNAVAILABLE && self.comes_again;
            if !late || start.elapsed() > PATIENCE {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask_once(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let answer = send(self.address, request.body(body).unwrap()).await;
        for cookie in answer.cookies() {
            let pair = cookie.split(';').next().unwrap();
            let gone = cookie.contains("Expires=Thu, 01 Jan 1970");
            self.cookie = (!gone).then(|| pair.to_owned());
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// Posts a form.
    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Answer {
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        self.ask("POST", path, &form_type, form).await
    }

    /// Logs in and answers with the start page.
    pub(crate) async fn log_in(&mut self, form_value: &str) -> Answer {
        let answer = self
            .post("/save-session", &format!("userName={form_value}"))
            .await;
        assert_eq!((answer.status.as_u16(), answer.location()), (302, "/"));
        self.get("/").await
    }

    /// The start page shows a name.
    pub(crate) async fn is_logged_in(&mut self) -> bool {
        let answer = self.get("/").await;
        assert!(
            answer.status == 200 || answer.location() == "/login",
            "{answer:?}"
        );
        answer.status == 200
    }
}
