//! The way of a message: from where it came in to where it is now, over filters, aliases, hosts, notices and tries.
//!
//! [`trace`] makes of the rows that a selection kept ([`crate::tables::select::Selection::whole`]) a plain value that can
//! be shown: [`Traced`]. `paths` says which rows are one message, `path` how they hang together, `words` and `beside` what
//! each step means, `verdict` where it is now; [`text`] shows it on a terminal, the templates under `templates/trace/` in the
//! other formats. `mtaudit trace` is who uses it.

mod beside;
pub mod page;
mod path;
mod paths;
mod rows;
mod steps;
pub mod text;
mod verdict;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use polars::prelude::*;
use serde::Serialize;

use crate::source;
use crate::tables::Tables;
use crate::tables::select::Found;
use crate::tables::touch::{Keys, is_in};
use path::Path;
use paths::Way;
use rows::{Row, read};

/// Everything that is known of a key.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Traced {
    pub key: String,
    /// What the key was taken for: `an address`, `a queue ID or a user`.
    pub taken_for: String,
    pub covers: Covers,
    /// What there is.
    pub total: Totals,
    /// `newest` or `oldest`: which come first, and are shown where not all are.
    pub first: &'static str,
    pub messages: Vec<Trace>,
    /// What belongs to no message: refusals, logins, connections without mail, words of servers and filters.
    pub others: Vec<Step>,
    pub timezone: String,
}

/// What the logs cover.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Covers {
    pub first: Option<String>,
    pub last: Option<String>,
    pub hosts: Vec<String>,
    /// What was asked for of it.
    pub asked: Vec<String>,
}

/// Counts of what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Totals {
    pub messages: u64,
    pub refusals: u64,
    pub logins: u64,
    pub failed_logins: u64,
    pub connections: u64,
    pub notes: u64,
}

impl Totals {
    /// Steps that belong to no message.
    pub fn others(&self) -> u64 {
        self.refusals + self.logins + self.failed_logins + self.connections + self.notes
    }
}

/// One message.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Trace {
    /// Who to whom, and where it is now.
    pub verdict: String,
    /// `delivered`, `open`, `bounced`, `expired`, `discarded`, `refused`, `unknown`, or `mixed` for several recipients.
    pub state: &'static str,
    pub received: Option<String>,
    pub sender: Option<String>,
    pub recipients: Vec<String>,
    pub message_id: Option<String>,
    pub size: Option<i64>,
    pub hops: Vec<Hop>,
    pub steps: Vec<Step>,
}

/// A queue ID that a message had on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Hop {
    pub host: String,
    pub queue_id: String,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Step {
    pub ts: Option<String>,
    pub host: String,
    pub queue_id: Option<String>,
    /// `received`, `tried`, `ended`, `refused`, `login`, `connected`, `said`, `noted`.
    pub kind: &'static str,
    /// Of a try, an end or a refusal.
    pub recipient: Option<String>,
    /// `status` of a try, `outcome` of an end, `action` of a refusal, `success` or `failure` of a login.
    pub status: Option<String>,
    pub text: String,
    pub file: String,
    pub line: i64,
    #[serde(skip)]
    at: Option<i64>,
    #[serde(skip)]
    source: i64,
}

/// How a trace is to be made.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Asked {
    pub key: String,
    pub taken_for: String,
    /// An address that the verdicts are about.
    pub focus: Option<String>,
    pub covers: Covers,
    pub zone: Tz,
    pub limit: usize,
    pub newest: bool,
    /// The last line of each host, µs UTC.
    pub ends: BTreeMap<String, i64>,
}

