//! The tables: one list of names and columns, from which everything else is made or checked.
//!
//! Names are the contract (design section 5): SQL, CSV headers and prose use the same words. Times are UTC
//! microseconds; `day`, `hour`, `hour_of_day`, `weekday` are cut in the zone of `--timezone`; `minute` counts
//! minutes since 1970 UTC, so that windows need no engine-specific date function. Durations are seconds,
//! sizes bytes. `source` and `line` say where the row begins.

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

macro_rules! table {
    ($name:literal, $about:literal, $($column:ident $kind:ident $text:literal,)*) => {
        Table { name: $name, about: $about, columns: &[
            $(Column { name: stringify!($column), kind: Type::$kind, about: $text },)*
            Column { name: "source", kind: Type::Int, about: "row of `sources` it comes from" },
            Column { name: "line", kind: Type::Int, about: "line in that source, from 1" },
        ] }
    };
}

/// Every table.
pub const TABLES: &[Table] = &[
    table!("sources", "one file or archive member",
        path Text "path as given or found", member Text "name inside an archive", codec Text "plain, gzip, zstd, …",
        bytes Int "size on disk, bytes", decoded_bytes Int "size after decoding, bytes",
        sha256 Text "SHA-256 of the file as found", decoded_sha256 Text "SHA-256 of the decoded stream",
        mtime Time "modification time", format Text "what its lines are", hosts Text "host names in it, comma separated",
        lines Int "lines read", events Int "lines that reached a table", ignored Int "known lines of no interest",
        unrecognised Int "lines of no known shape", undecodable Int "lines that are not text, or too long",
        first_ts Time "earliest line", last_ts Time "latest line", year Int "year of the first line",
        year_method Text "line, option, mtime", utc_offset Text "offset or zone of its times",
        duplicate_of Int "source with the same decoded content", problem Text "what is wrong with it",
    ),
    table!("messages", "one queue ID's life on one host",
        message Int "key", host Text "", service Text "program that took it in", queue_id Text "",
        received_ts Time "", removed_ts Time "", message_id Text "RFC 5322 Message-ID, without brackets",
        sender Text "envelope sender; empty = null sender", sender_domain Text "lower case", size Int "bytes",
        nrcpt Int "recipients at the first qmgr line", origin Text "smtp, submission, local, bounce, reinjected, forwarded, unknown",
        client_name Text "", client_ip Text "", client_port Int "", helo Text "", protocol Text "ESMTP, ESMTPSA, …",
        auth_user Text "", auth_method Text "", tls_version Text "", tls_cipher Text "",
        parent Int "message it came from (bounce, re-injection, forward, requeue)",
        session Int "connection that it came in by", direction Text "inbound, outbound, internal, relayed, unknown",
        head_seen Bool "its beginning is in the logs", tail_seen Bool "its removal is in the logs",
        day Date "of received_ts", hour Time "received_ts cut to the hour, local", hour_of_day Int "0 to 23", weekday Int "1 = Monday", minute Int "",
    ),
    table!("attempts", "one try for one recipient",
        message Int "", host Text "", queue_id Text "", ts Time "", sender Text "", sender_domain Text "",
        recipient Text "", recipient_domain Text "", orig_recipient Text "", transport Text "smtp, lmtp, local, relay/smtp, …",
        relay_name Text "", relay_ip Text "", relay_port Int "", delay Float "seconds", delay_before_queue Float "",
        delay_in_queue Float "", delay_connect Float "", delay_transmit Float "",
        status Text "delivered, forwarded, deferred, bounced, expired, discarded, held, other", dsn Text "RFC 3463",
        reply_code Int "RFC 5321", reply Text "", cause Text "failure class", reason Text "fine failure class",
        next_queue_id Text "queue ID at the next hop", tls_version Text "",
        day Date "of ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("deliveries", "one message and recipient, with its final outcome",
        message Int "", host Text "", queue_id Text "", sender Text "", sender_domain Text "", recipient Text "",
        recipient_domain Text "", received_ts Time "", first_ts Time "first attempt", last_ts Time "last attempt",
        attempts Int "", outcome Text "delivered, forwarded, bounced, expired, discarded, open, unknown", dsn Text "",
        reply_code Int "", reply Text "", cause Text "", reason Text "", relay_name Text "", relay_ip Text "",
        seconds Float "from reception to the last attempt", size Int "of its message, bytes",
        direction Text "of its message and recipient",
        day Date "of last_ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("rejections", "refused or acted upon during SMTP",
        host Text "", service Text "", ts Time "", stage Text "connect, helo, auth, mail, rcpt, data, eod, other",
        action Text "reject, reject_warning, defer, discard, hold, redirect, other", reply_code Int "", dsn Text "", reply Text "",
        cause Text "", reason Text "", client_name Text "", client_ip Text "", helo Text "", protocol Text "", sender Text "",
        sender_domain Text "", recipient Text "", recipient_domain Text "", auth_user Text "", queue_id Text "",
        dnsbl Text "block list named in the reply", session Int "connection that it was said in",
        day Date "of ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("sessions", "one inbound connection",
        session Int "key", host Text "", service Text "", pid Int "", connect_ts Time "", disconnect_ts Time "", client_name Text "", client_ip Text "",
        client_port Int "", tls_version Text "", tls_cipher Text "", auth_user Text "", auth_failures Int "",
        commands_total Int "", commands_failed Int "", messages Int "", rejections Int "",
        end Text "quit, lost, timeout, error, unknown", end_stage Text "SMTP command as logged",
        day Date "of connect_ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("logins", "one authentication",
        host Text "", service Text "", ts Time "", auth_user Text "", auth_method Text "", client_name Text "", client_ip Text "",
        tls Bool "the session was encrypted", success Bool "", failure Text "the server's words, null on success",
        credentials Bool "a failure of the user, password or mechanism, not of the server",
        attempts Int "tries the line sums up", session Int "connection that it was made in",
        day Date "of ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("verdicts", "what a filter, policy or protocol check said",
        host Text "", ts Time "", queue_id Text "", message Int "", program Text "", verdict Text "", score Float "",
        detail Text "", client_ip Text "", sender Text "", recipient Text "",
        day Date "of ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("server_events", "the server about itself",
        host Text "", program Text "", pid Int "", ts Time "", severity Text "info, warning, error, fatal, panic",
        kind Text "start, stop, reload, config, limit, resource, tls, dns, lookup, filter, queue, other", text Text "",
        day Date "of ts", hour Time "local", hour_of_day Int "", weekday Int "", minute Int "",
    ),
    table!("line_shapes", "lines that were not recognised, by shape",
        format Text "", program Text "", shape Text "numbers, addresses and IDs masked", lines Int "",
        example_source Int "", example_line Int "",
    ),
    table!("ignored_lines", "known lines of no interest, by kind",
        format Text "", program Text "", why Text "", lines Int "",
    ),
];
