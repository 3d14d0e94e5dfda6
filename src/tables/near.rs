//! What is like a key that nothing has: the same elsewhere in the logs, the same local part at another domain, an ID in
//! other case, a neighbour's address.

use std::collections::BTreeSet;

use polars::prelude::*;

use super::Tables;
use super::entity::{Entity, any, names};
use super::frame::collect;
use super::select::time_of;

/// So many are told.
const TOLD: usize = 5;

/// What is near to what was searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// First and last time of rows that name it, outside of the period or hosts that were asked for. µs UTC.
    pub elsewhere: Option<(i64, i64)>,
    /// Keys that are like it, the nearest first.
    pub alike: Vec<String>,
}

/// What is near to an entity.
pub(super) fn near(tables: &Tables, entity: &Entity) -> PolarsResult<Near> {
    let mut alike: BTreeSet<(usize, String)> = BTreeSet::new();
    for way in entity.ways() {
        alike.extend(candidates(tables, way)?);
    }
    let mut told: Vec<String> = Vec::new();
    for (_, key) in alike {
        if told.len() < TOLD && !told.contains(&key) {
            told.push(key);
        }
    }
    Ok(Near {
        elsewhere: elsewhere(tables, entity)?,
        alike: told,
    })
}

fn elsewhere(tables: &Tables, entity: &Entity) -> PolarsResult<Option<(i64, i64)>> {
    let mut whole: Option<(i64, i64)> = None;
    for (table, frame) in &tables.frames {
        let Some(ts) = time_of(table).filter(|_| super::is_of_events(table)) else {
            continue;
        };
        let ts = col(ts).cast(DataType::Int64);
        let rows = frame.lazy().filter(names(table, entity));
        let ends = rows.select([ts.clone().min().alias("first"), ts.max().alias("last")]);
        let ends = collect(ends, frame.is_on_disk())?;
        let end = |name: &str| Ok::<_, PolarsError>(ends.column(name)?.i64()?.get(0));
        if let (Some(first), Some(last)) = (end("first")?, end("last")?) {
            let (from, to) = whole.unwrap_or((first, last));
            whole = Some((from.min(first), to.max(last)));
        }
    }
    Ok(whole)
}

/// Where keys like this one are looked for.
const PLACES: &[(&str, &[&str])] = &[
    (
        "messages",
        &[
            "sender",
            "auth_user",
            "client_ip",
            "sender_domain",
            "queue_id",
            "message_id",
        ],
    ),
    ("attempts", &["orig_recipient", "next_queue_id"]),
    ("deliveries", &["recipient", "recipient_domain", "relay_ip"]),
    (
        "rejections",
        &[
            "sender",
            "recipient",
            "client_ip",
            "sender_domain",
            "recipient_domain",
        ],
    ),
    ("sessions", &["client_ip"]),
    ("logins", &["auth_user", "client_ip"]),
];

/// Keys with their distance.
fn candidates(tables: &Tables, way: &Entity) -> PolarsResult<Vec<(usize, String)>> {
    let columns: &[&str] = match way {
        Entity::Address(_) => &["sender", "recipient", "orig_recipient", "auth_user"],
        Entity::Ip(_) => &["client_ip", "relay_ip"],
        Entity::Domain(_) => &["sender_domain", "recipient_domain"],
        Entity::QueueId(_) => &["queue_id", "next_queue_id"],
        Entity::MessageId(_) => &["message_id"],
        Entity::User(_) => &["auth_user"],
        Entity::AnyOf(_) => &[],
    };
    let mut found = Vec::new();
    for (table, own) in PLACES {
        let Some(frame) = tables.get(table) else {
            continue;
        };
        for column in own.iter().filter(|column| columns.contains(column)) {
            let text = col(*column).cast(DataType::String).alias("key");
            let lower = text.clone().str().to_lowercase();
            let rows = frame
                .lazy()
                .filter(may_be_like(&lower, way).fill_null(lit(false)));
            let rows = rows.select([text]).unique(None, UniqueKeepStrategy::Any);
            let rows = collect(rows, frame.is_on_disk())?;
            let keys = rows.column("key")?.str()?.clone();
            let near = |key: &str| Some((distance(way, key)?, key.to_owned()));
            found.extend(keys.iter().flatten().filter_map(near));
        }
    }
    Ok(found)
}

