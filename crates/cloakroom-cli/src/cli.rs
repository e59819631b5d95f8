//! Every command and option.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{cookie::CookieArgs, doctor::DoctorArgs, new::NewArgs, sessions::SessionsArgs};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "cloakroom",
    version,
    about = "For whoever runs an application with cloakroom sessions",
    after_help = EXIT_STATUS,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colours; NO_COLOR and CLICOLOR are heeded too
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        global = true
    )]
    pub color: Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a new project: an axum application with sessions, routes, pages, containers and tests
    New(Box<NewArgs>),
    /// Who is signed in, and signing somebody out
    Sessions(SessionsArgs),
    /// See whether the store is set up as sessions need it
    Doctor(DoctorArgs),
    /// Sign an id, verify a cookie
    Cookie(CookieArgs),
    /// Write the completions of a shell to standard output
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual page of this program to standard output, or all of them into a folder
    Man {
        /// A folder, for a page of every command
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Color {
    /// Where a person watches
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Color {
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// What stands below the help of the program itself; a test holds it against [`Exit::ALL`](crate::exit::Exit::ALL).
pub const EXIT_STATUS: &str = "\
Exit status:
  0  done; where there was a question, the answer is yes
  1  the answer is no: the cookie does not verify, there is no such session, the doctor found an error
  2  the command line or a variable is wrong; nothing was done
  3  the store cannot be reached, or refuses
  4  a confirmation is needed and was not given; nothing was done
  5  a file, or the output, cannot be read or written";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_knows_every_exit_status() {
        let lines = Exit::ALL.map(|(exit, means)| format!("  {}  {means}", exit as u8));
        assert_eq!(EXIT_STATUS, format!("Exit status:\n{}", lines.join("\n")));
    }
}
