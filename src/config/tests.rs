//! The reader: what it takes, and what it says of what it does not.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::query::Query;

const GOOD: &str = r#"
organisation = "Example Ltd"
title = " Mail of October "
local_domains = ["Example.ORG", "b.example", "example.org"]
holidays = ["2026-12-25", 2026-01-01]

[networks]
trusted = ["192.0.2.0/24", "::ffff:198.51.100.0/120"]
relays = ["203.0.113.7"]
scanners = ["2001:db8::/32"]

[limits]
most = 7

[thresholds]
"access/guess.most" = 8
ratio = 0.25

[[mute]]
query = "guess"
contains = "192.0.2.7"
reason = "our monitor"
until = 2026-10-31
"#;

fn parse(text: &str) -> Result<Config, Error> {
    Config::parse("m.toml", text.as_bytes(), Path::new(""))
}

fn library() -> Library {
    let text = r#"-- title = "T"
-- question = "Q?"
-- tables = ["logins"]
-- limits = "L."
-- columns = []
-- [params.most]
-- default = 1000
-- source = "s"
-- about = "a"
-- [params.ratio]
-- default = 0.05
-- unit = "share"
-- source = "s"
-- about = "a"
SELECT 1
"#;
    let mut library = Library::default();
    library.add(Query::parse("access/guess", "queries/access/guess.sql", text).unwrap());
    library
}

#[test]
fn every_key_is_read() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.organisation.as_deref(), Some("Example Ltd"));
    assert_eq!(config.title.as_deref(), Some("Mail of October"));
    assert_eq!(config.local_domains, ["b.example", "example.org"]);
    let networks = config.known.networks.iter();
    let networks: Vec<_> = networks
        .map(|(net, kind)| (net.to_string(), *kind))
        .collect();
    let expected = [
        ("192.0.2.0/24", "trusted"),
        ("198.51.100.0/24", "trusted"),
        ("203.0.113.7/32", "relay"),
        ("2001:db8::/32", "scanner"),
    ];
    assert_eq!(networks, expected.map(|(net, kind)| (net.to_owned(), kind)));
    let days = config.known.holidays.iter().map(NaiveDate::to_string);
    assert_eq!(days.collect::<Vec<_>>(), ["2026-01-01", "2026-12-25"]);
    assert_eq!(
        config.in_words(),
        "2 local domains, 4 networks, 2 holidays, 1 limit, 2 thresholds, 1 mute"
    );
    assert_eq!(config.sha256.len(), 64);
}

#[test]
fn thresholds_outrank_limits_and_the_command_line_both() {
    let (config, library) = (parse(GOOD).unwrap(), library());
    config.check(&library).unwrap();
    let query = library.find("guess").unwrap();
    let most = |given: &[(&str, &str)]| {
        let given = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let all = config.overrides(&library, &given.collect());
        let params = params::Params::new(query, &all).unwrap();
        params.get("most").unwrap().value.clone()
    };
    assert_eq!(most(&[]), "8");
    assert_eq!(most(&[("most", "5")]), "5");
}

#[test]
fn a_mute_holds_for_reports_that_end_by_its_day() {
    let (config, library) = (parse(GOOD).unwrap(), library());
    let over = |day: Option<&str>| {
        let day = day.map(|day| day.parse().unwrap());
        config.mutes(&library, day).unwrap()[0].over
    };
    assert!(!over(Some("2026-10-31")));
    assert!(over(Some("2026-11-01")));
    assert!(!over(None));
    assert_eq!(
        config.mutes(&library, None).unwrap()[0].query,
        "access/guess"
    );
}

/// What is said of a file in which `from` is `to`, by the reader or by the library.
fn said(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let config = parse(&GOOD.replacen(from, to, 1));
    let error = config.and_then(|config| config.check(&library()));
    error.unwrap_err().to_string()
}

#[test]
fn mistakes_have_their_line_and_a_remedy() {
    for (from, to, expected) in [
        (
            "organisation",
            "organization",
            "m.toml:2: unknown key `organization` (hint: did you mean `organisation`?)",
        ),
        (
            "scanners =",
            "scaners =",
            "m.toml:10: unknown key `scaners` (hint: did you mean `scanners`?)",
        ),
        (
            "reason =",
            "raison =",
            "m.toml:22: unknown key `raison` (hint: did you mean `reason`?)",
        ),
        (
            "reason = \"our monitor\"",
            "",
            "m.toml:19: missing key `reason`",
        ),
        ("our monitor", " ", "m.toml:22: `reason` is empty"),
        ("b.example", "a@b", "m.toml:4: \"a@b\" is no domain"),
        (
            "2026-12-25",
            "2026-12-32",
            "m.toml:5: \"2026-12-32\" is no day",
        ),
        ("2026-12-25", "2026-1-5", "m.toml:5: \"2026-1-5\" is no day"),
        (
            "192.0.2.0/24",
            "192.0.2.1/24",
            "m.toml:8: \"192.0.2.1/24\" is an address within a network (hint: the network is 192.0.2.0/24)",
        ),
        (
            "192.0.2.0/24",
            "192.0.2.0/33",
            "m.toml:8: \"192.0.2.0/33\" is no network",
        ),
        (
            "203.0.113.7",
            "192.0.2.0/24",
            "m.toml:9: 192.0.2.0/24 is named twice, as trusted and as relay",
        ),
        (
            "[limits]\nmost",
            "[limits]\nmots",
            "m.toml:13: unknown parameter `mots` (hint: did you mean `most`?)",
        ),
        (
            "most = 7",
            "\"guess.most\" = 7",
            "m.toml:13: `guess.most`: a limit is one of the service",
        ),
        (
            "most = 7",
            "most = \"x\"",
            "m.toml:13: parameter `access/guess.most` is an integer, not `x`",
        ),
        (
            "most = 7",
            "most = [7]",
            "m.toml:13: a parameter is a number",
        ),
        (
            "ratio = 0.25",
            "ratio = 25",
            "m.toml:17: parameter `access/guess.ratio` is a share from 0 to 1",
        ),
        (
            "guess.most\"",
            "gues.most\"",
            "m.toml:16: unknown parameter `access/gues.most` (hint: did you mean `access/guess.most`?)",
        ),
        (
            "query = \"guess\"",
            "query = \"gess\"",
            "m.toml:20: no query is named `gess`",
        ),
        ("title = ", "title ", "m.toml:3: "),
        ("title = ", "organisation = ", "m.toml:3: "),
    ] {
        let said = said(from, to);
        assert!(said.starts_with(expected), "{to}:\n{said}\n{expected}");
    }
    let logo = said("title = \" Mail of October \"", "logo = \"no-such.png\"");
    assert!(logo.starts_with("m.toml:3: `logo` no-such.png: "), "{logo}");
    assert!(parse("\u{feff}title = 'x'").is_ok());
    assert!(Config::parse("m.toml", b"title = '\xff'", Path::new("")).is_err());
}
