//! `cloakroom sessions watch`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    JsonArgs, find,
    known::{Change, Known},
    walk::Walk,
};
use crate::{
    clock::now,
    exit::Exit,
    failure::Failure,
    format,
    output::{Output, note, plain, style},
    progress::Progress,
    store::Opened,
};

/// `cloakroom sessions watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Only the sessions of this owner; found as for `ls`
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
    opened: &Opened,
    output: &mut Output,
) -> Result<Exit, Failure> {
    tokio::select! {
        ended = watch(args, opened, output) => ended?,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(|error| Failure::file("Ctrl-C cannot be waited for", &error))?;
        }
    }
    Ok(Exit::Done)
}

async fn watch(args: &WatchArgs, opened: &Opened, output: &mut Output) -> Result<(), Failure> {
    let mut known = Known::default();
    let mut first = true;
    loop {
        let next = Instant::now() + args.interval;
        look(args, opened, &mut known, |change| {
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
        sleep_until(next).await;
    }
}

async fn look(
    args: &WatchArgs,
    opened: &Opened,
    known: &mut Known,
    mut report: impl FnMut(&Change<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    known.begin();
    if let Some(owner) = &args.owner {
        for seen in find::of_owner(opened, owner).await? {
            known.see(seen.handle, seen.owner(), &mut report)?;
        }
    } else {
        let mut walk = Walk::new(opened, Progress::hidden());
        while let Some(seen) = walk.next().await? {
            known.see(seen.handle, seen.owner(), &mut report)?;
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
