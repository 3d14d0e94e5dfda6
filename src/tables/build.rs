//! From correlated rows to frames, one function a table, in the order of [`super::schema::TABLES`].

use std::mem::take;

use chrono_tz::Tz;
use polars::prelude::{DataFrame, PolarsResult};
use serde::{Deserialize, Serialize};

use super::Tables;
pub use super::columns::Wanted;
use super::columns::{Columns, Texts};
use crate::classify::Class;
use crate::correlate::activity::HostTimes;
use crate::correlate::coverage::{Kind, Seen};
use crate::correlate::finish::{Delivery, MessageRow, Rows};
use crate::correlate::pages::Chunks;
use crate::correlate::rows::{
    Attempt, Login, Message, NO_TIME, NONE, Place, Rejection, ServerEvent, Session, Verdict,
};
use crate::strings::{Strings, Sym};
use crate::tables::names;
use crate::tables::zone::is_repeated;

/// One source, as its table has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SourceRow {
    pub path: String,
    pub member: Option<String>,
    pub codec: Option<String>,
    pub bytes: u64,
    pub decoded_bytes: u64,
    pub sha256: Option<String>,
    pub decoded_sha256: Option<String>,
    /// µs since 1970.
    pub mtime: Option<i64>,
    pub format: Option<String>,
    pub hosts: Option<String>,
    pub lines: u64,
    pub events: u64,
    pub ignored: u64,
    pub unrecognised: u64,
    pub undecodable: u64,
    pub first_ts: Option<i64>,
    pub last_ts: Option<i64>,
    /// The same without lines of a clock that was wrong for a time, where there are such.
    #[serde(default)]
    pub sound: Option<(i64, i64)>,
    pub year: Option<i64>,
    pub year_method: Option<String>,
    /// How far the year can be relied on: `certain`, `declared`, `likely`, `assumed`, `none`.
    pub year_confidence: Option<String>,
    /// What speaks against the times as they were read.
    pub contradictions: Option<String>,
    pub utc_offset: Option<String>,
    pub duplicate_of: Option<i64>,
    /// Lines that another source has as well: not counted again.
    pub repeated: u64,
    /// It holds a part of what the host's log says: what it lacks is not missing.
    #[serde(default)]
    pub extract: bool,
    pub problem: Option<String>,
    /// The problem leaves the evidence incomplete.
    pub incomplete: bool,
    /// Path and member by which it is found, where those above hide persons. Written nowhere.
    #[serde(skip)]
    pub found: Option<(String, Option<String>)>,
}

impl SourceRow {
    /// Path by which it is found.
    pub fn found_path(&self) -> &str {
        self.found.as_ref().map_or(&self.path, |(path, _)| path)
    }

    /// Name by which it is found.
    pub fn found_name(&self) -> String {
        let own = (self.path.clone(), self.member.clone());
        let (path, member) = self.found.as_ref().unwrap_or(&own);
        crate::source::shown(path, member.as_deref())
    }

    /// It is damaged or unreadable, or holds lines that are not text.
    pub fn leaves_gaps(&self) -> bool {
        self.incomplete || (self.undecodable > 0 && self.format.is_some())
    }
}

