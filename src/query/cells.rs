//! From polars values to cells: what is stored, and how it is shown.
//!
//! Only this file and the engine know polars' data types. Numbers that JSON cannot hold (NaN, infinities) are null.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone};
use chrono_tz::Tz;
use polars::prelude::{
    AnyValue, Column, DataFrame, DataType, IntoColumn, NewChunkedArray, PolarsResult,
    StringChunked, TimeUnit,
};
use serde_json::Value;

use crate::report::format;
use crate::report::{Cell, ColumnInfo, ColumnKind, Rows};

/// Columns whose numbers name something rather than count it: shown without separators by [`guess`].
const NAMES: &[&str] = &[
    "message",
    "parent",
    "source",
    "line",
    "year",
    "pid",
    "client_port",
    "relay_port",
    "reply_code",
    "hour_of_day",
    "weekday",
    "minute",
    "duplicate_of",
    "example_source",
    "example_line",
];

/// Lines that a source has room for in a place: `source * LINES + line`, as keys of messages are.
const LINES: i64 = 10_000_000_000;

/// Names of sources by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Paths(Arc<HashMap<i64, String>>);

impl Paths {
    /// Of these numbers and names.
    pub fn new(names: HashMap<i64, String>) -> Paths {
        Paths(Arc::new(names))
    }

    /// Name of a source as evidence gives it.
    pub fn of(&self, source: i64) -> String {
        let path = self.0.get(&source).cloned();
        path.unwrap_or_else(|| format!("source {source}"))
    }
}

/// How values are shown that do not tell it themselves.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Zone of times.
    pub zone: Tz,
    /// Names of sources.
    pub paths: Paths,
}

/// Rows of a frame as cells, shown by the kinds of their columns; made when they are asked for.
pub struct Shown {
    frame: DataFrame,
    columns: Vec<ColumnInfo>,
    setting: Setting,
}

impl Shown {
    /// Of these columns, in the order of the frame's.
    pub fn new(frame: DataFrame, columns: Vec<ColumnInfo>, setting: Setting) -> Self {
        Shown {
            frame,
            columns,
            setting,
        }
    }
}

impl Rows for Shown {
    fn len(&self) -> usize {
        self.frame.height()
    }

    fn row(&self, at: usize) -> Vec<Cell> {
        let columns = self.frame.columns().iter().zip(&self.columns);
        let cells = columns.map(|(column, info)| {
            // Only a row beyond the last has no value, and callers ask for none.
            let value = column
                .get(at)
                .map_or(Plain::Null, |value| Plain::from(&value));
            cell(value, info, &self.setting)
        });
        cells.collect()
    }
}

/// The same rows with texts of their own. Texts from files are views into the pages that they were read in, which would
/// stay in memory as long as the result does.
///
/// # Errors
/// Those of polars.
pub fn owned(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let own = |column: &Column| match column.str() {
        Ok(texts) => {
            let name = texts.name().clone();
            StringChunked::from_iter_options(name, texts.iter()).into_column()
        }
        Err(_) => column.clone(),
    };
    DataFrame::new(frame.height(), frame.apply_columns(own))
}

/// Whether a column of `found` can be shown as `kind`. Null is what an expression without values gives.
pub fn fits(kind: ColumnKind, found: &DataType) -> bool {
    use ColumnKind as K;
    let number = found.is_integer() || found.is_float();
    match kind {
        _ if found.is_null() => true,
        K::Text => is_text(found) || found.is_integer() || found.is_bool(),
        K::Count | K::Place => found.is_integer(),
        K::Number | K::Share | K::Bytes => number,
        K::Seconds => number || matches!(found, DataType::Duration(_)),
        K::Time => matches!(found, DataType::Datetime(..)),
        K::Date => matches!(found, DataType::Date),
        K::Flag => found.is_bool(),
    }
}

/// Whether values of the type are words: a string, dictionary-encoded or not.
pub fn is_text(found: &DataType) -> bool {
    matches!(
        found,
        DataType::String | DataType::Categorical(..) | DataType::Enum(..)
    )
}

/// The kind to show a column by when nothing declares it.
pub fn guess(name: &str, found: &DataType) -> ColumnKind {
    match found {
        _ if NAMES.contains(&name) => ColumnKind::Text,
        found if found.is_integer() && name == "place" => ColumnKind::Place,
        found if found.is_integer() => ColumnKind::Count,
        found if found.is_float() => ColumnKind::Number,
        DataType::Boolean => ColumnKind::Flag,
        DataType::Date => ColumnKind::Date,
        DataType::Datetime(..) => ColumnKind::Time,
        DataType::Duration(_) => ColumnKind::Seconds,
        _ => ColumnKind::Text,
    }
}

/// A value without the width of its type.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Date(i32),
    /// Microseconds since 1970.
    Time(i64),
}

