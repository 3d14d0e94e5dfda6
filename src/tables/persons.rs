//! What each column of text holds of persons: the list that `--pseudonymise` goes by.
//!
//! Names are the contract (see [`super::schema`]), so a column is the same in whichever table it stands. A test goes red
//! for a column of text that is not listed here; were one to get by it, it would be treated as [`Holds::Text`], which
//! hides most. [`super::hide`] applies the list, [`crate::pseudonyms`] makes the pseudonyms.

use crate::pseudonyms::Holds;

/// By column, in whichever table.
const COLUMNS: &[(Holds, &[&str])] = &[
    (
        Holds::Nothing,
        &[
            "codec",
            "sha256",
            "decoded_sha256",
            "format",
            "year_method",
            "year_confidence",
            "utc_offset",
            "origin",
            "direction",
            "status",
            "cause",
            "reason",
            "outcome",
            "stage",
            "action",
            "end",
            "verdict",
            "severity",
            "kind",
            "why",
        ],
    ),
    (
        Holds::Term,
        &[
            "service",
            "queue_id",
            "next_queue_id",
            "protocol",
            "auth_method",
            "tls_version",
            "tls_cipher",
            "transport",
            "dsn",
            "dnsbl",
            "end_stage",
            "program",
        ],
    ),
    (Holds::Server, &["host", "hosts"]),
    (Holds::Address, &["sender", "recipient", "orig_recipient"]),
    (Holds::User, &["auth_user"]),
    (Holds::Domain, &["sender_domain", "recipient_domain"]),
    (Holds::Client, &["client_name", "helo"]),
    (Holds::Relay, &["relay_name"]),
    (Holds::Ip, &["client_ip", "relay_ip"]),
    (Holds::MessageId, &["message_id"]),
    (
        Holds::Text,
        &[
            "reply",
            "failure",
            "detail",
            "text",
            "shape",
            "problem",
            "contradictions",
        ],
    ),
    (Holds::Path, &["path", "member"]),
];

/// What a column holds, when it is listed.
pub fn listed(column: &str) -> Option<Holds> {
    let found = COLUMNS.iter().find(|(_, names)| names.contains(&column));
    found.map(|(holds, _)| *holds)
}

/// What a column of text holds.
pub fn holds(column: &str) -> Holds {
    listed(column).unwrap_or(Holds::Text)
}

/// Columns whose values are looked for in free text: names of persons, hosts and domains.
pub fn naming() -> impl Iterator<Item = (&'static str, Holds)> {
    let named = COLUMNS.iter().filter(|(holds, _)| {
        matches!(
            holds,
            Holds::Address | Holds::User | Holds::Domain | Holds::Client | Holds::Relay
        )
    });
    named.flat_map(|(holds, names)| names.iter().map(move |name| (*name, *holds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::schema::{TABLES, Type};

    #[test]
    fn every_column_of_text_says_what_it_holds_of_persons() {
        let columns = || TABLES.iter().flat_map(|table| table.columns);
        let texts = || columns().filter(|column| column.kind == Type::Text);
        let silent: Vec<&str> = texts()
            .map(|column| column.name)
            .filter(|name| listed(name).is_none())
            .collect();
        assert!(
            silent.is_empty(),
            "say in src/tables/persons.rs what these hold of persons: {silent:?}"
        );
        for (_, names) in COLUMNS {
            for name in *names {
                assert!(
                    texts().any(|column| column.name == *name),
                    "{name} is no column of text"
                );
            }
        }
        let mut all: Vec<&str> = COLUMNS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let length = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), length, "a column is listed twice");
    }
}
