//! The ending of refusals: `; from=<…> to=<…> proto=ESMTP helo=<…>`, with commas in postscreen's.
//!
//! Sender, recipient and HELO name are the client's words, and so may be the text in front of them: any
//! of them can hold something that looks like this ending. See `split` for which one is believed.

use super::fields::{after_quotes, head, trim_end, trim_start};
use memchr::{memchr, memchr_iter};

const KEYS: [&[u8]; 5] = [b"from=", b"to=", b"proto=", b"helo=", b"sasl_username="];
/// Endings looked at in one line. A genuine line has one.
const MOST_CANDIDATES: usize = 16;

/// What the ending says.
#[derive(Clone, Copy, Default)]
pub(super) struct Trailer<'a> {
    pub(super) sender: &'a [u8],
    pub(super) has_sender: bool,
    pub(super) recipient: &'a [u8],
    pub(super) protocol: &'a [u8],
    pub(super) helo: &'a [u8],
    pub(super) auth_user: &'a [u8],
    /// What follows the last field: the text of a header check.
    pub(super) rest: &'a [u8],
}

/// Reads the fields in their fixed order, each at most once. With `text_follows` a field may also end
/// before a colon, else the last one goes to the end of the line.
pub(super) fn parse(text: &[u8], text_follows: bool) -> Option<Trailer<'_>> {
    let mut trailer = Trailer::default();
    let mut rest = text;
    let mut any = false;
    for (index, key) in KEYS.iter().enumerate() {
        let Some(value) = rest.strip_prefix(*key) else {
            continue;
        };
        any = true;
        let (value, after) = match value.strip_prefix(b"<") {
            Some(value) => bracketed(value, &KEYS[index + 1..], text_follows),
            None => bare(value),
        };
        match index {
            0 => (trailer.sender, trailer.has_sender) = (value, true),
            1 => trailer.recipient = value,
            2 => trailer.protocol = value,
            3 => trailer.helo = value,
            _ => trailer.auth_user = value,
        }
        rest = separator(after);
    }
    trailer.rest = rest;
    any.then_some(trailer)
}

fn separator(text: &[u8]) -> &[u8] {
    trim_start(text.strip_prefix(b",").unwrap_or(text))
}

fn bracketed<'a>(value: &'a [u8], later: &[&[u8]], text_follows: bool) -> (&'a [u8], &'a [u8]) {
    let start = after_quotes(value, 0);
    let ends = |end: &usize| {
        let after = &value[start + end + 1..];
        match after.first() {
            None => true,
            Some(b':') => text_follows,
            Some(b' ' | b',') => {
                let next = separator(head(after, 96));
                later.iter().any(|key| next.starts_with(key))
            }
            _ => false,
        }
    };
    match memchr_iter(b'>', &value[start..]).find(ends) {
        Some(end) => (&value[..start + end], &value[start + end + 1..]),
        // Cut off: the line ends inside the field.
        None => (value, b""),
    }
}

fn bare(value: &[u8]) -> (&[u8], &[u8]) {
    let end = value.iter().position(|b| matches!(b, b' ' | b',' | b':'));
    value.split_at(end.unwrap_or(value.len()))
}

/// Splits a reply from its ending.
///
/// Where more than one ending is found, one of them is quoted in the reply or in the HELO name. The reply
/// quotes what it is about as `<…>`; the ending that has this very value is the genuine one, the longest
/// value winning. Where nothing is quoted, the forgery can only be in the HELO name, so the first counts.
pub(super) fn split(text: &[u8]) -> (&[u8], Trailer<'_>) {
    let text = trim_end(text);
    let mut candidates = candidates(text);
    let Some(first) = candidates.next() else {
        return (text, Trailer::default());
    };
    let mut best = (0, first);
    if let Some(second) = candidates.next() {
        for candidate in [first, second].into_iter().chain(candidates) {
            let quoted = quoted_length(candidate.0, &candidate.1);
            if quoted > best.0 {
                best = (quoted, candidate);
            }
        }
    }
    best.1
}

fn candidates(text: &[u8]) -> impl Iterator<Item = (&[u8], Trailer<'_>)> {
    memchr_iter(b';', text)
        .filter_map(|semicolon| {
            let fields = trim_start(&text[semicolon + 1..]);
            let starts = KEYS[..3].iter().any(|key| fields.starts_with(key));
            starts.then_some((&text[..semicolon], fields))
        })
        .take(MOST_CANDIDATES)
        .filter_map(|(reply, fields)| Some((reply, parse(fields, false)?)))
}

/// Length of the value that the reply quotes, when it is one of this ending's, else 0.
fn quoted_length(reply: &[u8], trailer: &Trailer<'_>) -> usize {
    let Some(open) = memchr(b'<', head(reply, 32)) else {
        return 0;
    };
    let quoted = &reply[open + 1..];
    [trailer.helo, trailer.sender, trailer.recipient]
        .into_iter()
        .filter(|value| {
            quoted
                .strip_prefix(*value)
                .is_some_and(|after| after.starts_with(b">"))
        })
        .map(|value| value.len() + 1)
        .max()
        .unwrap_or(0)
}
