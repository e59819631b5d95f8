//! `docs/cli.md` shows what the program really writes: each command in it is run on a fixed set of sessions. Numbers may
//! differ, since times and ports do. With `CLOAKROOM_WRITE_DOCS=1` the document is written anew. What the README shows is taken
//! from there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use clap::CommandFactory as _;
use cloakroom::OwnerIndex as _;
use cloakroom_cli::cli::Cli;

use crate::{
    stage::{HOUR, PROGRAM, id, put, store},
    support::{Program, Server},
    watching::Watching,
};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document() -> PathBuf {
    checkout().join("docs/cli.md")
}

/// The sessions that the document shows.
async fn furnished() -> Server {
    let server = Server::start(
        Program::Redis,
        &["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"],
    );
    let library = store(&server).await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let signed_in = (now - 3 * HOUR).as_millis();
    for (name, owner, minutes) in [
        ("Wn1xPVWzOX8dIzL2cTqV4DiJqHXrqYpS", "花子", 90),
        ("aZ0-_bY1cX2dW3eV4fU5gT6hS7iR8jQ9", "花子", 75),
        ("vT2rW8kq0LxYb5HnE3sJ7uGmC1dPfZ4a", "ken", 45),
    ] {
        library
            .claim(owner, &id(name), 8 * HOUR, None)
            .await
            .unwrap();
        let value = format!(
            r#"{{"cookie":{{"originalMaxAge":7200000,"expires":null,"httpOnly":true,"path":"/"}},"__ck":{{"owner":"{owner}","signedIn":{signed_in}}},"userName":"{owner}","cart":[{{"sku":"A-17","count":2}}]}}"#
        );
        put(&server, name, &value, HOUR * minutes / 60);
    }
    let express = r#"{"cookie":{"originalMaxAge":7200000,"expires":"2099-01-01T00:00:00.000Z","httpOnly":true,"path":"/"},"theme":"dark"}"#;
    put(
        &server,
        "q9ZrXk3mTn6BvW1yHc8LpD4sJf2GuEaE",
        express,
        HOUR / 2,
    );
    server
}

/// A shell beside a checkout that is called `cloakroom`.
fn shell(server: &Server, folder: &Path, command: &str) -> Command {
    let programs = Path::new(PROGRAM).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("SESSION_STORE", server.url())
        .env(
            "SESSION_SECRET",
            "fedcba9876543210fedcba9876543210,keyboard cat",
        )
        .stdin(Stdio::null());
    shell
}

/// What a command writes, errors first.
fn said(server: &Server, command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    symlink(checkout(), folder.path().join("cloakroom")).unwrap();
    let mut shell = shell(server, folder.path(), command);
    if command.contains("sessions watch") && !command.contains("--help") {
        return watched(server, &mut shell);
    }
    let output = shell.output().unwrap();
    let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    text.replace(&folder.path().display().to_string(), "/home/hanako")
}

