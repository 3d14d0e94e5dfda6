//! Persons in free text.
//!
//! A text goes through passes, each over what the ones before left alone: what a stranger wrote into a message (headers,
//! subjects, lines of bodies), addresses, user names where the text says that they are such, IP addresses, domains when
//! these are hidden too, and last the [`super::names`] that these logs hold.

use std::borrow::Cow;
use std::ops::Range;

use super::names::Names;
use super::{Pseudonyms, clients, literals, nobody};

/// A stretch of a text and what stands there instead.
pub(super) type Found = Vec<(Range<usize>, String)>;

/// A text on its way through the passes.
pub(super) struct Pieces<'t>(Vec<Piece<'t>>);

enum Piece<'t> {
    Plain(&'t str),
    Done(String),
}

impl<'t> Pieces<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Pieces(vec![Piece::Plain(text)])
    }

    pub(super) fn pass(&mut self, find: impl Fn(&str) -> Found) {
        let mut next = Vec::with_capacity(self.0.len());
        for piece in self.0.drain(..) {
            let Piece::Plain(text) = piece else {
                next.push(piece);
                continue;
            };
            let mut done = 0;
            for (range, shown) in find(text) {
                if range.start > done {
                    next.push(Piece::Plain(&text[done..range.start]));
                }
                next.push(Piece::Done(shown));
                done = range.end;
            }
            if done < text.len() {
                next.push(Piece::Plain(&text[done..]));
            }
        }
        self.0 = next;
    }

    pub(super) fn whole(self, text: &'t str) -> Cow<'t, str> {
        match self.0.as_slice() {
            [] | [Piece::Plain(_)] => Cow::Borrowed(text),
            pieces => Cow::Owned(pieces.iter().map(Piece::as_str).collect()),
        }
    }
}

impl Piece<'_> {
    fn as_str(&self) -> &str {
        match self {
            Piece::Plain(text) => text,
            Piece::Done(text) => text,
        }
    }
}

/// Free text without persons.
pub fn text<'t>(own: &Pseudonyms, names: &Names, text: &'t str) -> Cow<'t, str> {
    let mut pieces = Pieces::new(text);
    pieces.pass(|text| content(own, text));
    forms(own, names, &mut pieces);
    pieces.whole(text)
}

/// What has a form, and what is known.
pub(super) fn forms(own: &Pseudonyms, names: &Names, pieces: &mut Pieces<'_>) {
    pieces.pass(|text| clients::clients(own, text));
    pieces.pass(|text| clients::unproven(own, text));
    pieces.pass(|text| sessions(own, text));
    pieces.pass(|text| addresses(own, text));
    pieces.pass(|text| users(own, text));
    pieces.pass(|text| homes(own, text));
    pieces.pass(|text| behind(own, names, text));
    pieces.pass(|text| literals::find(own, text));
    if own.also.domains {
        pieces.pass(|text| domains(own, text));
    }
    pieces.pass(|text| names.find(own, text));
}

/// The same for a word that names no person unless somebody forged it to.
pub fn term<'t>(own: &Pseudonyms, text: &'t str) -> Cow<'t, str> {
    let mut pieces = Pieces::new(text);
    pieces.pass(|text| addresses(own, text));
    pieces.pass(|text| literals::find(own, text));
    pieces.whole(text)
}

/// What checks of a message's content begin with, when they quote what they found.
pub(super) const QUOTING: &[&str] = &["header ", "body ", "content ", "nested ", "mime"];

/// As headers have it, and as programs do that log a field.
const SUBJECTS: &[&str] = &["subject:", "subject="];

