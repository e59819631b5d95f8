//! Growth: the same work with more sessions, larger values, more connections, and all of them on one session.

use std::{fs, path::Path};

use serde::Serialize;

use super::{
    Failure, facts,
    load::{self, Shape},
    options::{RunOptions, Workload},
    probe,
    report::{conditions, number, table, whole},
    results::{Machine, Reading, Summary},
    stage::{Redis, Running},
    subject::{Start, Subject},
    wrk::Counted,
};

/// Sessions in the store.
const SESSIONS: [u64; 3] = [1_000, 100_000, 1_000_000];

/// Bytes of a value.
const SIZES: [usize; 3] = [300, 4 << 10, 64 << 10];

/// Connections.
const CONNECTIONS: [u32; 4] = [1, 8, 64, 512];

/// Writers on one session.
const WRITERS: u32 = 50;

/// The cookies that a load uses in turn, so that all sizes of stores are asked for as many sessions.
const COOKIES: usize = 1_000;

/// One program under one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Which program.
    pub subject: Subject,
    /// What was asked.
    pub workload: Workload,
    /// Sessions in the store.
    pub sessions: u64,
    /// About how large each is, in bytes.
    pub bytes: usize,
    /// Connections.
    pub connections: u32,
    /// Sessions that were asked for.
    pub cookies: usize,
    /// The medians.
    pub summary: Summary,
    /// Acknowledged changes that are not in the session afterwards; known where all changed one session.
    pub lost: Option<u64>,
}

/// What grew.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// What the table calls it.
    pub title: &'static str,
    /// Its points, one program after the other.
    pub points: Vec<Point>,
}

/// All of `bench/run --growth`.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// Where.
    #[serde(flatten)]
    pub machine: Machine,
    /// Rounds of each point.
    pub rounds: u32,
    /// Seconds of each load.
    pub seconds: u32,
    /// What was measured.
    pub series: Vec<Series>,
}

/// Which programs are measured: those named, or ours and the bare limit.
///
/// # Errors
///
/// One is named that counts nothing: every program is asked to change sessions.
fn subjects(named: Option<Vec<Subject>>) -> Result<Vec<Subject>, Failure> {
    const DEFAULT: [Subject; 4] = [
        Subject::Getex,
        Subject::Cloakroom,
        Subject::CloakroomSqlite,
        Subject::CloakroomMemory,
    ];
    let subjects = named.unwrap_or_else(|| DEFAULT.to_vec());
    let unsuited = |subject: &&Subject| !Workload::Change.suits(**subject);
    match subjects.iter().find(unsuited) {
        Some(subject) => {
            let name = subject.name();
            Err(format!(
                "--growth changes sessions, which `{name}` cannot; leave it out of --targets"
            )
            .into())
        }
        None => Ok(subjects),
    }
}

/// How many sessions there are in turn; with `--quick` no more than it has anyway.
fn session_counts(quick: bool) -> Vec<u64> {
    let most = if quick { SESSIONS[0] } else { u64::MAX };
    SESSIONS
        .into_iter()
        .filter(|count| *count <= most)
        .collect()
}

struct Bench<'a> {
    options: &'a RunOptions,
    subjects: Vec<Subject>,
    /// There are many points, and growth is seen without the last percent: half of the main table's rounds, and a third of its
    /// seconds.
    rounds: u32,
    seconds: u32,
    ticks: u64,
    folder: &'a Path,
    made: u32,
}

/// Measures growth. `folder` is empty and for files of the programs.
///
/// # Errors
///
/// A program does not start, or does not answer as it must.
pub fn run(options: &RunOptions, folder: &Path) -> Result<Growth, Failure> {
    let subjects = subjects(options.named_subjects())?;
    facts::needed(&subjects)?;
    let machine = facts::machine(&Redis::start(folder)?)?;
    let mut bench = Bench {
        options,
        subjects,
        rounds: options.rounds.div_ceil(2),
        seconds: options.seconds.div_ceil(3),
        ticks: facts::ticks_per_second()?,
        folder,
        made: 0,
    };
    let few = SESSIONS[0];
    let both = [Workload::Page, Workload::Change];
    let mut sessions = Vec::new();
    for count in session_counts(options.quick) {
        sessions.extend(bench.points(count, SIZES[0], &both, &[(64, COOKIES)])?);
    }
    let mut sizes = Vec::new();
    for bytes in SIZES {
        sizes.extend(bench.points(few, bytes, &both, &[(64, COOKIES)])?);
    }
    let shapes = CONNECTIONS.map(|connections| (connections, COOKIES));
    let connections = bench.points(few, SIZES[0], &[Workload::Page], &shapes)?;
    let shapes = [(WRITERS, COOKIES), (WRITERS, 1)];
    let conflicts = bench.points(few, SIZES[0], &[Workload::Change], &shapes)?;
    let series = |title, mut points: Vec<Point>| {
        points.sort_by_key(|point: &Point| (point.workload, point.subject));
        Series { title, points }
    };
    Ok(Growth {
        machine,
        rounds: bench.rounds,
        seconds: bench.seconds,
        series: vec![
            series("More sessions in the store", sessions),
            series("Larger values", sizes),
            series("More connections", connections),
            series("50 writers, on 1,000 sessions and on one", conflicts),
        ],
    })
}

