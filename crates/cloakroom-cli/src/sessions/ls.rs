//! `cloakroom sessions ls`.

use std::collections::BinaryHeap;

use clap::{Args, ValueEnum};
use cloakroom::Timestamp;

use super::{
    IdArgs, JsonArgs,
    filter::Filter,
    find,
    scope::Scope,
    seen::{Reveal, Seen, ago, dash, time},
    source::Source,
};
use crate::{
    clock::now,
    exit::Exit,
    failure::Failure,
    format,
    output::{Output, note},
    progress::Progress,
    table::{Column, Table},
};

/// `cloakroom sessions ls`.
#[derive(Args, Debug)]
pub struct LsArgs {
    /// Only the sessions of this owner; answered by the index of owners, without looking at all sessions unless it knows none
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// In this order; only together with --limit of 10000 at most, since the store has no order
    #[arg(long, value_enum, value_name = "FIELD", requires = "limit")]
    pub sort: Option<Sort>,
    /// How.
    #[command(flatten)]
    pub json: JsonArgs,
    /// Ids or handles.
    #[command(flatten)]
    pub ids: IdArgs,
    /// With --json: the values that sessions hold, too
    #[arg(long, requires = "json")]
    pub show_values: bool,
    /// Which sessions.
    #[command(flatten)]
    pub filter: Filter,
}

/// What to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// The largest first
    Size,
    /// Those that end next first
    End,
    /// Those that were not used for the longest time first
    Idle,
    /// Those that signed in last first
    SignedIn,
}

/// The most that are sorted: they are kept in memory.
const MOST_SORTED: u32 = 10_000;

const COLUMNS: [Column; 7] = [
    column("HANDLE", 22, 0, false),
    column("OWNER", 8, 3, false),
    column("SIGNED IN", 9, 0, false),
    column("IDLE", 6, 0, false),
    column("ENDS IN", 7, 0, false),
    column("SIZE", 8, 0, true),
    column("DATA", 6, 2, true),
];

const fn column(title: &'static str, width: usize, share: usize, spare: bool) -> Column {
    Column {
        title,
        width,
        share,
        spare,
    }
}

pub(super) async fn run(
    args: &LsArgs,
    scope: Scope<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(u32::MAX);
    if args.sort.is_some() && limit > MOST_SORTED {
        return Err(Failure::usage(format!(
            "--limit is more than {MOST_SORTED}, and sorted sessions are kept in memory; take a smaller one, or leave --sort away"
        )));
    }
    let mut rows = Rows::begin(args, output)?;
    let mut sorted = args.sort.map(|sort| Top::new(sort, limit));
    // Rows that move on the terminal are progress enough, where each session has one.
    let in_rows = output.is_terminal()
        && args.sort.is_none()
        && args.owner.is_none()
        && args.filter.is_empty();
    let progress = || {
        if in_rows {
            Progress::hidden()
        } else {
            Progress::shown()
        }
    };
    let mut source = Source::of(scope, args.owner.as_deref(), progress).await?;
    let mut looked = 0_u64;
    while let Some(seen) = source.next().await? {
        looked += 1;
        let at = now();
        if !args.filter.passes(&seen, at) {
            continue;
        }
        match &mut sorted {
            Some(top) => top.offer(seen),
            None => {
                source.aside(|| rows.write(&seen, at, output))?;
                if rows.count >= u64::from(limit) {
                    break;
                }
            }
        }
    }
    drop(source);
    for seen in sorted.into_iter().flat_map(Top::into_sorted) {
        rows.write(&seen, now(), output)?;
    }
    output.flush()?;
    if rows.count == 0 && !args.json.json {
        nothing(args, scope, looked).await;
    }
    Ok(Exit::Done)
}

/// An empty list on a terminal is one that somebody wonders about.
async fn nothing(args: &LsArgs, scope: Scope<'_>, looked: u64) {
    if looked > 0 {
        note(format_args!("None of {} passes.", format::sessions(looked)));
    } else if args.owner.is_some() {
        note(find::no_session_of_owner(scope));
    } else {
        note(find::no_sessions(scope.opened).await);
    }
}

struct Rows {
    table: Option<Table>,
    reveal: Reveal,
    count: u64,
}

impl Rows {
    fn begin(args: &LsArgs, output: &mut Output) -> Result<Self, Failure> {
        let mut columns = COLUMNS;
        if args.ids.show_ids {
            columns[0] = column("ID", 32, 0, false);
        }
        let table = if args.json.json {
            None
        } else {
            Some(Table::begin(&columns, output)?)
        };
        let reveal = Reveal {
            ids: args.ids.show_ids,
            values: args.show_values,
        };
        Ok(Self {
            table,
            reveal,
            count: 0,
        })
    }

    fn write(&mut self, seen: &Seen, now: Timestamp, output: &mut Output) -> Result<(), Failure> {
        self.count += 1;
        let Some(table) = &self.table else {
            return output.line(seen.to_json(self.reveal, now));
        };
        let facts = seen.facts();
        let cells = [
            seen.name(self.reveal),
            seen.owner().map_or_else(dash, str::to_owned),
            ago(facts.and_then(|facts| facts.signed_in), now),
            time(facts.and_then(|facts| facts.idle)),
            seen.remaining
                .map_or_else(|| "never".to_owned(), format::short),
            format::size(seen.bytes),
            seen.summary(),
        ];
        table.row(&cells, output)
    }
}

/// The first so many in an order, whatever comes: no more are kept.
struct Top {
    sort: Sort,
    limit: usize,
    kept: BinaryHeap<Ranked>,
}

struct Ranked {
    rank: u128,
    seen: Seen,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Sessions of the same rank are in the order of their handles, so that a list is the same twice.
impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.rank, self.seen.handle).cmp(&(other.rank, other.seen.handle))
    }
}

impl Top {
    fn new(sort: Sort, limit: u32) -> Self {
        Self {
            sort,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            kept: BinaryHeap::new(),
        }
    }

    /// The lowest rank stands first. What is not known stands last.
    fn rank(&self, seen: &Seen) -> u128 {
        let facts = seen.facts();
        let most = |number: Option<u128>| number.map_or(u128::MAX, |number| u128::MAX - 1 - number);
        match self.sort {
            Sort::Size => most(Some(seen.bytes.into())),
            Sort::End => seen.remaining.map_or(u128::MAX, |left| left.as_nanos()),
            Sort::Idle => most(
                facts
                    .and_then(|facts| facts.idle)
                    .map(|idle| idle.as_nanos()),
            ),
            Sort::SignedIn => most(
                facts
                    .and_then(|facts| facts.signed_in)
                    .and_then(|at| u128::try_from(at.as_millis()).ok()),
            ),
        }
    }

    fn offer(&mut self, seen: Seen) {
        let rank = self.rank(&seen);
        self.kept.push(Ranked { rank, seen });
        if self.kept.len() > self.limit {
            self.kept.pop();
        }
    }

    fn into_sorted(self) -> impl Iterator<Item = Seen> {
        self.kept
            .into_sorted_vec()
            .into_iter()
            .map(|ranked| ranked.seen)
    }
}
