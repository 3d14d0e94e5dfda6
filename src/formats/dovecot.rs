//! Dovecot 2.0 to 2.4: logins, and what the server says about itself.
//!
//! A failed login is written twice, or three times: by `auth` (`passwd-file(user,ip): Password mismatch`),
//! by the login service when the client gives up (`… (auth failed, 3 attempts in 12 secs): user=<…>`) and,
//! where Postfix asked, by smtpd (`SASL PLAIN authentication failed`). Only the service that the client
//! talked to makes a [`Login`]; the line of `auth` is a verdict (`password-mismatch`, `unknown-user`), as it
//! has the reason that the other lacks and would count the failure again.

use super::Format;
use crate::event::{Event, Header, Kind, Login, Parsed, Peer, Severity};
use memchr::{memchr, memmem};

/// The format `dovecot`.
pub struct Dovecot;

impl Format for Dovecot {
    fn name(&self) -> &'static str {
        "dovecot"
    }

    fn claims(&self, program: &[u8]) -> bool {
        program.starts_with(b"dovecot")
    }

    fn parse<'a>(&self, line: &Header<'a>) -> Parsed<'a> {
        let text = line.text.trim_ascii_start();
        // With `dovecot/auth` or `dovecot-auth` the service is in the program's name.
        if let Some(service) = line.program.get(8..).filter(|s| !s.is_empty()) {
            return by_service(service, text);
        }
        let end = text
            .iter()
            .position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_'))
            .unwrap_or(text.len());
        by_service(&text[..end], &text[end..])
    }
}

fn by_service<'a>(service: &'a [u8], text: &'a [u8]) -> Parsed<'a> {
    let (context, message) = context(text);
    let (severity, message) = level(message);
    if let Some(service) = service.strip_suffix(b"-login") {
        return login(service, severity, message);
    }
    let severe = severity.filter(|s| *s != Severity::Info);
    match (service, severe) {
        (b"master" | b"log", _) => master(severe, message),
        (_, Some(severity)) => complaint(severity, message),
        _ if message.starts_with(b"Debug: ") => Parsed::Ignored("debug"),
        (b"auth" | b"auth-worker", _) => auth(text, context, message),
        (b"imap" | b"pop3" | b"managesieve" | b"submission", _) => {
            Parsed::Ignored("dovecot session")
        }
        (b"lmtp" | b"lda" | b"deliver" | b"sieve" | b"indexer-worker", _) => {
            Parsed::Ignored("dovecot delivery")
        }
        (
            b"config" | b"stats" | b"anvil" | b"ssl-params" | b"doveadm" | b"director"
            | b"replicator" | b"indexer" | b"dict" | b"quota-status" | b"old-stats",
            _,
        ) => Parsed::Ignored("dovecot service"),
        _ => Parsed::Unrecognised,
    }
}

/// Splits `(user)<pid><session>: message` at the first `: ` outside the brackets of the first.
fn context(text: &[u8]) -> (&[u8], &[u8]) {
    let start = match text.first() {
        Some(b'(') => memmem::find(text, b")").unwrap_or(0),
        _ => 0,
    };
    match memmem::find(&text[start..], b": ") {
        Some(at) => (&text[..start + at], &text[start + at + 2..]),
        None => (b"", text.strip_prefix(b":").unwrap_or(text)),
    }
}

/// Takes `Error: ` and its like off; Dovecot's own log files have `Info: ` too.
fn level(text: &[u8]) -> (Option<Severity>, &[u8]) {
    const LEVELS: [(&[u8], Severity); 5] = [
        (b"Info: ", Severity::Info),
        (b"Warning: ", Severity::Warning),
        (b"Error: ", Severity::Error),
        (b"Fatal: ", Severity::Fatal),
        (b"Panic: ", Severity::Panic),
    ];
    LEVELS
        .iter()
        .find_map(|(word, severity)| Some((Some(*severity), text.strip_prefix(*word)?)))
        .unwrap_or((None, text))
}

fn server<'a>(severity: Severity, kind: Kind, text: &'a [u8]) -> Parsed<'a> {
    Parsed::Event(Event::Server {
        severity,
        kind,
        text,
    })
}

