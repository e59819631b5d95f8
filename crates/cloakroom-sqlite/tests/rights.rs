//! A file or a directory without the rights it needs, and a disk without room.
//!
//! Rights do not bind root, so the store is opened by a child process that is nobody where this process is root.

mod common;

use std::{
    fs,
    io::ErrorKind as Io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
};

use bytes::Bytes;
use cloakroom_core::{EndReason, ErrorKind, Loaded, Store as _};
use cloakroom_sqlite::SqliteStore;
use common::{HOUR, Place, bytes, id};

const FILE: &str = "CLOAKROOM_TEST_FILE";
const NOBODY: u32 = 65_534;

/// The child. Started by the tests below; without the variable this is an empty test.
#[test]
fn open_as_somebody_else() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    match SqliteStore::open(file) {
        Ok(_) => println!("ANSWER opened"),
        Err(error) => println!("ANSWER {}: {error}", error.kind()),
    }
}

/// What a process without root's rights gets when it opens `file`.
fn without_rights(file: &Path) -> String {
    // The build's directory may be closed to nobody.
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o755);
    let program = place.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut command = Command::new(&program);
    command
        .args(["--exact", "open_as_somebody_else", "--nocapture"])
        .env(FILE, file)
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY);
    let output = match command.output() {
        Err(error) if error.kind() == Io::PermissionDenied => Command::new(&program)
            .args(["--exact", "open_as_somebody_else", "--nocapture"])
            .env(FILE, file)
            .output(),
        output => output,
    };
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let (_, answer) = output.split_once("ANSWER ").unwrap();
    answer.lines().next().unwrap().to_owned()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn what_may_not_be_written_or_read_is_refused_at_opening_with_the_reason() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let name = place.file().display().to_string();
    for (dir, file, reason) in [
        (0o755, 0o444, "write access"),
        (0o755, 0o000, "read and write"),
        (0o755, 0o666, "its directory"),
        (0o777, 0o444, "write access"),
        (0o700, 0o666, "permission denied"),
    ] {
        set_mode(place.dir.path(), dir);
        set_mode(&place.file(), file);
        // As owner, a process that is not root would pass where only others may not.
        if owner_could_pass(dir, file) {
            continue;
        }
        let answer = without_rights(&place.file());
        assert!(
            answer.starts_with("rejected: "),
            "{dir:o} {file:o}: {answer}"
        );
        assert!(
            answer.contains(&name) && answer.contains(reason),
            "{dir:o} {file:o}: {answer}"
        );
    }
    fs::remove_file(place.file()).unwrap();
    set_mode(place.dir.path(), 0o555);
    let answer = without_rights(&place.file());
    assert!(
        answer.starts_with("rejected: ") && answer.contains("cannot be made"),
        "{answer}"
    );
    set_mode(place.dir.path(), 0o777);
    assert_eq!(without_rights(&place.file()), "opened");
}

fn owner_could_pass(dir: u32, file: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    !root && dir & 0o700 == 0o700 && file & 0o600 == 0o600
}

/// A file system of one mebibyte, where this process may mount one.
struct SmallDisk(Place);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let place = Place::new();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(place.dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0.dir.path())
            .output();
    }
}

#[tokio::test]
async fn a_full_disk_rejects_writes_loses_nothing_and_recovers() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!(
            "not run: no rights to mount a small disk; `max_file_size` is tested in its place"
        );
        return;
    };
    let store = disk.0.open();
    let value = Bytes::from(vec![7; 10_000]);
    let mut made = 0;
    let error = loop {
        match store
            .create(&id(&format!("id{made}")), value.clone(), HOUR)
            .await
        {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 200, "the disk is larger than it should be");
    };
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
    assert!(error.to_string().contains("no room"), "{error}");
    for n in 0..made {
        let found = store.load(&id(&format!("id{n}"))).await.unwrap();
        assert!(matches!(found, Loaded::Live(it) if it.value == value));
    }
    // Room on the disk is all it takes.
    fs_grow(disk.0.dir.path());
    assert!(store.end(&id("id0"), EndReason::Destroyed).await.unwrap());
    store.create(&id("more"), bytes("v"), HOUR).await.unwrap();
    drop(store);
    let again = disk.0.open();
    let last = format!("id{}", made - 1);
    assert!(matches!(again.load(&id(&last)).await, Ok(Loaded::Live(_))));
    assert_eq!(
        again.load(&id("id0")).await.unwrap(),
        Loaded::Ended(EndReason::Destroyed)
    );
}

fn fs_grow(path: &Path) {
    let grown = Command::new("mount")
        .args(["-o", "remount,size=8m"])
        .arg(path)
        .status();
    assert!(grown.unwrap().success());
}
