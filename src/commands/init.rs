//! `mtaudit init`: a configuration to begin with, from what the logs show.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow};
use ipnet::IpNet;
use serde_json::Value;

use super::load::{Loaded, load};
use super::options::usage;
use super::query::state;
use super::{Done, coverage, options};
use crate::cli::InitArgs;
use crate::config::draft::{Draft, Seen};
use crate::query::Engine;
use crate::query::own::{is_private, network};
use crate::report::format::count;

/// Sources by where the offset of their times is from, and by host.
const OFFSETS: &str = "SELECT utc_offset, COUNT(*) AS n FROM sources WHERE utc_offset IS NOT NULL \
                       GROUP BY utc_offset ORDER BY n DESC, utc_offset";
const HOSTS: &str = "SELECT host, COUNT(DISTINCT source) AS n FROM activity WHERE host IS NOT NULL \
                     GROUP BY host ORDER BY n DESC, host";
/// Deliveries by domain.
const DOMAINS: &str = "SELECT recipient_domain, COUNT(*) AS n FROM deliveries WHERE recipient_domain IS NOT NULL \
                       GROUP BY recipient_domain ORDER BY n DESC, recipient_domain";
/// Connections by client.
const CLIENTS: &str = "SELECT client_ip, COUNT(*) AS n, CAST(COALESCE(SUM(messages), 0) AS BIGINT) AS messages \
                       FROM sessions WHERE client_ip IS NOT NULL GROUP BY client_ip ORDER BY client_ip";
/// Messages that a client handed over without a login, and that went on to other domains.
const PASSED_ON: &str = "SELECT client_ip, MIN(client_name) AS client_name, COUNT(*) AS n FROM messages \
                         WHERE client_ip IS NOT NULL AND COALESCE(auth_user, '') = '' \
                         AND origin NOT IN ('reinjected', 'forwarded') AND direction IN ('outbound', 'relayed') \
                         GROUP BY client_ip ORDER BY n DESC, client_ip";
/// Clients that only look: no message, no refusal, no login tried.
const LOOKING: &str = "WITH tried AS (SELECT client_ip, COUNT(*) AS tries FROM logins WHERE client_ip IS NOT NULL \
        GROUP BY client_ip), \
    seen AS (SELECT client_ip, MIN(client_name) AS client_name, COUNT(*) AS n, \
        COUNT(DISTINCT hour) AS hours, COUNT(DISTINCT day) AS days, \
        MIN(minute) AS first_minute, MAX(minute) AS last_minute, \
        COALESCE(SUM(messages), 0) + COALESCE(SUM(rejections), 0) + COALESCE(SUM(auth_failures), 0) \
            + COUNT(auth_user) AS done \
        FROM sessions WHERE client_ip IS NOT NULL GROUP BY client_ip) \
    SELECT seen.client_ip AS client_ip, seen.client_name AS client_name, seen.n AS n, seen.hours AS hours, \
        seen.days AS days, seen.first_minute AS first_minute, seen.last_minute AS last_minute \
    FROM seen LEFT JOIN tried ON seen.client_ip = tried.client_ip \
    WHERE seen.done = 0 AND tried.tries IS NULL ORDER BY n DESC, client_ip";

/// Hours, or days, over which a client has to be seen before it is called regular.
const LEAST: (i64, i64) = (24, 7);
/// Messages passed on below which nobody is proposed as a relay.
const LEAST_MESSAGES: u64 = 10;

/// Writes a configuration.
///
/// # Errors
/// Usage: a file that is there, options that would hide what it is about. Unreadable paths.
pub fn run(args: &InitArgs) -> Result<Done> {
    if args.read.config.is_some() {
        return Err(usage(
            "--config: `init` writes a configuration and reads none".into(),
            "leave it out; take over by hand what you had set",
        ));
    }
    if args.read.privacy.pseudonymise.is_some() {
        return Err(usage(
            "--pseudonymise: a configuration of pseudonyms is of no use".into(),
            "leave it out; reports that hide persons show nothing of the configuration's addresses",
        ));
    }
    let place = args.out.display().to_string();
    if !args.force && args.out.symlink_metadata().is_ok() {
        return Err(usage(
            format!("--out {place}: there is a file"),
            "name another, or give --force to write over it",
        ));
    }
    let input = options::read(&args.read, &args.paths)?;
    let loaded = load(&input)?;
    let done = state(&loaded.sources);
    if done == Done::Empty {
        writeln!(io::stderr(), "no line of a mail log: nothing is written")?;
        return Ok(done);
    }
    let draft = draft(&loaded, input.zone)?;
    let text = draft.render(&options::queries(None)?);
    write(args, text.as_bytes()).with_context(|| format!("--out {place}: cannot be written"))?;
    input.timings.print()?;
    if !args.read.quiet {
        let [trusted, relays, scanners] = draft
            .networks
            .each_ref()
            .map(|seen| count(seen.len() as u64));
        writeln!(
            io::stderr(),
            "{place}: {} local domains; proposed, to be looked at: {trusted} trusted networks, {relays} relays, \
             {scanners} scanners",
            count(draft.domains.len() as u64)
        )?;
    }
    Ok(done)
}

/// A new file; only with `--force` one that takes the place of another.
fn write(args: &InitArgs, text: &[u8]) -> io::Result<()> {
    if args.force {
        return fs::write(&args.out, text);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.out)?;
    file.write_all(text)
}

