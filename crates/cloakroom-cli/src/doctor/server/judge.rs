//! From what a server says to what that means for sessions. Nothing is asked here.

use std::collections::HashMap;

use cloakroom::redis::{ServerInfo, ServerKind};

use super::super::finding::Finding;
use crate::format;

/// What `INFO` says, by name.
#[derive(Debug, Default)]
pub(super) struct Info(pub(super) HashMap<String, String>);

impl Info {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// As whom the doctor is connected.
#[derive(Debug)]
pub(super) struct User {
    /// Its name, where the server tells.
    pub(super) name: Option<String>,
    /// Whether it needs no password, where the server tells.
    pub(super) open: Option<bool>,
}

/// Redis 6.2 to 8, Valkey 7.2 to 9.
pub(super) fn version(server: &ServerInfo, address: &str) -> Finding {
    judge_version(
        &server.kind,
        &server.version,
        format!("{server} at {address}"),
    )
}

fn judge_version(kind: &ServerKind, version: &str, what: String) -> Finding {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(major), minor) = (parts.next().flatten(), parts.next().flatten().unwrap_or(0)) else {
        return Finding::note(
            "server",
            format!("{what}, of no version that could be judged"),
        );
    };
    let range = match kind {
        ServerKind::Redis => ((6, 2), 8),
        ServerKind::Valkey => ((7, 2), 9),
        _ => {
            let advice = "the store is tested on Redis and Valkey alone; test sign-out and parallel changes on this one";
            return Finding::warning("server", what, advice);
        }
    };
    let (oldest, newest) = range;
    if (major, minor) < oldest {
        let advice = "too old: the store needs Redis 6.2 or later, or Valkey 7.2 or later";
        Finding::error("server", what, advice)
    } else if major > newest {
        Finding::warning(
            "server",
            what,
            "newer than what this release was tested with; see its notes",
        )
    } else {
        Finding::ok("server", what)
    }
}

/// Whether it is a server by itself that can be written to.
pub(super) fn mode(info: &Option<Info>) -> Option<Finding> {
    let info = info.as_ref()?;
    if info.text("cluster_enabled") == Some("1") {
        let advice =
            "use a single server, or the primary of replicas; Redis Cluster is not supported";
        return Some(Finding::error("mode", "a node of a cluster", advice));
    }
    (info.text("role") == Some("slave")).then(|| {
        let advice = "name the primary: sessions can be read here and not saved";
        Finding::error("mode", "a replica", advice)
    })
}

/// Whether what goes over the network is readable there.
pub(super) fn encryption(address: &str) -> Finding {
    if address.starts_with("rediss://") {
        return Finding::ok(
            "tls",
            "the connection is encrypted, and the server's certificate was verified",
        );
    }
    if address.starts_with("unix:") {
        return Finding::ok("tls", "a Unix socket: nothing goes over a network");
    }
    if is_local(address) {
        return Finding::ok(
            "tls",
            "none, and none is needed: the server is on this machine",
        );
    }
    let advice = "write `rediss://`, with `tls-port` at the server: sessions and the password go over the network in the clear";
    Finding::warning("tls", "none", advice)
}

fn is_local(address: &str) -> bool {
    let host = address.strip_prefix("redis://").unwrap_or(address);
    host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]")
}

/// Whether anybody who can reach the server is let in.
pub(super) fn user(user: &User, address: &str) -> Finding {
    let Some(name) = &user.name else {
        return Finding::note("user", "the server does not tell as whom we are connected");
    };
    let local = is_local(address) || address.starts_with("unix:");
    match (user.open, name.as_str()) {
        (Some(true), _) if local => Finding::note(
            "user",
            format!("`{name}`, without a password: whoever is on this machine can change sessions"),
        ),
        (Some(true), _) => {
            let advice = "give the server a password, or better a user of its own (`ACL SETUSER`, see SECURITY.md)";
            Finding::error("user", format!("`{name}`, without a password"), advice)
        }
        (_, "default") => {
            let advice = "a user of its own with the rights that the store needs (`ACL SETUSER`, see SECURITY.md) limits what a stolen password does";
            Finding::warning("user", "`default`, who may do everything", advice)
        }
        _ => Finding::ok("user", format!("`{name}`")),
    }
}

/// Times to live are the server's, sign-in times and absolute ends the application's.
pub(super) fn clock(offset_millis: i64) -> Finding {
    let ahead = if offset_millis < 0 {
        "behind"
    } else {
        "ahead of"
    };
    let distance = std::time::Duration::from_millis(offset_millis.unsigned_abs());
    let shown = if distance.as_secs() < 10 {
        format!("{:.3} s", distance.as_secs_f64())
    } else {
        format::short(distance)
    };
    let what = format!("the server's clock is {shown} {ahead} this machine's");
    let advice = "let both take their time from the same source (NTP): absolute ends and revocations are off by as much";
    match distance.as_secs() {
        0 => Finding::ok("clock", what),
        1..30 => Finding::warning("clock", what, advice),
        _ => Finding::error("clock", what, advice),
    }
}

