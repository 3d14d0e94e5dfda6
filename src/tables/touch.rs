//! What belongs to rows that name an entity: messages with those they came from and became, connections, logins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use polars::prelude::*;

use super::entity::Entity;
use super::frame::collect;
use super::select::Selection;
use super::{Frame, Tables};

/// Keys of rows: of messages or of sessions.
pub type Keys = HashSet<i64>;

/// Whether a key is among these. A set of polars' own would be built anew for each batch of rows.
pub(crate) fn is_in(key: &str, among: &Arc<Keys>) -> Expr {
    let among = among.clone();
    let known = move |keys: Column| {
        let keys = keys.i64()?.iter();
        let known: BooleanChunked = keys
            .map(|key| Some(key.is_some_and(|key| among.contains(&key))))
            .collect();
        Ok(known.into_column())
    };
    let kind = |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Boolean));
    col(key).map(known, kind)
}

/// Keys of what touches an entity.
pub(super) struct Touched {
    /// Messages that name it themselves, or a row of theirs does.
    pub(super) named: Keys,
    /// Messages that name it, or were tried to or from it, with all their parents and children.
    pub(super) messages: Arc<Keys>,
    /// Tables in which rows name it that are of no known message.
    pub(super) keyless: Vec<&'static str>,
    /// Connections that these messages came in by: their logins are those of the messages.
    pub(super) brought: Arc<Keys>,
    /// These, those that name it, and those of refusals and logins that name it.
    pub(super) sessions: Arc<Keys>,
}

impl Touched {
    /// No message, no connection, no row of either.
    pub(super) fn is_nothing(&self) -> bool {
        self.messages.is_empty() && self.sessions.is_empty() && self.keyless.is_empty()
    }
}

pub(super) fn touched(
    tables: &Tables,
    entity: &Entity,
    selection: &Selection,
) -> PolarsResult<Touched> {
    let of = |table: &'static str, key: &str| match tables.get(table) {
        Some(frame) => keys(frame, selection.named(frame, table, entity), key),
        None => Ok(HashSet::new()),
    };
    let (mut named, mut keyless) = (Keys::new(), Vec::new());
    for table in ["messages", "attempts", "deliveries", "verdicts"] {
        let own = of(table, "message")?;
        named.extend(own.iter().flatten());
        if own.contains(&None) {
            keyless.push(table);
        }
    }
    let mut messages = named.clone();
    let mut brought = Keys::new();
    if let Some(all) = tables.get("messages") {
        messages = spread(messages, all)?;
        if selection.whole {
            messages = over_hosts(messages, all)?;
        }
        let messages = Arc::new(messages.clone());
        let sessions = keys(all, is_in("message", &messages), "session")?;
        brought = sessions.into_iter().flatten().collect();
    }
    let mut sessions = brought.clone();
    for table in ["sessions", "rejections", "logins"] {
        sessions.extend(of(table, "session")?.into_iter().flatten());
    }
    Ok(Touched {
        named,
        messages: Arc::new(messages),
        keyless,
        brought: Arc::new(brought),
        sessions: Arc::new(sessions),
    })
}

/// Keys that these rows of a table name; nothing for those that name none.
fn keys(frame: &Frame, rows: Expr, key: &str) -> PolarsResult<HashSet<Option<i64>>> {
    let rows = frame.lazy().filter(rows).select([col(key)]);
    let rows = collect(rows, frame.is_on_disk())?;
    Ok(rows.column(key)?.i64()?.iter().collect())
}

/// Adds parents and children until nothing is added: each round reaches one hop further, and hops are few.
fn spread(found: Keys, messages: &Frame) -> PolarsResult<Keys> {
    let mut found = Arc::new(found);
    loop {
        let near = is_in("message", &found).or(is_in("parent", &found));
        let links = messages
            .lazy()
            .filter(col("parent").is_not_null().and(near));
        let links = links.select([col("message"), col("parent")]);
        let links = collect(links, messages.is_on_disk())?;
        let mut more = Keys::clone(&found);
        for key in ["message", "parent"] {
            more.extend(links.column(key)?.i64()?.iter().flatten());
        }
        if more.len() == found.len() {
            return Ok(more);
        }
        found = Arc::new(more);
    }
}