impl Bench<'_> {
    /// Starts all programs on a Redis of their own, and loads them in turn with each workload and each number of
    /// connections and cookies.
    fn points(
        &mut self,
        sessions: u64,
        bytes: usize,
        workloads: &[Workload],
        shapes: &[(u32, usize)],
    ) -> Result<Vec<Point>, Failure> {
        self.made += 1;
        let folder = self.folder.join(self.made.to_string());
        fs::create_dir(&folder)?;
        let redis = Redis::start(&folder)?;
        let start = Start {
            redis: redis.port,
            folder: &folder,
            sessions,
            bytes,
        };
        let places = self.options.places();
        let mut running = Vec::new();
        for &subject in &self.subjects {
            eprintln!(
                "starting {} with {sessions} sessions of {bytes} bytes",
                subject.name()
            );
            running.push(Running::start(subject, &places, &redis, &start)?);
        }
        let mut points = Vec::new();
        for &workload in workloads {
            for &(connections, cookies) in shapes {
                let shape = Shape {
                    path: workload.path(),
                    cookies,
                    connections,
                    seconds: self.seconds,
                };
                let measured = self.rounds(&running, &redis, shape, &folder)?;
                for (one, (summary, lost)) in running.iter().zip(measured) {
                    points.push(Point {
                        subject: one.subject,
                        workload,
                        sessions,
                        bytes,
                        connections,
                        cookies,
                        summary,
                        lost,
                    });
                }
            }
        }
        drop(running);
        drop(redis);
        // A million sessions are a file of a gigabyte.
        fs::remove_dir_all(&folder)?;
        Ok(points)
    }

    fn rounds(
        &self,
        running: &[Running],
        redis: &Redis,
        shape: Shape<'_>,
        folder: &Path,
    ) -> Result<Vec<(Summary, Option<u64>)>, Failure> {
        let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); running.len()];
        let mut lost = vec![None; running.len()];
        for _ in 0..self.rounds {
            for (place, one) in running.iter().enumerate() {
                one.verify()?;
                let before = count(one, shape)?;
                let reading = load::measure(one, redis, shape, self.ticks, folder)?;
                let after = count(one, shape)?;
                eprintln!(
                    "{} {}: {:.0} requests/s, {:.1} us",
                    shape.path,
                    one.subject.name(),
                    reading.requests_per_second,
                    reading.server_us
                );
                if let Some((before, after)) = before.zip(after) {
                    let missing = missing(before, after, &reading.wrk);
                    lost[place] = Some(lost[place].unwrap_or(0) + missing);
                }
                readings[place].push(reading);
            }
        }
        let summaries = readings.iter().zip(lost);
        let summaries = summaries.map(|(readings, lost)| Some((Summary::of(readings)?, lost)));
        summaries
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| "nothing was measured".into())
    }
}

/// Where all ask for one session and change it: what it counts now. Looking counts.
fn count(running: &Running, shape: Shape<'_>) -> Result<Option<u64>, Failure> {
    if shape.cookies != 1 || shape.path != Workload::Change.path() {
        return Ok(None);
    }
    let answer = probe::get(running.port, shape.path, Some(&running.cookie(0)?))?;
    let count = answer.body.parse();
    count.map(Some).map_err(|_| {
        let status = answer.status;
        format!(
            "{}: {status} {:?} is no count",
            running.subject.name(),
            answer.body
        )
        .into()
    })
}

