//! `cloakroom sessions revoke`.

use clap::{ArgGroup, Args};
use cloakroom::EndReason;
use serde_json::json;

use super::{
    JsonArgs, find,
    seen::{Seen, dash, time},
    show::SecretText,
};
use crate::{
    confirm,
    exit::Exit,
    failure::Failure,
    format,
    handle::Typed,
    output::{Output, note, plain},
    store::Opened,
};

/// `cloakroom sessions revoke`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["handles", "id"]))]
pub struct RevokeArgs {
    /// The sessions' handles, as `ls` shows them, or their first 8 digits
    #[arg(value_parser = Typed::parse, value_name = "HANDLE")]
    handles: Vec<Typed>,
    /// A session's id; `-` reads it from standard input, where others on this machine do not see it
    #[arg(long, value_name = "ID", value_parser = SecretText::parse, conflicts_with = "handles")]
    id: Option<SecretText>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// How.
    #[command(flatten)]
    json: JsonArgs,
}

pub(super) async fn run(
    args: &RevokeArgs,
    opened: &Opened,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let sessions = match &args.id {
        Some(id) => vec![find::by_id(opened, id.id()?).await?],
        None => find::by_handles(opened, None, &args.handles).await?,
    };
    for seen in &sessions {
        note(format_args!("  {}", about(seen)));
    }
    let number = sessions.len() as u64;
    confirm::go_on(&format!("End {}?", format::sessions(number)), args.yes)?;
    let store = opened.sessions();
    let mut ended = 0;
    for seen in &sessions {
        ended += u64::from(store.end(&seen.id, EndReason::Destroyed).await?);
    }
    said(ended, number - ended, args.json.json, output)?;
    Ok(Exit::Done)
}

fn said(ended: u64, gone: u64, json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        return output.line(json!({"ended": ended, "alreadyOver": gone}));
    }
    let over = if gone > 0 {
        format!("; {} had ended meanwhile", format::count(gone))
    } else {
        String::new()
    };
    output.line(format_args!("Ended {}{over}.", format::sessions(ended)))
}

/// A line for whoever is asked.
fn about(seen: &Seen) -> String {
    let owner = seen.owner().map_or_else(dash, plain);
    let idle = time(seen.facts().and_then(|facts| facts.idle));
    format!("{}  owner {owner}, idle {idle}", seen.handle)
}
