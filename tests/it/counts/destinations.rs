//! What destinations answered, each recipient on its own: by domain, recipient, sender, transport, reply code, day.
//!
//! Tries that met no server (no address, no connection, no TLS), and those that a server refused before recipients were
//! named, are not in the journal: reply codes that a destination gave so are left out, and tries without one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::visit::{code, visits};
use super::{Breakdown, Counts, Run, count, key, tally};
use crate::support::{last_reply, list, number, word};

/// The next host of a destination is tried at once, the same message only when the queue is run again, s.
const AT_ONCE: f64 = 0.8;

const SECOND_ADDRESS: &str = "the host has a second address, which was tried next and took no connection: that is the try's end";
const REFUSED_NEXT: &str =
    "the next host was tried and refused before it was told the recipient: that is the try's end";
const NO_CODE: &str = "an answer without a code to RCPT, and the code to DATA after it";

/// Bounced without an answer to the recipient: `tiny` announces a size that many messages exceed, `freepost` no SMTPUTF8.
const REFUSED_HERE: [&str; 2] = ["tiny.example.net", "freepost.example"];

/// What a destination said of one recipient in the end.
#[derive(Clone, Copy)]
struct Answer<'a> {
    record: &'a Value,
    at: f64,
    to: &'a str,
    reply: &'a str,
}

impl<'a> Answer<'a> {
    fn of(record: &'a Value, rcpt: &'a Value) -> Option<Self> {
        Some(Answer {
            record,
            at: record["t"].as_f64()?,
            to: word(rcpt, "to"),
            reply: last_reply(record, rcpt)?,
        })
    }

    fn status(&self) -> &'static str {
        status(self.reply).unwrap_or("delivered")
    }

    fn server(&self) -> &'a str {
        word(self.record, "server")
    }

    fn domain(&self) -> String {
        domain(self.to)
    }

    /// Status, basic and enhanced code; where the server gave none of the latter, Postfix sets x.0.0.
    fn codes(&self) -> String {
        let (basic, enhanced) = codes(self.reply);
        key([self.status(), &basic, &enhanced])
    }
}

/// None of a success.
fn status(reply: &str) -> Option<&'static str> {
    match reply.as_bytes().first() {
        Some(b'4') => Some("deferred"),
        Some(b'5') => Some("bounced"),
        _ => None,
    }
}

fn domain(address: &str) -> String {
    address
        .rsplit_once('@')
        .map_or(String::new(), |(_, domain)| domain.to_lowercase())
}

fn codes(reply: &str) -> (String, String) {
    let (basic, rest) = reply.split_at(3.min(reply.len()));
    let first = rest.get(1..).unwrap_or_default();
    let first = first.split(char::is_whitespace).next().unwrap_or_default();
    let parts: Vec<&str> = first.split('.').collect();
    let enhanced = parts.len() == 3 && parts.iter().all(|part| part.parse::<u16>().is_ok());
    let enhanced = if enhanced {
        first.to_owned()
    } else {
        format!("{}.0.0", &basic[..1])
    };
    (basic.to_owned(), enhanced)
}

/// All answers to recipients.
fn answers(run: &Run) -> Vec<Answer<'_>> {
    let own = |record| list(record, "rcpts").filter_map(move |rcpt| Answer::of(record, rcpt));
    run.sink.iter().flat_map(own).collect()
}

/// The end of each try: where a host put a recipient off and the next host was asked at once, that one's answer.
fn ends<'a>(answers: &[Answer<'a>]) -> Vec<Answer<'a>> {
    let mut by_recipient: HashMap<(&str, &str, &str), Vec<Answer<'a>>> = HashMap::new();
    for answer in answers {
        let key = (word(answer.record, "from"), answer.to, answer.server());
        by_recipient.entry(key).or_default().push(*answer);
    }
    let mut ends = Vec::new();
    for mut own in by_recipient.into_values() {
        own.sort_by(|a, b| a.at.total_cmp(&b.at));
        let next = own[1..].iter().map(Some).chain([None]);
        let last = own
            .iter()
            .zip(next)
            .filter(|(answer, next)| !next.is_some_and(|next| went_on(answer, next)));
        ends.extend(last.map(|(answer, _)| *answer));
    }
    ends
}

