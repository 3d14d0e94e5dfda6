//! Findings that the user knows of and does not want to read again: what a mute says, and whom it silences.
//!
//! Rows are told apart before a rule's limit counts them, so that what is muted takes no place from what is not.

use chrono::NaiveDate;

use crate::report::Finding;

/// What is muted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mute {
    /// Full name of the query.
    pub query: String,
    /// Text that the sentence has to hold; `None` mutes all of the query.
    pub contains: Option<String>,
    /// Why.
    pub reason: String,
    /// Last day of a report for which it holds.
    pub until: Option<NaiveDate>,
    /// Where it stands in the configuration.
    pub line: usize,
    /// The report ends after `until`.
    pub over: bool,
}

/// A finding that is muted.
#[derive(Clone, Debug)]
pub struct Muted {
    /// The finding, or the one that counts those beyond the rule's limit.
    pub finding: Finding,
    /// Place in the list of mutes.
    pub by: usize,
    /// Rows that it stands for.
    pub rows: u64,
}

impl Mute {
    /// Whether it silences a finding of `query` that says `sentence`.
    pub fn silences(&self, query: &str, sentence: &str) -> bool {
        let holds = |text: &String| holds(sentence, text);
        !self.over && self.query == query && self.contains.as_ref().is_none_or(holds)
    }
}

/// Whether `text` stands in `sentence` as whole words: `192.0.2.7` is not in `192.0.2.70`.
fn holds(sentence: &str, text: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    sentence.match_indices(text).any(|(at, found)| {
        let before = sentence[..at].chars().next_back();
        let after = sentence[at + found.len()..].chars().next();
        let begins_inside = word(before) && word(found.chars().next());
        let ends_inside = word(after) && word(found.chars().next_back());
        !begins_inside && !ends_inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_silences_its_query_where_its_text_is() {
        let mute = Mute {
            query: "access/x".into(),
            contains: Some("192.0.2.7".into()),
            reason: "our monitor".into(),
            until: None,
            line: 1,
            over: false,
        };
        assert!(mute.silences("access/x", "192.0.2.7 failed."));
        assert!(!mute.silences("access/x", "192.0.2.8 failed."));
        assert!(!mute.silences("access/x", "192.0.2.70 failed, 1192.0.2.7 too."));
        assert!(mute.silences("access/x", "Not 192.0.2.70 but 192.0.2.7."));
        assert!(!mute.silences("access/y", "192.0.2.7 failed."));
        let all = Mute {
            contains: None,
            ..mute.clone()
        };
        assert!(all.silences("access/x", "anything"));
        let over = Mute { over: true, ..all };
        assert!(!over.silences("access/x", "anything"));
    }
}
