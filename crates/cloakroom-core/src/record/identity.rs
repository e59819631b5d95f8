//! Whose the session is.

use std::{borrow::Cow, fmt};

use super::{Record, moment, raw};
use crate::{Timestamp, json::Raw};

/// Who is signed in and since when: what two versions of one session must agree on to be merged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The owner, as given to `sign_in`.
    pub owner: Option<String>,
    /// When they signed in: the time of the store, where there is an owner index, and else the application's. By this time
    /// revocations count.
    pub signed_in: Option<Timestamp>,
    /// When they last said who they are. Another time than `signed_in` only where they have ended their other sessions
    /// since: that gives the session a new sign-in, and nobody has authenticated for it.
    pub authenticated: Option<Timestamp>,
}

impl Identity {
    /// `owner`, who said at `at` who they are; `None` where the time is not known.
    #[must_use]
    pub fn new(owner: impl Into<String>, at: Option<Timestamp>) -> Self {
        Self {
            owner: Some(owner.into()),
            signed_in: at,
            authenticated: at,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("has_owner", &self.owner.is_some())
            .field("signed_in", &self.signed_in)
            .field("authenticated", &self.authenticated)
            .finish()
    }
}

impl Record {
    /// Who is signed in. Where `authenticated` stands there and is no time of ours, when they authenticated is not known.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let Some(meta) = self.meta() else {
            return Identity::default();
        };
        let signed_in = moment(meta, "signedIn");
        let authenticated = match meta.value("authenticated") {
            Some(_) => moment(meta, "authenticated"),
            None => signed_in,
        };
        Identity {
            owner: meta.text("owner").map(Cow::into_owned),
            signed_in,
            authenticated,
        }
    }

    /// Stamps who is signed in and since when. `authenticated` is written only where it is another time than the sign-in,
    /// and then also where it is none.
    pub fn set_identity(&mut self, identity: &Identity) {
        self.change_meta(|meta| {
            match &identity.owner {
                Some(owner) => meta.set("owner", raw(owner)),
                None => drop(meta.remove("owner")),
            }
            match identity.signed_in {
                Some(at) => meta.set("signedIn", raw(&at.as_millis())),
                None => drop(meta.remove("signedIn")),
            }
            match identity.authenticated {
                at if at == identity.signed_in => drop(meta.remove("authenticated")),
                Some(at) => meta.set("authenticated", raw(&at.as_millis())),
                None => meta.set("authenticated", Raw::null()),
            }
        });
    }
}
