//! Single commands for whoever runs the server: what a tool asks beside the store's own calls.

use std::fmt;

use cloakroom_core::{Error, ErrorKind};
use redis::Value;

use crate::{fault::Fault, store::RedisStore};

/// What a server answers. Lists and maps are both [`List`](Self::List): a map's names and values follow each other.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Nothing is there.
    Nil,
    /// A number.
    Number(i64),
    /// Text or bytes.
    Text(Vec<u8>),
    /// Several.
    List(Vec<Reply>),
    /// The server refuses, with this code: `NOPERM`, `ERR`. Its words are left out, since they may repeat what it was sent.
    Refused(String),
}

impl Reply {
    /// The text, where this is one and it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The items; none where this is no list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    fn list(values: impl IntoIterator<Item = Value>) -> Result<Self, Fault> {
        let items: Result<_, _> = values.into_iter().map(Self::of).collect();
        items.map(Self::List)
    }

    fn of(value: Value) -> Result<Self, Fault> {
        Ok(match value {
            Value::Nil => Self::Nil,
            Value::Int(number) => Self::Number(number),
            Value::Boolean(yes) => Self::Number(yes.into()),
            Value::Double(number) => Self::Text(number.to_string().into_bytes()),
            Value::BulkString(bytes) => Self::Text(bytes),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => {
                Self::Text(text.into_bytes())
            }
            Value::Okay => Self::Text(b"OK".to_vec()),
            Value::Array(values) | Value::Set(values) => Self::list(values)?,
            Value::Map(pairs) => {
                Self::list(pairs.into_iter().flat_map(|(name, value)| [name, value]))?
            }
            Value::ServerError(error) => Self::Refused(error.code().to_owned()),
            _ => return Err(Fault::Protocol),
        })
    }
}

/// An answer may hold a session or an id: only its form is shown.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Number(number) => write!(f, "Number({number})"),
            Self::Text(bytes) => write!(f, "Text({} bytes)", bytes.len()),
            Self::List(items) => write!(f, "List({})", items.len()),
            Self::Refused(code) => write!(f, "Refused({code})"),
        }
    }
}

impl RedisStore {
    /// Sends one command as it stands, on the store's connection and within its deadlines. The store itself does not need
    /// this: it is for tools that look after a server, as `INFO` and `CONFIG GET` do.
    ///
    /// The sessions share the connection. A command that waits (`BLPOP`) or whose answer is the server's whole memory (`KEYS`)
    /// holds them up. One that changes the connection (`SELECT`, `MULTI`, `HELLO`, `RESET`, `SUBSCRIBE`, `MONITOR`, `CLIENT REPLY`,
    /// `CLIENT TRACKING`) must not be sent: answers then go to the wrong calls, one visitor's to another.
    ///
    /// # Errors
    ///
    /// As the calls of the store, and [`ErrorKind::Invalid`] for no words at all. A refusal of the server is no error here
    /// but [`Reply::Refused`].
    pub async fn ask<T: AsRef<[u8]>>(&self, command: &[T]) -> Result<Reply, Error> {
        if command.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "a command has at least one word; `ask` was given none",
            ));
        }
        let mut packed = redis::Cmd::new();
        for part in command {
            packed.arg(part.as_ref());
        }
        let answer = async {
            let call = self.inner.links.call()?;
            Reply::of(call.command(&call.live().await?, &packed).await?)
        };
        answer.await.map_err(|fault| self.fail(fault))
    }
}
