//! What `-v` and `debug_peer_list` add: function traces, attribute exchanges, SMTP dialogue.

use super::fields::{has, head, word};
use crate::event::Parsed;

const TRACES: [&[u8]; 48] = [
    b"send attr ",
    b"input attribute ",
    b"> ",
    b"< ",
    b">>> ",
    b"<<< ",
    b"initial envelope ",
    b"extracted envelope ",
    b"message content ",
    b"cleanup flags ",
    b"start sorted ",
    b"end sorted ",
    b"start move ",
    b"end move ",
    b"start incoming",
    b"start deferred",
    b"done ",
    b"request: ",
    b"request ignored",
    b"process generation: ",
    b"mynetworks: ",
    b"connection established",
    b"connection closed",
    b"connect to subsystem ",
    b"idle timeout -- exiting",
    b"wakeup ",
    b"fsspace: ",
    b"before ",
    b"after ",
    b"report ",
    b"Compiled against ",
    b"Run-time linked ",
    b"open ",
    b"SSL_accept:",
    b"SSL_connect:",
    b"SSL3 alert ",
    b"subject_CN=",
    b"save session ",
    b"looking up session ",
    b"trigger ",
    b"watchdog_",
    b"master disconnect -- exiting",
    b"host name lookup methods: ",
    b"pref ",
    b"lookup ",
    b"begin ",
    b"end ",
    b"connecting to ",
];

/// A line about one message that no one else read.
pub(super) fn with_id(text: &[u8]) -> Parsed<'_> {
    if text.starts_with(b"recipient limit ") {
        return Parsed::Ignored("debug");
    }
    Parsed::Unrecognised
}

/// A line without queue ID that no one else read.
pub(super) fn without_id(text: &[u8]) -> Parsed<'_> {
    let known = text.is_empty()
        || TRACES.iter().any(|prefix| text.starts_with(prefix))
        || is_function(text)
        || is_socket(text);
    if known {
        Parsed::Ignored("debug")
    } else {
        Parsed::Unrecognised
    }
}

/// `qmgr_active_feed: …`, `unknown_address_tempfail_action = …`: a name of C in front.
fn is_function(text: &[u8]) -> bool {
    let name = head(word(text).0, 64);
    let name = name.strip_suffix(b":").unwrap_or(name);
    name.contains(&b'_')
        && name
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

/// `private/rewrite socket: wanted attribute: flags`, `rewrite stream disconnect`.
fn is_socket(text: &[u8]) -> bool {
    let (_, rest) = word(head(text, 128));
    rest.starts_with(b" socket: ") || rest == b" stream disconnect" || has(rest, b": TLS ")
}
