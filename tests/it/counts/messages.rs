//! Messages that were taken: by sender, client, account and day.

use super::clients::interrupted;
use super::visit::{Taken, Visit, visits};
use super::{Breakdown, Counts, Run, count, distinct, sums, tally};
use crate::support::{number, word};

/// Who hands in mail on the server itself.
const LOCAL: &str = "root@corp.example";
const HELD: &str = "cleanup put it on hold by its header, and the client left before the end: no message, but a row";

pub fn all(run: &Run) -> Vec<Breakdown> {
    let mut all = vec![by_sender(run), clients_by_sender(run), by_client(run)];
    all.extend(by_account(run));
    all.extend(whole(run));
    all
}

fn taken(run: &Run) -> impl Iterator<Item = (Visit<'_>, Taken<'_>)> {
    visits(&run.truth).flat_map(|visit| visit.taken().into_iter().map(move |taken| (visit, taken)))
}

/// Messages handed in on the server; not known where that was not written down.
fn local(run: &Run) -> i64 {
    let sent = run
        .admin
        .iter()
        .filter(|record| word(record, "action") == "sendmail");
    sent.count() as i64
}

/// Sessions that left a mail on hold behind which they never ended.
fn held(run: &Run) -> impl Iterator<Item = Visit<'_>> {
    visits(&run.truth)
        .filter(|visit| interrupted(*visit).any(|subject| subject.starts_with("URGENT wire")))
}

fn sender(sender: &str) -> String {
    let null = sender.is_empty();
    if null {
        "<>".to_owned()
    } else {
        sender.to_owned()
    }
}

fn by_sender(run: &Run) -> Breakdown {
    let own = taken(run).map(|(_, taken)| (sender(taken.sender), 1));
    let own = own.chain([(LOCAL.to_owned(), local(run))]);
    let rows = sums(
        &run.submitted("capacity/top_senders"),
        &["sender"],
        "messages",
    );
    let held = held(run)
        .flat_map(|visit| visit.mails())
        .map(|mail| sender(word(mail, "from")));
    let mut breakdown =
        Breakdown::new("capacity/top_senders: messages by sender", count(own), rows);
    if run.admin.is_empty() {
        breakdown.rows.remove(LOCAL);
    }
    breakdown.because(HELD, tally(held))
}

fn clients_by_sender(run: &Run) -> Breakdown {
    let own = distinct(
        taken(run).map(|(visit, taken)| (sender(taken.sender), visit.client().to_owned())),
    );
    let rows = sums(
        &run.submitted("capacity/top_senders"),
        &["sender"],
        "clients",
    );
    let mut held: Vec<(String, i64)> = Vec::new();
    for visit in self::held(run) {
        let from = sender(word(visit.mails().next().unwrap(), "from"));
        let before = taken(run)
            .any(|(own, taken)| own.client() == visit.client() && sender(taken.sender) == from);
        held.extend((!before).then_some((from, 1)));
    }
    Breakdown::new("capacity/top_senders: clients by sender", own, rows).because(HELD, held)
}

fn by_client(run: &Run) -> Breakdown {
    let own = tally(taken(run).map(|(visit, _)| visit.client().to_owned()));
    let rows = run.sums("spam/rejections_by_client", &["client_ip"], "accepted");
    let held = held(run).map(|visit| visit.client().to_owned());
    let held = tally(held.filter(|client| rows.contains_key(client)));
    Breakdown::new("spam/rejections_by_client: accepted by client", own, rows)
        .where_listed()
        .because(HELD, held)
}

fn by_account(run: &Run) -> Vec<Breakdown> {
    let own = || taken(run).filter(|(visit, _)| !visit.user().is_empty());
    let messages = tally(own().map(|(visit, _)| visit.user().to_owned()));
    let recipients = |taken: &Taken<'_>| {
        let mut all: Vec<String> = taken
            .recipients
            .iter()
            .map(|to| to.to_lowercase())
            .collect();
        all.sort_unstable();
        all.dedup();
        all.len() as i64
    };
    let recipients =
        count(own().map(|(visit, taken)| (visit.user().to_owned(), recipients(&taken))));
    let rows = |column| run.sums("capacity/user_ranking", &["auth_user"], column);
    vec![
        Breakdown::new(
            "capacity/user_ranking: messages by account",
            messages,
            rows("messages"),
        ),
        Breakdown::new(
            "capacity/user_ranking: recipients by account",
            recipients,
            rows("recipients"),
        ),
    ]
}

/// All that was taken; what was handed in on the server is known only where it was written down.
fn whole(run: &Run) -> Vec<Breakdown> {
    if run.admin.is_empty() {
        return Vec::new();
    }
    let (n, held) = (
        taken(run).count() as i64 + local(run),
        held(run).count() as i64,
    );
    let rows = |query| run.submitted(query);
    let day = run.day(visits(&run.truth).next().unwrap().start());
    let breakdown = |name, keys: &[String], rows: Counts| {
        let of = |n: i64| count(keys.iter().map(|key| (key.clone(), n)));
        Breakdown::new(name, of(n), rows).because(HELD, of(held))
    };
    let widths = [60, 300, 900, 3600].map(|width: i64| width.to_string());
    let sized = count([(
        "messages".to_owned(),
        rows("capacity/size_distribution")
            .iter()
            .map(|row| number(row, "messages"))
            .sum(),
    )]);
    vec![
        breakdown(
            "capacity/overview: accepted",
            &["".to_owned()],
            sums(&rows("capacity/overview"), &[], "accepted"),
        ),
        breakdown(
            "capacity/daily_trend: accepted by day",
            &[day],
            sums(&rows("capacity/daily_trend"), &["day"], "accepted"),
        ),
        breakdown(
            "capacity/peak_windows: messages by width",
            &widths,
            sums(&rows("capacity/peak_windows"), &["width"], "messages"),
        ),
        Breakdown::new(
            "capacity/size_distribution: messages",
            count([("messages".to_owned(), n)]),
            sized,
        ),
    ]
}
