//! Keeps other sites from acting in a visitor's name.
//!
//! A request that changes something passes if the browser says that it comes from our own pages, or if no browser
//! says anything. The rule for unsafe methods is the one of Go's `http.CrossOriginProtection`: `Sec-Fetch-Site` decides
//! where it is sent; otherwise `Origin` must name our host; a request with neither is no browser's. `same-site` is
//! refused as well, since a neighbouring subdomain may be in other hands.
//!
//! The article's forms use GET, which the rule lets through. Their two addresses change the session, so a GET of
//! them is held to the same rule.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::routes::error::PageError;

/// The addresses that change the session even with GET.
const CHANGING: [&str; 2] = ["/save-session", "/delete-session"];

/// Answers 403 to what another site sent.
pub(crate) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if passes(request.method(), request.uri(), request.headers()) {
        next.run(request).await
    } else {
        PageError::OtherSite.into_response()
    }
}

/// Whether the request may go on.
fn passes(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let changes = match *method {
        Method::HEAD | Method::OPTIONS => false,
        Method::GET => CHANGING.contains(&uri.path().trim_end_matches('/')),
        _ => true,
    };
    if !changes {
        return true;
    }
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    if sites.peek().is_some() {
        return sites.all(|site| site == "same-origin" || site == "none");
    }
    let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
    if origins.peek().is_none() {
        return true;
    }
    let host = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| {
            headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
        });
    origins.all(|origin| {
        let origin_host = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .map(|(_scheme, host)| host);
        match (origin_host, host) {
            (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ask(method: &Method, path: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("shop.example:3000"));
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        passes(method, &path.parse().unwrap(), &headers)
    }

    #[test]
    fn r27_unsafe_methods_follow_the_table() {
        type Headers = &'static [(&'static str, &'static str)];
        let table: [(Headers, bool); 14] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("sec-fetch-site", "SAME-ORIGIN")], false),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            // What the browser says about the site outweighs the origin, which a proxy's host name may not match.
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://other.example"),
                ],
                true,
            ),
            (&[("origin", "http://shop.example:3000")], true),
            (&[("origin", "http://SHOP.example:3000")], true),
            (&[("origin", "http://shop.example")], false),
            (&[("origin", "https://other.example")], false),
            (&[("origin", "null")], false),
        ];
        for (headers, expected) in table {
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(
                    ask(&method, "/any", headers),
                    expected,
                    "{method} {headers:?}"
                );
            }
            for path in [
                "/save-session?userName=a",
                "/delete-session",
                "/delete-session/",
            ] {
                assert_eq!(
                    ask(&Method::GET, path, headers),
                    expected,
                    "{path} {headers:?}"
                );
            }
            for path in ["/", "/login", "/save-session2", "/stylesheets/style.css"] {
                assert!(ask(&Method::GET, path, headers), "{path} {headers:?}");
            }
            for method in [Method::HEAD, Method::OPTIONS] {
                assert!(
                    ask(&method, "/save-session", headers),
                    "{method} {headers:?}"
                );
            }
        }
    }

    #[test]
    fn r27_an_address_in_the_request_line_is_the_host() {
        let headers = HeaderMap::from_iter([(
            header::ORIGIN,
            HeaderValue::from_static("http://shop.example"),
        )]);
        let same = "http://shop.example/save-session".parse().unwrap();
        assert!(passes(&Method::POST, &same, &headers));
        let other = "http://other.example/save-session".parse().unwrap();
        assert!(!passes(&Method::POST, &other, &headers));
        let none = "/save-session".parse().unwrap();
        assert!(!passes(&Method::POST, &none, &headers), "no host at all");
    }
}
