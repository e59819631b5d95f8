//! Where a person watches, and where nobody does.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use cloakroom::{Store as _, core::Loaded};

use crate::{
    stage::{
        EXPRESS, HOUR, PROGRAM, Ran, VARIABLES, handle, id, on, program, put, sign_in, store,
        with_input,
    },
    support::Server,
};

/// Runs the program on a terminal of so many columns (util-linux' `script` makes one) and types `input`.
fn on_terminal(
    server: &Server,
    columns: u16,
    arguments: &str,
    input: &str,
    variables: &[(&str, &str)],
) -> Ran {
    let mut command = Command::new("script");
    let line = format!("stty rows 40 cols {columns} -echo; exec {PROGRAM} {arguments}");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
        .env("TERM", "xterm")
        .env("SESSION_STORE", server.url());
    command.envs(variables.iter().copied());
    with_input(&mut command, input)
}

/// A Japanese letter takes two columns.
fn is_wide(c: char) -> bool {
    ('\u{3000}'..'\u{a000}').contains(&c)
}

#[tokio::test]
async fn a_table_fits_a_terminal_whatever_letters_a_name_has() {
    let server = Server::redis();
    let library = store(&server).await;
    sign_in(&library, "花子さんのとても長い名前です", "a").await;
    sign_in(&library, "ken", "b").await;
    for columns in [60, 80, 140] {
        let run = on_terminal(&server, columns, "sessions ls --color never", "", &[]);
        let lines: Vec<_> = run.out.lines().collect();
        assert_eq!(lines.len(), 3, "{run:?}");
        assert!(
            lines[0].starts_with("HANDLE") && lines[0].contains("OWNER"),
            "{run:?}"
        );
        for line in &lines {
            let wide = line.chars().filter(|&c| is_wide(c)).count();
            assert!(
                line.chars().count() + wide <= usize::from(columns),
                "{columns}: {line}"
            );
        }
        // The third column begins where its title does.
        let begins = lines[0].find("SIGNED IN").unwrap();
        for line in &lines[1..] {
            let mut column = 0;
            let letter = line.chars().find(|&c| {
                let here = column == begins;
                column += 1 + usize::from(is_wide(c));
                here
            });
            assert!(
                letter.is_some_and(|c| c == '<' || c.is_ascii_digit()),
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn colours_are_only_where_they_are_wanted() {
    let server = Server::redis();
    put(&server, "a", EXPRESS, HOUR);
    let coloured = |arguments: &str, variables: &[(&str, &str)]| {
        on_terminal(&server, 100, arguments, "", variables)
            .out
            .contains("\x1b[1m")
    };
    assert!(coloured("sessions ls", &[]));
    assert!(!coloured("sessions ls", &[("NO_COLOR", "1")]));
    assert!(!coloured("sessions ls", &[("CLICOLOR", "0")]));
    assert!(!coloured("sessions ls --color never", &[]));
    assert!(!coloured("sessions ls", &[("TERM", "dumb")]));
    assert!(
        !on(&server, &["doctor", "--pings", "1"])
            .out
            .contains('\x1b')
    );
    assert!(
        on(&server, &["doctor", "--pings", "1", "--color", "always"])
            .out
            .contains('\x1b')
    );
}

/// Where few sessions pass, rows alone do not say that something is going on.
#[tokio::test]
async fn a_filtered_list_has_a_bar() {
    let server = Server::redis();
    put(&server, "a", EXPRESS, HOUR);
    let bar = |arguments: &str| {
        let run = on_terminal(&server, 100, arguments, "", &[("NO_COLOR", "1")]);
        assert_eq!(run.status, Some(0), "{run:?}");
        (run.out.contains("100%"), run.out.contains(&handle("a")))
    };
    assert_eq!(bar("sessions ls"), (false, true));
    assert_eq!(bar("sessions ls --expires-within 1d"), (true, true));
    assert_eq!(bar("sessions ls --idle-for 30d"), (true, false));
    assert_eq!(bar("sessions stats"), (true, false));
}

#[tokio::test]
async fn a_question_is_asked_and_the_answer_counts() {
    let server = Server::redis();
    let library = store(&server).await;
    sign_in(&library, "花子", "a").await;
    let revoke = format!("sessions revoke {}", handle("a"));
    let no = on_terminal(&server, 100, &revoke, "n\n", &[]);
    assert_eq!(no.status, Some(4), "{no:?}");
    assert!(
        no.out.contains("End 1 session? [y/N]") && no.out.contains("nothing was done"),
        "{no:?}"
    );
    assert!(matches!(library.load(&id("a")).await, Ok(Loaded::Live(_))));
    let yes = on_terminal(&server, 100, &revoke, "yes\n", &[]);
    assert_eq!(yes.status, Some(0), "{yes:?}");
    assert!(yes.out.contains("Ended 1 session."), "{yes:?}");
    assert!(matches!(library.load(&id("a")).await, Ok(Loaded::Ended(_))));
}

/// As `cloakroom sessions ls | head -1`: no panic, no complaint.
#[tokio::test]
async fn a_reader_that_goes_is_no_error() {
    let server = Server::redis();
    for number in 0..3000 {
        put(&server, &format!("id-{number}"), EXPRESS, HOUR);
    }
    for arguments in [
        &["sessions", "ls", "--json"][..],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let mut command = program();
        command
            .env("SESSION_STORE", server.url())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        drop(out);
        let run = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(
            (run.status, run.err.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
