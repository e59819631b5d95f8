//! The completions of shells.

use clap_complete::Shell;

use crate::{exit::Exit, failure::Failure, output::Output};

/// Writes the completions of a shell. What clap writes is kept first: it would panic where the output is closed.
pub(crate) fn write(
    shell: Shell,
    mut command: clap::Command,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    output.bytes(&text)?;
    Ok(Exit::Done)
}
