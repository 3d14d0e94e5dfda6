//! The words of the tables for the states of rows: design section 5.

use crate::correlate::finish::{Direction, Origin, Outcome};
use crate::correlate::rows::Session;
use crate::event::{Action, End, Kind, Severity, Stage, Status};

/// Column `origin`.
pub fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Smtp => "smtp",
        Origin::Submission => "submission",
        Origin::Local => "local",
        Origin::Bounce => "bounce",
        Origin::Reinjected => "reinjected",
        Origin::Forwarded => "forwarded",
        Origin::Unknown => "unknown",
    }
}

/// Column `direction`.
pub fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
        Direction::Relayed => "relayed",
        Direction::Unknown => "unknown",
    }
}

/// Column `status`.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Delivered => "delivered",
        Status::Forwarded => "forwarded",
        Status::Deferred => "deferred",
        Status::Bounced => "bounced",
        Status::Expired => "expired",
        Status::Discarded => "discarded",
        Status::Held => "held",
        Status::Other => "other",
    }
}

/// Column `outcome`.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Forwarded => "forwarded",
        Outcome::Bounced => "bounced",
        Outcome::Expired => "expired",
        Outcome::Discarded => "discarded",
        Outcome::Open => "open",
        Outcome::Unknown => "unknown",
    }
}

/// Column `stage`.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connect",
        Stage::Helo => "helo",
        Stage::Auth => "auth",
        Stage::Mail => "mail",
        Stage::Rcpt => "rcpt",
        Stage::Data => "data",
        Stage::Eod => "eod",
        Stage::Other => "other",
    }
}

/// Column `action`.
pub fn action(action: Action) -> &'static str {
    match action {
        Action::Reject => "reject",
        Action::RejectWarning => "reject_warning",
        Action::Defer => "defer",
        Action::Discard => "discard",
        Action::Hold => "hold",
        Action::Redirect => "redirect",
        Action::Other => "other",
    }
}

/// Column `end`.
pub fn end(session: &Session) -> &'static str {
    match session.end {
        Some(End::Lost) => "lost",
        Some(End::Timeout) => "timeout",
        Some(End::Error) => "error",
        None if session.closed => "quit",
        None => "unknown",
    }
}

/// Column `severity`.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
        Severity::Panic => "panic",
    }
}

/// Column `kind`.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Start => "start",
        Kind::Stop => "stop",
        Kind::Reload => "reload",
        Kind::Config => "config",
        Kind::Limit => "limit",
        Kind::Resource => "resource",
        Kind::Tls => "tls",
        Kind::Dns => "dns",
        Kind::Lookup => "lookup",
        Kind::Filter => "filter",
        Kind::Queue => "queue",
        Kind::Other => "other",
    }
}
