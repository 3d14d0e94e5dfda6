//! A trace on a terminal. Whatever acts unseen in log text is shown.

use std::fmt::Write;

use super::{Step, Totals, Trace, Traced, when};
use crate::report::escape::visible;
use crate::report::format::{bytes, count};

/// Steps of a message that are shown from its beginning, and from its end, where it has more.
pub const SHOWN: (usize, usize) = (150, 50);

/// The whole of it.
pub fn render(traced: &Traced) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, traced);
    out
}

fn write(out: &mut String, traced: &Traced) -> std::fmt::Result {
    for line in head(traced) {
        writeln!(out, "{}", visible(&line))?;
    }
    if traced.messages.len() > 1 {
        writeln!(out)?;
        for (number, message) in (1..).zip(&traced.messages) {
            writeln!(out, "{number:>3}. {}", visible(&message.verdict))?;
        }
    }
    for (number, message) in (1..).zip(&traced.messages) {
        writeln!(out)?;
        write_message(out, number, message)?;
    }
    if !traced.others.is_empty() {
        writeln!(out, "\nOf no message:")?;
        for step in &traced.others {
            write_step(out, step)?;
        }
    }
    Ok(())
}

/// What was looked for, where, and what there is: for every format, unescaped.
pub fn head(traced: &Traced) -> Vec<String> {
    let covers = &traced.covers;
    let period = match (&covers.first, &covers.last) {
        (Some(first), Some(last)) => format!("{} to {}", when(first), when(last)),
        _ => "no time".to_owned(),
    };
    let mut head = vec![
        format!(
            "{} ({}): {}.",
            traced.key,
            traced.taken_for,
            counts(&traced.total)
        ),
        format!(
            "The logs cover {period} on {}. Times are of {}.",
            hosts(&covers.hosts),
            traced.timezone
        ),
    ];
    if !covers.asked.is_empty() {
        head.push(format!(
            "Looked for: {}. What was found is followed beyond that.",
            covers.asked.join(", ")
        ));
    }
    head.extend(left_out(traced));
    head
}

/// Hosts of the logs.
pub fn hosts(hosts: &[String]) -> String {
    match hosts {
        [] => "no host".to_owned(),
        [one] => one.clone(),
        few if few.len() <= 8 => format!("the hosts {}", few.join(", ")),
        many => format!(
            "{} hosts ({}, …)",
            count(many.len() as i64),
            many[..8].join(", ")
        ),
    }
}

fn counts(total: &Totals) -> String {
    let said = |n: u64, one: &str, many: &str| {
        let word = if n == 1 { one } else { many };
        (n > 0).then(|| format!("{} {word}", count(n)))
    };
    let all = [
        said(total.messages, "message", "messages"),
        said(total.refusals, "refusal", "refusals"),
        said(total.logins, "login", "logins"),
        said(total.failed_logins, "failed login", "failed logins"),
        said(
            total.connections,
            "connection without mail",
            "connections without mail",
        ),
        said(total.notes, "other line", "other lines"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    match all.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn left_out(traced: &Traced) -> Option<String> {
    let mut parts = Vec::new();
    let part = |shown: usize, total: u64, what: &str| {
        (shown as u64 != total).then(|| {
            format!(
                "the {} {} of {} {what}",
                count(shown as i64),
                traced.first,
                count(total)
            )
        })
    };
    parts.extend(part(
        traced.messages.len(),
        traced.total.messages,
        "messages",
    ));
    parts.extend(part(
        traced.others.len(),
        traced.total.others(),
        "other steps",
    ));
    let other = if traced.first == "newest" {
        "oldest"
    } else {
        "newest"
    };
    (!parts.is_empty()).then(|| {
        format!(
            "Shown: {}. `--limit` shows more, `--order {other}` the other end.",
            parts.join(" and ")
        )
    })
}

/// IDs, size and hosts of a message, in one line.
pub fn facts(message: &Trace) -> String {
    let mut facts = Vec::new();
    if let Some(id) = &message.message_id {
        facts.push(format!("Message-ID <{id}>"));
    }
    if let Some(size) = message.size {
        facts.push(bytes(size as f64));
    }
    let hops = message
        .hops
        .iter()
        .map(|hop| format!("{} on {}", hop.queue_id, hop.host));
    let hops: Vec<String> = hops.collect();
    if hops.len() <= 12 {
        facts.push(hops.join(" → "));
    } else {
        facts.push(format!(
            "{} → … ({} queue IDs)",
            hops[..12].join(" → "),
            count(hops.len() as i64)
        ));
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join("; ")
}

fn write_message(out: &mut String, number: usize, message: &Trace) -> std::fmt::Result {
    writeln!(out, "{number:>3}. {}", visible(&message.verdict))?;
    writeln!(out, "     {}", visible(&facts(message)))?;
    let (from, gap, to) = shown(&message.steps);
    for step in from {
        write_step(out, step)?;
    }
    if gap > 0 {
        writeln!(
            out,
            "     … {} steps are left out here; `--format json` has all …",
            count(gap as i64)
        )?;
    }
    for step in to {
        write_step(out, step)?;
    }
    Ok(())
}

/// Steps from the beginning, how many are left out, and steps to the end.
pub fn shown(steps: &[Step]) -> (&[Step], usize, &[Step]) {
    let (first, last) = SHOWN;
    if steps.len() <= first + last {
        return (steps, 0, &[]);
    }
    let end = steps.len() - last;
    (&steps[..first], end - first, &steps[end..])
}

fn write_step(out: &mut String, step: &Step) -> std::fmt::Result {
    let ts = step
        .ts
        .as_deref()
        .map_or_else(|| "(time not known)".to_owned(), when);
    let place = match &step.queue_id {
        Some(id) => format!("{} {id}", step.host),
        None => step.host.clone(),
    };
    let text = format!("{place}  {}  [{}:{}]", step.text, step.file, step.line);
    writeln!(out, "     {ts:<25}  {}", visible(&text))
}
