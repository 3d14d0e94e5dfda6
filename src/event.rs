//! What one log line says, in the field's words.
//!
//! Every format under [`crate::formats`] turns a line into a [`Parsed`]; [`crate::correlate`] folds the
//! events into rows. Nothing else passes between the two. Events borrow from the block they were read
//! from and hold bytes, not strings: log text is hostile and need not be UTF-8. Texts are trimmed of
//! their framing (angle brackets, parentheses) and otherwise as logged.

/// A field of a line, as logged. Empty means "not in the line" unless a field says otherwise.
pub type Bytes<'a> = &'a [u8];

/// The part of a line that the log transport wrote (RFC 3164, RFC 5424, ISO 8601 prefix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Microseconds since 1970, UTC.
    pub ts: i64,
    /// HOSTNAME as logged; empty when the line has none.
    pub host: Bytes<'a>,
    /// Tag or APP-NAME without the process id: `postfix/submission/smtpd`, `dovecot`. rsyslog's RFC 5424
    /// template cuts the tag at the first slash, so a bare `postfix` is possible.
    pub program: Bytes<'a>,
    /// Process id, 0 when the line has none.
    pub pid: u32,
    /// The message, without the blank after the tag.
    pub text: Bytes<'a>,
}

/// What a format made of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed<'a> {
    /// The line says something that reaches a table.
    Event(Event<'a>),
    /// Known, and of no interest to any table; the word says which kind of line it is.
    Ignored(&'static str),
    /// No shape we know. Counted, and shown by shape.
    Unrecognised,
}

/// An SMTP client or server as Postfix names it: `name[ip]:port`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Host name; `unknown` as logged; empty for postscreen, which looks none up.
    pub name: Bytes<'a>,
    /// Address without brackets. For a UNIX socket (`[private/dovecot-lmtp]`) empty, see `socket`.
    pub ip: Bytes<'a>,
    /// 0 when not logged.
    pub port: u16,
    /// Path of a UNIX-domain socket, else empty.
    pub socket: Bytes<'a>,
}

/// Counters of an smtpd `disconnect` line (Postfix 3.0 and later), successes and tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Commands that succeeded (`commands=4/6` gives 4).
    pub ok: u32,
    /// Commands sent.
    pub total: u32,
    /// AUTH that succeeded.
    pub auth_ok: u32,
    /// AUTH tried.
    pub auth_total: u32,
    /// MAIL that failed.
    pub mail_failed: u32,
    /// RCPT that failed.
    pub rcpt_failed: u32,
    /// The line had counters at all (Postfix before 3.0 writes none).
    pub present: bool,
}

/// How an inbound session ended, apart from its `disconnect` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Client went away: `lost connection after …`, postscreen `HANGUP`.
    Lost,
    /// `timeout after …`.
    Timeout,
    /// The server closed it: `too many errors after …`, postscreen limits, TLS failure.
    Error,
}

/// Which SMTP command an event belongs to (column `stage`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Stage {
    Connect,
    Helo,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// End of data: header and body checks, milters, content filters before the queue.
    Eod,
    #[default]
    Other,
}

impl Stage {
    /// The stage of an SMTP command as Postfix names it.
    pub fn of_command(command: &[u8]) -> Self {
        match command {
            b"CONNECT" => Stage::Connect,
            b"HELO" | b"EHLO" => Stage::Helo,
            b"AUTH" => Stage::Auth,
            b"MAIL" => Stage::Mail,
            b"RCPT" => Stage::Rcpt,
            b"DATA" | b"BDAT" => Stage::Data,
            b"END-OF-MESSAGE" => Stage::Eod,
            _ => Stage::Other,
        }
    }
}

/// What was done about a refused or filtered transaction (column `action`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Action {
    #[default]
    Reject,
    /// `reject_warning:`, `warn:` - would have been refused.
    RejectWarning,
    /// A 4xx of a policy (`defer_if_permit` and friends are `Reject` with a 4xx code as Postfix logs them).
    Defer,
    Discard,
    Hold,
    Redirect,
    /// PREPEND, REPLACE, FILTER, BCC, INFO, WARN, STRIP, DUNNO of a check.
    Other,
}

/// Outcome of one delivery attempt (column `status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Status {
    Delivered,
    /// Handed on to another message of ours: alias, content filter.
    Forwarded,
    Deferred,
    Bounced,
    Expired,
    Discarded,
    Held,
    /// `deliverable`, `undeliverable` of address probes and whatever a later version adds.
    Other,
}

/// Severity of a server event, in syslog's and Postfix's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Warning,
    Error,
    Fatal,
    Panic,
}

