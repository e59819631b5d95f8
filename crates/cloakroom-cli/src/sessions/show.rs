//! `cloakroom sessions show`.

use std::io::{self, Read as _};

use clap::{ArgGroup, Args};
use cloakroom::{SessionId, Timestamp};

use super::{
    IdArgs, JsonArgs, find,
    scope::Scope,
    seen::{Content, Reveal, Seen, ago, dash, kind, time},
};
use crate::{
    clock::now,
    exit::Exit,
    failure::Failure,
    format,
    handle::Typed,
    output::{Output, plain, style},
};

/// `cloakroom sessions show`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true).args(["handle", "id"]))]
pub struct ShowArgs {
    /// The session's handle, as `ls` shows it, or its fingerprint, as the application's log shows it
    #[arg(value_parser = Typed::parse)]
    handle: Option<Typed>,
    /// The session's id; `-` reads it from standard input, where others on this machine do not see it
    #[arg(long, value_name = "ID", value_parser = SecretText::parse, allow_hyphen_values = true)]
    id: Option<SecretText>,
    /// Whose session it is: looks at this owner's sessions alone, which takes no time
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    owner: Option<String>,
    /// How.
    #[command(flatten)]
    json: JsonArgs,
    /// Ids or handles.
    #[command(flatten)]
    ids: IdArgs,
    /// Show the values that the session holds, too
    #[arg(long)]
    show_values: bool,
}

/// A text that is not shown.
#[derive(Clone)]
pub(super) struct SecretText(String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

impl SecretText {
    // The signature is clap's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }

    /// The id, from standard input where the option is `-`.
    pub(super) fn id(&self) -> Result<SessionId, Failure> {
        let mut text = self.0.clone();
        if text == "-" {
            text.clear();
            // An id has 128 bytes at most; of something endless a part is enough to see that it is none.
            let read = io::stdin().lock().take(4096).read_to_string(&mut text);
            read.map_err(|error| {
                Failure::file("the id cannot be read from standard input", &error)
            })?;
        }
        SessionId::parse(text.trim()).ok_or_else(|| {
            Failure::usage(
                "--id is no session id: 1 to 128 letters, digits and `-_.~:+/=@,`; of a cookie's value, `cloakroom cookie verify --show-id` gives the id",
            )
        })
    }
}

pub(super) async fn run(
    args: &ShowArgs,
    scope: Scope<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let seen = match (&args.handle, &args.id) {
        (Some(handle), _) => {
            let owner = args.owner.as_deref();
            find::by_handle(scope, owner, handle).await?
        }
        (None, Some(id)) => find::by_id(scope, id.id()?).await?,
        (None, None) => return Err(Failure::usage("which session? give a handle, or --id")),
    };
    let reveal = Reveal {
        ids: args.ids.show_ids,
        values: args.show_values,
    };
    if args.json.json {
        output.line(seen.to_json(reveal, now()))?;
    } else {
        people(&seen, reveal, now(), output)?;
    }
    Ok(Exit::Done)
}

fn people(seen: &Seen, reveal: Reveal, now: Timestamp, output: &mut Output) -> Result<(), Failure> {
    let (head, faint) = (style::HEAD, style::FAINT);
    let mut line = |name: &str, value: String| {
        output.line(format_args!("{head}{name:<11}{head:#} {}", plain(&value)))
    };
    line("handle", seen.handle.to_string())?;
    if reveal.ids {
        line("id", seen.id.as_str().to_owned())?;
    }
    let facts = seen.facts();
    line("owner", seen.owner().map_or_else(dash, str::to_owned))?;
    let signed_in = facts.and_then(|facts| facts.signed_in);
    line(
        "signed in",
        signed_in.map_or_else(dash, |at| format!("{at} ({} ago)", ago(Some(at), now))),
    )?;
    if let Some(created) = facts.and_then(|facts| facts.usage.created) {
        line(
            "created",
            format!("{created} ({} ago)", ago(Some(created), now)),
        )?;
    }
    line("idle", time(facts.and_then(|facts| facts.idle)))?;
    line(
        "ends in",
        seen.remaining
            .map_or_else(|| "never".to_owned(), format::short),
    )?;
    if let Some(ends) = facts.and_then(|facts| facts.ends) {
        line("latest end", ends.to_string())?;
    }
    if let Some(client) = facts.map(|facts| &facts.usage.client) {
        if let Some(address) = &client.address {
            line("address", address.clone())?;
        }
        if let Some(agent) = &client.user_agent {
            line("browser", agent.clone())?;
        }
    }
    line("size", format::size(seen.bytes))?;
    match &seen.content {
        Content::Nothing => line(
            "content",
            "no session: express-session too begins a new one".to_owned(),
        )?,
        Content::Unreadable(reason) => line("content", format!("unreadable: {reason}"))?,
        Content::Read(facts) => {
            if let Some(cookie) = facts.cookie() {
                line("cookie", cookie.as_str().to_owned())?;
            }
            let mut empty = true;
            for (name, raw) in facts.data() {
                empty = false;
                let shown = if reveal.values {
                    plain(raw.as_str())
                } else {
                    format!(
                        "{faint}{}, {}{faint:#}",
                        kind(&raw),
                        format::size(raw.len() as u64)
                    )
                };
                output.line(format_args!("  {}: {shown}", plain(&name)))?;
            }
            if empty {
                output.line(format_args!("  {faint}(nothing was put into it){faint:#}"))?;
            }
        }
    }
    Ok(())
}
