//! How far through the store a listing is, by its cursor.

use rusqlite::Connection;

/// From a cursor to the share of the store that lies before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// On a server.
    Server,
    /// In a file whose sessions have these rows.
    Rows { first: i64, last: i64 },
}

impl Course {
    pub(crate) fn server() -> Self {
        Self::Server
    }

    /// A file that tells nothing has no share, and that is all.
    pub(crate) fn file(file: &Connection) -> Self {
        let rows = file.query_row(
            "SELECT (SELECT min(row) FROM sessions), (SELECT max(row) FROM sessions)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        let (first, last) = rows.unwrap_or_default();
        Self::Rows { first, last }
    }

    /// The share of the store that was looked at, from 0 to 1; `None` where it is not known.
    ///
    /// A server's cursor is the number of a place in its table, counted with the bits turned around, so that it holds while
    /// the table grows. Turned around again it is the share, however large the table is.
    pub(crate) fn share(self, cursor: &str) -> Option<f64> {
        match self {
            // Of the 64 bits a float keeps 53, which is more than a bar shows.
            Self::Server => {
                let cursor: u64 = cursor.parse().ok()?;
                Some(cursor.reverse_bits() as f64 / 2_f64.powi(64))
            }
            Self::Rows { first, last } => {
                let row: i64 = cursor.parse().ok()?;
                let (passed, all) = (row.checked_sub(first)?, last.checked_sub(first)?);
                (all > 0).then(|| (passed as f64 / all as f64).clamp(0.0, 1.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_counts_with_its_bits_turned_around() {
        let shares: Vec<_> = ["0", "4", "2", "6", "1", "5", "3", "7"]
            .iter()
            .map(|cursor| Course::Server.share(cursor).unwrap())
            .collect();
        let eighths: Vec<_> = (0..8).map(|part| f64::from(part) / 8.0).collect();
        assert_eq!(shares, eighths);
        assert_eq!(Course::Server.share("next"), None);
    }

    #[test]
    fn rows_of_a_file_are_counted_from_the_first() {
        let rows = |first, last| Course::Rows { first, last };
        assert_eq!(rows(101, 201).share("151"), Some(0.5));
        assert_eq!(rows(101, 201).share("999"), Some(1.0));
        assert_eq!(rows(7, 7).share("7"), None);
        assert_eq!(rows(i64::MIN, i64::MAX).share("0"), None);
    }
}
