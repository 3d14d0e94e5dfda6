//! Builders: one closure a column, from rows to polars.

use polars::prelude::*;

use crate::correlate::rows::{NO_TIME, Place};
use crate::strings::{Reader, Sym};
use crate::tables::zone::{Cut, Cutter};

/// Columns of one table, in order, over rows of `T`.
pub struct Columns<'a, T> {
    rows: &'a [T],
    texts: &'a Reader<'a>,
    columns: Vec<Column>,
}

impl<'a, T: Sync> Columns<'a, T> {
    /// No columns yet.
    pub fn new(rows: &'a [T], texts: &'a Reader<'a>) -> Self {
        Columns {
            rows,
            texts,
            columns: Vec::new(),
        }
    }

    /// A text by symbol.
    pub fn sym(self, name: &str, of: impl Fn(&T) -> Sym) -> Self {
        let texts = self.texts;
        let values = self.rows.iter().map(|row| texts.get(of(row)));
        let column = StringChunked::from_iter_options(name.into(), values).into_column();
        self.push(column)
    }

    /// One of our own words.
    pub fn word(self, name: &str, of: impl Fn(&T) -> Option<&'static str>) -> Self {
        let column =
            StringChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// Text made for the row.
    pub fn text(self, name: &str, of: impl Fn(&T) -> Option<String>) -> Self {
        let column =
            StringChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A whole number.
    pub fn int(self, name: &str, of: impl Fn(&T) -> Option<i64>) -> Self {
        let column =
            Int64Chunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A whole number that is always there.
    pub fn number(self, name: &str, of: impl Fn(&T) -> i64) -> Self {
        let column =
            Int64Chunked::from_iter_values(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A measure; NaN is null.
    pub fn float(self, name: &str, of: impl Fn(&T) -> f64) -> Self {
        let values = self
            .rows
            .iter()
            .map(|row| Some(of(row)).filter(|v| !v.is_nan()));
        let column = Float64Chunked::from_iter_options(name.into(), values).into_column();
        self.push(column)
    }

    /// Yes, no, or unknown.
    pub fn flag(self, name: &str, of: impl Fn(&T) -> Option<bool>) -> Self {
        let column =
            BooleanChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A time, µs UTC; [`NO_TIME`] is null.
    pub fn time(self, name: &str, of: impl Fn(&T) -> i64) -> Self {
        let values = self
            .rows
            .iter()
            .map(|row| Some(of(row)).filter(|ts| *ts != NO_TIME));
        let column = times(name, values);
        self.push(column)
    }

    /// `day`, `hour`, `hour_of_day`, `weekday`, `minute` of a time.
    pub fn buckets(mut self, zone: chrono_tz::Tz, of: impl Fn(&T) -> i64) -> Self {
        let mut cutter = Cutter::new(zone);
        let cuts: Vec<Option<Cut>> = self
            .rows
            .iter()
            .map(|row| {
                Some(of(row))
                    .filter(|ts| *ts != NO_TIME)
                    .map(|ts| cutter.cut(ts))
            })
            .collect();
        let day =
            Int32Chunked::from_iter_options("day".into(), cuts.iter().map(|c| c.map(|c| c.day)));
        self.columns.push(day.into_date().into_column());
        self.columns
            .push(times("hour", cuts.iter().map(|c| c.map(|c| c.hour))));
        let number = |name: &str, of: fn(&Cut) -> i64| {
            Int64Chunked::from_iter_options(name.into(), cuts.iter().map(|c| c.as_ref().map(of)))
                .into_column()
        };
        self.columns.push(number("hour_of_day", |c| c.hour_of_day));
        self.columns.push(number("weekday", |c| c.weekday));
        self.columns.push(number("minute", |c| c.minute));
        self
    }

    /// `source` and `line`, and the finished frame.
    pub fn place(self, of: impl Fn(&T) -> Place) -> PolarsResult<DataFrame> {
        let done = self
            .number("source", |row| i64::from(of(row).source))
            .number("line", |row| of(row).line as i64);
        DataFrame::new(done.rows.len(), done.columns)
    }

    fn push(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }
}

fn times(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Int64Chunked::from_iter_options(name.into(), values)
        .into_datetime(TimeUnit::Microseconds, None)
        .into_column()
}