fn draft(loaded: &Loaded, zone: chrono_tz::Tz) -> Result<Draft> {
    let engine = Engine::new(loaded.tables.frames.clone(), zone);
    let period = coverage::period(loaded, None, None, zone);
    let deliveries = pairs(&engine, DOMAINS)?;
    let counted = |domain: &String| {
        let known = deliveries.iter().find(|(name, _)| name == domain);
        (domain.clone(), known.map_or(0, |(_, n)| *n))
    };
    let mut domains: Vec<(String, u64)> = loaded.local_domains.iter().map(counted).collect();
    domains.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    Ok(Draft {
        period: period.first.zip(period.last),
        zone: zone.to_string(),
        offsets: pairs(&engine, OFFSETS)?,
        hosts: pairs(&engine, HOSTS)?,
        domains,
        networks: [private(&engine)?, relays(&engine)?, looking(&engine)?],
    })
}

/// Rows of a statement of ours.
fn rows(engine: &Engine, sql: &str) -> Result<Vec<Vec<Value>>> {
    let table = engine.sql(sql).map_err(|error| anyhow!("{error}"))?;
    let rows = table.rows.into_iter();
    Ok(rows
        .map(|row| row.into_iter().map(|cell| cell.value).collect())
        .collect())
}

fn pairs(engine: &Engine, sql: &str) -> Result<Vec<(String, u64)>> {
    let rows = rows(engine, sql)?;
    let pair = |row: &Vec<Value>| Some((row.first()?.as_str()?.to_owned(), row.get(1)?.as_u64()?));
    Ok(rows.iter().filter_map(pair).collect())
}

/// Private networks whose clients connected: /24, or /64 of IPv6.
fn private(engine: &Engine) -> Result<Vec<Seen>> {
    let mut networks: BTreeMap<IpNet, [u64; 3]> = BTreeMap::new();
    for row in rows(engine, CLIENTS)? {
        let [Value::String(ip), n, messages] = row.as_slice() else {
            continue;
        };
        let ip = ip.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let Some(net) = ip.filter(|ip| is_private(*ip)).and_then(network) else {
            continue;
        };
        let sums = networks.entry(net).or_default();
        let more = [1, n.as_u64().unwrap_or(0), messages.as_u64().unwrap_or(0)];
        sums.iter_mut().zip(more).for_each(|(sum, n)| *sum += n);
    }
    let mut networks: Vec<(IpNet, [u64; 3])> = networks.into_iter().collect();
    networks.sort_by_key(|(net, [_, connections, _])| (Reverse(*connections), *net));
    let seen = networks
        .into_iter()
        .map(|(net, [clients, connections, messages])| Seen {
            network: net.to_string(),
            why: format!(
                "clients: {}; connections: {}; messages: {}",
                count(clients),
                count(connections),
                count(messages)
            ),
        });
    Ok(seen.collect())
}

/// Public addresses whose mail went on to other domains without a login.
fn relays(engine: &Engine) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for row in rows(engine, PASSED_ON)? {
        let [Value::String(ip), name, n] = row.as_slice() else {
            continue;
        };
        let n = n.as_u64().unwrap_or(0);
        if let (Some(ip), true) = (public(ip), n >= LEAST_MESSAGES) {
            let why = format!("messages passed on: {}{}", count(n), named(name));
            seen.push(Seen { network: ip, why });
        }
    }
    Ok(seen)
}

/// Clients that connect in nearly every hour or on nearly every day, and do nothing.
fn looking(engine: &Engine) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for row in rows(engine, LOOKING)? {
        let [Value::String(ip), name, numbers @ ..] = row.as_slice() else {
            continue;
        };
        let numbers: Vec<i64> = numbers.iter().filter_map(Value::as_i64).collect();
        let (Some(ip), &[n, hours, days, first, last]) = (address(ip), numbers.as_slice()) else {
            continue;
        };
        if let Some(pace) = pace(hours, days, first, last) {
            let why = format!("{pace}; connections: {}{}", count(n), named(name));
            seen.push(Seen { network: ip, why });
        }
    }
    Ok(seen)
}

/// How regular a client is: nine of ten hours, or of ten days, between its first connection and its last.
fn pace(hours: i64, days: i64, first: i64, last: i64) -> Option<String> {
    let within = |minutes: i64| last.div_euclid(minutes) - first.div_euclid(minutes) + 1;
    let (all_hours, all_days) = (within(60), within(24 * 60));
    if all_hours >= LEAST.0 && hours * 10 >= all_hours * 9 {
        return Some(format!("hours: {} of {}", count(hours), count(all_hours)));
    }
    if all_days >= LEAST.1 && days * 10 >= all_days * 9 {
        return Some(format!("days: {} of {}", count(days), count(all_days)));
    }
    None
}

/// An address as a configuration has it.
fn address(text: &str) -> Option<String> {
    let ip: IpAddr = text.parse().ok()?;
    Some(ip.to_canonical().to_string())
}

/// The same of one that is not private.
fn public(text: &str) -> Option<String> {
    let ip: IpAddr = text.parse().ok()?;
    address(text).filter(|_| !is_private(ip.to_canonical()))
}

fn named(name: &Value) -> String {
    match name.as_str() {
        None | Some("" | "unknown") => String::new(),
        Some(name) => format!("; {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_every_hour_or_every_day_is_regular() {
        let day = 24 * 60;
        assert_eq!(pace(24, 1, 0, day - 1).as_deref(), Some("hours: 24 of 24"));
        assert_eq!(pace(22, 1, 0, day - 1).as_deref(), Some("hours: 22 of 24"));
        assert_eq!(pace(21, 1, 0, day - 1), None);
        assert_eq!(pace(23, 1, 0, day - 61), None);
        assert_eq!(pace(7, 7, 0, 7 * day - 1).as_deref(), Some("days: 7 of 7"));
        assert_eq!(pace(6, 6, 0, 6 * day - 1), None);
        assert_eq!(pace(8, 8, 0, 10 * day - 1), None);
    }
}
