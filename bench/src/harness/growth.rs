//! Growth: the same work with more sessions, larger values, more connections, and all of them on one session.

use std::{fs, path::Path};

use serde::Serialize;

use super::{
    Failure, facts,
    load::{self, Shape},
    options::{RunOptions, Workload},
    probe,
    report::{number, table},
    results::{Conditions, Reading, Summary},
    run,
    stage::{Redis, Running},
    subject::{Start, Subject},
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
    /// Where and how.
    pub conditions: Conditions,
    /// What was measured.
    pub series: Vec<Series>,
}

/// Which programs are measured: those named, or ours and the bare limit.
fn subjects(options: &RunOptions) -> Vec<Subject> {
    const DEFAULT: [Subject; 4] = [
        Subject::Getex,
        Subject::Cloakroom,
        Subject::CloakroomSqlite,
        Subject::CloakroomMemory,
    ];
    let named = options.subjects();
    let whole = named.len() == <Subject as clap::ValueEnum>::value_variants().len();
    let suits = |subject: &Subject| Workload::Change.suits(*subject);
    if whole {
        DEFAULT.to_vec()
    } else {
        named.into_iter().filter(suits).collect()
    }
}

/// There are many points, and growth is seen without the last percent: each load takes a third of the main table's time.
fn seconds(options: &RunOptions) -> u32 {
    options.seconds.div_ceil(3)
}

struct Bench<'a> {
    options: &'a RunOptions,
    subjects: Vec<Subject>,
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
    let subjects = subjects(options);
    facts::needed(&subjects)?;
    let mut conditions = run::conditions(options)?;
    conditions.rounds = options.rounds.div_ceil(2);
    conditions.seconds = seconds(options);
    conditions.versions = facts::versions(&Redis::start(folder)?)?;
    let mut bench = Bench {
        options,
        subjects,
        ticks: facts::ticks_per_second()?,
        folder,
        made: 0,
    };
    let small = if options.quick { 1_000 } else { u64::MAX };
    let both = [Workload::Page, Workload::Change];
    let mut sessions = Vec::new();
    for count in SESSIONS {
        let shape = (64, COOKIES);
        sessions.extend(bench.points(count.min(small), 300, &both, &[shape])?);
    }
    let mut sizes = Vec::new();
    for bytes in SIZES {
        sizes.extend(bench.points(1_000, bytes, &both, &[(64, COOKIES)])?);
    }
    let shapes = CONNECTIONS.map(|connections| (connections, COOKIES));
    let connections = bench.points(1_000, 300, &[Workload::Page], &shapes)?;
    let shapes = [(WRITERS, COOKIES), (WRITERS, 1)];
    let conflicts = bench.points(1_000, 300, &[Workload::Change], &shapes)?;
    let series = |title, mut points: Vec<Point>| {
        points.sort_by_key(|point: &Point| (point.workload, point.subject));
        Series { title, points }
    };
    Ok(Growth {
        conditions,
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
                    seconds: seconds(self.options),
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
        for _ in 0..self.options.rounds.div_ceil(2) {
            for (place, one) in running.iter().enumerate() {
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
                    // The second look counted too. What wrk did not wait for at its end may have counted beside.
                    let counted = after.saturating_sub(before + 1);
                    let missing = reading.wrk.requests.saturating_sub(counted);
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

/// The tables.
#[must_use]
pub fn report(growth: &Growth) -> String {
    let mut text = super::report::conditions(&growth.conditions);
    for series in &growth.series {
        let rows = series.points.iter().map(|point| {
            let s = &point.summary;
            vec![
                format!("{} {}", point.subject.label(), point.workload.path()),
                number(point.sessions as f64)
                    .trim_end_matches(".00")
                    .to_owned(),
                number(point.bytes as f64),
                point.connections.to_string(),
                point.cookies.to_string(),
                number(s.requests_per_second),
                number(s.server_us),
                number(s.redis_us),
                number(s.p99_us / 1e3),
                format!("{:.2}", s.redis_commands),
                s.errors.to_string(),
                point.lost.map_or_else(String::new, |lost| lost.to_string()),
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
