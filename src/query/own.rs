//! Tables of the run, not of the logs: what was asked for, who is known, and what the other queries can answer.
//!
//! No file of `convert` has them; `mtaudit sql` prints them. They are made when a statement names them:
//!
//! * `period`: one row, the time that was asked for (`since_ts, until_ts, since_second, until_second`), and whether the
//!   tables hold only what touches one entity (`narrowed`).
//! * `holidays`: `day`, from the configuration.
//! * `clients`: each address that a client had, with its network (`client_ip, network, block, kind`).
//! * `before_messages` and so on: the tables of the period that `--baseline` names.
//! * `questions`: each query of the library and whether the logs can answer it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::NaiveDate;
use ipnet::IpNet;
use polars::prelude::{
    Column, DataFrame, DataType, PolarsResult, TimeUnit, UniqueKeepStrategy, col,
};

use super::parts::Statement;
use crate::report::Question;
use crate::tables::Frame;
use crate::tables::frame::collect;

/// Name of the table of questions.
pub const QUESTIONS: &str = "questions";

/// Name of the table of clients.
pub const CLIENTS: &str = "clients";

/// Every table of a run.
pub const NAMES: [&str; 4] = [CLIENTS, "holidays", "period", QUESTIONS];

/// What the user says about the world that the logs are of.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Networks with the word for who is there: `trusted`, `relay`, `scanner`. The narrowest counts.
    pub networks: Vec<(IpNet, &'static str)>,
    /// Days on which few work.
    pub holidays: BTreeSet<NaiveDate>,
}

/// How the tables of an earlier period are called: `before_messages`.
pub(super) const BEFORE: &str = "before_";

/// The tables of an earlier period that a statement reads.
pub(super) fn before(statement: &Statement) -> impl Iterator<Item = &str> {
    statement.tables().filter(|name| name.starts_with(BEFORE))
}

/// The table of the earlier period.
pub(super) fn then(now: &str) -> String {
    format!("{BEFORE}{now}")
}

/// The table of the period itself.
pub(super) fn now(before: &str) -> &str {
    before.strip_prefix(BEFORE).unwrap_or(before)
}

/// What was asked for: the first moment of the period and the first one after it, null where there is none, and whether
/// it is about one entity.
pub(super) fn period(since: Option<i64>, until: Option<i64>, narrowed: bool) -> DataFrame {
    let seconds = |ts: Option<i64>| ts.map(|ts| ts.div_euclid(1_000_000));
    let number = |name: &str, value: Option<i64>| Column::new(name.into(), [value]);
    let time = |name: &str, value: Option<i64>| {
        let kind = DataType::Datetime(TimeUnit::Microseconds, None);
        // Whole numbers are times as they are.
        number(name, value).cast(&kind)
    };
    let columns = time("since_ts", since).and_then(|since_ts| {
        Ok(vec![
            since_ts,
            time("until_ts", until)?,
            number("since_second", seconds(since)),
            number("until_second", seconds(until)),
            Column::new("narrowed".into(), [narrowed]),
        ])
    });
    columns
        .and_then(DataFrame::new_infer_height)
        .unwrap_or_default()
}

pub(super) fn questions(questions: &[Question]) -> PolarsResult<DataFrame> {
    let text = |name: &str, of: fn(&Question) -> Option<&str>| {
        let values: Vec<Option<&str>> = questions.iter().map(of).collect();
        Column::new(name.into(), values)
    };
    DataFrame::new_infer_height(vec![
        text("query", |question| Some(&question.query)),
        text("title", |question| Some(&question.title)),
        text("missing", |question| question.not_assessable.as_deref()),
        text("remedy", |question| question.remedy.as_deref()),
    ])
}

impl Known {
    /// The table `holidays`.
    pub(super) fn holidays(&self) -> PolarsResult<DataFrame> {
        let epoch = NaiveDate::default();
        let days = self.holidays.iter();
        let days: Vec<i32> = days
            .map(|day| day.signed_duration_since(epoch).num_days() as i32)
            .collect();
        let days = Column::new("day".into(), days).cast(&DataType::Date)?;
        DataFrame::new_infer_height(vec![days])
    }

