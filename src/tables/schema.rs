//! The tables: one list of names and columns, from which everything else is made or checked.
//!
//! Names are the contract (design section 5): SQL, CSV headers and prose use the same words. Times are UTC
//! microseconds; `day`, `hour`, `hour_of_day`, `weekday` are cut in the zone of `--timezone`; `minute` counts
//! minutes since 1970 UTC, so that windows need no engine-specific date function. Durations are seconds,
//! sizes bytes. `source` and `line` say where the row begins. `activity` and `clock_steps` are additions to the design:
//! what is silent, and whose clock steps, cannot be told from events alone.

use polars::prelude::{Column as Cells, DataFrame, DataType, TimeUnit};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Type {
    Text,
    /// i64
    Int,
    /// f64
    Float,
    Bool,
    /// Datetime, microseconds, UTC, no zone attached.
    Time,
    /// Calendar date in the report's zone.
    Date,
}

impl Type {
    /// As polars has it.
    pub fn dtype(self) -> DataType {
        match self {
            Type::Text => DataType::String,
            Type::Int => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::Bool => DataType::Boolean,
            Type::Time => DataType::Datetime(TimeUnit::Microseconds, None),
            Type::Date => DataType::Date,
        }
    }
}

/// Texts that hardly repeat, or whose words are searched: never categories. By column, in whichever table.
pub const PROSE: &[&str] = &[
    "queue_id",
    "message_id",
    "next_queue_id",
    "reply",
    "failure",
    "verdict",
    "detail",
    "text",
    "shape",
    "why",
];

/// A column: name, type, and what it holds.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Column {
    pub name: &'static str,
    pub kind: Type,
    pub about: &'static str,
}

/// A table: name, what one row is, and its columns. `source` and `line` come last on every table.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Table {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [Column],
}

/// A frame of these columns without rows.
pub fn empty<'a>(columns: impl IntoIterator<Item = &'a Column>) -> DataFrame {
    let columns = columns.into_iter();
    let columns = columns.map(|column| Cells::new_empty(column.name.into(), &column.kind.dtype()));
    // Without rows only a name that occurs twice could fail, which the schema's own test refuses.
    DataFrame::new(0, columns.collect()).unwrap_or_default()
}

macro_rules! table {
    // With the columns that a time is cut into.
    ($name:literal, $about:literal, $($column:ident $kind:ident $text:literal,)* => buckets of $ts:literal) => {
        table!(
            $name, $about,
            $($column $kind $text,)*
            day Date concat!("local day of ", $ts),
            hour Time concat!($ts, " cut to the hour, local"),
            hour_of_day Int "0 to 23, local",
            weekday Int "1 = Monday, local",
            minute Int "minutes since 1970, UTC",
        )
    };
    ($name:literal, $about:literal, $($column:ident $kind:ident $text:expr,)*) => {
        Table { name: $name, about: $about, columns: &[
            $(Column { name: stringify!($column), kind: Type::$kind, about: $text },)*
            Column { name: "source", kind: Type::Int, about: "row of `sources` it comes from" },
            Column { name: "line", kind: Type::Int, about: "line in that source, from 1" },
        ] }
    };
}

