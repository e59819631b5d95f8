//! Whose the session is: by a sign-in of this request, or by what was found in its data.

use super::{SignIn, View};
use crate::{
    Error, ErrorKind, Timestamp,
    owner_index::check_owner,
    policy::Policy,
    record::{Identity, check_size},
    usage::Usage,
};

impl View {
    /// Signs `owner` in: a new id, the owner and the time stamped, the absolute lifetime begun anew.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for an owner that is empty or longer than
    /// [`MAX_OWNER_LEN`](crate::owner_index::MAX_OWNER_LEN) bytes, [`ErrorKind::Gone`] after the session was ended here,
    /// [`ErrorKind::TooLarge`] beyond the limits.
    pub fn sign_in(
        &mut self,
        owner: impl Into<String>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.check_open()?;
        let identity = Identity::new(owner, Some(now));
        check_owner(identity.owner.as_deref().unwrap_or_default())?;
        let mut record = self.record.clone();
        record.hand_over(&identity);
        // What this request gave the session itself is meant for the one that begins here.
        if self.ends_change.is_none() {
            record.set_ends(policy.absolute_end(now));
        }
        check_size(&record, "the owner", &policy.limits)?;
        self.record = record;
        self.sign_in = Some(SignIn {
            identity,
            is_grant: true,
        });
        Ok(())
    }

    /// Lets the session go on past a revocation that is to end its owner's others: a new id and a new time of the sign-in,
    /// and nothing else. Nobody says who they are by it, so the time of that and the absolute end stay. Where this request
    /// signs somebody in already, that is enough.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotSignedIn`] where nobody is signed in, [`ErrorKind::Gone`] after the session was ended here,
    /// [`ErrorKind::TooLarge`] beyond the limits.
    pub fn carry_sign_in(&mut self, policy: &Policy, now: Timestamp) -> Result<(), Error> {
        self.check_open()?;
        if self.sign_in.is_some() {
            return Ok(());
        }
        let before = self.record.identity();
        if before.owner.is_none() {
            return Err(Error::new(
                ErrorKind::NotSignedIn,
                "nobody is signed in to this session",
            ));
        }
        let identity = Identity {
            signed_in: Some(now),
            ..before
        };
        let mut record = self.record.clone();
        record.set_identity(&identity);
        check_size(&record, "the time of the sign-in", &policy.limits)?;
        self.record = record;
        self.sign_in = Some(SignIn {
            identity,
            is_grant: false,
        });
        Ok(())
    }

    /// Gives the sign-in of this request the time that the owner index has given it.
    pub fn stamp_sign_in(&mut self, at: Timestamp) {
        if let Some(SignIn { identity, is_grant }) = &mut self.sign_in {
            identity.signed_in = Some(at);
            if *is_grant {
                identity.authenticated = Some(at);
            }
            self.record.set_identity(identity);
        }
    }

    /// Takes the sign-in of this request back: it was refused. What else the request changed or asked for stays.
    pub fn withdraw_sign_in(&mut self, policy: &Policy) {
        let Some(sign_in) = self.sign_in.take() else {
            return;
        };
        self.set_stored_identity();
        if sign_in.is_grant && self.ends_change.is_none() {
            // One that was begun anew has none yet, and gets its own with the commit.
            let ends = self.base.ends().filter(|_| !self.blank);
            self.record.set_ends(ends);
        }
        if let Some(found) = self.found.clone() {
            // Where it does not fit it was not taken before either, and that was told.
            let _ = self.adopt(&found, policy);
        }
    }

    /// Gives the names that are among these and were changed by this request the values of before. Answers whether there
    /// were any.
    pub fn put_back(&mut self, names: &[String]) -> bool {
        let before = self.log.len();
        self.log.retain(|(name, _)| {
            let is_among = names.contains(name);
            if is_among {
                match self.base.get(name).filter(|_| !self.blank) {
                    Some(value) => self.record.set(name, value.clone()),
                    None => drop(self.record.remove(name)),
                }
            }
            !is_among
        });
        self.log.len() < before
    }

    /// Takes note of whose the session is by its data, which differs from what is written down: `None` for nobody's. It
    /// is written down with the commit, unless this request says itself whose the session is to be. Answers whether it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] where a peer has left no room in the session for it. Nothing is written down then, but that
    /// the session is nobody's where it was somebody else's: they are not to be taken for the one who has it now.
    pub fn adopt(&mut self, identity: &Identity, policy: &Policy) -> Result<bool, Error> {
        self.found = Some(identity.clone());
        self.adopted = self.sign_in.is_none() && !self.blank;
        if !self.adopted {
            return Ok(false);
        }
        let fits = self.check_room_for(identity, policy);
        if fits.is_ok() {
            self.record.hand_over(identity);
        } else {
            self.adopted = self.record.identity().owner.is_some();
            self.record.hand_over(&Identity::default());
        }
        fits.map(|()| true)
    }

    /// Whether the owner fits into the session, and the time that a claim gives them where none was found.
    fn check_room_for(&self, identity: &Identity, policy: &Policy) -> Result<(), Error> {
        let Some(owner) = &identity.owner else {
            return Ok(());
        };
        let latest = Some(Timestamp::from_millis(i64::MAX));
        let mut record = self.record.clone();
        record.hand_over(&Identity::new(owner, identity.signed_in.or(latest)));
        check_size(&record, "the owner", &policy.limits)
    }

    /// Gives the adoption the time from which on it counts.
    pub fn stamp_adoption(&mut self, at: Timestamp) {
        if let Some(found) = self.found.as_mut().filter(|_| self.adopted) {
            (found.signed_in, found.authenticated) = (Some(at), Some(at));
            self.record.set_identity(found);
        }
    }

    /// Leaves it to a later request to write down whose the session is.
    pub fn forgo_adoption(&mut self) {
        if self.adopted {
            self.adopted = false;
            self.set_stored_identity();
        }
    }

    /// Whose the session is in the store; nobody's, where it was begun anew.
    fn set_stored_identity(&mut self) {
        let (identity, usage) = if self.blank {
            (Identity::default(), Usage::default())
        } else {
            (self.base.identity(), self.base.usage())
        };
        self.record.set_identity(&identity);
        self.record.set_usage(&usage);
    }
}
