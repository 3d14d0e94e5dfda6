//! Runs a case through the library, as `mtaudit query` does, and says what differs.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mtaudit::commands::load::{Baseline, Options, load};
use mtaudit::query::check::Frames;
use mtaudit::query::own::Known;
use mtaudit::query::{Answer, Engine, Library, Overrides, Query};
use mtaudit::report::{Cell, Evidence};
use mtaudit::tables::build::Wanted;
use mtaudit::tables::entity::Entity;
use mtaudit::tables::select::Selection;
use mtaudit::tables::store::{Days, Store};
use serde_json::Value;

use super::case::{Case, CaseFile};

/// Bytes of stack for a query: polars plans recursively, and is not optimised in tests.
const STACK: usize = 16 << 20;

/// What a case gave, as the text of its blocks.
pub struct Found {
    csv: Option<String>,
    text: Option<String>,
    findings: Option<String>,
    evidence: Option<String>,
}

impl Found {
    pub fn text(&self, kind: &str) -> Option<&str> {
        let text = match kind {
            "csv" => &self.csv,
            "text" => &self.text,
            "findings" => &self.findings,
            _ => &self.evidence,
        };
        text.as_deref()
    }
}

/// Does `work` on every item, in as many threads as there are cores; results in the order of the items.
///
/// Not rayon: a worker that waits for polars' own threads would begin the next item on top of the same stack.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            done.push((at, work(item)));
        }
        done
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let start = |_| {
            let builder = std::thread::Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, run).unwrap()
        };
        let running: Vec<_> = (0..threads).map(start).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs queries with a stack that is deep enough.
pub fn with_stack(run: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        builder.spawn_scoped(scope, run).unwrap().join().unwrap();
    });
}

/// What `evidence/completeness` is asked of: few, so that its cases stay when the library grows.
fn few() -> Library {
    let library = Library::builtin().unwrap();
    let mut few = Library::default();
    for name in [
        "access/password_guessing",
        "capacity/overview",
        "delivery/outcomes",
        "spam/rejections_by_reason",
    ] {
        few.add(library.find(name).unwrap().clone());
    }
    few
}

/// Where a case has its tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    InMemory,
    OnDisk,
}

pub fn run(query: &Query, case: &Case, place: Tables) -> Found {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in case.logs() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (mut options, mut overrides) = (options(folder.path()), Overrides::new());
    let mut known = Known::default();
    for (name, value) in case.settings() {
        match name {
            "baseline" => {
                let (since, until) = value.split_once("..").expect("two times");
                let (since, until) = (moment(since), moment(until));
                let name = value.to_owned();
                options.baseline = Some(Baseline { since, until, name });
            }
            "about" => options.selection.about = Some(Entity::new(value).unwrap()),
            "since" => options.selection.since = Some(moment(value)),
            "until" => options.selection.until = Some(moment(value)),
            "year" => options.year = Some(value.parse().unwrap()),
            "timezone" => options.zone = value.parse().unwrap(),
            "trusted" => known.networks.push((value.parse().unwrap(), "trusted")),
            "relay" => known.networks.push((value.parse().unwrap(), "relay")),
            "scanner" => known.networks.push((value.parse().unwrap(), "scanner")),
            "holiday" => drop(known.holidays.insert(value.parse().unwrap())),
            "local-domain" => options.local_domains.push(value.to_owned()),
            _ => drop(overrides.insert(name.to_owned(), value.to_owned())),
        }
    }
    // As a report does: only the columns that the query's text names are filled.
    let selection = &options.selection;
    let about = selection.about.is_some();
    let narrowed = about || selection.since.is_some() || selection.until.is_some();
    let wanted = if narrowed || query.asks() {
        Wanted::default()
    } else {
        query.wanted(Wanted::none())
    };
    let (tables, before) = match place {
        Tables::InMemory => {
            options.wanted = wanted;
            let loaded = load(&options).unwrap();
            (loaded.tables, loaded.before)
        }
        Tables::OnDisk => {
            let dir = folder.path().join("tables");
            let loaded = load(&Options {
                selection: Selection::default(),
                baseline: None,
                ..options.clone()
            });
            let loaded = loaded.unwrap();
            let mut store = Store::open_or_begin(&dir, options.zone, &[]).unwrap();
            let (tables, sources) = (&loaded.tables, loaded.sources);
            store.add(tables, sources, loaded.local_domains).unwrap();
            let tables = store.scans(&wanted, Days::default()).unwrap();
            let before = options.baseline.as_ref().map(|baseline| {
                let before = baseline.selection(&options.selection);
                before.apply(tables.clone()).unwrap()
            });
            let tables = options.selection.apply(tables).unwrap();
            (tables, before.unwrap_or_default())
        }
    };
    let engine = Engine::new(tables.frames, options.zone)
        .knowing(known)
        .over(options.selection.since, options.selection.until)
        .narrowed(about)
        .comparing(before.frames)
        .asking(&few(), &Overrides::new());
    let answer = engine.run(query, &overrides);
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", case.heading));
    found(&answer, folder.path())
}

