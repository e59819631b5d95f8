//! `cloakroom cookie`: signing an id and verifying a cookie, as express-session does both.

mod read;

use std::{
    fmt,
    io::{self, IsTerminal as _, Read as _},
};

use clap::{Args, Subcommand};
use cloakroom::core::{
    cookie::encode_value,
    ticket::{self, InvalidReason},
};
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{Output, note, style},
    secrets::{SecretArgs, SecretTexts},
    store::Process,
};

pub(crate) use self::read::{Verified, candidates, verify_first};

/// `cloakroom cookie`.
#[derive(Args, Debug)]
pub struct CookieArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CookieCommand,
}

/// What to do with a cookie.
#[derive(Debug, Subcommand)]
pub enum CookieCommand {
    /// Write the cookie value of a session id, signed with the first secret
    Sign(SignArgs),
    /// Say whether a cookie's signature is right, and which secret made it
    Verify(VerifyArgs),
}

/// `cloakroom cookie sign`.
#[derive(Args)]
pub struct SignArgs {
    /// The id; without it, or with `-`, it is read from standard input, where others on this machine do not see it
    id: Option<String>,
    /// Where the secrets are.
    #[command(flatten)]
    secrets: SecretArgs,
    /// Write the value before its percent-encoding: `s:` in place of `s%3A`
    #[arg(long)]
    raw: bool,
}

/// `cloakroom cookie verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The cookie: its value, percent-encoded, raw or quoted, `name=value`, or a whole `Cookie` header; without it, or with
    /// `-`, it is read from standard input, where others on this machine do not see it
    cookie: Option<String>,
    /// The name of the cookie, where there are several
    #[arg(long, value_name = "NAME", default_value = "connect.sid")]
    name: String,
    /// Where the secrets are.
    #[command(flatten)]
    secrets: SecretArgs,
    /// Show the id, too
    #[arg(long)]
    show_id: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// An id may be a visitor's.
impl fmt::Debug for SignArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignArgs")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

/// A cookie is a visitor's.
impl fmt::Debug for VerifyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyArgs")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(crate) fn run(args: &CookieArgs, output: &mut Output) -> Result<Exit, Failure> {
    match &args.command {
        CookieCommand::Sign(args) => sign(args, output),
        CookieCommand::Verify(args) => verify(args, output),
    }
}

fn sign(args: &SignArgs, output: &mut Output) -> Result<Exit, Failure> {
    let secrets = SecretTexts::need(&args.secrets, &Process)?.ring()?;
    let id = argument_or_input(args.id.as_deref(), "the id")?;
    if id.is_empty() {
        return Err(Failure::usage(
            "the id is empty; give one, or write it to standard input",
        ));
    }
    if cloakroom::SessionId::parse(&id).is_none() {
        return Err(Failure::usage(
            "this is no session id: it has 1 to 128 letters, digits and `-_.~:+/=@,`",
        ));
    }
    let ticket = ticket::sign(&id, &secrets);
    if args.raw {
        output.line(ticket)?;
    } else {
        output.line(encode_value(&ticket))?;
    }
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs, output: &mut Output) -> Result<Exit, Failure> {
    let secrets = SecretTexts::need(&args.secrets, &Process)?;
    let text = argument_or_input(args.cookie.as_deref(), "the cookie")?;
    let found = candidates(&text, &args.name);
    if found.is_empty() {
        return Err(Failure::no(format!(
            "there is no cookie named `{}` in this header; see --name",
            args.name
        )));
    }
    let verified = verify_first(&found, &secrets)?;
    if args.json {
        output.line(match &verified {
            Verified::By { secret, id } => {
                let id = args.show_id.then(|| id.as_str());
                let mut object = json!({"valid": true, "secret": secret, "secrets": secrets.len()});
                if let Verified::By { id: known, .. } = &verified {
                    object["handle"] = known.handle().to_string().into();
                }
                if let Some(id) = id {
                    object["id"] = id.into();
                }
                object
            }
            Verified::No(reason) => {
                json!({"valid": false, "reason": reason.as_str(), "secrets": secrets.len()})
            }
        })?;
    } else {
        people(&verified, args.show_id, secrets.len(), output)?;
    }
    Ok(match verified {
        Verified::By { .. } => Exit::Done,
        Verified::No(_) => Exit::No,
    })
}

fn people(
    verified: &Verified,
    show_id: bool,
    secrets: usize,
    output: &mut Output,
) -> Result<(), Failure> {
    match verified {
        Verified::By { secret, id } => {
            let good = style::GOOD;
            output.line(format_args!(
                "{good}valid{good:#}: {}",
                which(*secret, secrets)
            ))?;
            output.line(format_args!("session {}", id.handle()))?;
            if show_id {
                output.line(format_args!("id      {}", id.as_str()))?;
            }
            Ok(())
        }
        Verified::No(reason) => {
            let bad = style::BAD;
            output.line(format_args!(
                "{bad}not valid{bad:#}: {}",
                why(*reason, secrets)
            ))
        }
    }
}

/// Which secret signed, in words.
pub(crate) fn which(secret: usize, secrets: usize) -> String {
    match (secret, secrets) {
        (1, 1) => "signed with the secret".to_owned(),
        (1, _) => format!("signed with the first of {secrets} secrets"),
        _ => format!(
            "signed with secret {secret} of {secrets}; it is signed anew when its visitor comes back"
        ),
    }
}

/// Why a ticket is not valid, in words.
pub(crate) fn why(reason: InvalidReason, secrets: usize) -> String {
    match reason {
        InvalidReason::Unsigned => "this is no signed cookie: `s:`, the id, a dot and the signature".to_owned(),
        InvalidReason::TooLong => "it is longer than any of ours".to_owned(),
        InvalidReason::BadSignature if secrets == 1 => {
            "the secret has not signed it; it was changed, or signed with another".to_owned()
        }
        InvalidReason::BadSignature => {
            format!("none of the {secrets} secrets has signed it; it was changed, or signed with another")
        }
        InvalidReason::BadId => {
            "the signature is right, but the id has characters that this library refuses and express takes".to_owned()
        }
        _ => reason.as_str().to_owned(),
    }
}

/// A header has 16 KiB at most, as a rule.
const LONGEST: u64 = 64 * 1024;

/// The text of the argument, or what standard input holds, without white space around it.
pub(crate) fn argument_or_input(argument: Option<&str>, what: &str) -> Result<String, Failure> {
    if let Some(text) = argument.filter(|text| *text != "-") {
        return Ok(text.trim().to_owned());
    }
    if io::stdin().is_terminal() {
        note(format_args!("Type {what}, then Ctrl-D."));
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| {
        Failure::file(
            format_args!("{what} cannot be read from standard input"),
            &error,
        )
    })?;
    Ok(text.trim().to_owned())
}
