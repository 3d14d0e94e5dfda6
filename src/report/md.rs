//! `report.md`: renders on a code forge, reads well as plain text.

use serde::Serialize;
use tera::{Context, Value};

use super::templates::Templates;
use super::text::display_width;
use super::{Cell, ColumnInfo, Error, Report, escape, html};

/// Longest text of a cell.
const MAX_CELL: usize = 300;
/// Cells are padded to this width; longer ones stand out.
const MAX_PAD: usize = 40;

/// The report in Markdown.
pub fn render(report: &Report, templates: &Templates) -> Result<String, Error> {
    let mut context = Context::new();
    context.insert("report", report);
    context.insert("limits", &html::LEVELS[0]);
    let text = templates.render_md(&report.kind, &context)?;
    Ok(tidy(&text))
}

/// Another value in Markdown: the templates of this kind see it under the kind's name.
///
/// # Errors
/// A template that is wrong.
pub fn page(kind: &str, value: &impl Serialize, templates: &Templates) -> Result<String, Error> {
    let mut context = Context::new();
    context.insert(kind.to_owned(), value);
    Ok(tidy(&templates.render_md(kind, &context)?))
}

/// A single result as a table.
pub fn table(columns: &[ColumnInfo], rows: &[Vec<Cell>]) -> String {
    let heads = columns
        .iter()
        .map(|c| (c.name.clone(), c.kind.is_numeric()))
        .collect();
    let rows = rows.iter().map(|row| {
        row.iter()
            .map(|c| escape::markdown_cell(&c.text, MAX_CELL))
            .collect()
    });
    grid(heads, rows.collect())
}

/// The same from what templates hold: the filter `table`.
pub(super) fn table_of(result: &Value, rows: usize, cell: usize) -> String {
    let list = |value: &Value, name: &str| {
        value
            .get_from_path(name)
            .and_then(Value::as_array)
            .unwrap_or(&[])
            .to_vec()
    };
    let text = |value: &Value, name: &str| {
        value
            .get_from_path(name)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_string()
    };
    let numeric = ["count", "number", "share", "seconds", "bytes"];
    let head = |c: &Value| {
        (
            text(c, "name").replace('_', " "),
            numeric.contains(&text(c, "kind").as_str()),
        )
    };
    let heads = list(result, "columns").iter().map(head).collect();
    let cells = |row: &Value| {
        let cells = row.as_array().unwrap_or(&[]).iter();
        cells
            .map(|c| escape::markdown_cell(&text(c, "text"), cell))
            .collect()
    };
    grid(
        heads,
        list(result, "rows").iter().take(rows).map(cells).collect(),
    )
}

fn grid(heads: Vec<(String, bool)>, rows: Vec<Vec<String>>) -> String {
    let titles: Vec<String> = heads
        .iter()
        .map(|(name, _)| escape::markdown_cell(name, MAX_CELL))
        .collect();
    let widths: Vec<usize> = (0..heads.len()).map(|i| width(&titles, &rows, i)).collect();
    let mut out = String::new();
    push_row(&mut out, &titles, &heads, &widths);
    for ((_, numeric), width) in heads.iter().zip(&widths) {
        let (dashes, end) = if *numeric {
            (width - 1, ":")
        } else {
            (*width, "")
        };
        out.push_str(&format!("| {}{end} ", "-".repeat(dashes)));
    }
    out.push_str("|\n");
    for row in &rows {
        push_row(&mut out, row, &heads, &widths);
    }
    out
}

fn width(titles: &[String], rows: &[Vec<String>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    let widest = cells
        .chain([&titles[column]])
        .map(|c| display_width(c))
        .max()
        .unwrap_or(0);
    widest.clamp(3, MAX_PAD)
}

fn push_row(out: &mut String, cells: &[String], heads: &[(String, bool)], widths: &[usize]) {
    for ((i, width), (_, numeric)) in widths.iter().enumerate().zip(heads) {
        let cell = cells.get(i).map_or("", String::as_str);
        let pad = " ".repeat(width.saturating_sub(display_width(cell)));
        let (before, after) = if *numeric {
            (pad.as_str(), "")
        } else {
            ("", pad.as_str())
        };
        out.push_str(&format!("| {before}{cell}{after} "));
    }
    out.push_str("|\n");
}

/// At most one empty line in a row, no blanks at line ends, one line break at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && empty) {
            out.push_str(line);
            out.push('\n');
        }
        empty = line.is_empty();
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{ColumnKind, sample};
    use super::*;

    #[test]
    fn a_table_is_padded_and_aligned() {
        let columns = [
            sample::column("sender", ColumnKind::Text),
            sample::column("n", ColumnKind::Count),
        ];
        let rows = [
            vec![
                sample::text("a|b\n<x>"),
                sample::number(1200.0, ColumnKind::Count),
            ],
            vec![sample::text("c"), sample::number(7.0, ColumnKind::Count)],
        ];
        assert_eq!(
            table(&columns, &rows),
            "| sender       |     n |\n\
             | ------------ | ----: |\n\
             | `a\\|b␊<x>`   | 1,200 |\n\
             | c            |     7 |\n"
                .replace("`   |", "` |")
                .replace("sender       |", "sender     |")
                .replace("------------ |", "---------- |")
                .replace("c            |", "c          |")
        );
    }

    /// Unescaped pipes of a line outside code spans' escapes.
    fn pipes(line: &str) -> usize {
        line.replace("\\|", "").matches('|').count()
    }

    #[test]
    fn tables_of_a_report_are_whole_whatever_the_logs_say() {
        for kind in ["audit", "capacity", "incident"] {
            let text = render(&sample::report(kind), &Templates::load(None).unwrap()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines
                .windows(2)
                .filter(|p| p[0].starts_with('|') && p[1].starts_with('|'))
            {
                assert_eq!(
                    pipes(pair[0]),
                    pipes(pair[1]),
                    "{kind}\n{}\n{}",
                    pair[0],
                    pair[1]
                );
            }
            assert!(!text.contains("\n\n\n") && !text.contains('\u{202e}') && !text.contains('\0'));
        }
    }

    #[test]
    fn log_text_makes_no_links_headings_or_html() {
        let text = render(&sample::report("audit"), &Templates::load(None).unwrap()).unwrap();
        let outside: String = without_code(&text);
        for word in ["](javascript", "<script", "://", "@"] {
            let bare = outside
                .lines()
                .find(|l| l.replace("\\]", "").replace("\\<", "").contains(word));
            assert!(bare.is_none(), "{word}: {bare:?}");
        }
    }

    /// The text without code spans.
    fn without_code(text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            let mut rest = line;
            while let Some(start) = rest.find('`') {
                out.push_str(&rest[..start]);
                let fence =
                    &rest[start..start + rest[start..].bytes().take_while(|b| *b == b'`').count()];
                let after = &rest[start + fence.len()..];
                rest = after.split_once(fence).map_or("", |(_, after)| after);
            }
            out.push_str(rest);
            out.push('\n');
        }
        out
    }
}
