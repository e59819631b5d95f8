//! From a server's answers to what they mean.

use std::time::Duration;

use cloakroom_core::Stored;
use redis::Value;

use crate::fault::Fault;

/// What the comparing scripts answer.
pub(crate) enum Compared {
    Done,
    Gone,
    Changed(Stored),
}

pub(crate) fn compared(answer: Value) -> Result<Compared, Fault> {
    match answer {
        Value::Int(1) => Ok(Compared::Done),
        Value::Int(0) => Ok(Compared::Gone),
        Value::Array(items) => {
            let [held, left] = <[Value; 2]>::try_from(items).map_err(|_| Fault::Protocol)?;
            match (bytes(held)?, remaining(left)?) {
                (Some(held), Left::Some(remaining)) => Ok(Compared::Changed(Stored {
                    value: held.into(),
                    remaining,
                })),
                _ => Ok(Compared::Gone),
            }
        }
        other => Err(unexpected(other)),
    }
}

pub(crate) fn three(answers: Vec<Value>) -> Result<[Value; 3], Fault> {
    <[Value; 3]>::try_from(answers).map_err(|_| Fault::Protocol)
}

#[cold]
pub(crate) fn unexpected(answer: Value) -> Fault {
    match answer {
        Value::ServerError(error) => (&error).into(),
        _ => Fault::Protocol,
    }
}

pub(crate) fn bytes(answer: Value) -> Result<Option<Vec<u8>>, Fault> {
    match answer {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn number(answer: Value) -> Result<i64, Fault> {
    match answer {
        Value::Int(number) => Ok(number),
        other => Err(unexpected(other)),
    }
}

/// How long a key still lives.
pub(crate) enum Left {
    /// It lives; `None` without an end.
    Some(Option<Duration>),
    /// It is no longer there.
    Nothing,
}

pub(crate) fn remaining(answer: Value) -> Result<Left, Fault> {
    let left = number(answer)?;
    Ok(match u64::try_from(left) {
        Ok(millis) => Left::Some(Some(Duration::from_millis(millis))),
        Err(_) if left == -1 => Left::Some(None),
        Err(_) => Left::Nothing,
    })
}
