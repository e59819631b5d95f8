//! The scripts: what takes more than one command and must not be interrupted.
//!
//! They compare and move bytes and never look into them. `KEYS[1]` is the session, `KEYS[2]` its tombstone; both are
//! declared and stand in one slot. Answers: 1 for done, 0 for "not live" (or taken), and for a base that no longer holds
//! the value that does with the milliseconds that are left.

use std::sync::LazyLock;

/// A script with the name under which a server caches it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) code: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }
}

/// `ARGV`: the value, its milliseconds. A tombstone wins over a new session.
pub(crate) static CREATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if ARGV[2] == '0' then return 1 - redis.call('EXISTS', KEYS[1]) end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
",
    )
});

/// What `REPLACE` and `RETIRE` begin with. A live key beside a tombstone was brought back by somebody who does not look
/// for tombstones: it goes again. A key that holds no string is no session.
macro_rules! compare {
    ($then:literal) => {
        concat!(
            r"
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DEL', KEYS[1]) return 0 end
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then
  if string.find(held.err, 'WRONGTYPE', 1, true) then return 0 end
  return held
end
if not held then return 0 end
if held ~= ARGV[1] then return {held, redis.call('PTTL', KEYS[1])} end
",
            $then,
            "\nreturn 1\n"
        )
    };
}

/// `ARGV`: the base, the value, its milliseconds.
pub(crate) static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(compare!(
        r"if ARGV[3] == '0' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end"
    ))
});

/// `ARGV`: the base, the reason, the tombstone's milliseconds. `DEL` comes first: a server whose memory is full refuses a
/// script's first write if it takes memory, and signing out must work then too.
pub(crate) static RETIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(compare!(
        r"redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])"
    ))
});

/// `ARGV`: the reason, the tombstone's milliseconds. A tombstone that stands already stays, except that `destroyed` is the
/// last word. `DEL` comes first as in `RETIRE`.
pub(crate) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stands = redis.call('GET', KEYS[2])
local live = redis.call('DEL', KEYS[1])
if not stands or (ARGV[1] == 'destroyed' and stands ~= 'destroyed') then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
if stands then return 0 end
return live
",
    )
});