    /// The table `clients`: the different addresses in the column `client_ip` of `tables`, in order.
    pub(super) fn clients(&self, tables: &[(&str, Frame)]) -> PolarsResult<DataFrame> {
        let mut texts = BTreeSet::new();
        // Texts are joined with texts, categories with categories: as the tables have them.
        let mut kind = DataType::String;
        for (_, frame) in tables {
            let mut rows = frame.lazy();
            let schema = rows.collect_schema()?;
            let Some(theirs) = schema.get("client_ip") else {
                continue;
            };
            kind = theirs.clone();
            let rows = rows
                .select([col("client_ip")])
                .unique(None, UniqueKeepStrategy::Any);
            let rows = collect(rows, frame.is_on_disk())?;
            let column = rows.column("client_ip")?.cast(&DataType::String)?;
            texts.extend(column.str()?.iter().flatten().map(str::to_owned));
        }
        let rows: Vec<(String, Address)> = texts
            .into_iter()
            .map(|text| {
                let address = self.address(&text);
                (text, address)
            })
            .collect();
        let text = |name: &str, of: fn(&Address) -> Option<&str>| {
            let values: Vec<Option<&str>> = rows.iter().map(|(_, one)| of(one)).collect();
            Column::new(name.into(), values)
        };
        let addresses: Vec<&str> = rows.iter().map(|(text, _)| text.as_str()).collect();
        DataFrame::new_infer_height(vec![
            Column::new("client_ip".into(), addresses).cast(&kind)?,
            text("network", |one| one.network.as_deref()),
            text("block", |one| one.block.as_deref()),
            text("kind", |one| Some(one.kind)),
        ])
    }

    fn address(&self, text: &str) -> Address {
        let Ok(ip) = text.parse::<IpAddr>() else {
            return self.pseudonym(text);
        };
        let ip = ip.to_canonical();
        Address {
            network: network(ip).map(|net| net.to_string()),
            block: block(ip).map(|net| net.to_string()),
            kind: self.kind(ip),
        }
    }

    /// The same of a pseudonym that keeps its network: `192.0.2.h…`, `2001:db8:1:h…`. Only a named network that holds
    /// all of that one counts.
    fn pseudonym(&self, text: &str) -> Address {
        let v4 = text.strip_prefix("::ffff:").unwrap_or(text);
        let v4 = v4.rsplit_once(".h").map(|(net, _)| format!("{net}.0/24"));
        let v6 = || text.rsplit_once(":h").map(|(net, _)| format!("{net}::/48"));
        let Some(own) = v4.or_else(v6).and_then(|net| net.parse::<IpNet>().ok()) else {
            return Address {
                network: None,
                block: None,
                kind: "other",
            };
        };
        let known = self.narrowest(|net| net.contains(&own));
        Address {
            // A /48 holds many networks of clients.
            network: Some(own.to_string()).filter(|_| own.addr().is_ipv4()),
            block: block(own.addr()).map(|net| net.to_string()),
            kind: known.unwrap_or_else(|| rest(own.addr())),
        }
    }

    /// Who the user says is at an address: the word of the narrowest network.
    pub fn kind_of(&self, ip: IpAddr) -> Option<&'static str> {
        self.narrowest(|net| net.contains(&ip))
    }

    /// The word of the narrowest network that holds something.
    fn narrowest(&self, holds: impl Fn(&IpNet) -> bool) -> Option<&'static str> {
        let named = self.networks.iter().filter(|(net, _)| holds(net));
        let narrowest = named.max_by_key(|(net, word)| (net.prefix_len(), *word));
        narrowest.map(|(_, word)| *word)
    }

    /// Who is at an address: what the user says, else `private` or `other`.
    fn kind(&self, ip: IpAddr) -> &'static str {
        self.kind_of(ip).unwrap_or_else(|| rest(ip))
    }
}

/// Who is at an address of which the user says nothing.
fn rest(ip: IpAddr) -> &'static str {
    if is_private(ip) { "private" } else { "other" }
}