fn went_on(answer: &Answer<'_>, next: &Answer<'_>) -> bool {
    let address = |answer: &Answer<'_>| word(answer.record, "local").to_owned();
    // Known once the message was sent.
    let id = |answer: &Answer<'_>| answer.record["message_id"].as_str().map(str::to_owned);
    let other = id(answer)
        .zip(id(next))
        .is_some_and(|(own, next)| own != next);
    answer.status() == "deferred"
        && next.at - answer.at < AT_ONCE
        && address(answer) != address(next)
        && !other
}

/// Refusals of a connection or of MAIL.
fn turned_away(run: &Run) -> Vec<(&Value, &str)> {
    let said = |record: &'_ Value| ["connect", "mail"].iter().any(|at| record[*at].is_string());
    let refused = run.sink.iter().filter(|record| said(record));
    refused
        .map(|record| {
            (
                record,
                record["connect"]
                    .as_str()
                    .unwrap_or_else(|| word(record, "mail")),
            )
        })
        .collect()
}

pub fn all(run: &Run) -> Vec<Breakdown> {
    let answers = answers(run);
    let ends = ends(&answers);
    let mut all = delivered(run, &answers);
    all.extend(bounced(run, &ends));
    all.push(by_codes(run, &ends));
    all.extend(mailbox_full(run, &ends));
    if !run.filter.is_empty() {
        all.extend(filtered(run));
    }
    all
}

/// When destinations took a message for a recipient.
pub fn delivered_at(run: &Run) -> impl Iterator<Item = f64> {
    let delivered = answers(run)
        .into_iter()
        .filter(|answer| answer.status() == "delivered");
    delivered.map(|answer| answer.at)
}

/// Deliveries by local(8) to files and commands: no server saw them, but who sent them wrote it down.
fn local(run: &Run) -> Vec<&'static str> {
    let to = run.admin.iter().map(|record| word(record, "rcpt"));
    let to = to.filter_map(|to| match to {
        "archive@mx1.corp.example" => Some("archive@mx1.corp.example"),
        "logger@mx1.corp.example" => Some("logger@mx1.corp.example"),
        _ => None,
    });
    to.collect()
}

/// What was delivered, on both sides; without the local domain where nobody wrote down what was sent there.
fn delivered(run: &Run, answers: &[Answer<'_>]) -> Vec<Breakdown> {
    let own: Vec<&Answer<'_>> = answers
        .iter()
        .filter(|answer| answer.status() == "delivered")
        .collect();
    let local = local(run);
    let by = |of: &dyn Fn(&Answer<'_>) -> String, here: &dyn Fn(&str) -> String| {
        tally(
            own.iter()
                .map(|answer| of(answer))
                .chain(local.iter().map(|to| here(to))),
        )
    };
    let by_domain = by(&|answer| answer.domain(), &domain);
    let by_recipient = by(&|answer| answer.to.to_owned(), &str::to_owned);
    let null = |sender: &str| {
        if sender.is_empty() {
            "<>".to_owned()
        } else {
            sender.to_owned()
        }
    };
    let by_sender = by(&|answer| null(word(answer.record, "from")), &|_| {
        "root@corp.example".to_owned()
    });
    let by_day = by(&|answer| run.day(answer.at), &|_| run.day(answers[0].at));
    let transport = |answer: &Answer<'_>| {
        if answer.server() == "lmtp" {
            "lmtp"
        } else {
            "smtp"
        }
        .to_owned()
    };
    let by_transport = by(&transport, &|_| "local".to_owned());
    let whole = count([("delivered".to_owned(), by_domain.values().sum())]);
    let rows = |query, column| run.sums(query, &[column], "delivered");
    let mut all = vec![
        Breakdown::new(
            "delivery/by_destination: delivered by domain",
            by_domain.clone(),
            rows("delivery/by_destination", "recipient_domain"),
        ),
        Breakdown::new(
            "capacity/top_destinations: delivered by domain",
            by_domain,
            rows("capacity/top_destinations", "recipient_domain"),
        ),
        Breakdown::new(
            "capacity/top_recipients: delivered by recipient",
            by_recipient,
            rows("capacity/top_recipients", "recipient"),
        ),
        Breakdown::new(
            "capacity/transport_mix: delivered by transport",
            by_transport,
            transports(run, "delivered"),
        ),
    ];
    if !run.admin.is_empty() {
        all.push(Breakdown::new(
            "capacity/top_senders: delivered by sender",
            by_sender,
            rows("capacity/top_senders", "sender"),
        ));
        all.push(Breakdown::new(
            "delivery/outcomes: delivered by day",
            by_day,
            rows("delivery/outcomes", "day"),
        ));
        all.push(Breakdown::new(
            "capacity/overview: delivered",
            whole,
            run.single("capacity/overview", &["delivered"]),
        ));
        return all;
    }
    all.into_iter().map(Breakdown::where_known).collect()
}

