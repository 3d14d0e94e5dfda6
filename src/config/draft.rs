//! A configuration to begin with: every key with its meaning, and what the logs show as a proposal.
//!
//! What only a person can know, whose network it is and which finding is known, stands behind `#`: a relay that anybody
//! may use looks in the logs like one of ours.

use std::fmt::Write;

use crate::query::header::{ParamSpec, ParamValue};
use crate::query::library::Library;
use crate::report::escape::{clip, visible};
use crate::report::format::count;

/// Domains, and networks of a kind, that are written out.
const MOST: [usize; 2] = [2000, 50];
/// Longest name from a log, characters.
const MAX_NAME: usize = 250;

/// Parameters that are limits of the service, by the names that queries give them.
const LIMITS: [&str; 6] = [
    "client_limit",
    "limit_per_day",
    "messages_per_minute",
    "received_per_hour",
    "recipients_per_day",
    "service_limit",
];

/// What logs show of the servers that wrote them.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// First and last event, in the zone.
    pub period: Option<(String, String)>,
    /// The zone that the logs were read in.
    pub zone: String,
    /// Where the offset of log times is from, with the number of sources.
    pub offsets: Vec<(String, u64)>,
    /// Hosts, each with its sources.
    pub hosts: Vec<(String, u64)>,
    /// Domains of local mailboxes, each with its deliveries; most first.
    pub domains: Vec<(String, u64)>,
    /// Private networks, public addresses that relay, clients that look and never send; most first.
    pub networks: [Vec<Seen>; 3],
}

/// A network or address with what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// As the configuration has it.
    pub network: String,
    /// What the logs show.
    pub why: String,
}

impl Draft {
    /// The file.
    pub fn render(&self, library: &Library) -> String {
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = self
            .head(&mut text)
            .and_then(|()| self.domains(&mut text))
            .and_then(|()| days(&mut text))
            .and_then(|()| self.networks(&mut text))
            .and_then(|()| limits(library, &mut text))
            .and_then(|()| thresholds(library, &mut text))
            .and_then(|()| mutes(&mut text));
        text
    }

