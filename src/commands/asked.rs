//! What a report is asked to be: kind, period, queries, case and output, all that a user can have wrong.
//!
//! [`super::report`] reads logs only once this is there.

use std::path::PathBuf;

use anyhow::Result;

use super::load::Options;
use super::options::usage;
use super::query::wanted;
use super::{Usage, options, privacy};
use crate::cli::ReportArgs;
use crate::query::{Library, Overrides, Query};
use crate::report::case::CaseFile;
use crate::report::definition::Definition;
use crate::report::templates::Templates;
use crate::source::Source;
use crate::tables::zone::rfc3339;

/// What a report that is made again takes from the manifest of the first.
#[derive(Default)]
pub struct Again {
    /// Its sources where they are now, by the names and times that they had.
    pub found: Vec<Source>,
    /// The time that was printed as that of the report.
    pub generated_at: Option<String>,
    /// Its case.
    pub case: Option<CaseFile>,
    /// The path that its configuration had.
    pub config: Option<String>,
}

/// What a report is asked to be. All that a user can have wrong is found while it is made, before any log is read.
pub(super) struct Asked<'l> {
    pub(super) kind: String,
    pub(super) definition: Definition,
    pub(super) queries: Vec<&'l Query>,
    pub(super) overrides: Overrides,
    pub(super) input: Options,
    pub(super) generated_at: Option<String>,
    pub(super) case: Option<CaseFile>,
}

impl<'l> Asked<'l> {
    pub(super) fn new(
        args: &ReportArgs,
        again: Option<Again>,
        (library, given): (&'l Library, &Overrides),
        templates: &Templates,
    ) -> Result<Self> {
        let (kind, paths) = kind_and_paths(args, templates)?;
        if kind != "incident" && args.about.is_some() {
            return Err(usage(
                format!("--about narrows an incident report, not `{kind}`"),
                "write `mtaudit report incident --about …`",
            ));
        }
        let found = again.as_ref().map(|again| again.found.clone());
        let mut input = options::input_of(&args.input, &paths, args.about.as_deref(), found)?;
        input.call_config(again.as_ref().and_then(|again| again.config.as_deref()));
        let (generated_at, case) = match again {
            Some(again) => (again.generated_at, again.case),
            None => (generated_at(args)?, case(args)?),
        };
        let definition = templates.definition(&kind).map_err(wrong)?;
        let queries = queries(&definition, library, &templates.definition_place(&kind))?;
        crate::query::params::check_overrides(queries.iter().copied(), given).map_err(wrong)?;
        let overrides = input.overrides(library, given)?;
        if args.evidence {
            privacy::refuse_raw_lines(&paths)?;
        }
        input.keep_map_out_of(&args.out)?;
        if input.selection.about.is_none() {
            input.wanted = wanted(&queries, library);
        }
        if !queries.iter().any(|query| query.compares()) {
            input.baseline = None;
        }
        Ok(Asked {
            kind,
            definition,
            queries,
            overrides,
            input,
            generated_at,
            case,
        })
    }
}

/// The case, taken apart.
fn case(args: &ReportArgs) -> Result<Option<CaseFile>> {
    let Some(file) = &args.case else {
        return Ok(None);
    };
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|error| {
        usage(
            format!("--case {name}: {error}"),
            "name a TOML file with at least `reference = \"…\"`",
        )
    })?;
    CaseFile::parse(&name, &bytes).map(Some).map_err(wrong)
}

/// The first word names a report when it is the name of one; a file of that name is meant as `./audit`.
fn kind_and_paths(args: &ReportArgs, templates: &Templates) -> Result<(String, Vec<PathBuf>)> {
    let first = args
        .words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    if !templates.kinds().contains(&first) {
        let plain = !first.is_empty() && first.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if plain && !std::path::Path::new(first).exists() {
            let hint = format!(
                "the reports are {}; logs are files and folders",
                templates.kinds().join(", ")
            );
            return Err(usage(
                format!("report {first}: neither a report nor a path"),
                &hint,
            ));
        }
        return Ok(("audit".into(), args.words.clone()));
    }
    if args.words.len() == 1 {
        return Err(usage(
            format!("report {first}: no logs given"),
            "name files or folders after the kind of report",
        ));
    }
    Ok((first.to_owned(), args.words[1..].to_vec()))
}

fn queries<'a>(
    definition: &Definition,
    library: &'a Library,
    place: &str,
) -> Result<Vec<&'a Query>> {
    let found = definition
        .queries()
        .into_iter()
        .map(|name| library.find(name));
    found
        .map(|query| query.map_err(|error| wrong(format!("{place}: {error}"))))
        .collect()
}

/// RFC 3339, from the option or from `SOURCE_DATE_EPOCH`; nothing otherwise (law 2).
fn generated_at(args: &ReportArgs) -> Result<Option<String>> {
    if let Some(text) = &args.generated_at {
        let time = chrono::DateTime::parse_from_rfc3339(text);
        let hint = "write it as 2026-11-23T12:00:00+01:00";
        return time
            .map(|t| Some(t.to_rfc3339()))
            .map_err(|_| usage(format!("--generated-at {text}: not a time"), hint));
    }
    let epoch = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    Ok(epoch.map(|seconds| rfc3339(chrono_tz::Tz::UTC, seconds.saturating_mul(1_000_000))))
}

pub(super) fn wrong(error: impl std::fmt::Display) -> anyhow::Error {
    Usage(error.to_string()).into()
}