/// By program: the instance `relay` of smtp is smtp.
fn transports(run: &Run, column: &str) -> Counts {
    let program = |name: String| name.rsplit('/').next().unwrap_or_default().to_owned();
    let rows = run
        .sums("capacity/transport_mix", &["transport"], column)
        .into_iter();
    count(rows.map(|(transport, n)| (program(transport), n)))
}

/// Refused for good, by domain and recipient: destinations whose every bounce is an answer to the recipient, the content
/// filter's included.
fn bounced(run: &Run, ends: &[Answer<'_>]) -> Vec<Breakdown> {
    let own = ends
        .iter()
        .filter(|end| end.status() == "bounced")
        .map(|end| end.to.to_owned());
    let journal = tally(own.chain(infected(run)));
    let mut servers: BTreeSet<String> = run
        .sink
        .iter()
        .map(|record| word(record, "server").to_owned())
        .collect();
    servers.extend(ends.iter().map(Answer::domain));
    servers.retain(|server| !REFUSED_HERE.contains(&server.as_str()));
    let with_server = |counts: Counts| {
        let own = counts
            .into_iter()
            .filter(|(to, _)| servers.contains(&domain(to)));
        count(own)
    };
    let of_domains = |counts: &Counts| count(counts.iter().map(|(to, n)| (domain(to), *n)));
    let journal = with_server(journal);
    let sql = "SELECT recipient, COUNT(*) AS n FROM deliveries WHERE outcome = 'bounced' GROUP BY recipient";
    let by_recipient = with_server(run.table(sql, &["recipient"]));
    let by_domain = run.sums("delivery/by_destination", &["recipient_domain"], "bounced");
    let by_domain = count(
        by_domain
            .into_iter()
            .filter(|(domain, _)| servers.contains(domain)),
    );
    let no_code = no_code(run);
    vec![
        Breakdown::new(
            "delivery/by_destination: bounced by domain",
            of_domains(&journal),
            by_domain,
        )
        .because(NO_CODE, of_domains(&no_code)),
        Breakdown::new(
            "table deliveries: bounced by recipient",
            journal,
            by_recipient,
        )
        .because(NO_CODE, no_code),
    ]
}

/// Recipients to whom a server answered words without a code, and then had none to take the message for.
fn no_code(run: &Run) -> Counts {
    let refused = run
        .sink
        .iter()
        .filter(|record| word(record, "end") == "no valid recipients");
    let rcpts = refused.flat_map(|record| list(record, "rcpts"));
    let words =
        rcpts.filter(|rcpt| !word(rcpt, "reply").starts_with(|first: char| first.is_ascii_digit()));
    tally(words.map(|rcpt| word(rcpt, "to").to_owned()))
}

/// Recipients of the messages that were taken, by Message-ID as the filter reads it: up to the first space.
fn accepted(run: &Run) -> BTreeMap<String, Vec<String>> {
    let mut mails: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let taken = visits(&run.truth).flat_map(|visit| visit.mails());
    for mail in taken.filter(|mail| code(&mail["data_code"]) == 250) {
        let id = word(mail, "message_id")
            .split(' ')
            .next()
            .unwrap_or_default();
        let rcpts = list(mail, "rcpts").filter(|rcpt| code(&rcpt["code"]) < 300);
        mails
            .entry(id.to_owned())
            .or_default()
            .extend(rcpts.map(|rcpt| word(rcpt, "to").to_owned()));
    }
    mails
}

/// Recipients of messages that the content filter refused.
fn infected(run: &Run) -> Vec<String> {
    let mails = accepted(run);
    let refused = run
        .filter
        .iter()
        .filter(|record| word(record, "reply").starts_with('5'));
    refused
        .flat_map(|record| mails[word(record, "message_id")].clone())
        .collect()
}

/// Unsuccessful tries by status and codes.
fn by_codes(run: &Run, ends: &[Answer<'_>]) -> Breakdown {
    let away = turned_away(run);
    let early: BTreeSet<(String, String)> = away.iter().map(|(_, reply)| codes(reply)).collect();
    let known = |reply: &str| !early.contains(&codes(reply));
    let failed = ends
        .iter()
        .filter(|end| end.status() != "delivered" && known(end.reply));
    let failed: Vec<&Answer<'_>> = failed.collect();
    let of_filter = run
        .filter
        .iter()
        .filter_map(|record| Some((status(word(record, "reply"))?, record)));
    let of_filter = of_filter.map(|(status, record)| {
        let (basic, enhanced) = codes(word(record, "reply"));
        (key([status, &basic, &enhanced]), code(&record["rcpts"]))
    });
    let journal = count(failed.iter().map(|end| (end.codes(), 1)).chain(of_filter));
    let rows = run.sums("delivery/by_dsn", &["status", "reply_code", "dsn"], "tries");
    let deferred = |end: &&&Answer<'_>| end.status() == "deferred";
    let hosts = second_addresses(run);
    let second = failed
        .iter()
        .filter(deferred)
        .filter(|end| hosts.contains(word(end.record, "host")));
    let next = failed
        .iter()
        .filter(deferred)
        .filter(|end| refused_next(&away, end));
    Breakdown::new(
        "delivery/by_dsn: tries by status, reply code, enhanced code",
        journal,
        rows,
    )
    .where_known()
    .perhaps(SECOND_ADDRESS, tally(second.map(|end| end.codes())))
    .perhaps(REFUSED_NEXT, tally(next.map(|end| end.codes())))
}

/// Destinations that are clients as well have a second address, at which nothing listens.
fn second_addresses(run: &Run) -> BTreeSet<String> {
    let clients = visits(&run.truth).filter(|visit| visit.is("inbound"));
    clients
        .map(|visit| word(visit.0, "helo").to_owned())
        .collect()
}

fn refused_next(away: &[(&Value, &str)], end: &Answer<'_>) -> bool {
    away.iter().any(|(record, _)| {
        let later = record["t"].as_f64().unwrap() - end.at;
        let other =
            word(record, "server") == end.server() && record["local"] != end.record["local"];
        let same = record["from"].is_null() || record["from"] == end.record["from"];
        (0.0..AT_ONCE).contains(&later) && other && same
    })
}

/// Tries that met a full mailbox: x.2.2 says so (RFC 3463), or words do.
fn mailbox_full(run: &Run, ends: &[Answer<'_>]) -> Vec<Breakdown> {
    let failed = ends.iter().filter(|end| end.status() != "delivered");
    let full =
        failed.filter(|end| codes(end.reply).1.ends_with(".2.2") || end.reply.contains("quota"));
    let journal = tally(full.map(|end| end.to.to_owned()));
    let rows = run.sums("delivery/quota_full", &["recipient"], "tries");
    let reason = "mailbox-full".to_owned();
    let whole = count([(reason, journal.values().sum())]);
    let reasons = run.sums("delivery/by_reason", &["reason"], "tries");
    vec![
        Breakdown::new("delivery/quota_full: tries by recipient", journal, rows),
        Breakdown::new(
            "delivery/by_reason: tries that met a full mailbox",
            whole,
            reasons,
        )
        .where_known(),
    ]
}

/// What the content filter answered: recipients handed on and thrown away, messages refused.
fn filtered(run: &Run) -> Vec<Breakdown> {
    let said = |words: &'static str| {
        let own = run
            .filter
            .iter()
            .filter(move |record| word(record, "reply").contains(words));
        own.map(|record| code(&record["rcpts"]))
    };
    let smtp = |n: i64| count([("smtp".to_owned(), n)]);
    let rows = run.rows("spam/content_verdicts");
    let bounced = count([(
        "bounced".to_owned(),
        rows.iter().map(|row| number(row, "bounced")).sum(),
    )]);
    let infected = count([("bounced".to_owned(), said("INFECTED").count() as i64)]);
    let handed_on = smtp(said("queued as").sum());
    let forwarded = transports(run, "forwarded");
    vec![
        Breakdown::new(
            "capacity/transport_mix: forwarded by smtp",
            handed_on,
            forwarded,
        )
        .where_known(),
        Breakdown::new(
            "capacity/transport_mix: discarded by smtp",
            smtp(said("discarded").sum()),
            discarded(run),
        ),
        Breakdown::new("spam/content_verdicts: bounced", infected, bounced),
    ]
}

/// Tries of smtp that came to none of the ends that have a column.
fn discarded(run: &Run) -> Counts {
    let of = |column| {
        transports(run, column)
            .into_iter()
            .filter(|(program, _)| program == "smtp")
    };
    let ends = ["delivered", "forwarded", "deferred", "failed"]
        .into_iter()
        .flat_map(of);
    count(of("attempts").chain(ends.map(|(program, n)| (program, -n))))
}
