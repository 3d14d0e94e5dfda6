//! `mtaudit report`: everything a report's definition asks, in a folder.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};

use super::asked::{Again, Asked, wrong};
use super::configured::Dress;
use super::load::{Loaded, Options, load};
use super::provenance::{command, filters, hosts, library_origin, manifest, method};
use super::query::state;
use super::statement::{GAPS, doubts};
use super::{Done, STACK, coverage, custody, evidence, options};
use crate::cli::ReportArgs;
use crate::query::mutes::Mute;
use crate::query::{Answer, Engine, Library, Overrides, Query, question};
use crate::report::case::CaseFile;
use crate::report::controls::controls;
use crate::report::definition::Definition;
use crate::report::escape::visible;
use crate::report::folder::Evidence;
use crate::report::format::counted;
use crate::report::templates::Templates;
use crate::report::{Finding, Report, Section};
use crate::report::{chart, folder};

/// Writes a report folder.
///
/// # Errors
/// Usage: an unknown report, query, parameter or zone, a template or case that is wrong, a folder that cannot be
/// written. All of these are found before any log is read.
pub fn run(args: &ReportArgs) -> Result<Done> {
    write(args, None)
}

/// Writes a report folder, as `again` says where there is an earlier one.
///
/// # Errors
/// Those of [`run`].
pub fn write(args: &ReportArgs, again: Option<Again>) -> Result<Done> {
    let (library, given) = options::library(&args.library)?;
    let templates = Templates::load(args.templates.as_deref()).map_err(wrong)?;
    let made_before = again.is_some();
    let mut asked = Asked::new(args, again, (&library, &given), &templates)?;
    let out = folder::prepare(&args.out).map_err(wrong)?;
    let mut loaded = load(&asked.input)?;
    if let Some(nothing) = nothing(&loaded, args, &asked.input)? {
        return Err(nothing);
    }
    let mutes = asked.input.mutes(&library, &loaded)?;
    let engine = asked.engine(&loaded, &library, &mutes);
    let answers = asked.answers(&engine, &loaded)?;
    let mut report = asked.report(args, answers, &loaded, &mutes)?;
    report.controls = controls(&report.sections, &report.findings);
    report.tiles = asked
        .definition
        .tiles(&report.sections, &templates.definition_place(&asked.kind))
        .map_err(|error| anyhow!("{error}"))?;
    let input = &asked.input;
    let evidence = match args.evidence {
        true => evidence::write(&mut report.findings, &loaded.sources, input),
        false => Evidence::new(),
    };
    let after = match asked.case.take() {
        // That of an earlier report is as it was shown there.
        Some(case) if made_before => hash_again(&mut report, case, &loaded, input),
        Some(case) => hash_again(&mut report, input.shown_case(case), &loaded, input),
        None => Vec::new(),
    };
    let origin = library_origin(args, input);
    let mut manifest = manifest(&report, &loaded, input, &asked.queries, &templates, &origin);
    for (source, sha256) in manifest.sources.iter_mut().zip(after) {
        source.sha256_after = sha256;
    }
    let write = || out.write(&mut report, &mut manifest, &templates, evidence);
    input
        .timings
        .of("render and write", write)
        .map_err(|error| anyhow!("{error}"))?;
    input.write_map()?;
    input.timings.print()?;
    if !args.input.read.quiet {
        say(&report, &args.out)?;
    }
    let done = match state(&loaded.sources) {
        Done::Complete if !report.coverage.complete => Done::Incomplete,
        done => done,
    };
    // The tables' files go, where they are temporary.
    drop(loaded.kept.take());
    // The process ends here: taking millions of cells apart one by one would only make people wait.
    std::mem::forget((loaded, engine, report));
    Ok(done)
}