/// How far apart the stations of a message on two hosts are at most, beyond the time it was in the queue of one, µs:
/// their clocks may differ.
pub const APART: i64 = 300_000_000;

/// Adds the same messages on other hosts, by Message-ID and time, with their parents and children. Where no reply
/// names the next queue ID, and where hosts were converted apart, nothing else tells.
fn over_hosts(mut found: Keys, messages: &Frame) -> PolarsResult<Keys> {
    if found.is_empty() || !several_hosts(messages)? {
        return Ok(found);
    }
    loop {
        let own = stations(messages, is_in("message", &Arc::new(found.clone())))?;
        let ids: HashSet<&str> = own.iter().map(|station| &*station.message_id).collect();
        if ids.is_empty() {
            return Ok(found);
        }
        let among = Series::new("".into(), ids.into_iter().collect::<Vec<_>>());
        let alike = col("message_id").is_in(lit(among).implode(false), false);
        let alike = stations(messages, alike)?;
        let mut by_id: HashMap<&str, Vec<&Station>> = HashMap::new();
        for station in &own {
            by_id.entry(&station.message_id).or_default().push(station);
        }
        let same = alike.iter().filter(|other| {
            let near = by_id.get(&*other.message_id);
            near.is_some_and(|near| near.iter().any(|one| one.goes_on(other)))
        });
        let before = found.len();
        found.extend(same.map(|station| station.message));
        if found.len() == before {
            return Ok(found);
        }
        found = spread(found, messages)?;
    }
}

fn several_hosts(messages: &Frame) -> PolarsResult<bool> {
    let first = messages.lazy().limit(1).select([col("host")]);
    let first = collect(first, messages.is_on_disk())?;
    let host = first.column("host")?.get(0).ok();
    match host.as_ref().and_then(|host| host.get_str()) {
        Some(host) => messages.any(col("host").neq(lit(host.to_owned()))),
        None => Ok(false),
    }
}

/// A message on one host.
struct Station {
    message: i64,
    host: String,
    message_id: String,
    received: Option<i64>,
    removed: Option<i64>,
}

impl Station {
    /// On another host, while it was here or here while it was there.
    fn goes_on(&self, other: &Station) -> bool {
        let within = |one: &Station, other: &Station| {
            let from = one.received.unwrap_or(i64::MIN).saturating_sub(APART);
            let to = one.removed.unwrap_or(i64::MAX).saturating_add(APART);
            other.received.is_none_or(|at| from <= at && at <= to)
        };
        self.host != other.host && (within(self, other) || within(other, self))
    }
}

/// The messages that these rows are, where they have a Message-ID.
fn stations(messages: &Frame, rows: Expr) -> PolarsResult<Vec<Station>> {
    let columns = ["message", "host", "message_id", "received_ts", "removed_ts"].map(col);
    let rows = messages
        .lazy()
        .filter(col("message_id").is_not_null().and(rows));
    let rows = rows
        .select(columns)
        .with_columns([col("received_ts"), col("removed_ts")].map(|ts| ts.cast(DataType::Int64)))
        .with_columns([col("host"), col("message_id")].map(|text| text.cast(DataType::String)));
    let rows = collect(rows, messages.is_on_disk())?;
    let text = |name: &str| Ok::<_, PolarsError>(rows.column(name)?.str()?.clone());
    let number = |name: &str| Ok::<_, PolarsError>(rows.column(name)?.i64()?.clone());
    let (hosts, ids) = (text("host")?, text("message_id")?);
    let (keys, received, removed) = (
        number("message")?,
        number("received_ts")?,
        number("removed_ts")?,
    );
    let station = |row: usize| {
        Some(Station {
            message: keys.get(row)?,
            host: hosts.get(row).unwrap_or_default().to_owned(),
            message_id: ids.get(row)?.to_owned(),
            received: received.get(row),
            removed: removed.get(row),
        })
    };
    Ok((0..rows.height()).filter_map(station).collect())
}
