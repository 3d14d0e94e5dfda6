//! Narrowing the tables: by time, by host, by what touches one entity.
//!
//! Correlation has seen everything by then, so that a message keeps its head and its outcome when only one of
//! them lies in the period: a row is kept by its own time.

use std::collections::HashSet;
use std::sync::Arc;

use polars::prelude::*;

use super::frame::collect;
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
}

/// Something that messages, sessions and logins can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Entity {
    Address(String),
    Ip(String),
    Domain(String),
    QueueId(String),
}

impl Entity {
    /// What a key given by the user is: an address has `@`, an IP address parses, a domain has a dot, and what looks
    /// like a queue ID is one.
    ///
    /// # Errors
    /// What is wrong with a key that is none of these, in words.
    pub fn new(key: &str) -> Result<Self, String> {
        let key = key.trim().trim_matches(['<', '>', '[', ']']);
        if let Ok(ip) = key.parse::<std::net::IpAddr>() {
            // As servers log it: an IPv6 address in its shortest form.
            return Ok(Entity::Ip(ip.to_string()));
        }
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err("one address, IP address, domain or queue ID is needed".into());
        }
        if key.contains('@') {
            return Ok(Entity::Address(key.to_ascii_lowercase()));
        }
        if let Some((net, _)) = key.split_once('/')
            && net.parse::<std::net::IpAddr>().is_ok()
        {
            return Err(
                "a network is not one address; `mtaudit sql` can select its clients".into(),
            );
        }
        if key.contains('.') {
            return Ok(Entity::Domain(
                key.trim_start_matches('.').to_ascii_lowercase(),
            ));
        }
        if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Entity::QueueId(key.to_owned()));
        }
        Err("this is no address, IP address, domain or queue ID".into())
    }

    /// The key as it is searched for in text.
    fn key(&self) -> &str {
        match self {
            Entity::Address(key) | Entity::Ip(key) | Entity::Domain(key) | Entity::QueueId(key) => {
                key
            }
        }
    }
}

/// The time of a row, by table; `None` for tables that describe the sources.
fn time_of(table: &str) -> Option<&'static str> {
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

/// Columns that name an entity, by table.
fn columns_of(table: &str, entity: &Entity) -> &'static [&'static str] {
    match (table, entity) {
        ("messages", Entity::Address(_)) => &["sender", "auth_user"],
        ("messages", Entity::Ip(_)) => &["client_ip"],
        ("messages", Entity::Domain(_)) => &["sender_domain", "client_name", "auth_user"],
        ("attempts", Entity::Address(_)) => &["recipient", "orig_recipient"],
        ("attempts", Entity::Ip(_)) => &["relay_ip"],
        ("attempts", Entity::Domain(_)) => &["recipient_domain", "relay_name"],
        ("deliveries", Entity::Address(_)) => &["recipient"],
        ("deliveries", Entity::Ip(_)) => &["relay_ip"],
        ("deliveries", Entity::Domain(_)) => &["recipient_domain", "relay_name"],
        ("rejections", Entity::Address(_)) => &["sender", "recipient", "auth_user"],
        ("rejections", Entity::Ip(_)) => &["client_ip"],
        ("rejections", Entity::Domain(_)) => {
            &["sender_domain", "recipient_domain", "helo", "client_name"]
        }
        ("sessions" | "logins", Entity::Address(_)) => &["auth_user"],
        ("sessions" | "logins", Entity::Ip(_)) => &["client_ip"],
        ("sessions" | "logins", Entity::Domain(_)) => &["client_name", "auth_user"],
        ("verdicts", Entity::Address(_)) => &["sender", "recipient"],
        ("verdicts", Entity::Ip(_)) => &["client_ip"],
        (
            "messages" | "attempts" | "deliveries" | "rejections" | "verdicts",
            Entity::QueueId(_),
        ) => &["queue_id"],
        _ => &[],
    }
}

