//! What the fold collects: one struct a row, texts as symbols, links between rows as indices.
//!
//! [`super::Part`] holds vectors of these; [`super::finish`] turns them into the rows that
//! [`crate::tables`] writes. Times are microseconds since 1970 UTC, [`NO_TIME`] when unknown.

use crate::classify::Class;
use crate::event::{Action, Commands, End, Kind, Notice, Severity, Stage, Status};
use crate::strings::Sym;

/// A time that the logs do not give.
pub const NO_TIME: i64 = i64::MIN;

/// No row.
pub const NONE: u32 = u32::MAX;

/// Where a row begins: rank of its source in reading order, and the line there, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub struct Place {
    pub source: u32,
    pub line: u64,
}

/// More lines than a source can have.
pub const LINES: i64 = 10_000_000_000;

impl Place {
    /// The key of the message or session that begins here: `source * LINES + line`, from 1. No line begins two, and
    /// the key needs nothing but the place, so that it can be given before the rest of the logs is known.
    pub fn key(self) -> i64 {
        i64::from(self.source) * LINES + self.line as i64
    }
}

/// How a message's first line says it came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// The line is not in the logs, or the message has none (bounces and forwards begin in cleanup).
    #[default]
    None,
    /// smtpd `client=`.
    Smtp,
    /// pickup `uid=`.
    Pickup,
}

/// A stretch of one queue ID's life: from a head line, or from whatever comes first, to `removed`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Message {
    pub place: Place,
    pub host: Sym,
    pub queue_id: Sym,
    pub service: Sym,
    pub first_ts: i64,
    pub last_ts: i64,
    pub head: Head,
    /// Time of the head line, else of the first line that is not an attempt.
    pub received_ts: i64,
    pub removed_ts: i64,
    pub message_id: Sym,
    pub sender: Sym,
    pub size: Option<u64>,
    pub nrcpt: Option<u32>,
    pub client_name: Sym,
    pub client_ip: Sym,
    pub client_port: u16,
    pub helo: Sym,
    pub protocol: Sym,
    pub auth_user: Sym,
    pub auth_method: Sym,
    /// Queue ID before the filter (XFORWARD) or before `postsuper -r`.
    pub orig_queue_id: Sym,
    /// qmgr saw it.
    pub queued: bool,
    pub expired_ts: i64,
    /// postsuper deleted it.
    pub deleted: bool,
    /// postsuper put it back under a new ID.
    pub requeued: bool,
    /// On hold or released, whichever a check, postsuper or qmgr said last.
    pub held: Option<bool>,
    /// A check discarded it before the queue.
    pub discarded: bool,
    /// Session it was received in.
    pub session: u32,
    /// Nothing of this queue ID came before in its part: its beginning may be in the part before.
    pub leading: bool,
    /// The stretch before it with the same queue ID.
    pub previous: u32,
    /// It turned out to be a part of that stretch.
    pub taken: bool,
    /// A later one of its queue ID has been put away already.
    pub over: bool,
}

/// How our own delivery agent's words say that it handed a message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// They do not.
    Other,
    /// `forwarded as …`: an alias or `.forward`.
    Alias,
    /// `delivered via … service`: a command.
    Pipe,
}

impl Via {
    pub(super) fn of(reply: &[u8]) -> Via {
        if reply.starts_with(b"forwarded as") {
            Via::Alias
        } else if reply.starts_with(b"delivered via") {
            Via::Pipe
        } else {
            Via::Other
        }
    }
}

/// One try for one recipient.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Attempt {
    pub place: Place,
    pub message: u32,
    pub ts: i64,
    pub pid: u32,
    pub transport: Sym,
    pub recipient: Sym,
    pub recipient_domain: Sym,
    pub orig_recipient: Sym,
    pub relay_name: Sym,
    pub relay_ip: Sym,
    pub relay_port: u16,
    pub delay: f64,
    pub delays: [f64; 4],
    pub status: Status,
    pub dsn: Sym,
    pub reply_code: u16,
    pub reply: Sym,
    pub class: Option<Class>,
    pub via: Via,
    pub next_queue_id: Sym,
    pub conn_use: u32,
    pub tls_version: Sym,
}

