//! The owner index: the law of [`cloakroom_core::owner_index`], kept with tables beside the sessions.

use std::{num::NonZeroUsize, time::Duration};

use async_trait::async_trait;
use cloakroom_core::{
    Error, Loaded, SessionId, Timestamp,
    owner_index::{Claimed, Claims, OwnerIndex, Revision, Whose},
};

use crate::{
    claims::{self, Terms},
    rows,
    store::{STRIDE, SqliteStore},
};

/// `owned` and `release` take a thousand claims at a time and let others go on in between; a release of more that fails or is
/// dropped may have taken some of them away. `claim` names a thousand at most, the oldest; the next claim names those
/// that are left.
#[async_trait]
impl OwnerIndex for SqliteStore {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        let key = self.key(id);
        // The revision last: one that is newer than the session makes somebody look once too often, no more.
        self.read(move |conn, now| {
            let loaded = rows::load(conn, &key, now)?;
            Ok((loaded, claims::revision(conn, &key.prefix)?))
        })
        .await
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let (key, owner) = (self.key(id), owner.to_owned());
        // A part of a millisecond is kept too.
        let keep = keep.saturating_add(Duration::from_nanos(999_999));
        let terms = Terms {
            until: self.expiry(keep),
            limit: limit.map(NonZeroUsize::get),
            most: STRIDE,
        };
        self.write(owner.len(), move |conn, now| {
            claims::claim(conn, &key, &owner, terms, now)
        })
        .await
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        let (mut claims, mut after, mut first) = (Vec::new(), i64::MIN, None);
        loop {
            let (prefix, owner) = (self.inner.prefix.clone(), owner.to_owned());
            let (stretch, now) = self
                .read(move |conn, now| {
                    let stretch = claims::owned(conn, &prefix, &owner, after, STRIDE)?;
                    Ok((stretch, now))
                })
                .await?;
            claims.extend(stretch.claims);
            let now: Timestamp = *first.get_or_insert(now);
            let Some(last) = stretch.last else {
                // Times that were given within one millisecond may run ahead of the clock.
                let newest = claims.last().map_or(now, |claim| claim.at);
                return Ok(Claims {
                    now: now.max(newest),
                    claims,
                });
            };
            after = last;
            tokio::task::yield_now().await;
        }
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        for ids in ids.chunks(STRIDE) {
            let (prefix, owner, ids) = (self.inner.prefix.clone(), owner.to_owned(), ids.to_vec());
            let bytes = ids.iter().map(|id| id.as_str().len()).sum();
            self.write(bytes, move |conn, _| {
                claims::release(conn, &prefix, &owner, &ids)
            })
            .await?;
        }
        Ok(())
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        let prefix = self.inner.prefix.clone();
        let owner = match whose {
            Whose::Owner(owner) => Some(owner.to_owned()),
            Whose::Everybody => None,
        };
        self.write(0, move |conn, now| {
            let whose = owner.as_deref().map_or(Whose::Everybody, Whose::Owner);
            claims::revoke(conn, &prefix, whose, now)
        })
        .await
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        let (prefix, owner) = (self.inner.prefix.clone(), owner.to_owned());
        self.read(move |conn, _| claims::revoked_at(conn, &prefix, &owner))
            .await
    }
}
