//! `mtaudit verify --rebuild`: the report made again, and compared byte by byte.
//!
//! The command is that of the manifest. Where it would write is ours: into a temporary folder, and nowhere else. The
//! sources are called by the names and times that they had, wherever they are now, so a report can be made again from
//! evidence that was moved.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use chrono::DateTime;
use clap::Parser;

use super::asked::Again;
use super::privacy::Privacy;
use super::proof::Now;
use super::report;
use super::verify::Said;
use crate::cli::{Cli, Command, ReportArgs, VerifyArgs};
use crate::config::Config;
use crate::report::escape::clip_bytes;
use crate::report::manifest::Manifest;
use crate::report::sums;
use crate::source::Source;

/// Longest excerpt, characters.
const EXCERPT: usize = 100;
/// Bytes before the first that differs.
const BEFORE: usize = 40;

/// Makes the report again and tells what differs.
pub(super) fn run(
    args: &VerifyArgs,
    manifest: &Manifest,
    now: &Now,
    said: &mut Said,
) -> Result<()> {
    let place = args.report.display().to_string();
    let own = env!("CARGO_PKG_VERSION");
    if manifest.version != own {
        let what = format!("made by version {}; made again by {own}", manifest.version);
        said.note(&place, &what)?;
    }
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let report = match arguments(manifest) {
        Ok(report) => report,
        Err(what) => return Ok(said.differs(&place, &what)?),
    };
    let keyed = with_key(report, args, manifest);
    let ready = keyed.and_then(|report| with_config(report, args, manifest));
    let ready = ready.and_then(|report| {
        let hides = report.input.read.privacy.pseudonymise.is_some();
        Ok((report, found(manifest, now, hides)?))
    });
    let (report, found) = match ready {
        Ok(ready) => ready,
        Err(what) => return Ok(said.differs(&place, &format!("cannot be made again: {what}"))?),
    };
    let report = ReportArgs {
        out: folder.path().to_path_buf(),
        ..report
    };
    let report = quietly(report, args.threads);
    let again = Again {
        found,
        generated_at: manifest.generated_at.clone(),
        case: manifest.case.clone(),
        config: manifest.config.as_ref().map(|used| used.file.clone()),
    };
    if let Err(error) = report::write(&report, Some(again)) {
        return Ok(said.differs(&place, &format!("cannot be made again: {error:#}"))?);
    }
    compare(&args.report, folder.path(), said)
}

/// The command with the key file where it is now, when it is the one by which persons were hidden.
fn with_key(
    mut report: ReportArgs,
    args: &VerifyArgs,
    manifest: &Manifest,
) -> Result<ReportArgs, String> {
    let privacy = &mut report.input.read.privacy;
    if privacy.pseudonymise.is_none() {
        return Ok(report);
    }
    if report.about.is_some() {
        return Err("it is about somebody whom it does not name".into());
    }
    let Some(key) = &args.pseudonymise else {
        return Err("it hides persons by a key: give the file with --pseudonymise".into());
    };
    privacy.pseudonymise = Some(key.clone());
    // The command is a stranger's word: it names no file to write.
    privacy.pseudonym_map = None;
    let own = Privacy::new(privacy).map_err(|error| format!("{error:#}"))?;
    let own = own.map(|own| own.pseudonyms.marking().to_string());
    let stated = manifest
        .options
        .iter()
        .find(|option| option.name == "pseudonymise");
    match (own, stated) {
        (Some(own), Some(stated)) if own == stated.value => Ok(report),
        (own, _) => Err(format!(
            "its pseudonyms are not of this key ({})",
            own.unwrap_or_default()
        )),
    }
}

/// The command with the configuration where it is now, when it is the one that was used.
fn with_config(
    mut report: ReportArgs,
    args: &VerifyArgs,
    manifest: &Manifest,
) -> Result<ReportArgs, String> {
    let Some(used) = &manifest.config else {
        return match &args.config {
            None => Ok(report),
            Some(_) => Err("it was made without a configuration: leave --config out".into()),
        };
    };
    let path = args.config.clone().unwrap_or_else(|| (&used.file).into());
    let config = Config::read(&path)
        .map_err(|error| format!("its configuration: {error}; --config names where it is now"))?;
    let differs = |what: &str, was: &str, is: &str| {
        format!("{what} is not as it was: SHA-256 {is}, it was {was}")
    };
    if let Some(was) = used.sha256.as_ref().filter(|was| **was != config.sha256) {
        let what = format!("the configuration {}", path.display());
        return Err(differs(&what, was, &config.sha256));
    }
    let logo = config.logo.as_ref().map(|logo| logo.sha256.as_str());
    if used.logo_sha256.as_deref() != logo {
        let was = used.logo_sha256.as_deref().unwrap_or("none");
        let what = format!("the logo of {}", path.display());
        return Err(differs(&what, was, logo.unwrap_or("none")));
    }
    report.input.read.config = Some(path);
    Ok(report)
}

