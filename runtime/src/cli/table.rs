//! Tables as text: a line per row, columns two spaces apart, so that `grep`, `awk` and people can read them.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, presets};

/// A column's head, and whether its cells may be cut where a terminal is too narrow for all of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// Never cut.
    Whole(&'static str),
    /// Cut, if need be.
    Cut(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Whole(head) | Self::Cut(head) => head,
        }
    }
}

/// The rows under their heads, cut to `width` if there is one.
pub(super) fn table(columns: &[Column], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_truncation_indicator("…");
    table.set_header(columns.iter().map(|column| column.head()));
    for cells in rows {
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (index, column) in columns.iter().enumerate() {
        if let Some(shape) = table.column_mut(index) {
            shape.set_padding((0, 2));
            if matches!(column, Column::Whole(_)) {
                shape.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.trim_fmt() + "\n"
}

/// Names and values, one below the other; further lines of a value are indented.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in pairs {
        for (index, line) in value.lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            out.push_str(format!("{name:width$}  {line}").trim_end());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["0123456789".to_owned(), "a rather long error message".to_owned()]]
    }

    const COLUMNS: [Column; 2] = [Column::Whole("ID"), Column::Cut("ERROR")];

    #[test]
    fn a_table_for_a_pipe_is_not_cut() {
        let text = "ID          ERROR\n0123456789  a rather long error message\n";
        assert_eq!(table(&COLUMNS, rows(), None), text);
    }

    #[test]
    fn a_table_for_a_terminal_fits_and_keeps_a_line_per_row() {
        let text = table(&COLUMNS, rows(), Some(24));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert!(text.contains("0123456789  a r"), "{text}");
        assert!(text.contains('…'), "{text}");
    }

    #[test]
    fn further_lines_of_a_value_are_indented() {
        assert_eq!(pairs(&[("a", "1".to_owned()), ("bc", "2\n3".to_owned())]), "a   1\nbc  2\n    3\n");
    }
}
