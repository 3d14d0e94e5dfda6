//! postscreen, its helpers dnsblog and tlsproxy.
//!
//! Our words for what a client failed: `pregreet`, `dnsbl`, `hangup`, `pipelining`, `non-smtp-command`,
//! `bare-newline`, `command-count-limit`, `command-length-limit`, `command-time-limit`,
//! `data-without-recipient`, `denylisted`, `allowlist-veto`.

use super::fields::{self, decimal, find, peer, trim_start, word};
use super::{Hint, event};
use crate::event::{End, Event, Parsed, Peer};

/// A line that begins with one of postscreen's capitals.
pub(super) fn line(hint: Hint, text: &[u8]) -> Option<Parsed<'_>> {
    let (first, rest) = word(fields::head(text, 32));
    match first {
        b"CONNECT" => connect(text),
        b"DISCONNECT" => {
            let (client, _) = peer(text.strip_prefix(b"DISCONNECT ")?)?;
            if hint == Hint::Tlsproxy {
                return Some(Parsed::Ignored("tlsproxy session"));
            }
            event(Event::ScreenDisconnect { client })
        }
        b"PASS" | b"WHITELISTED" | b"ALLOWLISTED" if !rest.is_empty() => {
            passed(text).or_else(|| tested(text))
        }
        _ => tested(text),
    }
}

/// `CONNECT from [ip]:port to [ip]:port`; tlsproxy writes no second address.
fn connect(text: &[u8]) -> Option<Parsed<'_>> {
    let (client, rest) = peer(text.strip_prefix(b"CONNECT from ")?)?;
    if rest.starts_with(b" to ") {
        return event(Event::ScreenConnect { client });
    }
    Some(Parsed::Ignored("tlsproxy session"))
}

fn passed(text: &[u8]) -> Option<Parsed<'_>> {
    const HOW: [(&[u8], &str); 4] = [
        (b"PASS OLD ", "old"),
        (b"PASS NEW ", "new"),
        (b"WHITELISTED ", "allowlisted"),
        (b"ALLOWLISTED ", "allowlisted"),
    ];
    let (how, rest) = HOW
        .iter()
        .find_map(|(prefix, how)| Some((*how, text.strip_prefix(*prefix)?)))?;
    let (client, _) = peer(rest)?;
    event(Event::ScreenPass { client, how })
}

/// Where the client stands in a test's line.
#[derive(Clone, Copy)]
enum At {
    /// Right after the words.
    Next,
    /// After the first `from `, for `PREGREET 6 after 1.2 from …`.
    From,
    /// After the first `for `, for `DNSBL rank 3 for …`.
    For,
}

type Test = (&'static [u8], &'static str, At, Option<End>);

/// Only what closes the session by itself has an end; the action on other tests is configured.
const TESTS: [Test; 17] = [
    (b"PREGREET ", "pregreet", At::From, None),
    (b"DNSBL rank ", "dnsbl", At::For, None),
    (b"HANGUP ", "hangup", At::From, Some(End::Lost)),
    (b"COMMAND PIPELINING from ", "pipelining", At::Next, None),
    (
        b"COMMAND COUNT LIMIT from ",
        "command-count-limit",
        At::Next,
        Some(End::Error),
    ),
    (
        b"COMMAND LENGTH LIMIT from ",
        "command-length-limit",
        At::Next,
        Some(End::Error),
    ),
    (
        b"COMMAND TIME LIMIT from ",
        "command-time-limit",
        At::Next,
        Some(End::Timeout),
    ),
    (
        b"NON-SMTP COMMAND from ",
        "non-smtp-command",
        At::Next,
        None,
    ),
    (b"BARE NEWLINE from ", "bare-newline", At::Next, None),
    (
        b"DATA without valid RCPT from ",
        "data-without-recipient",
        At::Next,
        None,
    ),
    (
        b"BDAT without valid RCPT from ",
        "data-without-recipient",
        At::Next,
        None,
    ),
    (b"BLACKLISTED ", "denylisted", At::Next, None),
    (b"DENYLISTED ", "denylisted", At::Next, None),
    (b"WHITELIST VETO ", "allowlist-veto", At::Next, None),
    (b"ALLOWLIST VETO ", "allowlist-veto", At::Next, None),
    (b"WHITELISTED VETO ", "allowlist-veto", At::Next, None),
    (b"PASS VETO ", "allowlist-veto", At::Next, None),
];

/// A test that the client failed, or a limit it reached.
pub(super) fn tested(text: &[u8]) -> Option<Parsed<'_>> {
    let ((_, verdict, at, end), rest) = TESTS
        .iter()
        .find_map(|test| Some((*test, text.strip_prefix(test.0)?)))?;
    let (client, after) = match at {
        At::Next => peer(rest)?,
        At::From => peer(&rest[find(rest, b" from ")? + 6..])?,
        At::For => peer(&rest[find(rest, b" for ")? + 5..])?,
    };
    let score = matches!(at, At::For)
        .then(|| decimal(word(rest).0))
        .filter(|s| !s.is_nan());
    event(Event::ScreenTest {
        client,
        verdict,
        score,
        detail: detail(after),
        end,
    })
}

/// What the client sent too early, or where it stood: the text after the client.
fn detail(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    trim_start(text.strip_prefix(b":").unwrap_or(text))
}

/// dnsblog `addr 192.0.2.1 listed by domain bl.example as 127.0.0.2`: the detail is list and answer.
pub(super) fn listed(text: &[u8]) -> Option<Parsed<'_>> {
    let (ip, rest) = word(text.strip_prefix(b"addr ")?);
    let detail = rest.strip_prefix(b" listed by domain ")?;
    let client = Peer {
        ip,
        ..Peer::default()
    };
    event(super::smtpd::verdict(client, "dnsbl", detail))
}
