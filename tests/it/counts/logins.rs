//! Tries to log in: by service, mechanism and encryption, by client, by account.

use super::visit::{Outcome, Try, Visit, visits};
use super::{Breakdown, Counts, Run, count, distinct, key, tally};

pub fn all(run: &Run) -> Vec<Breakdown> {
    let mut all = by_service(run);
    all.extend(by_client(run));
    all.extend(by_account(run));
    all.push(Breakdown::new(
        "capacity/overview: logins",
        count([(
            "logins".to_owned(),
            tries(run).filter(|(_, one)| won(one)).count() as i64,
        )]),
        run.single("capacity/overview", &["logins"]),
    ));
    all
}

fn tries(run: &Run) -> impl Iterator<Item = (Visit<'_>, Try<'_>)> {
    visits(&run.truth).flat_map(|visit| visit.tries().into_iter().map(move |one| (visit, one)))
}

fn won(one: &Try<'_>) -> bool {
    one.outcome == Outcome::Success
}

fn refused(one: &Try<'_>) -> bool {
    one.outcome == Outcome::Refused
}

/// Service, mechanism and encryption. What only the counters of the disconnect line tell has no mechanism: a success
/// without mail, and what was not checked.
fn cell(visit: Visit<'_>, one: &Try<'_>) -> String {
    let told = match one.outcome {
        Outcome::Success => visit.names_account(),
        Outcome::NotChecked => false,
        Outcome::Refused | Outcome::ServerFault => true,
    };
    let mechanism = if told { one.mechanism } else { "" };
    let encryption = if visit.tls().is_empty() { "no" } else { "yes" };
    key([visit.service(), mechanism, encryption])
}

fn by_service(run: &Run) -> Vec<Breakdown> {
    let keys = ["service", "auth_method", "encryption"];
    let columns = [
        (
            "access/auth_summary: successes by service, mechanism, TLS",
            "successes",
            Outcome::Success,
        ),
        (
            "access/auth_summary: failures",
            "failures",
            Outcome::Refused,
        ),
        (
            "access/auth_summary: server_failures",
            "server_failures",
            Outcome::ServerFault,
        ),
        (
            "access/auth_summary: not_checked",
            "not_checked",
            Outcome::NotChecked,
        ),
    ];
    let rows = run.rows("access/auth_summary");
    let outcomes = columns.into_iter().map(|(name, column, outcome)| {
        let own = tries(run).filter(|(_, one)| one.outcome == outcome);
        let journal = tally(own.map(|(visit, one)| cell(visit, &one)));
        Breakdown::new(name, journal, super::sums(&rows, &keys, column))
    });
    let clients =
        distinct(tries(run).map(|(visit, one)| (cell(visit, &one), visit.client().to_owned())));
    let named = tries(run).filter(|(visit, one)| won(one) && visit.names_account());
    let accounts = distinct(named.map(|(visit, one)| (cell(visit, &one), one.user.to_owned())));
    let mut all: Vec<Breakdown> = outcomes.collect();
    let rows = |column| super::sums(&rows, &keys, column);
    all.push(Breakdown::new(
        "access/auth_summary: clients",
        clients,
        rows("clients"),
    ));
    all.push(Breakdown::new(
        "access/auth_summary: accounts",
        accounts,
        rows("accounts"),
    ));
    all
}

/// What the tries that pass have, by client.
fn of_clients(run: &Run, passes: impl Fn(&Try<'_>) -> bool) -> Counts {
    tally(
        tries(run)
            .filter(|(_, one)| passes(one))
            .map(|(visit, _)| visit.client().to_owned()),
    )
}

fn by_client(run: &Run) -> Vec<Breakdown> {
    let (failures, successes) = (of_clients(run, refused), of_clients(run, won));
    let unoffered = of_clients(run, |one| one.outcome == Outcome::NotChecked);
    let fails = || tries(run).filter(|(_, one)| refused(one));
    let names =
        distinct(fails().map(|(visit, one)| (visit.client().to_owned(), one.user.to_owned())));
    let sums = |query: &'static str, column: &str| run.sums(query, &["client_ip"], column);
    let (before, after) = (
        sums("access/password_guessing", "successes_before"),
        sums("access/password_guessing", "successes_after"),
    );
    let guessers = successes
        .iter()
        .filter(|(client, _)| failures.contains_key(*client));
    let guessers = count(guessers.map(|(client, n)| (client.clone(), *n)));
    let listed = |name, journal: &Counts, query, column| {
        Breakdown::new(name, journal.clone(), sums(query, column)).where_listed()
    };
    vec![
        Breakdown::new(
            "access/password_guessing: failures by client",
            failures.clone(),
            sums("access/password_guessing", "failures"),
        ),
        Breakdown::new(
            "access/password_guessing: accounts by client",
            names.clone(),
            sums("access/password_guessing", "accounts"),
        ),
        Breakdown::new(
            "access/password_guessing: successes by client",
            guessers,
            count(before.into_iter().chain(after)),
        ),
        listed(
            "access/slow_bruteforce: failures by client",
            &failures,
            "access/slow_bruteforce",
            "failures",
        ),
        listed(
            "access/slow_bruteforce: accounts by client",
            &names,
            "access/slow_bruteforce",
            "accounts",
        ),
        listed(
            "access/service_abuse: unoffered_logins by client",
            &unoffered,
            "access/service_abuse",
            "unoffered_logins",
        ),
    ]
}

fn by_account(run: &Run) -> Vec<Breakdown> {
    let user = |(_, one): (Visit<'_>, Try<'_>)| one.user.to_owned();
    let fails = || tries(run).filter(|(_, one)| refused(one));
    let wins = || tries(run).filter(|(visit, one)| won(one) && visit.names_account());
    let (failures, successes) = (tally(fails().map(user)), tally(wins().map(user)));
    let addresses =
        distinct(fails().map(|(visit, one)| (one.user.to_owned(), visit.client().to_owned())));
    // One failure is no row.
    let often = |counts: &Counts| {
        let often = counts
            .iter()
            .filter(|(user, _)| failures.get(*user).is_some_and(|n| *n > 1));
        count(often.map(|(user, n)| (user.clone(), *n)))
    };
    let sums = |query: &'static str, column: &str| run.sums(query, &["auth_user"], column);
    let target = "access/targeted_account";
    vec![
        Breakdown::new(
            "access/targeted_account: failures by account",
            often(&failures),
            sums(target, "failures"),
        ),
        Breakdown::new(
            "access/targeted_account: addresses by account",
            often(&addresses),
            sums(target, "addresses"),
        ),
        Breakdown::new(
            "access/targeted_account: successes by account",
            often(&successes),
            sums(target, "successes"),
        ),
        Breakdown::new(
            "spam/account_many_ips: logins by account",
            successes,
            sums("spam/account_many_ips", "logins"),
        )
        .where_listed(),
    ]
}
