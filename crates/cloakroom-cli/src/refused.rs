//! Command lines that cannot be read. The words are clap's, but what may be an id is not repeated: an error ends up in logs and
//! tickets.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What stands in place of a word.
const HIDDEN: &str = "(not shown)";

/// The options and arguments that take a handle or an id, as clap's errors name them.
const SESSIONS: [&str; 3] = ["HANDLE", "<ID>", "[ID]"];

/// Takes out of an error what may be an id.
pub(crate) fn without_ids(mut error: clap::Error) -> clap::Error {
    let argument = text(&error, ContextKind::InvalidArg);
    let names_session = |argument: &str| SESSIONS.iter().any(|name| argument.contains(name));
    if let Some(value) = text(&error, ContextKind::InvalidValue)
        && (argument.as_deref().is_some_and(names_session) || may_be_id(&value))
    {
        hide(&mut error, ContextKind::InvalidValue);
    }
    // A word too many, or one that was taken for an option or a command.
    if error.kind() == ErrorKind::UnknownArgument && argument.as_deref().is_some_and(may_be_id) {
        hide(&mut error, ContextKind::InvalidArg);
    }
    if text(&error, ContextKind::InvalidSubcommand).is_some_and(|word| may_be_id(&word)) {
        hide(&mut error, ContextKind::InvalidSubcommand);
    }
    error
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    }
}

fn hide(error: &mut clap::Error, kind: ContextKind) {
    error.insert(kind, ContextValue::String(HIDDEN.to_owned()));
    // Suggestions repeat the word.
    for kind in [
        ContextKind::Suggested,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
        ContextKind::TrailingArg,
    ] {
        error.remove(kind);
    }
}

/// Whether this is no plain word of a command line: a mistyped option or command has small letters and dashes, and not many.
fn may_be_id(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    word.len() > 24
        || !word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn said(words: &[&str]) -> String {
        let words = ["cloakroom"].iter().chain(words);
        without_ids(Cli::try_parse_from(words).unwrap_err()).to_string()
    }

    #[test]
    fn an_id_is_not_repeated_wherever_it_was_typed() {
        let id = "hunter2-Wn1xPVWzOX8dIzL2cTqV4DiJ";
        let dashed = "-Wn1xPVWzOX8dIzL2cTqV4DiJ-hunter2";
        let signed = "s%3Ahunter2.McVej1ZROCkPIIgY9jChJlVvk2jSU1PbvG7HST2XQkc";
        for words in [
            &["sessions", "show", id][..],
            &["sessions", "show", dashed],
            &["sessions", "show", "hunter2"],
            &["sessions", "show", "--", dashed],
            &["sessions", "show", "--id", id, id],
            &["sessions", "revoke", id, "--yes"],
            &["sessions", "revoke", "--owner", "a", "--all-but", id],
            &["sessions", "revoke", "--owner", "a", "--all-but", dashed],
            &["sessions", "ls", id],
            &["sessions", "ls", "--limit", id],
            &["sessions", id],
            &["sessions", "--hunter2-Wn1x"],
            &[id],
            &["cookie", "verify", signed, signed],
            &["cookie", "sign", id, id],
            &["doctor", id],
        ] {
            let said = said(words);
            assert!(!said.contains("hunter2"), "{words:?}: {said}");
            assert!(said.contains("(not shown)"), "{words:?}: {said}");
        }
    }

    #[test]
    fn what_was_mistyped_is_repeated_where_it_is_a_plain_word() {
        for (words, says) in [
            (&["sessions", "lst"][..], "'lst'"),
            (&["sessions", "ls", "--ownr", "a"], "--ownr"),
            (&["sessions", "ls", "--ownr", "a"], "--owner"),
            (
                &["sessions", "ls", "--sort", "sise", "--limit", "1"],
                "'sise'",
            ),
            (&["completions", "nosuchshell"], "nosuchshell"),
        ] {
            let said = said(words);
            assert!(said.contains(says), "{words:?}: {said}");
        }
    }
}
