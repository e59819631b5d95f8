//! A browser in miniature: sends what it was given, keeps the cookies that it is told to keep.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use http::{
    HeaderMap, Method, Request, StatusCode,
    header::{COOKIE, SET_COOKIE},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// A cookie jar in front of a router; clones share the jar.
#[derive(Clone)]
pub struct Client {
    app: Router,
    jar: Arc<Mutex<BTreeMap<String, String>>>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn set_cookies(&self) -> Vec<String> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values.map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    /// The only Set-Cookie header, if there is one.
    pub fn set_cookie(&self) -> Option<String> {
        let mut all = self.set_cookies();
        assert!(all.len() <= 1, "{all:?}");
        all.pop()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

impl Client {
    pub fn new(app: Router) -> Self {
        Self {
            app,
            jar: Arc::default(),
        }
    }

    /// Another browser on the same application.
    pub fn other(&self) -> Self {
        Self::new(self.app.clone())
    }

    /// A browser with a copy of this one's cookies as they are now.
    pub fn copy(&self) -> Self {
        Self {
            app: self.app.clone(),
            jar: Arc::new(Mutex::new(self.jar.lock().unwrap().clone())),
        }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar.lock().unwrap().get(name).cloned()
    }

    pub fn put_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock().unwrap();
        jar.insert(name.to_owned(), value.to_owned());
    }

    /// The session id in the cookie of this name.
    pub fn id(&self, name: &str) -> Option<String> {
        let value = self.cookie(name)?;
        let id = value.strip_prefix("s%3A")?.split('.').next()?;
        Some(id.to_owned())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    pub async fn method(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path)).await
    }

    pub async fn send(&self, request: http::request::Builder) -> Answer {
        let cookies = self
            .jar
            .lock()
            .unwrap()
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>();
        let mut request = request;
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        };
        self.keep(&answer);
        answer
    }

    fn keep(&self, answer: &Answer) {
        let mut jar = self.jar.lock().unwrap();
        for header in answer.set_cookies() {
            let (name, rest) = header.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if header.contains("Expires=Thu, 01 Jan 1970") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
