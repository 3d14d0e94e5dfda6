//! What the server says about itself: start and stop, limits, and every `warning:`, `error:`, `fatal:`
//! and `panic:` that no one else reads.

use super::fields::{has, head, peer, split, trim_end};
use super::{debug, event, login, reject, smtpd};
use crate::event::{Event, Kind, Parsed, Peer, Severity};

/// A `warning:`; some of them are about clients.
pub(super) fn warning(text: &[u8]) -> Option<Parsed<'_>> {
    let text = text.strip_prefix(b"warning: ")?;
    about_client(text).or_else(|| event(of_kind(Severity::Warning, text)))
}

fn about_client(text: &[u8]) -> Option<Parsed<'_>> {
    if let Some(rest) = text.strip_prefix(b"hostname ") {
        return hostname_mismatch(rest);
    }
    if let Some((client, rest)) = peer(text) {
        let rest = rest.strip_prefix(b": ").unwrap_or(rest);
        if rest.starts_with(b"SASL ") {
            return login::failure(client, rest);
        }
        if rest.starts_with(b"request longer than ") {
            return event(smtpd::verdict(client, "long-request", rest));
        }
        let (_, header) = split(head(rest, 4096), b" instead of SMTP command: ")?;
        return event(smtpd::verdict(client, "non-smtp-command", header));
    }
    if let Some(rest) = text.strip_prefix(b"non-SMTP command from ") {
        let (client, rest) = peer(rest)?;
        let command = rest.strip_prefix(b": ").unwrap_or(rest);
        return event(smtpd::verdict(client, "non-smtp-command", command));
    }
    if let Some(rest) = text.strip_prefix(b"Illegal address syntax from ") {
        return illegal_address(rest);
    }
    smtpd::pipelining(text)
        .or_else(|| reject::etrn(text))
        .or_else(|| unlisted_address(text))
}

/// `hostname NAME does not resolve to address IP: reason`.
fn hostname_mismatch(text: &[u8]) -> Option<Parsed<'_>> {
    let (name, rest) = split(text, b" does not resolve to address ")?;
    let (ip, detail) = split(rest, b": ").unwrap_or((trim_end(rest), b""));
    let client = Peer {
        name,
        ip,
        ..Peer::default()
    };
    event(smtpd::verdict(client, "hostname-mismatch", detail))
}

/// The same before Postfix 2.8: `IP: hostname NAME verification failed: reason`, `IP: address not listed
/// for hostname NAME`.
fn unlisted_address(text: &[u8]) -> Option<Parsed<'_>> {
    let text = text.strip_prefix(b"smtpd_peer_init: ").unwrap_or(text);
    let (ip, rest) = split(head(text, 512), b": ")?;
    if !ip.first().is_some_and(u8::is_ascii_hexdigit) || ip.len() > 45 {
        return None;
    }
    let (name, detail) = match rest.strip_prefix(b"hostname ") {
        Some(rest) => split(rest, b" verification failed: ")?,
        None => (
            trim_end(rest.strip_prefix(b"address not listed for hostname ")?),
            &b""[..],
        ),
    };
    let client = Peer {
        name,
        ip,
        ..Peer::default()
    };
    event(smtpd::verdict(client, "hostname-mismatch", detail))
}

/// `NAME[IP] in MAIL command: address`.
fn illegal_address(text: &[u8]) -> Option<Parsed<'_>> {
    let (client, rest) = peer(text)?;
    let (command, address) = split(rest.strip_prefix(b" in ")?, b" command: ")?;
    let of = |name: &[u8]| if command == name { address } else { b"" };
    event(Event::Verdict {
        queue_id: b"",
        client,
        verdict: "illegal-address",
        score: None,
        detail: address,
        sender: of(b"MAIL"),
        recipient: of(b"RCPT"),
    })
}

/// Fixed beginnings of what is worth a row, with what they are about.
const STATES: [(&[u8], Severity, Kind); 24] = [
    (b"daemon started -- ", Severity::Info, Kind::Start),
    (
        b"starting the Postfix mail system",
        Severity::Info,
        Kind::Start,
    ),
    (b"terminating on signal", Severity::Info, Kind::Stop),
    (
        b"stopping the Postfix mail system",
        Severity::Info,
        Kind::Stop,
    ),
    (
        b"aborting the Postfix mail system",
        Severity::Info,
        Kind::Stop,
    ),
    (
        b"waiting for the Postfix mail system",
        Severity::Info,
        Kind::Stop,
    ),
    (b"stopping postlogd", Severity::Info, Kind::Stop),
    (b"reload ", Severity::Info, Kind::Reload),
    (
        b"refreshing the Postfix mail system",
        Severity::Info,
        Kind::Reload,
    ),
    (
        b"the Postfix mail system is running",
        Severity::Info,
        Kind::Other,
    ),
    (
        b"the Postfix mail system is not running",
        Severity::Info,
        Kind::Other,
    ),
    (
        b"Postfix is running with backwards-compatible",
        Severity::Info,
        Kind::Config,
    ),
    (
        b"Postfix is using backwards-compatible",
        Severity::Info,
        Kind::Config,
    ),
    (
        b"using backwards-compatible default",
        Severity::Info,
        Kind::Config,
    ),
    (b"table ", Severity::Info, Kind::Config),
    (b"restarting ", Severity::Info, Kind::Config),
    (b"statistics: max connection ", Severity::Info, Kind::Limit),
    (b"statistics: max message rate", Severity::Info, Kind::Limit),
    (b"entering STRESS mode", Severity::Warning, Kind::Limit),
    (b"leaving STRESS mode", Severity::Info, Kind::Limit),
    (
        b"certificate verification failed for ",
        Severity::Warning,
        Kind::Tls,
    ),
    (
        b"cannot load Certificate Authority data",
        Severity::Warning,
        Kind::Tls,
    ),
    (b"unable to dlopen ", Severity::Warning, Kind::Config),
    (b"looking for plugins in ", Severity::Warning, Kind::Config),
];

