//! The command lines of `bench/run` and `bench/check`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use super::subject::{Places, Subject};

/// What is asked of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// `GET /` of who is signed in.
    Page,
    /// `GET /count` of who is signed in: a changing request.
    Change,
    /// `GET /login` without a cookie.
    Anonymous,
}

impl Workload {
    /// The path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Page => "/",
            Self::Change => "/count",
            Self::Anonymous => "/login",
        }
    }

    /// What tables call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Page => "The page of who is signed in (GET /)",
            Self::Change => "A request that changes the session (GET /count)",
            Self::Anonymous => "A visitor without a cookie (GET /login)",
        }
    }

    /// Whether a program can be asked this.
    #[must_use]
    pub fn suits(self, subject: Subject) -> bool {
        match self {
            Self::Page | Self::Anonymous => true,
            Self::Change => subject.has_store() && !subject.is_application(),
        }
    }
}

/// Where `bench/run` and `bench/check` have built the programs.
#[derive(Clone, Debug, clap::Args)]
struct Built {
    /// Folder of our programs
    #[arg(long, value_name = "FOLDER", hide = true)]
    ours: PathBuf,
    /// The program of the other crates
    #[arg(long, value_name = "FILE", hide = true)]
    peer: PathBuf,
    /// The project's folder
    #[arg(long, value_name = "FOLDER", hide = true)]
    project: PathBuf,
}

impl Built {
    fn places(&self) -> Places {
        Places {
            ours: self.ours.clone(),
            peer: self.peer.clone(),
            packages: self.project.join("conformance/peers/application"),
            node_program: self.project.join("bench/node/app.js"),
        }
    }
}

/// The command line of `bench/run`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bench/run",
    bin_name = "bench/run",
    override_usage = "bench/run [OPTIONS]",
    about = "Measures the article's page on cloakroom, Node, other crates and the bare limit",
    after_help = "The programs are started on one Redis of their own and loaded in turn, round after round. Medians \
                  are reported. bench/README.md says what the columns mean."
)]
pub struct RunOptions {
    /// What to measure, separated by commas; default: all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,...")]
    targets: Vec<Subject>,
    /// What to ask, separated by commas; default: all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,...")]
    workloads: Vec<Workload>,
    /// Rounds of the page; the other workloads, and growth, have half as many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds of each load; of growth, a third
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Sessions in the store
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub sessions: u64,
    /// About how large the value of a session is, in bytes
    #[arg(long, default_value_t = 300)]
    pub bytes: usize,
    /// One round of a second with 1,000 sessions: to see that it works
    #[arg(long)]
    pub quick: bool,
    /// Measure growth in place of the table: sessions, sizes, connections, conflicts
    #[arg(long, conflicts_with_all = ["workloads", "connections", "sessions", "bytes", "svg", "image_size"])]
    pub growth: bool,
    /// File for all readings and medians
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// File for the picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write the picture and the results into bench/results
    #[arg(long)]
    pub write: bool,
    /// Size of the container image of the login application in bytes, if it is known
    #[arg(long, value_name = "BYTES")]
    pub image_size: Option<u64>,
    #[command(flatten)]
    built: Built,
}

impl RunOptions {
    /// What is measured, in the order of the table.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        chosen(&self.targets)
    }

    /// The same, if anything was named.
    #[must_use]
    pub fn named_subjects(&self) -> Option<Vec<Subject>> {
        (!self.targets.is_empty()).then(|| self.subjects())
    }

    /// What is asked.
    #[must_use]
    pub fn workloads(&self) -> Vec<Workload> {
        chosen(&self.workloads)
    }

    /// Where the programs are.
    #[must_use]
    pub fn places(&self) -> Places {
        self.built.places()
    }

    /// Where `--write` writes.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.built.project.join("bench/results")
    }

    /// The options, with those of `--quick` where it is given.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if self.quick {
            self.rounds = 1;
            self.seconds = 1;
            self.sessions = self.sessions.min(1000);
        }
        self
    }

    /// How many rounds a workload has.
    #[must_use]
    pub fn rounds_of(&self, workload: Workload) -> u32 {
        match workload {
            Workload::Page => self.rounds,
            Workload::Change | Workload::Anonymous => self.rounds.div_ceil(2),
        }
    }
}

fn chosen<T: ValueEnum + PartialEq>(named: &[T]) -> Vec<T> {
    let all = T::value_variants().iter().cloned();
    all.filter(|value| named.is_empty() || named.contains(value))
        .collect()
}

/// The command line of `bench/check`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bench/check",
    bin_name = "bench/check",
    override_usage = "bench/check [--targets NAME,...]",
    about = "Checks that each measured program serves the same pages; nothing is timed"
)]
pub struct CheckOptions {
    /// What to check, separated by commas; default: all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,...")]
    targets: Vec<Subject>,
    #[command(flatten)]
    built: Built,
}

impl CheckOptions {
    /// What is checked.
    #[must_use]
    pub fn subjects(&self) -> Vec<Subject> {
        chosen(&self.targets)
    }

    /// Where the programs are.
    #[must_use]
    pub fn places(&self) -> Places {
        self.built.places()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<RunOptions, clap::Error> {
        let built = ["bench/run", "--ours=o", "--peer=p", "--project=x"];
        RunOptions::try_parse_from(built.iter().chain(arguments))
    }

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.subjects(), Subject::value_variants());
        assert_eq!(options.workloads(), Workload::value_variants());
        // The order is the table's, whatever the order on the command line.
        let options = parse(&["--targets", "node,getex", "--workloads=change"]).unwrap();
        assert_eq!(options.subjects(), [Subject::Getex, Subject::Node]);
        assert_eq!(options.workloads(), [Workload::Change]);
    }

    #[test]
    fn wrong_input_is_refused_by_the_name_of_the_option() {
        for case in ["--targets=nothing", "--rounds=0", "--seconds=x"] {
            let error = parse(&[case]).unwrap_err().to_string();
            let option = case.split('=').next().unwrap();
            assert!(error.contains(option), "{error}");
        }
    }

    #[test]
    fn what_growth_does_not_look_at_is_refused_beside_it() {
        for option in [
            "--workloads=page",
            "--connections=8",
            "--sessions=1000",
            "--bytes=300",
            "--svg=x",
            "--image-size=1",
        ] {
            let error = parse(&["--growth", option]).unwrap_err().to_string();
            for name in ["--growth", option.split('=').next().unwrap()] {
                assert!(error.contains(name), "{error}");
            }
        }
        let looked_at = [
            "--growth",
            "--targets=getex",
            "--rounds=2",
            "--seconds=2",
            "--quick",
            "--json=x",
            "--write",
        ];
        assert!(parse(&looked_at).is_ok());
    }

    #[test]
    fn quick_is_one_round_of_a_second() {
        let options = parse(&["--quick"]).unwrap().settled();
        assert_eq!((options.rounds, options.seconds), (1, 1));
        assert_eq!(options.sessions, 1000);
        assert_eq!(options.rounds_of(Workload::Change), 1);
        assert_eq!(parse(&[]).unwrap().rounds_of(Workload::Change), 3);
    }
}
