//! Reply → reason: the delivery-failure taxonomy.
//!
//! Every unsuccessful delivery attempt and every rejection gets a coarse `cause` and a fine `reason`, in
//! the words of [`REASONS`]. The words that replies are recognised by are data, in `reasons.toml` beside
//! this file: `rules` reads it, `check` says what is wrong with it, `text` takes the frame and
//! all that strangers wrote (addresses, host names, URLs) off a reply, `engine` finds every pattern in
//! one pass, `memo` remembers what a text led to. To teach it a new reply, add a rule with an example to
//! `reasons.toml`, and the reply to the list in `tests/replies`; the tests say what is wrong with either.
//!
//! The text decides before the enhanced status code, and that before the basic code, because providers
//! use 5.7.1 for everything. Correlation fills the columns `cause` and `reason` from here.

use std::cell::RefCell;

mod check;
mod engine;
mod memo;
mod rules;
mod text;

#[cfg(test)]
mod replies;
#[cfg(test)]
mod tests;

pub use check::{Problem, check};

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// Our delivery failed: the words are the remote server's or our delivery agent's.
    Delivery,
    /// Our server refused a client.
    Rejection,
}

/// What a log says about one failure.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The reply as logged: with its frame (`host … said: …`), with or without codes.
    pub reply: &'a [u8],
    /// Basic SMTP code, 0 when the line has none.
    pub reply_code: u16,
    /// Enhanced status code, empty when the line has none.
    pub dsn: &'a [u8],
    /// Who refused.
    pub at: At,
    /// The attempt gave up for age (`status=expired`). What the text says about why outranks it.
    pub status_expired: bool,
}

/// The answer: a row of [`REASONS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(u8);

impl Class {
    /// Given up as too old, by the queue manager's word and no other.
    pub fn expired() -> Class {
        class(rules::embedded().fixed.expired)
    }

    /// Coarse failure class.
    pub fn cause(self) -> &'static str {
        REASONS[usize::from(self.0)].0
    }

    /// Fine failure class.
    pub fn reason(self) -> &'static str {
        REASONS[usize::from(self.0)].1
    }
}

/// The taxonomy: cause, reason, what the reason means. Reasons are unique, so each implies its cause.
///
/// The words are those of the design. `protocol` is an addition: a dialogue that breaks SMTP's rules
/// (speaking before the greeting, pipelining, bad sequence) is neither bad content nor any policy that
/// the design names, and it is what half of all bots are refused for.
pub const REASONS: &[(&str, &str, &str)] = &[
    ("address", "user-unknown", "The mailbox does not exist."),
    (
        "address",
        "mailbox-inactive",
        "The mailbox exists and takes no mail: disabled, suspended, locked.",
    ),
    ("address", "moved", "The mailbox has moved."),
    ("address", "mailbox-full", "The mailbox is over its quota."),
    (
        "address",
        "bad-sender",
        "The sender's address or domain does not exist, or cannot be answered.",
    ),
    ("dns", "nxdomain", "The domain or host name does not exist."),
    (
        "dns",
        "no-mx",
        "The domain exists and has no usable mail server.",
    ),
    (
        "dns",
        "null-mx",
        "The domain declares that it takes no mail (RFC 7505).",
    ),
    ("dns", "servfail", "The name server gave no usable answer."),
    (
        "dns",
        "dns-timeout",
        "The name server did not answer in time.",
    ),
    (
        "network",
        "timeout",
        "No connection, or no answer, in time.",
    ),
    ("network", "refused", "The connection was refused."),
    ("network", "unreachable", "No route to the host or network."),
    ("network", "reset", "The connection was reset."),
    (
        "network",
        "lost",
        "The other side closed the connection in the middle.",
    ),
    (
        "tls",
        "tls",
        "Encryption or certificate: required and absent, or failed.",
    ),
    (
        "policy",
        "spf",
        "SPF: the client may not send for that domain.",
    ),
    ("policy", "dkim", "DKIM: no valid signature."),
    (
        "policy",
        "dmarc",
        "DMARC, or several sender checks at once.",
    ),
    (
        "policy",
        "ptr",
        "The client's address has no, or no matching, host name.",
    ),
    (
        "policy",
        "helo",
        "The client's HELO name is not acceptable.",
    ),
    (
        "policy",
        "greylist",
        "Told to come back later, on first sight.",
    ),
    (
        "policy",
        "protocol",
        "The dialogue broke the rules of SMTP.",
    ),
    (
        "policy",
        "other",
        "A rule of the server, access tables included, that names no reason above.",
    ),
    (
        "reputation",
        "blocklist",
        "The client's address or a domain is on a block list or in bad repute.",
    ),
    (
        "reputation",
        "rate-limit",
        "Too many messages or recipients in a time or session.",
    ),
    ("reputation", "connection-limit", "Too many connections."),
    ("content", "spam", "The content was judged unsolicited."),
    ("content", "virus", "The content was judged malicious."),
    ("content", "size", "The message is too large."),
    (
        "content",
        "attachment",
        "A kind of attachment that is not allowed.",
    ),
    (
        "content",
        "format",
        "The message is malformed, or in a form that the server cannot take.",
    ),
    (
        "relay",
        "relay-denied",
        "The server does not take mail for that domain from this client.",
    ),
    ("loop", "loop", "The message goes in circles."),
    (
        "auth",
        "auth",
        "Login is required, failed, or is not for this sender.",
    ),
    (
        "remote",
        "remote-temporary",
        "Temporary trouble of the other server.",
    ),
    (
        "remote",
        "remote-full",
        "The other server is out of space or memory.",
    ),
    (
        "remote",
        "remote-config",
        "The other server is not set up, or refuses service as a whole.",
    ),
    (
        "local",
        "local-config",
        "Our own configuration, or a command or directory of ours.",
    ),
    (
        "local",
        "local-resource",
        "Our own disk, memory, tables or processes.",
    ),
    (
        "local",
        "filter-down",
        "Our own filter, milter or policy service.",
    ),
    (
        "expired",
        "expired",
        "Given up, as it had waited in the queue for too long.",
    ),
    ("undetermined", "undetermined", "Nothing in the line tells."),
];

thread_local! {
    static MEMO: RefCell<memo::Memo> = RefCell::default();
}

/// Cause and reason of a failure. Bounded work whatever the reply.
pub fn classify(question: &Question) -> Class {
    let rules = rules::embedded();
    let answer = MEMO.with_borrow_mut(|memo| rules.answer_from(question, memo));
    class(answer.reason)
}

/// The class of a position in [`REASONS`].
fn class(index: usize) -> Class {
    const { assert!(REASONS.len() <= 256) };
    Class(index as u8)
}

/// Position of a reason in [`REASONS`].
fn position(reason: &str) -> Option<usize> {
    REASONS.iter().position(|(_, r, _)| *r == reason)
}
