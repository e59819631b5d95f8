//! How many sessions an owner may have.

use cloakroom_core::{Error, ErrorKind};

/// What becomes of a sign-in beyond the number of sessions that an owner may have. Sign-ins at the same moment are taken
/// one after the other, in the order of their claims.
///
/// A session that gets a new id without a sign-in counts as claimed anew, so the oldest session is the one that was signed
/// in to, or got a new id, the longest ago.
///
/// A session that is found by its data ([`owner_from`](crate::SessionLayerBuilder::owner_from)) counts from when it was seen
/// here first. Nobody can refuse it, since a Node peer has let it in: it makes the oldest give way with
/// [`EvictOldest`](Self::EvictOldest), and is one more than so many with [`Refuse`](Self::Refuse). Sessions of a Node peer
/// that were never seen here do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerLimit {
    /// The sign-in goes on, and the oldest sessions beyond so many end.
    EvictOldest(usize),
    /// The sign-in fails as [`ErrorKind::TooManySessions`], a 409, and nothing changes for the visitor.
    Refuse(usize),
}

impl OwnerLimit {
    fn number(self) -> usize {
        let (Self::EvictOldest(number) | Self::Refuse(number)) = self;
        number
    }

    pub(crate) fn validate(self) -> Result<(), Error> {
        if self.number() > 0 {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            "`owner_limit` is 0; an owner who may sign in has at least one session",
        ))
    }

    pub(crate) fn refusal(self) -> Error {
        let number = self.number();
        Error::new(
            ErrorKind::TooManySessions,
            format!(
                "the owner has {number} sessions already, as many as `owner_limit` allows; end one of them to sign in"
            ),
        )
    }
}
