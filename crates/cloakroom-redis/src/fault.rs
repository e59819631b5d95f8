//! From what goes wrong on the way to a server to the errors of a store.
//!
//! A [`Fault`] is cheap to clone, because one lost connection is the failure of everyone who waits for it. Messages are
//! fixed texts, the server's address and the server's error code. The words of a server are never passed on: Redis repeats
//! the beginning of a command that it does not know, and with it a key or a password.

use std::{fmt, io, sync::Arc};

use cloakroom_core::{Error, ErrorKind};
use redis::{RedisError, ServerError};

/// Why a call or an attempt to connect failed.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The address cannot be reached.
    Unreachable(Arc<io::Error>),
    /// The host's name has no address.
    NoSuchHost(Arc<io::Error>),
    /// There was no connection within `connect_timeout`.
    SlowConnect,
    /// TLS could not be agreed upon, or the server's certificate is not trusted.
    Tls(Arc<io::Error>),
    /// There was no answer within `command_timeout`.
    Silent,
    /// The connection was lost while a call was waiting for its answer.
    Lost,
    /// The server closed a connection that was just being made.
    Dismissed { tls: bool },
    /// No call may begin: the connection is down and is being restored.
    Down(Arc<Fault>),
    /// More calls are under way than `max_in_flight` allows.
    Crowded,
    /// The server answered with an error.
    Server(Refusal),
    /// The server does not take the user and the password.
    Credentials,
    /// The server wants a password and none is configured.
    NoCredentials,
    /// A password is configured and the server has none.
    NoPasswordSet,
    /// The database number is beyond what the server has.
    Database(u32),
    /// The provider of credentials failed.
    Provider(Arc<Error>),
    /// This is a sentinel.
    Sentinel,
    /// The answer is none that the command can have.
    Protocol,
    /// A key of the owner index holds what no store has written.
    Spoiled,
}

/// The kinds of errors that a server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Loading,
    Busy,
    ReadOnly,
    NoReplicas,
    OutOfMemory,
    Misconfigured,
    Transient,
    NoAuth,
    WrongPass,
    NoPermission,
    Cluster,
    WrongType,
    NoScript,
    Syntax,
    TooManyClients,
    Protected,
    Other,
}

/// Codes as servers write them, with what they mean here. Redis before 7.0 wraps the error of a command inside of a
/// script into one of its own, so the code is looked for in the whole text.
const CODES: [(&str, Refusal); 23] = [
    ("LOADING", Refusal::Loading),
    ("BUSY", Refusal::Busy),
    ("READONLY", Refusal::ReadOnly),
    ("NOREPLICAS", Refusal::NoReplicas),
    ("OOM", Refusal::OutOfMemory),
    ("MISCONF", Refusal::Misconfigured),
    ("MASTERDOWN", Refusal::Transient),
    ("CLUSTERDOWN", Refusal::Transient),
    ("TRYAGAIN", Refusal::Transient),
    ("UNBLOCKED", Refusal::Transient),
    ("UNKILLABLE", Refusal::Transient),
    ("NOAUTH", Refusal::NoAuth),
    ("WRONGPASS", Refusal::WrongPass),
    ("NOPERM", Refusal::NoPermission),
    ("DENIED", Refusal::Protected),
    ("MOVED", Refusal::Cluster),
    ("ASK", Refusal::Cluster),
    ("REDIRECT", Refusal::Cluster),
    ("CROSSSLOT", Refusal::Cluster),
    ("WRONGTYPE", Refusal::WrongType),
    ("NOSCRIPT", Refusal::NoScript),
    ("NOPROTO", Refusal::Other),
    ("EXECABORT", Refusal::Other),
];

/// Beginnings of texts behind the code `ERR`.
const TEXTS: [(&str, Refusal); 7] = [
    ("syntax error", Refusal::Syntax),
    ("max number of clients", Refusal::TooManyClients),
    ("unknown user or wrong password", Refusal::WrongPass),
    ("invalid password", Refusal::WrongPass),
    ("Client sent AUTH, but no password", Refusal::WrongPass),
    ("operation not permitted", Refusal::NoAuth),
    (
        "This instance has cluster support disabled",
        Refusal::Cluster,
    ),
];