/// A time of a `params` block, µs.
fn moment(text: &str) -> i64 {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.expect("RFC 3339").timestamp_micros()
}

/// The tables of one log.
pub fn frames(log: &str) -> Frames {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail.log"), log).unwrap();
    let frames = load(&options(folder.path())).unwrap().tables.frames;
    let rows = frames
        .into_iter()
        .map(|(name, frame)| (name, frame.collect().unwrap()));
    rows.collect()
}

fn options(folder: &Path) -> Options {
    Options {
        threads: Some(1),
        ..Options::new(vec![folder.to_owned()], chrono_tz::UTC)
    }
}

fn found(answer: &Answer, folder: &Path) -> Found {
    let prefix = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
    let result = &answer.result;
    let text = result.not_assessable.as_ref();
    let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
    let mut csv = names.join(",") + "\n";
    for row in result.full.iter() {
        let cells: Vec<String> = row.iter().map(|cell| field(cell, &prefix)).collect();
        csv.push_str(&(cells.join(",") + "\n"));
    }
    let (mut findings, mut evidence) = (String::new(), String::new());
    for finding in &answer.findings {
        let sentence = finding.sentence.replace(&prefix, "");
        writeln!(findings, "{}: {sentence}", finding.severity.word()).unwrap();
        let lines = finding.evidence.iter().map(|line| place(line, &prefix));
        writeln!(evidence, "{}", lines.collect::<Vec<_>>().join(" ")).unwrap();
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Found {
        csv: text.is_none().then_some(csv),
        text: text.map(|why| format!("not assessable: {why}\n")),
        findings: some(findings),
        evidence: some(evidence),
    }
}

fn place(line: &Evidence, prefix: &str) -> String {
    format!("{}:{}", line.path.replace(prefix, ""), line.line)
}

/// A cell as CSV: null is nothing, empty text is `""`.
fn field(cell: &Cell, prefix: &str) -> String {
    let text = match &cell.value {
        Value::Null => return String::new(),
        Value::String(text) => text.replace(prefix, ""),
        other => return other.to_string(),
    };
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']);
    if plain {
        text
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// What differs between a case and what it gave, for a reader.
pub fn difference(file: &CaseFile, case: &Case, found: &Found) -> Option<String> {
    let mut said = String::new();
    for kind in ["csv", "text", "findings", "evidence"] {
        let (expected, have) = (case.expected(kind), found.text(kind));
        let asked = kind != "evidence" || expected.is_some();
        if asked && expected.unwrap_or_default() != have.unwrap_or_default() {
            let (want, have) = (expected.unwrap_or_default(), have.unwrap_or_default());
            said.push_str(&block(kind, want, have));
        }
    }
    (!said.is_empty()).then(|| format!("{}: ## {}\n{said}", file.shown(), case.heading))
}

fn block(kind: &str, want: &str, have: &str) -> String {
    if let Some(cells) = cells(kind, want, have) {
        return cells;
    }
    let mut said = format!("  {kind}\n");
    let (want, have): (Vec<&str>, Vec<&str>) = (want.lines().collect(), have.lines().collect());
    for line in want.iter().filter(|line| !have.contains(line)) {
        writeln!(said, "  - {line}").unwrap();
    }
    for line in have.iter().filter(|line| !want.contains(line)) {
        writeln!(said, "  + {line}").unwrap();
    }
    if said.lines().count() == 1 {
        said.push_str("  (the same lines in another order)\n");
    }
    said
}

/// Tables of one shape differ in cells.
fn cells(kind: &str, want: &str, have: &str) -> Option<String> {
    if kind != "csv" {
        return None;
    }
    let (want, have) = (records(want)?, records(have)?);
    if want.len() != have.len() || want.first() != have.first() {
        return None;
    }
    let mut said = String::new();
    for (row, (wanted, had)) in want.iter().zip(&have).enumerate() {
        for (column, (wanted, had)) in wanted.iter().zip(had).enumerate() {
            if wanted != had {
                let name = &want[0][column];
                writeln!(
                    said,
                    "  row {row}, {name}: expected `{wanted}`, found `{had}`"
                )
                .unwrap();
            }
        }
    }
    Some(said).filter(|said| !said.is_empty())
}

fn records(text: &str) -> Option<Vec<csv::StringRecord>> {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    reader.into_records().collect::<Result<_, _>>().ok()
}
