//! What is measured: each program, what it is called, and how it is started.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use cloakroom_bench_common::sessions::{LIFETIME, SECRET};

/// A measured program.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// axum without a store.
    Bare,
    /// axum and one GETEX.
    Getex,
    /// The same with a runtime and a connection for each processor.
    GetexPerCore,
    /// Our layer on Redis.
    Cloakroom,
    /// The same with a runtime and a connection for each processor.
    CloakroomPerCore,
    /// Our layer on Redis with its near cache.
    CloakroomNear,
    /// Our layer on the embedded store.
    CloakroomSqlite,
    /// Our layer on the memory store.
    CloakroomMemory,
    /// The whole login application on Redis.
    Login,
    /// tower-sessions on axum.
    TowerSessions,
    /// actix-session on actix-web.
    ActixSession,
    /// The article's Node application.
    Node,
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of our programs.
    pub ours: PathBuf,
    /// The program of the other crates.
    pub peer: PathBuf,
    /// The folder with the npm packages.
    pub packages: PathBuf,
    /// The Node program.
    pub node_program: PathBuf,
}

/// What a start of a program is given.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// Redis' port.
    pub redis: u16,
    /// An empty folder, or that of an earlier start.
    pub folder: &'a Path,
    /// How many sessions there are to be.
    pub sessions: u64,
    /// How large each is.
    pub bytes: usize,
}

impl Subject {
    /// What tables call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Bare => "axum, no store",
            Self::Getex => "axum and one GETEX",
            Self::GetexPerCore => "axum and one GETEX, per core",
            Self::Cloakroom => "cloakroom, Redis",
            Self::CloakroomPerCore => "cloakroom, Redis, per core",
            Self::CloakroomNear => "cloakroom, Redis, near cache",
            Self::CloakroomSqlite => "cloakroom, SQLite",
            Self::CloakroomMemory => "cloakroom, memory",
            Self::Login => "login application, Redis",
            Self::TowerSessions => "tower-sessions, Redis",
            Self::ActixSession => "actix-session, Redis",
            Self::Node => "express-session (Node), Redis",
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Getex => "getex",
            Self::GetexPerCore => "getex-per-core",
            Self::Cloakroom => "cloakroom",
            Self::CloakroomPerCore => "cloakroom-per-core",
            Self::CloakroomNear => "cloakroom-near",
            Self::CloakroomSqlite => "cloakroom-sqlite",
            Self::CloakroomMemory => "cloakroom-memory",
            Self::Login => "login",
            Self::TowerSessions => "tower-sessions",
            Self::ActixSession => "actix-session",
            Self::Node => "node",
        }
    }

    /// Whether it has a page of its own in place of the common one, and no counter.
    #[must_use]
    pub fn is_application(self) -> bool {
        self == Self::Login
    }

    /// Whether its sessions are in Redis.
    #[must_use]
    pub fn uses_redis(self) -> bool {
        !matches!(
            self,
            Self::Bare | Self::CloakroomSqlite | Self::CloakroomMemory
        )
    }

    /// Whether each answer to who is signed in brings the cookie again.
    #[must_use]
    pub fn sends_cookie(self) -> bool {
        !matches!(
            self,
            Self::Bare | Self::Getex | Self::GetexPerCore | Self::CloakroomNear
        )
    }

    /// Whether it keeps sessions at all.
    #[must_use]
    pub fn has_store(self) -> bool {
        self != Self::Bare
    }

    /// Whether it makes its sessions itself when it starts; for the others our own program makes them, since they share
    /// its cookies and values.
    #[must_use]
    pub fn seeds_itself(self) -> bool {
        !matches!(self, Self::Login | Self::Node)
    }

    fn prefix(self) -> String {
        format!("bench-{}:", self.name())
    }

    /// The file that is to have its cookies.
    #[must_use]
    pub fn cookies(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.cookies", self.name()))
    }

    /// The program's file.
    #[must_use]
    pub fn program(self, places: &Places) -> PathBuf {
        match self {
            Self::Login => places.ours.join("cloakroom-login"),
            Self::Node => PathBuf::from("node"),
            Self::TowerSessions | Self::ActixSession => places.peer.clone(),
            _ => places.ours.join("target"),
        }
    }

    /// The command that makes its sessions and ends, where it does not do so itself.
    #[must_use]
    pub fn seeding(self, places: &Places, start: &Start<'_>) -> Option<Command> {
        (!self.seeds_itself()).then(|| {
            let mut command = Command::new(places.ours.join("target"));
            self.common(command.arg(Self::Cloakroom.name()), start);
            command.arg("--seed-only");
            command
        })
    }

    fn common(self, command: &mut Command, start: &Start<'_>) {
        command
            .args(["--redis-port", &start.redis.to_string()])
            .args(["--prefix", &self.prefix()])
            .args(["--seed", &start.sessions.to_string()])
            .args(["--bytes", &start.bytes.to_string()])
            .arg("--file")
            .arg(start.folder.join(format!("{}.db", self.name())))
            .arg("--cookies")
            .arg(self.cookies(start.folder));
    }

    /// The command that starts it.
    #[must_use]
    pub fn command(self, places: &Places, start: &Start<'_>) -> Command {
        let mut command = Command::new(self.program(places));
        match self {
            Self::Node => {
                command
                    .arg(&places.node_program)
                    .arg(&places.packages)
                    .arg(start.redis.to_string())
                    .arg(self.prefix())
                    .arg(LIFETIME.as_millis().to_string())
                    .arg(SECRET)
                    .env("NODE_ENV", "production");
            }
            Self::Login => {
                command
                    .args(["--port", "0", "--bind", "127.0.0.1"])
                    .args(["--app-env", "production"])
                    .args(["--redis-host", "127.0.0.1"])
                    .args(["--redis-port", &start.redis.to_string()])
                    .args(["--session-prefix", &self.prefix()])
                    .args(["--session-max-age", &LIFETIME.as_millis().to_string()])
                    .args(["--session-save-uninitialized", "false"])
                    .env("SESSION_SECRET", SECRET)
                    .env("RUST_LOG", "warn");
            }
            _ => {
                // The kinds of both workspaces have the names of the subjects.
                self.common(command.arg(self.name()), start);
            }
        }
        command
    }

    /// What its line begins with that ends with the port.
    #[must_use]
    pub fn announcement(self) -> &'static str {
        match self {
            Self::Login => "Listening on http://127.0.0.1:",
            _ => "listening ",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn names_are_those_of_the_command_line_and_labels_differ() {
        let mut labels = std::collections::BTreeSet::new();
        for subject in Subject::value_variants() {
            let value = subject.to_possible_value().unwrap();
            assert_eq!(value.get_name(), subject.name());
            assert!(labels.insert(subject.label()));
        }
    }
}
