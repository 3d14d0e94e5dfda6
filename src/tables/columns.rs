//! Builders: one closure a column, from rows to polars.

use std::collections::HashSet;

use polars::prelude::*;

use crate::correlate::rows::{NO_TIME, Place};
use crate::strings::{Reader, Sym};
use crate::tables::zone::{Cut, Cutter};

/// Which columns to build: all, or those whose names are among some words.
#[derive(Clone, Debug, Default)]
pub struct Wanted(Option<HashSet<String>>);

impl Wanted {
    /// The columns that these texts (SQL, mostly) can mean. A `*` may mean any.
    pub fn by<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut words = HashSet::new();
        for text in texts {
            if text.contains('*') && !only_counts(text) {
                return Wanted(None);
            }
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            words.extend(
                text.split(|c| !is_name(c))
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned),
            );
        }
        Wanted(Some(words))
    }

    fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|words| words.contains(name))
    }
}

/// Every `*` in it is that of `COUNT(*)` or of a product.
fn only_counts(text: &str) -> bool {
    text.match_indices('*').all(|(at, _)| {
        let before = text[..at].trim_end();
        !before.ends_with(',')
            && !before.ends_with('.')
            && !before.to_ascii_uppercase().ends_with("SELECT")
    })
}

/// Texts remembered while a column is filled: most columns have few, and the table of texts is far away in memory.
const MEMO: usize = 1024;

/// Columns of one table, in order, over rows of `T`.
pub struct Columns<'a, T> {
    rows: &'a [T],
    texts: &'a Reader<'a>,
    wanted: &'a Wanted,
    columns: Vec<Column>,
}

impl<'a, T: Sync> Columns<'a, T> {
    /// No columns yet.
    pub fn new(rows: &'a [T], texts: &'a Reader<'a>, wanted: &'a Wanted) -> Self {
        Columns {
            rows,
            texts,
            wanted,
            columns: Vec::new(),
        }
    }

    /// A text by symbol.
    pub fn sym(self, name: &str, of: impl Fn(&T) -> Sym) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
        let texts = self.texts;
        let mut memo: Vec<(Sym, Option<&str>)> = vec![(Sym::NULL, None); MEMO];
        let values = self.rows.iter().map(|row| {
            let sym = of(row);
            let entry = &mut memo[sym.id() as usize % MEMO];
            if entry.0 != sym {
                *entry = (sym, texts.get(sym));
            }
            entry.1
        });
        let column = StringChunked::from_iter_options(name.into(), values).into_column();
        self.push(column)
    }

    /// One of our own words.
    pub fn word(self, name: &str, of: impl Fn(&T) -> Option<&'static str>) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
        let column =
            StringChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// Text made for the row.
    pub fn text(self, name: &str, of: impl Fn(&T) -> Option<String>) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
        let column =
            StringChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A whole number.
    pub fn int(self, name: &str, of: impl Fn(&T) -> Option<i64>) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
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
        if !self.wanted.has(name) {
            return self;
        }
        let values = self
            .rows
            .iter()
            .map(|row| Some(of(row)).filter(|v| !v.is_nan()));
        let column = Float64Chunked::from_iter_options(name.into(), values).into_column();
        self.push(column)
    }

    /// Yes, no, or unknown.
    pub fn flag(self, name: &str, of: impl Fn(&T) -> Option<bool>) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
        let column =
            BooleanChunked::from_iter_options(name.into(), self.rows.iter().map(of)).into_column();
        self.push(column)
    }

    /// A time, µs UTC; [`NO_TIME`] is null.
    pub fn time(self, name: &str, of: impl Fn(&T) -> i64) -> Self {
        if !self.wanted.has(name) {
            return self;
        }
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