    fn head(&self, out: &mut String) -> std::fmt::Result {
        out.push_str(
            "# Configuration of mtaudit, for `--config`. `mtaudit init` wrote it from what the logs show; read it before \
             you\n# rely on it. A line behind `#` is a proposal or a default: take the `#` away to set it.\n#\n",
        );
        if let Some((first, last)) = &self.period {
            writeln!(
                out,
                "# Logs from {first} to {last}, read in the zone {}.",
                self.zone
            )?;
        }
        let listed = |pairs: &[(String, u64)]| {
            let shown = pairs.iter().take(20);
            let shown = shown.map(|(name, n)| {
                format!("{} ({} source{})", clip(name, MAX_NAME), count(*n), s(*n))
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        if !self.hosts.is_empty() {
            writeln!(out, "# Hosts: {}.", listed(&self.hosts))?;
        }
        if !self.offsets.is_empty() {
            writeln!(out, "# Offset of log times: {}.", listed(&self.offsets))?;
            out.push_str(
                "# Times without an offset in their lines are read in the zone of --timezone, which is no key of this file: \
                 give the\n# servers' zone there.\n",
            );
        }
        out.push_str(
            "\n# Whose servers these are, the heading of reports, and a picture (PNG, JPEG or SVG, at most 256 KiB, \
             beside this\n# file).\n# organisation = \"Example Ltd\"\n# title = \"Mail report\"\n# logo = \"logo.svg\"\n",
        );
        Ok(())
    }

    fn domains(&self, out: &mut String) -> std::fmt::Result {
        out.push_str(
            "\n# Domains of ours, beside those of --local-domain: by them mail is inbound, outbound or internal.\n# Seen in \
             local delivery:\nlocal_domains = [\n",
        );
        let (fit, odd): (Vec<_>, Vec<_>) = self
            .domains
            .iter()
            .partition(|(name, _)| super::is_domain(name) && name.chars().count() <= MAX_NAME);
        for (name, n) in fit.iter().take(MOST[0]) {
            let n = *n;
            writeln!(
                out,
                "    {}, # {} deliver{}",
                quoted(name),
                count(n),
                ies(n)
            )?;
        }
        out.push_str("]\n");
        let more = fit.len().saturating_sub(MOST[0]) + odd.len();
        if more > 0 {
            writeln!(out, "# {} more are not written out.", count(more as u64))?;
        }
        if fit.is_empty() {
            out.push_str("# The logs show no delivery to a local mailbox.\n");
        }
        Ok(())
    }

    fn networks(&self, out: &mut String) -> std::fmt::Result {
        out.push_str(
            "\n# Who is at which address: queries call these clients by the kind. The narrowest network counts.\n\
             [networks]\n",
        );
        let keys = [
            (
                "trusted",
                "Networks of ours. Private networks that connected:",
            ),
            (
                "relays",
                "Servers that hand us mail to pass on. Public addresses whose mail went on to other domains without a \
                 login; one\n# that is not yours means an open relay:",
            ),
            (
                "scanners",
                "Monitors and scanners that are known. Clients that connect regularly, and never sent mail, logged in \
                 or were refused:",
            ),
        ];
        for ((key, about), seen) in keys.into_iter().zip(&self.networks) {
            writeln!(out, "# {about}\n{key} = [")?;
            for one in seen.iter().take(MOST[1]) {
                let why = visible(&clip(&one.why, 300));
                writeln!(out, "    # {}, # {why}", quoted(&one.network))?;
            }
            if seen.is_empty() {
                out.push_str("    # none seen\n");
            }
            out.push_str("]\n");
            if let Some(more) = seen.len().checked_sub(MOST[1]).filter(|more| *more > 0) {
                writeln!(out, "# {} more are not written out.", count(more as u64))?;
            }
        }
        Ok(())
    }
}

fn days(out: &mut String) -> std::fmt::Result {
    out.push_str("\n# Days on which few work.\nholidays = [\n    # \"2026-12-25\",\n]\n");
    Ok(())
}

fn limits(library: &Library, out: &mut String) -> std::fmt::Result {
    out.push_str(
        "\n# Limits of the service, for every query that has a parameter of that name. As they are without this file:\n\
         [limits]\n",
    );
    let mut any = false;
    for name in LIMITS {
        let with = |query: &crate::query::Query| query.header.params.get(name).cloned();
        if let Some(spec) = library.iter().find_map(with) {
            any = true;
            parameter(out, name, &spec)?;
        }
    }
    if !any {
        out.push_str("# No query of this library has one.\n");
    }
    Ok(())
}

fn thresholds(library: &Library, out: &mut String) -> std::fmt::Result {
    out.push_str(
        "\n# Parameters, as --param sets them: of one query by its name, of every query that has it without. --param \
         outranks\n# this file. As they are without it:\n[thresholds]\n",
    );
    for query in library.iter() {
        let params = &query.header.params;
        let own: Vec<_> = params
            .iter()
            .filter(|(name, _)| !LIMITS.contains(&name.as_str()))
            .collect();
        if !own.is_empty() {
            writeln!(out, "#\n# {}", visible(&query.header.title))?;
        }
        for (name, spec) in own {
            parameter(out, &format!("{}.{name}", query.name), spec)?;
        }
    }
    Ok(())
}

fn parameter(out: &mut String, name: &str, spec: &ParamSpec) -> std::fmt::Result {
    let name = match name.contains('.') {
        true => quoted(name),
        false => name.to_owned(),
    };
    let unit = match spec.unit.as_str() {
        "" => String::new(),
        unit => format!("{unit}; "),
    };
    let about = format!("{unit}{}; {}", spec.about, spec.source);
    let about = visible(&about.split_whitespace().collect::<Vec<_>>().join(" "));
    writeln!(out, "# {name} = {} # {about}", value(&spec.default))
}

fn mutes(out: &mut String) -> std::fmt::Result {
    out.push_str(
        "\n# Findings that are known: they leave the list of findings and stand under \"Muted findings\" with the reason. \
         `contains`\n# is a text of the sentence; without it the whole query is muted. `until` is the last day of a report \
         for which it holds.\n# [[mute]]\n# query = \"access/password_guessing\"\n# contains = \"192.0.2.7\"\n\
         # reason = \"Our monitor tries a wrong password every hour\"\n# until = \"2027-01-31\"\n",
    );
    Ok(())
}

fn value(value: &ParamValue) -> String {
    match value {
        ParamValue::Int(value) => value.to_string(),
        // With its point, so that it stays a number with one.
        ParamValue::Float(value) => format!("{value:?}"),
        ParamValue::Bool(value) => value.to_string(),
        ParamValue::Text(value) => quoted(value),
    }
}

/// A TOML string of one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn s(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn ies(n: u64) -> &'static str {
    if n == 1 { "y" } else { "ies" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn seen(network: &str) -> Seen {
        Seen {
            network: network.into(),
            why: "two\nlines \u{202e} \u{1b}[2J".into(),
        }
    }

    fn draft() -> Draft {
        Draft {
            period: Some(("2026-10-01".into(), "2026-10-31".into())),
            zone: "UTC".into(),
            offsets: vec![("in the lines".into(), 2)],
            hosts: vec![("mx1\nx=1".into(), 1)],
            domains: vec![
                ("corp.example".into(), 1),
                ("a\"b\\c.example".into(), 1200),
                ("no domain\n".into(), 1),
                ("x@y".into(), 1),
            ],
            networks: [
                vec![seen("10.1.2.0/24"), seen("fd00::/64")],
                vec![seen("192.0.2.1")],
                vec![seen("2001:db8::1")],
            ],
        }
    }

    /// Without the `#` before what could be set.
    fn all_set(text: &str) -> String {
        let set = |line: &str| {
            let bare = line.trim_start().strip_prefix("# ");
            let is_value = |bare: &str| {
                bare.starts_with('"') || bare.starts_with("[[") || bare.split_once(" = ").is_some()
            };
            match bare.filter(|bare| is_value(bare)) {
                Some(bare) if !bare.starts_with("logo") => format!("{bare}\n"),
                _ => format!("{line}\n"),
            }
        };
        text.lines().map(set).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let library = Library::builtin().unwrap();
        let text = draft().render(&library);
        let config = Config::parse("m.toml", text.as_bytes(), Path::new("")).unwrap();
        assert_eq!(config.local_domains, ["a\"b\\c.example", "corp.example"]);
        assert!(config.known.networks.is_empty());
        assert!(text.contains("# 2 more are not written out."), "{text}");
        assert!(text.contains("\"corp.example\", # 1 delivery\n"), "{text}");
    }

    #[test]
    fn every_proposal_can_be_taken() {
        let library = Library::builtin().unwrap();
        let text = all_set(&draft().render(&library));
        let config = Config::parse("m.toml", text.as_bytes(), Path::new(""))
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        config.check(&library).unwrap();
        assert_eq!(config.known.networks.len(), 4);
        assert_eq!(config.known.holidays.len(), 1);
        let params = library.iter().map(|query| query.header.params.len());
        let distinct: usize = params.sum();
        // Limits of the service stand there once, whichever queries have them.
        let said = config.settings.iter().map(Vec::len).sum::<usize>();
        assert!(said > 0 && said <= distinct, "{said} of {distinct}");
        // Set to the defaults, they change nothing.
        let overrides = config.overrides(&library, &Default::default());
        for query in library.iter() {
            let params = crate::query::params::Params::new(query, &overrides).unwrap();
            let plain = crate::query::params::Params::new(query, &Default::default()).unwrap();
            for (set, own) in params.shown().iter().zip(plain.shown()) {
                assert_eq!(set.value, own.value, "{} {}", query.name, set.name);
            }
        }
    }

    #[test]
    fn limits_are_parameters_of_the_library() {
        let library = Library::builtin().unwrap();
        for name in LIMITS {
            let mut params = library.iter().flat_map(|query| query.header.params.keys());
            assert!(params.any(|known| known == name), "{name}");
        }
    }

    #[test]
    fn an_empty_draft_is_read_too() {
        let text = Draft::default().render(&Library::default());
        let config = Config::parse("m.toml", text.as_bytes(), Path::new("")).unwrap();
        assert!(config.local_domains.is_empty());
        assert!(text.contains("# The logs show no delivery to a local mailbox."));
    }
}
