//! `mtaudit.toml`: what the user says about the world that the logs are of.
//!
//! `commands` reads it where `--config` names it, and hands its parts on: local domains to reading, networks and
//! holidays to the engine ([`crate::query::own::Known`]), limits and thresholds as parameters of queries, mutes to the
//! findings, names and logo to the report. [`draft`] writes one from what the logs show. Nothing here reads logs.

pub mod draft;
mod file;
mod logo;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use ipnet::IpNet;
use toml::Spanned;

use crate::query::error::{Error, Remedies, line_at};
use crate::query::library::Library;
use crate::query::mutes::Mute;
use crate::query::own::Known;
use crate::query::params::{self, Overrides};
use crate::report::manifest::sha256_hex;
pub use logo::Logo;

/// Longest name, title or reason, characters.
const MAX_TEXT: usize = 500;
/// Largest file, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Remedies for the file.
const REMEDIES: Remedies<'static> = Remedies {
    missing: "a mute has `query` and `reason`; it may have `contains` and `until`",
    other: "`mtaudit init` writes an example of every key",
};

/// What the file says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Path as given.
    pub file: String,
    /// Hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// Whose servers they are.
    pub organisation: Option<String>,
    /// Heading of reports, in place of their own.
    pub title: Option<String>,
    /// Picture beside the heading.
    pub logo: Option<Logo>,
    /// Domains of ours, in lower case.
    pub local_domains: Vec<String>,
    /// Networks and days.
    pub known: Known,
    /// Limits first, then thresholds: the later one counts.
    settings: [Vec<Setting>; 2],
    mutes: Vec<Rule>,
}

/// A parameter and its place.
#[derive(Clone, Debug)]
struct Setting {
    name: String,
    value: String,
    line: usize,
}

/// A mute as written.
#[derive(Clone, Debug)]
struct Rule {
    query: String,
    contains: Option<String>,
    reason: String,
    until: Option<NaiveDate>,
    line: usize,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Those of [`Config::parse`]; a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let unreadable = |why: String| {
            let error = Error::new(why).hint("`mtaudit init PATHS` writes one from the logs");
            error.at(&name, None)
        };
        let size = path
            .metadata()
            .map_err(|error| unreadable(error.to_string()))?;
        if size.len() > MAX_FILE {
            return Err(unreadable(format!("larger than {MAX_FILE} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&name, &bytes, folder)
    }

    /// Takes a file apart. `name` is its path as given; the logo is looked for in `folder`.
    ///
    /// # Errors
    /// No TOML, an unknown key, a value that is not what it should be; each with its line.
    pub fn parse(name: &str, bytes: &[u8], folder: &Path) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            let error = Error::new("not UTF-8 text").hint("save the file as UTF-8");
            error.at(name, None)
        })?;
        // What some editors begin a file with.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file: file::File = toml::from_str(text)
            .map_err(|error| Error::from_toml(&error, text, &REMEDIES).at(name, None))?;
        let read = Reader { name, text };
        Ok(Config {
            file: name.to_owned(),
            sha256: sha256_hex(bytes),
            organisation: read.maybe("organisation", file.organisation.as_ref())?,
            title: read.maybe("title", file.title.as_ref())?,
            logo: read.logo(file.logo.as_ref(), folder)?,
            local_domains: read.domains(&file.local_domains)?,
            known: Known {
                networks: read.networks(&file.networks)?,
                holidays: file.holidays.iter().map(|day| day.0).collect(),
            },
            settings: [
                read.settings(file.limits, false)?,
                read.settings(file.thresholds, true)?,
            ],
            mutes: read.mutes(file.mute)?,
        })
    }

    /// Holds what names queries and parameters against a library.
    ///
    /// # Errors
    /// A query or parameter that there is not, a value that it cannot have; each with its line.
    pub fn check(&self, library: &Library) -> Result<(), Error> {
        for setting in self.settings.iter().flatten() {
            params::check_setting(library, &setting.name, &setting.value)
                .map_err(|error| error.at(&self.file, Some(setting.line)))?;
        }
        for rule in &self.mutes {
            self.query_of(rule, library)?;
        }
        Ok(())
    }

    fn query_of(&self, rule: &Rule, library: &Library) -> Result<String, Error> {
        let found = library.find(&rule.query);
        let found = found.map_err(|error| error.at(&self.file, Some(rule.line)))?;
        Ok(found.name.clone())
    }

    /// Parameters: those of the command line, then those of `[thresholds]`, then those of `[limits]`.
    pub fn overrides(&self, library: &Library, given: &Overrides) -> Overrides {
        let [limits, thresholds] = self.settings.each_ref().map(|settings| {
            let pairs = settings.iter();
            pairs
                .map(|one| (one.name.clone(), one.value.clone()))
                .collect::<Overrides>()
        });
        params::layered(library, given, &[&thresholds, &limits])
    }

    /// The mutes for a report whose last day is `end`, with the full names of their queries.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn mutes(&self, library: &Library, end: Option<NaiveDate>) -> Result<Vec<Mute>, Error> {
        let mute = |rule: &Rule| {
            Ok(Mute {
                query: self.query_of(rule, library)?,
                contains: rule.contains.clone(),
                reason: rule.reason.clone(),
                until: rule.until,
                line: rule.line,
                over: matches!((rule.until, end), (Some(until), Some(end)) if end > until),
            })
        };
        self.mutes.iter().map(mute).collect()
    }

    /// What it sets, in words, for the method of a report.
    pub fn in_words(&self) -> String {
        let counted = |n: usize, one: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {one}s")),
        };
        let [limits, thresholds] = &self.settings;
        let parts = [
            counted(self.local_domains.len(), "local domain"),
            counted(self.known.networks.len(), "network"),
            counted(self.known.holidays.len(), "holiday"),
            counted(limits.len(), "limit"),
            counted(thresholds.len(), "threshold"),
            counted(self.mutes.len(), "mute"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.as_slice() {
            [] => "nothing that changes a number".to_owned(),
            parts => parts.join(", "),
        }
    }

    /// Whether it names networks.
    pub fn names_networks(&self) -> bool {
        !self.known.networks.is_empty()
    }
}

