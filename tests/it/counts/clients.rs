//! Connections and refusals, as the clients saw them.

use serde_json::Value;

use super::visit::{Visit, code, visits};
use super::{Breakdown, Counts, Run, count, key, tally};
use crate::support::{Row, list, number, word};

/// Clocks: the client's begin and end of a session, and the server's, which some logs cut to the second.
const SLACK: f64 = 1.5;

pub fn all(run: &Run) -> Vec<Breakdown> {
    let mut all = sessions(run);
    all.extend(refusals(run));
    all.extend(by_words(run));
    all.push(by_helo(run));
    all
}

/// Sessions with an SMTP service.
fn smtp(run: &Run) -> impl Iterator<Item = Visit<'_>> {
    visits(&run.truth).filter(|visit| visit.port() != 143)
}

/// Connections by which the content filter handed mail back.
fn handed_back(run: &Run) -> i64 {
    let passed = |record: &&Value| word(record, "reply").contains("queued as");
    run.filter.iter().filter(passed).count() as i64
}

fn sessions(run: &Run) -> Vec<Breakdown> {
    let own = (handed_back(run) > 0).then(|| ("127.0.0.1".to_owned(), handed_back(run)));
    let by_client = count(
        tally(smtp(run).map(|visit| visit.client().to_owned()))
            .into_iter()
            .chain(own),
    );
    let whole = [
        ("sessions", by_client.values().sum::<i64>()),
        ("clients", by_client.len() as i64),
    ];
    let mut by_day = tally(smtp(run).map(|visit| run.day(visit.start())));
    *by_day.values_mut().next().unwrap() += handed_back(run);
    let by_service = smtp(run).map(|visit| key([visit.service(), visit.client()]));
    let mut strangers = by_client.clone();
    strangers.remove("127.0.0.1");
    vec![
        Breakdown::new(
            "capacity/overview: sessions, clients",
            count(whole.map(|(k, n)| (k.to_owned(), n))),
            run.single("capacity/overview", &["sessions", "clients"]),
        ),
        Breakdown::new(
            "capacity/daily_trend: sessions by day",
            by_day,
            run.sums("capacity/daily_trend", &["day"], "sessions"),
        ),
        Breakdown::new(
            "table sessions by service and client",
            tally(by_service),
            run.table(
                &sessions_by("service, client_ip"),
                &["service", "client_ip"],
            ),
        ),
        Breakdown::new(
            "table sessions by TLS version",
            tally(smtp(run).map(|visit| visit.tls().to_owned())),
            run.table(&sessions_by("tls_version"), &["tls_version"]),
        ),
        Breakdown::new(
            "access/service_abuse: connections by client",
            strangers,
            run.sums("access/service_abuse", &["client_ip"], "connections"),
        )
        .where_listed(),
        concurrency(run),
    ]
}

/// What smtpd got of a connection is one with postscreen's part of it; the rest ended in postscreen.
fn sessions_by(columns: &str) -> String {
    format!(
        "SELECT {columns}, COUNT(*) AS n \
         FROM (SELECT CASE service WHEN 'postscreen' THEN 'smtpd' ELSE service END AS service, client_ip, tls_version FROM sessions) AS sessions \
         WHERE client_ip <> '127.0.0.1' GROUP BY {columns}"
    )
}

/// Connections with begin and end, by service; that of port 25 is postscreen's and smtpd's.
fn concurrency(run: &Run) -> Breakdown {
    let rows = run.rows_of("capacity/connection_concurrency", "basis", &["service"]);
    let rows = super::sums(&rows, &["service"], "sessions").into_iter();
    let rows = rows.map(|(service, n)| match service.as_str() {
        "postscreen" => ("smtpd".to_owned(), n),
        _ => (service, n),
    });
    let own = [("smtpd".to_owned(), handed_back(run))];
    let journal = tally(smtp(run).map(|visit| visit.service().to_owned()));
    Breakdown::new(
        "capacity/connection_concurrency: sessions by service",
        count(journal.into_iter().chain(own)),
        count(rows),
    )
}

