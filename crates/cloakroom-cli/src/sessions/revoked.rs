//! Sessions that were revoked and still stand in the store: they end when they are presented.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cloakroom::{
    ErrorKind, SessionId, Timestamp,
    core::owner_index::{MAX_OWNER_LEN, Revision},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::seen::Seen;
use crate::{failure::Failure, store::Sessions};

/// So many bytes are for owners whose revocation is remembered.
const BYTES: usize = 4 * 1024 * 1024;

/// What an owner takes beside the name.
const BESIDE_NAME: usize = 88;

/// Of so many owners at once the revocation is asked for.
const AT_ONCE: usize = 64;

/// Asks for an owner's revocation once, for many owners at a time, and not at all where there has been none in the whole
/// store.
#[derive(Debug)]
pub(crate) struct Revocations {
    store: Arc<dyn Sessions>,
    limit: usize,
    bytes: usize,
    /// Whether there are any; `None` before the first question.
    any: Option<bool>,
    known: HashMap<Box<str>, Option<Timestamp>>,
}

impl Revocations {
    pub(crate) fn new(store: Arc<dyn Sessions>) -> Self {
        Self::within(store, BYTES)
    }

    /// What was learnt is forgotten where it has more than so many bytes.
    fn within(store: Arc<dyn Sessions>, limit: usize) -> Self {
        Self {
            store,
            limit,
            bytes: 0,
            any: None,
            known: HashMap::new(),
        }
    }

    /// Learns what [`concern`](Self::concern) is asked about these sessions.
    pub(crate) async fn learn<'a>(
        &mut self,
        sessions: impl IntoIterator<Item = &'a Seen>,
    ) -> Result<(), Failure> {
        // Before it is seen who is known: all of these must be, when this is done.
        if self.bytes > self.limit {
            self.known.clear();
            self.bytes = 0;
        }
        let owners = sessions.into_iter().filter_map(indexed_owner);
        let owners: HashSet<&str> = owners
            .filter(|owner| !self.known.contains_key(*owner))
            .collect();
        if owners.is_empty() || !self.any().await? {
            return Ok(());
        }
        let asked = owners.into_iter().map(|owner| {
            let store = Arc::clone(&self.store);
            async move { Ok::<_, cloakroom::Error>((owner, store.revoked_at(owner).await?)) }
        });
        let answers: Vec<_> = stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (owner, at) in answers {
            self.bytes += owner.len() + BESIDE_NAME;
            self.known.insert(owner.into(), at);
        }
        Ok(())
    }

    /// Whether a session of which was learnt has ended by a revocation: its sign-in is not later. One that does not say when
    /// is older than any, unless its owner stands in its data alone: then a peer may have written it since.
    pub(crate) fn concern(&self, seen: &Seen) -> bool {
        let at = indexed_owner(seen).and_then(|owner| self.known.get(owner).copied().flatten());
        let Some((at, facts)) = at.zip(seen.facts()) else {
            return false;
        };
        match facts.signed_in {
            Some(signed_in) => signed_in <= at,
            None => !facts.by_data,
        }
    }

    /// As `learn` and [`concern`](Self::concern), for a single one.
    pub(crate) async fn ended(&mut self, seen: &Seen) -> Result<bool, Failure> {
        self.learn([seen]).await?;
        Ok(self.concern(seen))
    }

    /// Whether there has been a revocation. A user who may not read the index has none: an application without sign-outs
    /// everywhere gives no right to it.
    async fn any(&mut self) -> Result<bool, Failure> {
        if let Some(any) = self.any {
            return Ok(any);
        }
        let Some(probe) = SessionId::parse("cloakroom") else {
            return Ok(false);
        };
        let any = match self.store.load_with_revision(&probe).await {
            Ok((_, revision)) => revision != Revision::default(),
            Err(error) if error.kind() == ErrorKind::Rejected => false,
            Err(error) => return Err(error.into()),
        };
        self.any = Some(any);
        Ok(any)
    }
}

/// The owner, where an index could have one of that name.
fn indexed_owner(seen: &Seen) -> Option<&str> {
    let owner = seen.owner()?;
    (1..=MAX_OWNER_LEN).contains(&owner.len()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cloakroom::{
        MemoryStore, OwnerIndex as _,
        core::{owner_index::Whose, store::Stored},
    };

    use super::*;

    fn seen(owner: &str, signed_in: i64) -> Seen {
        let value =
            format!(r#"{{"cookie":{{}},"__ck":{{"owner":"{owner}","signedIn":{signed_in}}}}}"#);
        let stored = Stored {
            value: Bytes::from(value),
            remaining: None,
        };
        let id = SessionId::parse("a").unwrap();
        Seen::new(id, &stored, Timestamp::UNIX_EPOCH, None)
    }

    /// More owners than there is room for, on several pages: each page is answered right, and little is kept.
    #[tokio::test]
    async fn what_is_remembered_is_bounded_and_right() {
        let store = MemoryStore::new();
        let gone = "gone".repeat(100);
        store.revoke(Whose::Owner(&gone)).await.unwrap();
        let limit = 2000;
        let mut revocations = Revocations::within(Arc::new(store), limit);
        for page in 0..20 {
            let names = (0..10).map(|number| format!("{page}-{number}"));
            let mut sessions: Vec<_> = names.map(|name| seen(&name, 1)).collect();
            sessions.push(seen(&gone, 1));
            sessions.push(seen(&gone, i64::MAX));
            revocations.learn(&sessions).await.unwrap();
            let ended: Vec<_> = sessions
                .iter()
                .map(|seen| revocations.concern(seen))
                .collect();
            let expected: Vec<_> = (0..12).map(|index| index == 10).collect();
            assert_eq!(ended, expected);
            let held: usize = revocations
                .known
                .keys()
                .map(|owner| owner.len() + BESIDE_NAME)
                .sum();
            assert_eq!(held, revocations.bytes);
            assert!(held <= limit + 1500, "{held} bytes");
        }
        assert!(!revocations.known.contains_key("0-0"), "it was never full");
    }
}
