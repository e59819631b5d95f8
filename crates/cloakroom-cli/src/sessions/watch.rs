//! `cloakroom sessions watch`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    JsonArgs,
    known::{Change, Known},
    scope::Scope,
    source::{Indexed, note_refused},
    walk::Walk,
};
use crate::{
    clock::now,
    exit::Exit,
    failure::Failure,
    format,
    output::{Output, note, plain, style},
    progress::Progress,
};

/// `cloakroom sessions watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Only the sessions of this owner; an owner whom the index knows, or nobody does yet, is looked up in the index alone, and
    /// else all sessions are looked at
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// How long to wait between two looks
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = format::interval)]
    interval: Duration,
    /// How.
    #[command(flatten)]
    json: JsonArgs,
}

/// Looks until Ctrl-C, which is the ordinary end.
pub(super) async fn run(
    args: &WatchArgs,
    scope: Scope<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    tokio::select! {
        ended = watch(args, scope, output) => ended?,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(|error| Failure::file("Ctrl-C cannot be waited for", &error))?;
        }
    }
    Ok(Exit::Done)
}

async fn watch(args: &WatchArgs, scope: Scope<'_>, output: &mut Output) -> Result<(), Failure> {
    let way = Way::of(args.owner.as_deref(), scope).await?;
    let mut known = Known::default();
    let mut first = true;
    loop {
        let began = Instant::now();
        look(way, scope, &mut known, |change| {
            if first {
                Ok(())
            } else {
                show(args, change, output)
            }
        })
        .await?;
        if first {
            let live = format::sessions(known.len() as u64);
            note(format_args!("{live} at the beginning; Ctrl-C ends"));
        }
        first = false;
        output.flush()?;
        // A look that takes longer than that is followed by as long a rest: the store has others to answer.
        let ended = Instant::now();
        sleep_until((began + args.interval).max(ended + (ended - began))).await;
    }
}

/// How the sessions are found at each look.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    /// A walk, for all or for an owner's among them.
    Walk(Option<&'a str>),
    /// By the index of owners.
    Index(&'a str),
}

impl<'a> Way<'a> {
    /// An owner's sessions that no index knows are seen by walks alone, and nobody wants one each two seconds for somebody who
    /// is not there: so it is found out once which of the two it is.
    async fn of(owner: Option<&'a str>, scope: Scope<'_>) -> Result<Self, Failure> {
        let Some(name) = owner.filter(|_| !scope.looks_into_data()) else {
            return Ok(Self::Walk(owner));
        };
        let mut indexed = Indexed::of(scope, name).await?;
        if indexed.is_refused() {
            note_refused();
            return Ok(Self::Walk(owner));
        }
        if indexed.next().await?.is_some() {
            return Ok(Self::Index(name));
        }
        let mut walk = Walk::live(scope, Progress::shown());
        while let Some(seen) = walk.next().await? {
            if seen.owner() == owner {
                walk.aside(|| {
                    note("No index knows this owner's sessions, so each look is at all sessions.");
                });
                return Ok(Self::Walk(owner));
            }
        }
        Ok(Self::Index(name))
    }
}

async fn look(
    way: Way<'_>,
    scope: Scope<'_>,
    known: &mut Known,
    mut report: impl FnMut(&Change<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    known.begin();
    match way {
        Way::Index(owner) => {
            let mut indexed = Indexed::of(scope, owner).await?;
            while let Some(seen) = indexed.next().await? {
                known.see(seen.handle, seen.owner(), &mut report)?;
            }
        }
        Way::Walk(owner) => {
            let mut walk = Walk::live(scope, Progress::hidden()).with_repetitions();
            while let Some(seen) = walk.next().await? {
                if owner.is_none() || seen.owner() == owner {
                    known.see(seen.handle, seen.owner(), &mut report)?;
                }
            }
        }
    }
    known.end(report)
}

fn show(args: &WatchArgs, change: &Change<'_>, output: &mut Output) -> Result<(), Failure> {
    let at = now();
    if args.json.json {
        return output.line(json!({
            "at": at.to_iso_string(),
            "event": change.event(),
            "handle": change.handle.to_string(),
            "owner": change.owner,
        }));
    }
    let style = match change.event() {
        "ended" => style::WARN,
        _ => style::GOOD,
    };
    let owner = change
        .owner
        .map_or_else(String::new, |owner| format!("  {}", plain(owner)));
    output.line(format_args!(
        "{at}  {style}{:<9}{style:#}  {}{owner}",
        change.event(),
        change.handle
    ))
}
