//! Random sequences of calls, one after the other, held against the model.

use std::{env, fmt::Write as _, time::Duration};

use bytes::Bytes;
use cloakroom_core::{EndReason, SessionId};
use proptest::{
    collection::{VecStrategy, vec},
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use tokio::time::Instant;

use crate::{
    StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    model::{Answer, Call, Cell},
    probe::{HOUR, Probe, Stage, fresh_id, open, scan, sweep},
};

const IDS: usize = 3;

/// A step as four small numbers, so that it shrinks towards the simplest call on the first id.
type Draw = (u8, u8, u8, u8);

#[derive(Debug)]
enum Action {
    Call(usize, Call),
    Pass(Duration),
    Sweep(usize),
    Reopen,
}

/// The seed of everything that is drawn at random.
pub(crate) fn seed() -> u64 {
    number("CLOAKROOM_CONTRACT_SEED", 20_251_125)
}

pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    let text = env::var(name).ok();
    text.and_then(|text| text.trim().parse().ok())
        .unwrap_or(otherwise)
}

type Draws = VecStrategy<(
    std::ops::Range<u8>,
    std::ops::Range<u8>,
    std::ops::Range<u8>,
    std::ops::Range<u8>,
)>;

fn draws() -> Draws {
    vec((0..22_u8, 0..IDS as u8, 0..4_u8, 0..6_u8), 1..40)
}

