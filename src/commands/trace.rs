//! `mtaudit trace`: where is my mail?

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context as _, Result, anyhow};

use super::load::{Loaded, Options, load};
use super::options::{input, usage};
use super::query::state;
use super::{Done, print};
use crate::cli::{InputArgs, Order, TraceArgs, TraceFormat};
use crate::pseudonyms::Holds;
use crate::report::escape::visible;
use crate::report::templates::Templates;
use crate::report::{html, md};
use crate::tables::build::{SourceRow, Wanted};
use crate::tables::near::Near;
use crate::tables::schema::TABLES;
use crate::tables::select::Entity;
use crate::tables::zone::rfc3339;
use crate::trace::page::Page;
use crate::trace::{Asked, Covers, Traced, text, trace};

/// Prints what became of all messages that a key is about.
///
/// # Errors
/// Usage: a key that is none. Unreadable paths.
pub fn run(args: &TraceArgs) -> Result<Done> {
    let entity = Entity::all(&args.key).map_err(|why| {
        usage(
            format!("{:?}: {why}", args.key),
            "write 4F3kz92abc, <id@example.org>, alice@example.org, example.org, 192.0.2.1, or a name that logs in",
        )
    })?;
    let mut input = input(&args.input, &args.paths, None)?;
    input.selection.about = Some(entity.clone());
    input.selection.whole = true;
    input.wanted = wanted();
    let loaded = load(&input)?;
    let done = state(&loaded.sources);
    if done == Done::Empty {
        return nothing_read();
    }
    let asked = asked(args, &input, &entity, &loaded);
    if let Some(near) = &loaded.found.near {
        return not_found(args, &input, near, &asked);
    }
    let tell = || trace(&loaded.tables, &loaded.found, &asked);
    let mut traced = input.timings.of("trace", tell).context("cannot trace")?;
    if input.privacy.is_some() {
        traced.key = found_as(&traced, &input, &entity).unwrap_or(traced.key);
    }
    print::bytes(&rendered(&traced, args.format)?)?;
    input.write_map()?;
    input.timings.print()?;
    Ok(done)
}

fn rendered(traced: &Traced, format: TraceFormat) -> Result<Vec<u8>> {
    let templates = || Templates::load(None).map_err(|error| anyhow!("{error}"));
    let wrong = |error: crate::report::Error| anyhow!("{error}");
    Ok(match format {
        TraceFormat::Text => text::render(traced).into_bytes(),
        TraceFormat::Json => {
            let mut json = serde_json::to_vec_pretty(traced)?;
            json.push(b'\n');
            json
        }
        TraceFormat::Html => {
            let page = Page::new(traced);
            html::page("trace", &page, &templates()?)
                .map_err(wrong)?
                .into_bytes()
        }
        TraceFormat::Md => {
            let page = Page::new(traced);
            md::page("trace", &page, &templates()?)
                .map_err(wrong)?
                .into_bytes()
        }
    })
}

/// All that is asked of the tables. Buckets of time are for queries.
fn wanted() -> Wanted {
    let cut = ["day", "hour", "hour_of_day", "weekday", "minute"];
    let mut wanted = Wanted::none();
    for table in TABLES {
        let names = table.columns.iter().map(|column| column.name);
        wanted = wanted.add([table.name], names.filter(|name| !cut.contains(name)));
    }
    wanted
}

fn asked(args: &TraceArgs, input: &Options, entity: &Entity, loaded: &Loaded) -> Asked {
    let shown = shown(input, entity);
    let focus = entity.ways().iter().zip(&shown);
    let mut focus = focus.filter(|(way, _)| matches!(way, Entity::Address(_)));
    Asked {
        focus: focus.next().map(|(_, address)| address.clone()),
        key: match input.privacy {
            None => args.key.clone(),
            Some(_) => hidden(entity, &shown),
        },
        taken_for: taken_for(entity),
        covers: covers(&args.input, input, &loaded.sources),
        zone: input.zone,
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
        newest: args.order == Order::Newest,
        ends: ends(&loaded.sources),
    }
}

/// The key, as it is shown for each of the ways in which it is meant.
fn shown(input: &Options, entity: &Entity) -> Vec<String> {
    let holds = |way: &Entity| match way {
        Entity::Address(_) => Holds::Address,
        Entity::Ip(_) => Holds::Ip,
        Entity::Domain(_) => Holds::Domain,
        Entity::QueueId(_) | Entity::AnyOf(_) => Holds::Term,
        Entity::MessageId(_) => Holds::MessageId,
        Entity::User(_) => Holds::User,
    };
    let ways = entity.ways().iter();
    ways.map(|way| input.shown(holds(way), way.key())).collect()
}

/// The key where persons are hidden: as the name of one, if it may be such.
fn hidden(entity: &Entity, shown: &[String]) -> String {
    let ways = || entity.ways().iter().zip(shown);
    let user = ways().find(|(way, _)| matches!(way, Entity::User(_)));
    let found = user.or_else(|| ways().next());
    found.map_or(String::new(), |(_, shown)| shown.clone())
}

