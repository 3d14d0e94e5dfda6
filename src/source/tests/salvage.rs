//! Laws of damage: what comes after it is read, a line that it cuts is none, and what may be wrong is named.

use std::collections::HashSet;

use super::archives::{Whole, tar};
use super::*;

/// Lines that are all different, and do not compress to nothing.
fn lines(name: &str, count: usize) -> Vec<u8> {
    let noise = noise(count * 40);
    let text = noise.chunks(40).zip(0..).map(|(noise, number)| {
        let noise: Vec<u8> = noise.iter().map(|b| (*b).max(b' ')).collect();
        [format!("{name} {number:06} ").as_bytes(), &noise, b"\n"].concat()
    });
    text.collect::<Vec<_>>().concat()
}

/// The lines that count as whole, with their numbers.
fn whole_lines(read: &Read) -> Vec<(u64, &[u8])> {
    let blocks = read.blocks.iter().filter(|block| !block.cut);
    let lines = blocks.flat_map(|block| {
        let lines = block.bytes.split_inclusive(|byte| *byte == b'\n');
        (block.first_line..).zip(lines)
    });
    lines.collect()
}

fn losses(read: &Read) -> &Losses {
    match &read.outcome.problem {
        Some(Problem::Damaged(losses)) => losses,
        other => panic!("no damage: {other:?}"),
    }
}

/// A line is one of those that were packed, or is named as one that may be wrong.
#[track_caller]
fn check_truth(read: &Read, truth: &[u8]) {
    read.check_lines();
    let truth: HashSet<&[u8]> = truth.split_inclusive(|byte| *byte == b'\n').collect();
    let none = Losses::default();
    let losses = match &read.outcome.problem {
        Some(Problem::Damaged(losses)) => losses,
        _ => &none,
    };
    let doubtful = |number: u64| {
        losses.told.iter().any(|loss| {
            let Some(Doubt::Wrong(since) | Doubt::Unchecked(since)) = loss.doubt else {
                return false;
            };
            (since.lines + 1..=loss.before.lines + 1).contains(&number)
        })
    };
    for (number, line) in whole_lines(read) {
        let shown = String::from_utf8_lossy(line);
        assert!(
            truth.contains(line) || doubtful(number),
            "{number} {shown} {losses:?}"
        );
    }
}

#[track_caller]
fn check_has(read: &Read, part: &[u8]) {
    let have: HashSet<&[u8]> = whole_lines(read)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let missing = part
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !have.contains(line));
    // The first line after damage is not known to be whole.
    assert!(missing.count() <= 1);
}

#[test]
fn members_after_a_damaged_one_are_read() {
    let (a, b, c) = (lines("a", 900), lines("b", 900), lines("c", 900));
    let truth = [&a[..], &b, &c].concat();
    for (name, pack) in PACKERS {
        let parts = [pack(&a), pack(&b), pack(&c)];
        let (from, to) = (parts[0].len(), parts[0].len() + parts[1].len());
        let good = parts.concat();
        for at in (from..to)
            .step_by((to - from) / 29)
            .chain(from..from + 12)
            .chain(to - 12..to)
        {
            let mut bytes = good.clone();
            bytes[at] ^= 0x21;
            let read = read_bytes(&bytes, 1000);
            check_truth(&read, &truth);
            if read.outcome.problem.is_none() {
                // A time, or a hint, in a header; or bits that fill a byte up.
                assert!(
                    read.joined() == truth && (at < from + 12 || at + 1 == to),
                    "{name} {at}"
                );
                continue;
            }
            let told = losses(&read);
            assert!(told.told[0].at >= from as u64, "{name} {at}");
            assert!(
                told.told[0].resumed.is_some_and(|to| to > from as u64),
                "{name} {at} {told:?}"
            );
            assert_eq!(told.decoded, read.joined().len() as u64);
            check_has(&read, &a);
            check_has(&read, &c);
        }
    }
}

#[test]
fn independent_blocks_after_a_damaged_one_are_read() {
    let log = lines("x", 12_000);
    let independent = |bytes: &[u8]| {
        let mut encoder = ::lz4::EncoderBuilder::new()
            .block_mode(::lz4::BlockMode::Independent)
            .block_size(::lz4::BlockSize::Max64KB)
            .build(Vec::new())
            .unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().0
    };
    for (pack, block) in [
        (bzip2 as fn(&[u8]) -> Vec<u8>, 100_000),
        (independent, 65_536),
    ] {
        let good = pack(&log);
        for at in (good.len() / 3..good.len() * 2 / 3).step_by(good.len() / 23) {
            let mut bytes = good.clone();
            bytes[at..at + 3].fill(0xff);
            let read = read_bytes(&bytes, 1 << 16);
            check_truth(&read, &log);
            check_has(&read, &log[log.len() - 100_000..]);
            assert!(read.joined().len() >= log.len() - 2 * block, "{at}");
        }
    }
}

