//! Sessions that were revoked and still stand in the store: they end when they are presented.

use std::{collections::HashMap, sync::Arc};

use cloakroom::{
    ErrorKind, SessionId, Timestamp,
    core::owner_index::{MAX_OWNER_LEN, Revision},
};

use super::seen::Seen;
use crate::{failure::Failure, store::Sessions};

/// Of so many owners the revocation is remembered.
const OWNERS: usize = 20_000;

/// Asks for an owner's revocation once, and not at all where there has been none in the whole store.
#[derive(Debug)]
pub(crate) struct Revocations {
    store: Arc<dyn Sessions>,
    /// Whether there are any; `None` before the first question.
    any: Option<bool>,
    known: HashMap<Box<str>, Option<Timestamp>>,
}

impl Revocations {
    pub(crate) fn new(store: Arc<dyn Sessions>) -> Self {
        Self {
            store,
            any: None,
            known: HashMap::new(),
        }
    }

    /// Whether the session has ended by a revocation: its sign-in is not later. One that does not say when is older than any.
    pub(crate) async fn concern(&mut self, seen: &Seen) -> Result<bool, Failure> {
        let Some(owner) = seen
            .owner()
            .filter(|owner| (1..=MAX_OWNER_LEN).contains(&owner.len()))
        else {
            return Ok(false);
        };
        let any = match self.any {
            Some(any) => any,
            None => self.any().await?,
        };
        self.any = Some(any);
        if !any {
            return Ok(false);
        }
        let at = match self.known.get(owner) {
            Some(at) => *at,
            None => {
                let at = self.store.revoked_at(owner).await?;
                if self.known.len() >= OWNERS {
                    self.known.clear();
                }
                self.known.insert(owner.into(), at);
                at
            }
        };
        let signed_in = seen.facts().and_then(|facts| facts.signed_in);
        Ok(at.is_some_and(|at| signed_in.is_none_or(|signed_in| signed_in <= at)))
    }

    /// A user who may not read the index has none: an application without sign-outs everywhere gives no right to it.
    async fn any(&self) -> Result<bool, Failure> {
        let Some(probe) = SessionId::parse("cloakroom") else {
            return Ok(false);
        };
        match self.store.load_with_revision(&probe).await {
            Ok((_, revision)) => Ok(revision != Revision::default()),
            Err(error) if error.kind() == ErrorKind::Rejected => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
