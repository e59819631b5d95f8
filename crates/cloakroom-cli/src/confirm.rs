//! A question before something ends.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Asks whether to go on, unless `yes`. The question stands on standard error, so that results can be kept apart.
///
/// # Errors
///
/// The answer is no, or there is nobody to ask.
pub(crate) fn go_on(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::unconfirmed(format!(
            "{question} Nobody can be asked without a terminal; --yes says so beforehand"
        )));
    }
    let mut stderr = io::stderr();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::file("the answer cannot be read", &error))?;
    if is_yes(&answer) {
        Ok(())
    } else {
        Err(Failure::unconfirmed(
            "nothing was done, since the answer was not `yes`",
        ))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Yes\n", true),
            ("", false),
            ("\n", false),
            ("n", false),
            ("yesterday", false),
        ] {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