/// One refusal or action during SMTP.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Rejection {
    pub place: Place,
    pub host: Sym,
    pub service: Sym,
    pub ts: i64,
    pub stage: Stage,
    pub action: Action,
    pub reply_code: u16,
    pub dsn: Sym,
    pub reply: Sym,
    pub class: Option<Class>,
    pub client_name: Sym,
    pub client_ip: Sym,
    pub helo: Sym,
    pub protocol: Sym,
    pub sender: Sym,
    pub sender_domain: Sym,
    pub recipient: Sym,
    pub recipient_domain: Sym,
    pub auth_user: Sym,
    pub queue_id: Sym,
    pub dnsbl: Sym,
    pub session: u32,
    pub message: u32,
}

/// A stretch of one server process serving one client, or of one client in postscreen.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Session {
    pub place: Place,
    pub host: Sym,
    pub service: Sym,
    pub pid: u32,
    pub connect_ts: i64,
    pub disconnect_ts: i64,
    pub first_ts: i64,
    pub last_ts: i64,
    pub client_name: Sym,
    pub client_ip: Sym,
    pub client_port: u16,
    pub tls_version: Sym,
    pub tls_cipher: Sym,
    pub tls_failed: bool,
    pub auth_user: Sym,
    pub auth_method: Sym,
    pub helo: Sym,
    pub protocol: Sym,
    /// Login rows made from lines of this session.
    pub logins_ok: u32,
    pub logins_failed: u32,
    /// Counters of the disconnect line.
    pub commands: Commands,
    pub messages: u32,
    pub rejections: u32,
    pub end: Option<End>,
    pub end_stage: Sym,
    pub end_place: Place,
    pub closed: bool,
    /// postscreen handed the client on to smtpd.
    pub passed: bool,
    /// A session of postscreen.
    pub screen: bool,
    /// Of a finished row: the stretch that it was.
    pub stretch: u32,
    pub leading: bool,
    /// A later one of its process has been put away already.
    pub over: bool,
    /// Its row has been made already: this is what its messages still need of it.
    pub trace: bool,
}

/// One authentication.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Login {
    pub place: Place,
    pub host: Sym,
    pub service: Sym,
    pub ts: i64,
    pub auth_user: Sym,
    pub auth_method: Sym,
    pub client_name: Sym,
    pub client_ip: Sym,
    pub tls: Option<bool>,
    pub success: bool,
    pub failure: Sym,
    pub credentials: bool,
    pub attempts: u32,
    pub session: u32,
}

/// What a filter, policy or check said.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Verdict {
    pub place: Place,
    pub host: Sym,
    pub ts: i64,
    pub queue_id: Sym,
    pub message: u32,
    pub program: Sym,
    pub verdict: &'static str,
    pub score: Option<f64>,
    pub detail: Sym,
    pub client_ip: Sym,
    pub sender: Sym,
    pub recipient: Sym,
}

/// The server about itself.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct ServerEvent {
    pub place: Place,
    pub host: Sym,
    pub program: Sym,
    pub pid: u32,
    pub ts: i64,
    pub severity: Severity,
    pub kind: Kind,
    pub text: Sym,
}

/// A notification that one message gave birth to: `sender non-delivery notification: NEW`.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Notification {
    pub message: u32,
    pub ts: i64,
    pub notice: Notice,
    pub new_queue_id: Sym,
}

/// TLS set up with a next hop by a delivery agent's process.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct TlsTo {
    pub place: Place,
    pub ts: i64,
    pub host: Sym,
    pub pid: u32,
    pub relay_ip: Sym,
    pub relay_port: u16,
    pub version: Sym,
}

impl Session {
    /// AUTH that failed: by the counters of the disconnect line, else by the failures logged.
    pub fn auth_failures(&self) -> u32 {
        if self.commands.present {
            self.commands
                .auth_total
                .saturating_sub(self.commands.auth_ok)
        } else {
            self.logins_failed
        }
    }
}
