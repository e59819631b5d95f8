//! A view after a commit, its own or another request's.

use super::{Existing, Origin, SignIn, View, changes::apply};
use crate::{
    id::FreshId,
    policy::Policy,
    record::{Identity, Record},
    store::Stored,
};

impl View {
    /// Whether this request has committed already.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Goes on after `snapshot`, a clone of this view, was committed as `existing` and `record`: what was changed since
    /// the clone was taken stays to be committed.
    pub fn committed(
        &mut self,
        snapshot: &Self,
        existing: Existing,
        record: Record,
        fresh_id: impl Into<FreshId>,
        policy: &Policy,
    ) {
        let later = self.log.split_off(snapshot.log.len().min(self.log.len()));
        self.base = record.clone();
        // Begun anew since the clone was taken: it does not stand on what was committed.
        let restarted = self.blank && !snapshot.blank;
        let mut record = if restarted {
            self.record.clone()
        } else {
            record
        };
        for (name, operation) in later.iter().filter(|_| !restarted) {
            // It fitted when it was asked for; if it does not fit any more, the plan has nothing to save for it.
            if let Ok(changed) = apply(&record, name, operation, policy) {
                record = changed;
            }
        }
        let ends = self.record.ends();
        self.origin = Origin::Existing(existing);
        self.record = record;
        self.fresh_id = fresh_id.into();
        self.log = later;
        if self.lifetime_change == snapshot.lifetime_change {
            self.lifetime_change = None;
        }
        if self.ends_change == snapshot.ends_change {
            self.ends_change = None;
        }
        if self.ends_change.is_some() {
            self.record.set_ends(self.ends_change);
        }
        if let Some(lifetime) = self.lifetime_change {
            self.record.set_lifetime(lifetime);
        }
        if self.sign_in == snapshot.sign_in {
            self.sign_in = None;
        }
        self.rotated &= restarted || !snapshot.rotated;
        if let Some(sign_in) = &self.sign_in {
            self.record.hand_over(&sign_in.identity);
            if sign_in.is_grant {
                self.record.set_ends(ends);
            }
        }
        self.blank = restarted;
        self.found = None;
        self.adopted = false;
        self.settled = true;
    }

    /// Takes a merged record as the current one, and what the store holds as the base.
    pub(crate) fn rebased(&mut self, theirs: Stored, base: Record, merged: Record) {
        if let Origin::Existing(existing) = &mut self.origin {
            existing.base = theirs.value;
            existing.remaining = theirs.remaining;
        }
        self.base = base;
        self.record = merged;
        // Whose it is now, is to be found out anew.
        self.found = None;
        self.adopted = false;
    }

    /// The record that changes are counted against: what the store holds.
    #[must_use]
    pub fn base(&self) -> &Record {
        &self.base
    }

    /// Whether this request has begun anew, without data.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.blank
    }

    pub(crate) fn own_sign_in(&self) -> Option<&SignIn> {
        self.sign_in.as_ref()
    }

    pub(crate) fn found(&self) -> Option<&Identity> {
        self.found.as_ref()
    }
}
