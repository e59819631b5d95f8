//! Just enough of the Redis protocol to look at what both sides have stored, with no code of ours in between.

use std::{collections::BTreeMap, io, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Int(i64),
    /// Bytes, or a status.
    Text(Bytes),
    /// An error.
    Error(String),
    /// Several.
    Many(Vec<Reply>),
}

impl Reply {
    /// The number.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(number) => *number,
            other => panic!("Redis answered {other:?} and not a number"),
        }
    }

    /// The bytes; `None` for nil.
    ///
    /// # Panics
    ///
    /// For another kind of reply.
    #[must_use]
    pub fn text(&self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Nil => None,
            other => panic!("Redis answered {other:?} and not a text"),
        }
    }
}

/// A key's value and what is left of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Bytes,
    /// Milliseconds; `None` without an end.
    pub pttl: Option<i64>,
}

/// A connection to one database of a Redis server.
#[derive(Debug)]
pub struct Redis(BufStream<TcpStream>);

/// Lists all keys that start with ARGV[1], with values and times.
const DUMP: &str = "local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if string.sub(key, 1, #ARGV[1]) == ARGV[1] and redis.call('TYPE', key).ok == 'string' then
    out[#out + 1] = key
    out[#out + 1] = redis.call('GET', key)
    out[#out + 1] = redis.call('PTTL', key)
  end
end
return out";

/// Lets ARGV[1] milliseconds pass for all keys.
const PASS: &str = "for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - tonumber(ARGV[1])) end
end
return 'OK'";

impl Redis {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The network's.
    pub async fn connect(port: u16, database: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut redis = Self(BufStream::new(stream));
        redis.call(&["SELECT", &database.to_string()]).await;
        Ok(redis)
    }

    /// Sends a command and reads its reply.
    ///
    /// # Panics
    ///
    /// If the connection breaks, or the reply is an error.
    pub async fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Reply {
        match self.try_call(args).await {
            Ok(Reply::Error(error)) => panic!("Redis refused a command: {error}"),
            Ok(reply) => reply,
            Err(error) => panic!("the connection to Redis broke: {error}"),
        }
    }

    /// As [`Redis::call`], with an error reply as a reply.
    ///
    /// # Errors
    ///
    /// The network's.
    pub async fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Reply> {
        let mut command = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            let arg = arg.as_ref();
            command.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            command.extend_from_slice(arg);
            command.extend_from_slice(b"\r\n");
        }
        self.0.write_all(&command).await?;
        self.0.flush().await?;
        self.read().await
    }

    async fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => Reply::Text(Bytes::copy_from_slice(rest.as_bytes())),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Int(number()?),
            "$" | "*" if number()? < 0 => Reply::Nil,
            "$" => {
                let len = usize::try_from(number()?).map_err(io::Error::other)?;
                let mut text = vec![0; len + 2];
                self.0.read_exact(&mut text).await?;
                text.truncate(len);
                Reply::Text(text.into())
            }
            "*" => {
                let mut many = Vec::new();
                for _ in 0..number()? {
                    many.push(Box::pin(self.read()).await?);
                }
                Reply::Many(many)
            }
            other => return Err(io::Error::other(format!("unknown reply kind {other:?}"))),
        })
    }

    /// Everything under a prefix.
    pub async fn dump(&mut self, prefix: &str) -> BTreeMap<String, Entry> {
        let Reply::Many(flat) = self.call(&["EVAL", DUMP, "0", prefix]).await else {
            return BTreeMap::new();
        };
        let entries = flat.chunks_exact(3).map(|entry| {
            let key = String::from_utf8_lossy(&entry[0].text().unwrap_or_default()).into_owned();
            let pttl = Some(entry[2].int()).filter(|left| *left >= 0);
            let value = entry[1].text().unwrap_or_default();
            (key, Entry { value, pttl })
        });
        entries.collect()
    }

    /// Lets time pass for every key, as if it had.
    pub async fn pass(&mut self, time: Duration) {
        self.call(&["EVAL", PASS, "0", &time.as_millis().to_string()])
            .await;
    }

    /// One value.
    pub async fn get(&mut self, key: &str) -> Option<Bytes> {
        self.call(&["GET", key]).await.text()
    }

    /// What is left of a key's time, in milliseconds; negative as Redis has it.
    pub async fn pttl(&mut self, key: &str) -> i64 {
        self.call(&["PTTL", key]).await.int()
    }
}