/// All tables. Rows are let go of as soon as they are in columns: what comes next is put where they were.
///
/// # Errors
/// Those of polars, when a frame does not fit in memory.
pub fn tables(
    mut rows: Rows,
    sources: &[SourceRow],
    strings: &Strings,
    zone: Tz,
    wanted: &Wanted,
) -> PolarsResult<Tables> {
    let reader = &strings.reader();
    let texts = &Texts::new(reader);
    let (attempts, deliveries) = (take(&mut rows.attempts), take(&mut rows.deliveries));
    let (sessions, rejections) = (take(&mut rows.sessions), take(&mut rows.rejections));
    let (logins, verdicts) = (take(&mut rows.logins), take(&mut rows.verdicts));
    let server_events = take(&mut rows.server_events);
    let ctx = &Build {
        rows: &rows,
        texts,
        zone,
        wanted,
    };
    let ((attempts, deliveries), ((sessions, rejections), (messages, rest))) = rayon::join(
        || rayon::join(|| ctx.attempts(attempts), || ctx.deliveries(deliveries)),
        || {
            let clients = rayon::join(|| ctx.sessions(sessions), || ctx.rejections(rejections));
            let others = || {
                (
                    sources_table(sources, texts, &Wanted::default()),
                    ctx.logins(logins),
                    ctx.verdicts(verdicts),
                    ctx.server_events(server_events),
                    ctx.line_shapes(),
                    ctx.activity(),
                    ctx.clock_steps(),
                    ctx.ignored_lines(),
                )
            };
            (clients, rayon::join(|| ctx.messages(), others))
        },
    );
    let (sources, logins, verdicts, server_events, line_shapes, activity, steps, ignored) = rest;
    Ok(Tables {
        frames: vec![
            ("sources", sources?.into()),
            ("messages", messages?.into()),
            ("attempts", attempts?.into()),
            ("deliveries", deliveries?.into()),
            ("rejections", rejections?.into()),
            ("sessions", sessions?.into()),
            ("logins", logins?.into()),
            ("verdicts", verdicts?.into()),
            ("server_events", server_events?.into()),
            ("line_shapes", line_shapes?.into()),
            ("activity", activity?.into()),
            ("clock_steps", steps?.into()),
            ("ignored_lines", ignored?.into()),
        ],
    })
}

/// What the tables are made from, apart from the rows that each function is given.
struct Build<'a> {
    rows: &'a Rows,
    texts: &'a Texts<'a>,
    zone: Tz,
    wanted: &'a Wanted,
}

fn code(code: u16) -> Option<i64> {
    (code != 0).then_some(i64::from(code))
}

