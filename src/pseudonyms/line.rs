//! Persons in raw lines of logs, as evidence shows them.
//!
//! A line says more than the columns that were made of it. Beside what [`text`] finds in any text, names are known here by
//! where they stand: in `helo=<…>`, in `to=<…>`. Where a column has the same name, it has the
//! same pseudonym.

use super::names::Names;
use super::text::{self, Found, LOCAL, Pieces, QUOTING, up_to};
use super::{Holds, Pseudonyms};

/// A line, of which `head` is time, host and program.
pub fn line(own: &Pseudonyms, names: &Names, head: &str, text: &str) -> String {
    let words = head.split(' ').map(|word| own.hide(Holds::Server, word));
    let mut out = words.collect::<Vec<_>>().join(" ");
    let mut pieces = Pieces::new(text);
    pieces.pass(|text| quoted(own, text));
    pieces.pass(|text| values(own, text));
    text::forms(own, names, &mut pieces);
    out.push_str(&pieces.whole(text));
    out
}

/// What a check quotes of a message, behind a queue ID and an action: `4F1A: reject: header Subject: …`.
fn quoted(own: &Pseudonyms, text: &str) -> Found {
    let begins = |at: usize| QUOTING.iter().any(|word| text[at..].starts_with(word));
    let after_colon = text.match_indices(": ").map(|(at, sign)| at + sign.len());
    // Words that others use too are quotes where what Postfix adds to them follows.
    let is_quote = |at: &usize| {
        begins(*at) && (text[*at..].starts_with("header ") || text::frame(&text[*at..]).is_some())
    };
    let starts = std::iter::once(0).chain(after_colon);
    let start = starts.into_iter().find(is_quote).unwrap_or(0);
    let found = text::content(own, &text[start..]).into_iter();
    found
        .map(|(range, shown)| (start + range.start..start + range.end, shown))
        .collect()
}

/// Keys of values in angle brackets, with what these are.
const VALUES: &[(&str, Holds)] = &[
    ("helo=<", Holds::Client),
    ("message-id=<", Holds::MessageId),
    ("orig_to=<", Holds::Address),
    ("from=<", Holds::Address),
    ("to=<", Holds::Address),
];

/// Values in angle brackets: whole, whatever stands in them.
fn values(own: &Pseudonyms, text: &str) -> Found {
    let mut found = Found::new();
    for (open, _) in text.match_indices("=<") {
        let start = open + 2;
        let done = found.last().map_or(0, |(range, _)| range.end);
        let before = &text[..start];
        let known = VALUES.iter().find(|(key, _)| before.ends_with(key));
        let (Some((_, holds)), true) = (known, start >= done) else {
            continue;
        };
        let rest = up_to(&text[start..], LOCAL);
        let end = start + rest.find('>').unwrap_or(rest.len());
        // Addresses with a bracket in them are known by their form.
        let odd = *holds != Holds::Client && text[start..end].contains(['<', '@', ' ']);
        if end > start && !odd {
            found.push((start..end, own.hide(*holds, &text[start..end])));
        }
    }
    found
}