/// The whole law for sequential callers, in combinations that nobody thought of. A failure is shrunk to a short
/// sequence and names the seed.
pub(crate) async fn random_sequences_agree_with_the_model(factory: &dyn StoreFactory) -> Step {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    for _ in 0..number("CLOAKROOM_CONTRACT_SEQUENCES", 100) {
        let mut tree = draws()
            .new_tree(&mut runner)
            .map_err(|reason| Stop::failed(format_args!("nothing to try: {reason}")))?;
        let Err(mut stop) = run(factory, &tree.current()).await else {
            continue;
        };
        let mut moved = tree.simplify();
        let start = Instant::now();
        // A shorter sequence is worth some time, but not the case's deadline.
        while moved && start.elapsed() < Duration::from_secs(20) {
            moved = match run(factory, &tree.current()).await {
                Err(shorter) => {
                    stop = shorter;
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        return Err(match stop {
            Stop::Failed(message) => Stop::Failed(format!("with the seed {seed}: {message}")),
            skipped @ Stop::Skipped(_) => skipped,
        });
    }
    Ok(())
}

/// Makes the call on the store.
pub(crate) async fn make(probe: &Probe, id: &SessionId, call: &Call) -> Step<Answer> {
    Ok(match call {
        Call::Load => Answer::Loaded(probe.load(id).await?),
        Call::Create { value, ttl } => {
            Answer::Created(probe.create(id, value.clone(), *ttl).await?)
        }
        Call::Replace { base, value, ttl } => {
            Answer::Replaced(probe.replace(id, base.clone(), value.clone(), *ttl).await?)
        }
        Call::Renew { ttl } => Answer::Renewed(probe.renew(id, *ttl).await?),
        Call::End(reason) => Answer::WasLive(probe.end(id, *reason).await?),
        Call::Retire { base } => Answer::Retired(probe.retire(id, base.clone()).await?),
    })
}

/// A sequence on a fresh store.
struct Sequence {
    stage: Stage,
    ids: Vec<SessionId>,
    cells: Vec<Cell>,
    now: Duration,
    slack: Duration,
}

async fn run(factory: &dyn StoreFactory, draws: &[Draw]) -> Step {
    let stage = open(factory).await?;
    // In real time nothing but zero and far off can be told apart without waiting.
    let slack = if stage.is_virtual() {
        Duration::from_millis(1)
    } else {
        HOUR
    };
    let mut sequence = Sequence {
        stage,
        ids: (0..IDS).map(|_| fresh_id()).collect(),
        cells: vec![Cell::Missing; IDS],
        now: Duration::ZERO,
        slack,
    };
    let mut told = String::new();
    for draw in draws {
        let Some(action) = sequence.action(*draw) else {
            continue;
        };
        let _ = write!(told, "\n  {action:?}");
        sequence = sequence.act(action).await.map_err(|stop| match stop {
            Stop::Failed(message) => Stop::Failed(format!("{message}; after{told}")),
            skipped @ Stop::Skipped(_) => skipped,
        })?;
    }
    sequence.compare_all().await.map_err(|stop| match stop {
        Stop::Failed(message) => Stop::Failed(format!("at the end, {message}; after{told}")),
        skipped @ Stop::Skipped(_) => skipped,
    })
}

impl Sequence {
    /// What a draw means here; `None` for what this store cannot do.
    fn action(&self, (kind, id, value, ttl): Draw) -> Option<Action> {
        let id = usize::from(id).min(IDS - 1);
        let time = if self.stage.is_virtual() {
            [3_600_000, 60_000, 1_000, 1, 0, 1_500][usize::from(ttl) % 6]
        } else {
            [3_600_000, 3_600_000, 7_200_000, 3_600_000, 0, 3_600_000][usize::from(ttl) % 6]
        };
        let ttl = Duration::from_millis(time);
        let bytes = Bytes::from(format!("value {value}"));
        // The right base most of the time: a wrong one changes nothing.
        let base = match &self.cells[id] {
            Cell::Live { value, .. } if kind != 7 && kind != 16 => value.clone(),
            // One that never fits, so that no replace is needed to make it fit when the sequence shrinks.
            _ if kind == 16 => Bytes::from_static(b"value"),
            _ => Bytes::from_static(b"value 3"),
        };
        Some(match kind {
            0..=2 => Action::Call(id, Call::Load),
            3..=6 => Action::Call(id, Call::Create { value: bytes, ttl }),
            7..=10 => Action::Call(
                id,
                Call::Replace {
                    base,
                    value: bytes,
                    ttl,
                },
            ),
            11..=12 => Action::Call(id, Call::Renew { ttl }),
            13 => Action::Call(id, Call::End(EndReason::Rotated)),
            14 => Action::Call(id, Call::End(EndReason::Destroyed)),
            15..=16 => Action::Call(id, Call::Retire { base }),
            17..=19 if self.stage.is_virtual() => Action::Pass(ttl / 2),
            20 if self.stage.opened.handle.sweep.is_some() => Action::Sweep(usize::from(value)),
            21 if self.stage.opened.reopen.is_some() => Action::Reopen,
            _ => return None,
        })
    }

    async fn act(mut self, action: Action) -> Step<Self> {
        match action {
            Action::Call(at, call) => {
                let answer = make(&self.stage.probe, &self.ids[at], &call).await?;
                let cell = self.cells[at].clone();
                self.cells[at] = cell
                    .after(self.now, self.slack, &call, &answer)
                    .map_err(Stop::Failed)?;
            }
            Action::Pass(time) => {
                // The store's clock may show whole milliseconds only.
                let time = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(0));
                self.stage.pass(time).await;
                self.now += time;
            }
            Action::Sweep(limit) => {
                let deleted = sweep(&*self.stage.sweeper()?, limit).await?;
                ensure!(
                    deleted <= limit,
                    "a sweep of at most {limit} deleted {deleted}"
                );
            }
            Action::Reopen => self.stage = self.stage.reopen().await?,
        }
        Ok(self)
    }

    async fn compare_all(self) -> Step {
        let mut live = 0;
        for (id, cell) in self.ids.iter().zip(self.cells) {
            let answer = make(&self.stage.probe, id, &Call::Load).await?;
            let cell = cell
                .after(self.now, self.slack, &Call::Load, &answer)
                .map_err(Stop::Failed)?;
            live += usize::from(matches!(cell, Cell::Live { .. }));
        }
        if let Some(scanner) = &self.stage.opened.handle.scan {
            let page = scan(&**scanner, None, 1000).await?;
            let listed = page.sessions.iter().filter(|(id, _)| self.ids.contains(id));
            ensure_eq!(listed.count(), live, "live sessions in a listing");
        }
        Ok(())
    }
}
