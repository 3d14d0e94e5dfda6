//! One file per mail server or companion program, and the list of them.
//!
//! A format is pure: bytes in, [`Parsed`] out, no state, no clock. It sees a line whose transport header
//! [`crate::syslog`] has already taken off. To add a server: write a file here, add one line to
//! [`FORMATS`], and put a capture under `sample-logs/` (a test goes red for what is missing).

pub mod dovecot;
pub mod instants;
pub mod postfix;

use crate::event::{Header, Parsed};

/// A mail server's or companion's way of logging.
pub trait Format: Sync {
    /// Name in the column `format`, and of its folder under `sample-logs/`.
    fn name(&self) -> &'static str;
    /// Whether this program's lines are ours (`postfix/smtpd`, `postfix-out/10025/smtpd`).
    fn claims(&self, program: &[u8]) -> bool;
    /// What the line says.
    fn parse<'a>(&self, line: &Header<'a>) -> Parsed<'a>;
}

/// Every format, in the order in which they are asked.
pub const FORMATS: &[&dyn Format] = &[&postfix::Postfix, &dovecot::Dovecot];

/// Programs of a mail system whose lines are known and not read by any format yet: filters and policy
/// services. Their lines are ignored by name, so that the report can say what it did not look at.
pub const COMPANIONS: &[&str] = &[
    "amavis",
    "amavisd",
    "clamd",
    "clamav-milter",
    "clamsmtpd",
    "greyfix",
    "mailman",
    "milter-greylist",
    "opendkim",
    "opendmarc",
    "openarc",
    "policyd",
    "policyd-spf",
    "policyd-weight",
    "postfwd",
    "postgrey",
    "postsrsd",
    "rspamd",
    "saslauthd",
    "spamd",
    "spamass-milter",
    "spampd",
    "sqlgrey",
    "dkim-filter",
    "MailScanner",
];

/// Whether a mail server's line has a word of severity before it: what syslog sorts into `mail.warn` and `mail.err`.
pub fn is_alert(text: &[u8]) -> bool {
    const POSTFIX: [&[u8]; 4] = [b"warning: ", b"error: ", b"fatal: ", b"panic: "];
    const DOVECOT: [&[u8]; 4] = [b"Warning: ", b"Error: ", b"Fatal: ", b"Panic: "];
    let begins = |text: &[u8], words: [&[u8]; 4]| words.iter().any(|word| text.starts_with(word));
    // Dovecot puts it behind the service: `imap-login: Error: …`.
    let service = memchr::memchr(b':', text).and_then(|at| text.get(at + 2..));
    begins(text, POSTFIX)
        || begins(text, DOVECOT)
        || service.is_some_and(|text| begins(text, DOVECOT))
}

/// What the line says, by the format that claims its program.
pub fn parse<'a>(line: &Header<'a>) -> (Option<&'static dyn Format>, Parsed<'a>) {
    for format in FORMATS {
        if format.claims(line.program) {
            return (Some(*format), format.parse(line));
        }
    }
    let companion = COMPANIONS
        .iter()
        .any(|name| line.program.starts_with(name.as_bytes()));
    (
        None,
        Parsed::Ignored(if companion {
            "mail companion, not read"
        } else {
            "another program"
        }),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn severity_is_told_by_the_server_alone() {
        for (text, expected) in [
            (
                "warning: hostname x does not resolve to address 192.0.2.9",
                true,
            ),
            ("fatal: no SASL authentication mechanisms", true),
            ("imap-login: Error: SSL_accept() failed", true),
            ("imap(bob)<7><x>: Warning: slow", true),
            ("4F3kz9: to=<a@b>, status=deferred (warning: x)", false),
            ("4F3kz9: warning: header Subject: Error: x", false),
            ("NOQUEUE: reject: RCPT from x", false),
            ("imap-login: Login: user=<Error: >", false),
            ("", false),
        ] {
            assert_eq!(super::is_alert(text.as_bytes()), expected, "{text}");
        }
    }
}
