//! `cloakroom new`: what it writes, what it refuses, and that the project builds, passes its tests and serves.

mod options;
mod project;
mod refusals;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The folder of the workspace.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// How a command went.
#[derive(Debug)]
struct Went {
    status: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command to its end.
fn went(command: &mut Command) -> Went {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Went {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `cloakroom new` in a folder.
fn new(folder: &Path, args: &[&str]) -> Went {
    new_with(Path::new(env!("CARGO_BIN_EXE_cloakroom")), folder, args)
}

fn new_with(program: &Path, folder: &Path, args: &[&str]) -> Went {
    went(
        Command::new(program)
            .current_dir(folder)
            .arg("new")
            .args(args),
    )
}

/// The same, where it has to succeed; answers with what it printed.
fn made(folder: &Path, args: &[&str]) -> String {
    let went = new(folder, args);
    assert_eq!(went.status, Some(0), "{args:?}: {went:?}");
    assert_eq!(went.err, "");
    went.out
}

/// Every file below a folder with its text, but for a git repository's own.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().unwrap() != ".git" {
                walk(root, &path, found);
            } else if path.is_file() {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Whether a folder has nothing in it.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