/// What a watch writes while a visitor comes, signs in and leaves.
fn watched(server: &Server, watch: &mut Command) -> String {
    let (anonymous, aya) = (
        "Zt5LmQx8RwYc2VbN7pKsHd3JfG6aUeB1",
        "Hj4kPw9TzXc1VbN6mQsLd8RfG2yUeA7o",
    );
    let mut watching = Watching::start(watch);
    let mut said = vec![watching.note().unwrap()];
    let mut next = || said.push(watching.event());
    put(server, anonymous, r#"{"cookie":{}}"#, HOUR);
    next();
    let value = r#"{"cookie":{},"__ck":{"owner":"aya","signedIn":1795641518229}}"#;
    put(server, aya, value, HOUR);
    next();
    server.call(&["DEL", &format!("sess:{anonymous}")]);
    next();
    server.call(&["DEL", &format!("sess:{aya}")]);
    next();
    said.join("\n")
}

/// Without what differs from run to run: numbers, how far columns are apart, and what the doctor says of a slow machine.
fn masked(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_slow = false;
    for line in text.lines() {
        let check = line.split_whitespace().nth(1).unwrap_or_default();
        let is_advice = line.starts_with("          ");
        in_slow = matches!(check, "latency" | "clock") || (in_slow && is_advice);
        let is_sum =
            line.contains(" error") && line.ends_with(['g', 's']) && line.contains("warning");
        if in_slow || (is_sum && line.starts_with(|c: char| c.is_ascii_digit())) {
            continue;
        }
        let mut masked = String::new();
        for c in line.trim_end().chars() {
            let is_number = c.is_ascii_digit() || matches!(c, '.' | ',' | '<');
            let c = if is_number { '#' } else { c };
            if !(matches!(c, '#' | ' ') && masked.ends_with(c)) {
                masked.push(c);
            }
        }
        lines.push(masked);
    }
    lines
}

/// Runs the commands of every block and puts what they write below them.
fn replayed(server: &Server, text: &str) -> String {
    let mut replayed = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        }
        let command = line.strip_prefix("$ ").filter(|_| in_block);
        if command.is_some() || !in_block || line.starts_with("```") {
            replayed += line;
            replayed.push('\n');
        }
        if let Some(command) = command {
            let said = said(server, command);
            assert!(!said.is_empty(), "{command} writes nothing");
            let lines = said.lines().map(|line| format!("{}\n", line.trim_end()));
            replayed.extend(lines);
        }
    }
    replayed
}

#[tokio::test]
async fn the_document_shows_what_the_program_writes() {
    let server = furnished().await;
    let text = fs::read_to_string(document()).unwrap();
    let replayed = replayed(&server, &text);
    if std::env::var_os("CLOAKROOM_WRITE_DOCS").is_some() {
        fs::write(document(), &replayed).unwrap();
        return;
    }
    let (is, should) = (masked(&text), masked(&replayed));
    for (is, should) in is.iter().zip(&should) {
        assert_eq!(
            is, should,
            "in docs/cli.md; CLOAKROOM_WRITE_DOCS=1 writes it anew"
        );
    }
    assert_eq!(is.len(), should.len(), "lines of docs/cli.md");
}

/// The help of every command is in the document, so every option is.
#[test]
fn the_document_has_every_command() {
    let text = fs::read_to_string(document()).unwrap();
    let mut names = Vec::new();
    collect(&Cli::command(), "cloakroom", &mut names);
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(
            text.contains(&format!("$ {name} --help\n")),
            "docs/cli.md has no help of `{name}`"
        );
    }
}

/// The README shows some of the commands, and of what they write some of the lines.
#[test]
fn the_readme_shows_what_the_document_does() {
    let document = shown(&fs::read_to_string(document()).unwrap());
    let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
    let readme = shown(&readme);
    assert!(!readme.is_empty(), "README.md shows no command");
    for (command, lines) in readme {
        let written = document.iter().find(|(written, _)| *written == command);
        let (_, written) =
            written.unwrap_or_else(|| panic!("README.md has `{command}`, and docs/cli.md has not"));
        let mut written = written.iter();
        for line in lines.iter().filter(|line| *line != "###") {
            assert!(
                written.any(|written| written == line),
                "`{command}` in README.md, and not or not there in docs/cli.md: {line}"
            );
        }
    }
}

/// The commands of a text's blocks, each with what it writes, without what differs from run to run. What is left out stands as
/// `...`, which becomes `###`.
fn shown(text: &str) -> Vec<(String, Vec<String>)> {
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            shown.push((command.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = shown.last_mut().filter(|_| in_block) {
            lines.extend(if line == "..." {
                vec!["###".to_owned()]
            } else {
                masked(line)
            });
        }
    }
    shown
}

fn collect(command: &clap::Command, name: &str, names: &mut Vec<String>) {
    names.push(name.to_owned());
    for child in command
        .get_subcommands()
        .filter(|child| child.get_name() != "help")
    {
        collect(child, &format!("{name} {}", child.get_name()), names);
    }
}