/// The network of a client: its /24, or /64 of IPv6.
pub fn network(ip: IpAddr) -> Option<IpNet> {
    within(ip, 24, 64)
}

/// The block of addresses that a provider has: its /16, or /32 of IPv6.
fn block(ip: IpAddr) -> Option<IpNet> {
    within(ip, 16, 32)
}

fn within(ip: IpAddr, v4: u8, v6: u8) -> Option<IpNet> {
    let bits = if ip.is_ipv4() { v4 } else { v6 };
    IpNet::new(ip, bits).ok().map(|net| net.trunc())
}

/// What is known of an address.
struct Address {
    /// Its /24, or /64 of IPv6.
    network: Option<String>,
    /// Its /16, or /32 of IPv6.
    block: Option<String>,
    kind: &'static str,
}

/// RFC 1918, RFC 6598, RFC 4193, loopback and link-local.
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn known() -> Known {
        Known {
            networks: vec![
                ("192.0.2.0/24".parse().unwrap(), "trusted"),
                ("192.0.2.128/25".parse().unwrap(), "scanner"),
            ],
            holidays: BTreeSet::new(),
        }
    }

    #[test]
    fn the_narrowest_network_names_an_address() {
        let kind = |text: &str| known().kind(text.parse().unwrap());
        assert_eq!(kind("192.0.2.1"), "trusted");
        assert_eq!(kind("192.0.2.200"), "scanner");
        assert_eq!(kind("198.51.100.1"), "other");
        assert_eq!(kind("10.1.2.3"), "private");
        assert_eq!(kind("100.64.0.1"), "private");
        assert_eq!(kind("fd00::1"), "private");
        assert_eq!(kind("2001:db8::1"), "other");
    }

    #[test]
    fn networks_are_cut_by_family() {
        let of = |text: &str| {
            let found = known().address(text);
            (
                found.network.unwrap_or_default(),
                found.block.unwrap_or_default(),
            )
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(of("192.0.2.77"), pair("192.0.2.0/24", "192.0.0.0/16"));
        assert_eq!(
            of("2001:db8:1:2::3"),
            pair("2001:db8:1:2::/64", "2001:db8::/32")
        );
        assert_eq!(
            of("::ffff:192.0.2.77"),
            pair("192.0.2.0/24", "192.0.0.0/16")
        );
        assert_eq!(of("unknown"), pair("", ""));
        // Pseudonyms keep what they show.
        assert_eq!(of("192.0.2.h0a1b2c"), pair("192.0.2.0/24", "192.0.0.0/16"));
        assert_eq!(of("2001:db8:1:h0a1b2c"), pair("", "2001:db8::/32"));
        assert_eq!(of("ip4-0a1b2c"), pair("", ""));
    }

    #[test]
    fn a_pseudonym_is_of_a_network_that_holds_all_it_may_be() {
        let kind = |text: &str| known().address(text).kind;
        // The half of it that is a scanner's does not count.
        assert_eq!(kind("192.0.2.h0a1b2c"), "trusted");
        assert_eq!(kind("::ffff:192.0.2.h0a1b2c"), "trusted");
        assert_eq!(kind("10.1.2.h0a1b2c"), "private");
        assert_eq!(kind("fd00:1:2:h0a1b2c"), "private");
        assert_eq!(kind("198.51.100.h0a1b2c"), "other");
        assert_eq!(kind("h0a1b2c.h0a1b2c"), "other");
    }

    #[test]
    fn clients_are_those_of_all_tables_once() {
        let frame = |values: &[Option<&str>]| {
            let column = Column::new("client_ip".into(), values);
            Frame::from(DataFrame::new_infer_height(vec![column]).unwrap())
        };
        let tables = [
            ("sessions", frame(&[Some("192.0.2.7"), None])),
            ("logins", frame(&[Some("192.0.2.7"), Some("10.0.0.1")])),
        ];
        let found = known().clients(&tables).unwrap();
        assert_eq!(found.height(), 2);
        let kinds: Vec<Option<&str>> = found
            .column("kind")
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(kinds, [Some("private"), Some("trusted")]);
    }
}
