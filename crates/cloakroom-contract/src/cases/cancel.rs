//! Rule 7: a future that is dropped before it is ready leaves the store as before or as after.
//!
//! Each case polls a call once, drops it and looks; then twice, and so on until the call is ready. tower drops futures
//! when a browser disconnects, so this happens at every await point, every day.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use bytes::Bytes;
use cloakroom_core::{EndReason, Loaded, SessionId};

use crate::{
    StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    probe::{HOUR, Stage, fresh_id, open},
};

/// A call that is not ready after so many polls is taken to be waiting for something slow; the cut then is one more
/// moment like any other.
pub(crate) const MOST_POLLS: usize = 64;

/// Polls `call` at most `polls` times and drops it. `None` if it was not ready by then.
pub(crate) async fn cut_after<T>(polls: usize, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Missing,
    Ended(EndReason),
    /// With these bytes, and more than one hour to live or not.
    Live(Bytes, bool),
}

async fn state(stage: &Stage, id: &SessionId) -> Step<State> {
    Ok(match stage.probe.load(id).await? {
        Loaded::Live(stored) => {
            let long = stored.remaining.is_none_or(|left| left > HOUR);
            State::Live(stored.value, long)
        }
        Loaded::Ended(reason) => State::Ended(reason),
        _ => State::Missing,
    })
}

enum Call {
    Create,
    Replace,
    Renew,
    End,
    Retire,
}

async fn cut_everywhere(factory: &dyn StoreFactory, call: Call) -> Step {
    let stage = open(factory).await?;
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new"));
    let (before, after) = match call {
        Call::Create => (State::Missing, State::Live(new.clone(), true)),
        Call::Replace => (
            State::Live(old.clone(), false),
            State::Live(new.clone(), true),
        ),
        Call::Renew => (
            State::Live(old.clone(), false),
            State::Live(old.clone(), true),
        ),
        Call::End => (
            State::Live(old.clone(), false),
            State::Ended(EndReason::Destroyed),
        ),
        Call::Retire => (
            State::Live(old.clone(), false),
            State::Ended(EndReason::Rotated),
        ),
    };
    for polls in 0..MOST_POLLS {
        let id = fresh_id();
        if before != State::Missing {
            stage.probe.make(&id, old.clone(), HOUR).await?;
        }
        let store = &stage.probe.0;
        let ready = cut_after(polls, async {
            match call {
                Call::Create => store.create(&id, new.clone(), HOUR * 2).await.map(|_| ()),
                Call::Replace => store
                    .replace(&id, &old, new.clone(), HOUR * 2)
                    .await
                    .map(|_| ()),
                Call::Renew => store.renew(&id, HOUR * 2).await.map(|_| ()),
                Call::End => store.end(&id, EndReason::Destroyed).await.map(|_| ()),
                Call::Retire => store.retire(&id, &old).await.map(|_| ()),
            }
        })
        .await;
        if let Some(Err(error)) = &ready {
            return Err(Stop::failed(format_args!("the call failed: {error}")));
        }
        // What goes on behind the future's back may still finish; in between it must not show.
        for wait in [0, 0, 2, 20] {
            let found = state(&stage, &id).await?;
            ensure!(
                found == before || found == after,
                "dropped after {polls} polls, a call leaves {found:?}, neither {before:?} nor {after:?}"
            );
            if ready.is_some() {
                ensure_eq!(found, after, "after a call that was answered");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        // No lock is left behind, on this session or on all.
        stage.probe.renew(&id, HOUR).await?;
        stage.probe.end(&id, EndReason::Destroyed).await?;
        let when = "after a dropped call and an end";
        stage.probe.ended(&id, EndReason::Destroyed, when).await?;
    }
    Ok(())
}

/// Rule 7 for `create`.
pub(crate) async fn a_dropped_create_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    cut_everywhere(factory, Call::Create).await
}

/// Rule 7 for `replace`: the bytes and the time to live change together.
pub(crate) async fn a_dropped_replace_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    cut_everywhere(factory, Call::Replace).await
}

/// Rule 7 for `renew`.
pub(crate) async fn a_dropped_renew_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    cut_everywhere(factory, Call::Renew).await
}

/// Rule 7 for `end`: a session that is deleted but has no tombstone yet can be brought back.
pub(crate) async fn a_dropped_end_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    cut_everywhere(factory, Call::End).await
}

/// Rule 7 for `retire`: as for `end`, and what is there in between is never a session without its bytes.
pub(crate) async fn a_dropped_retire_is_before_or_after(factory: &dyn StoreFactory) -> Step {
    cut_everywhere(factory, Call::Retire).await
}