/// The most connections at once lie between what the clients are sure of and what their clocks allow.
pub fn at_once(run: &Run) -> Vec<String> {
    let rows = run.rows_of("capacity/connection_concurrency", "basis", &["service"]);
    let most = super::sums(&rows, &["service"], "most");
    let mut wrong = Vec::new();
    for name in ["submission/smtpd", "smtps/smtpd"] {
        let own: Vec<Visit<'_>> = smtp(run).filter(|visit| visit.service() == name).collect();
        let (least, allowed) = (overlap(&own, SLACK), overlap(&own, -SLACK));
        let said = format!(
            "{}: {name}: {} at once, {least} to {allowed} by the clients",
            run.name, most[name]
        );
        println!("  {said}");
        if !(least..=allowed).contains(&most[name]) {
            wrong.push(said);
        }
    }
    wrong
}

/// Most at once, each begun so much later and ended so much earlier.
fn overlap(visits: &[Visit<'_>], shorter: f64) -> i64 {
    let spans = visits
        .iter()
        .map(|visit| (visit.start() + shorter, visit.stop() - shorter));
    let spans = spans.filter(|(start, stop)| start <= stop);
    let mut changes: Vec<(f64, i64)> = spans
        .flat_map(|(start, stop)| [(start, 1), (stop, -1)])
        .collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut now = 0;
    let depths = changes.iter().map(|(_, change)| {
        now += change;
        now
    });
    depths.max().unwrap_or_default()
}

const TOO_LARGE: &str =
    "552 at the end of data: Postfix names no client; the row is in server_events";

/// How a refusal is logged.
enum Logged {
    WithCode,
    /// Only counted when the session ends, or by cleanup, which logs no code.
    WithoutCode,
    /// At the end of data, as an event of the server.
    Elsewhere,
}

/// What is a refusal of a mail, and not one of a greeting, of TLS, a login or gibberish. What postscreen says to a command
/// that it does not know, or that comes out of order, is logged nowhere.
fn logged(visit: Visit<'_>, verb: &str, code: i64) -> Option<Logged> {
    let logged = match (verb, code) {
        (_, ..400) | ("wait", _) => return None,
        (_, 421) | ("RCPT TO", _) | ("MAIL FROM", 552) => return Some(Logged::WithCode),
        ("data", 552) => return Some(Logged::Elsewhere),
        ("data", _) => return Some(Logged::WithoutCode),
        ("VRFY" | "ETRN", 450) => Logged::WithCode,
        ("RCPT", 501 | 503 | 530) => Logged::WithoutCode,
        ("RCPT", _) => return Some(Logged::WithCode),
        ("MAIL" | "MAIL FROM" | "VRFY" | "ETRN", _) => Logged::WithoutCode,
        _ => return None,
    };
    (!visit.screened()).then_some(logged)
}

/// A refusal, with its code as logged.
struct Refusal<'a> {
    visit: Visit<'a>,
    code: String,
    elsewhere: bool,
}

fn refused(run: &Run) -> Vec<Refusal<'_>> {
    let replies =
        smtp(run).flat_map(|visit| visit.replies().into_iter().map(move |reply| (visit, reply)));
    let told = replies.filter_map(|(visit, (verb, code))| {
        let logged = logged(visit, verb, code)?;
        let code = match logged {
            Logged::WithoutCode => String::new(),
            Logged::WithCode | Logged::Elsewhere => code.to_string(),
        };
        let elsewhere = matches!(logged, Logged::Elsewhere);
        Some(Refusal {
            visit,
            code,
            elsewhere,
        })
    });
    let left = left(run).map(|visit| Refusal {
        visit,
        code: String::new(),
        elsewhere: false,
    });
    told.chain(left).collect()
}

/// Mails whose header cleanup refused, but whose client had left before it was told.
fn left(run: &Run) -> impl Iterator<Item = Visit<'_>> {
    let refused = |subject: &str| subject.starts_with("Fwd: bitcoin");
    smtp(run).filter(move |visit| interrupted(*visit).any(refused))
}

/// Subjects of mails that the client began to send and did not end.
pub fn interrupted(visit: Visit<'_>) -> impl Iterator<Item = &str> {
    let leaves = matches!(
        word(visit.0, "quirk"),
        "hangup_data" | "reset_data" | "idle_data"
    );
    let midway = leaves && visit.replies().contains(&("DATA", 354));
    let open = visit
        .mails()
        .filter(move |mail| midway && mail["data_code"].is_null());
    open.map(|mail| word(mail, "subject"))
}

