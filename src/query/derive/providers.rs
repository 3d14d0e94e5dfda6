//! Whose server a host name is: the domain below which an organisation names its hosts.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::Method;
use crate::tables::schema::Type;

/// For each different name, its last two labels; three where the last but one belongs to the ending (`co.uk`). An
/// address stays as it is. Names of one provider under several domains are not joined.
pub const METHOD: Method = Method {
    name: "providers",
    about: "the domain below which a server's owner names its hosts: two labels, three behind `co.uk` and the like",
    inputs: &[("name", Type::Text)],
    outputs: &[("name", Type::Text), ("provider", Type::Text)],
    run,
};

/// Labels that belong to the ending when a country of two letters follows.
pub(super) const SECOND_LEVEL: [&str; 11] = [
    "ac", "asn", "co", "com", "edu", "gov", "gv", "ne", "net", "or", "org",
];

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let names: BTreeSet<&str> = rows.column("name")?.str()?.iter().flatten().collect();
    let providers: Vec<String> = names.iter().map(|name| provider(name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Ok(vec![
        Column::new("".into(), names),
        Column::new("".into(), providers),
    ])
}

fn provider(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.parse::<std::net::IpAddr>().is_ok() {
        return name;
    }
    let labels: Vec<&str> = name.split('.').collect();
    let kept = match labels.as_slice() {
        [.., second, country] if country.len() == 2 && SECOND_LEVEL.contains(second) => 3,
        _ => 2,
    };
    labels[labels.len().saturating_sub(kept)..].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_owner_share_a_provider() {
        assert_eq!(provider("alt1.mx.Example.com"), "example.com");
        assert_eq!(provider("mx.example.com."), "example.com");
        assert_eq!(provider("mx1.example.co.uk"), "example.co.uk");
        assert_eq!(provider("co.uk"), "co.uk");
        assert_eq!(provider("localhost"), "localhost");
        // `com` before an ending that is no country is a name like any other.
        assert_eq!(provider("mx.com.example"), "com.example");
    }

    #[test]
    fn an_address_is_its_own_provider() {
        assert_eq!(provider("192.0.2.17"), "192.0.2.17");
        assert_eq!(provider("2001:db8::25"), "2001:db8::25");
    }
}
