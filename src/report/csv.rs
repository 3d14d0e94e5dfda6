//! CSV: RFC 4180, a header row, values as data (not as shown), safe to open in a spreadsheet.

use std::io::{self, Write};

use serde_json::Value;

use super::{Cell, ColumnInfo, SourceRow};

/// Writes a result. Times are RFC 3339, numbers plain, null is empty.
pub fn write<R: AsRef<[Cell]>>(
    out: impl Write,
    columns: &[ColumnInfo],
    rows: impl IntoIterator<Item = R>,
) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record(columns.iter().map(|c| c.name.as_str()))?;
    for row in rows {
        let cells = row.as_ref().iter();
        csv.write_record(cells.map(|cell| field(&cell.value)))?;
    }
    csv.flush()
}

/// The same in memory.
pub fn table<R: AsRef<[Cell]>>(
    columns: &[ColumnInfo],
    rows: impl IntoIterator<Item = R>,
) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write(&mut out, columns, rows)?;
    Ok(out)
}

/// `tables/sources.csv`: every source with its hashes, however many the report shows.
pub fn sources(rows: &[SourceRow]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut csv = writer(&mut out);
    csv.write_record(SOURCE_COLUMNS)?;
    for row in rows {
        csv.write_record(source_fields(row))?;
    }
    csv.flush()?;
    drop(csv);
    Ok(out)
}

const SOURCE_COLUMNS: [&str; 22] = [
    "path",
    "member",
    "codec",
    "format",
    "hosts",
    "bytes",
    "decoded_bytes",
    "sha256",
    "decoded_sha256",
    "lines",
    "events",
    "ignored",
    "unrecognised",
    "undecodable",
    "first_ts",
    "last_ts",
    "year",
    "year_method",
    "year_confidence",
    "contradictions",
    "repeated",
    "problem",
];

fn source_fields(row: &SourceRow) -> [String; 22] {
    let text = |t: &str| guard(t);
    let option = |t: &Option<String>| guard(t.as_deref().unwrap_or_default());
    [
        text(&row.path),
        option(&row.member),
        text(&row.codec),
        text(&row.format),
        text(&row.hosts),
        row.bytes.to_string(),
        row.decoded_bytes.to_string(),
        text(&row.sha256),
        text(&row.decoded_sha256),
        row.lines.to_string(),
        row.events.to_string(),
        row.ignored.to_string(),
        row.unrecognised.to_string(),
        row.undecodable.to_string(),
        option(&row.first),
        option(&row.last),
        row.year.map(|y| y.to_string()).unwrap_or_default(),
        text(&row.year_method),
        text(&row.year_confidence),
        option(&row.contradictions),
        row.repeated.to_string(),
        option(&row.problem),
    ]
}

/// Texts under their headings.
pub fn texts<'t, const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [&'t str; N]>,
) -> ::csv::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = writer(&mut out);
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row.map(guard))?;
    }
    writer.flush()?;
    drop(writer);
    Ok(out)
}

fn writer<W: Write>(out: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new()
        .flexible(true)
        .terminator(::csv::Terminator::CRLF)
        .from_writer(out)
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guard(text),
        // Arrays and maps do not occur in cells; their JSON is still data.
        other => other.to_string(),
    }
}

/// A text that a spreadsheet would run as a formula gets a leading apostrophe; a plain number stays.
fn guard(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if risky && !is_number(text) {
        return format!("'{text}");
    }
    text.to_string()
}

/// Digits with an optional minus and fraction. Not what `f64` parses: `-inf` is no number here.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(fraction)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sample;
    use super::*;

    fn one(value: Value) -> String {
        let columns = [sample::column("c", super::super::ColumnKind::Text)];
        let rows = [vec![Cell {
            value,
            text: String::new(),
        }]];
        String::from_utf8(table(&columns, &rows).unwrap()).unwrap()
    }

    #[test]
    fn formulas_are_defused_and_numbers_are_not() {
        assert_eq!(
            one("=cmd|'/c calc'!A1".into()),
            "c\r\n'=cmd|'/c calc'!A1\r\n"
        );
        assert_eq!(one("+49 30 1".into()), "c\r\n'+49 30 1\r\n");
        assert_eq!(one("@SUM(1)".into()), "c\r\n'@SUM(1)\r\n");
        assert_eq!(one("-inf".into()), "c\r\n'-inf\r\n");
        assert_eq!(one("-5.25".into()), "c\r\n-5.25\r\n");
        assert_eq!(one((-5).into()), "c\r\n-5\r\n");
        assert_eq!(one("\tx".into()), "c\r\n'\tx\r\n");
        assert_eq!(one(Value::Null), "c\r\n\"\"\r\n");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let texts = [
            "a,b",
            "say \"no\"",
            "two\r\nlines",
            "\u{202e}x",
            "",
            "nul\0",
        ];
        let columns = [
            sample::column("a", super::super::ColumnKind::Text),
            sample::column("b", super::super::ColumnKind::Count),
        ];
        let rows: Vec<Vec<Cell>> = texts
            .iter()
            .map(|t| vec![sample::text(t), sample::text("x")])
            .collect();
        let bytes = table(&columns, &rows).unwrap();
        let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
        let back: Vec<String> = reader
            .records()
            .map(|r| r.unwrap()[0].to_string())
            .collect();
        assert_eq!(back, texts);
    }
}