/// Start, stop and reload are information, whatever level Dovecot gives them.
fn master(severity: Option<Severity>, text: &[u8]) -> Parsed<'_> {
    if text.starts_with(b"Dovecot v") {
        return server(Severity::Info, Kind::Start, text);
    }
    if text.starts_with(b"Killed with signal") {
        return server(Severity::Info, Kind::Stop, text);
    }
    if text.starts_with(b"SIGHUP received") {
        return server(Severity::Info, Kind::Reload, text);
    }
    complaint(severity.unwrap_or(Severity::Info), text)
}

fn complaint(severity: Severity, text: &[u8]) -> Parsed<'_> {
    const KINDS: [(&[u8], Kind); 12] = [
        (b"process_limit", Kind::Limit),
        (b"client_limit", Kind::Limit),
        (b"reached", Kind::Limit),
        (b"Too many open files", Kind::Resource),
        (b"Out of memory", Kind::Resource),
        (b"No space left", Kind::Resource),
        (b"SSL", Kind::Tls),
        (b"TLS", Kind::Tls),
        (b"config", Kind::Config),
        (b"sql", Kind::Lookup),
        (b"ldap", Kind::Lookup),
        (b"passwd-file", Kind::Lookup),
    ];
    let head = &text[..text.len().min(400)];
    let kind = KINDS
        .iter()
        .find(|(word, _)| memmem::find(head, word).is_some())
        .map_or(Kind::Other, |(_, kind)| *kind);
    server(severity, kind, text)
}

/// `passwd-file(user,ip,<session>): Password mismatch`, with up to two contexts of workers in front; since
/// 2.4 `auth(user,ip,sasl:plain)<session>: sql: Password mismatch`. The detail is all of it, as there is no
/// other place for the user.
fn auth<'a>(text: &'a [u8], context: &'a [u8], message: &'a [u8]) -> Parsed<'a> {
    const REASONS: [(&[u8], &str); 6] = [
        (b"assword mismatch", "password-mismatch"),
        (b"nvalid credentials", "password-mismatch"),
        (b"nknown user", "unknown-user"),
        (b"ser unknown", "unknown-user"),
        (b"ser not known", "unknown-user"),
        (b"pam_authenticate() failed", "password-mismatch"),
    ];
    // A worker's process id, `(5787): `, is no part of it.
    let pid = memmem::find(&text[..text.len().min(16)], b"): ").map_or(0, |at| at + 1);
    let detail = text[pid..].strip_prefix(b": ").unwrap_or(text);
    let after = memmem::find(detail, b"): ").map_or(message, |at| &detail[at + 3..]);
    let reason = REASONS
        .iter()
        .find(|(words, _)| memmem::find(after, words).is_some());
    let Some((_, verdict)) = reason else {
        return Parsed::Ignored("dovecot auth");
    };
    let client = client_in_parentheses(context)
        .or_else(|| client_in_parentheses(detail))
        .unwrap_or_default();
    Parsed::Event(Event::Verdict {
        queue_id: b"",
        client,
        verdict,
        score: None,
        detail,
        sender: b"",
        recipient: b"",
    })
}

/// The address in the last `(user,ip…)` before the reason. The user comes first and may contain anything
/// but a comma.
fn client_in_parentheses(text: &[u8]) -> Option<Peer<'_>> {
    memchr::memchr_iter(b'(', text).take(8).find_map(|open| {
        let inside = &text[open + 1..];
        let inside = &inside[..memchr(b')', inside)?];
        let ip = inside.split(|b| *b == b',').nth(1)?;
        is_address(ip).then_some(Peer {
            ip,
            ..Peer::default()
        })
    })
}

fn is_address(text: &[u8]) -> bool {
    let separators = text.iter().filter(|b| matches!(b, b'.' | b':')).count();
    separators >= 2
        && text
            .iter()
            .all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))
}

