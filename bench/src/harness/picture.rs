//! The picture of the README: requests per second and CPU time of the page, as bars.

use askama::Template;

use super::{
    Failure,
    options::Workload,
    report::number,
    results::{Results, Row},
    subject::Subject,
};

/// The longest bar, in pixels.
const LONGEST: f64 = 440.0;

/// From one bar to the next.
const STEP: u32 = 22;

#[derive(Template)]
#[template(path = "chart.svg", escape = "xml")]
struct Chart<'a> {
    title: &'a str,
    panels: Vec<Panel>,
    note: String,
    height: u32,
}

struct Panel {
    y: u32,
    title: &'static str,
    bars: Vec<Bar>,
}

struct Bar {
    y: u32,
    width: u32,
    label: &'static str,
    value: String,
    ours: bool,
}

/// The picture as SVG.
///
/// # Errors
///
/// The page was not measured.
pub fn svg(results: &Results) -> Result<String, Failure> {
    let rows = results.rows(Workload::Page).filter(|rows| !rows.is_empty());
    let rows = rows.ok_or("the picture shows the page, which was not measured")?;
    let rate = panel(16, "Requests per second (more is better)", rows, |row| {
        row.summary.requests_per_second
    });
    let below = rate.y + STEP * (u32::try_from(rows.len())? + 1) + 16;
    let cpu = panel(
        below,
        "CPU of the server per request, in microseconds (less is better)",
        rows,
        |row| row.summary.server_us,
    );
    let height = below + STEP * (u32::try_from(rows.len())? + 1) + 24;
    let c = &results.conditions;
    let chart = Chart {
        title: "Requests per second and CPU time per request of the same page with different sessions",
        panels: vec![rate, cpu],
        note: format!(
            "The same signed-in page; {} processors for server, Redis and load generator; {} connections; medians of {} rounds. bench/run",
            c.machine.processors, c.connections, c.rounds
        ),
        height,
    };
    Ok(chart.render()?)
}

fn panel(y: u32, title: &'static str, rows: &[Row], value: impl Fn(&Row) -> f64) -> Panel {
    let largest = rows.iter().map(&value).fold(f64::MIN_POSITIVE, f64::max);
    let bars = rows.iter().zip(0_u32..).map(|(row, place)| Bar {
        y: y + 8 + STEP * place,
        // At least a line where there is something.
        width: (value(row) / largest * LONGEST).round().max(1.0) as u32,
        label: row.subject.label(),
        value: number(value(row)),
        ours: matches!(
            row.subject,
            Subject::Cloakroom
                | Subject::CloakroomPerCore
                | Subject::CloakroomNear
                | Subject::CloakroomSqlite
                | Subject::CloakroomMemory
                | Subject::Login
        ),
    });
    Panel {
        y,
        title,
        bars: bars.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::results::samples::row, *};
    use crate::harness::results::{Conditions, Machine};

    fn results(rows: Vec<Row>) -> Results {
        Results {
            conditions: Conditions {
                machine: Machine {
                    processor: "x".to_owned(),
                    processors: 2,
                    load_before: 0.0,
                    versions: std::collections::BTreeMap::new(),
                },
                rounds: 5,
                seconds: 3,
                connections: 64,
                sessions: 1000,
                bytes: 300,
            },
            workloads: vec![(Workload::Page, rows)],
            needs: Vec::new(),
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let rows = vec![row(Subject::Cloakroom, 40_000), row(Subject::Node, 2_000)];
        let svg = svg(&results(rows)).unwrap();
        // Requests per second: 20 to 1. CPU time: 1 to 20.
        assert_eq!(svg.matches(r#"width="440""#).count(), 2, "{svg}");
        assert_eq!(svg.matches(r#"width="22""#).count(), 2, "{svg}");
        assert_eq!(svg.matches(r#"class="ours""#).count(), 2);
        assert!(svg.contains("40,000") && svg.contains("express-session (Node), Redis"));
    }

    #[test]
    fn without_the_page_there_is_no_picture() {
        let error = svg(&results(Vec::new())).unwrap_err().to_string();
        assert!(error.contains("not measured"), "{error}");
    }
}
