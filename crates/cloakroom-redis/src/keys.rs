//! The names of keys.

use std::{fmt, io::Write as _, sync::Arc};

use cloakroom_core::{EndReason, SessionId, owner_index::Whose, store::TOMBSTONE_TTL};
use redis::{RedisWrite, ToRedisArgs};

/// What a tombstone's key begins with. No prefix of a session begins so, and a Node peer that lists or clears the sessions
/// below such a prefix does not meet it.
const TOMBSTONE: &str = "ck:t:";

/// The names of keys that have to do with one session and one owner, as [`RedisStore::key_names`](crate::RedisStore::key_names)
/// gives them. The [crate's documentation](crate) says what stands there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyNames {
    /// The session.
    pub session: String,
    /// Its tombstone.
    pub tombstone: String,
    /// The owner's claims, by their time.
    pub claims: String,
    /// The owner's revocation.
    pub revocation: String,
}

/// A key holds an id.
impl fmt::Debug for KeyNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyNames").finish_non_exhaustive()
    }
}

/// From ids and owners to keys, and back to ids.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) prefix: Arc<str>,
}

/// A key for a command, which writes it down without a text of its own: each page has three of them.
pub(crate) struct InParts<'a, const N: usize>([&'a str; N]);

impl<const N: usize> ToRedisArgs for InParts<'_, N> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        for part in self.0 {
            // Into memory: it cannot fail.
            let _ = argument.write_all(part.as_bytes());
        }
    }
}

impl Keys {
    pub(crate) fn session(&self, id: &SessionId) -> String {
        self.session_in_parts(id).0.concat()
    }

    pub(crate) fn session_in_parts<'a>(&'a self, id: &'a SessionId) -> InParts<'a, 2> {
        InParts([&self.prefix, id.as_str()])
    }

    pub(crate) fn tombstone(&self, id: &SessionId) -> String {
        self.tombstone_in_parts(id).0.concat()
    }

    /// In the slot of the session itself: by braces around its key, or by those that the prefix has.
    pub(crate) fn tombstone_in_parts<'a>(&'a self, id: &'a SessionId) -> InParts<'a, 5> {
        let (open, close) = self.braces();
        InParts([TOMBSTONE, open, &self.prefix, id.as_str(), close])
    }

    /// A session's key and its tombstone's, as the scripts take them.
    pub(crate) fn both(&self, id: &SessionId) -> [String; 2] {
        [self.session(id), self.tombstone(id)]
    }

    /// An owner's claims: their ids by the time of the claim.
    pub(crate) fn claims(&self, owner: &str) -> String {
        self.indexed('u', owner)
    }

    /// The same ids by the time until which they are kept.
    pub(crate) fn keeps(&self, owner: &str) -> String {
        self.indexed('k', owner)
    }

    /// The latest revocation. That of everybody is no special owner's: an owner without a name must not mean everybody.
    pub(crate) fn revocation(&self, whose: Whose<'_>) -> String {
        match whose {
            Whose::Owner(owner) => self.indexed('e', owner),
            Whose::Everybody => self.indexed('a', ""),
        }
    }

    /// The time of the latest revocation, whosever it is.
    pub(crate) fn revision(&self) -> String {
        self.indexed('r', "")
    }

    /// The last time that was given to a claim or a revocation.
    pub(crate) fn last(&self) -> String {
        self.indexed('c', "")
    }

    /// A key of the owner index. The prefix stands there with its length, so that no owner makes one application's key that
    /// of another. All of a prefix are in one slot, by braces as for the tombstones: a claim needs the last time as well.
    fn indexed(&self, kind: char, owner: &str) -> String {
        let (open, close) = self.braces();
        let length = self.prefix.len();
        format!("ck:{kind}:{open}{length}:{}{close}{owner}", self.prefix)
    }

    /// What makes a tag of a key of ours: nothing where the prefix has one.
    fn braces(&self) -> (&'static str, &'static str) {
        if has_tag(&self.prefix) {
            ("", "")
        } else {
            ("{", "}")
        }
    }

    /// Those that tools ask for.
    pub(crate) fn names(&self, id: &SessionId, owner: &str) -> KeyNames {
        KeyNames {
            session: self.session(id),
            tombstone: self.tombstone(id),
            claims: self.claims(owner),
            revocation: self.revocation(Whose::Owner(owner)),
        }
    }

    /// The id that a key below the prefix belongs to; `None` where no id of ours looks like this.
    pub(crate) fn id(&self, key: &[u8]) -> Option<SessionId> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        SessionId::parse(std::str::from_utf8(rest).ok()?)
    }

    /// The pattern that matches the prefix with what follows it and nothing else, whatever characters it has.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.prefix.len() + 8);
        for c in self.prefix.chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('*');
        pattern
    }
}

/// Whether a cluster looks at a part of the key alone: what stands between the first `{` and the next `}`, if anything does.
fn has_tag(prefix: &str) -> bool {
    let tag = prefix
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty())
}