impl Build<'_> {
    fn message(&self, index: u32) -> &MessageRow {
        &self.rows.messages[index as usize]
    }

    fn session(&self, named: u32) -> Option<i64> {
        self.rows.session(named)
    }

    /// Key of a message.
    fn key(&self, index: u32) -> Option<i64> {
        (index != NONE).then(|| self.stretch(index).place.key())
    }

    fn stretch(&self, index: u32) -> &Message {
        self.rows.stretch(index)
    }

    fn messages(&self) -> PolarsResult<DataFrame> {
        let rows = &self.rows.messages;
        let stretch = |row: &MessageRow| &self.rows.stretches[row.stretch as usize];
        let keyed: Vec<(i64, &MessageRow, &Message)> = rows
            .iter()
            .map(|row| (stretch(row).place.key(), row, stretch(row)))
            .collect();
        Columns::new("messages", [keyed.as_slice()], self.texts, self.wanted)
            .number("message", |m| m.0)
            .sym("host", |m| m.2.host)
            .sym("service", |m| m.2.service)
            .prose("queue_id", |m| m.2.queue_id)
            .time("received_ts", |m| m.2.received_ts)
            .time("removed_ts", |m| m.2.removed_ts)
            .prose("message_id", |m| m.2.message_id)
            .sym("sender", |m| m.2.sender)
            .sym("sender_domain", |m| m.1.sender_domain)
            .int("size", |m| m.2.size.map(|n| n as i64))
            .int("nrcpt", |m| m.2.nrcpt.map(i64::from))
            .word("origin", |m| Some(names::origin(m.1.origin)))
            .sym("client_name", |m| m.2.client_name)
            .sym("client_ip", |m| m.2.client_ip)
            .int("client_port", |m| code(m.2.client_port))
            .sym("helo", |m| m.1.helo)
            .sym("protocol", |m| m.1.protocol)
            .sym("auth_user", |m| m.2.auth_user)
            .sym("auth_method", |m| m.2.auth_method)
            .sym("tls_version", |m| m.1.tls_version)
            .sym("tls_cipher", |m| m.1.tls_cipher)
            .int("parent", |m| m.1.parent.and_then(|parent| self.key(parent)))
            .int("session", |m| self.session(m.2.session))
            .word("direction", |m| Some(names::direction(m.1.direction)))
            .flag("head_seen", |m| Some(m.1.head_seen))
            .flag("tail_seen", |m| Some(m.2.closed()))
            .buckets(self.zone, |m| m.2.received_ts)
            .place(|m| m.2.place)
    }

    fn attempts(&self, rows: Chunks<Attempt>) -> PolarsResult<DataFrame> {
        Columns::<Attempt>::new("attempts", rows.slices(), self.texts, self.wanted)
            .int("message", |a| self.key(a.message))
            .sym("host", |a| self.stretch(a.message).host)
            .prose("queue_id", |a| self.stretch(a.message).queue_id)
            .time("ts", |a| a.ts)
            .sym("sender", |a| self.stretch(a.message).sender)
            .sym("sender_domain", |a| self.message(a.message).sender_domain)
            .sym("recipient", |a| a.recipient)
            .sym("recipient_domain", |a| a.recipient_domain)
            .sym("orig_recipient", |a| a.orig_recipient)
            .sym("transport", |a| a.transport)
            .sym("relay_name", |a| a.relay_name)
            .sym("relay_ip", |a| a.relay_ip)
            .int("relay_port", |a| code(a.relay_port))
            .float("delay", |a| a.delay)
            .float("delay_before_queue", |a| a.delays[0])
            .float("delay_in_queue", |a| a.delays[1])
            .float("delay_connect", |a| a.delays[2])
            .float("delay_transmit", |a| a.delays[3])
            .word("status", |a| Some(names::status(a.status)))
            .sym("dsn", |a| a.dsn)
            .int("reply_code", |a| code(a.reply_code))
            .prose("reply", |a| a.reply)
            .word("cause", |a| a.class.map(Class::cause))
            .word("reason", |a| a.class.map(Class::reason))
            .prose("next_queue_id", |a| a.next_queue_id)
            .sym("tls_version", |a| a.tls_version)
            .buckets(self.zone, |a| a.ts)
            .place(|a| a.place)
    }

    fn deliveries(&self, rows: Vec<Delivery>) -> PolarsResult<DataFrame> {
        Columns::<Delivery>::new("deliveries", [rows.as_slice()], self.texts, self.wanted)
            .int("message", |d| self.key(d.message))
            .sym("host", |d| self.stretch(d.message).host)
            .prose("queue_id", |d| self.stretch(d.message).queue_id)
            .sym("sender", |d| self.stretch(d.message).sender)
            .sym("sender_domain", |d| self.message(d.message).sender_domain)
            .sym("recipient", |d| d.recipient)
            .sym("recipient_domain", |d| d.recipient_domain)
            .time("received_ts", |d| self.stretch(d.message).received_ts)
            .time("first_ts", |d| d.first_ts)
            .time("last_ts", |d| d.last_ts)
            .number("attempts", |d| i64::from(d.attempts))
            .word("outcome", |d| Some(names::outcome(d.outcome)))
            .sym("dsn", |d| d.dsn)
            .int("reply_code", |d| code(d.reply_code))
            .prose("reply", |d| d.reply)
            .word("cause", |d| d.class.map(Class::cause))
            .word("reason", |d| d.class.map(Class::reason))
            .sym("relay_name", |d| d.relay_name)
            .sym("relay_ip", |d| d.relay_ip)
            .float("seconds", |d| d.seconds)
            .int("size", |d| self.stretch(d.message).size.map(|n| n as i64))
            .word("direction", |d| Some(names::direction(d.direction)))
            .buckets(self.zone, |d| d.last_ts)
            .place(|d| d.place)
    }

    fn rejections(&self, rows: Vec<Rejection>) -> PolarsResult<DataFrame> {
        Columns::<Rejection>::new("rejections", [rows.as_slice()], self.texts, self.wanted)
            .sym("host", |r| r.host)
            .sym("service", |r| r.service)
            .time("ts", |r| r.ts)
            .word("stage", |r| Some(names::stage(r.stage)))
            .word("action", |r| Some(names::action(r.action)))
            .int("reply_code", |r| code(r.reply_code))
            .sym("dsn", |r| r.dsn)
            .prose("reply", |r| r.reply)
            .word("cause", |r| r.class.map(Class::cause))
            .word("reason", |r| r.class.map(Class::reason))
            .sym("client_name", |r| r.client_name)
            .sym("client_ip", |r| r.client_ip)
            .sym("helo", |r| r.helo)
            .sym("protocol", |r| r.protocol)
            .sym("sender", |r| r.sender)
            .sym("sender_domain", |r| r.sender_domain)
            .sym("recipient", |r| r.recipient)
            .sym("recipient_domain", |r| r.recipient_domain)
            .sym("auth_user", |r| r.auth_user)
            .prose("queue_id", |r| r.queue_id)
            .sym("dnsbl", |r| r.dnsbl)
            .int("session", |r| self.session(r.session))
            .buckets(self.zone, |r| r.ts)
            .place(|r| r.place)
    }

    fn sessions(&self, rows: Vec<Session>) -> PolarsResult<DataFrame> {
        Columns::<Session>::new("sessions", [rows.as_slice()], self.texts, self.wanted)
            .number("session", |s| s.place.key())
            .sym("host", |s| s.host)
            .sym("service", |s| s.service)
            .int("pid", |s| (s.pid != 0).then_some(i64::from(s.pid)))
            .time("connect_ts", |s| s.connect_ts)
            .time("disconnect_ts", |s| s.disconnect_ts)
            .sym("client_name", |s| s.client_name)
            .sym("client_ip", |s| s.client_ip)
            .int("client_port", |s| code(s.client_port))
            .sym("tls_version", |s| s.tls_version)
            .sym("tls_cipher", |s| s.tls_cipher)
            .sym("auth_user", |s| s.auth_user)
            .number("auth_failures", |s| i64::from(s.auth_failures()))
            .int("commands_total", |s| {
                s.commands.present.then_some(i64::from(s.commands.total))
            })
            .int("commands_failed", |s| {
                s.commands
                    .present
                    .then(|| i64::from(s.commands.total.saturating_sub(s.commands.ok)))
            })
            .number("messages", |s| i64::from(s.messages))
            .number("rejections", |s| i64::from(s.rejections))
            .word("end", |s| Some(names::end(s)))
            .sym("end_stage", |s| s.end_stage)
            .buckets(self.zone, |s| {
                if s.connect_ts == NO_TIME {
                    s.first_ts
                } else {
                    s.connect_ts
                }
            })
            .place(|s| s.place)
    }

    fn logins(&self, rows: Vec<Login>) -> PolarsResult<DataFrame> {
        Columns::<Login>::new("logins", [rows.as_slice()], self.texts, self.wanted)
            .sym("host", |l| l.host)
            .sym("service", |l| l.service)
            .time("ts", |l| l.ts)
            .sym("auth_user", |l| l.auth_user)
            .sym("auth_method", |l| l.auth_method)
            .sym("client_name", |l| l.client_name)
            .sym("client_ip", |l| l.client_ip)
            .flag("tls", |l| l.tls)
            .flag("success", |l| Some(l.success))
            .prose("failure", |l| l.failure)
            .flag("credentials", |l| Some(l.credentials))
            .number("attempts", |l| i64::from(l.attempts))
            .int("session", |l| self.session(l.session))
            .buckets(self.zone, |l| l.ts)
            .place(|l| l.place)
    }

    fn verdicts(&self, rows: Chunks<Verdict>) -> PolarsResult<DataFrame> {
        Columns::<Verdict>::new("verdicts", rows.slices(), self.texts, self.wanted)
            .sym("host", |v| v.host)
            .time("ts", |v| v.ts)
            .prose("queue_id", |v| v.queue_id)
            .int("message", |v| self.key(v.message))
            .sym("program", |v| v.program)
            .phrase("verdict", |v| Some(v.verdict))
            .float("score", |v| v.score.unwrap_or(f64::NAN))
            .prose("detail", |v| v.detail)
            .sym("client_ip", |v| v.client_ip)
            .sym("sender", |v| v.sender)
            .sym("recipient", |v| v.recipient)
            .buckets(self.zone, |v| v.ts)
            .place(|v| v.place)
    }

    fn server_events(&self, rows: Chunks<ServerEvent>) -> PolarsResult<DataFrame> {
        Columns::<ServerEvent>::new("server_events", rows.slices(), self.texts, self.wanted)
            .sym("host", |e| e.host)
            .sym("program", |e| e.program)
            .int("pid", |e| (e.pid != 0).then_some(i64::from(e.pid)))
            .time("ts", |e| e.ts)
            .word("severity", |e| Some(names::severity(e.severity)))
            .word("kind", |e| Some(names::kind(e.kind)))
            .prose("text", |e| e.text)
            .buckets(self.zone, |e| e.ts)
            .place(|e| e.place)
    }

    fn line_shapes(&self) -> PolarsResult<DataFrame> {
        let rows = self.by_kind(self.rows.tally.shapes.iter());
        Columns::new("line_shapes", [rows.as_slice()], self.texts, self.wanted)
            .word("format", |s| Some(s.0.1).filter(|f| !f.is_empty()))
            .sym("program", |s| s.0.2)
            .prose("shape", |s| s.0.3)
            .number("lines", |s| s.1.lines as i64)
            .number("example_source", |s| i64::from(s.0.0))
            .number("example_line", |s| s.1.line as i64)
            .place(|s| Place {
                source: s.0.0,
                line: s.1.line,
            })
    }

    fn activity(&self) -> PolarsResult<DataFrame> {
        let rows = self.times(|times| &times.buckets, |bucket| bucket.first_line);
        Columns::new("activity", [rows.as_slice()], self.texts, self.wanted)
            .sym("host", |a| a.1)
            .time("ts", |a| a.2.start)
            .number("lines", |a| a.2.lines as i64)
            .time("first_ts", |a| a.2.first_ts)
            .time("last_ts", |a| a.2.last_ts)
            .number("first_second", |a| a.2.first_ts.div_euclid(1_000_000))
            .number("last_second", |a| a.2.last_ts.div_euclid(1_000_000))
            .number("last_line", |a| a.2.last_line as i64)
            .buckets(self.zone, |a| a.2.start)
            .place(|a| a.0)
    }

    fn clock_steps(&self) -> PolarsResult<DataFrame> {
        let rows = self.times(|times| &times.steps, |step| step.line);
        Columns::new("clock_steps", [rows.as_slice()], self.texts, self.wanted)
            .sym("host", |s| s.1)
            .time("from_ts", |s| s.2.from_ts)
            .time("to_ts", |s| s.2.to_ts)
            .float("seconds", |s| {
                s.2.to_ts.saturating_sub(s.2.from_ts) as f64 / 1e6
            })
            .time("ahead_ts", |s| s.2.undoes.unwrap_or(NO_TIME))
            .flag("repeated", |s| Some(is_repeated(self.zone, s.2.to_ts)))
            .place(|s| s.0)
    }

    /// What the times of each host and source hold, in the order of places: no line begins two of a kind.
    fn times<T>(
        &self,
        of: fn(&HostTimes) -> &Vec<T>,
        line: fn(&T) -> u64,
    ) -> Vec<(Place, Sym, &T)> {
        let times = self.rows.tally.times.iter();
        let rows = times.flat_map(|((source, host), times)| {
            let place = |item| Place {
                source: *source,
                line: line(item),
            };
            of(times).iter().map(move |item| (place(item), *host, item))
        });
        let mut rows: Vec<(Place, Sym, &T)> = rows.collect();
        rows.sort_unstable_by_key(|(place, ..)| *place);
        rows
    }

    fn ignored_lines(&self) -> PolarsResult<DataFrame> {
        let rows = self.by_kind(self.rows.tally.ignored.iter());
        Columns::new("ignored_lines", [rows.as_slice()], self.texts, self.wanted)
            .word("format", |s| Some(s.0.1).filter(|f| !f.is_empty()))
            .sym("program", |s| s.0.2)
            .prose("why", |s| s.0.3)
            .number("lines", |s| s.1.lines as i64)
            .place(|s| Place {
                source: s.0.0,
                line: s.1.line,
            })
    }

    /// Counts of kinds of lines, summed over sources, each with its first example; in order of that.
    fn by_kind<'k>(&self, kinds: impl Iterator<Item = (&'k Kind, &'k Seen)>) -> Vec<(Kind, Seen)> {
        let mut all: Vec<(Kind, Seen)> = kinds.map(|(kind, seen)| (*kind, *seen)).collect();
        all.sort_by(|a, b| {
            self.kind_order(&a.0)
                .cmp(&self.kind_order(&b.0))
                .then(a.0.0.cmp(&b.0.0))
        });
        let mut merged: Vec<(Kind, Seen)> = Vec::new();
        for (kind, seen) in all {
            match merged.last_mut() {
                Some((last, sum)) if (last.1, last.2, last.3) == (kind.1, kind.2, kind.3) => {
                    sum.lines += seen.lines
                }
                _ => merged.push((kind, seen)),
            }
        }
        merged.sort_by(|a, b| {
            (a.0.0, a.1.line)
                .cmp(&(b.0.0, b.1.line))
                .then_with(|| self.kind_order(&a.0).cmp(&self.kind_order(&b.0)))
        });
        merged
    }

    fn kind_order(&self, kind: &Kind) -> (&str, Option<&str>, Option<&str>) {
        (kind.1, self.texts.get(kind.2), self.texts.get(kind.3))
    }
}