/// The sources where they are now, called what they were called. Where names hide persons, they are called what they are
/// called now: the report has to hide the same ones.
fn found(manifest: &Manifest, now: &Now, hides: bool) -> Result<Vec<Source>, String> {
    let mut found = Vec::with_capacity(manifest.sources.len());
    for (own, place) in manifest.sources.iter().zip(&now.places) {
        let same = place.source.as_ref().filter(|_| place.differs.is_none());
        let Some(source) = same else {
            return Err(format!("{} is not as it was", own.name()));
        };
        let mtime = own
            .mtime
            .as_deref()
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        let mut source = source.clone();
        if !hides {
            source.path.clone_from(&own.path);
            source.member.clone_from(&own.member);
        }
        source.mtime = mtime.map(|time| time.timestamp());
        found.push(source);
    }
    found.sort_by(|a, b| (&a.path, a.number()).cmp(&(&b.path, b.number())));
    Ok(found)
}

/// What the manifest's command asks for.
pub(super) fn arguments(manifest: &Manifest) -> Result<ReportArgs, String> {
    let cli = Cli::try_parse_from(&manifest.command).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        format!("its command is none of this version: {first}")
    })?;
    match cli.command {
        Command::Report(report) => Ok(report),
        _ => Err("its command makes no report".to_owned()),
    }
}

/// Nothing is written but the report, and nothing is said.
fn quietly(mut report: ReportArgs, threads: Option<usize>) -> ReportArgs {
    report.input.store = None;
    report.input.read.threads = threads;
    report.input.read.memory = None;
    report.input.read.timings = false;
    report.input.read.quiet = true;
    report
}

/// Tells the first difference of each file.
fn compare(folder: &Path, again: &Path, said: &mut Said) -> Result<()> {
    let mut names = BTreeSet::new();
    for dir in [folder, again] {
        names.extend(sums::names(dir)?);
    }
    let mut same = 0;
    for name in &names {
        let place = folder.join(name).display().to_string();
        match (sums::read(folder, name), sums::read(again, name)) {
            (Ok(one), Ok(other)) if one == other => same += 1,
            (Ok(one), Ok(other)) => said.differs(&place, &first_difference(&one, &other))?,
            (Ok(_), Err(_)) => said.differs(&place, "the report made again has no such file")?,
            (Err(what), Ok(_)) => said.differs(&place, &format!("made again, and here: {what}"))?,
            (Err(what), Err(_)) => said.differs(&place, &what)?,
        }
    }
    said.total(&format!(
        "made again: {same} of {} files have the same bytes",
        names.len()
    ))?;
    Ok(())
}

fn first_difference(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let line = 1 + one[..at].iter().filter(|byte| **byte == b'\n').count();
    format!(
        "made again it differs from line {line} on: “{}” here, “{}” made again",
        excerpt(one, at),
        excerpt(other, at)
    )
}

/// The line around a byte, or a part of it.
fn excerpt(bytes: &[u8], at: usize) -> String {
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |end| end + 1);
    let start = start.max(at.saturating_sub(BEFORE));
    let rest = &bytes[start..];
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    if rest.is_empty() {
        return "(end of the file)".to_owned();
    }
    // Not in the middle of a character.
    let skip = rest
        .iter()
        .take(3)
        .take_while(|byte| *byte & 0xc0 == 0x80)
        .count();
    clip_bytes(&rest[skip.min(end)..end], EXCERPT)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        let said = first_difference(b"a\nb = 1\nc\n", b"a\nb = 2\nc\n");
        assert_eq!(
            said,
            "made again it differs from line 2 on: “b = 1” here, “b = 2” made again"
        );
        let said = first_difference(b"a\n", b"a\n\x1b[2J\n");
        assert_eq!(
            said,
            "made again it differs from line 2 on: “(end of the file)” here, “␛[2J” made again"
        );
        let long = ["x".repeat(1000), "é".repeat(500)].concat();
        let said = first_difference(long.as_bytes(), format!("{long}!").as_bytes());
        assert!(said.len() < 600 && !said.contains('⟨'), "{said}");
    }
}