/// `Login: user=<…>, method=PLAIN, rip=…, lip=…, TLS, session=<…>` and the ways of not getting there.
fn login<'a>(service: &'a [u8], severity: Option<Severity>, text: &'a [u8]) -> Parsed<'a> {
    if let Some(severity) = severity.filter(|s| *s != Severity::Info) {
        return complaint(severity, text);
    }
    const FIRST_FIELDS: [&[u8]; 3] = [b"user=<", b"method=", b"rip="];
    let fields = FIRST_FIELDS
        .iter()
        .find_map(|field| memmem::find(text, field));
    let (said, fields) = text.split_at(fields.unwrap_or(text.len()));
    let said = said.trim_ascii_end().strip_suffix(b":").unwrap_or(said);
    let mut login = Login {
        service,
        attempts: 1,
        ..fields_of(fields)
    };
    if said == b"Login" {
        login.success = true;
        return Parsed::Event(Event::LoggedIn(login));
    }
    if text.starts_with(b"proxy(") || said.starts_with(b"proxy") {
        return Parsed::Ignored("dovecot proxy");
    }
    let Some((attempts, credentials)) = failed(said) else {
        return Parsed::Ignored("dovecot session without login");
    };
    (login.failure, login.attempts, login.credentials) = (said, attempts, credentials);
    Parsed::Event(Event::LoggedIn(login))
}

/// Number of failed tries, and whether the credentials were at fault, by the words in parentheses.
fn failed(said: &[u8]) -> Option<(u32, bool)> {
    const TRIES: &[u8] = b"(auth failed, ";
    if let Some(at) = memmem::find(said, TRIES) {
        let digits = said[at + TRIES.len()..]
            .split(|b| !b.is_ascii_digit())
            .next()?;
        let digits = &digits[..digits.len().min(6)];
        let tries = digits.iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
        return Some((tries.max(1), true));
    }
    if memmem::find(said, b"auth failed").is_some() {
        return Some((1, true));
    }
    let refused: [&[u8]; 2] = [b"(tried to use dis", b"(internal failure"];
    refused
        .iter()
        .any(|words| memmem::find(said, words).is_some())
        .then_some((1, false))
}

/// Only the user is the client's word, so the fields after it are looked for from the right.
fn fields_of(text: &[u8]) -> Login<'_> {
    let rip = memmem::rfind(text, b"rip=").unwrap_or(text.len());
    let (before, after) = text.split_at(rip);
    let before = before.strip_suffix(b", ").unwrap_or(before);
    let method = memmem::rfind(before, b"method=");
    let user = before[..method.unwrap_or(before.len())]
        .strip_suffix(b", ")
        .unwrap_or(&before[..method.unwrap_or(before.len())]);
    let user = user.strip_prefix(b"user=<").unwrap_or_default();
    let value = |text: &[u8]| text.iter().position(|b| *b == b',').unwrap_or(text.len());
    let ip = after.get(4..).map_or(&b""[..], |ip| &ip[..value(ip)]);
    let method = method.map_or(&b""[..], |at| &before[at + 7..]);
    Login {
        user: user.strip_suffix(b">").unwrap_or(user),
        method: &method[..value(method)],
        client: Peer {
            ip,
            ..Peer::default()
        },
        tls: encrypted(after),
        ..Login::default()
    }
}

