//! The pages of the article's application, as express renders them from the article's Jade templates.

use askama::Template;

/// `GET /` of who is logged in.
#[derive(Debug, Template)]
#[template(path = "index.html")]
pub struct IndexPage<'a> {
    /// The name in the session.
    pub user_name: &'a str,
    /// The session's id.
    pub session_id: &'a str,
    /// How long the session lives after this request, in seconds.
    pub seconds: u64,
}

impl IndexPage<'_> {
    /// The page. Rendering into a string cannot fail; if it ever does, the page is empty and the check of the answer
    /// before each load says so.
    #[must_use]
    pub fn html(&self) -> String {
        self.render().unwrap_or_default()
    }
}

/// `GET /login` of who is not logged in.
pub const LOGIN_PAGE: &str = r#"<!DOCTYPE html><html><head><title></title><link rel="stylesheet" href="/stylesheets/style.css"></head><body><h1>Login</h1><form action="/save-session"><input name="userName"><input type="submit"></form></body></html>"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_line_with_name_id_and_seconds() {
        let page = IndexPage {
            user_name: "<花子>",
            session_id: "abc",
            seconds: 60,
        };
        assert_eq!(
            page.html(),
            r#"<!DOCTYPE html><html><head><title></title><link rel="stylesheet" href="/stylesheets/style.css"></head><body><h1>Hello, &#60;花子&#62;!</h1><p>SESSION ID : abc</p><p>Expire on after 60s</p><a href="/delete-session">Logout</a></body></html>"#
        );
    }
}