impl Selection {
    /// The tables with the rows kept.
    ///
    /// # Errors
    /// Those of polars.
    pub fn apply(&self, tables: Tables) -> PolarsResult<Tables> {
        let touched = match &self.about {
            Some(entity) => Some((entity, touched(&tables, entity)?)),
            None => None,
        };
        let mut frames = Vec::with_capacity(tables.frames.len());
        for (name, frame) in tables.frames {
            let mut keep = self.by_time(name).and(self.by_host(&frame));
            if let Some((entity, touched)) = &touched {
                keep = keep.and(by_entity(name, entity, touched));
            }
            let kept = if self.is_all() {
                frame
            } else {
                frame.filter(keep)?
            };
            frames.push((name, kept));
        }
        Ok(Tables { frames })
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

fn any(conditions: impl Iterator<Item = Expr>) -> Expr {
    conditions.reduce(Expr::or).unwrap_or(lit(false))
}

fn names(table: &str, entity: &Entity) -> Expr {
    any(columns_of(table, entity).iter().map(|column| {
        let column = col(*column);
        let found = match entity {
            Entity::QueueId(id) => column.eq(lit(id.clone())),
            Entity::Address(key) | Entity::Ip(key) => {
                column.str().to_lowercase().eq(lit(key.clone()))
            }
            Entity::Domain(key) => {
                let lower = column.str().to_lowercase();
                lower
                    .clone()
                    .eq(lit(key.clone()))
                    .or(lower.clone().str().ends_with(lit(format!(".{key}"))))
                    .or(lower.str().ends_with(lit(format!("@{key}"))))
            }
        };
        found.fill_null(lit(false))
    }))
}

/// What the server says of itself touches an entity when it names it.
fn mentions(entity: &Entity) -> Expr {
    let text = match entity {
        Entity::QueueId(_) => col("text"),
        _ => col("text").str().to_lowercase(),
    };
    let found = text.str().contains_literal(lit(entity.key().to_owned()));
    found.fill_null(lit(false))
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

/// Keys of rows: of messages or of sessions.
type Keys = HashSet<i64>;

/// Whether a key is among these. A set of polars' own would be built anew for each batch of rows.
fn is_in(key: &str, among: &Arc<Keys>) -> Expr {
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
struct Touched {
    /// Messages that name it, or were tried to or from it, with all their parents and children.
    messages: Arc<Keys>,
    /// Tables in which rows name it that are of no known message.
    keyless: Vec<&'static str>,
    /// Connections that these messages came in by: their logins are those of the messages.
    brought: Arc<Keys>,
    /// These, those that name it, and those of refusals and logins that name it.
    sessions: Arc<Keys>,
}

fn touched(tables: &Tables, entity: &Entity) -> PolarsResult<Touched> {
    let (mut messages, mut keyless) = (Keys::new(), Vec::new());
    for table in ["messages", "attempts", "deliveries", "verdicts"] {
        let named = keys(tables, table, names(table, entity), "message")?;
        messages.extend(named.iter().flatten());
        if named.contains(&None) {
            keyless.push(table);
        }
    }
    if let Some(all) = tables.get("messages") {
        messages = spread(messages, all)?;
    }
    let messages = Arc::new(messages);
    let brought = keys(tables, "messages", is_in("message", &messages), "session")?;
    let brought: Keys = brought.into_iter().flatten().collect();
    let mut sessions = brought.clone();
    for table in ["sessions", "rejections", "logins"] {
        let named = keys(tables, table, names(table, entity), "session")?;
        sessions.extend(named.into_iter().flatten());
    }
    Ok(Touched {
        messages,
        keyless,
        brought: Arc::new(brought),
        sessions: Arc::new(sessions),
    })
}

/// Keys that these rows of a table name; nothing for those that name none.
fn keys(tables: &Tables, table: &str, rows: Expr, key: &str) -> PolarsResult<HashSet<Option<i64>>> {
    let Some(frame) = tables.get(table) else {
        return Ok(HashSet::new());
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart() {
        let is = |key: &str, entity: Entity| assert_eq!(Entity::new(key), Ok(entity), "{key}");
        is(
            "<Alice@Corp.example>",
            Entity::Address("alice@corp.example".into()),
        );
        is("[192.0.2.1]", Entity::Ip("192.0.2.1".into()));
        is("2001:DB8::1", Entity::Ip("2001:db8::1".into()));
        is("2001:0db8:0::1", Entity::Ip("2001:db8::1".into()));
        is("corp.example", Entity::Domain("corp.example".into()));
        is(".Corp.example", Entity::Domain("corp.example".into()));
        is("4F3kz92abc", Entity::QueueId("4F3kz92abc".into()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in [
            "",
            "  ",
            "<>",
            "192.0.2.0/24",
            "2001:db8::/32",
            "a b",
            "a,b",
        ] {
            assert!(Entity::new(key).is_err(), "{key:?}");
        }
    }
}
