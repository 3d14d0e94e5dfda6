//! `cargo bench`: how fast each stage is, and how the whole compares with other tools.
//!
//! ```text
//! cargo bench                           stages, on the lab's capture where it is, else on sample logs
//! cargo bench -- compare                end to end beside pflogsumm, gzip, zstd and lnav, where installed
//! cargo bench -- amplify LOG MB OUT     only makes a larger log
//! ```
//!
//! MTAUDIT_BENCH_MB sets the size of the log (default 128). It is made once, under the target folder. Numbers are
//! medians of five.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod amplify;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use mtaudit::commands::blocks;
use mtaudit::commands::load::{self, Options};
use mtaudit::correlate::{Part, finish};
use mtaudit::event::Parsed;
use mtaudit::formats;
use mtaudit::query::{Engine, Library};
use mtaudit::source::{self, Block};
use mtaudit::strings::Strings;
use mtaudit::syslog::{self, Cache, Clock, YearRule};
use mtaudit::tables::build::{self, Wanted};

const RUNS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["amplify", log, mb, out] => {
            let base = fs::read(log).unwrap();
            make(&base, mb.parse().unwrap(), Path::new(out));
        }
        ["compare"] => compare(&corpus()),
        [] => stages(&corpus()),
        other => panic!("{other:?}: none, `compare`, or `amplify LOG MB OUT`"),
    }
}

fn target() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The log that is measured.
fn corpus() -> PathBuf {
    let mb: u64 = std::env::var("MTAUDIT_BENCH_MB").map_or(128, |mb| mb.parse().unwrap());
    let path = target().join(format!("{mb}.log"));
    if !path.exists() {
        make(&base(), mb, &path);
    }
    println!("log: {} MB", fs::metadata(&path).unwrap().len() / 1_000_000);
    path
}

fn make(base: &[u8], mb: u64, out: &Path) {
    let begun = out.with_extension("begun");
    let mut file = BufWriter::new(File::create(&begun).unwrap());
    let lines = amplify::amplify(base, mb * 1_000_000, &mut file).unwrap();
    file.flush().unwrap();
    fs::rename(&begun, out).unwrap();
    println!("{}: {lines} lines", out.display());
}

/// The lab's large capture, else the samples in the traditional layout.
fn base() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let capture = root.join("../shared/lab/captures/postfix-60k/mail.log.zst");
    if let Ok(packed) = File::open(capture) {
        return zstd::decode_all(packed).unwrap();
    }
    let samples = source::discover(&[root.join("sample-logs/postfix/mx1")]);
    let mut all = Vec::new();
    for source in samples {
        source::read(&source, 1 << 20, &|_| (), &mut |block| {
            all.extend(block.bytes)
        });
    }
    all
}

/// Median of the runs, seconds.
fn median<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn told(stage: &str, seconds: f64, bytes: u64) {
    println!(
        "{stage:32} {:9.1} ms {:8.0} MB/s",
        seconds * 1e3,
        bytes as f64 / seconds / 1e6
    );
}

fn packed(log: &Path, tool: &str) -> Option<PathBuf> {
    let out = log.with_extension(format!("log.{}", if tool == "gzip" { "gz" } else { "zst" }));
    if !out.exists() {
        let done = Command::new(tool)
            .args(["-c", "-q"])
            .arg(log)
            .stdout(File::create(&out).ok()?)
            .status();
        if !matches!(done, Ok(status) if status.success()) {
            fs::remove_file(&out).ok()?;
            println!("left out: no {tool}");
            return None;
        }
    }
    Some(out)
}

fn split(path: &Path, on_block: &mut dyn FnMut(Block)) {
    for source in source::discover(&[path.to_owned()]) {
        source::read(&source, 1 << 20, &|_| (), on_block);
    }
}

fn stages(log: &Path) {
    let bytes = fs::metadata(log).unwrap().len();
    println!("one thread where not said otherwise; MB of decoded log");
    for tool in ["gzip", "zstd"] {
        if let Some(path) = packed(log, tool) {
            let seconds = median(|| split(&path, &mut |block| drop(black_box(block))));
            told(&format!("decode {tool}, split, hash"), seconds, bytes);
        }
    }
    let seconds = median(|| split(log, &mut |block| drop(black_box(block))));
    told("read, split, hash", seconds, bytes);

    let mut blocks = Vec::new();
    split(log, &mut |block| blocks.push(block));
    let rule = YearRule::From {
        year: 2026,
        month: 1,
        day: 1,
    };
    let clock = Clock::new(chrono_tz::UTC, rule);
    let seconds = median(|| blocks.iter().map(|block| parse(block, &clock)).sum::<u64>());
    told("parse", seconds, bytes);
    let seconds = median(|| {
        let strings = Strings::default();
        blocks
            .iter()
            .for_each(|block| drop(blocks::parse(block, 0, &clock, Cache::default(), &strings)));
    });
    told("parse and fold", seconds, bytes);
    let fold = |strings: &Strings| -> Vec<Part> {
        blocks
            .iter()
            .map(|block| blocks::parse(block, 0, &clock, Cache::default(), strings))
            .collect()
    };
    let join = |parts: Vec<Part>| {
        let mut whole = Part::default();
        parts.into_iter().for_each(|part| whole.append(part));
        whole
    };
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let strings = Strings::default();
        let parts = fold(&strings);
        let start = Instant::now();
        let whole = join(parts);
        times[0].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let rows = finish::finish(whole, &strings, &finish::Local::default());
        times[1].push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let wanted = Wanted::default();
        black_box(build::tables(rows, &[], &strings, chrono_tz::UTC, &wanted).unwrap());
        times[2].push(start.elapsed().as_secs_f64());
    }
    let names = [
        "join",
        "correlate, all cores",
        "tables, all columns, all cores",
    ];
    for (name, mut times) in names.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        told(name, times[RUNS / 2], bytes);
    }
    drop(blocks);
    queries(log, bytes);
    whole(log, bytes);
}

