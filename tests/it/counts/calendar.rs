//! By day and hour: a run spread over a month, with both its sides moved alike.
//!
//! What is moved by queue ID, as deliveries are, or is alone with its client, as logins are, lies at the same time on both
//! sides. Sessions of one client cannot always be told apart by what moves them, so these are not compared by time.

use chrono::Timelike;

use super::visit::{Outcome, Visit, visits};
use super::{Breakdown, Counts, Run, count, destinations, tally};

pub fn all(run: &Run) -> Vec<Breakdown> {
    let delivered = || destinations::delivered_at(run);
    let hour = |at| run.time(at).hour().to_string();
    let sql = "SELECT hour_of_day, COUNT(*) AS n FROM attempts WHERE status = 'delivered' \
               AND recipient_domain <> 'mx1.corp.example' GROUP BY hour_of_day";
    let by_hour = run.table(sql, &["hour_of_day"]);
    vec![
        Breakdown::new(
            "delivery/outcomes: delivered by day",
            tally(delivered().map(|at| run.day(at))),
            outcomes(run),
        ),
        Breakdown::new(
            "table attempts: delivered by hour of day",
            tally(delivered().map(hour)),
            by_hour,
        ),
        logins_by_day(run),
    ]
}

/// Without deliveries to files and commands, of which no server knows.
fn outcomes(run: &Run) -> Counts {
    let sql = "SELECT day, COUNT(*) AS n FROM deliveries WHERE outcome = 'delivered' \
               AND recipient_domain = 'mx1.corp.example' GROUP BY day";
    let local = run.table(sql, &["day"]).into_iter();
    let all = run.sums("delivery/outcomes", &["day"], "delivered");
    count(all.into_iter().chain(local.map(|(day, n)| (day, -n))))
}

fn logins_by_day(run: &Run) -> Breakdown {
    let won = |visit: &Visit<'_>| {
        let mut tries = visit.tries().into_iter();
        tries.any(|one| one.outcome == Outcome::Success)
    };
    let days = visits(&run.truth)
        .filter(won)
        .map(|visit| run.day(visit.stop()));
    let sql = "SELECT day, COUNT(*) AS n FROM logins WHERE success GROUP BY day";
    let rows = run.table(sql, &["day"]);
    Breakdown::new("table logins: successes by day", tally(days), rows)
}
