//! A project by the program as it is published: unpacked from what `cargo package` makes, it writes the same files, and they
//! build, pass format, lints and their own tests, start, and sign somebody in.
//!
//! Everything is built offline with the versions of the workspace's lock file, below the workspace's own build folder, so that
//! what both need is built once.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{new_with, tree, went, workspace};

/// The workspace's build folder.
fn target() -> &'static Path {
    // `CARGO_TARGET_TMPDIR` is a folder of it.
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Cargo, building into the workspace's folder.
fn cargo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(args)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target());
    // What cargo says to the tests of this package: build scripts that ask for it would run again, here and in the workspace, and
    // half of the dependencies be built again after them.
    let said = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
        "CARGO_PRIMARY_",
    ];
    for (name, _) in std::env::vars_os() {
        if said
            .iter()
            .any(|start| name.to_string_lossy().starts_with(start))
        {
            command.env_remove(name);
        }
    }
    command
}

/// An empty folder, the same at each run: what cargo built for another one would stay in the build folder for good.
fn workshop() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generator");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(folder: &Path, args: &[&str]) -> String {
    let went = went(&mut cargo(folder, args));
    assert_eq!(
        went.status,
        Some(0),
        "cargo {args:?}:\n{}\n{}",
        went.out,
        went.err
    );
    went.out
}

fn copy_lock(folder: &Path) {
    fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// The program that is built from the package of this crate.
fn packed(folder: &Path) -> PathBuf {
    let packages = folder.join("packages");
    let packages_path = packages.to_str().unwrap();
    // The lock file is left out, since it would need the other crates to be published.
    let args = [
        "package",
        "--package=cloakroom-cli",
        "--no-verify",
        "--allow-dirty",
        "--exclude-lockfile",
        "--offline",
        "--quiet",
    ];
    run(
        &workspace(),
        &[args.as_slice(), &["--target-dir", packages_path]].concat(),
    );
    let name = format!("cloakroom-cli-{}", env!("CARGO_PKG_VERSION"));
    let archive = packages.join(format!("package/{name}.crate"));
    // The times in the archive are of no day that cargo would notice.
    let unpacked = went(
        Command::new("tar")
            .arg("-xzmf")
            .arg(&archive)
            .arg("-C")
            .arg(folder),
    );
    assert_eq!(unpacked.status, Some(0), "{unpacked:?}");
    let unpacked = folder.join(name);
    // The program must not take the place of the workspace's own, which other tests run at this moment.
    let manifest = fs::read_to_string(unpacked.join("Cargo.toml")).unwrap();
    let renamed = manifest.replace(
        "[[bin]]\nname = \"cloakroom\"",
        "[[bin]]\nname = \"cloakroom-packed\"",
    );
    assert_ne!(renamed, manifest);
    fs::write(unpacked.join("Cargo.toml"), renamed + "\n[workspace]\n").unwrap();
    copy_lock(&unpacked);
    let crates = workspace().join("crates/cloakroom");
    let patch = format!("patch.crates-io.cloakroom.path={crates:?}");
    run(
        &unpacked,
        &["build", "--offline", "--quiet", "--config", &patch],
    );
    target().join("debug/cloakroom-packed")
}

#[test]
fn the_published_program_writes_a_project_that_builds_and_serves() {
    let folder = workshop();
    let program = packed(&folder);
    let checkout = workspace();
    let args = ["shop", "--path", checkout.to_str().unwrap(), "--vendor"];
    let went = new_with(&program, &folder, &args);
    assert_eq!(went.status, Some(0), "{went:?}");
    let project = folder.join("shop");
    let ours = tempfile::tempdir().unwrap();
    crate::made(ours.path(), &args);
    assert_eq!(
        tree(&project),
        tree(&ours.path().join("shop")),
        "packed and not packed"
    );
    vendored_crates_are_copies(&project);

    // With the crates of the checkout in place: what is built already need not be built again. What `cargo run` sets there, which
    // cargo sets for the tests too, must not disturb them.
    let project = folder.join("on-path");
    let path = checkout.to_str().unwrap();
    let args = ["on-path", "--path", path, "--store", "redis"];
    let went = new_with(&program, &folder, &args);
    assert_eq!(went.status, Some(0), "{went:?}");
    copy_lock(&project);
    run(&project, &["fmt", "--check"]);
    run(
        &project,
        &[
            "clippy",
            "--offline",
            "--quiet",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    );
    let tested = run(&project, &["test", "--offline"]);
    let passed = tested
        .lines()
        .filter(|line| line.starts_with("test result: ok."))
        .count();
    assert!(passed >= 4, "{tested}");
    signs_in(&project);
}

/// Everything that the copies name is there: cargo finds each crate and each of its targets.
fn vendored_crates_are_copies(project: &Path) {
    copy_lock(project);
    let tree = run(
        project,
        &[
            "tree",
            "--offline",
            "--quiet",
            "--prefix=none",
            "--edges=normal",
        ],
    );
    for name in [
        "cloakroom",
        "cloakroom-core",
        "cloakroom-redis",
        "cloakroom-sqlite",
    ] {
        let copy = project
            .canonicalize()
            .unwrap()
            .join("vendor/cloakroom/crates")
            .join(name);
        let line = format!("{name} v{} ({})", env!("CARGO_PKG_VERSION"), copy.display());
        assert!(
            tree.lines().any(|found| found.starts_with(&line)),
            "{line} in {tree}"
        );
        let original = workspace().join("crates").join(name).join("src");
        assert_eq!(crate::tree(&copy.join("src")), crate::tree(&original));
    }
}

/// A program that ends with this value.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signs_in(project: &Path) {
    // What `cargo run` starts, without cargo between it and the signal that ends it.
    let mut child = Command::new(target().join("debug/on-path"))
        .current_dir(project)
        .env_clear()
        .env("PORT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let _serving = Serving(child);
    let mut lines = BufReader::new(out).lines().map(Result::unwrap);
    let address =
        lines.find_map(|line| Some(line.strip_prefix("Listening on http://")?.to_owned()));
    let address = address.expect("it listens");
    let form = "userName=trillian";
    let answer = ask(
        &address,
        &format!(
            "POST /save-session HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        ),
        form,
    );
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    let (_, cookie) = answer.split_once("set-cookie: ").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let page = ask(
        &address,
        &format!("GET / HTTP/1.1\r\nCookie: {cookie}\r\n"),
        "",
    );
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(
        page.contains("Hello, trillian!") && page.contains("&middot; on-path</title>"),
        "{page}"
    );
    assert!(project.join("data/sessions.db").is_file());
}

fn ask(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{head}Host: {address}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
