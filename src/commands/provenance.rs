//! What a report says of how it was made: its command, what narrows it, its method, the manifest.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use super::load::{Loaded, Options};
use super::tables;
use crate::cli::ReportArgs;
use crate::pseudonyms::Holds;
use crate::query::Query;
use crate::report::Report;
use crate::report::manifest::{FORMAT, FileHash, Manifest, OptionUsed, ParameterUsed, SourceHash};
use crate::report::templates::Templates;
use crate::tables::build::SourceRow;
use crate::tables::zone::rfc3339;

/// The command line as far as it decides the result, in one order: two runs on other threads, with the same
/// paths in another order, or into another folder give the same bytes (law 2).
pub(super) fn command(kind: &str, args: &ReportArgs, input: &Options) -> Vec<String> {
    let mut words = vec!["mtaudit".to_owned(), "report".to_owned(), kind.to_owned()];
    let given = &args.input;
    let mut add = |name: &str, values: Vec<String>| {
        for value in values {
            if value.starts_with('-') {
                words.push(format!("{name}={value}"));
            } else {
                words.extend([name.to_owned(), value]);
            }
        }
    };
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values
    };
    let shown = |holds: Holds, texts: &[String]| {
        let texts = texts.iter().map(|text| input.shown(holds, text));
        sorted(&texts.collect::<Vec<_>>())
    };
    let path = |path: &Option<PathBuf>| path.iter().map(|p| shown_path(p, input)).collect();
    add("--month", given.month.iter().cloned().collect());
    add("--baseline", given.baseline.iter().cloned().collect());
    add("--since", given.since.iter().cloned().collect());
    add("--until", given.until.iter().cloned().collect());
    add(
        "--timezone",
        if given.read.timezone == "UTC" {
            vec![]
        } else {
            vec![given.read.timezone.clone()]
        },
    );
    add(
        "--year",
        given.read.year.iter().map(i32::to_string).collect(),
    );
    let limit = given.read.max_decoded;
    add("--max-decoded", limit.iter().map(u64::to_string).collect());
    add("--host", shown(Holds::Server, &given.hosts));
    add(
        "--local-domain",
        shown(Holds::Domain, &given.read.local_domains),
    );
    let about = args.about.iter().map(|key| input.shown_key(key));
    add("--about", about.collect());
    add("--param", shown(Holds::Text, &args.library.params));
    add("--queries", path(&args.library.queries));
    add("--templates", path(&args.templates));
    add("--case", path(&args.case));
    let config = input.config_used();
    add(
        "--config",
        config.into_iter().map(|used| used.file).collect(),
    );
    if let Some(privacy) = &input.privacy {
        // The key is named by its check in the manifest; where it lies is nobody's business.
        add("--pseudonymise", vec!["KEYFILE".into()]);
        let also = privacy.pseudonyms.marking().also;
        let also = [(also.domains, "domains"), (also.networks, "networks")];
        let also = also.into_iter().filter(|(hidden, _)| *hidden);
        add(
            "--pseudonymise-also",
            also.map(|(_, what)| what.to_owned()).collect(),
        );
        let kept = (!privacy.pseudonyms.marking().also.roles).then(|| "roles".to_owned());
        add("--pseudonymise-keep", kept.into_iter().collect());
    }
    words.extend(args.evidence.then(|| "--evidence".to_owned()));
    let paths = paths(input);
    if paths.iter().any(|path| path.starts_with('-')) {
        words.push("--".to_owned());
    }
    words.extend(paths);
    words
}

/// The paths given, sorted.
fn paths(input: &Options) -> Vec<String> {
    let paths = input.paths.iter().map(|path| shown_path(path, input));
    let mut paths: Vec<String> = paths.collect();
    paths.sort_unstable();
    paths
}

fn shown_path(path: &Path, input: &Options) -> String {
    input.shown(Holds::Path, &path.display().to_string())
}

/// The hosts that it is narrowed to, in words.
pub(super) fn hosts(args: &ReportArgs, input: &Options) -> Vec<String> {
    let hosts = args.input.hosts.iter();
    let hosts = hosts.map(|host| format!("host {}", input.shown(Holds::Server, host)));
    let mut hosts: Vec<String> = hosts.collect();
    hosts.sort_unstable();
    hosts
}

/// What it is narrowed to, in words.
pub(super) fn filters(args: &ReportArgs, input: &Options) -> Vec<String> {
    let mut filters = hosts(args, input);
    let about = args.about.iter();
    filters.extend(about.map(|key| format!("about {}", input.shown_key(key))));
    filters
}

