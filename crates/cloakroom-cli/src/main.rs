//! The command line of cloakroom; see the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloakroom_cli::main()
}
