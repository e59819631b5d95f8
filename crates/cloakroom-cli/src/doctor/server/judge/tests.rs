//! Each rule as a table.

use super::*;
use crate::doctor::finding::Level::{self, Error, Note, Ok, Warning};

fn info(text: &str) -> Info {
    let fields = text
        .split_whitespace()
        .filter_map(|field| field.split_once(':'));
    Info(
        fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

#[test]
fn a_full_server_must_not_throw_sessions_away() {
    for (text, level) in [
        ("maxmemory_policy:noeviction evicted_keys:3", Ok),
        ("maxmemory_policy:volatile-ttl evicted_keys:0", Ok),
        ("maxmemory_policy:volatile-ttl evicted_keys:1", Error),
        ("maxmemory_policy:volatile-lru", Warning),
        ("maxmemory_policy:allkeys-lru", Error),
        ("maxmemory_policy:allkeys-random", Error),
        ("", Note),
    ] {
        assert_eq!(eviction(&info(text)).level, level, "{text}");
    }
}

#[test]
fn memory_has_a_limit_and_room() {
    for (text, level) in [
        ("used_memory:10 maxmemory:100", Ok),
        ("used_memory:80 maxmemory:100", Warning),
        ("used_memory:95 maxmemory:100", Error),
        ("used_memory:200 maxmemory:100", Error),
        (
            "used_memory:10 maxmemory:0 total_system_memory:100",
            Warning,
        ),
        ("used_memory:96 maxmemory:0 total_system_memory:100", Error),
        ("used_memory:10 maxmemory:0", Note),
        ("", Note),
    ] {
        assert_eq!(memory(&info(text)).level, level, "{text}");
    }
}

#[test]
fn a_restart_keeps_what_was_acknowledged() {
    let points = |text: &str| Some(text.to_owned());
    for (text, save, level) in [
        ("aof_enabled:1 aof_last_write_status:ok", points(""), Ok),
        ("aof_enabled:1 aof_last_write_status:err", points(""), Error),
        ("aof_enabled:0", points(""), Warning),
        ("aof_enabled:0", points("3600 1"), Warning),
        (
            "aof_enabled:0 rdb_last_bgsave_status:err",
            points("3600 1"),
            Error,
        ),
        ("aof_enabled:0", None, Note),
    ] {
        assert_eq!(persistence(&info(text), &save).level, level, "{text}");
    }
}

#[test]
fn r48_a_failover_loses_little() {
    for (text, level) in [
        ("connected_slaves:0", Note),
        ("connected_slaves:1", Warning),
        ("connected_slaves:1 min_slaves_good_slaves:1", Ok),
    ] {
        assert_eq!(replication(&info(text)).level, level, "{text}");
    }
}

#[test]
fn a_replica_and_a_node_of_a_cluster_are_errors() {
    assert_eq!(mode(&Some(info("role:master cluster_enabled:0"))), None);
    for text in ["role:slave", "cluster_enabled:1"] {
        assert_eq!(mode(&Some(info(text))).unwrap().level, Error, "{text}");
    }
}

#[test]
fn r41_a_password_goes_over_no_network_in_the_clear() {
    for (address, level) in [
        ("rediss://cache.internal:6379/0", Ok),
        ("redis://127.0.0.1:6379/0", Ok),
        ("redis://localhost:6379/0", Ok),
        ("redis://[::1]:6379/0", Ok),
        ("unix:///run/redis.sock?db=0", Ok),
        ("redis://cache.internal:6379/0", Warning),
        ("redis://localhost.example:6379/0", Warning),
    ] {
        assert_eq!(encryption(address).level, level, "{address}");
    }
}

#[test]
fn a_user_has_a_password_and_few_rights() {
    let far = "redis://cache.internal:6379/0";
    let near = "redis://127.0.0.1:6379/0";
    for (name, open, address, level) in [
        (Some("default"), Some(true), far, Error),
        (Some("default"), Some(true), near, Note),
        (Some("default"), Some(false), far, Warning),
        (Some("app"), Some(false), far, Ok),
        (Some("app"), None, far, Ok),
        (None, None, far, Note),
    ] {
        let name = name.map(str::to_owned);
        assert_eq!(
            user(&User { name, open }, address).level,
            level,
            "{open:?} {address}"
        );
    }
}

#[test]
fn clocks_agree() {
    for (offset, level, shown) in [
        (0, Ok, "0.000 s ahead of"),
        (-999, Ok, "0.999 s behind"),
        (1000, Warning, "1.000 s ahead of"),
        (-30_000, Error, "30s behind"),
        (i64::MIN, Error, "behind"),
    ] {
        let found = clock(offset);
        assert_eq!(found.level, level, "{offset}");
        assert!(found.what.contains(shown), "{}", found.what);
    }
}

#[test]
fn versions_out_of_the_range_are_named() {
    for (kind, version, level) in [
        (ServerKind::Redis, "7.0.15", Ok),
        (ServerKind::Redis, "6.2.0", Ok),
        (ServerKind::Redis, "6.0.16", Error),
        (ServerKind::Redis, "9.0.0", Warning),
        (ServerKind::Valkey, "8.1.1", Ok),
        (ServerKind::Valkey, "7.0.0", Error),
        (ServerKind::Valkey, "10.0.0", Warning),
        (ServerKind::Other("keydb".to_owned()), "6.3.4", Warning),
        (ServerKind::Redis, "", Note),
    ] {
        let judged: Level = judge_version(&kind, version, String::new()).level;
        assert_eq!(judged, level, "{kind:?} {version}");
    }
}
