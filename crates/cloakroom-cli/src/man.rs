//! The manual pages.

use std::{fs, path::Path};

use crate::{exit::Exit, failure::Failure, output::Output};

/// Writes the page of the program itself, or the page of every command into a folder.
pub(crate) fn write(
    folder: Option<&Path>,
    command: clap::Command,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::output(&error))?;
        output.bytes(&page)?;
        return Ok(Exit::Done);
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|error| {
            Failure::file(
                format_args!("the manual pages cannot be written to {}", folder.display()),
                &error,
            )
        })?;
    output.line(format_args!(
        "The pages are in {}; read one with `man -l {}`.",
        folder.display(),
        folder.join("cloakroom.1").display()
    ))?;
    Ok(Exit::Done)
}