/// Words of a message: after `header Name:`, after `body`, after `Subject:` and `subject=` anywhere.
pub(super) fn content(own: &Pseudonyms, text: &str) -> Found {
    let start = match QUOTING.iter().find(|quoting| text.starts_with(**quoting)) {
        // The name of a header may stay: it is a word without spaces.
        Some(quoting) => {
            let rest = &text[quoting.len()..];
            let name = rest.find(": ").filter(|at| !rest[..*at].contains(' '));
            quoting.len() + name.map_or(0, |at| at + 2)
        }
        None => {
            let ends = SUBJECTS
                .iter()
                .filter_map(|word| Some(find_ignoring_case(text, word)? + word.len()));
            match ends.min() {
                Some(end) => end,
                None => return Vec::new(),
            }
        }
    };
    let end = frame(&text[start..]).map_or(text.len(), |at| start + at);
    let blank = text[start..end].len() - text[start..end].trim_start().len();
    let (start, end) = (start + blank, start + text[start..end].trim_end().len());
    if start >= end {
        return Vec::new();
    }
    vec![(start..end, own.content(&text[start..end]))]
}

/// Where Postfix goes on after what it quotes: ` from name[ip]; from=<…>`.
pub(super) fn frame(text: &str) -> Option<usize> {
    let fields = text.rfind("; from=<")?;
    text[..fields].rfind(" from ").or(Some(fields))
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(word.len());
    windows.position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Dovecot's session IDs are base64 of a time, the client's port and its address: 16 characters, or 32 for IPv6. Where the
/// address is hidden, so must they be.
fn sessions(own: &Pseudonyms, text: &str) -> Found {
    let coded = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let opened = text.match_indices('<').filter_map(|(at, _)| {
        let id = up_to(&text[at + 1..], 45).split_once('>')?.0;
        let fits = (15..=44).contains(&id.len()) && id.bytes().all(coded);
        fits.then(|| (at + 1..at + 1 + id.len(), own.content(id)))
    });
    opened.collect()
}

/// The beginning of a text: what is looked for further on would cost as often as it is not there.
pub(super) fn up_to(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Longer local parts are no address.
pub(super) const LOCAL: usize = 512;

/// What stands between local part and domain: as it is, in a URL, in quoted printable.
const AT: &[&str] = &["@", "%40", "=40"];

/// Addresses, from the first `@` on.
fn addresses(own: &Pseudonyms, text: &str) -> Found {
    let mut found: Found = Vec::new();
    let mut from = 0;
    while let Some((at, sign)) = next_at(text, from) {
        let done = found.last().map_or(0, |(range, _)| range.end);
        let (mut at, mut sign, first) = (at, sign, at);
        let mut end = domain_end(text, at + sign.len());
        // `a@b@c`: the last one counts.
        while end > at + sign.len() && text[end..].starts_with('@') {
            (at, sign) = (end, "@");
            end = domain_end(text, end + 1);
        }
        from = end.max(at + sign.len());
        let start = local_start(text, first, end, done);
        let (local, domain) = (&text[start..at], &text[at + sign.len()..end]);
        // Coded signs are common in other words.
        let coded = sign != "@" && !(domain.contains('.') && is_named(domain));
        if local.is_empty() || coded {
            continue;
        }
        let shown = if text[..start].ends_with("message-id=<") {
            own.message_id(&text[start..end])
        } else if domain.is_empty() {
            own.user(local) + sign
        } else {
            own.mailbox(local, sign, domain)
        };
        found.push((start..end, shown));
    }
    found
}

fn next_at(text: &str, from: usize) -> Option<(usize, &'static str)> {
    let rest = text.get(from..)?;
    let starts = rest.match_indices(['@', '%', '=']);
    starts
        .filter_map(|(at, _)| {
            let sign = AT.iter().find(|sign| rest[at..].starts_with(**sign))?;
            Some((from + at, *sign))
        })
        .next()
}

/// The last label has a letter: not a number.
fn is_named(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    last.len() > 1 && last.chars().any(char::is_alphabetic)
}

/// The end of the domain, or address literal, that begins here.
fn domain_end(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    if rest.starts_with('[') {
        let close = up_to(rest, 64).find(']');
        return close.map_or(start, |at| start + at + 1);
    }
    let good = |c: char| c.is_alphanumeric() || !c.is_ascii() || matches!(c, '-' | '.' | '_');
    let end = rest.find(|c| !good(c)).unwrap_or(rest.len());
    start + rest[..end].trim_end_matches(['.', '-', '_']).len()
}

/// The beginning of the local part that ends here; of all that stands in angle brackets, where it does.
fn local_start(text: &str, at: usize, end: usize, done: usize) -> usize {
    let mut least = at.saturating_sub(LOCAL).max(done);
    while !text.is_char_boundary(least) {
        least += 1;
    }
    let before = &text[least..at];
    if text[end..].starts_with('>')
        && let Some(open) = opening(before)
    {
        return least + open + 1;
    }
    if let Some(quoted) = before.strip_suffix('"') {
        return quoted.rfind('"').map_or(at - 1, |open| least + open);
    }
    let good = |c: char| c.is_alphanumeric() || !c.is_ascii() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
    let run = before.rfind(|c| !good(c));
    let run = run.map_or(least, |stop| {
        least + stop + before[stop..].chars().next().map_or(1, char::len_utf8)
    });
    let local = &text[run..at];
    let bare = local.trim_start_matches(['\'', '`', '{', '|', '}', '/', '?', '&', '=']);
    at - after_key(bare).len()
}

/// The angle bracket that is not closed before the end.
fn opening(before: &str) -> Option<usize> {
    let mut closed = 0;
    for (at, byte) in before.bytes().enumerate().rev() {
        match byte {
            b'>' => closed += 1,
            b'<' if closed == 0 => return Some(at),
            b'<' => closed -= 1,
            _ => {}
        }
    }
    None
}

/// Keys before a value that is not in brackets. What is not among them is a part of the address: `prvs=`, `bounce-x=`.
const KEYS: &[&str] = &[
    "addr",
    "address",
    "by",
    "e",
    "email",
    "envelope-from",
    "for",
    "from",
    "header.from",
    "header.i",
    "id",
    "login",
    "mail",
    "mfrom",
    "orig_to",
    "rcpt",
    "recipient",
    "reply-to",
    "s",
    "sasl_username",
    "sender",
    "smtp.mail",
    "smtp.mailfrom",
    "smtp.rcpttodomain",
    "to",
    "u",
    "user",
    "username",
];

fn after_key(local: &str) -> &str {
    match local.split_once('=') {
        Some((key, rest)) if KEYS.contains(&key.to_ascii_lowercase().as_str()) => after_key(rest),
        _ => local,
    }
}

/// What a name of a user follows: `user=x`, `user "x"`, `login: <x>`, `imap(x)`.
const USER_KEYS: &[&str] = &[
    "username", "user", "login", "owner", "uid", "ruser", "mailbox",
];

/// Programs that put a user's name in brackets behind their own.
const WITH_USER: &[&str] = &[
    "auth",
    "auth-worker",
    "doveadm",
    "imap",
    "imap-login",
    "indexer-worker",
    "lda",
    "lmtp",
    "managesieve",
    "pop3",
    "pop3-login",
    "quota-status",
    "submission",
];

/// Names of users where the text says that they are such.
fn users(own: &Pseudonyms, text: &str) -> Found {
    let mut found: Found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    for (at, sign) in text.match_indices(['=', '"', '<', '(', '\'']) {
        let done = found.last().map_or(0, |(range, _)| range.end);
        if at < done {
            continue;
        }
        let before = text[done..at].trim_end_matches([' ', ':']);
        let word = before.rsplit(|c| !is_word(c)).next().unwrap_or_default();
        let word = word.to_ascii_lowercase();
        let keyed = USER_KEYS.iter().any(|key| word.ends_with(key));
        let called = before.len() == at - done
            && (WITH_USER.contains(&word.as_str()) || is_asked(&text[at + 1..]));
        if !(if sign == "(" { called } else { keyed }) {
            continue;
        }
        let (start, close) = match sign {
            "=" => match text[at + 1..].chars().next() {
                Some(open @ ('"' | '<' | '\'')) => (at + 2, closing(open)),
                _ => (at + 1, &[' ', ',', ';', ')', '>', ']'][..]),
            },
            "(" => (at + 1, &[',', ')'][..]),
            _ => (at + 1, closing(text[at..].chars().next().unwrap_or(' '))),
        };
        let rest = up_to(&text[start..], LOCAL);
        let value = &rest[..rest.find(close).unwrap_or(rest.len())];
        let end = start + value.len();
        if value.is_empty() || value.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        found.push((start..end, own.user(value)));
    }
    found
}

/// A user's name and a client's address, or a session: `ldap(alice,192.0.2.7,<…>): unknown user`.
fn is_asked(inside: &str) -> bool {
    let inside = inside.split(')').next().unwrap_or_default();
    inside.split_once(',').is_some_and(|(_, rest)| {
        let next = rest.split(',').next().unwrap_or_default();
        next.parse::<std::net::IpAddr>().is_ok() || next.starts_with('<')
    })
}

/// Words behind which a name stands, or a password.
const BEHIND: &[&str] = &[
    "user ",
    "username: ",
    "username ",
    "user: ",
    "password: ",
    "for account ",
];

/// Names behind a word: `mbox failed for user alice: …`. The servers' own words (`user unknown`) name nobody.
fn behind(own: &Pseudonyms, names: &Names, text: &str) -> Found {
    let lower = text.to_ascii_lowercase();
    let mut found: Found = Vec::new();
    for word in BEHIND {
        for (at, _) in lower.match_indices(word) {
            let start = at + word.len();
            let begins = lower[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric());
            let rest = &text[start..];
            let end = rest.find([' ', ',', ';', ':', ')', '"', '\'', '>', '<', '(', '=']);
            let name = &rest[..end.unwrap_or(rest.len())];
            let name = name.trim_end_matches('.');
            // A name of several words is known as a whole.
            let known = names.find(own, up_to(rest, LOCAL)).into_iter().next();
            if let Some((range, shown)) = known.filter(|(range, _)| range.end > name.len())
                && begins
                && range.start == 0
            {
                found.push((start..start + range.end, shown));
            } else if begins
                && !name.is_empty()
                && !nobody::is_plain_word(&name.to_ascii_lowercase())
            {
                found.push((start..start + name.len(), own.user(name)));
            }
        }
    }
    found.sort_by_key(|(range, _)| range.start);
    found.dedup_by(|next, kept| next.0.start < kept.0.end);
    found
}

/// Folders that are called like a user, some below one of the domain.
const HOMES: &[&str] = &["/home/", "/mail/", "/vmail/", "/mailboxes/", "/users/"];

/// Names of users in paths.
fn homes(own: &Pseudonyms, text: &str) -> Found {
    let mut found: Found = Vec::new();
    for (at, _) in text.match_indices('/') {
        let done = found.last().map_or(0, |(range, _)| range.end);
        let Some(home) = HOMES.iter().find(|home| text[at..].starts_with(**home)) else {
            continue;
        };
        let part = |start: usize| {
            let end = text[start..].find(['/', ' ', '"', '\'', ':', ',', ')', ']', '>']);
            start..end.map_or(text.len(), |end| start + end)
        };
        let mut name = part(at + home.len());
        if text[name.clone()].contains('.') && text[name.end..].starts_with('/') {
            name = part(name.end + 1);
        }
        if at >= done && !name.is_empty() {
            found.push((name.clone(), own.user(&text[name])));
        }
    }
    found
}

fn closing(open: char) -> &'static [char] {
    match open {
        '"' => &['"'],
        '<' => &['>'],
        _ => &['\''],
    }
}

/// What has the form of a domain.
fn domains(own: &Pseudonyms, text: &str) -> Found {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(first) = text[from..].find(char::is_alphanumeric) {
        let start = from + first;
        let length = text[start..]
            .find(|c| !good(c))
            .unwrap_or(text.len() - start);
        let name = text[start..start + length].trim_end_matches(['.', '-', '_']);
        from = start + length;
        let last = name.rsplit('.').next().unwrap_or_default();
        let file = nobody::FILES.contains(&last.to_ascii_lowercase().as_str());
        if name.contains('.') && !name.contains("..") && is_named(name) && !file {
            found.push((start..start + name.len(), own.hidden_domain(name)));
        }
    }
    found
}
