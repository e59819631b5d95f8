//! The repository of a project, where one is asked for.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use super::{Failure, files::Made};

/// Asks before anything is written.
pub(super) fn is_there() -> Result<(), Failure> {
    let status = Command::new("git")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(missing(&io::Error::other(format!(
            "git --version: {status}"
        )))),
        Err(error) => Err(missing(&error)),
    }
}

fn missing(error: &io::Error) -> Failure {
    Failure::usage(format!(
        "--vcs git: git cannot be run ({error}); install it, or leave the option out. Nothing was written"
    ))
}

/// Begins the repository. One that is there already stays as it is.
pub(super) fn begin(folder: &Path, made: &mut Made) -> Result<(), Failure> {
    if folder.join(".git").exists() {
        return Ok(());
    }
    let output = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output();
    let why = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    // Half a repository is in the way of the next attempt as well.
    let _ = std::fs::remove_dir_all(folder.join(".git"));
    let left = made.take_away();
    Err(Failure::file(
        format_args!("--vcs git: `git init` failed in {}{left}", folder.display()),
        &io::Error::other(why),
    ))
}