/// How the report was made, and what it therefore cannot say.
pub(super) fn method(loaded: &Loaded, input: &Options) -> Vec<String> {
    let mut said = vec![
        "Every line of every source was read and counted once: as an event, as known and of no interest, as not \
         recognised, or as not text. The sums are under Coverage."
            .to_owned(),
        "The lines of one message were joined by host and queue ID; a queue ID that is used again is another message. \
         The lines of one connection were joined by host, service and process."
            .to_owned(),
        "A message that a content filter or an alias hands back to the same server is linked to the one it came from. \
         Totals of accepted messages count it once; the queries say which view they count."
            .to_owned(),
        "Why a delivery failed or a client was refused is read from the text of the reply first and from its codes only \
         when the text says nothing known."
            .to_owned(),
    ];
    said.push(format!(
        "Days, hours and weekdays are those of {}; log times without an offset were read as times of that zone.",
        input.zone
    ));
    said.push(match (input.local_domains.is_empty(), loaded.local_domains.is_empty()) {
        (false, _) => format!("Local domains, as given: {}.", short_list(&loaded.local_domains)),
        (true, false) => format!("Local domains, seen in local delivery: {}.", short_list(&loaded.local_domains)),
        (true, true) => "No delivery to a local mailbox is in the logs and no local domain was given, so directions are \
                         unknown."
            .to_owned(),
    });
    said.extend(input.config_in_words());
    if input.selection.since.is_some() || input.selection.until.is_some() {
        said.push(
            "All sources were read and joined before the period was cut out, so a message keeps what lies outside of it; \
             each row was kept by its own time."
                .to_owned(),
        );
    }
    if input.selection.about.is_some() {
        said.push(
            "The report is narrowed to what touches one key: messages that name it, with the messages they came from and \
             those that came of them, and the connections and logins that brought them; refusals, connections and logins that \
             name it themselves; server events whose text names it. \
             Shares are shares of that, and are not held against thresholds, which are made for all mail."
                .to_owned(),
        );
    }
    if let Some(marking) = &loaded.hidden {
        said.push(format!(
            "Persons have pseudonyms ({marking}): local parts of addresses, user names, client names and addresses, \
             Message-IDs and what messages say were replaced by an HMAC-SHA-256 of them, after everything was joined and \
             counted. The same pseudonym is the same person in every report with this key check.{}",
            if marking.also.roles { "" } else { " Roles such as postmaster stay." }
        ));
    }
    if loaded.parts > 1 {
        said.push(format!(
            "The tables were made in {} conversions: a message or connection whose lines were read in two of them counts \
             as two.",
            loaded.parts
        ));
    }
    if !loaded.left_out.is_empty() {
        said.push(format!(
            "Not read, as the tables hold them already: {}.",
            short_list(&loaded.left_out)
        ));
    }
    said.push("A finding is a pattern in the logs measured against a stated threshold. It is not proof of intent.".to_owned());
    said
}

fn short_list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

pub(super) fn library_origin(args: &ReportArgs, input: &Options) -> String {
    args.library
        .queries
        .as_ref()
        .map_or_else(|| "built in".into(), |dir| shown_path(dir, input))
}

/// The manifest, but for the names of the report's files, which whoever writes them knows.
pub(super) fn manifest(
    report: &Report,
    loaded: &Loaded,
    input: &Options,
    queries: &[&Query],
    templates: &Templates,
    origin: &str,
) -> Manifest {
    let results = || report.sections.iter().flat_map(|section| &section.results);
    let parameters = results().flat_map(|result| {
        result.params.iter().map(|param| ParameterUsed {
            query: result.name.clone(),
            name: param.name.clone(),
            value: param.value.clone(),
            changed: param.changed,
        })
    });
    let hidden = loaded.hidden.as_ref().map(|marking| OptionUsed {
        name: "pseudonymise".into(),
        value: marking.to_string(),
    });
    let library = queries.iter().map(|query| FileHash {
        name: query.name.clone(),
        sha256: query.sha256.clone(),
        origin: if query.is_builtin() {
            "built in".into()
        } else {
            origin.to_owned()
        },
    });
    Manifest {
        tool: "mtaudit".into(),
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        command: report.command.clone(),
        generated_at: report.generated_at.clone(),
        kind: report.kind.clone(),
        complete: report.coverage.complete,
        paths: paths(input),
        options: options(report, loaded, input)
            .into_iter()
            .chain(hidden)
            .collect(),
        parameters: parameters.collect(),
        case: report.case.clone(),
        config: input.config_used(),
        sources: loaded
            .sources
            .iter()
            .map(|source| hashes(source, input.zone))
            .collect(),
        tables: tables::files(input),
        queries: library.collect(),
        templates: templates.hashes(&report.kind),
        files: Vec::new(),
    }
}

/// The options in effect, those that were not given among them.
fn options(report: &Report, loaded: &Loaded, input: &Options) -> Vec<OptionUsed> {
    let year = input.year.map(|year| year.to_string());
    let hosts = input.selection.hosts.iter();
    let mut hosts: Vec<String> = hosts.map(|host| input.shown(Holds::Server, host)).collect();
    hosts.sort_unstable();
    let values = [
        ("timezone", report.period.timezone.clone()),
        ("year", year.unwrap_or_default()),
        ("since", report.period.since.clone().unwrap_or_default()),
        ("until", report.period.until.clone().unwrap_or_default()),
        ("host", hosts.join(" ")),
        ("local-domain", loaded.local_domains.join(" ")),
    ];
    let used = |(name, value): (&str, String)| OptionUsed {
        name: name.into(),
        value,
    };
    values.into_iter().map(used).collect()
}

fn hashes(source: &SourceRow, zone: Tz) -> SourceHash {
    let known = |hash: &Option<String>| hash.clone().filter(|hash| !hash.is_empty());
    SourceHash {
        path: source.path.clone(),
        member: source.member.clone(),
        bytes: source.bytes,
        sha256: known(&source.sha256),
        decoded_bytes: source.decoded_bytes,
        decoded_sha256: known(&source.decoded_sha256),
        mtime: source.mtime.map(|ts| rfc3339(Tz::UTC, ts)),
        codec: source.codec.clone(),
        format: source.format.clone(),
        hosts: source.hosts.clone(),
        lines: source.lines,
        events: source.events,
        ignored: source.ignored,
        unrecognised: source.unrecognised,
        undecodable: source.undecodable,
        first: source.first_ts.map(|ts| rfc3339(zone, ts)),
        last: source.last_ts.map(|ts| rfc3339(zone, ts)),
        year: source.year,
        year_method: source.year_method.clone(),
        year_confidence: source.year_confidence.clone(),
        contradictions: source.contradictions.clone(),
        repeated: source.repeated,
        incomplete: source.incomplete,
        duplicate_of: source.duplicate_of,
        problem: source.problem.clone(),
        sha256_after: None,
    }
}
