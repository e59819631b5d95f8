//! What each option changes.

use std::{fs, process::Command};

use crate::{is_empty, made, tree, went, workspace};

#[test]
fn a_project_has_nothing_of_the_workspace_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let checkout = workspace();
    made(
        folder.path(),
        &["shop", "--path", checkout.to_str().unwrap()],
    );
    let files = tree(&folder.path().join("shop"));
    for (path, text) in &files {
        for left in [
            "cloakroom_login",
            "cloakroom-login",
            "workspace = true",
            "../../",
            "apps/login",
        ] {
            assert!(!text.contains(left), "{path} has {left}");
        }
    }
    assert!(!files["Cargo.toml"].contains("../"));
    // What a file includes from beside it is there.
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".rs")) {
        for line in text
            .lines()
            .filter(|line| line.contains("include_str!") || line.contains("#[path"))
        {
            let target = line.split('"').nth(1).unwrap();
            let from = folder.path().join("shop").join(path);
            assert!(
                from.parent().unwrap().join(target).is_file(),
                "{path}: {line}"
            );
        }
    }
}

#[test]
fn it_says_what_it_made_and_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let out = made(folder.path(), &["shop"]);
    let project = folder.path().join("shop");
    let files = tree(&project);
    for path in files.keys() {
        assert!(
            out.contains(&format!("created {path}\n")),
            "{path} in {out}"
        );
    }
    assert!(out.contains(&format!(
        "created shop in {}: {} files",
        project.canonicalize().unwrap().display(),
        files.len()
    )));
    assert!(out.ends_with("\nNext:\n  cd shop\n  cargo run\n"), "{out}");
    let here = folder.path().join("my place");
    fs::create_dir(&here).unwrap();
    let out = made(&here, &[".", "--name", "shop"]);
    assert!(out.ends_with("\nNext:\n  cargo run\n"), "{out}");
    let out = made(folder.path(), &["it's mine", "--name", "shop"]);
    assert!(out.contains("  cd 'it'\\''s mine'\n"), "{out}");
}

/// What docs/new.md shows of a project's creation is what is printed.
#[test]
fn the_document_counts_the_files_as_they_are() {
    let document = fs::read_to_string(workspace().join("docs/new.md")).unwrap();
    let (_, shown) = document.split_once("```console\n$ cloakroom new ").unwrap();
    let (command, shown) = shown.split_once('\n').unwrap();
    let shown = shown.split("\n```").next().unwrap();
    assert_eq!(command, "shop --path cloakroom --vendor");
    let folder = tempfile::tempdir().unwrap();
    let checkout = workspace();
    let args = ["shop", "--path", checkout.to_str().unwrap(), "--vendor"];
    let printed = made(folder.path(), &args);
    let place = folder.path().join("shop").canonicalize().unwrap();
    let printed = printed.replace(place.to_str().unwrap(), "/home/hanako/shop");
    for part in shown.split("...\n") {
        assert!(
            printed.contains(part.trim_end()),
            "docs/new.md shows this:\n{part}\nbut what is printed is:\n{printed}"
        );
    }
}

/// As long as the crates are not published, it is said. The release turns `PUBLISHED` around, and this test says where else.
#[test]
fn a_project_that_cannot_be_built_yet_says_so() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    assert!(
        readme.contains("not released yet"),
        "released: src/new/readme.rs has PUBLISHED"
    );
    let folder = tempfile::tempdir().unwrap();
    let out = made(folder.path(), &["shop"]);
    assert!(
        out.contains("note: cloakroom 0.1.0 is not on crates.io yet")
            && out.contains("--path CHECKOUT"),
        "{out}"
    );
    let files = tree(&folder.path().join("shop"));
    assert!(
        files["Cargo.toml"].contains(
            "\ncloakroom = { version = \"0.1.0\", features = [\"redis\", \"sqlite\"] }\n"
        )
    );
    assert!(files["README.md"].contains("It is not there yet"));
}

#[test]
fn an_empty_folder_and_an_empty_repository_are_used_and_others_are_made() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("repository/.git")).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for (args, project) in [
        (["empty"].as_slice(), "empty"),
        (&["repository"], "repository"),
        (&["deep/down/shop/"], "deep/down/shop"),
        (&["other", "--name", "shop"], "other"),
    ] {
        made(folder.path(), args);
        let manifest = fs::read_to_string(folder.path().join(project).join("Cargo.toml")).unwrap();
        let name = if args.len() > 1 {
            "shop"
        } else {
            project.rsplit('/').next().unwrap()
        };
        assert!(
            manifest.starts_with(&format!("[package]\nname = \"{name}\"\n")),
            "{manifest}"
        );
    }
}