impl Asked<'_> {
    fn engine(&self, loaded: &Loaded, library: &Library, mutes: &[Mute]) -> Engine {
        let input = &self.input;
        Engine::new(loaded.tables.frames.clone(), input.zone)
            .knowing(input.known())
            .muting(mutes.to_vec())
            .over(input.selection.since, input.selection.until)
            .narrowed(input.selection.about.is_some())
            .comparing(loaded.before.frames.clone())
            .asking(library, &self.overrides)
    }

    /// Every query's answer with its picture, in order.
    fn answers(&self, engine: &Engine, loaded: &Loaded) -> Result<Vec<Answer>> {
        let timings = &self.input.timings;
        let decoded: u64 = loaded.sources.iter().map(|s| s.decoded_bytes).sum();
        let ask = || ask(engine, &self.queries, &self.overrides, &self.input);
        let mut answers = timings.with_bytes("queries", ask, |_| Some(decoded))?;
        timings.of("charts", || draw(&self.queries, &mut answers));
        Ok(answers)
    }

    /// The report, without what rests on all of it: controls, tiles, evidence and case.
    fn report(
        &mut self,
        args: &ReportArgs,
        answers: Vec<Answer>,
        loaded: &Loaded,
        mutes: &[Mute],
    ) -> Result<Report> {
        let dress = Dress::new(&answers, &self.queries, mutes, &self.input);
        let assemble = || {
            assemble(
                &self.kind,
                &self.definition,
                &self.queries,
                answers,
                loaded,
                &self.input,
            )
        };
        let mut report = self.input.timings.of("assemble", assemble)?;
        dress.put_on(&mut report, &self.input);
        report.command = command(&self.kind, args, &self.input);
        report.generated_at = self.generated_at.take();
        report.filters = filters(args, &self.input);
        let compared = Some(&loaded.before).filter(|tables| !tables.frames.is_empty());
        let compared = compared.map(|tables| tables.is_empty()).transpose()? == Some(false);
        let baseline = self.input.baseline.take_if(|_| compared);
        report.period.baseline = baseline.map(|one| one.name);
        if let Some(key) = args.about.as_ref().map(|key| self.input.shown_key(key)) {
            // A denominator of "all mail" is then all mail of this key.
            let within = format!(" Counted is only what touches {key}.");
            let muted = report.muted.iter_mut().map(|one| &mut one.finding);
            let findings = report.findings.iter_mut().chain(muted);
            findings.for_each(|finding| finding.sentence.push_str(&within));
        }
        Ok(report)
    }
}

/// Puts the case into the report, with what hashing every source again comes to, as all reading is done. A source that
/// changed meanwhile leaves the evidence incomplete. Gives the hashes of the sources.
fn hash_again(
    report: &mut Report,
    case: CaseFile,
    loaded: &Loaded,
    input: &Options,
) -> Vec<Option<String>> {
    let rehash = || custody::rehash(&loaded.sources, input);
    let (said, hashes) = input.timings.of("hash again", rehash);
    let coverage = &mut report.coverage;
    coverage.complete &= said.changed.is_empty();
    coverage
        .problems
        .extend(said.changed.iter().map(|changed| format!("{changed}.")));
    report.case = Some(case);
    report.rehashed = Some(said);
    hashes
}

/// Why there is nothing to report, when what was asked for leaves no row of logs that do hold some.
fn nothing(loaded: &Loaded, args: &ReportArgs, input: &Options) -> Result<Option<anyhow::Error>> {
    let given = &args.input;
    let chosen = given.month.is_some() || given.since.is_some() || given.until.is_some();
    let chosen = chosen || !given.hosts.is_empty() || args.about.is_some();
    let events: u64 = loaded.sources.iter().map(|source| source.events).sum();
    if !chosen || events == 0 || !loaded.tables.is_empty()? {
        return Ok(None);
    }
    let mut asked = hosts(args, input);
    asked.extend(args.about.iter().map(|key| input.shown_key(key)));
    asked.extend(given.month.iter().cloned());
    asked.extend(given.since.iter().map(|time| format!("since {time}")));
    asked.extend(given.until.iter().map(|time| format!("until {time}")));
    Ok(Some(anyhow!(
        "nothing in these logs is of {}\nhint: `mtaudit inspect` shows the hosts and the period that they cover",
        asked.join(", ")
    )))
}