/// Every table.
pub const TABLES: &[Table] = &[
    table!(
        "sources", "one file or archive member",
        path Text "path as given or found",
        member Text "name inside an archive",
        codec Text "plain, gzip, zstd, …",
        bytes Int "size on disk, bytes",
        decoded_bytes Int "size after decoding, bytes",
        sha256 Text "SHA-256 of the file as found",
        decoded_sha256 Text "SHA-256 of the decoded stream",
        mtime Time "modification time",
        format Text "what its lines are",
        hosts Text "host names in it, comma separated",
        lines Int "lines read",
        events Int "lines that reached a table",
        ignored Int "known lines of no interest",
        unrecognised Int "lines of no known shape",
        undecodable Int "lines that are not text, or too long",
        first_ts Time "earliest line",
        last_ts Time "latest line",
        year Int "year of the first line",
        year_method Text "line, queue-id, message-id, option, file-name, neighbours, gzip, mtime, unknown",
        year_confidence Text "certain, declared, likely, assumed, none",
        contradictions Text "what speaks against its times, or leaves them in doubt",
        utc_offset Text "offset or zone of its times",
        duplicate_of Int "source with the same decoded content",
        repeated Int "lines that another source has as well, not counted again",
        extract Bool "it holds a part of what its host logs (warnings and errors, or few lines of a fuller source): its silence is none",
        problem Text "what is wrong with it",
    ),
    table!(
        "messages", "one queue ID's life on one host",
        message Int "key: ten thousand million times the number of its source, plus its first line",
        host Text "host name as logged",
        service Text "program that took it in",
        queue_id Text "queue ID as logged",
        received_ts Time "when it came in, UTC",
        removed_ts Time "when it left the queue, UTC",
        message_id Text "RFC 5322 Message-ID, without brackets",
        sender Text "envelope sender; empty = null sender",
        sender_domain Text "lower case",
        size Int "bytes",
        nrcpt Int "recipients at the first qmgr line",
        origin Text "smtp, submission, local, bounce, reinjected, forwarded, unknown",
        client_name Text "client's host name as logged; `unknown` when it has none",
        client_ip Text "client's address",
        client_port Int "client's port",
        helo Text "name in HELO or EHLO",
        protocol Text "ESMTP, ESMTPSA, …",
        auth_user Text "name that logged in",
        auth_method Text "SASL mechanism",
        tls_version Text "TLS version of the connection",
        tls_cipher Text "cipher of the connection",
        parent Int "message it came from (bounce, re-injection, forward, requeue)",
        session Int "connection that it came in by",
        direction Text "inbound, outbound, internal, relayed, unknown",
        head_seen Bool "its beginning is in the logs",
        tail_seen Bool "its removal is in the logs",
        => buckets of "received_ts"
    ),
    table!(
        "attempts", "one try for one recipient",
        message Int "key of the message",
        host Text "host name as logged",
        queue_id Text "queue ID as logged",
        ts Time "time of the line, UTC",
        sender Text "envelope sender; empty = null sender",
        sender_domain Text "domain of the sender, lower case",
        recipient Text "envelope recipient",
        recipient_domain Text "domain of the recipient, lower case",
        orig_recipient Text "recipient before an alias replaced it",
        transport Text "smtp, lmtp, local, relay/smtp, …",
        relay_name Text "next hop's host name",
        relay_ip Text "next hop's address",
        relay_port Int "next hop's port",
        delay Float "seconds",
        delay_before_queue Float "seconds before the queue manager",
        delay_in_queue Float "seconds in the queue manager",
        delay_connect Float "seconds of connecting: DNS, HELO, TLS",
        delay_transmit Float "seconds of transmission",
        status Text "delivered, forwarded, deferred, bounced, expired, discarded, held, other",
        dsn Text "RFC 3463",
        reply_code Int "RFC 5321",
        reply Text "reply as logged",
        cause Text "failure class",
        reason Text "fine failure class",
        next_queue_id Text "queue ID at the next hop",
        tls_version Text "TLS version of the connection",
        => buckets of "ts"
    ),
    table!(
        "deliveries", "one message and recipient, with its final outcome",
        message Int "key of the message",
        host Text "host name as logged",
        queue_id Text "queue ID as logged",
        sender Text "envelope sender; empty = null sender",
        sender_domain Text "domain of the sender, lower case",
        recipient Text "envelope recipient",
        recipient_domain Text "domain of the recipient, lower case",
        received_ts Time "when it came in, UTC",
        first_ts Time "first attempt",
        last_ts Time "last attempt",
        attempts Int "tries",
        outcome Text "delivered, forwarded, bounced, expired, discarded, open, unknown",
        dsn Text "enhanced status code, RFC 3463",
        reply_code Int "basic SMTP code, RFC 5321",
        reply Text "reply as logged",
        cause Text "coarse failure class",
        reason Text "fine failure class",
        relay_name Text "next hop's host name",
        relay_ip Text "next hop's address",
        seconds Float "from reception to the last attempt",
        size Int "of its message, bytes",
        direction Text "of its message and recipient",
        => buckets of "last_ts"
    ),
    table!(
        "rejections", "refused or acted upon during SMTP",
        host Text "host name as logged",
        service Text "program and instance that spoke: smtpd, submission/smtpd, …",
        ts Time "time of the line, UTC",
        stage Text "connect, helo, auth, mail, rcpt, data, eod, other",
        action Text "reject, reject_warning, defer, discard, hold, redirect, other",
        reply_code Int "basic SMTP code, RFC 5321",
        dsn Text "enhanced status code, RFC 3463",
        reply Text "reply as logged",
        cause Text "coarse failure class",
        reason Text "fine failure class",
        client_name Text "client's host name as logged; `unknown` when it has none",
        client_ip Text "client's address",
        helo Text "name in HELO or EHLO",
        protocol Text "SMTP or ESMTP, as logged",
        sender Text "envelope sender; empty = null sender",
        sender_domain Text "domain of the sender, lower case",
        recipient Text "envelope recipient",
        recipient_domain Text "domain of the recipient, lower case",
        auth_user Text "name that logged in",
        queue_id Text "queue ID as logged",
        dnsbl Text "block list named in the reply",
        session Int "connection that it was said in",
        => buckets of "ts"
    ),
    table!(
        "sessions", "one inbound connection",
        session Int "key, made like that of messages",
        host Text "host name as logged",
        service Text "program and instance that spoke: smtpd, submission/smtpd, …",
        pid Int "process ID",
        connect_ts Time "when the client connected, UTC",
        disconnect_ts Time "when the connection ended, UTC",
        client_name Text "client's host name as logged; `unknown` when it has none",
        client_ip Text "client's address",
        client_port Int "client's port",
        tls_version Text "TLS version of the connection",
        tls_cipher Text "cipher of the connection",
        auth_user Text "name that logged in",
        auth_failures Int "AUTH that failed",
        commands_total Int "commands sent",
        commands_failed Int "commands refused",
        messages Int "messages that came in by it",
        rejections Int "refusals said in it",
        end Text "quit, lost, timeout, error, unknown",
        end_stage Text "SMTP command as logged",
        => buckets of "connect_ts"
    ),
    table!(
        "logins", "one authentication",
        host Text "host name as logged",
        service Text "program and instance that spoke: smtpd, submission/smtpd, …",
        ts Time "time of the line, UTC",
        auth_user Text "name that logged in",
        auth_method Text "SASL mechanism",
        client_name Text "client's host name as logged; `unknown` when it has none",
        client_ip Text "client's address",
        tls Bool "the session was encrypted",
        success Bool "it worked",
        failure Text "the server's words, null on success",
        credentials Bool "a failure of the user, password or mechanism, not of the server",
        attempts Int "tries the line sums up",
        session Int "connection that it was made in",
        => buckets of "ts"
    ),
    table!(
        "verdicts", "what a filter, policy or protocol check said",
        host Text "host name as logged",
        ts Time "time of the line, UTC",
        queue_id Text "queue ID as logged",
        message Int "key of the message",
        program Text "program as logged",
        verdict Text "our word for what was said",
        score Float "score, where one is logged",
        detail Text "words of the line",
        client_ip Text "client's address",
        sender Text "envelope sender; empty = null sender",
        recipient Text "envelope recipient",
        => buckets of "ts"
    ),
    table!(
        "server_events", "the server about itself",
        host Text "host name as logged",
        program Text "program as logged",
        pid Int "process ID",
        ts Time "time of the line, UTC",
        severity Text "info, warning, error, fatal, panic",
        kind Text "start, stop, reload, config, limit, resource, tls, dns, lookup, filter, queue, other",
        text Text "words of the line, without `warning: `",
        => buckets of "ts"
    ),
    table!(
        "line_shapes", "lines that were not recognised, by shape",
        format Text "format that claims the program",
        program Text "program as logged",
        shape Text "numbers, addresses and IDs masked",
        lines Int "number of such lines",
        example_source Int "source of the first",
        example_line Int "line of the first",
    ),
    table!(
        "activity", "lines of one host and source in five minutes, whatever they say",
        host Text "host name as logged",
        ts Time "begin of the five minutes, UTC",
        lines Int "lines in them",
        first_ts Time "earliest of these lines, UTC",
        last_ts Time "latest of these lines, UTC",
        first_second Int "seconds since 1970 of `first_ts`, UTC",
        last_second Int "seconds since 1970 of `last_ts`, UTC",
        last_line Int "the last of these lines; `line` is the first",
        => buckets of "ts"
    ),
    table!(
        "clock_steps", "where the time of a host's lines goes back by 5 seconds or more, and the steps ahead of a minute or more beside these: of several in a row the last of each size",
        host Text "host name as logged",
        from_ts Time "the line before, UTC",
        to_ts Time "this line, UTC",
        seconds Float "from one to the other: negative when time goes back",
        ahead_ts Time "of a step back that undoes one ahead, as long but for a fifth: the line before that one; the clock was wrong between",
        repeated Bool "the line's local hour occurs twice on that day: the clocks are set back for the winter",
    ),
    table!(
        "ignored_lines", "known lines of no interest, by kind",
        format Text "format that claims the program",
        program Text "program as logged",
        why Text "why they are of no interest",
        lines Int "number of such lines",
    ),
];
