//! What the server at the other end is, as it says itself.

use std::fmt;

use redis::Value;

/// Which program a server is, and its version. `Display` is for people: `Redis 7.0.15`, `Valkey 8.1.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Which program it is.
    pub kind: ServerKind,
    /// Its version, as it writes it; empty if it does not say.
    pub version: String,
    /// Whether it was a replica when the connection was made: it can be read, not written.
    pub replica: bool,
}

/// Which program a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerKind {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
    /// Another program that speaks their language, by the name that it gives itself.
    Other(String),
}

impl fmt::Display for ServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ServerKind::Redis => f.write_str("Redis")?,
            ServerKind::Valkey => f.write_str("Valkey")?,
            ServerKind::Other(name) => f.write_str(name)?,
        }
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        Ok(())
    }
}

impl ServerInfo {
    /// From the answers to `HELLO` and `INFO server`; either may be an error.
    pub(crate) fn read(hello: &Value, info: &Value) -> Self {
        let info = text(info).unwrap_or_default();
        let line = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::to_owned)
        };
        let said = |name: &str| field(hello, name).and_then(text);
        let named = said("server");
        // Valkey calls itself Redis at both places when its compatibility is switched on, and then has a version of its own.
        let valkey = line("valkey_version");
        let kind = match named.as_deref() {
            _ if valkey.is_some() => ServerKind::Valkey,
            Some("valkey") => ServerKind::Valkey,
            Some("redis") | None => ServerKind::Redis,
            Some(other) => ServerKind::Other(printable(other)),
        };
        let version = valkey
            .or_else(|| said("version"))
            .or_else(|| line("redis_version"));
        Self {
            kind,
            version: printable(&version.unwrap_or_default()),
            replica: said("role").is_some_and(|role| role != "master"),
        }
    }

    /// Whether this is a sentinel: it knows no sessions.
    pub(crate) fn is_sentinel(hello: &Value) -> bool {
        field(hello, "mode").and_then(text).as_deref() == Some("sentinel")
    }

    /// Whether `SET` has `IFEQ`: Valkey from 8.1, Redis from 8.4. Only a hint; the server's answer decides.
    pub(crate) fn has_ifeq(&self) -> bool {
        let mut parts = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0_u32));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        match self.kind {
            ServerKind::Valkey => version >= (8, 1),
            ServerKind::Redis => version >= (8, 4),
            ServerKind::Other(_) => false,
        }
    }
}

fn field<'a>(hello: &'a Value, name: &str) -> Option<&'a Value> {
    match hello {
        Value::Array(items) => items.chunks_exact(2).find_map(|pair| {
            let found = text(&pair[0]).as_deref() == Some(name);
            found.then(|| &pair[1])
        }),
        Value::Map(pairs) => pairs
            .iter()
            .find_map(|(key, value)| (text(key).as_deref() == Some(name)).then_some(value)),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// A server's word, short and without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn hello(server: &str, version: &str) -> Value {
        Value::Array(
            ["server", server, "version", version, "role", "master"]
                .map(bulk)
                .to_vec(),
        )
    }

    #[test]
    fn servers_are_told_apart_and_so_is_what_they_can() {
        for (hello, info, shown, ifeq) in [
            (hello("redis", "7.0.15"), Value::Nil, "Redis 7.0.15", false),
            (hello("redis", "8.4.0"), Value::Nil, "Redis 8.4.0", true),
            (hello("redis", "8.10.1"), Value::Nil, "Redis 8.10.1", true),
            (hello("valkey", "8.1.1"), Value::Nil, "Valkey 8.1.1", true),
            (hello("valkey", "8.0.9"), Value::Nil, "Valkey 8.0.9", false),
            (
                hello("redis", "7.2.4"),
                bulk("# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.0.0\r\n"),
                "Valkey 9.0.0",
                true,
            ),
            (
                Value::Nil,
                bulk("redis_version:6.2.1\r\n"),
                "Redis 6.2.1",
                false,
            ),
            (Value::Nil, Value::Nil, "Redis", false),
            (
                hello("dragonfly", "1.2"),
                Value::Nil,
                "dragonfly 1.2",
                false,
            ),
        ] {
            let server = ServerInfo::read(&hello, &info);
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.has_ifeq(), ifeq, "{shown}");
        }
    }
}