/// Every query's answer, in order. Queries run side by side on threads of their own, with the stack that planning
/// needs: rayon's workers would start another query while they wait inside of one.
fn ask(
    engine: &Engine,
    queries: &[&Query],
    overrides: &Overrides,
    input: &Options,
) -> Result<Vec<Answer>> {
    engine
        .announce(queries, overrides)
        .map_err(|error| anyhow!("{error}"))?;
    let next = AtomicUsize::new(0);
    // What asks of the others comes last: it need not run them again.
    let mut order: Vec<usize> = (0..queries.len()).collect();
    order.sort_by_cached_key(|index| queries[*index].asks());
    let answers: Vec<OnceLock<_>> = queries.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while let Some(index) =
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < queries.len())
        {
            let index = order[index];
            let query = queries[index];
            let answer = input
                .timings
                .query(&query.name, || engine.answer(query, overrides));
            // Each index is given out once, so the cell is empty.
            let _ = answers[index].set(answer);
        }
    };
    let threads = if engine.on_disk() {
        // Each query is spread over all cores, and what it holds is what bounds memory.
        Some(1)
    } else {
        let cores = || std::thread::available_parallelism().ok().map(usize::from);
        input.threads.or_else(cores)
    };
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..threads.unwrap_or(1).clamp(1, 8) {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)?;
        }
        Ok(())
    })?;
    let answered = answers.into_iter().filter_map(OnceLock::into_inner);
    answered
        .map(|answer| answer.map_err(|error| anyhow!("{error}")))
        .collect()
}

/// Gives each result its picture.
fn draw(queries: &[&Query], answers: &mut [Answer]) {
    for (query, answer) in queries.iter().zip(answers) {
        let result = &mut answer.result;
        if let Some(spec) = &query.header.chart {
            let rows: Vec<_> = result.full.iter().collect();
            result.chart = chart::draw(spec, &result.columns, &rows);
        }
    }
}

fn assemble(
    kind: &str,
    definition: &Definition,
    queries: &[&Query],
    answers: Vec<Answer>,
    loaded: &Loaded,
    input: &Options,
) -> Result<Report> {
    let mut findings: Vec<Finding> = answers
        .iter()
        .flat_map(|answer| answer.findings.clone())
        .collect();
    // Stable: within a severity, the order of the report.
    findings.sort_by_key(|finding| finding.severity);
    let gaps = answers.iter().find(|answer| answer.result.name == GAPS);
    // A doubt that is known is one still.
    let muted = || answers.iter().flat_map(|answer| &answer.muted);
    let found = |query: &str| {
        let open = findings.iter().filter(|one| one.query == query);
        let muted = muted().filter(|one| one.finding.query == query);
        (open.count() + muted.count()) as u64
    };
    let doubts = doubts(gaps.map(|answer| &answer.result), found);
    let asked = queries.iter().zip(&answers);
    let questions = asked
        .map(|(query, answer)| question(query, answer.result.not_assessable.as_deref()))
        .collect();
    let mut results: HashMap<String, _> = answers
        .into_iter()
        .map(|answer| (answer.result.name.clone(), answer.result))
        .collect();
    let sections = definition.sections.iter().map(|spec| Section {
        id: spec.id.clone(),
        title: spec.title.clone(),
        intro: spec.intro.clone(),
        results: spec
            .queries
            .iter()
            .filter_map(|name| results.remove(name))
            .collect(),
    });
    Ok(Report {
        kind: kind.to_owned(),
        organisation: None,
        logo: None,
        title: definition.title.clone(),
        intro: definition.intro.clone(),
        tool: concat!("mtaudit ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: Vec::new(),
        generated_at: None,
        case: None,
        rehashed: None,
        manifest_sha256: String::new(),
        period: coverage::period(
            loaded,
            input.selection.since,
            input.selection.until,
            input.zone,
        ),
        filters: Vec::new(),
        tiles: Vec::new(),
        findings,
        muted: Vec::new(),
        mutes: Vec::new(),
        sections: sections.collect(),
        coverage: coverage::coverage(loaded, input.zone, &doubts, questions)?,
        controls: Vec::new(),
        method: method(loaded, input),
    })
}

fn say(report: &Report, out: &std::path::Path) -> Result<()> {
    let mut err = io::stderr().lock();
    writeln!(
        err,
        "{}: {}{} from {} in {}",
        out.join("report.html").display(),
        counted(report.findings.len() as u64, "finding"),
        match report.muted.len() {
            0 => String::new(),
            muted => format!(", {muted} muted,"),
        },
        counted(report.coverage.lines, "line"),
        counted(report.coverage.sources_total as u64, "source"),
    )?;
    for problem in report.coverage.problems.iter().take(10) {
        writeln!(err, "note: {}", visible(problem))?;
    }
    writeln!(
        err,
        "SHA-256 of {}: {}",
        out.join(folder::MANIFEST).display(),
        report.manifest_sha256
    )?;
    Ok(())
}