/// `TLS` is encryption; `secured` may also be a connection from the same machine, which says nothing.
fn encrypted(text: &[u8]) -> Option<bool> {
    let mut flags = text.split(|b| *b == b',').map(|f| f.trim_ascii());
    if flags.clone().any(|flag| flag.starts_with(b"TLS")) {
        return Some(true);
    }
    (!flags.any(|flag| flag == b"secured")).then_some(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Parsed<'_> {
        Dovecot.parse(&Header {
            ts: 0,
            host: b"mx1",
            program: b"dovecot",
            pid: 1,
            text: text.as_bytes(),
        })
    }

    fn logged_in(text: &str) -> Login<'_> {
        match parse(text) {
            Parsed::Event(Event::LoggedIn(login)) => login,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_login() {
        let text = "imap-login: Login: user=<anna@corp.example>, method=PLAIN, rip=192.0.2.7, \
                    lip=192.0.2.10, mpid=30726, TLS, session=<QlNHvRZeMMd/AAAB>";
        let expected = Login {
            service: b"imap",
            user: b"anna@corp.example",
            method: b"PLAIN",
            client: Peer {
                ip: b"192.0.2.7",
                ..Peer::default()
            },
            tls: Some(true),
            success: true,
            attempts: 1,
            ..Login::default()
        };
        assert_eq!(logged_in(text), expected);
    }

    #[test]
    fn failures_sum_up_their_attempts() {
        for (text, attempts, credentials) in [
            (
                "imap-login: Disconnected (auth failed, 3 attempts in 12 secs): user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.10, session=<x>",
                3,
                true,
            ),
            (
                "imap-login: Info: Login aborted: Connection closed (auth failed, 3 attempts in 16 secs) (auth_failed): user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.10, session=<x>",
                3,
                true,
            ),
            (
                "pop3-login: Aborted login (auth failed, 1 attempts): user=<a>, method=CRAM-MD5, rip=192.0.2.7, lip=192.0.2.10",
                1,
                true,
            ),
            (
                "imap-login: Disconnected (proxy dest auth failed): user=<a>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.10",
                1,
                true,
            ),
            (
                "pop3-login: Aborted login (tried to use disabled plaintext auth): user=<a>, rip=192.0.2.7, lip=192.0.2.10",
                1,
                false,
            ),
        ] {
            let login = logged_in(text);
            assert!(
                !login.success && login.user == b"a" && login.client.ip == b"192.0.2.7",
                "{text}"
            );
            assert_eq!(
                (login.attempts, login.credentials),
                (attempts, credentials),
                "{text}"
            );
            assert_eq!(login.tls, Some(false), "{text}");
        }
    }

    #[test]
    fn a_user_name_cannot_forge_the_address() {
        let login = logged_in(
            "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<x>, method=A, \
             rip=198.51.100.1, y>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.10",
        );
        assert_eq!(login.client.ip, b"192.0.2.7");
        assert_eq!(login.method, b"PLAIN");
    }

    #[test]
    fn auth_lines_are_verdicts() {
        for (text, verdict) in [
            (
                "auth: passwd-file(anna@corp.example,192.0.2.7): Password mismatch",
                "password-mismatch",
            ),
            (
                "auth: passwd-file(root,192.0.2.7,<6rXunFtu493AqJDi>): unknown user",
                "unknown-user",
            ),
            (
                "auth-worker(5787): conn unix:auth-worker (pid=27359,uid=97): auth-worker<55>: pam(w,192.0.2.7): unknown user",
                "unknown-user",
            ),
            (
                "auth(a@corp.example,192.0.2.7,sasl:login)<CvN>: Info: sql: Password mismatch",
                "password-mismatch",
            ),
            (
                "auth-worker(3): pam(w,192.0.2.7): pam_authenticate() failed: Permission denied",
                "password-mismatch",
            ),
        ] {
            match parse(text) {
                Parsed::Event(Event::Verdict {
                    verdict: found,
                    client,
                    ..
                }) => {
                    assert_eq!((found, client.ip), (verdict, &b"192.0.2.7"[..]), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_rest_is_known() {
        for (text, expected) in [
            (
                "master: Dovecot v2.3.19.1 (9b53102964) starting up for imap",
                "Start",
            ),
            (
                "master: Warning: Killed with signal 15 (by pid=1 uid=0 code=kill)",
                "Stop",
            ),
            (
                "auth: Error: auth client 0 disconnected with 1 pending requests: EOF",
                "Error",
            ),
            ("imap(anna): Logged out in=68 out=998", "dovecot session"),
            (
                "imap(a)<7><x>: Connection closed (IDLE running for 0.001 secs) in=1 out=2",
                "dovecot session",
            ),
            (
                "lmtp(a@corp.example): x: sieve: msgid=<1@a>: stored mail into mailbox 'INBOX'",
                "dovecot delivery",
            ),
            (
                "imap-login: Disconnected (no auth attempts in 4 secs): user=<>, rip=192.0.2.5, lip=192.0.2.1",
                "without login",
            ),
        ] {
            let found = format!("{:?}", parse(text));
            assert!(found.contains(expected), "{text}: {found}");
        }
    }
}
