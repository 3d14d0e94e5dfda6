//! Real lines, damaged at random, through the whole pipeline: no panic, and law 1 holds.

use std::sync::OnceLock;

use mtaudit::commands::blocks::parse;
use mtaudit::correlate::Part;
use mtaudit::correlate::finish::{Local, finish};
use mtaudit::source::Block;
use mtaudit::strings::Strings;
use mtaudit::syslog::{Cache, Clock, YearRule};
use mtaudit::tables::build;
use proptest::prelude::*;

use super::sample;

fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let files = [
            "postfix/mx1/mail.log",
            "postfix/mx2/mail.log.1",
            "hostile/forged.log",
            "hostile/markup.log",
        ];
        let bytes: Vec<u8> = files.iter().flat_map(|file| sample(file)).collect();
        bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    })
}

/// One change to a stretch of lines.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Cut(usize, usize),
    Repeat(usize, usize),
    Move(usize, usize),
    Insert(usize, &'static str),
}

const WORDS: [&str; 14] = [
    "\0",
    "\n",
    "\r\n",
    ": ",
    "<",
    ">",
    "[",
    "]",
    "(",
    ", status=sent (",
    " to=<a@example.com>",
    "\u{202e}",
    "99999999999999999999",
    "-1",
];

fn change() -> impl Strategy<Value = Change> {
    let at = 0usize..20_000;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at.clone(), 1usize..400).prop_map(|(at, len)| Change::Cut(at, len)),
        (at.clone(), 1usize..400).prop_map(|(at, len)| Change::Repeat(at, len)),
        (at.clone(), at.clone()).prop_map(|(from, to)| Change::Move(from, to)),
        (at, prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Change::Insert(at, word)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let len = bytes.len().max(1);
    match *change {
        Change::Set(at, byte) => bytes[at % len] = byte,
        Change::Cut(at, n) => drop(
            bytes
                .drain(at % len..len.min(at % len + n))
                .collect::<Vec<_>>(),
        ),
        Change::Repeat(at, n) => {
            let piece = bytes[at % len..len.min(at % len + n)].to_vec();
            bytes.splice(at % len..at % len, piece);
        }
        Change::Move(from, to) => {
            let piece: Vec<u8> = bytes.drain(from % len..len.min(from % len + 120)).collect();
            let to = to % (bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        Change::Insert(at, word) => drop(bytes.splice(at % len..at % len, word.bytes())),
    }
}

/// The whole way; law 1 for the one source.
fn through(bytes: Vec<u8>) {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
    let strings = Strings::default();
    let rule = YearRule::From {
        year: 2026,
        month: 11,
        day: 1,
    };
    let clock = Clock::new(chrono_tz::Europe::Berlin, rule);
    let block = Block {
        bytes,
        first_line: 1,
        cut: false,
    };
    let mut whole = Part::default();
    whole.append(parse(&block, 0, &clock, Cache::default(), &strings));
    let rows = finish(whole, &strings, &Local::default());
    let counts = &rows.tally.sources[&0];
    assert_eq!(counts.lines, lines);
    let sum = counts.events + counts.ignored + counts.unrecognised + counts.undecodable;
    assert_eq!(counts.lines, sum);
    build::tables(
        rows,
        &[],
        &strings,
        chrono_tz::Europe::Berlin,
        &build::Wanted::default(),
    )
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn damaged_stretches_of_real_logs(
        from in 0..seeds().len(),
        count in 1usize..80,
        changes in prop::collection::vec(change(), 1..25),
    ) {
        let seeds = seeds();
        let mut bytes = seeds[from..seeds.len().min(from + count)].concat();
        for change in &changes {
            if !bytes.is_empty() {
                apply(&mut bytes, change);
            }
        }
        through(bytes);
    }
}

#[test]
fn every_seed_is_whole() {
    through(seeds().concat());
    through(Vec::new());
}