impl From<&AnyValue<'_>> for Plain {
    fn from(value: &AnyValue<'_>) -> Self {
        if let Some(text) = value.get_str() {
            return Self::Text(text.to_owned());
        }
        match value {
            AnyValue::Null => Self::Null,
            AnyValue::Boolean(value) => Self::Bool(*value),
            AnyValue::Date(days) => Self::Date(*days),
            AnyValue::Datetime(at, unit, _) | AnyValue::DatetimeOwned(at, unit, _) => {
                Self::Time(micros(*at, *unit))
            }
            AnyValue::Duration(length, unit) => Self::Float(micros(*length, *unit) as f64 / 1e6),
            other => number(other),
        }
    }
}

/// Numbers of any width; anything else (lists, structs) as polars writes it.
fn number(value: &AnyValue<'_>) -> Plain {
    if value.is_integer() {
        value.extract().map_or(Plain::Null, Plain::Int)
    } else if value.is_float() {
        let value = value.extract().filter(|value: &f64| value.is_finite());
        value.map_or(Plain::Null, Plain::Float)
    } else {
        Plain::Text(value.to_string())
    }
}

fn micros(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value.div_euclid(1000),
        TimeUnit::Microseconds => value,
        TimeUnit::Milliseconds => value.saturating_mul(1000),
    }
}

/// The cell of a value in a column.
fn cell(plain: Plain, info: &ColumnInfo, setting: &Setting) -> Cell {
    let zone = setting.zone;
    let local = is_local(info);
    let (value, text) = match plain {
        Plain::Null => (Value::Null, format::NULL.to_owned()),
        Plain::Bool(value) => (value.into(), format::flag(value).to_owned()),
        Plain::Int(at) if info.kind == ColumnKind::Place => place(at, &setting.paths),
        Plain::Int(value) => (integer(value), show_integer(value, info.kind)),
        Plain::Float(value) => (value.into(), format::number(value, info.kind)),
        Plain::Text(text) => (text.clone().into(), text),
        Plain::Date(days) => date(days),
        Plain::Time(at) if local => local_time(at, zone),
        Plain::Time(at) => time(at, zone),
    };
    Cell { value, text }
}

/// Whether the times of a column are wall clock already: the bucket `hour` of every table, and what says so.
fn is_local(info: &ColumnInfo) -> bool {
    info.kind == ColumnKind::Time
        && (info.name == "hour" || info.name.ends_with("_hour") || info.unit == "local")
}

/// `file:line`.
fn place(at: i128, paths: &Paths) -> (Value, String) {
    // A sum of a source's number and a line; anything else names no source, and is shown as it is.
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    let (source, line) = (at.div_euclid(LINES), at.rem_euclid(LINES));
    let text = format!("{}:{line}", paths.of(source));
    (text.clone().into(), text)
}

/// JSON numbers are 64 bits wide; sums beyond are written as text rather than rounded.
fn integer(value: i128) -> Value {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => value.to_string().into(),
    }
}

fn show_integer(value: i128, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Text => value.to_string(),
        ColumnKind::Share | ColumnKind::Seconds | ColumnKind::Bytes => {
            format::number(value as f64, kind)
        }
        _ => format::count(value),
    }
}

fn date(days: i32) -> (Value, String) {
    let date = NaiveDate::default().checked_add_signed(Duration::days(days.into()));
    let text = date.map_or_else(|| format!("day {days}"), |date| date.to_string());
    (text.clone().into(), text)
}

fn time(at: i64, zone: Tz) -> (Value, String) {
    match DateTime::from_timestamp_micros(at) {
        Some(utc) => {
            let told = utc
                .with_timezone(&zone)
                .to_rfc3339_opts(SecondsFormat::AutoSi, false);
            let shown = shown_second(&told);
            (told.into(), shown)
        }
        None => beyond(at),
    }
}

/// Day and time of day, without fraction and offset: chrono's own format of a pattern is ten times as slow.
fn shown_second(rfc3339: &str) -> String {
    match rfc3339.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.get(..8).unwrap_or(time)),
        None => rfc3339.to_owned(),
    }
}

/// A wall-clock time in `zone`. In the hour that occurs twice the first is taken; one that a change of clocks
/// leaves out has no offset and is written without.
fn local_time(at: i64, zone: Tz) -> (Value, String) {
    let Some(wall) = DateTime::from_timestamp_micros(at).map(|utc| utc.naive_utc()) else {
        return beyond(at);
    };
    let shown = wall.format("%Y-%m-%d %H:%M").to_string();
    match zone.from_local_datetime(&wall).earliest() {
        Some(local) => (
            local.to_rfc3339_opts(SecondsFormat::AutoSi, false).into(),
            shown,
        ),
        None => (without_offset(wall).into(), shown),
    }
}

