//! `cloakroom sessions stats`.

use clap::Args;
use serde_json::{Value, json};

use super::{
    JsonArgs,
    filter::Filter,
    find,
    scope::Scope,
    tally::{BOUNDS, Tally},
    walk::Walk,
};
use crate::{
    clock::now,
    exit::Exit,
    failure::Failure,
    format::{self, count, percent},
    output::{Output, note, plain, style},
    progress::Progress,
};

/// `cloakroom sessions stats`.
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// How many owners to name, those with the most sessions
    #[arg(long, value_name = "NUMBER", default_value = "5", value_parser = clap::value_parser!(u16).range(..=1000))]
    top: u16,
    /// How.
    #[command(flatten)]
    json: JsonArgs,
    /// Which sessions.
    #[command(flatten)]
    filter: Filter,
}

const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 100.0];

pub(super) async fn run(
    args: &StatsArgs,
    scope: Scope<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Some(mut tally) = Tally::new() else {
        return Err(Failure::usage("sizes cannot be counted on this machine"));
    };
    let mut walk = Walk::live(scope, Progress::shown());
    while let Some(seen) = walk.next().await? {
        if args.filter.passes(&seen, now()) {
            tally.add(&seen);
        }
    }
    drop(walk);
    if args.json.json {
        output.line(to_json(&tally, args.top.into()))?;
        return Ok(Exit::Done);
    }
    people(&tally, args.top.into(), output)?;
    if tally.sessions == 0 {
        note(find::no_sessions(scope.opened).await);
    }
    Ok(Exit::Done)
}

fn people(tally: &Tally, top: usize, output: &mut Output) -> Result<(), Failure> {
    let whole = tally.sessions;
    let head = style::HEAD;
    let mut line = |name: &str, number: u64, of: Option<u64>| {
        let share = of.map_or_else(String::new, |of| format!("  {}", percent(number, of)));
        output.line(format_args!("  {name:<22} {:>12}{share}", count(number)))
    };
    let readable = whole - tally.nothing - tally.unreadable;
    line("sessions", whole, None)?;
    line("signed in", tally.signed_in, Some(whole))?;
    line("anonymous", readable - tally.signed_in, Some(whole))?;
    line("without metadata", readable - tally.marked, Some(whole))?;
    line("saying \"no session\"", tally.nothing, Some(whole))?;
    line("unreadable", tally.unreadable, Some(whole))?;
    if whole == 0 {
        return Ok(());
    }
    output.line(format_args!("{head}size{head:#}"))?;
    for percent in PERCENTILES {
        let name = if percent < 100.0 {
            format!("{percent}% up to")
        } else {
            "largest".to_owned()
        };
        output.line(format_args!(
            "  {name:<22} {:>12}",
            format::size(tally.percentile(percent))
        ))?;
    }
    output.line(format_args!(
        "  {:<22} {:>12}",
        "together",
        format::size(tally.bytes)
    ))?;
    output.line(format_args!("{head}ends, unless used, within{head:#}"))?;
    for (index, number) in tally
        .left
        .iter()
        .enumerate()
        .filter(|(_, number)| **number > 0)
    {
        let name = left_name(index);
        output.line(format_args!(
            "  {name:<22} {:>12}  {}",
            count(*number),
            percent(*number, whole)
        ))?;
    }
    let owners = tally.owners.distinct().map_or_else(
        || format!("more than {}", count(tally.owners.most() as u64)),
        |number| count(number as u64),
    );
    output.line(format_args!("{head}owners{head:#}  {owners}"))?;
    for (owner, number) in tally.owners.top(top) {
        let least = if tally.owners.error() > 0 {
            "at least "
        } else {
            ""
        };
        output.line(format_args!(
            "  {}  {least}{}",
            plain(owner),
            format::sessions(number)
        ))?;
    }
    Ok(())
}

fn left_name(index: usize) -> &'static str {
    match BOUNDS.get(index) {
        Some((_, name)) => name,
        None if index == BOUNDS.len() => "longer",
        None => "without an end",
    }
}

fn to_json(tally: &Tally, top: usize) -> Value {
    let sizes: Vec<_> = PERCENTILES
        .iter()
        .map(|percent| json!({"percent": percent, "bytes": if tally.sessions == 0 { 0 } else { tally.percentile(*percent) }}))
        .collect();
    let left: Vec<_> = tally
        .left
        .iter()
        .enumerate()
        .map(|(index, number)| {
            let within = BOUNDS.get(index).map(|(bound, _)| bound.as_secs());
            let end = index <= BOUNDS.len();
            json!({"withinSeconds": within, "hasEnd": end, "sessions": number})
        })
        .collect();
    let top: Vec<_> = tally
        .owners
        .top(top)
        .into_iter()
        .map(|(owner, number)| json!({"owner": owner, "sessions": number}))
        .collect();
    json!({
        "sessions": tally.sessions,
        "signedIn": tally.signed_in,
        "marked": tally.marked,
        "nothing": tally.nothing,
        "unreadable": tally.unreadable,
        "bytes": tally.bytes,
        "sizes": sizes,
        "left": left,
        "owners": tally.owners.distinct(),
        "ownersError": tally.owners.error(),
        "topOwners": top,
    })
}
