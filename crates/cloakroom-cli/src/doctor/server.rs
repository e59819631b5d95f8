//! A Redis or Valkey server: what it is, what it does when it is full, when it restarts, and when its clock is wrong.

mod judge;

use std::collections::HashMap;

use cloakroom::redis::{RedisStore, Reply};

use self::judge::Info;
use super::finding::Finding;
use crate::{clock::now, failure::Failure};

/// Asks the server and judges what it says.
pub(super) async fn look(store: &RedisStore) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let address = store.address();
    match store.server_info() {
        Some(server) => findings.push(judge::version(&server, &address)),
        None => findings.push(Finding::note(
            "server",
            format!("{address} does not say what it is"),
        )),
    }
    let info = info(store).await?;
    findings.extend(judge::mode(&info));
    findings.push(judge::encryption(&address));
    findings.push(judge::user(&user(store).await?, &address));
    findings.push(clock(store).await?);
    let Some(info) = info else {
        let advice = "allow the doctor's user `+info`, to see about eviction, memory, persistence and replicas";
        findings.push(Finding::warning(
            "info",
            "the server does not tell about itself",
            advice,
        ));
        return Ok(findings);
    };
    findings.push(judge::eviction(&info));
    findings.push(judge::memory(&info));
    findings.push(judge::persistence(&info, &save_points(store).await?));
    findings.push(judge::replication(&info));
    Ok(findings)
}

/// What `INFO` says; `None` where it is not allowed.
async fn info(store: &RedisStore) -> Result<Option<Info>, Failure> {
    let reply = store.ask(&["INFO"]).await?;
    let Some(text) = reply.as_str() else {
        return Ok(None);
    };
    let fields = text.lines().filter_map(|line| line.trim().split_once(':'));
    let fields: HashMap<_, _> = fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(Some(Info(fields)))
}

/// When the server writes its data to disk: `None` where it does not tell, as managed services do.
async fn save_points(store: &RedisStore) -> Result<Option<String>, Failure> {
    let reply = store.ask(&["CONFIG", "GET", "save"]).await?;
    Ok(reply
        .items()
        .get(1)
        .and_then(Reply::as_str)
        .map(str::to_owned))
}

/// As whom the doctor is connected.
async fn user(store: &RedisStore) -> Result<judge::User, Failure> {
    let reply = store.ask(&["ACL", "WHOAMI"]).await?;
    let name = reply.as_str().map(str::to_owned);
    let mut open = None;
    if let Some(name) = &name {
        let reply = store.ask(&["ACL", "GETUSER", name]).await?;
        let mut pairs = reply.items().chunks_exact(2);
        if let Some([_, flags]) = pairs.find(|pair| pair[0].as_str() == Some("flags")) {
            open = Some(
                flags
                    .items()
                    .iter()
                    .any(|flag| flag.as_str() == Some("nopass")),
            );
        }
    }
    Ok(judge::User { name, open })
}

/// How far the server's clock is from ours, by the middle of one round trip.
async fn clock(store: &RedisStore) -> Result<Finding, Failure> {
    let before = now();
    let reply = store.ask(&["TIME"]).await?;
    let after = now();
    let number = |index: usize| -> Option<i64> { reply.items().get(index)?.as_str()?.parse().ok() };
    let (Some(seconds), Some(micros)) = (number(0), number(1)) else {
        return Ok(Finding::note(
            "clock",
            "the server does not tell its time; allow `+time` to see it",
        ));
    };
    let server = seconds.saturating_mul(1000).saturating_add(micros / 1000);
    let here = i64::midpoint(before.as_millis(), after.as_millis());
    Ok(judge::clock(server - here))
}