/// The trace of what was kept.
///
/// # Errors
/// Those of polars.
pub fn trace(tables: &Tables, found: &Found, asked: &Asked) -> PolarsResult<Traced> {
    let scribe = Scribe::new(tables, asked)?;
    let mut ways = paths::ways(tables, &found.messages)?;
    let all = ways.len() as u64;
    if asked.newest {
        ways.reverse();
    }
    ways.truncate(asked.limit);
    let messages = paths(tables, &ways)?;
    let messages = messages.iter().map(|path| scribe.trace(path)).collect();
    let (mut others, mut total) = scribe.others(tables, found)?;
    total.messages = all;
    if asked.newest {
        others.reverse();
    }
    others.truncate(asked.limit);
    Ok(Traced {
        key: asked.key.clone(),
        taken_for: asked.taken_for.clone(),
        covers: asked.covers.clone(),
        total,
        first: if asked.newest { "newest" } else { "oldest" },
        messages,
        others,
        timezone: asked.zone.to_string(),
    })
}

/// The rows of each way, read together and given to each its own.
fn paths(tables: &Tables, ways: &[Way]) -> PolarsResult<Vec<Path>> {
    let keys: Keys = ways
        .iter()
        .flat_map(|way| way.keys.iter().copied())
        .collect();
    let mut way_of: HashMap<i64, usize> = HashMap::new();
    for (number, way) in ways.iter().enumerate() {
        way_of.extend(way.keys.iter().map(|key| (*key, number)));
    }
    let keys = Arc::new(keys);
    let own = || is_in("message", &keys);
    let messages = shared(read(tables, own())?, ways.len(), |row: &rows::Message| {
        way_of.get(&row.message).copied()
    });
    let attempts = shared(read(tables, own())?, ways.len(), |row: &rows::Attempt| {
        way_of.get(&row.message).copied()
    });
    let deliveries = shared(read(tables, own())?, ways.len(), |row: &rows::Delivery| {
        way_of.get(&row.message).copied()
    });
    let said = shared(read(tables, own())?, ways.len(), |row: &rows::Said| {
        way_of.get(&row.message?).copied()
    });
    let rows = messages.into_iter().zip(attempts).zip(deliveries).zip(said);
    let paths = ways.iter().zip(rows);
    let mut paths: Vec<Path> = paths
        .map(|(way, (((messages, attempts), deliveries), said))| {
            let mut path = Path::new(way, messages);
            path.tried(attempts);
            path.deliveries = deliveries;
            path.said = said;
            path
        })
        .collect();
    add_connections(tables, &mut paths)?;
    Ok(paths)
}

/// Refusals and logins in the connections that brought the messages.
fn add_connections(tables: &Tables, paths: &mut [Path]) -> PolarsResult<()> {
    let sessions = paths.iter().flat_map(|path| &path.messages);
    let sessions: Keys = sessions.filter_map(|message| message.session).collect();
    let within = || is_in("session", &Arc::new(sessions.clone()));
    let mut refused: HashMap<i64, Vec<rows::Rejection>> = HashMap::new();
    for row in read::<rows::Rejection>(tables, within())? {
        refused
            .entry(row.session.unwrap_or_default())
            .or_default()
            .push(row);
    }
    let mut logins: HashMap<i64, Vec<rows::Login>> = HashMap::new();
    for row in read::<rows::Login>(tables, within())? {
        logins
            .entry(row.session.unwrap_or_default())
            .or_default()
            .push(row);
    }
    for path in paths {
        let mut brought: Vec<i64> = path
            .messages
            .iter()
            .filter_map(|message| message.session)
            .collect();
        brought.sort_unstable();
        brought.dedup();
        for session in brought {
            let own = refused.get(&session).into_iter().flatten();
            let own = own.filter(|row| belongs(path, row)).cloned();
            let own: Vec<rows::Rejection> = own.collect();
            path.rejections.extend(own);
            path.logins
                .extend(logins.get(&session).into_iter().flatten().cloned());
        }
    }
    Ok(())
}

/// A refusal in the connection of a message is of the message when it has its queue ID, or before it has one, its sender.
fn belongs(path: &Path, row: &rows::Rejection) -> bool {
    path.messages.iter().any(|message| {
        let same_id = row.queue_id.is_some() && row.queue_id == message.queue_id;
        let same_sender = row.sender.is_some() && row.sender == message.sender;
        row.session == message.session && row.host == message.host && (same_id || same_sender)
    })
}