/// What becomes of sessions when the server is full.
pub(super) fn eviction(info: &Info) -> Finding {
    let Some(policy) = info.text("maxmemory_policy") else {
        return Finding::note(
            "eviction",
            "the server does not tell its `maxmemory-policy`",
        );
    };
    let evicted = info.number("evicted_keys").unwrap_or(0);
    let what = format!("`maxmemory-policy` is `{policy}`");
    if evicted > 0 && policy != "noeviction" {
        let what = format!(
            "{what}, and {} keys were thrown away since the server started",
            format::count(evicted)
        );
        let advice = "visitors may have been signed out by it: give the server more memory, or set `noeviction`";
        return Finding::error("eviction", what, advice);
    }
    match policy {
        "noeviction" | "volatile-ttl" => Finding::ok("eviction", what),
        _ if policy.starts_with("volatile-") => {
            let advice = "set `noeviction` or `volatile-ttl`: a full server throws sessions and tombstones away, whichever it likes";
            Finding::warning("eviction", what, advice)
        }
        _ => {
            let advice = "set `noeviction`, or `volatile-ttl` where other data share the server: a full server signs visitors out";
            Finding::error("eviction", what, advice)
        }
    }
}

/// How much room is left.
pub(super) fn memory(info: &Info) -> Finding {
    let Some(used) = info.number("used_memory") else {
        return Finding::note("memory", "the server does not tell how much it uses");
    };
    let shown = format::size(used);
    let (limit, whose) = match info.number("maxmemory") {
        Some(limit) if limit > 0 => (limit, "maxmemory"),
        _ => match info.number("total_system_memory") {
            Some(total) if total > 0 => (total, "the machine"),
            _ => return Finding::note("memory", format!("{shown} used, without a limit")),
        },
    };
    let percent = u128::from(used) * 100 / u128::from(limit);
    let what = format!(
        "{shown} used, {percent}% of the {} of {whose}",
        format::size(limit)
    );
    match (percent, whose) {
        (95.., _) => Finding::error(
            "memory",
            what,
            "give the server more memory now: when it is full, no session can be saved",
        ),
        (80..95, _) => Finding::warning("memory", what, "give the server more memory soon"),
        (_, "maxmemory") => Finding::ok("memory", what),
        _ => {
            let advice = "set `maxmemory`: without it the system ends the server when the machine is full, and with it sessions that were not on disk";
            Finding::warning("memory", what, advice)
        }
    }
}

/// What a restart costs.
pub(super) fn persistence(info: &Info, save: &Option<String>) -> Finding {
    let failed = |name: &str| info.text(name).is_some_and(|status| status != "ok");
    let append = info.text("aof_enabled") == Some("1");
    if append && failed("aof_last_write_status") || failed("rdb_last_bgsave_status") {
        let advice = "see the server's log and its disk: until that is repaired, a restart undoes sign-outs, and the server may refuse to write";
        return Finding::error(
            "persistence",
            "the last attempt to write to disk failed",
            advice,
        );
    }
    match (append, save.as_deref()) {
        (true, _) => Finding::ok("persistence", "`appendonly` is on"),
        (false, Some("")) => {
            let advice = "set `appendonly yes` if visitors should stay signed in over a restart of the server";
            Finding::warning(
                "persistence",
                "none: a restart of the server ends all sessions",
                advice,
            )
        }
        (false, Some(points)) => {
            let advice = "set `appendonly yes`: a snapshot brings back what was signed out since it was made";
            Finding::warning(
                "persistence",
                format!("snapshots alone (`save {points}`)"),
                advice,
            )
        }
        (false, None) => Finding::note(
            "persistence",
            "`appendonly` is off, and the server does not tell about snapshots",
        ),
    }
}

/// What a failover costs (R48).
pub(super) fn replication(info: &Info) -> Finding {
    let replicas = info.number("connected_slaves").unwrap_or(0);
    if replicas == 0 {
        return Finding::note(
            "replicas",
            "none: while this server is away, so are the sessions",
        );
    }
    let needed = info.number("min_slaves_good_slaves");
    let what = format!("{replicas} connected");
    match needed {
        Some(good) => Finding::ok(
            "replicas",
            format!("{what}, {good} of them near enough for `min-replicas-to-write`"),
        ),
        None => {
            let advice = "set `min-replicas-to-write 1` and a small `min-replicas-max-lag`: a failover undoes what had not reached the replica, a sign-out among it";
            Finding::warning("replicas", what, advice)
        }
    }
}

#[cfg(test)]
mod tests;