/// Lines of the block that say something.
fn parse(block: &Block, clock: &Clock) -> u64 {
    let mut cache = Cache::default();
    let lines = block.bytes.split(|byte| *byte == b'\n');
    let events = lines.filter(|line| {
        let header = syslog::header(line, clock, &mut cache);
        header.is_some_and(|header| matches!(formats::parse(&header).1, Parsed::Event(_)))
    });
    events.count() as u64
}

fn queries(log: &Path, bytes: u64) {
    let loaded = load::load(&Options {
        year: Some(2026),
        // As reports have them.
        wanted: Wanted::default().coded(),
        ..Options::new(vec![log.to_owned()], chrono_tz::UTC)
    });
    let engine = Engine::new(loaded.unwrap().tables.frames, chrono_tz::UTC);
    let library = Library::builtin().unwrap();
    for query in library.iter() {
        let seconds = median(|| engine.run(query, &Default::default()).unwrap());
        told(&format!("query {}", query.name), seconds, bytes);
    }
}

fn report(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtaudit"));
    command.args(["report", "audit", "-q", "--year", "2026", "--out"]);
    command.arg(target().join("report")).arg(log);
    command
}

/// The whole, with what the program says of its stages.
fn whole(log: &Path, bytes: u64) {
    for threads in ["1", "2"] {
        let run = || report(log).args(["--threads", threads]).status().unwrap();
        told(
            &format!("report audit, --threads {threads}"),
            median(run),
            bytes,
        );
    }
    let output = report(log).arg("--timings").output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stderr));
}

/// End to end beside other tools on the same log.
fn compare(log: &Path) {
    let bytes = fs::metadata(log).unwrap().len();
    let own = median(|| report(log).status().unwrap());
    told("mtaudit report audit", own, bytes);
    let other = |tool: &str, args: &[&str], file: &Path, note: &str| {
        let run = || {
            Command::new(tool)
                .args(args)
                .arg(file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
        };
        if run().is_err() {
            return println!("left out: no {tool}");
        }
        let seconds = median(run);
        told(tool, seconds, bytes);
        println!("    {note}: {:.2} times as long as mtaudit", seconds / own);
    };
    other("pflogsumm", &[], log, "its report");
    let lnav = ["-n", "-c", ";SELECT count(*) FROM all_logs"];
    other("lnav", &lnav, log, "opening and counting lines");
    for tool in ["gzip", "zstd"] {
        rotated(log, tool, bytes);
    }
}

/// The same log in eight compressed files, beside their decompression alone by two processes.
fn rotated(log: &Path, tool: &str, bytes: u64) {
    let dir = log.with_extension(tool);
    if !dir.exists() {
        fs::create_dir_all(&dir).unwrap();
        for (number, piece) in pieces(&fs::read(log).unwrap(), 8).into_iter().enumerate() {
            let plain = dir.join(format!("mail.{number}.log"));
            fs::write(&plain, piece).unwrap();
            if packed(&plain, tool).is_none() {
                return fs::remove_dir_all(&dir).unwrap();
            }
            fs::remove_file(plain).unwrap();
        }
    }
    let own = median(|| report(&dir).status().unwrap());
    told(&format!("mtaudit report audit, 8 {tool}"), own, bytes);
    let command = format!("ls | xargs -P2 -n1 {tool} -dc");
    let run = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(&dir);
        shell.stdout(Stdio::null()).status().unwrap()
    };
    let seconds = median(run);
    told(&command, seconds, bytes);
    println!("    mtaudit: {:.2} times as long", own / seconds);
}

/// A log cut at line ends.
fn pieces(log: &[u8], count: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = log;
    for left in (1..=count).rev() {
        let about = rest.len() / left;
        let end = rest[about..].iter().position(|byte| *byte == b'\n');
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| about + end + 1));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
