//! `cloakroom sessions revoke`.

use clap::{ArgGroup, Args};
use cloakroom::{EndReason, Owners};
use serde_json::json;

use super::{
    JsonArgs, find,
    revoke_all::everybody,
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
    store::{Opened, PATIENCE},
};

/// `cloakroom sessions revoke`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["handles", "id", "owner", "everybody"]))]
pub struct RevokeArgs {
    /// The sessions' handles, as `ls` shows them, or their fingerprints, as the application's log shows them
    #[arg(value_parser = Typed::parse, value_name = "HANDLE")]
    handles: Vec<Typed>,
    /// A session's id; `-` reads it from standard input, where others on this machine do not see it
    #[arg(long, value_name = "ID", value_parser = SecretText::parse, conflicts_with_all = ["handles", "owner"], allow_hyphen_values = true)]
    id: Option<SecretText>,
    /// All sessions of this owner, also those whose sign-in is under way; with handles, these sessions of the owner alone, found
    /// without looking at all others
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// With --owner: all of the owner's sessions but these
    #[arg(long, value_name = "HANDLE", value_parser = Typed::parse, requires = "owner", conflicts_with = "handles", allow_hyphen_values = true)]
    all_but: Vec<Typed>,
    /// The sessions of everybody who is signed in
    #[arg(long, conflicts_with_all = ["handles", "id", "owner"])]
    everybody: bool,
    /// With --everybody: the sessions in which nobody is signed in, too, and those that express-session alone has made
    #[arg(long, requires = "everybody")]
    anonymous_too: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// How.
    #[command(flatten)]
    json: JsonArgs,
}

/// How many sessions are named before the question.
const MOST_NAMED: usize = 20;

pub(super) async fn run(
    args: &RevokeArgs,
    opened: &Opened,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let ended = if args.everybody {
        everybody(opened, args.anonymous_too, args.yes).await?
    } else if let (Some(owner), [], []) = (&args.owner, &*args.handles, &*args.all_but) {
        of_owner(opened, owner, args.yes).await?
    } else {
        some(args, opened).await?
    };
    if args.json.json {
        output.line(json!({"ended": ended.live, "alreadyOver": ended.over}))?;
    } else {
        let over = match ended.over {
            0 => String::new(),
            over => format!("; {} had ended meanwhile", format::count(over)),
        };
        output.line(format_args!(
            "Ended {}{over}.",
            format::sessions(ended.live)
        ))?;
    }
    Ok(Exit::Done)
}

/// What became of the sessions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) live: u64,
    pub(super) over: u64,
}

/// All of an owner's: by the owner's revocation, so that no sign-in that is under way is left.
async fn of_owner(opened: &Opened, owner: &str, yes: bool) -> Result<Ended, Failure> {
    let sessions = find::of_owner(opened, owner).await?;
    tell(&sessions);
    let number = format::sessions(sessions.len() as u64);
    confirm::go_on(
        &format!("End {number} of this owner, and every sign-in of theirs until now?"),
        yes,
    )?;
    let indexed = owners(opened).revoke_all(owner).await?;
    let mut ended = Ended {
        live: indexed as u64,
        over: 0,
    };
    // Sessions of an application without an index are in none, and its layer knows of no revocation.
    let store = opened.sessions();
    for seen in &sessions {
        ended.live += u64::from(store.end(&seen.id, EndReason::Destroyed).await?);
    }
    Ok(ended)
}

/// Those that were named, or those that were not.
async fn some(args: &RevokeArgs, opened: &Opened) -> Result<Ended, Failure> {
    let sessions = match (&args.id, &args.owner, &*args.all_but) {
        (Some(id), ..) => vec![find::by_id(opened, id.id()?).await?],
        (None, owner, []) => {
            let mut handles = args.handles.clone();
            handles.dedup();
            find::by_handles(opened, owner.as_deref(), &handles).await?
        }
        (None, owner, kept) => {
            let owner = owner.as_deref().unwrap_or_default();
            // A handle that was mistyped must not end the session that was to stay.
            find::by_handles(opened, Some(owner), kept).await?;
            let mut sessions = find::of_owner(opened, owner).await?;
            sessions.retain(|seen| !kept.iter().any(|typed| typed.names(&seen.id)));
            sessions
        }
    };
    tell(&sessions);
    let number = format::sessions(sessions.len() as u64);
    confirm::go_on(&format!("End {number}?"), args.yes)?;
    let mut ended = Ended::default();
    for seen in &sessions {
        if end(opened, seen).await? {
            ended.live += 1;
        } else {
            ended.over += 1;
        }
    }
    Ok(ended)
}

/// Ends one session; of one that gets a new id at this moment, the new one.
async fn end(opened: &Opened, seen: &Seen) -> Result<bool, Failure> {
    if let Some(owner) = seen.owner()
        && owners(opened).revoke(owner, &seen.handle).await?
    {
        return Ok(true);
    }
    let store = opened.sessions();
    Ok(store.end(&seen.id, EndReason::Destroyed).await?)
}

pub(super) fn owners(opened: &Opened) -> Owners {
    Owners::new(opened.sessions())
        .deadline(PATIENCE)
        .limits(super::limits())
}

fn tell(sessions: &[Seen]) {
    for seen in sessions.iter().take(MOST_NAMED) {
        let owner = seen.owner().map_or_else(dash, plain);
        let idle = time(seen.facts().and_then(|facts| facts.idle));
        note(format_args!(
            "  {}  owner {owner}, idle {idle}",
            seen.handle
        ));
    }
    let more = sessions.len().saturating_sub(MOST_NAMED) as u64;
    if more > 0 {
        note(format_args!("  and {} more", format::count(more)));
    }
}
