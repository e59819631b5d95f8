//! The `Cookie` header in, the `Set-Cookie` header out.
//!
//! [`CookieOptions`] says which attributes the browser is given; how long the cookie lives is not among them, since that
//! follows from the session. The defaults are the strictest that work everywhere: a `__Host-` name, which a browser
//! accepts only over https, for this very host and all its paths, so that no sibling domain can plant one.
//! [`CookieOptions::express`] is what express-session has when it is told nothing.
//!
//! Combinations that browsers ignore, silently and every time, are errors here: see [`CookieOptions::validate`].

mod parse;
mod set;
mod validate;

pub(crate) use parse::named;
pub use parse::{Pair, pairs};
pub use set::{SetCookie, encode_value};

use crate::record::StoredAttributes;

/// The name, the attributes and the scope of the session cookie.
///
/// The setters consume and return the options; nothing is checked before [`validate`](Self::validate), which whoever
/// takes options calls once. The fields can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct CookieOptions {
    /// The name.
    pub name: String,
    /// The paths that the browser sends the cookie to, and that have a session.
    pub path: String,
    /// The domain whose hosts all get the cookie; `None` for the host that set it, alone.
    pub domain: Option<String>,
    /// Whether scripts in the page are kept from reading it.
    pub http_only: bool,
    /// Whether the browser keeps it to https.
    pub secure: Secure,
    /// Whether requests from other sites carry it; `None` leaves that to the browser.
    pub same_site: Option<SameSite>,
    /// Whether an embedded page has one for each site it is embedded in (CHIPS).
    pub partitioned: bool,
    /// What Chromium gives up first when there are too many cookies.
    pub priority: Option<Priority>,
}

/// Whether the cookie has the `Secure` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Secure {
    /// Always, also in answer to a request that came over http: a browser drops the cookie there, except from
    /// `localhost`. Whether to save a session whose cookie would be lost is not decided here.
    Yes,
    /// Never: whoever is on the way can read it.
    No,
    /// If the request came over https: express's `'auto'`, decided anew for each response.
    ByRequest,
}

/// The `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// Requests from other sites never carry the cookie, not even when a link is followed.
    Strict,
    /// Requests from other sites carry it when a link is followed, and not otherwise.
    Lax,
    /// All requests carry it. Needs [`Secure::Yes`].
    None,
    /// `None` where the cookie is written with `Secure`, else `Lax`: express's `'auto'`, without its case of `None` on a
    /// cookie that is not secure.
    Auto,
}

/// The `Priority` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Given up first.
    Low,
    /// The browser's default.
    Medium,
    /// Given up last.
    High,
}

impl Default for CookieOptions {
    fn default() -> Self {
        Self {
            name: "__Host-sid".to_owned(),
            path: "/".to_owned(),
            domain: None,
            http_only: true,
            secure: Secure::Yes,
            same_site: Some(SameSite::Lax),
            partitioned: false,
            priority: None,
        }
    }
}

impl CookieOptions {
    /// `__Host-sid; Path=/; HttpOnly; Secure; SameSite=Lax`.
    pub fn new() -> Self {
        Self::default()
    }

    /// What express-session uses when it is told nothing: `connect.sid; Path=/; HttpOnly`, and neither `Secure` nor
    /// `SameSite`. Weaker than [`new`](Self::new), and what shares logins with a Node service left at its defaults.
    pub fn express() -> Self {
        Self {
            name: "connect.sid".to_owned(),
            secure: Secure::No,
            same_site: None,
            ..Self::default()
        }
    }

    /// Sets the name. `__Host-` and `__Secure-` in front have a meaning to browsers.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the path.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the domain. All its hosts get the cookie, and each of them can overwrite it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets whether scripts are kept from reading the cookie.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Sets when the cookie has the `Secure` attribute.
    pub fn secure(mut self, secure: Secure) -> Self {
        self.secure = secure;
        self
    }

    /// Sets the `SameSite` attribute, or leaves it out.
    pub fn same_site(mut self, same_site: Option<SameSite>) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets whether the cookie is partitioned.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Sets the `Priority` attribute, or leaves it out.
    pub fn priority(mut self, priority: Option<Priority>) -> Self {
        self.priority = priority;
        self
    }

    /// Whether the cookie is written with `Secure` in answer to a request that came over https or did not.
    #[must_use]
    pub fn secure_for(&self, secure_request: bool) -> bool {
        match self.secure {
            Secure::Yes => true,
            Secure::No => false,
            Secure::ByRequest => secure_request,
        }
    }

    /// The `SameSite` that the cookie is written with: never [`SameSite::Auto`].
    #[must_use]
    pub fn same_site_for(&self, secure_request: bool) -> Option<SameSite> {
        match self.same_site? {
            SameSite::Auto if self.secure_for(secure_request) => Some(SameSite::None),
            SameSite::Auto => Some(SameSite::Lax),
            settled => Some(settled),
        }
    }

    /// The attributes that a new session's stored value carries for its Node readers, with what depends on the request
    /// resolved, as express-session does when it makes a session. What is not configured is left out there too.
    #[must_use]
    pub fn stored_attributes(&self, secure_request: bool) -> StoredAttributes {
        let same_site = self
            .same_site_for(secure_request)
            .map(|same_site| match same_site {
                SameSite::Strict => "strict",
                SameSite::None => "none",
                SameSite::Lax | SameSite::Auto => "lax",
            });
        let priority = self.priority.map(|priority| match priority {
            Priority::Low => "low",
            Priority::Medium => "medium",
            Priority::High => "high",
        });
        StoredAttributes {
            partitioned: self.partitioned.then_some(true),
            priority: priority.map(str::to_owned),
            secure: (self.secure != Secure::No).then(|| self.secure_for(secure_request)),
            http_only: self.http_only,
            domain: self.domain.clone(),
            path: self.path.clone(),
            same_site: same_site.map(str::to_owned),
        }
    }

    /// Whether the browser sends the cookie to this path, which is the URL's without the query: RFC 6265 section 5.1.4.
    ///
    /// `/admin` covers `/admin` and `/admin/users`, and not `/administrator`. A path that does not start with `/`, as
    /// in `OPTIONS *`, counts as `/`.
    #[must_use]
    pub fn path_matches(&self, request_path: &str) -> bool {
        let request_path = if request_path.starts_with('/') {
            request_path
        } else {
            "/"
        };
        request_path
            .strip_prefix(self.path.as_str())
            .is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
            })
    }
}
