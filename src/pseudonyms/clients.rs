//! Hosts whose names are known in a text by where they stand.
//!
//! A client, or a next hop that was never reached, may stand in no column: `connection rate limit exceeded: 31 from
//! name[192.0.2.7]`, `connect to name[192.0.2.7]:25: Connection refused`.

use std::net::IpAddr;

use super::Pseudonyms;
use super::text::{Found, up_to};

/// A host before its address: `mail.example[192.0.2.7]`.
pub(super) fn clients(own: &Pseudonyms, text: &str) -> Found {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut found = Found::new();
    for (open, _) in text.match_indices('[') {
        let inside = up_to(&text[open + 1..], 64);
        let inside = inside.split(']').next().unwrap_or_default();
        let ip = inside.strip_prefix("IPv6:").unwrap_or(inside);
        if ip.parse::<IpAddr>().is_err() {
            continue;
        }
        let name = text[..open].trim_end_matches(good).len()..open;
        if name.is_empty() {
            continue;
        }
        let shown = match text[..name.start].ends_with("relay=") {
            true => own.relay(&text[name.clone()]),
            false => own.client(&text[name.clone()]),
        };
        found.push((name, shown));
    }
    found
}

/// Names of clients that their addresses do not bear out, which stand in no column: `hostname a.example does not resolve
/// to address 192.0.2.7`.
pub(super) fn unproven(own: &Pseudonyms, text: &str) -> Found {
    let mut found = Found::new();
    for (at, word) in text.match_indices("hostname ") {
        let start = at + word.len();
        let rest = &text[start..];
        let name = rest.split([' ', ':']).next().unwrap_or_default();
        let after = &rest[name.len()..];
        let said = [" does not resolve", " verification failed"]
            .iter()
            .any(|words| after.starts_with(words));
        if !name.is_empty() && (said || text[..at].ends_with("not listed for ")) {
            found.push((start..start + name.len(), own.client(name)));
        }
    }
    found
}
