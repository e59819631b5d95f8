//! Where the random bytes of new ids come from.

use std::sync::{Arc, Mutex, PoisonError};

use cloakroom_core::{Error, ErrorKind, id::ID_BYTES};

/// Draws the random bytes of a new id.
pub(crate) type IdSource = Arc<dyn Fn() -> Result<[u8; ID_BYTES], Error> + Send + Sync>;

/// For how many ids the system is asked at once. Every request that opens its session has a fresh id at hand, and most need
/// none: a system call for each would be their most expensive step.
const AT_ONCE: usize = 32;

/// The system's random bytes.
pub(crate) fn system_ids() -> IdSource {
    let stock = Mutex::new(Vec::with_capacity(AT_ONCE));
    Arc::new(move || {
        let mut stock = stock.lock().unwrap_or_else(PoisonError::into_inner);
        if stock.is_empty() {
            fill(&mut stock)?;
        }
        stock.pop().ok_or_else(|| none(None))
    })
}

fn fill(stock: &mut Vec<[u8; ID_BYTES]>) -> Result<(), Error> {
    let mut bytes = [0; AT_ONCE * ID_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| none(Some(error)))?;
    let (ids, _) = bytes.as_chunks::<ID_BYTES>();
    stock.extend_from_slice(ids);
    Ok(())
}

#[cold]
fn none(error: Option<getrandom::Error>) -> Error {
    let none = Error::new(
        ErrorKind::Unavailable,
        "the system has no random bytes for a session id",
    );
    match error {
        Some(error) => none.with_source(error),
        None => none,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn r01_no_id_comes_twice_and_the_stock_is_filled_again() {
        let ids = system_ids();
        let drawn: HashSet<_> = (0..AT_ONCE * 3 + 1).map(|_| ids().unwrap()).collect();
        assert_eq!(drawn.len(), AT_ONCE * 3 + 1);
        assert!(!drawn.contains(&[0; ID_BYTES]));
    }
}
