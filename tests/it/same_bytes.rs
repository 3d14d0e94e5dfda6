//! Law 2: the same input gives the same bytes, whatever the threads, the order of arguments and the blocks.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use mtaudit::commands::blocks::parse;
use mtaudit::correlate::Part;
use mtaudit::correlate::finish::{Local, finish};
use mtaudit::source::Block;
use mtaudit::strings::Strings;
use mtaudit::syslog::{Cache, Clock, YearRule};
use mtaudit::tables::{Tables, build};
use proptest::prelude::*;

use crate::support::{code, files, mtaudit, repo, said};

fn folder(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let bytes = std::fs::read(dir.join(&name)).unwrap();
        (name, bytes)
    };
    files(dir).into_iter().map(read).collect()
}

#[test]
fn reports_are_the_same_for_any_threads_and_order() {
    let dir = tempfile::tempdir().unwrap();
    let (one, eight) = (dir.path().join("one"), dir.path().join("eight"));
    let (mx1, mx2, hostile) = (
        "sample-logs/postfix/mx1",
        "sample-logs/postfix/mx2",
        "sample-logs/hostile",
    );
    for kind in ["audit", "capacity", "incident"] {
        let (out, other) = (one.join(kind), eight.join(kind));
        let (out, other) = (out.to_str().unwrap(), other.to_str().unwrap());
        let first = [
            "report",
            kind,
            "--threads",
            "1",
            "--year",
            "2026",
            "--host",
            "mx1",
            "--host",
            "mx2",
            "--out",
            out,
            mx1,
            hostile,
            mx2,
        ];
        let second = [
            "report",
            kind,
            mx2,
            mx1,
            hostile,
            "--out",
            other,
            "--host",
            "mx2",
            "--host",
            "mx1",
            "--year",
            "2026",
            "--threads",
            "8",
        ];
        for args in [first, second] {
            let output = mtaudit(&repo(""), &args);
            assert_eq!(code(&output), 0, "{}", said(&output));
        }
    }
    let (one, eight) = (folder(&one), folder(&eight));
    let names = |folder: &BTreeMap<String, Vec<u8>>| folder.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&eight));
    for (name, bytes) in &one {
        assert!(*bytes == eight[name], "{name} differs");
    }
}

/// Lines with both kinds of queue IDs, re-injection, and a stranger's words.
fn lines() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for file in [
        "postfix/mx1/mail.log",
        "postfix/mx2/mail.log.1",
        "hostile/forged.log",
        "hostile/control.log",
    ] {
        bytes.extend(std::fs::read(repo("sample-logs").join(file)).unwrap());
    }
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Parts of so many lines each, in order.
fn parts(lines: &[Vec<u8>], cuts: &[usize], strings: &Strings) -> Vec<Part> {
    let rule = YearRule::From {
        year: 2026,
        month: 11,
        day: 1,
    };
    let clock = Clock::new(chrono_tz::Europe::Berlin, rule);
    let (mut at, mut parts) = (0, Vec::new());
    for count in cuts.iter().copied().cycle() {
        let end = lines.len().min(at + count.max(1));
        let block = Block {
            bytes: lines[at..end].concat(),
            first_line: at as u64 + 1,
            cut: false,
        };
        parts.push(parse(&block, 0, &clock, Cache::default(), strings));
        at = end;
        if at == lines.len() {
            return parts;
        }
    }
    parts
}

fn joined(parts: Vec<Part>) -> Part {
    let mut whole = Part::default();
    for part in parts {
        whole.append(part);
    }
    whole
}

/// Neighbours first, then their pairs: another bracketing of the same sum.
fn joined_as_tree(mut parts: Vec<Part>) -> Part {
    while parts.len() > 1 {
        let mut pairs = Vec::new();
        let mut rest = parts.into_iter();
        while let Some(mut left) = rest.next() {
            if let Some(right) = rest.next() {
                left.append(right);
            }
            pairs.push(left);
        }
        parts = pairs;
    }
    parts.pop().unwrap_or_default()
}

fn tables(whole: Part, strings: &Strings) -> Tables {
    let rows = finish(whole, strings, &Local::default());
    build::tables(
        rows,
        &[],
        strings,
        chrono_tz::Europe::Berlin,
        &build::Wanted::default(),
    )
    .unwrap()
}

fn same(lines: &[Vec<u8>], cuts: &[usize], whole: &Tables, join: fn(Vec<Part>) -> Part) {
    let strings = Strings::default();
    let own = tables(join(parts(lines, cuts, &strings)), &strings);
    let rows = |tables: &Tables| {
        tables
            .frames
            .clone()
            .into_iter()
            .map(|(name, frame)| (name, frame.collect().unwrap()))
    };
    for ((name, one), (_, other)) in rows(whole).zip(rows(&own)) {
        assert!(
            one.equals_missing(&other),
            "{name} differs for blocks of {cuts:?} lines\n{one}\n{other}"
        );
    }
}

#[test]
fn any_block_size_and_bracketing_gives_the_same_rows() {
    let lines = lines();
    let strings = Strings::default();
    let whole = tables(joined(parts(&lines, &[lines.len()], &strings)), &strings);
    assert!(whole.get("attempts").unwrap().rows().unwrap() > 300);
    assert!(whole.get("clock_steps").unwrap().rows().unwrap() > 1);
    assert!(whole.get("activity").unwrap().rows().unwrap() > 50);
    for cuts in [&[1][..], &[7], &[25], &[400], &[1, 100, 3]] {
        same(&lines, cuts, &whole, joined);
        same(&lines, cuts, &whole, joined_as_tree);
    }
}

/// Lines whose time goes back, by seconds and by an hour, at the border of a block and within one.
#[test]
fn steps_of_a_clock_are_found_wherever_blocks_end() {
    let line = |second: i64| {
        let time = chrono::DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap();
        let time = time.format("%Y-%m-%dT%H:%M:%S+00:00");
        format!("{time} mx1 postfix/qmgr[8]: 4A1000001: removed\n").into_bytes()
    };
    let seconds = [0, 2, 1, 9, 4, 3604, 3605, 10, 11, 400, 399];
    let lines: Vec<Vec<u8>> = seconds.into_iter().map(line).collect();
    let strings = Strings::default();
    let whole = tables(joined(parts(&lines, &[lines.len()], &strings)), &strings);
    let steps = whole.get("clock_steps").unwrap().collect().unwrap();
    let found: Vec<f64> = steps
        .column("seconds")
        .unwrap()
        .f64()
        .unwrap()
        .into_no_null_iter()
        .collect();
    assert_eq!(found, [-5.0, 3600.0, -3595.0, 389.0]);
    for cuts in 1..lines.len() {
        same(&lines, &[cuts], &whole, joined);
        same(&lines, &[cuts], &whole, joined_as_tree);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_cut_of_a_stretch_gives_the_same_rows(
        from in 0usize..2000,
        count in 1usize..200,
        cuts in prop::collection::vec(1usize..30, 1..6),
    ) {
        let lines = lines();
        let stretch = &lines[from.min(lines.len() - 1)..lines.len().min(from + count)];
        let strings = Strings::default();
        let whole = tables(joined(parts(stretch, &[stretch.len()], &strings)), &strings);
        same(stretch, &cuts, &whole, joined_as_tree);
    }
}
