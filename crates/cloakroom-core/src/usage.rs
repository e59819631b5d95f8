//! What an owned session remembers of itself beside its owner: since when it is there, when it was used, from where, and
//! until when its claim is kept. All of it stands in `__ck`, only in sessions that somebody is signed in to, and only
//! where the layer has an owner index.
//!
//! Nothing of it decides whether a session lives. What stands there may have been written by anybody: what is not as we
//! write it counts as absent.

use std::{fmt, net::IpAddr, time::Duration};

use crate::{
    Timestamp,
    policy::{Policy, Times},
    record::{Identity, OwnLifetime, Record, moment, raw},
};

/// The longest user agent that is remembered, in bytes.
pub const MAX_USER_AGENT_LEN: usize = 256;

/// What a request says of the device that it came from. Personal data: see the option `device_facts` of the layer.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The `User-Agent`, without control characters and at most [`MAX_USER_AGENT_LEN`] bytes long.
    pub user_agent: Option<String>,
    /// The address, as text.
    pub address: Option<String>,
}

impl Client {
    /// From the header's bytes and the client's address.
    #[must_use]
    pub fn new(user_agent: Option<&[u8]>, address: Option<IpAddr>) -> Self {
        Self {
            user_agent: user_agent
                .and_then(|agent| plain(&String::from_utf8_lossy(agent), MAX_USER_AGENT_LEN)),
            address: address.map(|address| address.to_canonical().to_string()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("has_user_agent", &self.user_agent.is_some())
            .field("has_address", &self.address.is_some())
            .finish()
    }
}

/// Text that may be shown anywhere: without control characters, cut at a character's end. `None` if nothing is left.
fn plain(text: &str, longest: usize) -> Option<String> {
    let mut plain = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if plain.len() + character.len_utf8() > longest {
            break;
        }
        plain.push(character);
    }
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// What stands in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The first sign-in, or since when the session is known.
    pub created: Option<Timestamp>,
    /// When the value was last written. Renewals do not write it; see [`Usage::last_seen`].
    pub seen: Option<Timestamp>,
    /// Until when the session's claim is kept in the owner index.
    pub kept: Option<Timestamp>,
    /// Where it was used from when the value was last written.
    pub client: Client,
}

impl Usage {
    /// The last use, as far as is known at `now`: when the value was last written, or when the session was last renewed,
    /// which follows from its own lifetime and from how much of it is left.
    #[must_use]
    pub fn last_seen(
        &self,
        record: &Record,
        remaining: Option<Duration>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let renewed = match (record.lifetime(), remaining) {
            (Some(OwnLifetime::Idle(idle)), Some(left)) if left <= idle => {
                // Cut by the absolute lifetime, what is left says nothing of the last use.
                let cut = record
                    .ends()
                    .is_some_and(|ends| now.saturating_add(left) >= ends);
                let passed = i64::try_from((idle - left).as_millis()).unwrap_or(i64::MAX);
                let at = now.as_millis().saturating_sub(passed);
                (!cut).then(|| Timestamp::from_millis(at))
            }
            _ => None,
        };
        self.seen.max(renewed)
    }
}

impl Record {
    /// What the record remembers of its use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let Some(meta) = self.meta() else {
            return Usage::default();
        };
        let address = meta.text("address");
        let address = address.and_then(|text| text.parse::<IpAddr>().ok());
        Usage {
            created: moment(meta, "created"),
            seen: moment(meta, "seen"),
            kept: moment(meta, "kept"),
            client: Client {
                user_agent: meta
                    .text("agent")
                    .and_then(|text| plain(&text, MAX_USER_AGENT_LEN)),
                address: address.map(|address| address.to_string()),
            },
        }
    }

    /// Writes what the record is to remember of its use.
    pub fn set_usage(&mut self, usage: &Usage) {
        self.change_meta(|meta| {
            for (name, at) in [
                ("created", usage.created),
                ("seen", usage.seen),
                ("kept", usage.kept),
            ] {
                match at {
                    Some(at) => meta.set(name, raw(&at.as_millis())),
                    None => drop(meta.remove(name)),
                }
            }
            for (name, text) in [
                ("agent", &usage.client.user_agent),
                ("address", &usage.client.address),
            ] {
                match text {
                    Some(text) => meta.set(name, raw(text)),
                    None => drop(meta.remove(name)),
                }
            }
        });
    }

    /// Writes down whose the record is from now on. What it remembers of its use goes with a former owner.
    pub(crate) fn hand_over(&mut self, identity: &Identity) {
        if self.identity().owner != identity.owner {
            self.set_usage(&Usage::default());
        }
        self.set_identity(identity);
    }

    /// When express last wrote the session, by its own metadata: `cookie.expires` less `cookie.originalMaxAge`.
    #[must_use]
    pub fn dated(&self) -> Option<Timestamp> {
        let Some(OwnLifetime::Idle(idle)) = self.lifetime() else {
            return None;
        };
        let idle = i64::try_from(idle.as_millis()).ok()?;
        let at = self.expires()?.as_millis().checked_sub(idle)?;
        Some(Timestamp::from_millis(at))
    }
}

/// Until when the claim of a session with these times is to be kept: as long as its absolute lifetime lasts, or twice its
/// time to live from now.
pub(crate) fn keep_until(record: &Record, times: &Times, now: Timestamp) -> Timestamp {
    let twice = now.saturating_add(times.ttl.saturating_mul(2));
    record.ends().map_or(twice, |ends| ends.max(now))
}

/// How far a standing claim reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Far enough.
    Far,
    /// Beyond the session's time, but half of the lifetime has passed since it was made.
    Near,
    /// Not as far as the session may live, or there is none.
    Short,
}

/// How far the claim of an owned session reaches, if it is written or renewed now.
pub(crate) fn reach(record: &Record, times: &Times, now: Timestamp) -> Reach {
    let Some(kept) = record.usage().kept else {
        return Reach::Short;
    };
    let ends = record.ends().unwrap_or(Timestamp::from_millis(i64::MAX));
    let end = now.saturating_add(times.ttl);
    if kept < end.min(ends) {
        Reach::Short
    } else if kept < end.saturating_add(times.ttl / 2).min(ends) {
        Reach::Near
    } else {
        Reach::Far
    }
}

/// Notes in a record that is about to be written for an owner when and from where it was used. Where that does not fit
/// into the limits, the record stays as it is.
pub(crate) fn note(
    record: &mut Record,
    client: &Client,
    kept: Option<Timestamp>,
    policy: &Policy,
    now: Timestamp,
) {
    let before = record.usage();
    let mut noted = record.clone();
    noted.set_usage(&Usage {
        created: before.created.or(Some(now)),
        // Another request may have been here later, by another clock.
        seen: before.seen.max(Some(now)),
        kept: kept.or(before.kept),
        client: client.clone(),
    });
    if noted.to_bytes().len() <= policy.limits.bytes {
        *record = noted;
    }
}
