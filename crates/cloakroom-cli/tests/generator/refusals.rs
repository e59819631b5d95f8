//! What is refused says why and what to do, and leaves nothing behind.

use std::{fs, path::Path, process::Command};

use crate::{Went, is_empty, new, went, workspace};

fn refused(folder: &Path, args: &[&str], expected: &str) -> Went {
    let went = new(folder, args);
    assert_eq!(went.status, Some(2), "{args:?}: {went:?}");
    assert!(went.err.contains(expected), "{args:?}: {}", went.err);
    assert_eq!(went.out, "", "{args:?}");
    went
}

#[test]
fn names_that_suit_no_package_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (["Shop"].as_slice(), "the name \"Shop\" must be lower-case"),
        (&["1shop"], "begin with a letter"),
        (&["a/fn"], "the name \"fn\" is a word of the Rust language"),
        (&["std"], "comes with Rust"),
        (&["axum"], "is a crate that the project depends on"),
        (&["cloakroom"], "is a crate that the project depends on"),
        (&["nul"], "device"),
        (
            &["shop", "--name", "My Shop"],
            "the name \"My Shop\" must be",
        ),
        (&["shop", "--name", ""], "the name \"\" is empty"),
        (&["shop", "--name", "../shop"], "lower-case"),
        (&["shop", "--name", "a\u{1b}[31m"], "lower-case"),
        (&["/"], "gives the project no name"),
        (&[""], "<FOLDER>"),
        (&["/", "--name", "shop"], "the folder / is not empty"),
    ];
    for (args, expected) in cases {
        let went = refused(folder.path(), args, expected);
        assert!(!went.err.contains('\u{1b}'), "{:?}", went.err);
    }
    let hint = refused(
        folder.path(),
        &["Shop"],
        "`--name` gives the project another one",
    );
    assert!(hint.err.starts_with("error: "));
    assert!(
        !refused(folder.path(), &["x", "--name", "X"], "")
            .err
            .contains("--name")
    );
    assert!(is_empty(folder.path()));
}

#[test]
fn unknown_options_and_values_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ([].as_slice(), "<FOLDER>"),
        (&["a", "b"], "unexpected argument 'b'"),
        (
            &["a", "--store", "postgres"],
            "possible values: sqlite, redis, memory",
        ),
        (&["a", "--vcs", "svn"], "possible values: none, git"),
        (&["a", "--force"], "--force"),
        (&["a", "--vendor"], "--path <CHECKOUT>"),
        (&["a", "--path"], "a value is required"),
    ];
    for (args, expected) in cases {
        refused(folder.path(), args, expected);
    }
    assert!(is_empty(folder.path()));
}

#[test]
fn a_folder_with_something_in_it_is_named_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    fs::create_dir(&shop).unwrap();
    fs::write(shop.join("notes"), "mine").unwrap();
    refused(
        folder.path(),
        &["shop"],
        "shop is not empty: it has notes. Nothing was written",
    );
    refused(folder.path(), &["shop", "--dry-run"], "is not empty");
    refused(&shop, &[".", "--name", "shop"], "is not empty");
    assert_eq!(fs::read_dir(&shop).unwrap().count(), 1);
    // Twice the same command: the first project stays.
    crate::made(folder.path(), &["twice"]);
    refused(folder.path(), &["twice"], "is not empty");
}

#[test]
fn what_is_no_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("shop"), "mine").unwrap();
    for path in ["shop", "shop/inner"] {
        let went = new(folder.path(), &[path]);
        assert_eq!(went.status, Some(5), "{went:?}");
        assert!(went.err.contains("shop"), "{}", went.err);
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("shop")).unwrap(),
        "mine"
    );
}

#[test]
fn a_path_must_be_a_checkout_of_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str, expected: &str| {
        refused(folder.path(), &["shop", "--path", path], expected);
    };
    at("nowhere", "--path nowhere: the folder cannot be found");
    at(".", "--path .: this is no checkout of cloakroom");
    let inner = workspace().join("crates/cloakroom");
    at(inner.to_str().unwrap(), "this is no checkout of cloakroom");
    let other = folder.path().join("other");
    fs::create_dir_all(other.join("crates/cloakroom")).unwrap();
    fs::write(other.join("crates/cloakroom/Cargo.toml"), "").unwrap();
    fs::write(
        other.join("Cargo.toml"),
        "[workspace.package]\nversion = \"9.0.0\"\n",
    )
    .unwrap();
    at(
        "other",
        "the checkout's version is 9.0.0 and this program's is",
    );
    fs::write(other.join("Cargo.toml"), "[[[").unwrap();
    at("other", "its Cargo.toml cannot be read");
    assert!(!folder.path().join("shop").exists());
}

/// The limit on a file's size stands in for a full disk: the first file that is longer cannot be written.
#[cfg(unix)]
#[test]
fn a_failure_half_way_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 2; exec '{}' new shop",
        env!("CARGO_BIN_EXE_cloakroom")
    );
    let went = went(
        Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path()),
    );
    assert_eq!(went.status, Some(5), "{went:?}");
    assert!(
        went.err
            .contains("cannot be written; nothing was left behind"),
        "{}",
        went.err
    );
    assert!(is_empty(folder.path()));
}

#[cfg(unix)]
#[test]
fn git_that_cannot_be_run_is_said_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let went = went(
        Command::new(env!("CARGO_BIN_EXE_cloakroom"))
            .args(["new", "shop", "--vcs", "git"])
            .current_dir(folder.path())
            .env("PATH", folder.path()),
    );
    assert_eq!(went.status, Some(2), "{went:?}");
    assert!(
        went.err.contains("--vcs git: git cannot be run"),
        "{}",
        went.err
    );
    assert!(is_empty(folder.path()));
}
