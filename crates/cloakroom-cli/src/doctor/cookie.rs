//! The secrets, and a cookie that somebody has trouble with.

use std::{fs, io::Read as _};

use cloakroom::{SessionId, core::Loaded};

use super::{DoctorArgs, finding::Finding};
use crate::{
    cookie::{Verified, argument_or_input, candidates, verify_first, which, why},
    failure::Failure,
    secrets::SecretTexts,
    sessions::{Revocations, Scope},
    store::{Environment as _, Opened, Process},
};

/// What production asks of a secret.
const SHORT: usize = 32;

pub(super) async fn look(args: &DoctorArgs, opened: &Opened) -> Result<Vec<Finding>, Failure> {
    let secrets = SecretTexts::read(&args.secrets, &Process)?;
    let cookie = cookie(args)?;
    let mut findings = vec![strength(secrets.as_ref())];
    let Some(cookie) = cookie else {
        return Ok(findings);
    };
    let Some(secrets) = secrets else {
        let advice = "set SESSION_SECRET as for the application, or give --secret-file";
        findings.push(Finding::error(
            "cookie",
            "cannot be verified: there is no secret",
            advice,
        ));
        return Ok(findings);
    };
    let found = candidates(&cookie, &args.cookie_name);
    if found.is_empty() {
        let what = format!(
            "there is none named `{}` in what was given",
            args.cookie_name
        );
        findings.push(Finding::error(
            "cookie",
            what,
            "see --cookie-name, and the name that the application sets",
        ));
        return Ok(findings);
    }
    match verify_first(&found, &secrets)? {
        Verified::No(reason) => {
            let advice = "see that the application and the Node services have the same secrets in SESSION_SECRET, the same first";
            findings.push(Finding::error("cookie", why(reason, secrets.len()), advice));
        }
        Verified::By { secret, id } => {
            let handle = id.handle();
            let what = format!("session {handle}, {}", which(secret, secrets.len()));
            findings.push(Finding::ok("cookie", what));
            findings.push(session(opened, id).await?);
        }
    }
    Ok(findings)
}

/// What has become of the session. One that stands in the store may have been revoked: nobody can use it.
async fn session(opened: &Opened, id: SessionId) -> Result<Finding, Failure> {
    let handle = id.handle();
    Ok(match opened.sessions().load(&id).await? {
        Loaded::Live(stored) => {
            let seen = Scope::of(opened).see(id, &stored);
            let mut revocations = Revocations::new(opened.sessions());
            if revocations.ended(&seen).await? {
                let what =
                    format!("{handle} was revoked; it stands in the store until it is presented");
                Finding::note("session", what)
            } else {
                Finding::ok("session", format!("{handle} lives"))
            }
        }
        Loaded::Ended(_) => {
            Finding::note("session", format!("{handle} was ended a short while ago"))
        }
        _ => {
            let advice = "it has ended, or the application has another store or prefix: see --store and --prefix";
            Finding::warning("session", format!("there is no session {handle}"), advice)
        }
    })
}

fn strength(secrets: Option<&SecretTexts>) -> Finding {
    let Some(secrets) = secrets else {
        return Finding::note(
            "secrets",
            "none is set here (SESSION_SECRET, --secret-file), so none was looked at",
        );
    };
    let number = secrets.len();
    let what = match number {
        1 => "one secret".to_owned(),
        _ => format!("{number} secrets: the first signs, all verify"),
    };
    if secrets.shortest() < SHORT {
        let what = format!("{what}; the shortest has {} bytes", secrets.shortest());
        let advice = "take 32 random bytes or more, as `openssl rand -hex 32` makes them: who guesses the secret signs cookies";
        Finding::warning("secrets", what, advice)
    } else {
        Finding::ok("secrets", what)
    }
}

/// A header has 16 KiB at most, as a rule.
const LONGEST: u64 = 64 * 1024;

fn cookie(args: &DoctorArgs) -> Result<Option<String>, Failure> {
    let Some(path) = &args.cookie_file else {
        return Process.get("SESSION_COOKIE");
    };
    if path.as_os_str() == "-" {
        return argument_or_input(None, "the cookie").map(Some);
    }
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|error| {
        Failure::file(
            format_args!("--cookie-file {} cannot be read", path.display()),
            &error,
        )
    })?;
    Ok(Some(text.trim().to_owned()))
}