#[test]
fn a_line_that_damage_cuts_is_no_line() {
    let (a, c) = (&b"one\ntwo\nthr"[..], &b"ee\nfour\nfive"[..]);
    let mut b = gzip(&lines("b", 50));
    b[3] = 0xff;
    for (middle, lost) in [
        (b, 0),
        (b"no gzip at all, with \x1f\x8b\x08\0 in it".to_vec(), 0),
    ] {
        let bytes = [gzip(a), middle, gzip(c)].concat();
        let read = read_bytes(&bytes, 1 << 20);
        assert_eq!(read.joined(), [a, c].concat());
        let whole: Vec<&[u8]> = whole_lines(&read)
            .into_iter()
            .map(|(_, line)| line)
            .collect();
        assert_eq!(whole, [&b"one\n"[..], b"two\n", b"four\n", b"five"]);
        let cut: Vec<&[u8]> = read
            .blocks
            .iter()
            .filter(|b| b.cut)
            .map(|b| &b.bytes[..])
            .collect();
        assert_eq!(cut, [b"three\n"]);
        let told = losses(&read);
        assert_eq!((told.told.len(), told.told[0].before.lines), (1, 2));
        assert_eq!(
            told.told[0].resumed,
            Some((bytes.len() - gzip(c).len()) as u64)
        );
        assert_eq!(told.told[0].doubt, None, "{lost}");
    }
    // Nor is the last one of a file that was cut.
    let whole = gzip(&lines("x", 3000));
    let read = read_bytes(&whole[..whole.len() / 2], 1000);
    let last = read.blocks.last().unwrap();
    assert!(last.cut || last.bytes.ends_with(b"\n"));
    assert!(matches!(
        losses(&read).told[0].doubt,
        Some(Doubt::Unchecked(Mark { bytes: 0, lines: 0 }))
    ));
}

#[test]
fn what_a_late_checksum_leaves_in_doubt_is_named() {
    let (a, b) = (lines("a", 10), lines("b", 20));
    let mut second = gzip(&b);
    let crc = second.len() - 8;
    second[crc] ^= 1;
    let read = read_bytes(&[gzip(&a), second].concat(), 1 << 20);
    let told = losses(&read);
    let since = Mark {
        bytes: a.len() as u64,
        lines: 10,
    };
    assert_eq!(told.told[0].doubt, Some(Doubt::Wrong(since)));
    assert_eq!(told.told[0].before.lines, 30);
    assert_eq!(whole_lines(&read).len(), 30);
}

#[test]
fn beginnings_without_an_end_are_given_up() {
    let mut bytes = gzip(&lines("a", 5));
    for _ in 0..200_000 {
        bytes.extend(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\0\0\0\xff\xff");
    }
    let start = std::time::Instant::now();
    let read = read_bytes(&bytes, 1 << 20);
    assert_eq!(losses(&read).told[0].resumed, None);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn marks_of_blocks_without_any_are_given_up() {
    let mut bytes = bzip2(&lines("a", 5));
    bytes.truncate(bytes.len() - 12);
    for _ in 0..100_000 {
        bytes.extend(b"\x31\x41\x59\x26\x53\x59 no block of any");
    }
    let read = read_bytes(&bytes, 1 << 20);
    let losses = losses(&read);
    assert!(losses.more < 2000, "{}", losses.more);
    assert_eq!(read.outcome.bytes, bytes.len() as u64);
}

#[test]
fn a_tar_in_what_is_damaged_goes_on_at_its_next_header() {
    let big = lines("b", 9000);
    let files = [
        ("a", LOG),
        ("b", &big[..]),
        ("c", &big[..40_000]),
        ("d", LOG),
    ];
    let bytes = tar(&files);
    let (one, two) = (2048 + 60_000, 2048 + 90_001);
    for (name, pack) in PACKERS {
        let mut middle = pack(&bytes[one..two]);
        let at = middle.len() / 2;
        middle[at..at + 20].fill(0xff);
        let packed = [pack(&bytes[..one]), middle, pack(&bytes[two..])].concat();
        let whole = Whole::of(&packed);
        let files = whole.files();
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b", "c", "d"], "{name}");
        assert!(files[0].1 == LOG && files[2].1 == &big[..40_000] && files[3].1 == LOG);
        assert!(files[1].1.len() >= 60_000 && files[1].1[..60_000] == big[..60_000]);
        let told = whole.problems();
        assert_eq!(told.len(), 2, "{name} {told:?}");
        assert!(matches!(told[1], ("b", Problem::Damaged(_))));
        let Problem::Broken { what, .. } = told[0].1 else {
            panic!("{told:?}");
        };
        assert!(what.contains("; reading went on at byte "), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_flipped_bit_leaves_only_lines_that_are_true_or_named(
        at in 0usize..1_000_000, bit in 0u8..8, codec in 0usize..5, size in 1usize..5000,
    ) {
        let (a, b, c) = (lines("a", 300), lines("b", 300), lines("c", 300));
        let pack = PACKERS[codec].1;
        let mut bytes = [pack(&a), pack(&b), pack(&c)].concat();
        let at = 12 + at % (bytes.len() - 12);
        bytes[at] ^= 1 << bit;
        let read = read_bytes(&bytes, size);
        check_truth(&read, &[a, b, c].concat());
    }
}
