//! One request, to see that a program answers as it must before it is loaded.

use std::time::Duration;

use axum::http::{HeaderMap, Request, header};
use bytes::Bytes;
use cloakroom_bench_common::{
    page::{IndexPage, LOGIN_PAGE},
    sessions::{LIFETIME, USER, id_text},
};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::Failure;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

/// Asks `GET path` once, with the cookie if there is one.
///
/// # Errors
///
/// There was no answer within ten seconds, or it was no text.
pub fn get(port: u16, path: &str, cookie: Option<&str>) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asking = async {
        let mut request = Request::get(format!("http://127.0.0.1:{port}{path}"));
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (head, body) = client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok::<_, Failure>(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec())?,
        })
    };
    let limit = Duration::from_secs(10);
    runtime
        .block_on(async { tokio::time::timeout(limit, asking).await })
        .map_err(|_| format!("no answer to GET {path} within {} s", limit.as_secs()))?
}

/// The page that whoever holds the n-th session must be shown, to the byte.
#[must_use]
pub fn expected_page(n: u64) -> String {
    IndexPage {
        user_name: USER,
        session_id: &id_text(n),
        seconds: LIFETIME.as_secs(),
    }
    .html()
}

/// Why an answer is not the page of the n-th session; `None` if it is.
#[must_use]
pub fn objection_to_page(answer: &Answer, n: u64) -> Option<String> {
    objection(answer, &expected_page(n))
}

/// Why an answer is not the login page; `None` if it is.
#[must_use]
pub fn objection_to_login(answer: &Answer) -> Option<String> {
    objection(answer, LOGIN_PAGE)
}

fn objection(answer: &Answer, expected: &str) -> Option<String> {
    if answer.status != 200 {
        return Some(format!(
            "status {} in place of 200: {}",
            answer.status, answer.body
        ));
    }
    (answer.body != expected).then(|| format!("{:?} in place of {expected:?}", answer.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn only_the_very_bytes_with_200_are_the_page() {
        let page = expected_page(3);
        assert_eq!(objection_to_page(&answer(200, &page), 3), None);
        assert!(objection_to_page(&answer(200, &page), 4).is_some());
        assert!(objection_to_page(&answer(302, ""), 3).is_some());
        assert!(objection_to_page(&answer(200, &format!("{page}\n")), 3).is_some());
        assert_eq!(objection_to_login(&answer(200, LOGIN_PAGE)), None);
        assert!(objection_to_login(&answer(200, &page)).is_some());
    }
}