/// Takes values apart, with their lines.
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_at(self.text, value.span().start)
    }

    fn wrong<T>(&self, value: &Spanned<T>, what: String, hint: &str) -> Error {
        let error = Error::new(what).hint(hint);
        error.at(self.name, Some(self.line(value)))
    }

    /// A text of one line that says something.
    fn said(&self, key: &str, value: &Spanned<String>) -> Result<String, Error> {
        let text = value.get_ref().trim();
        if text.is_empty() {
            return Err(self.wrong(value, format!("`{key}` is empty"), "leave the key out"));
        }
        if text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) {
            let what = format!("`{key}` is no line of at most {MAX_TEXT} characters");
            return Err(self.wrong(value, what, "shorten it, or refer to a document"));
        }
        Ok(text.to_owned())
    }

    fn maybe(&self, key: &str, value: Option<&Spanned<String>>) -> Result<Option<String>, Error> {
        value.map(|value| self.said(key, value)).transpose()
    }

    fn logo(&self, value: Option<&Spanned<String>>, folder: &Path) -> Result<Option<Logo>, Error> {
        let Some(value) = value else {
            return Ok(None);
        };
        let name = self.said("logo", value)?;
        let path: PathBuf = folder.join(&name);
        let logo = Logo::read(&name, &path)
            .map_err(|what| self.wrong(value, format!("`logo` {name}: {what}"), logo::HINT))?;
        Ok(Some(logo))
    }

    fn domains(&self, values: &[Spanned<String>]) -> Result<Vec<String>, Error> {
        let mut domains = BTreeSet::new();
        for value in values {
            let domain = self.said("local_domains", value)?.to_lowercase();
            if !is_domain(&domain) {
                let what = format!("{domain:?} is no domain");
                return Err(self.wrong(value, what, "give a domain such as example.org"));
            }
            domains.insert(domain);
        }
        Ok(domains.into_iter().collect())
    }

    fn networks(&self, lists: &file::Networks) -> Result<Vec<(IpNet, &'static str)>, Error> {
        let kinds = [
            (&lists.trusted, "trusted"),
            (&lists.relays, "relay"),
            (&lists.scanners, "scanner"),
        ];
        let mut networks: Vec<(IpNet, &'static str)> = Vec::new();
        for (list, kind) in kinds {
            for value in list {
                let net = network(value.get_ref())
                    .map_err(|(what, hint)| self.wrong(value, what, &hint))?;
                let twice = networks.iter().find(|(known, _)| *known == net);
                if let Some((_, other)) = twice {
                    let what = format!("{net} is named twice, as {other} and as {kind}");
                    return Err(self.wrong(value, what, "name each network once"));
                }
                networks.push((net, kind));
            }
        }
        networks.sort_unstable();
        Ok(networks)
    }

    fn settings(&self, values: file::Values, of_queries: bool) -> Result<Vec<Setting>, Error> {
        let mut settings = Vec::with_capacity(values.len());
        for (name, value) in values {
            if name.get_ref().contains('.') && !of_queries {
                let what = format!("`{}`: a limit is one of the service", name.get_ref());
                let hint = "write parameters of one query under [thresholds]";
                return Err(self.wrong(&name, what, hint));
            }
            settings.push(Setting {
                line: self.line(&name),
                name: name.into_inner(),
                value: value.0,
            });
        }
        settings.sort_by_key(|setting| setting.line);
        Ok(settings)
    }

    fn mutes(&self, mutes: Vec<Spanned<file::Mute>>) -> Result<Vec<Rule>, Error> {
        let rule = |mute: Spanned<file::Mute>| {
            let line = self.line(&mute.get_ref().query);
            let mute = mute.into_inner();
            Ok(Rule {
                query: self.said("query", &mute.query)?,
                contains: self.maybe("contains", mute.contains.as_ref())?,
                reason: self.said("reason", &mute.reason)?,
                until: mute.until.map(|day| day.0),
                line,
            })
        };
        mutes.into_iter().map(rule).collect()
    }
}

/// What `local_domains` takes.
fn is_domain(text: &str) -> bool {
    let odd = |c: char| c == '@' || c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.contains(odd)
}

/// A network, or one address. What is an IPv4 address inside of IPv6 is that address, as addresses of clients are.
fn network(text: &str) -> Result<IpNet, (String, String)> {
    let text = text.trim();
    let parsed = text.parse::<IpNet>().ok();
    let parsed = parsed.or_else(|| Some(text.parse::<std::net::IpAddr>().ok()?.into()));
    let Some(net) = parsed else {
        let hint = "write 192.0.2.0/24, 2001:db8::/32 or one address".to_owned();
        return Err((format!("{text:?} is no network"), hint));
    };
    if net.addr() != net.network() {
        let what = format!("{text:?} is an address within a network");
        return Err((what, format!("the network is {}", net.trunc())));
    }
    let mapped = match net {
        IpNet::V6(net) if net.prefix_len() >= 96 => net.addr().to_ipv4_mapped(),
        _ => None,
    };
    // At least 96 bits are known to be set, so what is left fits.
    let v4 = mapped.and_then(|ip| IpNet::new(ip.into(), net.prefix_len() - 96).ok());
    Ok(v4.unwrap_or(net))
}

#[cfg(test)]
mod tests;
