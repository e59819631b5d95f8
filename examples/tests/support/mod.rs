//! A browser small enough for these tests: it keeps cookies and asks a service.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::{Service, ServiceExt as _};

/// Keeps cookies by name, path included, as a browser does.
#[derive(Default)]
pub(crate) struct Browser {
    jar: Vec<Cookie>,
}

struct Cookie {
    name: String,
    value: String,
    path: String,
}

/// An answer whose body has been read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) async fn get<S, B>(&mut self, service: &S, path: &str) -> Answer
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Debug,
    {
        self.read(self.request(path).body(Body::empty()).unwrap(), service)
            .await
    }

    pub(crate) async fn post<S, B>(&mut self, service: &S, path: &str, form: &str) -> Answer
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Debug,
    {
        let request = self
            .request(path)
            .method("POST")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        self.read(request, service).await
    }

    /// The answer's head is taken in before the body is read.
    pub(crate) async fn send<S, B>(&mut self, request: Request<Body>, service: &S) -> Response<B>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
    {
        let response = service.clone().oneshot(request).await.unwrap();
        for header in response.headers().get_all(header::SET_COOKIE) {
            self.take(header.to_str().unwrap());
        }
        response
    }

    async fn read<S, B>(&mut self, request: Request<Body>, service: &S) -> Answer
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Data = Bytes>,
        B::Error: std::fmt::Debug,
    {
        let (head, body) = self.send(request, service).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn request(&self, path: &str) -> http::request::Builder {
        let cookies: Vec<String> = self
            .jar
            .iter()
            .filter(|cookie| path.starts_with(&cookie.path))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        let request = Request::builder().uri(path);
        if cookies.is_empty() {
            return request;
        }
        request.header(header::COOKIE, cookies.join("; "))
    }

    fn take(&mut self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let path = attributes
            .split("; ")
            .find_map(|attribute| attribute.strip_prefix("Path="))
            .unwrap();
        self.jar
            .retain(|cookie| cookie.name != name || cookie.path != path);
        if !attributes.contains("Expires=Thu, 01 Jan 1970") {
            self.jar.push(Cookie {
                name: name.to_owned(),
                value: value.to_owned(),
                path: path.to_owned(),
            });
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.jar.iter().any(|cookie| cookie.name == name)
    }
}

impl Answer {
    /// The one `Set-Cookie` of the answer.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let mut headers = self.headers.get_all(header::SET_COOKIE).iter();
        let only = headers.next().map(|header| header.to_str().unwrap());
        assert!(headers.next().is_none(), "one cookie at most");
        only
    }
}
