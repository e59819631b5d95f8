//! The tables of `bench/run`, as Markdown.

use std::fmt::Write as _;

use super::{
    median::ratio,
    options::Workload,
    results::{Conditions, Machine, Results, Row},
    subject::Subject,
};

/// A table: the head, and rows with as many cells. The first column is text, the others are numbers.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(head[column].chars().count()).max(2)
        })
        .collect();
    let line = |cells: &[String]| {
        let mut line = String::from("|");
        for (column, width) in widths.iter().enumerate() {
            let cell = cells.get(column).map_or("", String::as_str);
            // Writing to a string cannot fail.
            let _ = if column == 0 {
                write!(line, " {cell:<width$} |")
            } else {
                write!(line, " {cell:>width$} |")
            };
        }
        line + "\n"
    };
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut text = line(&head);
    text.push('|');
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(width + 1);
        let _ = if column == 0 {
            write!(text, "{dashes}-|")
        } else {
            write!(text, "{dashes}:|")
        };
    }
    text.push('\n');
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// A number as people read it: thousands apart, and as many decimals as matter.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    thousands_apart(&format!("{value:.0}"))
}

/// A number of things.
#[must_use]
pub fn whole(number: u64) -> String {
    thousands_apart(&number.to_string())
}

fn thousands_apart(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digit != '-' && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.replace("-,", "-")
}

/// Bytes in megabytes of a million, with one decimal.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The whole report.
#[must_use]
pub fn report(results: &Results) -> String {
    let mut text = conditions_of_table(&results.conditions);
    for (workload, rows) in &results.workloads {
        let _ = write!(text, "\n{}:\n\n{}", workload.title(), requests(rows));
    }
    let _ = write!(text, "\nBeside requests:\n\n{}", needs(results));
    if let Some(rows) = results.rows(Workload::Page) {
        text.push_str(&bars(rows));
    }
    text
}

/// Where it was measured and how, in sentences.
#[must_use]
pub fn conditions(machine: &Machine, how: &str) -> String {
    let versions = machine.versions.iter();
    let versions: Vec<String> = versions
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "{} x {}, load {} before. {how}. {}.\n",
        machine.processors,
        machine.processor,
        machine.load_before,
        versions.join(", "),
    )
}

fn conditions_of_table(conditions: &Conditions) -> String {
    let how = format!(
        "{} sessions of {} bytes, {} connections, {} rounds of {} s",
        whole(conditions.sessions),
        conditions.bytes,
        conditions.connections,
        conditions.rounds,
        conditions.seconds,
    );
    self::conditions(&conditions.machine, &how)
}

