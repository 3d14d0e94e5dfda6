//! What happened beside the way of a message, in plain words: refusals, logins, connections, and what filters and servers
//! said. As in `words`, texts stand in them as logged.

use super::rows::{Login, Notice, Rejection, Said, Session};
use super::words::{because, host, mailbox};
use crate::report::format::plain;

/// A refusal.
pub(super) fn refused(row: &Rejection) -> String {
    let client = host(row.client_name.as_deref(), row.client_ip.as_deref());
    let what = match (&row.sender, &row.recipient) {
        (Some(sender), Some(to)) => format!("mail from {} to {to}", mailbox(Some(sender))),
        (Some(sender), None) => format!("mail from {}", mailbox(Some(sender))),
        (None, Some(to)) => format!("mail to {to}"),
        (None, None) => match row.stage.as_deref() {
            Some("connect") => "a connection".to_owned(),
            Some("auth") => "a login".to_owned(),
            _ => "a command".to_owned(),
        },
    };
    let because = because(row.reason.as_deref(), row.reply.as_deref());
    let id = row.queue_id.as_deref().filter(|id| *id != "NOQUEUE");
    let own = id.map_or(String::new(), |id| format!("; its queue ID was {id}"));
    // A rule that refuses for now is told as a refusal like any other, but for its code.
    let later = row
        .reply_code
        .is_some_and(|code| (400..500).contains(&code));
    let brought = format!("{what} that {client} brought");
    match row.action.as_deref() {
        Some("defer") => format!("told {client} to come back later with {what}{because}{own}"),
        Some("reject") if later => {
            format!("told {client} to come back later with {what}{because}{own}")
        }
        Some("reject") => format!("refused {brought}{because}{own}"),
        Some("reject_warning") => {
            format!("let {brought} pass, though a rule on trial would refuse it{because}{own}")
        }
        Some("discard") => format!("took {brought} and threw it away{because}{own}"),
        Some("hold") => format!("put {brought} on hold{because}{own}"),
        Some("redirect") => format!("sent {brought} to another address{because}{own}"),
        _ => format!("a rule acted on {brought}{because}{own}"),
    }
}

/// A login.
pub(super) fn login(row: &Login) -> String {
    let client = host(row.client_name.as_deref(), row.client_ip.as_deref());
    let user = row
        .auth_user
        .as_deref()
        .unwrap_or("a user that the logs do not name");
    let method = row
        .auth_method
        .as_deref()
        .map_or(String::new(), |method| format!(" ({method})"));
    let times = row.attempts.filter(|tries| *tries > 1);
    let times = times.map_or(String::new(), |tries| {
        format!(", {} times", plain(tries as f64))
    });
    let service = row
        .service
        .as_deref()
        .map_or(String::new(), |service| format!(" at {service}"));
    match row.success {
        true => format!("{user} logged in{service}{method}{times} from {client}"),
        false => {
            let why = row.failure.as_deref().filter(|why| !why.is_empty());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            format!("a login as {user}{service}{method} failed{times} from {client}{why}")
        }
    }
}

/// A connection that brought nothing.
pub(super) fn connected(row: &Session) -> String {
    let client = host(row.client_name.as_deref(), row.client_ip.as_deref());
    let stage = row
        .end_stage
        .as_deref()
        .map_or(String::new(), |stage| format!(" after {stage}"));
    let end = match row.end.as_deref() {
        Some("quit") => "left in good order".to_owned(),
        Some("lost") => format!("closed the connection{stage}"),
        Some("timeout") => format!(
            "fell silent{stage} until {} closed the connection",
            row.host
        ),
        Some("error") => format!("was disconnected by us{stage}"),
        _ => "ended in a way that the logs do not show".to_owned(),
    };
    format!("{client} connected, sent no mail and {end}")
}

/// What a filter said.
pub(super) fn said(row: &Said) -> String {
    let program = row.program.as_deref().unwrap_or("a filter");
    let verdict = row.verdict.as_deref().unwrap_or("nothing known");
    let score = row
        .score
        .map_or(String::new(), |score| format!(", score {}", plain(score)));
    let detail = row.detail.as_deref().filter(|detail| !detail.is_empty());
    let detail = detail.map_or(String::new(), |detail| format!(" ({detail})"));
    format!("{program} said of it: {verdict}{score}{detail}")
}

/// What a server said about itself.
pub(super) fn noticed(row: &Notice) -> String {
    let program = row.program.as_deref().unwrap_or("the server");
    let severity = row.severity.as_deref().unwrap_or("note");
    format!(
        "{program} ({severity}): {}",
        row.text.as_deref().unwrap_or_default()
    )
}