/// What a server event is about (column `kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Start,
    Stop,
    Reload,
    Config,
    /// A configured limit was reached: anvil, process limit, size limit.
    Limit,
    /// Disk, memory, file handles.
    Resource,
    Tls,
    Dns,
    /// Table, directory or SQL lookup.
    Lookup,
    /// Milter, policy service, content filter.
    Filter,
    Queue,
    Other,
}

/// What a notification tells its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Notice {
    NonDelivery,
    Delay,
    /// Success or verification report (`sender delivery status notification`).
    DeliveryStatus,
}

/// One try for one recipient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt<'a> {
    /// Queue ID.
    pub queue_id: Bytes<'a>,
    /// `to=`, without brackets.
    pub recipient: Bytes<'a>,
    /// `orig_to=`, without brackets; empty when absent.
    pub orig_recipient: Bytes<'a>,
    /// `relay=`: `name[ip]:port`, `local`, `none`, a pipe's name.
    pub relay: Peer<'a>,
    /// `delay=`, seconds; NaN when absent or garbled.
    pub delay: f64,
    /// `delays=a/b/c/d`, seconds, NaN when absent: before the queue manager, in the queue manager,
    /// connection set-up (DNS, HELO, TLS), transmission.
    pub delays: [f64; 4],
    /// `dsn=`; empty before Postfix 2.3.
    pub dsn: Bytes<'a>,
    /// The word after `status=`.
    pub status_text: Bytes<'a>,
    /// What it means.
    pub status: Status,
    /// The text in the outermost parentheses after the status, without them; up to the end of the line
    /// when the closing one was cut off.
    pub reply: Bytes<'a>,
    /// SMTP code in that text (after `said:`, or at its start); 0 when there is none.
    pub reply_code: u16,
    /// Queue ID after `queued as` or `forwarded as` in it, when it is of the reply's own frame; else empty.
    pub next_queue_id: Bytes<'a>,
    /// `conn_use=`, 0 when absent (a new connection).
    pub conn_use: u32,
}

/// A refusal during SMTP, or an action of a header or body check or milter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejection<'a> {
    /// Empty for `NOQUEUE`.
    pub queue_id: Bytes<'a>,
    /// What was done.
    pub action: Action,
    /// At which command.
    pub stage: Stage,
    /// The client.
    pub client: Peer<'a>,
    /// 0 when the line has none (checks without a code).
    pub reply_code: u16,
    /// Enhanced status code, empty when there is none.
    pub dsn: Bytes<'a>,
    /// Text of the reply or of the check, without code and dsn: `<a@b>: Relay access denied`.
    pub reply: Bytes<'a>,
    /// `from=`; see `has_sender` for the null sender.
    pub sender: Bytes<'a>,
    /// `from=` was in the line (`from=<>` has it with an empty `sender`).
    pub has_sender: bool,
    /// `to=`.
    pub recipient: Bytes<'a>,
    /// `proto=`.
    pub protocol: Bytes<'a>,
    /// `helo=`.
    pub helo: Bytes<'a>,
    /// `sasl_username=`.
    pub auth_user: Bytes<'a>,
    /// Block list named in the reply (`blocked using bl.example`).
    pub dnsbl: Bytes<'a>,
}