#[test]
fn a_dry_run_lists_the_files_and_writes_none() {
    let folder = tempfile::tempdir().unwrap();
    let planned = made(folder.path(), &["shop", "--dry-run", "--vcs", "git"]);
    assert!(is_empty(folder.path()));
    assert!(
        planned.contains("nothing was written: this would be shop"),
        "{planned}"
    );
    assert!(!planned.contains("Next:"));
    made(folder.path(), &["shop"]);
    let listed = planned
        .lines()
        .filter_map(|line| line.strip_prefix("would create "));
    assert!(
        listed.eq(tree(&folder.path().join("shop")).keys()),
        "{planned}"
    );
}

#[test]
fn a_store_is_what_cargo_run_and_the_containers_use() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("sqlite", None, "In `data/sessions.db`"),
        (
            "redis",
            Some("[env]\nREDIS_HOST = \"localhost\"\n"),
            "On the Redis or Valkey server",
        ),
        (
            "memory",
            Some("[env]\nSESSION_STORE = \"memory\"\n"),
            "In the process, and gone",
        ),
    ];
    for (store, settings, readme) in cases {
        let name = format!("on-{store}");
        made(folder.path(), &[&name, "--store", store]);
        let files = tree(&folder.path().join(&name));
        let found = files.get(".cargo/config.toml");
        assert_eq!(found.is_some(), settings.is_some(), "{store}");
        assert!(
            found.is_none_or(|text| text.ends_with(settings.unwrap())),
            "{found:?}"
        );
        assert!(
            files["README.md"].contains(readme),
            "{}",
            files["README.md"]
        );
        // The application refuses a URL beside the host that `cargo run` sets.
        assert_eq!(
            files["README.md"].contains("`REDIS_URL` is refused beside `REDIS_HOST`"),
            store == "redis"
        );
        assert_eq!(
            files["docker-compose.yml"].contains("redis_db"),
            store == "redis"
        );
        for script in ["docker-build.sh", "docker-run.sh", "scripts/dev"] {
            let checked = went(
                Command::new("bash")
                    .arg("-n")
                    .arg(folder.path().join(&name).join(script)),
            );
            assert_eq!(
                checked.status,
                Some(0),
                "{store}: {script}: {}",
                checked.err
            );
        }
        let help =
            went(Command::new(folder.path().join(&name).join("docker-run.sh")).arg("--help"));
        assert!(help.out.contains(&format!("or {name}]")), "{help:?}");
    }
}

#[test]
fn containers_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["shop", "--no-containers"]);
    let files = tree(&folder.path().join("shop"));
    let container = |path: &&String| {
        path.to_lowercase().contains("docker")
            || path.contains("devcontainer")
            || path.starts_with("scripts/")
    };
    assert_eq!(files.keys().find(container), None);
    assert!(
        !files["README.md"].to_lowercase().contains("docker"),
        "{}",
        files["README.md"]
    );
}

#[test]
fn a_repository_is_begun_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["plain"]);
    assert!(!folder.path().join("plain/.git").exists());
    made(folder.path(), &["kept", "--vcs", "git"]);
    let status = went(
        Command::new("git")
            .args(["status", "--porcelain", "--untracked-files=all"])
            .current_dir(folder.path().join("kept")),
    );
    assert!(
        status.out.contains("?? src/main.rs\n") && status.out.contains("?? .gitignore\n"),
        "{status:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_path_is_followed_from_where_the_command_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(workspace(), folder.path().join("checkout")).unwrap();
    let out = made(folder.path(), &["shop", "--path", "checkout"]);
    let manifest = fs::read_to_string(folder.path().join("shop/Cargo.toml")).unwrap();
    let path = workspace().join("crates/cloakroom");
    assert!(
        manifest.contains(&format!("path = \"{}\"", path.display())),
        "{manifest}"
    );
    assert!(
        out.contains("which a container's build cannot see"),
        "{out}"
    );
    let out = made(
        folder.path(),
        &["bare", "--path", "checkout", "--no-containers"],
    );
    assert!(!out.contains("note:"), "{out}");
}
