//! The owner index: claims in a sorted set for each owner, revocations as strings.
//!
//! What may be sent twice is sent twice, and here that is everything: a claim that is made again keeps its time, a claim that
//! is released again is no error, and a revocation that is made again is only a little later. A claim's second answer
//! names what is beyond the limit by then, so what the lost one named is either named again or has been released.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use cloakroom_core::{
    Error, Loaded, SessionId, Timestamp,
    cached::Cached,
    owner_index::{Claim, Claimed, Claims, OwnerIndex, REVOCATION_TTL, Revision, Whose},
};
use redis::{Pipeline, Value};

use crate::{
    answer::{bytes, number, unexpected},
    fault::Fault,
    script::{self, Script},
    store::{Inner, RedisStore, millis},
};

/// How many claims are read, released or named at once: the server serves nobody else meanwhile.
const STRIDE: usize = 1000;

/// `owned` and `release` are one round trip for each thousand claims; a release of more that fails or is dropped may have
/// taken some of them away. `claim` names a thousand at most, the oldest; the next claim names those that are left.
#[async_trait]
impl OwnerIndex for RedisStore {
    async fn load_with_revision(&self, id: &SessionId) -> Result<(Loaded, Revision), Error> {
        let found = self.inner.load_with_revision(id).await;
        found.map_err(|fault| self.fail(fault))
    }

