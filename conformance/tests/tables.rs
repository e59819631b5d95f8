//! The tables: no row is missing, and every test that they name exists.

use std::{collections::BTreeSet, fs, path::Path};

use cloakroom_conformance::differential::differences::Differences;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The rows of a table, without its comments.
fn rows(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("conformance").join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// Whether a file has a test of this name: a function with an attribute before it, or the first argument of a macro.
fn has_test(file: &str, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(root().join(file)) else {
        return false;
    };
    let function = text.contains(&format!("fn {name}("));
    let argument =
        text.contains(&format!("both!({name},")) || text.contains(&format!("    {name},\n"));
    function || argument
}

fn is_difference(id: &str) -> bool {
    Differences::load()
        .all()
        .iter()
        .any(|difference| difference.id == id)
}

#[test]
fn every_test_of_express_session_has_its_place() {
    let mut seen = BTreeSet::new();
    for row in rows("upstream.tsv") {
        let [id, kind, place] = [&row[0], &row[1], &row[2]];
        assert!(seen.insert(id.clone()), "{id} stands twice");
        match (kind.as_str(), place.as_str()) {
            (_, "test") => assert!(
                has_test(&row[3], &row[4]),
                "{id}: there is no test {} in {}",
                row[4],
                row[3]
            ),
            (_, "difference") => assert!(
                is_difference(&row[3]),
                "{id}: there is no difference {}",
                row[3]
            ),
            ("N", "node") => {}
            _ => panic!("{id}: {kind} {place}"),
        }
    }
    let s = (1..=142).map(|number| format!("S{number:03}"));
    let c = (1..=18).map(|number| format!("C{number:02}"));
    let expected: BTreeSet<String> = s.chain(c).collect();
    assert_eq!(seen, expected);
}

#[test]
fn every_bug_of_others_has_its_test() {
    let rows = rows("regressions.tsv");
    for row in &rows {
        match row[1].as_str() {
            "test" => assert!(
                has_test(&row[2], &row[3]),
                "{}: there is no test {} in {}",
                row[0],
                row[3],
                row[2]
            ),
            "later" => assert!(!row[2].is_empty(), "{}: why?", row[0]),
            other => panic!("{}: {other}", row[0]),
        }
    }
    assert_eq!(rows.len(), 22);
}

#[test]
fn every_difference_has_a_reason_and_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for difference in Differences::load().all() {
        assert!(
            names.insert(difference.id.clone()),
            "{} stands twice",
            difference.id
        );
        for text in [&difference.express, &difference.ours, &difference.reason] {
            assert!(text.len() > 10, "{}", difference.id);
        }
        assert_eq!(
            difference.when.is_empty(),
            difference.fields.is_empty(),
            "{}",
            difference.id
        );
    }
}