/// How a tombstone says why the session ended.
pub(crate) fn word(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Rotated => "rotated",
        EndReason::Destroyed => "destroyed",
    }
}

/// What a tombstone says. Whatever else stands there, the session has ended.
pub(crate) fn reason(word: &[u8]) -> EndReason {
    if word == b"rotated" {
        EndReason::Rotated
    } else {
        EndReason::Destroyed
    }
}

/// A tombstone's time in milliseconds.
pub(crate) fn tombstone_millis() -> u64 {
    u64::try_from(TOMBSTONE_TTL.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_connect_redis_and_tombstones_lie_outside() {
        let keys = Keys {
            prefix: "sess:".into(),
        };
        let id = SessionId::parse("aB-3").unwrap();
        assert_eq!(keys.session(&id), "sess:aB-3");
        assert_eq!(keys.tombstone(&id), "ck:t:{sess:aB-3}");
        assert_eq!(keys.id(b"sess:aB-3"), Some(id));
        for key in [&b"sess:"[..], b"other:aB-3", b"sess:{x}", b"sess:\xff"] {
            assert_eq!(keys.id(key), None);
        }
        // Even without a prefix a tombstone is none of the sessions.
        let bare = Keys { prefix: "".into() };
        assert_eq!(bare.id(b"ck:t:{sess:aB-3}"), None);
    }

    /// What a cluster takes the slot from.
    fn hashed(key: &str) -> &str {
        let tag = key
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'));
        tag.map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag })
    }

    #[test]
    fn a_tombstone_is_in_the_slot_of_its_session_whatever_braces_the_prefix_has() {
        let id = SessionId::parse("aB-3").unwrap();
        for prefix in ["sess:", "", "{app}:", "a{app}b:", "a{b{c}d}:", "a{"] {
            let keys = Keys {
                prefix: prefix.into(),
            };
            let (session, tombstone) = (keys.session(&id), keys.tombstone(&id));
            assert_eq!(hashed(&session), hashed(&tombstone), "{prefix}");
            assert!(tombstone.starts_with("ck:t:"));
        }
    }

    fn index(prefix: &str, owner: &str) -> [String; 6] {
        let keys = Keys {
            prefix: prefix.into(),
        };
        [
            keys.claims(owner),
            keys.keeps(owner),
            keys.revocation(Whose::Owner(owner)),
            keys.revocation(Whose::Everybody),
            keys.revision(),
            keys.last(),
        ]
    }

    #[test]
    fn keys_of_the_owner_index_are_in_one_slot_and_with_a_tag_in_that_of_the_sessions() {
        for prefix in ["sess:", "", "{app}:", "a{app}b:", "a{", "a}", "{}", "a{}b"] {
            let slots: Vec<_> = ["hanako", "", "{x}", "}{", "{}"]
                .iter()
                .flat_map(|owner| index(prefix, owner))
                .map(|key| hashed(&key).to_owned())
                .collect();
            assert!(slots.iter().all(|slot| *slot == slots[0]), "{slots:?}");
        }
        assert_eq!(hashed(&index("{app}:", "hanako")[0]), "app");
        assert_eq!(index("sess:", "hanako")[0], "ck:u:{5:sess:}hanako");
        assert_eq!(index("{app}:", "hanako")[0], "ck:u:6:{app}:hanako");
    }

    /// Glued together, `a` + `b:c` and `a:b` + `c` would be one.
    #[test]
    fn no_prefix_and_owner_make_the_key_of_another() {
        let parts = [
            "", "a", "a:", ":", "1:a", "{", "}", "{}", "{a}", "a}b", "0:", "sess:", "sess:}",
        ];
        let mut seen = std::collections::HashMap::new();
        for prefix in parts {
            for owner in parts {
                for (kind, key) in index(prefix, owner).into_iter().enumerate() {
                    let owner = if kind < 3 { owner } else { "" };
                    let before = seen.insert(key.clone(), (kind, prefix, owner));
                    let mine = Some((kind, prefix, owner));
                    assert!(
                        before.is_none() || before == mine,
                        "{key}: {before:?}, {mine:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn patterns_in_a_prefix_are_plain_characters() {
        let keys = Keys {
            prefix: r"a*?[b-c]^\:".into(),
        };
        assert_eq!(keys.pattern(), r"a\*\?\[b\-c\]\^\\:*");
    }

    #[test]
    fn names_for_tools_are_those_of_the_store_and_show_no_id() {
        let keys = Keys {
            prefix: "a{:".into(),
        };
        let id = SessionId::parse("hunter2").unwrap();
        let names = keys.names(&id, "hanako");
        assert_eq!(names.session, "a{:hunter2");
        assert_eq!(names.tombstone, "ck:t:{a{:hunter2}");
        let [claims, _, revocation, ..] = index("a{:", "hanako");
        assert_eq!([&names.claims, &names.revocation], [&claims, &revocation]);
        assert!(!format!("{names:?}").contains("hunter2"));
    }
}