/// One authentication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Login<'a> {
    /// Service that asked: empty = the line's own program; `imap`, `pop3`, `managesieve`, … for Dovecot.
    pub service: Bytes<'a>,
    /// User name as offered; empty when unknown.
    pub user: Bytes<'a>,
    /// SASL mechanism.
    pub method: Bytes<'a>,
    /// The client.
    pub client: Peer<'a>,
    /// The session was encrypted: `None` when the line does not say.
    pub tls: Option<bool>,
    /// It worked.
    pub success: bool,
    /// Why not: the server's words; empty on success.
    pub failure: Bytes<'a>,
    /// The failure is of the password, the user or the mechanism, not of the server
    /// (`Connection lost to authentication server` and `Temporary authentication failure` are not).
    pub credentials: bool,
    /// Failed tries that the line sums up (Dovecot: `auth failed, 3 attempts`), at least 1.
    pub attempts: u32,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Event<'a> {
    // Inbound sessions (smtpd).
    Connect {
        client: Peer<'a>,
    },
    Disconnect {
        client: Peer<'a>,
        commands: Commands,
    },
    /// `lost connection after DATA (1983 bytes) from …`; `stage` is the word as logged (`DATA`, `CONNECT`, `UNKNOWN`).
    SessionEnd {
        client: Peer<'a>,
        end: End,
        stage: Bytes<'a>,
    },
    /// `Anonymous TLS connection established from …: TLSv1.3 with cipher …`.
    TlsFrom {
        client: Peer<'a>,
        version: Bytes<'a>,
        cipher: Bytes<'a>,
    },
    /// `… TLS connection established to …`; `trust` is `Untrusted`, `Trusted`, `Verified`, `Anonymous`.
    TlsTo {
        relay: Peer<'a>,
        trust: Bytes<'a>,
        version: Bytes<'a>,
        cipher: Bytes<'a>,
    },
    /// An inbound handshake that failed: `SSL_accept error from …`, tlsproxy `TLS handshake failed for …`.
    TlsFromFailed {
        client: Peer<'a>,
        text: Bytes<'a>,
    },

    // postscreen: one session per client address and port until it passes it to smtpd.
    ScreenConnect {
        client: Peer<'a>,
    },
    /// `PASS NEW`, `PASS OLD`, `ALLOWLISTED`, `WHITELISTED`: handed to smtpd.
    ScreenPass {
        client: Peer<'a>,
        how: &'static str,
    },
    /// A test that the client failed, or a limit: `PREGREET`, `DNSBL rank 2`, `HANGUP`, `BARE NEWLINE`, …
    /// `verdict` is our word (`pregreet`, `dnsbl`, `hangup`, `pipelining`, …); `end` when it ends the session.
    ScreenTest {
        client: Peer<'a>,
        verdict: &'static str,
        score: Option<f64>,
        detail: Bytes<'a>,
        end: Option<End>,
    },
    /// `DISCONNECT [ip]:port` of postscreen (and of tlsproxy when the program is unknown).
    ScreenDisconnect {
        client: Peer<'a>,
    },

    // A message's life.
    /// smtpd (or qmqpd) `QID: client=…`: a message begins.
    Received {
        queue_id: Bytes<'a>,
        client: Peer<'a>,
        auth_method: Bytes<'a>,
        auth_user: Bytes<'a>,
        /// `sasl_sender=` (AUTH= of MAIL FROM).
        auth_sender: Bytes<'a>,
        /// XFORWARD: the queue ID before the filter, `orig_queue_id=`.
        orig_queue_id: Bytes<'a>,
        /// XFORWARD: the first client, `orig_client=`.
        orig_client: Peer<'a>,
    },
    /// pickup: `QID: uid=102 from=<…> orig_id=…`: a message begins; `orig_id` after `postsuper -r`.
    PickedUp {
        queue_id: Bytes<'a>,
        uid: u32,
        sender: Bytes<'a>,
        orig_id: Bytes<'a>,
    },
    /// cleanup `message-id=`, without angle brackets. A message of bounce or local begins with this line.
    MessageId {
        queue_id: Bytes<'a>,
        message_id: Bytes<'a>,
        resent: bool,
    },
    /// qmgr `from=<…>, size=…, nrcpt=… (queue active)`.
    Queued {
        queue_id: Bytes<'a>,
        sender: Bytes<'a>,
        size: u64,
        nrcpt: u32,
    },
    Attempted(Attempt<'a>),
    /// qmgr `status=expired, returned to sender` and `status=force-expired`.
    Expired {
        queue_id: Bytes<'a>,
        sender: Bytes<'a>,
        forced: bool,
    },
    /// qmgr or postsuper `removed`; `by_admin` when postsuper.
    Removed {
        queue_id: Bytes<'a>,
        by_admin: bool,
    },
    /// postsuper `placed on hold`, `released from hold`, `requeued`: the word as logged.
    Superuser {
        queue_id: Bytes<'a>,
        action: Bytes<'a>,
    },
    /// bounce: `sender non-delivery notification: NEW`; `to` is `sender` or `postmaster`.
    Notified {
        queue_id: Bytes<'a>,
        notice: Notice,
        to: Bytes<'a>,
        new_queue_id: Bytes<'a>,
    },
    /// An attempt that went on to the next server, without recipient or status:
    /// `QID: host … said: 421 …`, `QID: lost connection with … while sending RCPT TO`, `connect to …: timed out`.
    RelayTrouble {
        queue_id: Bytes<'a>,
        relay: Peer<'a>,
        text: Bytes<'a>,
    },

    Rejected(Rejection<'a>),
    LoggedIn(Login<'a>),
    /// A filter, policy or protocol check said something about a client or message: dnsblog listings,
    /// header checks that only inform, `non-SMTP command`, `improper command pipelining`, host name mismatch.
    /// `verdict` is our word.
    Verdict {
        queue_id: Bytes<'a>,
        client: Peer<'a>,
        verdict: &'static str,
        score: Option<f64>,
        detail: Bytes<'a>,
        sender: Bytes<'a>,
        recipient: Bytes<'a>,
    },
    /// The server about itself. `text` without the `warning: ` prefix.
    Server {
        severity: Severity,
        kind: Kind,
        text: Bytes<'a>,
    },
}
