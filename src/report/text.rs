//! A result as an aligned table for the terminal.

use super::{Cell, ColumnInfo, escape};

/// Narrower than this no column is made, however small the terminal.
const MIN_WIDTH: usize = 8;
/// Longer texts are cut even when the output is not a terminal.
const MAX_CELL: usize = 400;
const GAP: &str = "  ";

/// The table with a header and a rule. `width` is the terminal's; 0 does not limit it. Control and bidirectional
/// characters are made visible, so that log text cannot drive the terminal.
pub fn table(columns: &[ColumnInfo], rows: &[Vec<Cell>], width: usize) -> String {
    let header: Vec<String> = columns
        .iter()
        .map(|c| escape::clip(&c.name, MAX_CELL))
        .collect();
    let body: Vec<Vec<String>> = rows.iter().map(|row| shown(row, columns.len())).collect();
    let mut widths: Vec<usize> = (0..columns.len())
        .map(|i| widest(&header, &body, i))
        .collect();
    if width > 0 {
        shrink(&mut widths, columns, width);
    }
    let mut out = String::new();
    push_row(&mut out, &header, &widths, columns);
    let rules: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
    push_row(&mut out, &rules, &widths, columns);
    for row in &body {
        push_row(&mut out, row, &widths, columns);
    }
    out
}

fn shown(row: &[Cell], columns: usize) -> Vec<String> {
    let mut cells: Vec<String> = row
        .iter()
        .map(|c| escape::clip(&c.text, MAX_CELL))
        .collect();
    cells.resize(columns, String::new());
    cells
}

fn widest(header: &[String], body: &[Vec<String>], column: usize) -> usize {
    let cells = body
        .iter()
        .map(|row| display_width(&row[column]))
        .max()
        .unwrap_or(0);
    cells.max(display_width(&header[column]))
}

/// Takes from the widest text column until the table fits or nothing is left to take. Numbers are never cut.
fn shrink(widths: &mut [usize], columns: &[ColumnInfo], width: usize) {
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    while over > 0 {
        let Some(i) = widest_text(widths, columns) else {
            return;
        };
        widths[i] -= 1;
        over -= 1;
    }
}

fn widest_text(widths: &[usize], columns: &[ColumnInfo]) -> Option<usize> {
    let shrinkable = |i: &usize| !columns[*i].kind.is_numeric() && widths[*i] > MIN_WIDTH;
    (0..widths.len())
        .filter(shrinkable)
        .max_by_key(|i| (widths[*i], std::cmp::Reverse(*i)))
}

fn push_row(out: &mut String, cells: &[String], widths: &[usize], columns: &[ColumnInfo]) {
    let start = out.len();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if i > 0 {
            out.push_str(GAP);
        }
        let cell = fit(cell, *width);
        let pad = " ".repeat(width.saturating_sub(display_width(&cell)));
        let right = columns[i].kind.is_numeric();
        let (before, after) = if right {
            (pad.as_str(), "")
        } else {
            ("", pad.as_str())
        };
        out.push_str(before);
        out.push_str(&cell);
        out.push_str(after);
    }
    out.truncate(start + out[start..].trim_end_matches(' ').len());
    out.push('\n');
}

fn fit(cell: &str, width: usize) -> String {
    if display_width(cell) <= width {
        return cell.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in cell.chars() {
        if used + char_width(c) + 1 > width {
            break;
        }
        used += char_width(c);
        out.push(c);
    }
    out.push('…');
    out
}

/// Columns a text takes in a terminal: wide East Asian characters and emoji two, combining marks none.
pub fn display_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f
        | 0x1ab0..=0x1aff
        | 0x1dc0..=0x1dff
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnKind, sample};
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let columns = [
            sample::column("sender", ColumnKind::Text),
            sample::column("n", ColumnKind::Count),
        ];
        let rows = [
            vec![
                sample::text("alice@corp.example"),
                sample::number(1200.0, ColumnKind::Count),
            ],
            vec![
                sample::text("日本\x1b[2J"),
                sample::number(7.0, ColumnKind::Count),
            ],
        ];
        assert_eq!(
            table(&columns, &rows, 0),
            "sender                  n\n\
             ──────────────────  ─────\n\
             alice@corp.example  1,200\n\
             日本␛[2J                7\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_text_and_never_numbers() {
        let columns = [
            sample::column("sender", ColumnKind::Text),
            sample::column("n", ColumnKind::Count),
        ];
        let rows = [vec![
            sample::text(&"x".repeat(90)),
            sample::number(123_456.0, ColumnKind::Count),
        ]];
        let shown = table(&columns, &rows, 30);
        assert!(shown.lines().all(|l| display_width(l) <= 30), "{shown}");
        assert!(shown.contains("…  123,456"), "{shown}");
    }
}
