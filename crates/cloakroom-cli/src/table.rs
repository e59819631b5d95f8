//! Tables that are written row by row, however many rows there are: the widths are known before the first.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::{
    failure::Failure,
    output::{Output, plain, style},
};

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// What stands above it.
    pub(crate) title: &'static str,
    /// How wide it is at least.
    pub(crate) width: usize,
    /// Its part of what a wide terminal has left.
    pub(crate) share: usize,
    /// Whether it is left out where a terminal is narrow; the last such column goes first.
    pub(crate) spare: bool,
}

/// What stands between two columns.
const GAP: usize = 2;

/// A table. On a terminal it has a head and fits; elsewhere its columns are separated by tabs, whole and without a head.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(usize, Column)>,
    terminal: bool,
}

impl Table {
    /// Fits the columns to the output and writes the head.
    pub(crate) fn begin(columns: &[Column], output: &mut Output) -> Result<Self, Failure> {
        let table = Self {
            columns: if output.is_terminal() {
                fit(columns, output.width())
            } else {
                columns.iter().copied().enumerate().collect()
            },
            terminal: output.is_terminal(),
        };
        if table.terminal {
            let titles: Vec<_> = columns
                .iter()
                .map(|column| column.title.to_owned())
                .collect();
            let head = table.text(&titles);
            output.line(format_args!("{}{head}{:#}", style::HEAD, style::HEAD))?;
        }
        Ok(table)
    }

    /// Writes a row: a cell for every column.
    pub(crate) fn row(&self, cells: &[String], output: &mut Output) -> Result<(), Failure> {
        output.line(self.text(cells))
    }

    fn text(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (position, (index, column)) in self.columns.iter().enumerate() {
            let cell = plain(cells.get(*index).map_or("", String::as_str));
            if !self.terminal {
                line.extend((position > 0).then_some('\t'));
                line.push_str(&cell);
                continue;
            }
            let cell = cut(&cell, column.width);
            let used = cell.width();
            line.push_str(&cell);
            if position + 1 < self.columns.len() {
                line.extend(std::iter::repeat_n(
                    ' ',
                    column.width.saturating_sub(used) + GAP,
                ));
            }
        }
        line
    }
}

fn fit(columns: &[Column], width: usize) -> Vec<(usize, Column)> {
    let mut fitted: Vec<_> = columns.iter().copied().enumerate().collect();
    let taken = |fitted: &[(usize, Column)]| {
        let columns: usize = fitted.iter().map(|(_, column)| column.width).sum();
        columns + GAP * fitted.len().saturating_sub(1)
    };
    while taken(&fitted) > width {
        let Some(last) = fitted.iter().rposition(|(_, column)| column.spare) else {
            break;
        };
        fitted.remove(last);
    }
    let left = width.saturating_sub(taken(&fitted));
    let shares: usize = fitted.iter().map(|(_, column)| column.share).sum();
    for (_, column) in &mut fitted {
        let more = (left * column.share).checked_div(shares);
        column.width += more.unwrap_or(0);
    }
    fitted
}

/// The text, or as much of it as fits with an ellipsis. A letter counts as many columns as it takes.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut kept = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(letter);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &'static str, width: usize, share: usize, spare: bool) -> Column {
        Column {
            title,
            width,
            share,
            spare,
        }
    }

    #[test]
    fn letters_count_as_many_columns_as_they_take() {
        let table = Table {
            columns: vec![
                (0, column("OWNER", 6, 0, false)),
                (1, column("SIZE", 4, 0, false)),
            ],
            terminal: true,
        };
        let row = |cells: [&str; 2]| table.text(&cells.map(str::to_owned));
        assert_eq!(row(["花子", "1 B"]), "花子    1 B");
        assert_eq!(row(["hanako", "1 B"]), "hanako  1 B");
        assert_eq!(row(["花子さん", "1 B"]), "花子…   1 B");
        assert_eq!(row(["e\u{301}", "1 B"]).width(), "hanako  1 B".width());
        assert_eq!(row(["a\tb\x1b[m", "1 B"]), "a\u{fffd}b\u{fffd}[m  1 B");
    }

    #[test]
    fn a_narrow_terminal_loses_spare_columns_and_a_wide_one_gives_more_room() {
        let columns = [
            column("HANDLE", 16, 0, false),
            column("OWNER", 8, 2, false),
            column("SIZE", 8, 0, true),
            column("DATA", 10, 1, true),
        ];
        let titles = |width| -> Vec<_> {
            fit(&columns, width)
                .iter()
                .map(|(_, column)| column.title)
                .collect()
        };
        assert_eq!(titles(80).len(), 4);
        assert_eq!(titles(40), ["HANDLE", "OWNER", "SIZE"]);
        assert_eq!(titles(10), ["HANDLE", "OWNER"]);
        let widths: Vec<_> = fit(&columns, 78)
            .iter()
            .map(|(_, column)| column.width)
            .collect();
        assert_eq!(widths, [16, 28, 8, 20]);
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        let table = Table {
            columns: vec![
                (0, column("OWNER", 2, 0, false)),
                (1, column("SIZE", 4, 0, true)),
            ],
            terminal: false,
        };
        let cells = ["花子さん\t".to_owned(), "1 B".to_owned()];
        assert_eq!(table.text(&cells), "花子さん\u{fffd}\t1 B");
    }
}