fn without_offset(wall: NaiveDateTime) -> String {
    wall.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

/// A time that no calendar of ours reaches, as it is stored.
fn beyond(at: i64) -> (Value, String) {
    let text = format!("{at} µs since 1970");
    (text.clone().into(), text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use polars::prelude::*;

    fn info(name: &str, kind: ColumnKind) -> ColumnInfo {
        ColumnInfo {
            name: name.into(),
            kind,
            unit: String::new(),
            about: String::new(),
        }
    }

    fn one(series: Series, kind: ColumnKind) -> Cell {
        let info = info(series.name().as_str(), kind);
        let frame = DataFrame::new_infer_height(vec![series.into()]).unwrap();
        let setting = Setting {
            zone: chrono_tz::Europe::Berlin,
            paths: Paths::new(HashMap::from([(3, "mail.log.2.gz".to_owned())])),
        };
        Shown::new(frame, vec![info], setting).row(0)[0].clone()
    }

    fn shown(series: Series, kind: ColumnKind) -> (String, String) {
        let cell = one(series, kind);
        (cell.value.to_string(), cell.text)
    }

    fn pair(value: &str, text: &str) -> (String, String) {
        (value.into(), text.into())
    }

    #[test]
    fn integers_of_every_width() {
        let name: PlSmallStr = "n".into();
        for dtype in [
            DataType::UInt8,
            DataType::UInt16,
            DataType::Int32,
            DataType::UInt64,
        ] {
            let series = Series::new(name.clone(), [200i64]).cast(&dtype).unwrap();
            assert_eq!(shown(series, ColumnKind::Count), pair("200", "200"));
        }
        let big = Series::new(name, [u64::MAX]);
        assert_eq!(
            shown(big, ColumnKind::Count),
            pair("18446744073709551615", "18,446,744,073,709,551,615")
        );
    }

    #[test]
    fn codes_have_no_separator_and_counts_do() {
        let code = Series::new("reply_code".into(), [1550i64]);
        assert_eq!(shown(code.clone(), ColumnKind::Text).1, "1550");
        assert_eq!(shown(code, ColumnKind::Count).1, "1,550");
    }

    #[test]
    fn places_are_files_and_lines() {
        let places = Series::new("place".into(), [30_000_000_012i64]);
        let said = pair("\"mail.log.2.gz:12\"", "mail.log.2.gz:12");
        assert_eq!(shown(places, ColumnKind::Place), said);
        let unknown = Series::new("place".into(), [40_000_000_001i64]);
        assert_eq!(shown(unknown, ColumnKind::Place).1, "source 4:1");
    }

    #[test]
    fn text_is_the_same_dictionary_encoded_or_not() {
        let plain = Series::new("t".into(), ["a"]);
        let coded = plain
            .cast(&DataType::from_categories(Categories::global()))
            .unwrap();
        assert_eq!(one(plain, ColumnKind::Text), one(coded, ColumnKind::Text));
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        let at = Series::new("ts".into(), [1_795_459_012_000_000i64]);
        let at = at
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        assert_eq!(
            shown(at.clone(), ColumnKind::Time),
            pair("\"2026-11-23T19:36:52+01:00\"", "2026-11-23 19:36:52")
        );
        let hour = at.with_name("hour".into());
        assert_eq!(
            shown(hour, ColumnKind::Time),
            pair("\"2026-11-23T18:36:52+01:00\"", "2026-11-23 18:36")
        );
    }

    #[test]
    fn fractions_and_other_units_of_time() {
        let at = Series::new("ts".into(), [1_795_459_012_500i64]);
        let at = at
            .cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
            .unwrap();
        assert_eq!(
            shown(at, ColumnKind::Time).0,
            "\"2026-11-23T19:36:52.500+01:00\""
        );
        let long = Series::new("d".into(), [70_000_000i64]);
        let long = long
            .cast(&DataType::Duration(TimeUnit::Microseconds))
            .unwrap();
        assert_eq!(shown(long, ColumnKind::Seconds), pair("70.0", "1 min 10 s"));
    }

    #[test]
    fn dates_flags_and_nulls() {
        let day = Series::new("day".into(), [20_780i32])
            .cast(&DataType::Date)
            .unwrap();
        assert_eq!(
            shown(day, ColumnKind::Date),
            pair("\"2026-11-23\"", "2026-11-23")
        );
        assert_eq!(
            shown(Series::new("f".into(), [true]), ColumnKind::Flag),
            pair("true", "yes")
        );
        assert_eq!(
            shown(Series::new("x".into(), [None::<i64>]), ColumnKind::Count),
            pair("null", "–")
        );
        assert_eq!(
            shown(Series::new("x".into(), [f64::NAN]), ColumnKind::Share),
            pair("null", "–")
        );
    }

    #[test]
    fn a_time_no_calendar_reaches_is_no_panic() {
        let at = Series::new("ts".into(), [i64::MAX]);
        let at = at
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        assert_eq!(
            shown(at, ColumnKind::Time).1,
            "9223372036854775807 µs since 1970"
        );
    }

    #[test]
    fn kinds_fit_their_types_only() {
        assert!(fits(ColumnKind::Count, &DataType::UInt32));
        assert!(!fits(ColumnKind::Count, &DataType::Float64));
        assert!(fits(ColumnKind::Text, &DataType::Int64));
        assert!(!fits(ColumnKind::Time, &DataType::Date));
        assert!(fits(ColumnKind::Flag, &DataType::Null));
    }
}