    fn cached_with_revision(&self, id: &SessionId) -> Option<(Cached, Revision)> {
        self.inner.near_with_revision(id)
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Error> {
        let claimed = self.inner.claim(owner, id, keep, limit).await;
        claimed.map_err(|fault| self.fail(fault))
    }

    async fn owned(&self, owner: &str) -> Result<Claims, Error> {
        let claims = self.inner.owned(owner).await;
        claims.map_err(|fault| self.fail(fault))
    }

    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Error> {
        for ids in ids.chunks(STRIDE) {
            let released = self.inner.release(owner, ids).await;
            released.map_err(|fault| self.fail(fault))?;
        }
        Ok(())
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Error> {
        let _known = self.inner.forgets_revision();
        let revoked = self.inner.revoke(whose).await;
        revoked.map_err(|fault| self.fail(fault))
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Error> {
        let revoked = self.inner.revoked_at(owner).await;
        revoked.map_err(|fault| self.fail(fault))
    }
}

impl Inner {
    async fn load_with_revision(
        self: &Arc<Self>,
        id: &SessionId,
    ) -> Result<(Loaded, Revision), Fault> {
        if self.may_be_near {
            return match self.near_with_revision(id) {
                Some((cached, revision)) => Ok((Loaded::Live(cached.into()), revision)),
                None => Box::pin(self.fetch(id, true)).await,
            };
        }
        let call = self.links.call()?;
        let looked = self.look(&call, id, true).await?;
        // Of a revision that cannot be read nothing follows, also not that the session counts.
        let current = revision(looked.revision)?;
        let loaded = self.found(id, [looked.value, looked.left, looked.tombstone])?;
        Ok((loaded, current))
    }

    async fn claim(
        &self,
        owner: &str,
        id: &SessionId,
        keep: Duration,
        limit: Option<NonZeroUsize>,
    ) -> Result<Claimed, Fault> {
        let keys = [
            self.keys.claims(owner),
            self.keys.keeps(owner),
            self.keys.last(),
        ];
        // A part of a millisecond is kept too.
        let keep = millis(keep.saturating_add(Duration::from_nanos(999_999))).to_string();
        let limit = limit.map_or_else(String::new, |limit| limit.to_string());
        let most = STRIDE.to_string();
        let arguments = [id.as_str(), &keep, &limit, &most].map(str::as_bytes);
        match self.run_twice(&script::CLAIM, &keys, &arguments).await? {
            Value::Array(items) => {
                let mut items = items.into_iter();
                let at = number(items.next().ok_or(Fault::Protocol)?)?;
                let over: Result<Vec<_>, _> = items.map(session).collect();
                Ok(Claimed {
                    at: Timestamp::from_millis(at),
                    over: over?.into_iter().flatten().collect(),
                })
            }
            other => Err(unexpected(other)),
        }
    }

    /// From one claim's time to the next: what is released meanwhile moves no other claim out of sight.
    async fn owned(&self, owner: &str) -> Result<Claims, Fault> {
        let key = self.keys.claims(owner);
        let (mut claims, mut after, mut first) = (Vec::new(), "-inf".to_owned(), None);
        loop {
            let mut page = Pipeline::with_capacity(2);
            page.cmd("TIME").cmd("ZRANGE").arg(&key);
            page.arg(&after).arg("+inf").arg("BYSCORE");
            page.arg("LIMIT").arg(0).arg(STRIDE).arg("WITHSCORES");
            let answers = self.twice(&self.links.call()?, &page).await?;
            let [time, page] = <[Value; 2]>::try_from(answers).map_err(|_| Fault::Protocol)?;
            let time = clock(time)?;
            let now = *first.get_or_insert(time);
            let items = match page {
                Value::Array(items) => items,
                other => return Err(unexpected(other)),
            };
            let items = flat(items);
            let full = items.len() / 2 >= STRIDE;
            let (mut items, mut last) = (items.into_iter(), now);
            while let (Some(id), Some(at)) = (items.next(), items.next()) {
                last = score(at)?;
                claims.extend(session(id)?.map(|id| Claim { id, at: last }));
            }
            if !full {
                // Times that were given within one millisecond may run ahead of the clock.
                let newest = claims.last().map_or(now, |claim| claim.at);
                return Ok(Claims {
                    now: now.max(newest),
                    claims,
                });
            }
            after = format!("({}", last.as_millis());
        }
    }

    /// The end first: between the two a claim may be made again, and one without an end would stay too long.
    async fn release(&self, owner: &str, ids: &[SessionId]) -> Result<(), Fault> {
        let mut release = Pipeline::with_capacity(2);
        for key in [self.keys.keeps(owner), self.keys.claims(owner)] {
            release.cmd("ZREM").arg(key);
            for id in ids {
                release.arg(id.as_str());
            }
        }
        for answer in self.twice(&self.links.call()?, &release).await? {
            number(answer)?;
        }
        Ok(())
    }

    async fn revoke(&self, whose: Whose<'_>) -> Result<Timestamp, Fault> {
        let keys = [
            self.keys.revocation(whose),
            self.keys.revision(),
            self.keys.last(),
        ];
        let keep = millis(REVOCATION_TTL).to_string();
        let answer = self
            .run_twice(&script::REVOKE, &keys, &[keep.as_bytes()])
            .await?;
        Ok(Timestamp::from_millis(number(answer)?))
    }

    async fn revoked_at(&self, owner: &str) -> Result<Option<Timestamp>, Fault> {
        let mut look = Pipeline::with_capacity(2);
        for whose in [Whose::Owner(owner), Whose::Everybody] {
            look.cmd("GET").arg(self.keys.revocation(whose));
        }
        let mut latest = None;
        for answer in self.twice(&self.links.call()?, &look).await? {
            latest = latest.max(moment(answer)?);
        }
        Ok(latest)
    }

    async fn run_twice(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Value, Fault> {
        let call = self.links.call()?;
        match self.run(&call, script, keys, arguments).await {
            Err(Fault::Lost) => self.run(&call, script, keys, arguments).await,
            answer => answer,
        }
    }
}

/// A member of a set of claims. `None` where no id of ours looks like this: somebody put it there by hand, and no request
/// can name it.
fn session(member: Value) -> Result<Option<SessionId>, Fault> {
    let member = bytes(member)?.ok_or(Fault::Protocol)?;
    Ok(std::str::from_utf8(&member).ok().and_then(SessionId::parse))
}

/// Members and scores one after the other. A connection with a near cache speaks the newer protocol, which pairs them.
fn flat(items: Vec<Value>) -> Vec<Value> {
    let pairs = |item| match item {
        Value::Array(pair) => pair,
        item => vec![item],
    };
    if matches!(items.first(), Some(Value::Array(_))) {
        items.into_iter().flat_map(pairs).collect()
    } else {
        items
    }
}

/// The time of a claim. The newer protocol has numbers of its own.
fn score(score: Value) -> Result<Timestamp, Fault> {
    let text = match score {
        Value::Double(score) => score.to_string().into_bytes(),
        score => bytes(score)?.ok_or(Fault::Protocol)?,
    };
    let score = std::str::from_utf8(&text).ok().and_then(|s| s.parse().ok());
    score.map(Timestamp::from_millis).ok_or(Fault::Spoiled)
}

/// A time that stands in a string; `None` where there is none.
fn moment(answer: Value) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = bytes(answer)? else {
        return Ok(None);
    };
    let millis = std::str::from_utf8(&text).ok().and_then(|s| s.parse().ok());
    let at = millis.map(Timestamp::from_millis).ok_or(Fault::Spoiled)?;
    Ok(Some(at))
}

/// The revision that stands in a string.
pub(crate) fn revision(answer: Value) -> Result<Revision, Fault> {
    let at = moment(answer)?.map_or(0, Timestamp::as_millis);
    Ok(Revision(at.unsigned_abs()))
}

/// What `TIME` answers: seconds and microseconds.
fn clock(answer: Value) -> Result<Timestamp, Fault> {
    let parts = match answer {
        Value::Array(parts) => parts,
        other => return Err(unexpected(other)),
    };
    let [seconds, micros] = <[Value; 2]>::try_from(parts).map_err(|_| Fault::Protocol)?;
    let part = |part| {
        let text = bytes(part)?.ok_or(Fault::Protocol)?;
        let number = std::str::from_utf8(&text).ok().and_then(|s| s.parse().ok());
        number.ok_or(Fault::Protocol)
    };
    let (seconds, micros) = (part(seconds)?, part(micros)?);
    let since = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    Ok(Timestamp::UNIX_EPOCH.saturating_add(since))
}
