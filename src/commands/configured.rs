//! `--config`: what a configuration changes of a run, and what a report says of it.
//!
//! Where persons are hidden, its texts are hidden like free text of the command line, and what it looks for is not shown:
//! a name in it is one that the report must not have.

use std::sync::Arc;

use anyhow::Result;
use chrono::NaiveDate;

use super::load::{Loaded, Options};
use super::{Usage, coverage};
use crate::cli::ReadArgs;
use crate::config::Config;
use crate::pseudonyms::Holds;
use crate::query::mutes::{Mute, Muted};
use crate::query::own::Known;
use crate::query::{Answer, Library, Overrides, Query};
use crate::report::manifest::ConfigUsed;
use crate::report::{MuteUsed, MutedFinding, Report};
use crate::tables::zone::rfc3339;

/// The configuration that is named, if one is.
///
/// # Errors
/// A file that cannot be read or is wrong.
pub fn read(args: &ReadArgs) -> Result<Option<Arc<Config>>> {
    let config = args.config.as_deref().map(Config::read).transpose();
    Ok(config
        .map_err(|error| Usage(error.to_string()))?
        .map(Arc::new))
}

impl Options {
    /// Calls the configuration what it was called, wherever it was read from.
    pub fn call_config(&mut self, file: Option<&str>) {
        if let (Some(config), Some(file)) = (&mut self.config, file) {
            Arc::make_mut(config).file = file.to_owned();
        }
    }

    /// Parameters: those given, and those of the configuration.
    ///
    /// # Errors
    /// A configuration that names a query or parameter that there is not.
    pub fn overrides(&self, library: &Library, given: &Overrides) -> Result<Overrides> {
        let Some(config) = &self.config else {
            return Ok(given.clone());
        };
        config
            .check(library)
            .map_err(|error| Usage(error.to_string()))?;
        Ok(config.overrides(library, given))
    }

    /// Networks and days.
    pub fn known(&self) -> Known {
        let config = self.config.as_ref();
        config.map_or_else(Known::default, |config| config.known.clone())
    }

    /// Mutes as they hold for what was read, in words that may be shown.
    ///
    /// # Errors
    /// Those of [`Options::overrides`].
    pub fn mutes(&self, library: &Library, loaded: &Loaded) -> Result<Vec<Mute>> {
        let Some(config) = &self.config else {
            return Ok(Vec::new());
        };
        let mutes = config
            .mutes(library, last_day(loaded, self))
            .map_err(|error| Usage(error.to_string()))?;
        let text = |text: String| self.shown(Holds::Text, &text);
        let shown = |mute: Mute| Mute {
            contains: mute.contains.map(text),
            reason: text(mute.reason),
            ..mute
        };
        Ok(mutes.into_iter().map(shown).collect())
    }

    /// For the manifest. With all of a file known but a name, its hash would tell whether one that is guessed fits.
    pub fn config_used(&self) -> Option<ConfigUsed> {
        let config = self.config.as_ref()?;
        Some(ConfigUsed {
            file: self.shown(Holds::Path, &config.file),
            sha256: Some(config.sha256.clone()).filter(|_| self.privacy.is_none()),
            logo_sha256: config.logo.as_ref().map(|logo| logo.sha256.clone()),
        })
    }

    /// For the method of a report.
    pub fn config_in_words(&self) -> Option<String> {
        let (used, config) = (self.config_used()?, self.config.as_ref()?);
        let hash = match used.sha256 {
            Some(sha256) => format!("with the SHA-256 {sha256}"),
            None => "whose SHA-256 is left out, as persons have pseudonyms and it would tell which guess fits"
                .to_owned(),
        };
        let privacy = self.privacy.as_ref().filter(|_| config.names_networks());
        let hidden = privacy.map(|own| own.pseudonyms.marking().also.networks);
        let narrow = match hidden {
            None => "",
            Some(true) => " Networks are hidden, so none of its networks is applied.",
            Some(false) => {
                " Addresses have pseudonyms: of its networks, those narrower than /24 (IPv6: /48) are not applied."
            }
        };
        Some(format!(
            "The configuration is {}, {hash}. It sets: {}.{narrow}",
            used.file,
            config.in_words()
        ))
    }
}

/// The last day of a report: of the period asked for, else of the logs.
fn last_day(loaded: &Loaded, input: &Options) -> Option<NaiveDate> {
    let asked = input
        .selection
        .until
        .map(|until| rfc3339(input.zone, until - 1));
    let last = asked.or_else(|| coverage::period(loaded, None, None, input.zone).last)?;
    last.get(..10)?.parse().ok()
}

/// What a report takes from a configuration: names, the picture, and what is muted.
pub struct Dress {
    muted: Vec<MutedFinding>,
    mutes: Vec<MuteUsed>,
}

impl Dress {
    /// What became of the mutes. `queries` are those that were asked, in order.
    pub fn new(answers: &[Answer], queries: &[&Query], mutes: &[Mute], input: &Options) -> Self {
        let all: Vec<&Muted> = answers.iter().flat_map(|answer| &answer.muted).collect();
        let mut muted: Vec<MutedFinding> = all
            .iter()
            .map(|one| MutedFinding {
                finding: one.finding.clone(),
                reason: mutes[one.by].reason.clone(),
                until: mutes[one.by].until.map(|day| day.to_string()),
            })
            .collect();
        // As findings are.
        muted.sort_by_key(|one| one.finding.severity);
        let file = input
            .config_used()
            .map(|used| used.file)
            .unwrap_or_default();
        let used = mutes.iter().enumerate().map(|(index, mute)| {
            let own = all.iter().filter(|one| one.by == index);
            let findings = own.map(|one| one.rows).sum();
            let asked = queries.iter().any(|query| query.name == mute.query);
            MuteUsed {
                place: format!("{file}:{}", mute.line),
                query: mute.query.clone(),
                contains: mute.contains.clone().filter(|_| input.privacy.is_none()),
                reason: mute.reason.clone(),
                until: mute.until.map(|day| day.to_string()),
                findings,
                note: note(mute, asked, findings),
            }
        });
        let mutes = used.collect();
        Dress { muted, mutes }
    }

    /// Puts it on.
    pub fn put_on(self, report: &mut Report, input: &Options) {
        report.muted = self.muted;
        report.mutes = self.mutes;
        let Some(config) = &input.config else {
            return;
        };
        let shown = |text: &String| input.shown(Holds::Text, text);
        if let Some(title) = &config.title {
            report.title = shown(title);
        }
        report.organisation = config.organisation.as_ref().map(shown);
        report.logo = config.logo.as_ref().map(|logo| logo.uri.clone());
    }
}

/// What a reader has to know of a mute that did nothing.
fn note(mute: &Mute, asked: bool, findings: u64) -> Option<String> {
    let said = match (mute.until, &mute.contains) {
        _ if findings > 0 => return None,
        _ if !asked => "It muted nothing, as this report does not ask this query.".to_owned(),
        (Some(until), _) if mute.over => format!(
            "It ended on {until}, before the end of this report, and muted nothing: what it is about stands among the \
             findings."
        ),
        (_, Some(_)) => {
            "It muted nothing: no finding of this query that is not muted already holds its text."
                .to_owned()
        }
        (_, None) => {
            "It muted nothing: this query has no finding that is not muted already.".to_owned()
        }
    };
    Some(said)
}
