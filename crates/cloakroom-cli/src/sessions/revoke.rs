//! `cloakroom sessions revoke`.

use clap::{ArgGroup, Args};
use cloakroom::{EndReason, ErrorKind, Owners, core::owner_index::check_owner};

use super::{
    JsonArgs,
    ended::Ended,
    find,
    revoke_all::everybody,
    revoke_owner::{all_but, of_owner},
    scope::Scope,
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
    /// All sessions of this owner, also those whose sign-in is under way and those that no index knows; with handles, these
    /// sessions of the owner alone, found without looking at all others
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
    scope: Scope<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut ended = Ended::default();
    let outcome = if args.everybody {
        everybody(scope, args.anonymous_too, args.yes, &mut ended).await
    } else {
        match (&args.owner, &*args.handles, &*args.all_but) {
            (Some(owner), [], []) => of_owner(scope, owner, args.yes, &mut ended).await,
            (Some(owner), [], kept) => all_but(scope, owner, kept, args.yes, &mut ended).await,
            (owner, handles, _) => {
                let sessions = match &args.id {
                    Some(id) => vec![find::standing(scope, id.id()?).await?],
                    None => find::by_handles(scope, owner.as_deref(), handles).await?,
                };
                these(scope.opened, &sessions, args.yes, &mut ended).await
            }
        }
    };
    ended.report(outcome, args.json.json, output)?;
    Ok(Exit::Done)
}

/// Ends sessions one after the other, after a question.
pub(super) async fn these(
    opened: &Opened,
    sessions: &[Seen],
    yes: bool,
    ended: &mut Ended,
) -> Result<(), Failure> {
    tell(sessions);
    let number = format::sessions(sessions.len() as u64);
    confirm::go_on(&format!("End {number}?"), yes)?;
    for seen in sessions {
        ended.add(end(opened, seen).await?);
    }
    Ok(())
}

/// Ends one session; of one that gets a new id at this moment, the new one, where the index may be asked for it.
async fn end(opened: &Opened, seen: &Seen) -> Result<bool, Failure> {
    let owner = seen.owner().filter(|owner| check_owner(owner).is_ok());
    if let Some(owner) = owner {
        match owners(opened).revoke(owner, &seen.handle).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::Rejected => {}
            Err(error) => return Err(error.into()),
        }
    }
    let store = opened.sessions();
    Ok(store.end(&seen.id, EndReason::Destroyed).await?)
}

pub(super) fn owners(opened: &Opened) -> Owners {
    Owners::new(opened.sessions())
        .deadline(PATIENCE)
        .limits(super::limits())
}

/// Says that no revocation was possible; what stands in the store is ended all the same.
pub(super) fn note_unrevoked() {
    note(
        "The store's user may not revoke, so what stands in the store is ended and a sign-in that is under way is not; SECURITY.md has \
         the rights.",
    );
}

pub(super) fn tell(sessions: &[Seen]) {
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