impl Refusal {
    pub(crate) fn of(error: &ServerError) -> Self {
        let code = error.code();
        if let Some((_, refusal)) = CODES.iter().find(|(known, _)| *known == code) {
            return *refusal;
        }
        let Some(text) = error.details() else {
            return Self::Other;
        };
        if let Some((_, refusal)) = TEXTS.iter().find(|(known, _)| text.starts_with(known)) {
            return *refusal;
        }
        let wrapped = text.starts_with("Error running script").then(|| {
            text.split(|c: char| !c.is_ascii_uppercase())
                .find_map(|word| CODES.iter().find(|(known, _)| *known == word))
        });
        wrapped.flatten().map_or(Self::Other, |(_, found)| *found)
    }

    fn explain(self) -> (ErrorKind, &'static str) {
        use ErrorKind::{Rejected, Unavailable};
        match self {
            Self::Loading => (
                Unavailable,
                "the server is still loading its data (LOADING); it answers when it is done",
            ),
            Self::Busy => (
                Unavailable,
                "the server is busy with a script (BUSY); try again, or end it with SCRIPT KILL",
            ),
            Self::ReadOnly => (
                Unavailable,
                "the server is a read-only replica (READONLY), as during a failover; if it stays so, name the primary's address",
            ),
            Self::NoReplicas => (
                Unavailable,
                "the server does not write without its replicas (NOREPLICAS); see that they are connected",
            ),
            Self::OutOfMemory => (
                Unavailable,
                "the server has reached `maxmemory` and evicts nothing (OOM); give it more memory",
            ),
            Self::Misconfigured => (
                Unavailable,
                "the server does not write because it cannot save to its disk (MISCONF); see its log",
            ),
            Self::Transient => (
                Unavailable,
                "the server cannot serve this at the moment; try again",
            ),
            Self::TooManyClients => (
                Unavailable,
                "the server has as many clients as `maxclients` allows; raise it or close others",
            ),
            Self::Protected => (
                Rejected,
                "the server is in protected mode and serves its own machine alone (DENIED); set a password at the server",
            ),
            Self::NoAuth => (
                Rejected,
                "the server wants a password (NOAUTH); set `password`, and `username` if it is not the default user's",
            ),
            Self::WrongPass => (
                Rejected,
                "the server does not accept the user and the password (WRONGPASS); see `username` and `password`",
            ),
            Self::NoPermission => (
                Rejected,
                "the user lacks a right (NOPERM); it needs GET, MGET, SET, DEL, EXISTS, PTTL, PEXPIRE, EVAL, EVALSHA, SCAN \
                 for listings, and for the owner index TIME, ZADD, ZREM, ZSCORE, ZCARD, ZRANGE, on keys of the prefix and on \
                 `ck:*`",
            ),
            Self::Cluster => (
                Rejected,
                "the server is a node of a cluster, and this version does not support Cluster; name a server that is none",
            ),
            Self::WrongType => (
                Rejected,
                "a key holds another type than the store gives it (WRONGTYPE); see who else writes below the prefix or to \
                 `ck:*`, or set another `prefix`",
            ),
            Self::NoScript | Self::Syntax | Self::Other => (
                Rejected,
                "the server refused the command; see that it is Redis 6.2 or later or Valkey 7.2 or later",
            ),
        }
    }
}

impl From<&ServerError> for Fault {
    fn from(error: &ServerError) -> Self {
        Self::Server(Refusal::of(error))
    }
}

impl From<RedisError> for Fault {
    /// An error of the client: the ones of the server come as values.
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        match error.kind() {
            redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType => Self::Protocol,
            redis::ErrorKind::AuthenticationFailed => Self::Credentials,
            _ => Self::Lost,
        }
    }
}