fn requests(rows: &[Row]) -> String {
    let base = rows.iter().find(|row| row.subject == Subject::Getex);
    let cells = |row: &Row| {
        let s = &row.summary;
        let times = |value: f64, base: Option<f64>| {
            base.and_then(|base| ratio(value, base))
                .map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        };
        let of_redis = |cell: String| {
            let uses_redis = row.subject.uses_redis();
            if uses_redis { cell } else { String::new() }
        };
        vec![
            row.subject.label().to_owned(),
            number(s.requests_per_second),
            format!("{:.0} %", s.spread * 100.0),
            number(s.server_us),
            times(s.server_us, base.map(|base| base.summary.server_us)),
            of_redis(number(s.redis_us)),
            number(s.p50_us / 1e3),
            number(s.p99_us / 1e3),
            of_redis(format!("{:.2}", s.redis_commands)),
        ]
    };
    let head = [
        "",
        "requests/s",
        "spread",
        "CPU us",
        "x GETEX",
        "Redis us",
        "p50 ms",
        "p99 ms",
        "commands",
    ];
    table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn needs(results: &Results) -> String {
    let cell = |bytes: Option<u64>| bytes.map_or_else(String::new, megabytes);
    let rows = results.needs.iter().map(|needs| {
        vec![
            needs.subject.label().to_owned(),
            number(needs.start_ms),
            megabytes(needs.resident_idle),
            megabytes(needs.resident),
            cell(needs.redis_bytes),
            cell(needs.program_bytes),
            cell(needs.image_bytes),
        ]
    });
    let head = [
        "",
        "start ms",
        "idle MB",
        "loaded MB",
        "in Redis MB",
        "program MB",
        "image MB",
    ];
    table(&head, &rows.collect::<Vec<_>>())
}

/// What the project promises of the page, and what was measured.
#[must_use]
pub fn bars(rows: &[Row]) -> String {
    let summary = |subject: Subject| {
        let row = rows.iter().find(|row| row.subject == subject);
        row.map(|row| &row.summary)
    };
    let mut text = String::new();
    let mut bar = |name: &str, measured: Option<f64>, kept: fn(f64, f64) -> bool, limit: f64| {
        if let Some(measured) = measured {
            let verdict = if kept(measured, limit) {
                "kept"
            } else {
                "MISSED"
            };
            let _ = writeln!(text, "{verdict}: {name} {measured:.2} (bar: {limit})");
        }
    };
    let most: fn(f64, f64) -> bool = |measured, limit| measured <= limit;
    let least: fn(f64, f64) -> bool = |measured, limit| measured >= limit;
    for (ours, getex, how) in [
        (Subject::Cloakroom, Subject::Getex, ""),
        (
            Subject::CloakroomPerCore,
            Subject::GetexPerCore,
            ", per core",
        ),
    ] {
        let Some(ours) = summary(ours) else {
            continue;
        };
        let cpu = summary(getex).and_then(|s| ratio(ours.server_us, s.server_us));
        let name = format!("CPU of cloakroom{how} / axum and one GETEX{how}:");
        bar(&name, cpu, most, 1.25);
        for (peer, name, limit) in [
            (Subject::TowerSessions, "tower-sessions", 2.0),
            (Subject::Node, "Node", 18.0),
        ] {
            let rate =
                summary(peer).and_then(|s| ratio(ours.requests_per_second, s.requests_per_second));
            let name = format!("requests/s of cloakroom{how} / {name}:");
            bar(&name, rate, least, limit);
        }
    }
    let near = summary(Subject::CloakroomNear);
    let cached = near.zip(summary(Subject::Bare));
    let cached = cached.and_then(|(near, bare)| ratio(near.server_us, bare.server_us));
    bar(
        "CPU of a cached read / axum without a store:",
        cached,
        most,
        1.3,
    );
    bar(
        "Redis commands of a cached read:",
        near.map(|near| near.redis_commands),
        most,
        0.1,
    );
    if text.is_empty() {
        return text;
    }
    format!("\n{text}")
}

#[cfg(test)]
mod tests {
    use super::{super::results::samples::row, *};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_in_characters() {
        let rows = [
            vec!["花子".to_owned(), "1".to_owned()],
            vec!["abc".to_owned(), "1,000".to_owned()],
        ];
        let expected = "\
| name | n     |\n|------|------:|\n| 花子   |     1 |\n| abc  | 1,000 |\n";
        let text = table(&["name", "n"], &rows);
        assert_eq!(text, expected.replace("| n     |", "|     n |"));
    }

    #[test]
    fn numbers_have_thousands_apart_and_the_decimals_that_matter() {
        let cases = [
            (0.0, "0.00"),
            (1.256, "1.26"),
            (25.64, "25.6"),
            (999.6, "1,000"),
            (2937.0, "2,937"),
            (1_234_567.0, "1,234,567"),
            (-4321.0, "-4,321"),
            (-123.0, "-123"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(megabytes(12_340_000), "12.3");
    }

    #[test]
    fn bars_say_whether_they_are_kept() {
        let rows = [
            row(Subject::Getex, 50_000),
            row(Subject::Cloakroom, 41_000),
            row(Subject::TowerSessions, 22_000),
            row(Subject::Node, 2_000),
        ];
        let text = bars(&rows);
        assert!(
            text.contains("kept: CPU of cloakroom / axum and one GETEX: 1.22"),
            "{text}"
        );
        assert!(
            text.contains("MISSED: requests/s of cloakroom / tower-sessions: 1.86"),
            "{text}"
        );
        assert!(
            text.contains("kept: requests/s of cloakroom / Node: 20.50"),
            "{text}"
        );
        // What was not measured is neither kept nor missed.
        assert_eq!(bars(&rows[1..2]), "");
        // The same with a runtime for each processor, compared with what is served in the same way.
        let rows = [
            row(Subject::GetexPerCore, 50_000),
            row(Subject::CloakroomPerCore, 45_000),
            row(Subject::TowerSessions, 22_000),
        ];
        let text = bars(&rows);
        assert!(
            text.contains("kept: CPU of cloakroom, per core / axum and one GETEX, per core: 1.11"),
            "{text}"
        );
        assert!(
            text.contains("kept: requests/s of cloakroom, per core / tower-sessions: 2.05"),
            "{text}"
        );
        assert_eq!(bars(&rows[..1]), "");
    }

    #[test]
    fn a_table_of_requests_compares_with_the_bare_limit_if_there_is_one() {
        let rows = [row(Subject::Getex, 50_000), row(Subject::Node, 2_000)];
        let text = requests(&rows);
        assert!(text.contains(" 25.00 |"), "{text}");
        assert!(!requests(&rows[1..]).contains("25.00"));
    }

    #[test]
    fn a_program_without_redis_has_no_figures_of_it() {
        let commands = |subject| requests(&[row(subject, 50_000)]).contains(" 1.50 |");
        assert!(commands(Subject::CloakroomNear));
        assert!(!commands(Subject::CloakroomMemory));
    }
}
