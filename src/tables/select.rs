//! Narrowing the tables: by time, by host, by what touches one entity.
//!
//! Correlation has seen everything by then, so that a message keeps its head and its outcome when only one of
//! them lies in the period: a row is kept by its own time.

use std::collections::HashSet;

use polars::prelude::*;

pub use super::entity::Entity;
use super::entity::{any, mentions, names};
use super::frame::collect;
use super::near::{Near, near};
use super::touch::{Keys, Touched, is_in, touched};
use super::{Frame, Tables};

/// What to keep.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// First moment, µs UTC.
    pub since: Option<i64>,
    /// First moment after, µs UTC.
    pub until: Option<i64>,
    /// Hosts, as logged; empty = all.
    pub hosts: Vec<String>,
    /// What the report is about.
    pub about: Option<Entity>,
    /// What touches it is wanted whole: period and hosts choose the rows that name it, and all that belongs to these is
    /// kept, wherever and whenever it was, with the same message on other hosts and what else was refused in the
    /// connections that brought it.
    pub whole: bool,
}

/// What a search came to, besides rows.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Messages that name what is searched for themselves, or a row of theirs does.
    pub messages: Keys,
    /// Source and line of refusals, logins and connections that name it, where it is wanted whole.
    pub places: HashSet<(i64, i64)>,
    /// When nothing does.
    pub near: Option<Near>,
}

/// The time of a row, by table; `None` for tables that describe the sources.
pub(super) fn time_of(table: &str) -> Option<&'static str> {
    match table {
        "messages" => Some("received_ts"),
        "deliveries" => Some("last_ts"),
        "sessions" => Some("connect_ts"),
        "attempts" | "rejections" | "logins" | "verdicts" | "server_events" => Some("ts"),
        "activity" => Some("last_ts"),
        "clock_steps" => Some("to_ts"),
        _ => None,
    }
}

impl Selection {
    /// The tables with the rows kept.
    ///
    /// # Errors
    /// Those of polars.
    pub fn apply(&self, tables: Tables) -> PolarsResult<Tables> {
        self.find(tables).map(|(tables, _)| tables)
    }

    /// The same, and what was found of what it is about.
    ///
    /// # Errors
    /// Those of polars.
    pub fn find(&self, tables: Tables) -> PolarsResult<(Tables, Found)> {
        let mut found = Found::default();
        let touched = match &self.about {
            Some(entity) => Some((entity, touched(&tables, entity, self)?)),
            None => None,
        };
        if let Some((entity, touched)) = &touched {
            found.messages = touched.named.clone();
            if self.whole {
                found.places = self.places(&tables, entity)?;
            }
            if self.whole
                && touched.is_nothing()
                && found.places.is_empty()
                && !self.is_mentioned(&tables, entity)?
            {
                found.near = Some(near(&tables, entity)?);
            }
        }
        let mut frames = Vec::with_capacity(tables.frames.len());
        for (name, frame) in tables.frames {
            let keep = match &touched {
                Some((entity, touched)) if self.whole => self.whole(&frame, name, entity, touched),
                Some((entity, touched)) => {
                    let own = self.by_time(name).and(self.by_host(&frame));
                    own.and(by_entity(name, entity, touched))
                }
                None => self.by_time(name).and(self.by_host(&frame)),
            };
            let kept = if self.is_all() {
                frame
            } else {
                frame.filter(keep)?
            };
            frames.push((name, kept));
        }
        Ok((Tables { frames }, found))
    }

    /// Rows of a table that name an entity, and are chosen by time and host where it is wanted whole.
    pub(super) fn named(&self, frame: &Frame, table: &str, entity: &Entity) -> Expr {
        let named = names(table, entity);
        match self.whole {
            true => named.and(self.by_time(table)).and(self.by_host(frame)),
            false => named,
        }
    }

    /// Rows that are kept of an entity that is wanted whole.
    fn whole(&self, frame: &Frame, table: &str, entity: &Entity, touched: &Touched) -> Expr {
        let named = || self.named(frame, table, entity);
        let of_messages = || is_in("message", &touched.messages);
        match table {
            "messages" | "attempts" | "deliveries" | "verdicts" => named().or(of_messages()),
            "sessions" => is_in("session", &touched.sessions),
            "logins" | "rejections" => named().or(is_in("session", &touched.brought)),
            "server_events" => {
                let asked = self.by_time(table).and(self.by_host(frame));
                mentions(entity).and(asked)
            }
            _ => lit(true),
        }
    }

    fn places(&self, tables: &Tables, entity: &Entity) -> PolarsResult<HashSet<(i64, i64)>> {
        let mut places = HashSet::new();
        for table in ["rejections", "logins", "sessions"] {
            let Some(frame) = tables.get(table) else {
                continue;
            };
            let rows = frame.lazy().filter(self.named(frame, table, entity));
            let rows = collect(
                rows.select([col("source"), col("line")]),
                frame.is_on_disk(),
            )?;
            let (source, line) = (rows.column("source")?.i64()?, rows.column("line")?.i64()?);
            let pairs = source.iter().zip(line.iter());
            places.extend(pairs.filter_map(|(source, line)| source.zip(line)));
        }
        Ok(places)
    }

    /// Whether a server says something of an entity.
    fn is_mentioned(&self, tables: &Tables, entity: &Entity) -> PolarsResult<bool> {
        let Some(frame) = tables.get("server_events") else {
            return Ok(false);
        };
        let asked = self.by_time("server_events").and(self.by_host(frame));
        frame.any(mentions(entity).and(asked))
    }

    fn is_all(&self) -> bool {
        self.since.is_none()
            && self.until.is_none()
            && self.hosts.is_empty()
            && self.about.is_none()
    }

    fn by_time(&self, table: &str) -> Expr {
        let Some(column) = time_of(table) else {
            return lit(true);
        };
        // A message or session whose beginning is not in the logs is kept by its end.
        let ts = match table {
            "messages" => coalesce(&[col(column), col("removed_ts")]),
            "sessions" => coalesce(&[col(column), col("disconnect_ts")]),
            _ => col(column),
        };
        let at = |ts: i64| lit(ts).cast(DataType::Datetime(TimeUnit::Microseconds, None));
        let since = self
            .since
            .map_or(lit(true), |since| ts.clone().gt_eq(at(since)));
        // A bucket counts when a part of it is in the period.
        let first = match table {
            "activity" => col("first_ts"),
            _ => ts,
        };
        let until = self.until.map_or(lit(true), |until| first.lt(at(until)));
        since.and(until)
    }

    fn by_host(&self, frame: &Frame) -> Expr {
        if self.hosts.is_empty() || !frame.has("host") {
            return lit(true);
        }
        any(self
            .hosts
            .iter()
            .map(|host| col("host").eq(lit(host.clone()))))
    }
}

fn by_entity(table: &str, entity: &Entity, touched: &Touched) -> Expr {
    let named = names(table, entity);
    match table {
        "messages" | "attempts" | "deliveries" | "verdicts" => {
            let keyed = is_in("message", &touched.messages);
            // Looking for a key is far cheaper than looking into texts, and rows that are named are nearly all keyed.
            if touched.keyless.contains(&table) {
                named.or(keyed)
            } else {
                keyed
            }
        }
        "sessions" => is_in("session", &touched.sessions),
        "logins" => named.or(is_in("session", &touched.brought)),
        "rejections" => named,
        "server_events" => mentions(entity),
        // The sources are what the report rests on.
        _ => lit(true),
    }
}