/// How many acknowledged changes are not in a session that counted `before` and counts `after`, of which the second look is
/// one. An answer with an error acknowledges nothing. What wrk did not wait for at its end may have counted beside.
fn missing(before: u64, after: u64, load: &Counted) -> u64 {
    let counted = after.saturating_sub(before + 1);
    let acknowledged = load.requests.saturating_sub(load.status);
    acknowledged.saturating_sub(counted)
}

/// The tables.
#[must_use]
pub fn report(growth: &Growth) -> String {
    let how = format!("{} rounds of {} s", growth.rounds, growth.seconds);
    let mut text = conditions(&growth.machine, &how);
    for series in &growth.series {
        let rows = series.points.iter().map(|point| {
            let s = &point.summary;
            // The Redis is everybody's: what it does meanwhile for others is no figure of a program without it.
            let of_redis = |figure: String| {
                if point.subject.uses_redis() {
                    figure
                } else {
                    String::new()
                }
            };
            vec![
                format!("{} {}", point.subject.label(), point.workload.path()),
                whole(point.sessions),
                whole(point.bytes as u64),
                point.connections.to_string(),
                whole(point.cookies as u64),
                number(s.requests_per_second),
                number(s.server_us),
                of_redis(number(s.redis_us)),
                number(s.p99_us / 1e3),
                of_redis(format!("{:.2}", s.redis_commands)),
                s.errors.to_string(),
                point.lost.map_or_else(String::new, whole),
            ]
        });
        let head = [
            "",
            "sessions",
            "bytes",
            "connections",
            "asked for",
            "requests/s",
            "CPU us",
            "Redis us",
            "p99 ms",
            "commands",
            "errors",
            "lost",
        ];
        let table = table(&head, &rows.collect::<Vec<_>>());
        text.push_str(&format!("\n{}:\n\n{table}", series.title));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::results::samples::reading, *};

    #[test]
    fn a_program_without_a_counter_is_refused_by_its_name() {
        assert_eq!(subjects(None).unwrap().len(), 4);
        let named = vec![Subject::TowerSessions];
        assert_eq!(subjects(Some(named.clone())).unwrap(), named);
        for unsuited in [Subject::Bare, Subject::Login] {
            let named = Some(vec![Subject::Getex, unsuited]);
            let error = subjects(named).unwrap_err().to_string();
            assert!(error.contains(unsuited.name()), "{error}");
        }
    }

    #[test]
    fn quick_measures_no_number_of_sessions_twice() {
        assert_eq!(session_counts(true), [1_000]);
        assert_eq!(session_counts(false), SESSIONS);
    }

    #[test]
    fn what_is_lost_was_acknowledged_and_is_not_counted() {
        let mut load = reading(100).wrk;
        load.status = 0;
        // The first look made it 7, 100 answers made it 107, the second look 108.
        assert_eq!(missing(7, 108, &load), 0);
        assert_eq!(missing(7, 98, &load), 10);
        // Some that nobody waited for.
        assert_eq!(missing(7, 120, &load), 0);
        load.status = 10;
        assert_eq!(missing(7, 98, &load), 0);
    }

    #[test]
    fn the_report_says_how_growth_was_measured_and_nothing_of_the_table() {
        let point = |subject| Point {
            subject,
            workload: Workload::Page,
            sessions: 1_000_000,
            bytes: 4096,
            connections: 8,
            cookies: 1_000,
            summary: Summary::of(&[reading(1000)]).unwrap(),
            lost: Some(3_000),
        };
        let growth = Growth {
            machine: Machine {
                processor: "x".to_owned(),
                processors: 2,
                load_before: 0.25,
                versions: [("redis".to_owned(), "7".to_owned())].into(),
            },
            rounds: 3,
            seconds: 1,
            series: vec![Series {
                title: "More",
                points: vec![point(Subject::Getex), point(Subject::CloakroomSqlite)],
            }],
        };
        let report = report(&growth);
        let begins = "2 x x, load 0.25 before. 3 rounds of 1 s. redis 7.\n";
        assert!(report.starts_with(begins), "{report}");
        for cells in [
            "| 1,000,000 | 4,096 |           8 |     1,000 |",
            "|     3.00 |   2.00 |     1.50 |      1 | 3,000 |",
            "|          |   2.00 |          |      1 | 3,000 |",
        ] {
            assert!(report.contains(cells), "{cells}: {report}");
        }
    }
}
