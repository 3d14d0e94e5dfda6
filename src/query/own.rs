//! Tables of the run, not of the logs: what was asked for, who is known, and what the other queries can answer.
//!
//! No file of `convert` has them; `mtaudit sql` prints them. They are made when a statement names them:
//!
//! * `period`: one row, the time that was asked for (`since_ts, until_ts, since_second, until_second`).
//! * `holidays`: `day`, from the configuration.
//! * `clients`: each address that a client had, with its network (`client_ip, network, block, kind`).
//! * `questions`: each query of the library and whether the logs can answer it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use chrono::NaiveDate;
use ipnet::IpNet;
use polars::prelude::{
    Column, DataFrame, DataType, PolarsResult, TimeUnit, UniqueKeepStrategy, col,
};
use polars::sql::extract_table_identifiers;

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

/// Whether a statement reads that table of the run.
pub(super) fn reads(sql: &str, name: &str) -> bool {
    // SQL that does not parse is reported when it is run.
    let names = extract_table_identifiers(sql, false, true).unwrap_or_default();
    names.iter().any(|known| known == name)
}

/// The period that was asked for: its first moment and the first one after it, null where there is none.
pub(super) fn period(since: Option<i64>, until: Option<i64>) -> DataFrame {
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
            return Address {
                network: None,
                block: None,
                kind: "other",
            };
        };
        let ip = ip.to_canonical();
        let (network, block) = match ip {
            IpAddr::V4(_) => (24, 16),
            IpAddr::V6(_) => (64, 32),
        };
        let within = |bits: u8| IpNet::new(ip, bits).ok().map(|net| net.trunc().to_string());
        Address {
            network: within(network),
            block: within(block),
            kind: self.kind(ip),
        }
    }

    /// Who is at an address: the word of the narrowest network that the user named, else `private` or `other`.
    fn kind(&self, ip: IpAddr) -> &'static str {
        let named = self.networks.iter().filter(|(net, _)| net.contains(&ip));
        let narrowest = named.max_by_key(|(net, word)| (net.prefix_len(), *word));
        match narrowest {
            Some((_, word)) => word,
            None if is_private(ip) => "private",
            None => "other",
        }
    }
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
fn is_private(ip: IpAddr) -> bool {
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