impl Fault {
    /// Whether the connection is of no use any more.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Self::Lost | Self::Protocol)
    }

    /// Whether trying again at once is of no use: somebody must change something first.
    pub(crate) fn is_lasting(&self) -> bool {
        self.explain().0 == ErrorKind::Rejected
    }

    fn explain(&self) -> (ErrorKind, String) {
        use ErrorKind::{Rejected, Timeout, Unavailable};
        let (kind, text) = match self {
            Self::Unreachable(error) => {
                let kind = error.kind();
                return (
                    Unavailable,
                    format!(
                        "cannot connect ({kind}); see that the address is right and that the server runs"
                    ),
                );
            }
            Self::NoSuchHost(_) => (
                Unavailable,
                "the host's name cannot be resolved; see that it is right and that the name server works",
            ),
            Self::SlowConnect => (
                Timeout,
                "there was no connection in time; see that the address is right, the way to it open, and TLS set if and only if \
                 the server speaks it; if the server is far away, raise `connect_timeout`",
            ),
            Self::Tls(error) => {
                return (
                    Rejected,
                    format!(
                        "TLS failed ({error}); see that the server speaks TLS at this port, that its certificate is for this \
                         host, and that `tls` has its authority and what else the server asks for"
                    ),
                );
            }
            Self::Silent => (Timeout, "there was no answer within `command_timeout`"),
            Self::Lost => (
                Unavailable,
                "the connection was lost; a change may or may not have happened",
            ),
            Self::Dismissed { tls: true } => (
                Unavailable,
                "the server closed the connection during the greeting; see that it speaks TLS at this port, if it asks for a \
                 certificate of ours set `client_certificate`, else see its log",
            ),
            Self::Dismissed { tls: false } => (
                Unavailable,
                "the greeting was not answered as a Redis server does; see what listens at this address, and write rediss:// \
                 or set `tls` if it speaks TLS",
            ),
            Self::Down(cause) => return cause.explain(),
            Self::Crowded => (
                Unavailable,
                "too many calls are under way; try again later, or raise `max_in_flight`",
            ),
            Self::Server(refusal) => refusal.explain(),
            Self::Credentials => Refusal::WrongPass.explain(),
            Self::NoCredentials => Refusal::NoAuth.explain(),
            Self::NoPasswordSet => (
                Rejected,
                "a `password` is configured, but the server has none for this user; remove it, or set one at the server",
            ),
            Self::Database(number) => {
                return (
                    Rejected,
                    format!(
                        "the server has no database {number}; see `database`, and `databases` in the server's configuration"
                    ),
                );
            }
            Self::Provider(error) => {
                let kind = if error.is_retryable() {
                    Unavailable
                } else {
                    Rejected
                };
                return (
                    kind,
                    format!("`credentials_provider` gave no password: {error}"),
                );
            }
            Self::Sentinel => (
                Rejected,
                "this is a sentinel, and this version does not ask sentinels; name the server itself",
            ),
            Self::Protocol => (
                Unavailable,
                "the answer is none that a Redis server gives; see what listens at this address",
            ),
            Self::Spoiled => (
                Rejected,
                "a key of the owner index holds something else than a time; see who else writes to `ck:*`, and delete it",
            ),
        };
        (kind, text.to_owned())
    }

    /// The error for whoever called, about the server at `address`.
    #[cold]
    pub(crate) fn into_error(self, address: &impl fmt::Display) -> Error {
        let (kind, what) = self.explain();
        let down = if matches!(self, Self::Down(_)) {
            "out of reach: "
        } else {
            ""
        };
        let error = Error::new(kind, format!("session store {address}: {down}{what}"));
        match self {
            Self::Unreachable(source) | Self::NoSuchHost(source) => error.with_source(source),
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: &str, detail: &str) -> Refusal {
        let error = redis::make_extension_error(code.into(), Some(detail.into()));
        let errors = error.into_server_errors().unwrap();
        Refusal::of(&errors[0].1)
    }

    #[test]
    fn a_server_before_7_wraps_the_error_of_a_command_into_one_of_the_script() {
        let wrapped = "Error running script (call to f_ab): @user_script:3: @user_script: 3: -READONLY You can't write";
        assert_eq!(refusal("ERR", wrapped), Refusal::ReadOnly);
        let wrapped =
            "Error running script (call to f_ab): @user_script:3: OOM command not allowed";
        assert_eq!(refusal("ERR", wrapped), Refusal::OutOfMemory);
    }

    #[test]
    fn what_a_server_says_in_words_is_not_passed_on() {
        let said = "unknown command 'AUTH', with args beginning with: 'hunter2' 'sess:abc'";
        let fault = Fault::Server(refusal("ERR", said));
        let error = fault.into_error(&"redis://cache:6379/0");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("abc"),
            "{shown}"
        );
        assert!(shown.contains("redis://cache:6379/0"), "{shown}");
    }
}
