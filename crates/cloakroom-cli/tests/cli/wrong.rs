//! Wrong input: what is wrong, which option it is, and never a password.

use crate::{
    stage::{Ran, on, program},
    support::{Program, Server},
};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .current_dir(dir.path())
        .args(arguments)
        .envs(variables.iter().copied());
    command.output().unwrap().into()
}

#[test]
fn every_wrong_word_is_refused_with_its_name() {
    let list = ["sessions", "ls"];
    let with = |more: &[&'static str]| [&list[..], more].concat();
    for (arguments, variables, status, says) in [
        (with(&["--store", "hunter2"]), &[][..], 2, "--store must be"),
        (
            with(&["--store", "redis://:hunter2@h/x"]),
            &[],
            2,
            "database number",
        ),
        (with(&["--store", "memory"]), &[], 2, "process"),
        (
            with(&["--store", "sqlite:/nowhere/x.db"]),
            &[],
            3,
            "no such file",
        ),
        (
            with(&[]),
            &[("SESSION_STORE", "sqlite:/nowhere/x.db")],
            3,
            "SESSION_STORE: ",
        ),
        (with(&[]), &[("DATA_DIR", "/nowhere")], 2, "DATA_DIR"),
        (
            with(&[]),
            &[("SESSION_STORE", "hunter2://")],
            2,
            "SESSION_STORE must be",
        ),
        (
            with(&[]),
            &[("REDIS_URL", "http://:hunter2@h")],
            2,
            "REDIS_URL must be",
        ),
        (with(&[]), &[("REDIS_PORT", "1")], 2, "REDIS_PORT"),
        (with(&[]), &[], 2, "no store is named"),
        (with(&["--idle-for", "15"]), &[], 2, "--idle-for"),
        (with(&["--older-than", "soon"]), &[], 2, "--older-than"),
        (with(&["--expires-within=-1h"]), &[], 2, "--expires-within"),
        (with(&["--limit", "0"]), &[], 2, "--limit"),
        (with(&["--sort", "size"]), &[], 2, "--limit"),
        (
            with(&[
                "--sort",
                "size",
                "--limit",
                "10001",
                "--store",
                "redis://127.0.0.1:1",
            ]),
            &[],
            3,
            "127.0.0.1:1",
        ),
        (with(&["--show-values"]), &[], 2, "--json"),
        (with(&["--nonsense"]), &[], 2, "--nonsense"),
        (vec!["sessions", "show"], &[], 2, "HANDLE"),
        (
            vec!["sessions", "show", "hunter2-hunter2"],
            &[],
            2,
            "22 characters",
        ),
        (
            vec!["sessions", "show", "hunter2-Wn1x", "Wn1x"],
            &[],
            2,
            "not shown",
        ),
        (vec!["sessions", "revoke"], &[], 2, "required"),
        (
            vec!["sessions", "revoke", "--everybody", "--owner", "a"],
            &[],
            2,
            "--owner",
        ),
        (
            vec!["sessions", "revoke", "--all-but", "deadbeef"],
            &[],
            2,
            "--owner",
        ),
        (
            vec!["sessions", "watch", "--interval", "0s"],
            &[],
            2,
            "--interval",
        ),
        (vec!["doctor", "--pings", "0"], &[], 2, "--pings"),
        (vec!["cookie", "sign", "abc"], &[], 2, "SESSION_SECRET"),
        (
            vec!["cookie", "sign", "a b"],
            &[("SESSION_SECRET", "hunter2")],
            2,
            "no session id",
        ),
        (
            vec!["cookie", "sign", "abc"],
            &[("SESSION_SECRET", "hunter2,,")],
            2,
            "SESSION_SECRET",
        ),
        (
            vec!["cookie", "verify", "x", "--secret-file", "/nowhere"],
            &[],
            5,
            "--secret-file /nowhere",
        ),
        (vec!["man", "/proc/none/here"], &[], 5, "/proc/none/here"),
        (vec!["completions", "nosuchshell"], &[], 2, "nosuchshell"),
        (vec!["nonsense"], &[], 2, "nonsense"),
        (vec![], &[], 2, "Usage"),
    ] {
        let run = run(&arguments, variables);
        assert_eq!(run.status, Some(status), "{arguments:?}: {run:?}");
        assert!(
            run.err.contains(says),
            "{arguments:?} {variables:?}: {run:?}"
        );
        assert!(run.out.is_empty(), "{run:?}");
        // A plain word that was mistyped is repeated; a store's URL, a secret, and what may be an id are not.
        assert!(!run.err.contains("hunter2"), "{run:?}");
        assert!(!run.err.contains("panicked"), "{run:?}");
    }
}

#[test]
fn r41_a_server_that_refuses_is_named_without_the_password() {
    let server = Server::start(Program::Redis, &["--requirepass", "swordfish"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port);
    let none = on(&server, &["sessions", "ls"]);
    let wrong = run(&["sessions", "ls"], &[("SESSION_STORE", &url("hunter2"))]);
    for run in [none, wrong] {
        assert_eq!(run.status, Some(3), "{run:?}");
        assert!(run.err.contains(&server.port.to_string()), "{run:?}");
        assert!(
            !run.err.contains("hunter2") && !run.err.contains("swordfish"),
            "{run:?}"
        );
    }
    let shown = run(&["sessions", "ls", "--store", &url("swordfish")], &[]);
    assert_eq!(shown.status, Some(0), "{shown:?}");
    assert!(
        shown.err.contains("SESSION_STORE") && !shown.err.contains("swordfish"),
        "{shown:?}"
    );
}

#[test]
fn a_file_that_is_none_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hunter2.txt");
    std::fs::write(&path, "this is no database, whatever its length may be").unwrap();
    let place = format!("sqlite:{}", path.display());
    for arguments in [&["sessions", "ls"][..], &["doctor"]] {
        let run = run(&[arguments, &["--store", &place]].concat(), &[]);
        assert_eq!(run.status, Some(3), "{run:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap().len(), 47);
}
