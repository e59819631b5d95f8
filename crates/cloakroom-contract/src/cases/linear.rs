//! Small histories of concurrent calls, held against the model.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cloakroom_core::{EndReason, SessionId};
use futures_util::FutureExt as _;

use super::{
    model::{make, seed},
    races::{rounds, together},
};
use crate::{
    StoreFactory,
    case::{Step, Stop},
    model::{Answer, Call, Cell},
    probe::{HOUR, Probe, fresh_id, open},
};

const CALLERS: u64 = 3;
const CALLS: u64 = 4;

/// A call with its answer, and when it began and ended on a clock that counts such moments.
struct Event {
    call: Call,
    answer: Answer,
    began: usize,
    ended: usize,
}

/// Rules 3 and 6: whatever several callers saw can be explained by one order of their calls, in which each call that
/// ended before another began comes first.
pub(crate) async fn histories_are_linearizable(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let seed = seed();
    for round in rounds() {
        let id = fresh_id();
        let clock = Arc::new(AtomicUsize::new(0));
        let callers = (0..CALLERS).map(|caller| {
            let number = seed ^ (round as u64 * CALLERS + caller + 1);
            caller_of(stage.probe.clone(), id.clone(), clock.clone(), number).boxed()
        });
        let events: Vec<Event> = together(callers.collect())
            .await?
            .into_iter()
            .flatten()
            .collect();
        if !explained(&events, 0, &Cell::Missing, &mut HashSet::new()) {
            return Err(Stop::failed(format_args!(
                "no order of these calls explains their answers (seed {seed}, round {round}): {}",
                describe(&events)
            )));
        }
    }
    Ok(())
}

async fn caller_of(
    probe: Probe,
    id: SessionId,
    clock: Arc<AtomicUsize>,
    number: u64,
) -> Step<Vec<Event>> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        // xorshift64: nothing hangs on its quality.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    };
    let mut events = Vec::new();
    let mut base = Bytes::from_static(b"none");
    for step in 0..CALLS {
        let value = Bytes::from(format!("{number}.{step}"));
        let ttl = HOUR * (1 + u32::try_from(step).unwrap_or(0));
        let call = match draw(12) {
            0..=1 => Call::Load,
            2..=4 => Call::Create { value, ttl },
            5..=7 => Call::Replace {
                base: base.clone(),
                value,
                ttl,
            },
            8 => Call::Renew { ttl },
            9..=10 => Call::Retire { base: base.clone() },
            _ if draw(2) == 0 => Call::End(EndReason::Rotated),
            _ => Call::End(EndReason::Destroyed),
        };
        let began = clock.fetch_add(1, Ordering::SeqCst);
        let answer = leeway(make(&probe, &id, &call).await?);
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        base = seen(&call, &answer).unwrap_or(base);
        events.push(Event {
            call,
            answer,
            began,
            ended,
        });
    }
    Ok(events)
}

/// Takes half an hour off what a store says that a session still lives. With a slack of an hour, times then fit that are
/// off by less than half an hour either way, and none of the others, which are whole hours apart: a store in real time
/// may look at the clock before it looks at a session that another call writes in between.
fn leeway(mut answer: Answer) -> Answer {
    use cloakroom_core::{Loaded, Replaced, Retired};
    if let Answer::Loaded(Loaded::Live(stored))
    | Answer::Replaced(Replaced::Changed(stored))
    | Answer::Retired(Retired::Changed(stored)) = &mut answer
    {
        stored.remaining = stored.remaining.map(|left| left.saturating_sub(HOUR / 2));
    }
    answer
}

/// The session's bytes as far as a caller knows after a call.
fn seen(call: &Call, answer: &Answer) -> Option<Bytes> {
    use cloakroom_core::{Created, Loaded, Replaced, Retired};
    match (call, answer) {
        (
            _,
            Answer::Loaded(Loaded::Live(stored))
            | Answer::Replaced(Replaced::Changed(stored))
            | Answer::Retired(Retired::Changed(stored)),
        ) => Some(stored.value.clone()),
        (Call::Create { value, .. }, Answer::Created(Created::Created))
        | (Call::Replace { value, .. }, Answer::Replaced(Replaced::Replaced)) => {
            Some(value.clone())
        }
        _ => None,
    }
}

/// Whether the events outside `done` can follow `cell` in some order: the search of Wing and Gong, which takes as the
/// next call any that began before every other one ended.
fn explained(
    events: &[Event],
    done: u64,
    cell: &Cell,
    dead_ends: &mut HashSet<(u64, Cell)>,
) -> bool {
    let open = |index: &usize| done & (1 << index) == 0;
    let Some(first_end) = (0..events.len())
        .filter(open)
        .map(|index| events[index].ended)
        .min()
    else {
        return true;
    };
    if !dead_ends.insert((done, cell.clone())) {
        return false;
    }
    (0..events.len()).filter(open).any(|index| {
        let event = &events[index];
        event.began < first_end
            && cell
                .clone()
                .after(Duration::ZERO, HOUR, &event.call, &event.answer)
                .is_ok_and(|next| explained(events, done | (1 << index), &next, dead_ends))
    })
}

fn describe(events: &[Event]) -> String {
    let lines = events.iter().map(|event| {
        format!(
            "\n  {:2}-{:2} {:?} -> {:?}",
            event.began, event.ended, event.call, event.answer
        )
    });
    lines.collect()
}