fn sources_table(
    sources: &[SourceRow],
    texts: &Texts<'_>,
    wanted: &Wanted,
) -> PolarsResult<DataFrame> {
    let numbered: Vec<(u32, &SourceRow)> = (0..).zip(sources.iter()).collect();
    let time = |ts: Option<i64>| ts.unwrap_or(NO_TIME);
    Columns::new("sources", [numbered.as_slice()], texts, wanted)
        .text("path", |s| Some(s.1.path.clone()))
        .text("member", |s| s.1.member.clone())
        .text("codec", |s| s.1.codec.clone())
        .number("bytes", |s| s.1.bytes as i64)
        .number("decoded_bytes", |s| s.1.decoded_bytes as i64)
        .text("sha256", |s| s.1.sha256.clone())
        .text("decoded_sha256", |s| s.1.decoded_sha256.clone())
        .time("mtime", |s| time(s.1.mtime))
        .text("format", |s| s.1.format.clone())
        .text("hosts", |s| s.1.hosts.clone())
        .number("lines", |s| s.1.lines as i64)
        .number("events", |s| s.1.events as i64)
        .number("ignored", |s| s.1.ignored as i64)
        .number("unrecognised", |s| s.1.unrecognised as i64)
        .number("undecodable", |s| s.1.undecodable as i64)
        .time("first_ts", |s| time(s.1.first_ts))
        .time("last_ts", |s| time(s.1.last_ts))
        .int("year", |s| s.1.year)
        .text("year_method", |s| s.1.year_method.clone())
        .text("year_confidence", |s| s.1.year_confidence.clone())
        .text("contradictions", |s| s.1.contradictions.clone())
        .text("utc_offset", |s| s.1.utc_offset.clone())
        .int("duplicate_of", |s| s.1.duplicate_of)
        .number("repeated", |s| s.1.repeated as i64)
        .flag("extract", |s| Some(s.1.extract))
        .text("problem", |s| s.1.problem.clone())
        .place(|s| Place {
            source: s.0,
            line: 1,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::correlate::{Part, finish};
    use crate::tables::schema::{TABLES, Type};
    use polars::prelude::DataType;

    #[test]
    fn frames_follow_the_schema() {
        let strings = Strings::default();
        let rows = finish::finish(Part::default(), &strings, &finish::Local::default());
        let tables = tables(rows, &[], &strings, Tz::UTC, &Wanted::default()).unwrap();
        assert_eq!(tables.frames.len(), TABLES.len());
        for (table, (name, frame)) in TABLES.iter().zip(&tables.frames) {
            assert_eq!(table.name, *name);
            let own: Vec<(String, Type)> = frame
                .in_memory()
                .unwrap()
                .columns()
                .iter()
                .map(|c| (c.name().to_string(), kind(c.dtype())))
                .collect();
            let listed: Vec<(String, Type)> = table
                .columns
                .iter()
                .map(|c| (c.name.to_string(), c.kind))
                .collect();
            assert_eq!(own, listed, "table {name}");
            let mute: Vec<&str> = table
                .columns
                .iter()
                .filter(|c| c.about.is_empty())
                .map(|c| c.name)
                .collect();
            assert!(mute.is_empty(), "{name}: nothing is said about {mute:?}");
        }
    }

    fn kind(dtype: &DataType) -> Type {
        match dtype {
            DataType::String => Type::Text,
            DataType::Int64 => Type::Int,
            DataType::Float64 => Type::Float,
            DataType::Boolean => Type::Bool,
            DataType::Date => Type::Date,
            DataType::Datetime(..) => Type::Time,
            other => panic!("{other} is not in the schema"),
        }
    }
}