/// Refusals by the key that `of` gives them.
fn compared(
    name: &'static str,
    refused: &[Refusal<'_>],
    of: impl Fn(&Refusal<'_>) -> String,
    rows: Counts,
) -> Breakdown {
    let elsewhere = refused.iter().filter(|refusal| refusal.elsewhere);
    let fewer = elsewhere.map(|refusal| (of(refusal), -1));
    Breakdown::new(name, tally(refused.iter().map(&of)), rows).because(TOO_LARGE, count(fewer))
}

/// Rows of what was refused, not only warned of or put on hold.
fn refusing(run: &Run) -> Vec<Row> {
    run.rows_of("spam/rejections_by_reason", "action", &["reject", "defer"])
}

fn refusals(run: &Run) -> Vec<Breakdown> {
    let sql = "SELECT reply_code, COUNT(*) AS n FROM rejections WHERE action IN ('reject', 'defer') GROUP BY reply_code";
    let refused = refused(run);
    let client = |refusal: &Refusal<'_>| refusal.visit.client().to_owned();
    let day = |refusal: &Refusal<'_>| run.day(refusal.visit.stop());
    let whole = |_: &Refusal<'_>| "rejections".to_owned();
    let all = refusing(run)
        .iter()
        .map(|row| number(row, "rejections"))
        .sum();
    let by_client = run.sums("spam/rejections_by_client", &["client_ip"], "rejections");
    let by_day = run.sums("capacity/daily_trend", &["day"], "rejections");
    let overview = run.single("capacity/overview", &["rejections"]);
    let all = count([("rejections".to_owned(), all)]);
    let by_code = run.table(sql, &["reply_code"]);
    vec![
        compared(
            "spam/rejections_by_client: rejections by client",
            &refused,
            client,
            by_client,
        ),
        compared(
            "table rejections by reply code",
            &refused,
            |refusal| refusal.code.clone(),
            by_code,
        ),
        compared(
            "spam/rejections_by_reason: all refusals",
            &refused,
            whole,
            all,
        ),
        compared("capacity/overview: rejections", &refused, whole, overview),
        compared(
            "capacity/daily_trend: rejections by day",
            &refused,
            day,
            by_day,
        ),
    ]
}

/// Words of a refusal that leave no doubt of its reason.
const WORDS: &[(&str, &str)] = &[
    ("Relay access denied", "relay-denied"),
    ("User unknown", "user-unknown"),
    ("not owned by user", "auth"),
    ("Sender address rejected: not logged in", "auth"),
    ("blocked using bl.example", "blocklist"),
    ("typo domain", "nxdomain"),
    ("SPF fail", "spf"),
    ("Helo command rejected", "helo"),
    (
        "Sender address rejected: need fully-qualified",
        "bad-sender",
    ),
    ("Sender address rejected: Domain", "bad-sender"),
    ("Message size exceeds", "size"),
    ("Attachment type not allowed", "attachment"),
    ("Spam is not wanted", "spam"),
];

/// A refusal whose words the client wrote down, and that leave no doubt.
struct Said<'a> {
    visit: Visit<'a>,
    mail: &'a Value,
    recipient: &'a str,
    reason: &'static str,
}

fn said(run: &Run) -> Vec<Said<'_>> {
    let mails = smtp(run).flat_map(|visit| visit.mails().map(move |mail| (visit, mail)));
    let said = mails.flat_map(|(visit, mail)| {
        let rcpts = list(mail, "rcpts").map(|rcpt| (word(rcpt, "to"), word(rcpt, "reply")));
        // A size that is seen at the end of the data alone is no row of the client's.
        let data = (code(&mail["data_code"]) != 552).then(|| word(mail, "data_reply"));
        let whole = [Some(word(mail, "mail_reply")), data].into_iter().flatten();
        let replies = rcpts.chain(whole.map(|reply| ("", reply)));
        replies.filter_map(move |(recipient, reply)| {
            let (_, reason) = WORDS.iter().find(|(words, _)| reply.contains(words))?;
            Some(Said {
                visit,
                mail,
                recipient,
                reason,
            })
        })
    });
    said.collect()
}