/// Rows by the way that each is of.
fn shared<R: Row>(rows: Vec<R>, ways: usize, way: impl Fn(&R) -> Option<usize>) -> Vec<Vec<R>> {
    let mut all: Vec<Vec<R>> = Vec::new();
    all.resize_with(ways, Vec::new);
    for row in rows {
        if let Some(own) = way(&row).and_then(|way| all.get_mut(way)) {
            own.push(row);
        }
    }
    all
}

/// Who writes steps: knows the files, the zone and the ends of the logs.
struct Scribe<'a> {
    asked: &'a Asked,
    files: HashMap<i64, String>,
}

impl Scribe<'_> {
    fn new<'a>(tables: &Tables, asked: &'a Asked) -> PolarsResult<Scribe<'a>> {
        let files = rows::sources(tables)?.into_iter();
        let files = files.map(|row| (row.source, source::shown(&row.path, row.member.as_deref())));
        Ok(Scribe {
            asked,
            files: files.collect(),
        })
    }

    /// A time as it is written.
    fn time(&self, ts: i64) -> Option<String> {
        let utc = DateTime::<Utc>::from_timestamp_micros(ts)?;
        let local = utc.with_timezone(&self.asked.zone);
        Some(local.to_rfc3339_opts(SecondsFormat::AutoSi, false))
    }

    /// A time as it stands in a sentence.
    fn when(&self, ts: i64) -> String {
        when(&crate::tables::zone::rfc3339(self.asked.zone, ts))
    }

    /// The end of the logs of a host, in words.
    fn end(&self, host: &str) -> String {
        let end = self.asked.ends.get(host);
        end.map_or_else(
            || "a time that is not known".to_owned(),
            |ts| self.when(*ts),
        )
    }
}

/// A time without the fraction of its second, to be read.
pub(crate) fn when(rfc3339: &str) -> String {
    match DateTime::parse_from_rfc3339(rfc3339) {
        Ok(time) => time.format("%Y-%m-%d %H:%M:%S%:z").to_string(),
        Err(_) => rfc3339.to_owned(),
    }
}

/// The connections that brought any message that was kept, and what is told with these.
#[derive(Default)]
struct Brought {
    sessions: HashSet<i64>,
    ids: HashSet<(i64, String)>,
    senders: HashSet<(i64, String)>,
}

impl Brought {
    fn of(tables: &Tables) -> PolarsResult<Brought> {
        let mut brought = Brought::default();
        let Some(messages) = tables.get("messages") else {
            return Ok(brought);
        };
        let columns = ["session", "queue_id", "sender"];
        let rows = rows::chosen(messages, col("session").is_not_null(), &columns)?;
        let sessions = rows.column("session")?.i64()?;
        let (ids, senders) = (
            rows.column("queue_id")?.str()?,
            rows.column("sender")?.str()?,
        );
        for ((session, id), sender) in sessions.iter().zip(ids.iter()).zip(senders.iter()) {
            let Some(session) = session else { continue };
            brought.sessions.insert(session);
            brought.ids.extend(id.map(|id| (session, id.to_owned())));
            brought
                .senders
                .extend(sender.map(|sender| (session, sender.to_owned())));
        }
        Ok(brought)
    }

    fn has(&self, session: i64) -> bool {
        self.sessions.contains(&session)
    }

    /// Whether a refusal is a step of a message, see [`belongs`].
    fn tells(&self, row: &rows::Rejection) -> bool {
        let Some(session) = row.session else {
            return false;
        };
        let among = |all: &HashSet<(i64, String)>, text: &Option<String>| {
            let text = text.clone();
            text.is_some_and(|text| all.contains(&(session, text)))
        };
        among(&self.ids, &row.queue_id) || among(&self.senders, &row.sender)
    }
}