/// The key as a queue ID or a domain, which name no person, when it turned out to be one.
fn found_as(traced: &Traced, input: &Options, entity: &Entity) -> Option<String> {
    let shown = shown(input, entity);
    let ways = entity.ways().iter().zip(shown);
    let is_one = |way: &Entity, shown: &str| match way {
        Entity::QueueId(_) => {
            let mut hops = traced.messages.iter().flat_map(|message| &message.hops);
            hops.any(|hop| hop.queue_id == shown)
        }
        Entity::Domain(_) => {
            let all = traced.messages.iter();
            let mut all = all.flat_map(|message| message.recipients.iter().chain(&message.sender));
            all.any(|address| {
                let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
                domain.eq_ignore_ascii_case(shown)
            })
        }
        _ => false,
    };
    let mut found = ways.filter(|(way, shown)| is_one(way, shown));
    found.next().map(|(_, shown)| shown)
}

fn taken_for(entity: &Entity) -> String {
    let word = |way: &Entity| match way {
        Entity::Address(_) => "mail address",
        Entity::Ip(_) => "IP address",
        Entity::Domain(_) => "domain",
        Entity::QueueId(_) => "queue ID",
        Entity::MessageId(_) => "Message-ID",
        Entity::User(_) | Entity::AnyOf(_) => "user",
    };
    let words: Vec<&str> = entity.ways().iter().map(word).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => {
            format!("as {} or {last}", first.join(", "))
        }
        all => format!("as {}", all.concat()),
    }
}

fn covers(args: &InputArgs, input: &Options, sources: &[SourceRow]) -> Covers {
    let time = |ts: Option<i64>| ts.map(|ts| rfc3339(input.zone, ts));
    let read = || sources.iter().filter(|source| source.format.is_some());
    let mut hosts: Vec<String> = read().flat_map(hosts_of).collect();
    hosts.sort();
    hosts.dedup();
    let mut asked: Vec<String> = Vec::new();
    asked.extend(args.month.iter().map(|month| format!("in {month}")));
    asked.extend(args.since.iter().map(|time| format!("since {time}")));
    asked.extend(args.until.iter().map(|time| format!("before {time}")));
    let host = |host: &String| format!("on {}", input.shown(Holds::Server, host));
    asked.extend(args.hosts.iter().map(host));
    Covers {
        first: time(
            read()
                .filter_map(|source| span(source).map(|(first, _)| first))
                .min(),
        ),
        last: time(
            read()
                .filter_map(|source| span(source).map(|(_, last)| last))
                .max(),
        ),
        hosts,
        asked,
    }
}

/// The time of a source, without that of a clock that was wrong.
fn span(source: &SourceRow) -> Option<(i64, i64)> {
    source.sound.or(source.first_ts.zip(source.last_ts))
}

fn hosts_of(source: &SourceRow) -> Vec<String> {
    let hosts = source.hosts.as_deref().unwrap_or_default().split(',');
    let hosts = hosts.map(str::trim).filter(|host| !host.is_empty());
    hosts.map(str::to_owned).collect()
}

/// The last line of each host.
fn ends(sources: &[SourceRow]) -> BTreeMap<String, i64> {
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    for source in sources {
        let Some((_, last)) = span(source) else {
            continue;
        };
        for host in hosts_of(source) {
            let end = ends.entry(host).or_insert(last);
            *end = last.max(*end);
        }
    }
    ends
}

fn nothing_read() -> Result<Done> {
    writeln!(
        io::stderr(),
        "there is no line of a mail server under these paths\nhint: `mtaudit inspect PATH...` says what is there"
    )?;
    Ok(Done::Empty)
}

/// Says that nothing has the key, where it was looked for, and what is like it.
fn not_found(args: &TraceArgs, input: &Options, near: &Near, asked: &Asked) -> Result<Done> {
    let covers = &asked.covers;
    let time = |ts: i64| crate::trace::when(&rfc3339(input.zone, ts));
    let ends = covers.first.as_deref().zip(covers.last.as_deref());
    let period = ends.map_or(String::new(), |(first, last)| {
        format!(
            " from {} to {}",
            crate::trace::when(first),
            crate::trace::when(last)
        )
    });
    let mut said = format!(
        "{}: nothing has it, {}, in the logs{period} of {}",
        asked.key,
        asked.taken_for,
        text::hosts(&covers.hosts)
    );
    if !covers.asked.is_empty() {
        said.push_str(&format!(" ({})", covers.asked.join(", ")));
    }
    let mut lines = vec![said];
    if let Some((first, last)) = near.elsewhere {
        let period = match first == last {
            true => format!("at {}", time(first)),
            false => format!("from {} to {}", time(first), time(last)),
        };
        lines.push(format!(
            "it is there outside of what was asked for, {period}"
        ));
    }
    // Which person is like another is not to be told where persons are hidden.
    if !near.alike.is_empty() && args.input.read.privacy.pseudonymise.is_none() {
        lines.push(format!("like it: {}", near.alike.join(", ")));
    }
    for line in lines {
        writeln!(io::stderr(), "{}", visible(&line))?;
    }
    Ok(Done::Empty)
}
