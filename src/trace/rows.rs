//! Rows of the tables as plain values: what is read of them for a trace.

use std::cmp::Ordering;

use polars::prelude::*;

use crate::tables::frame::collect;
use crate::tables::{Frame, Tables};

/// A cell's value.
trait Cell: Sized {
    fn of(value: &AnyValue<'_>) -> Self;
}

impl Cell for Option<String> {
    fn of(value: &AnyValue<'_>) -> Self {
        value.get_str().map(str::to_owned)
    }
}

impl Cell for String {
    fn of(value: &AnyValue<'_>) -> Self {
        value.get_str().unwrap_or_default().to_owned()
    }
}

impl Cell for Option<i64> {
    fn of(value: &AnyValue<'_>) -> Self {
        match value {
            AnyValue::Int64(number) | AnyValue::Datetime(number, _, _) => Some(*number),
            _ => None,
        }
    }
}

impl Cell for i64 {
    fn of(value: &AnyValue<'_>) -> Self {
        Option::<i64>::of(value).unwrap_or_default()
    }
}

impl Cell for Option<f64> {
    fn of(value: &AnyValue<'_>) -> Self {
        match value {
            AnyValue::Float64(number) => Some(*number),
            _ => None,
        }
    }
}

impl Cell for bool {
    fn of(value: &AnyValue<'_>) -> Self {
        matches!(value, AnyValue::Boolean(true))
    }
}

/// A row that is read from a table.
pub(super) trait Row: Sized {
    /// Its table.
    const TABLE: &'static str;
    /// The columns that are read.
    const COLUMNS: &'static [&'static str];
    /// All rows of a frame.
    fn rows(frame: &DataFrame) -> PolarsResult<Vec<Self>>;
    /// Where it begins, and what tells rows apart that begin at one line.
    fn order(&self) -> (i64, i64, Option<&str>);
}

macro_rules! row {
    ($(#[$about:meta])* $name:ident of $table:literal { $($field:ident: $kind:ty,)* } by $tie:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        #[allow(missing_docs)]
        pub(super) struct $name {
            $(pub(super) $field: $kind,)*
            pub(super) source: i64,
            pub(super) line: i64,
        }

        impl Row for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)* "source", "line"];

            fn rows(frame: &DataFrame) -> PolarsResult<Vec<Self>> {
                $(let $field = frame.column(stringify!($field))?;)*
                let (source, line) = (frame.column("source")?, frame.column("line")?);
                let one = |row: usize| Ok($name {
                    $($field: Cell::of(&$field.get(row)?),)*
                    source: Cell::of(&source.get(row)?),
                    line: Cell::of(&line.get(row)?),
                });
                (0..frame.height()).map(one).collect()
            }

            fn order(&self) -> (i64, i64, Option<&str>) {
                (self.source, self.line, self.$tie.as_deref())
            }
        }
    };
}

row! {
    /// One queue ID's life on one host.
    Message of "messages" {
        message: i64, host: String, queue_id: Option<String>, received_ts: Option<i64>,
        removed_ts: Option<i64>, message_id: Option<String>, sender: Option<String>, size: Option<i64>,
        origin: Option<String>, client_name: Option<String>, client_ip: Option<String>,
        protocol: Option<String>, auth_user: Option<String>, auth_method: Option<String>,
        tls_version: Option<String>, parent: Option<i64>, session: Option<i64>, head_seen: bool,
    } by queue_id
}

row! {
    /// The same without most of its texts: there may be a million.
    Slim of "messages" {
        message: i64, host: String, queue_id: Option<String>, received_ts: Option<i64>, removed_ts: Option<i64>,
        message_id: Option<String>, client_ip: Option<String>, parent: Option<i64>, head_seen: bool, tail_seen: bool,
    } by queue_id
}