/// A first, cheap choice.
fn may_be_like(lower: &Expr, way: &Entity) -> Expr {
    let key = way.key().to_lowercase();
    let begins = |with: String| lower.clone().str().starts_with(lit(with));
    match way {
        Entity::Address(_) => match key.rsplit_once('@') {
            Some((local, domain)) => any([
                begins(format!("{local}@")),
                lower.clone().str().ends_with(lit(format!("@{domain}"))),
            ]
            .into_iter()),
            None => lit(false),
        },
        Entity::Ip(_) => match key.rfind(['.', ':']) {
            Some(at) => begins(key[..=at].to_owned()),
            None => lit(false),
        },
        Entity::QueueId(_) | Entity::MessageId(_) => lower.clone().eq(lit(key)),
        Entity::Domain(_) | Entity::User(_) => lit(true),
        Entity::AnyOf(_) => lit(false),
    }
}

/// How far a key is from the one wanted; nothing when it is another altogether.
fn distance(way: &Entity, key: &str) -> Option<usize> {
    let lower = key.to_lowercase();
    let wanted = way.key().to_lowercase();
    let few = |one: &str, other: &str| {
        let most = if one.chars().count() < 6 { 1 } else { 2 };
        let edits = edits(one, other, most)?;
        (edits > 0).then_some(edits)
    };
    match way {
        Entity::Address(_) => {
            let (local, domain) = lower.rsplit_once('@')?;
            let (own, at) = wanted.rsplit_once('@')?;
            match (local == own, domain == at) {
                (true, false) => Some(edits(domain, at, 2).unwrap_or(3)),
                (false, true) => few(own, local),
                _ => None,
            }
        }
        Entity::Domain(_) => few(&wanted, &lower),
        Entity::User(_) => match lower.split_once('@') {
            Some((local, _)) if local == wanted => Some(1),
            _ => few(&wanted, &lower),
        },
        Entity::Ip(_) => last_number(&wanted)
            .zip(last_number(&lower))
            .map(|(a, b)| a.abs_diff(b)),
        Entity::QueueId(own) | Entity::MessageId(own) => (own != key).then_some(1),
        Entity::AnyOf(_) => None,
    }
}

/// The last part of an address.
fn last_number(ip: &str) -> Option<usize> {
    let (_, last) = ip.rsplit_once(['.', ':'])?;
    match ip.contains(':') {
        true => usize::from_str_radix(last, 16).ok(),
        false => last.parse().ok(),
    }
}

/// Characters to put in, take out, change or swap with the next to come from one to the other, when no more than `most`.
fn edits(one: &str, other: &str, most: usize) -> Option<usize> {
    if one.chars().count().abs_diff(other.chars().count()) > most {
        return None;
    }
    Some(strsim::osa_distance(one, other)).filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_counted() {
        for (one, other, count) in [
            ("anna", "anna", Some(0)),
            ("anna", "ana", Some(1)),
            ("novak", "novka", Some(1)),
            ("carla.novak", "carla.nowack", Some(2)),
            ("anna", "bert", None),
            ("", "ab", Some(2)),
        ] {
            assert_eq!(edits(one, other, 2), count, "{one} {other}");
        }
    }

    #[test]
    fn what_is_like_a_key_is_near() {
        let address = Entity::Address("carla.novak@corp.example".into());
        for (key, far) in [
            ("carla.novak@corp.exmaple", Some(1)),
            ("Carla.Novak@elsewhere.example", Some(3)),
            ("carla.nowak@corp.example", Some(1)),
            ("dora@corp.example", None),
            ("carla.novak@corp.example", None),
        ] {
            assert_eq!(distance(&address, key), far, "{key}");
        }
        let ip = Entity::Ip("192.0.2.7".into());
        assert_eq!(distance(&ip, "192.0.2.9"), Some(2));
        let user = Entity::User("anna".into());
        assert_eq!(distance(&user, "anna@corp.example"), Some(1));
    }
}
