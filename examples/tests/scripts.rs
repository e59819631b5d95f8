//! What the scripts name is there, and they do what they say where that needs nothing but a shell.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The test programs of the whole workspace.
fn test_targets() -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    tests
        .map(|test| test["name"].as_str().unwrap().to_owned())
        .collect()
}

/// What the parts of `./test` take in: names, or patterns with a `*`.
fn named_in_parts() -> Vec<String> {
    let script = fs::read_to_string(root().join("test")).unwrap();
    let (_, rest) = script.split_once("\nrun_part() {\n").unwrap();
    let parts = rest.split("\n}\n").next().unwrap();
    let names = parts.split("--test ").skip(1);
    names
        .map(|rest| rest.split_whitespace().next().unwrap())
        .map(|name| name.trim_matches('\'').to_owned())
        .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .split_once('*')
        .map_or(pattern == name, |(start, end)| {
            name.strip_prefix(start)
                .is_some_and(|rest| rest.ends_with(end))
        })
}

/// Without a part, `./test` runs whatever there is; a program that no part names would not be run by any of them.
#[test]
fn every_test_program_belongs_to_a_part_of_the_tests() {
    let (targets, named) = (test_targets(), named_in_parts());
    assert!(targets.len() > 30, "{targets:?}");
    for target in &targets {
        assert!(
            named.iter().any(|pattern| matches(pattern, target)),
            "no part of ./test names the test program {target}"
        );
    }
    for pattern in &named {
        assert!(
            targets.iter().any(|target| matches(pattern, target)),
            "./test names {pattern}, and there is no such test program"
        );
    }
}

/// Who asks what there is to measure may not have anything of what it takes.
#[test]
fn help_of_the_comparison_needs_nothing_but_cargo() {
    for (arguments, expected) in [
        (&["--help"][..], 0),
        (&["--quick", "-h"], 0),
        (&["--quick"], 1),
    ] {
        let cargo = "cargo() { :; }; command() { [[ $2 == cargo ]]; }";
        let script = format!("{cargo}; source bench/build && build release \"$@\"");
        let mut bash = Command::new("bash");
        bash.args(["-c", &script, "bash"])
            .args(arguments)
            .env("project", root())
            .current_dir(root());
        let output = bash.output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said.contains("redis-server is missing"),
            expected == 1,
            "{said}"
        );
    }
}

/// They compile for minutes.
#[test]
fn other_crates_programs_are_built_only_where_they_are_measured() {
    for (arguments, expected) in [
        (&[][..], true),
        (&["--quick"], true),
        (&["--targets", "node,actix-session"], true),
        (&["--targets=tower-sessions"], true),
        (&["--targets", "cloakroom,node"], false),
        (&["--growth"], false),
        (&["--growth", "--quick"], false),
        (&["--growth", "--targets=tower-sessions"], true),
        (&["--help"], false),
        (&["--targets=tower-sessions", "-h"], false),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["-c", "source bench/build && wants_peers \"$@\"", "bash"])
            .args(arguments)
            .env("project", root())
            .current_dir(root());
        let status = bash.status().unwrap();
        let expected = i32::from(!expected);
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
}
