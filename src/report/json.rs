//! JSON: the report exactly as templates see it, and a single result as an array of objects.

use serde_json::{Map, Value};

use super::{Cell, ColumnInfo, Report};

/// `report.json`: fields in the order of the type, two spaces of indentation.
pub fn report(report: &Report) -> serde_json::Result<Vec<u8>> {
    pretty(report)
}

/// A result as an array of objects, one a row, keys in column order.
pub fn table(columns: &[ColumnInfo], rows: &[Vec<Cell>]) -> serde_json::Result<Vec<u8>> {
    let objects: Vec<Value> = rows.iter().map(|row| object(columns, row)).collect();
    pretty(&objects)
}

pub(super) fn pretty<T: serde::Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = serde_json::to_vec_pretty(value)?;
    out.push(b'\n');
    Ok(out)
}

fn object(columns: &[ColumnInfo], row: &[Cell]) -> Value {
    let pairs = columns
        .iter()
        .zip(row)
        .map(|(column, cell)| (column.name.clone(), cell.value.clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{ColumnKind, sample};
    use super::*;

    #[test]
    fn a_row_is_an_object_with_keys_in_column_order() {
        let columns = [
            sample::column("z", ColumnKind::Text),
            sample::column("a", ColumnKind::Count),
        ];
        let rows = [vec![
            sample::text("x\u{202e}"),
            sample::number(3.0, ColumnKind::Count),
        ]];
        let text = String::from_utf8(table(&columns, &rows).unwrap()).unwrap();
        assert_eq!(
            text,
            "[\n  {\n    \"z\": \"x\u{202e}\",\n    \"a\": 3\n  }\n]\n"
        );
        assert_eq!(table(&columns, &[]).unwrap(), b"[]\n");
    }
}
