//! Which options and combinations are refused: those that browsers, or Node's writer of the same cookie, do not accept.

use super::{CookieOptions, SameSite, Secure};
use crate::{Error, ErrorKind, id::MAX_ID_LEN};

/// The most bytes of name and value together that browsers accept (RFC 6265bis section 5.6).
pub(super) const MAX_PAIR_LEN: usize = 4096;

/// The most bytes of an attribute's value that browsers do not ignore (RFC 6265bis section 5.6).
const MAX_ATTRIBUTE_LEN: usize = 1024;

/// The longest ticket as a cookie has it: `s%3A`, each byte of the id and of the 43 of the signature escaped, and a dot.
const MAX_WIRE_LEN: usize = 4 + 3 * MAX_ID_LEN + 1 + 3 * 43;

impl CookieOptions {
    /// Refuses, as [`ErrorKind::Config`] with a message that names the option, what it is and what is allowed:
    ///
    /// - a name that is empty or no token (RFC 9110 section 5.6.2), or so long that name and ticket could have more than
    ///   4096 bytes together;
    /// - a path that does not start with `/` or has characters that Node's `cookie` refuses to write: control
    ///   characters, `;`, `<` and all beyond ASCII; a domain that it refuses; either of them with more than 1024 bytes;
    /// - a name with a prefix whose promise the attributes do not keep. Browsers compare the prefix without regard to
    ///   case, and so does this. `__Host-` promises `Secure`, the path `/` and no domain, `__Secure-` promises `Secure`,
    ///   `__Http-` and `__Host-Http-` promise `HttpOnly` besides;
    /// - `SameSite=None` or `Partitioned` without `Secure`.
    ///
    /// Only [`Secure::Yes`] counts as `Secure` here: [`Secure::ByRequest`] would write a cookie that is lost whenever a
    /// request comes over http. [`SameSite::Auto`] goes with it.
    pub fn validate(&self) -> Result<(), Error> {
        self.validate_name()?;
        self.validate_path()?;
        self.validate_domain()?;
        self.validate_prefix()?;
        let needy = if self.same_site == Some(SameSite::None) {
            Some("same_site is SameSite::None")
        } else if self.partitioned {
            Some("partitioned is true")
        } else {
            None
        };
        match needy {
            Some(what) if self.secure != Secure::Yes => refuse(format!(
                "cookie option {what} and secure is Secure::{:?}: browsers accept that with Secure::Yes alone",
                self.secure
            )),
            _ => Ok(()),
        }
    }

    fn validate_name(&self) -> Result<(), Error> {
        let name = &self.name;
        let longest = MAX_PAIR_LEN - MAX_WIRE_LEN;
        if name.len() > longest {
            return refuse(format!(
                "cookie option name has {} bytes: at most {longest} leave room for the ticket in the 4096 bytes that \
                 browsers accept",
                name.len()
            ));
        }
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return refuse(format!(
                "cookie option name is {name:?}: it must have letters, digits and !#$%&'*+-.^_`|~ alone, and at least \
                 one"
            ));
        }
        Ok(())
    }

    fn validate_path(&self) -> Result<(), Error> {
        let path = &self.path;
        check_len("path", path)?;
        if !path.starts_with('/') {
            return refuse(format!(
                "cookie option path is {path:?}: it must start with '/'"
            ));
        }
        if !path.bytes().all(is_path_byte) {
            return refuse(format!(
                "cookie option path is {path:?}: it must be printable ASCII without ';' and '<'; write other \
                 characters as percent escapes"
            ));
        }
        Ok(())
    }

    fn validate_domain(&self) -> Result<(), Error> {
        let Some(domain) = &self.domain else {
            return Ok(());
        };
        check_len("domain", domain)?;
        let labels = domain.strip_prefix('.').unwrap_or(domain);
        if labels.split('.').all(is_label) {
            return Ok(());
        }
        refuse(format!(
            "cookie option domain is {domain:?}: it must be labels of at most 63 letters, digits and inner hyphens with \
             a dot between them"
        ))
    }

    fn validate_prefix(&self) -> Result<(), Error> {
        let has = |prefix| has_prefix(&self.name, prefix);
        let host = has("__Host-");
        if (host || has("__Secure-") || has("__Http-")) && self.secure != Secure::Yes {
            return self.refuse_prefix(
                &format!("secure is Secure::{:?}", self.secure),
                "needs Secure::Yes",
            );
        }
        if host && self.path != "/" {
            return self.refuse_prefix(&format!("path is {:?}", self.path), "needs the path \"/\"");
        }
        if let Some(domain) = self.domain.as_ref().filter(|_| host) {
            return self.refuse_prefix(&format!("domain is {domain:?}"), "needs no domain");
        }
        if (has("__Http-") || has("__Host-Http-")) && !self.http_only {
            return self.refuse_prefix("http_only is false", "needs http_only(true)");
        }
        Ok(())
    }

    fn refuse_prefix(&self, what: &str, needs: &str) -> Result<(), Error> {
        refuse(format!(
            "cookie option {what} and name is {:?}: to browsers, a name with this prefix {needs}; change the option or \
             the name",
            self.name
        ))
    }
}

#[cold]
fn refuse(message: String) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Config, message))
}

fn check_len(option: &str, value: &str) -> Result<(), Error> {
    if value.len() <= MAX_ATTRIBUTE_LEN {
        return Ok(());
    }
    refuse(format!(
        "cookie option {option} has {} bytes: browsers ignore it beyond {MAX_ATTRIBUTE_LEN}",
        value.len()
    ))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_path_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b';' && byte != b'<'
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