/// The client that tries the syntax of addresses writes down codes alone: its 550 is for an address that does not exist, its
/// 554 for one elsewhere.
fn of_syntax(run: &Run, wanted: i64) -> impl Iterator<Item = Visit<'_>> {
    let own = smtp(run).filter(|visit| visit.is("syntax") && !visit.screened());
    own.flat_map(move |visit| {
        let replies = visit.replies();
        let times = replies.iter().filter(|reply| **reply == ("RCPT", wanted));
        std::iter::repeat_n(visit, times.count())
    })
}

fn by_words(run: &Run) -> Vec<Breakdown> {
    let said = said(run);
    let own = said.iter().map(|said| said.reason);
    let unknown = of_syntax(run, 550).map(|_| "user-unknown");
    let elsewhere = of_syntax(run, 554).map(|_| "relay-denied");
    let by_reason = own
        .chain(unknown)
        .chain(elsewhere)
        .chain(left(run).map(|_| "spam"));
    let by_reason = tally(by_reason.map(str::to_owned));
    let rows = super::sums(&refusing(run), &["reason"], "rejections");
    vec![
        Breakdown::new(
            "spam/rejections_by_reason: rejections by reason",
            by_reason,
            rows,
        )
        .where_known(),
        probes(run, &said),
        unknown_recipients(run, &said),
        too_large(run, &said),
        by_content(run, &said),
    ]
}

fn of<'a, 'b>(said: &'b [Said<'a>], reason: &'static str) -> impl Iterator<Item = &'b Said<'a>> {
    said.iter().filter(move |said| said.reason == reason)
}

fn probes(run: &Run, said: &[Said<'_>]) -> Breakdown {
    let own = of(said, "relay-denied").map(|said| said.visit);
    let journal = tally(
        own.chain(of_syntax(run, 554))
            .map(|visit| visit.client().to_owned()),
    );
    let rows = run.sums("spam/relay_probes", &["client_ip"], "tries");
    Breakdown::new("spam/relay_probes: tries by client", journal, rows)
}

/// But those of the client that does not write down what it asked for.
fn unknown_recipients(run: &Run, said: &[Said<'_>]) -> Breakdown {
    let journal = tally(of(said, "user-unknown").map(|said| said.recipient.to_owned()));
    let rows = run.rows_of("delivery/unknown_recipients", "kind", &["refused by us"]);
    let rows = super::sums(&rows, &["recipient"], "times");
    Breakdown::new(
        "delivery/unknown_recipients: refused by us, by recipient",
        journal,
        rows,
    )
    .where_known()
}

fn too_large(run: &Run, said: &[Said<'_>]) -> Breakdown {
    let journal = tally(of(said, "size").map(|said| word(said.mail, "from").to_owned()));
    let rows = run.rows_of("delivery/size_rejected", "side", &["refused by us"]);
    let rows = super::sums(&rows, &["sender"], "times");
    Breakdown::new(
        "delivery/size_rejected: refused by us, by sender",
        journal,
        rows,
    )
}

/// What was refused for its content or size.
fn by_content(run: &Run, said: &[Said<'_>]) -> Breakdown {
    let of = ["attachment", "size", "spam"]
        .into_iter()
        .flat_map(|reason| of(said, reason));
    let told = of.map(|said| said.reason).chain(left(run).map(|_| "spam"));
    let rows = run.sums("spam/content_verdicts", &["reason"], "refused");
    Breakdown::new(
        "spam/content_verdicts: refused by reason",
        tally(told.map(str::to_owned)),
        rows,
    )
}

/// Refusals of RCPT by HELO. A session that is broken off (421) has none in its line.
fn by_helo(run: &Run) -> Breakdown {
    let own = smtp(run).flat_map(|visit| {
        let refused = |(verb, code): &(&str, i64)| verb.starts_with("RCPT") && *code != 421;
        let told = |(verb, code): &(&str, i64)| {
            matches!(logged(visit, verb, *code), Some(Logged::WithCode))
        };
        let replies = visit.replies();
        let times = replies
            .iter()
            .filter(|reply| refused(reply) && told(reply))
            .count();
        std::iter::repeat_n(visit.helo(), times)
    });
    let sql = "SELECT helo, COUNT(*) AS n FROM rejections WHERE stage = 'rcpt' AND reply_code <> 421 \
               AND action IN ('reject', 'defer') GROUP BY helo";
    Breakdown::new(
        "table rejections of RCPT by HELO",
        tally(own),
        run.table(sql, &["helo"]),
    )
}