row! {
    /// One try for one recipient.
    Attempt of "attempts" {
        message: i64, host: String, queue_id: Option<String>, ts: Option<i64>, recipient: Option<String>,
        orig_recipient: Option<String>, transport: Option<String>, relay_name: Option<String>,
        relay_ip: Option<String>, delay: Option<f64>, status: Option<String>, reply: Option<String>,
        reason: Option<String>, next_queue_id: Option<String>, tls_version: Option<String>,
    } by recipient
}

row! {
    /// One message and recipient, with its outcome.
    Delivery of "deliveries" {
        message: i64, host: String, queue_id: Option<String>, recipient: Option<String>, first_ts: Option<i64>,
        last_ts: Option<i64>, attempts: i64, outcome: Option<String>, reply: Option<String>, reason: Option<String>,
        relay_name: Option<String>, relay_ip: Option<String>,
    } by recipient
}

row! {
    /// One refusal.
    Rejection of "rejections" {
        host: String, ts: Option<i64>, stage: Option<String>, action: Option<String>, reply_code: Option<i64>, reply: Option<String>,
        reason: Option<String>, client_name: Option<String>, client_ip: Option<String>, sender: Option<String>,
        recipient: Option<String>, queue_id: Option<String>,
        session: Option<i64>,
    } by recipient
}

row! {
    /// One connection.
    Session of "sessions" {
        session: i64, host: String, service: Option<String>, connect_ts: Option<i64>, disconnect_ts: Option<i64>,
        client_name: Option<String>, client_ip: Option<String>,
        messages: i64, rejections: i64, end: Option<String>, end_stage: Option<String>,
    } by service
}

row! {
    /// One authentication.
    Login of "logins" {
        host: String, service: Option<String>, ts: Option<i64>, auth_user: Option<String>,
        auth_method: Option<String>, client_name: Option<String>, client_ip: Option<String>, success: bool,
        failure: Option<String>, attempts: Option<i64>, session: Option<i64>,
    } by auth_user
}

row! {
    /// What a filter said.
    Said of "verdicts" {
        host: String, ts: Option<i64>, queue_id: Option<String>, message: Option<i64>, program: Option<String>,
        verdict: Option<String>, score: Option<f64>, detail: Option<String>,
    } by detail
}

row! {
    /// The server about itself.
    Notice of "server_events" {
        host: String, program: Option<String>, ts: Option<i64>, severity: Option<String>, text: Option<String>,
    } by text
}

/// What stands in for a line's file.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub(super) source: i64,
    pub(super) path: String,
    pub(super) member: Option<String>,
}

/// The rows of a table that meet a condition, in the order of their places.
pub(super) fn read<R: Row>(tables: &Tables, condition: Expr) -> PolarsResult<Vec<R>> {
    let Some(frame) = tables.get(R::TABLE) else {
        return Ok(Vec::new());
    };
    let mut rows = R::rows(&chosen(frame, condition, R::COLUMNS)?)?;
    rows.sort_by(by_place);
    Ok(rows)
}

/// Orders rows of one table.
pub(super) fn by_place<R: Row>(one: &R, other: &R) -> Ordering {
    one.order().cmp(&other.order())
}

/// Some columns of the rows that meet a condition, in any order.
pub(super) fn chosen(frame: &Frame, condition: Expr, columns: &[&str]) -> PolarsResult<DataFrame> {
    let columns: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
    let rows = frame.lazy().filter(condition).select(columns);
    collect(rows, frame.is_on_disk())
}

/// The files that places name.
pub(super) fn sources(tables: &Tables) -> PolarsResult<Vec<Source>> {
    let Some(frame) = tables.get("sources") else {
        return Ok(Vec::new());
    };
    let rows = chosen(frame, lit(true), &["source", "path", "member"])?;
    let (source, path, member) = (
        rows.column("source")?,
        rows.column("path")?,
        rows.column("member")?,
    );
    let one = |row: usize| {
        Ok(Source {
            source: Cell::of(&source.get(row)?),
            path: Cell::of(&path.get(row)?),
            member: Cell::of(&member.get(row)?),
        })
    };
    (0..rows.height()).map(one).collect()
}