/// Fixed beginnings of what is known and reaches no table.
const KNOWN: [(&[u8], &str); 26] = [
    (b"statistics: ", "statistics"),
    (b"cache ", "cache cleanup"),
    (b"setting up TLS connection ", "TLS set-up"),
    (b"initializing the ", "TLS set-up"),
    (b"discarding EHLO keywords: ", "EHLO keywords"),
    (b"Host offered STARTTLS", "STARTTLS offered"),
    (b"Deleted: ", "postsuper summary"),
    (b"Requeued: ", "postsuper summary"),
    (b"Placed on hold: ", "postsuper summary"),
    (b"Released from hold: ", "postsuper summary"),
    (b"Expired: ", "postsuper summary"),
    (b"Renamed to match inode number: ", "postsuper summary"),
    (b"name ", "postsuper summary"),
    (b"See http", "advice"),
    (b"see http", "advice"),
    (b"To disable backwards compatibility", "advice"),
    (b"to disable backwards compatibility", "advice"),
    (b"to avoid this condition", "advice"),
    (b"Untrusted: ", "TLS detail"),
    (b"Trusted: ", "TLS detail"),
    (b"Verified: ", "TLS detail"),
    (b"Unverified: ", "TLS detail"),
    (b"Anonymous: ", "TLS detail"),
    (b"rebuilding ", "postfix-script"),
    (b"Postfix ", "postfix-script"),
    (b"set-permissions: ", "postfix-script"),
];

/// A line that no one else read.
pub(super) fn line(text: &[u8]) -> Parsed<'_> {
    const SEVERITIES: [(&[u8], Severity); 3] = [
        (b"fatal: ", Severity::Fatal),
        (b"error: ", Severity::Error),
        (b"panic: ", Severity::Panic),
    ];
    for (prefix, severity) in SEVERITIES {
        if let Some(text) = text.strip_prefix(prefix) {
            return Parsed::Event(of_kind(severity, text));
        }
    }
    if let Some((_, severity, kind)) = STATES.iter().find(|(prefix, ..)| text.starts_with(prefix)) {
        return Parsed::Event(Event::Server {
            severity: *severity,
            kind: *kind,
            text,
        });
    }
    match KNOWN.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        Some((_, why)) => Parsed::Ignored(why),
        None => debug::without_id(text),
    }
}

/// Words that tell what a complaint is about; the first that occurs decides.
const KINDS: [(Kind, &[&[u8]]); 9] = [
    (
        Kind::Resource,
        &[
            b"queue file size limit",
            b"free space",
            b"system storage",
            b"No space left",
            b"ile too large",
            b"ile too big",
            b"emory",
            b"Too many open files",
            b"quota",
            b"size limit exceeded",
        ],
    ),
    (
        Kind::Limit,
        &[b"limit exceeded", b"process limit", b"too many", b"STRESS"],
    ),
    (
        Kind::Dns,
        &[
            b"RBL lookup error",
            b"Name service error",
            b"MX host",
            b"MX record",
            b"NS host",
            b"DNS",
            b"dnsblog",
            b"hostname",
            b"domain name",
            b"dns_lookup",
            b"mailer loop",
        ],
    ),
    (
        Kind::Tls,
        &[
            b"TLS",
            b"SSL",
            b"certificate",
            b" cert",
            b"DANE",
            b"network_biopair",
            b"tlsmgr",
        ],
    ),
    (
        Kind::Filter,
        &[
            b"ilter",
            b"policy",
            b"problem talking to server",
            b"with proxy",
            b"to proxy",
        ],
    ),
    (
        Kind::Lookup,
        &[
            b"dict_",
            b"mysql",
            b"pgsql",
            b"ldap",
            b"LDAP",
            b"lookup",
            b"proxymap",
            b"hash:",
            b"btree:",
            b"lmdb:",
            b"table",
            b"database",
            b" map ",
            b".db",
            b"_maps",
        ],
    ),
    (
        Kind::Config,
        &[
            b"config",
            b"parameter",
            b"main.cf",
            b"master.cf",
            b"command startup",
            b"usage",
            b"unknown command",
            b"nsupported",
            b"unknown service",
            b"inet_interfaces",
            b"startup failed",
            b"already running",
            b"not running",
            b"integrity check",
            b"initialization failure",
            b"already in use",
            b"symlink",
            b"_lifetime",
            b"Servname",
            b"not owned by",
            b"group or other writable",
        ],
    ),
    (
        Kind::Queue,
        &[
            b"queue",
            b"corrupt",
            b"active ",
            b"maildrop",
            b"cleanup",
            b"bounce",
            b"defer",
            b"transport",
            b"mail_stream",
        ],
    ),
    (Kind::Filter, &[b"connect to "]),
];

fn of_kind(severity: Severity, text: &[u8]) -> Event<'_> {
    let words = head(text, 400);
    let kind = KINDS
        .iter()
        .find(|(_, needles)| needles.iter().any(|needle| has(words, needle)))
        .map_or(Kind::Other, |(kind, _)| *kind);
    Event::Server {
        severity,
        kind,
        text,
    }
}
