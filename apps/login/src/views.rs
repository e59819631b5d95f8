//! The pages: templates with their data, and the HTML answers made of them.
//!
//! Templates escape whatever they show. Pages are never kept by a cache, since each shows one visitor's session at
//! one moment.

use std::time::Duration;

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::device::Device;

/// The page of who is logged in.
#[derive(Template)]
#[template(path = "index.html")]
pub(crate) struct IndexPage {
    pub(crate) user_name: String,
    pub(crate) session_id: String,
    /// `None` if the store keeps the session without an end.
    pub(crate) left: Option<TimeLeft>,
}

/// The time that a session has left when the answer is made.
pub(crate) struct TimeLeft {
    pub(crate) left_ms: u128,
    pub(crate) lifetime_ms: u128,
    /// Whether a visit starts the time anew.
    pub(crate) renewed: bool,
}

impl TimeLeft {
    pub(crate) fn new(left: Duration, lifetime: Duration, renewed: bool) -> Self {
        Self {
            left_ms: left.as_millis(),
            lifetime_ms: lifetime.max(left).as_millis(),
            renewed,
        }
    }

    fn seconds(&self) -> u128 {
        self.left_ms.div_ceil(1000)
    }

    /// Seconds after which a page without JavaScript asks again: late enough for the session to be over by then,
    /// or asking would extend it.
    fn refresh_after(&self) -> u128 {
        self.seconds() + 1
    }
}

/// The form that asks for a name.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage;

/// Where a visitor is logged in.
#[derive(Template)]
#[template(path = "devices.html")]
pub(crate) struct DevicesPage {
    /// In the order in which they are shown.
    pub(crate) devices: Vec<Device>,
}

/// What went wrong.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    pub(crate) status: u16,
    pub(crate) message: &'a str,
    pub(crate) advice: &'a str,
    /// For developers: never in production.
    pub(crate) detail: Option<&'a str>,
}

/// An HTML answer. A template that cannot be rendered is a plain 500: there is no page to show it on.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
        }
    }
}

/// 302 to `location`, as express redirects.
pub(crate) fn found(location: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(user_name: &str, left: Option<Duration>) -> String {
        let page = IndexPage {
            user_name: user_name.to_owned(),
            session_id: "Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS".to_owned(),
            left: left.map(|left| TimeLeft::new(left, Duration::from_secs(60), true)),
        };
        page.render().unwrap()
    }

    #[test]
    fn the_start_page_shows_name_id_and_seconds() {
        let html = index("\u{82b1}\u{5b50}", Some(Duration::from_millis(58_001)));
        assert!(html.contains(">Hello, \u{82b1}\u{5b50}!</h1>"), "{html}");
        assert!(html.contains("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS"));
        assert!(html.contains(r#"data-left-ms="58001""#));
        assert!(
            html.contains(r#"<strong id="seconds">59</strong>"#),
            "rounded up"
        );
        assert!(html.contains(r#"max="60000" value="58001""#));
        // Without JavaScript the page asks again only when the session is over for sure.
        assert!(html.contains(r#"content="60; url=/login""#));
    }

    #[test]
    fn a_session_without_an_end_has_no_countdown() {
        let html = index("a", None);
        assert!(html.contains("never"));
        assert!(!html.contains("data-left-ms") && !html.contains("http-equiv"));
    }

    #[test]
    fn names_are_escaped_wherever_they_stand() {
        let html = index("</title><script>alert('1')</script>\"&", None);
        assert_eq!(html.matches("<script").count(), 1, "only our own: {html}");
        assert_eq!(html.matches("</title>").count(), 1);
        assert!(!html.contains("alert('1')"));
    }

    #[test]
    fn pages_have_neither_inline_scripts_nor_inline_styles() {
        let pages = [
            index("a", Some(Duration::from_secs(1))),
            LoginPage.render().unwrap(),
        ];
        for html in pages {
            assert!(!html.contains("<script>") && !html.contains("<style"));
            assert!(!html.contains("style=") && !html.contains("onclick"));
        }
    }

    #[test]
    fn error_details_are_shown_only_where_there_are_any() {
        let mut page = ErrorPage {
            status: 500,
            message: "Internal Server Error",
            advice: "Try again.",
            detail: Some("<why>"),
        };
        let html = page.render().unwrap();
        assert!(html.contains("<pre>&#60;why&#62;</pre>"), "{html}");
        page.detail = None;
        assert!(!page.render().unwrap().contains("<pre>"));
    }
}
