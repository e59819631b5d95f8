//! The scripts: what takes more than one command and must not be interrupted.
//!
//! They compare and move bytes and never look into them. All keys are declared and stand in one slot. Where nothing else is
//! said, `KEYS[1]` is the session and `KEYS[2]` its tombstone. Answers: 1 for done, 0 for "not live" (or taken), and for a
//! base that no longer holds the value that does with the milliseconds that are left.

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

/// What the scripts of the owner index begin with. Times are in milliseconds and go to the server as whole numbers:
/// Lua alone would write long ones with an exponent. A last time that is no time was put there by hand, and does not count.
macro_rules! by_the_clock {
    ($then:literal) => {
        concat!(
            r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(number) return string.format('%.0f', number) end
local function later(at, key)
  local last = tonumber(redis.call('GET', key) or '')
  if last and last < 9007199254740991 and last >= at then return last + 1 end
  return at
end
",
            $then
        )
    };
}

/// `KEYS`: the owner's claims, the same by their end, the last time. `ARGV`: the id, how many milliseconds to keep it, the
/// limit or nothing, how many ids to name at most. Answers with the time of the claim and the oldest ids beyond the limit.
///
/// - All keys are read before the first is written: one of another type is an error that has changed nothing.
/// - The first write takes memory, so a server that is full refuses all of it.
/// - Both sets live as long as the claim that is kept longest. Redis 6.2 has no `PEXPIRE GT`. A key without an end, made so by
///   hand, stays so.
/// - Each claim takes away some whose time is over, so that an index of which nobody asks does not grow. `ZREM` is told few
///   at once.
pub(crate) static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(by_the_clock!(
        r"
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZSCORE', KEYS[2], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if not at then
  at = whole(later(now, KEYS[3]))
  redis.call('SET', KEYS[3], at)
  redis.call('ZADD', KEYS[1], at, ARGV[1])
end
redis.call('ZADD', KEYS[2], 'GT', whole(now + ARGV[2]), ARGV[1])
if left == -2 or (left >= 0 and left < tonumber(ARGV[2])) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
left = redis.call('PTTL', KEYS[1])
if left ~= -1 then redis.call('PEXPIRE', KEYS[2], left) end
local over = redis.call('ZRANGE', KEYS[2], '-inf', '(' .. whole(now), 'BYSCORE', 'LIMIT', 0, 32)
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('ZREM', KEYS[2], unpack(over))
end
local answer = {tonumber(at)}
if ARGV[3] ~= '' then
  local beyond = math.min(redis.call('ZCARD', KEYS[1]) - ARGV[3], tonumber(ARGV[4]))
  if beyond > 0 then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, beyond - 1)) do
      if id ~= ARGV[1] then answer[#answer + 1] = id end
    end
  end
end
return answer
"
    ))
});

/// `KEYS`: the revocation, the revision, the last time. `ARGV`: the revocation's milliseconds. Answers with its time, which
/// is later than all that stand there. `DEL` comes first, after what reads, as in `RETIRE`: revoking works on a full server.
pub(crate) static REVOKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(by_the_clock!(
        r"
local at = now
for _, key in ipairs(KEYS) do at = later(at, key) end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], whole(at), 'PX', ARGV[1])
redis.call('SET', KEYS[2], whole(at))
redis.call('SET', KEYS[3], whole(at))
return at
"
    ))
});
