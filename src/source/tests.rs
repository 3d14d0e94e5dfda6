//! Laws of discovery and reading.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

mod archives;
mod salvage;

const LOG: &[u8] =
    b"Nov 23 10:36:52 mx1 a: one\nNov 23 10:36:53 mx1 a: two\r\n\nthe last, without end";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// By the reference implementation: linked blocks, checksums of blocks and of the content.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::lz4::EncoderBuilder::new()
        .block_mode(::lz4::BlockMode::Linked)
        .block_checksum(::lz4::liblz4::BlockChecksum::BlockChecksumEnabled)
        .build(Vec::new())
        .unwrap();
    encoder.write_all(bytes).unwrap();
    let (packed, result) = encoder.finish();
    result.unwrap();
    packed
}

/// A packer, by name.
type Packer = (&'static str, fn(&[u8]) -> Vec<u8>);

const PACKERS: [Packer; 5] = [
    ("gzip", gzip),
    ("zstd", zstd),
    ("bzip2", bzip2),
    ("xz", xz),
    ("lz4", lz4),
];

/// Text that does not compress to nothing.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 24 < 8 {
            b'\n'
        } else {
            b' ' + (state >> 16 & 0x3f) as u8
        }
    };
    (0..len).map(step).collect()
}

struct Read {
    blocks: Vec<Block>,
    outcome: Outcome,
}

impl Read {
    fn joined(&self) -> Vec<u8> {
        self.blocks
            .iter()
            .flat_map(|block| block.bytes.iter().copied())
            .collect()
    }

    /// Each block begins at the line after the one before, and the last ends at the last line.
    #[track_caller]
    fn check_lines(&self) {
        let mut next = 1;
        for block in &self.blocks {
            assert_eq!(block.first_line, next);
            assert!(!block.bytes.is_empty());
            let lines = block.bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
            next += lines;
        }
        assert_eq!(self.outcome.lines + 1, next);
    }
}

fn read_file(file: &Path, block_size: usize) -> Read {
    let sources = discover(&[file.to_path_buf()]);
    assert_eq!(sources.len(), 1);
    let told = std::cell::Cell::new(0);
    let mut blocks = Vec::new();
    let progress = |bytes| told.set(told.get() + bytes);
    let outcome = read(&sources[0], block_size, &progress, &mut |block| {
        blocks.push(block)
    });
    assert_eq!(told.get(), outcome.bytes);
    Read { blocks, outcome }
}

fn read_bytes(bytes: &[u8], block_size: usize) -> Read {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mail.log");
    fs::write(&file, bytes).unwrap();
    let read = read_file(&file, block_size);
    assert_eq!(read.outcome.bytes, bytes.len() as u64);
    assert_eq!(read.outcome.sha256, sha256(bytes));
    read
}

fn sha256(bytes: &[u8]) -> String {
    let mut digest = digest::Digest::default();
    digest.update(bytes);
    digest.hex()
}

#[track_caller]
fn damage(read: &Read) -> (u64, u64, &str) {
    match &read.outcome.problem {
        Some(Problem::Damaged(losses)) => {
            let loss = &losses.told[0];
            (loss.at, loss.before.bytes, &loss.what)
        }
        other => panic!("no damage: {other:?}"),
    }
}

#[test]
fn every_codec_gives_the_same_lines() {
    let half = LOG.len() / 2;
    let members = |encode: fn(&[u8]) -> Vec<u8>| {
        [encode(&LOG[..half]), encode(b""), encode(&LOG[half..])].concat()
    };
    let padded = [gzip(LOG), vec![0; 1000]].concat();
    let skipped = b"\x50\x2a\x4d\x18\x02\0\0\0xx".to_vec();
    let skippable = [skipped.clone(), zstd(LOG)].concat();
    let between = [lz4(&LOG[..half]), skipped, lz4(&LOG[half..])].concat();
    let mut all = vec![LOG.to_vec(), padded, skippable, between];
    for (_, pack) in PACKERS {
        all.extend([pack(LOG), members(pack), [pack(LOG), vec![0; 8]].concat()]);
    }
    for bytes in all {
        for block_size in [1, 40, 1 << 20] {
            let read = read_bytes(&bytes, block_size);
            assert_eq!(
                (read.outcome.problem.clone(), read.outcome.lines),
                (None, 4)
            );
            assert_eq!(read.outcome.decoded_sha256, sha256(LOG));
            assert_eq!(read.joined(), LOG);
            read.check_lines();
        }
    }
}

#[test]
fn large_files_are_decoded_apart_with_the_same_result() {
    let log = noise(3 << 20);
    for (name, pack) in PACKERS {
        let bytes = pack(&log);
        assert!(bytes.len() > 1 << 20, "{name}");
        let read = read_bytes(&bytes, 100_000);
        assert_eq!(read.outcome.problem, None);
        assert!(read.blocks.len() > 20);
        assert!(read.joined() == log);
        read.check_lines();
        let cut = read_bytes(&bytes[..bytes.len() - 9], 100_000);
        assert!(log.starts_with(&cut.joined()));
        assert_eq!(damage(&cut).0, bytes.len() as u64 - 9);
    }
}

#[test]
fn damage_keeps_what_came_before_it() {
    let log = noise(600_000);
    for (_, pack) in PACKERS {
        let mut bytes = pack(&log);
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xff);
        let read = read_bytes(&bytes, 10_000);
        let (at, decoded, _) = damage(&read);
        assert!(decoded <= read.joined().len() as u64);
        // What is decoded from the damaged bytes themselves may be wrong; what lies well before is not.
        assert!(log.starts_with(&read.joined()[..140_000]));
        assert!(at > middle as u64 / 2 && at <= bytes.len() as u64, "{at}");
    }
}

#[test]
fn a_wrong_checksum_is_stated() {
    let mut bytes = gzip(LOG);
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    let read = read_bytes(&bytes, 1 << 20);
    assert_eq!(read.joined(), LOG);
    assert_eq!(damage(&read).2, "incorrect data check");
}

#[test]
fn what_follows_the_compressed_data_is_stated() {
    for (_, encode) in PACKERS {
        let good = encode(LOG);
        let read = read_bytes(&[&good[..], b"\0\0garbage"].concat(), 1 << 20);
        assert_eq!(read.joined(), LOG);
        let (at, decoded, what) = damage(&read);
        assert_eq!((at, decoded), (good.len() as u64 + 2, LOG.len() as u64));
        assert_eq!(what, "other data after the compressed data");
    }
}

#[test]
fn nothing_is_a_problem_too() {
    let packed = PACKERS.map(|(_, pack)| pack(b""));
    for bytes in [vec![]].into_iter().chain(packed) {
        let read = read_bytes(&bytes, 1 << 20);
        assert_eq!(read.outcome.problem, Some(Problem::Empty));
        assert!(read.blocks.is_empty());
    }
}

#[test]
fn long_lines_are_cut_and_their_neighbours_are_not() {
    let long = |len: usize| vec![b'x'; len];
    for (len, cut) in [
        (MAX_LINE, false),
        (MAX_LINE + 1, true),
        (3 * MAX_LINE + 5, true),
        (3 << 20, true),
    ] {
        let log = [
            b"before\n",
            &long(len)[..],
            b"\nafter\n",
            &long(len),
            b"\nlast",
        ]
        .concat();
        for block_size in [1, 1 << 16, 1 << 20] {
            let read = read_bytes(&log, block_size);
            assert_eq!(read.outcome.decoded_sha256, sha256(&log));
            assert_eq!(read.outcome.lines, 5);
            read.check_lines();
            let cuts: Vec<_> = read.blocks.iter().filter(|block| block.cut).collect();
            assert_eq!(cuts.len(), if cut { 2 } else { 0 });
            assert!(cuts.iter().all(|block| block.bytes == long(MAX_LINE)));
            assert!(
                read.blocks
                    .iter()
                    .all(|block| block.bytes.len() <= block_size.max(2 * MAX_LINE))
            );
        }
    }
}

#[test]
fn what_is_not_read_is_named_and_hashed() {
    let read = read_bytes(b"7z\xbc\xaf\x27\x1c and so on", 1 << 20);
    assert_eq!(read.outcome.problem, Some(Problem::Unsupported("7z")));
    assert_eq!((read.blocks.len(), read.outcome.decoded_bytes), (0, 0));
    let missing = discover(&[PathBuf::from("no such file")]);
    assert_eq!(
        missing[0].problem,
        Some(Problem::Unreadable("No such file or directory".into()))
    );
    let outcome = read_missing(&missing[0]);
    assert_eq!(outcome.problem, missing[0].problem);
}

fn read_missing(source: &Source) -> Outcome {
    read(source, 1 << 20, &|_| {}, &mut |_| {})
}

#[test]
fn folders_are_walked_in_the_order_of_paths() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("b")).unwrap();
    for name in ["a.log", "b/.hidden", "b/x", "c"] {
        File::create(at(name))
            .unwrap()
            .write_all(&gzip(LOG))
            .unwrap();
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path(), at("b/loop")).unwrap();
        std::os::unix::fs::symlink(at("c"), at("d")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("e")).unwrap();
    }
    let names = |paths: &[PathBuf]| -> Vec<String> {
        let prefix = format!("{}/", folder.path().display());
        let sources = discover(paths)
            .into_iter()
            .filter(|source| source.problem.is_none());
        sources
            .map(|source| source.path.replacen(&prefix, "", 1))
            .collect()
    };
    let all = names(&[folder.path().to_path_buf()]);
    assert_eq!(all, ["a.log", "b/.hidden", "b/x", "c"]);
    assert_eq!(names(&[at("c"), at("b"), at("a.log"), at("c")]), all);
    let source = &discover(&[at("c")])[0];
    assert_eq!(
        (source.codec, source.head.as_slice()),
        (Some(Codec::Gzip), LOG)
    );
    assert!(source.mtime.is_some());
}

#[test]
fn a_head_holds_whole_lines() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("x");
    let log = noise(300_000);
    let packed = PACKERS.map(|(_, pack)| pack(&log));
    for bytes in [log.clone()].into_iter().chain(packed) {
        fs::write(&file, bytes).unwrap();
        let head = &discover(std::slice::from_ref(&file))[0].head;
        assert!(head.len() > 60_000 && head.len() <= 65_536 && head.ends_with(b"\n"));
        assert!(log.starts_with(head));
    }
}

fn log() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => any::<u8>(), 1 => Just(b'\n')];
    prop::collection::vec(byte, 1..3000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_are_the_stream(log in log(), block_size in 1usize..400, codec in 0usize..6) {
        let packer = PACKERS.get(codec);
        let bytes = packer.map_or_else(|| [b"x", &log[..]].concat(), |(_, pack)| pack(&log));
        let read = read_bytes(&bytes, block_size);
        let decoded = if packer.is_none() { bytes } else { log };
        prop_assert_eq!(read.joined(), decoded);
        read.check_lines();
    }

    #[test]
    fn a_cut_file_gives_a_prefix_and_says_so(log in log(), cut in 0.0f64..1.0, codec in 0usize..5) {
        let whole = PACKERS[codec].1(&log);
        // With fewer bytes nothing tells that the file was compressed.
        let len = 6 + ((whole.len() - 6) as f64 * cut) as usize;
        let read = read_bytes(&whole[..len], 100);
        prop_assert!(log.starts_with(&read.joined()));
        prop_assert_eq!(damage(&read).0, len as u64);
        read.check_lines();
    }

    #[test]
    fn any_damage_is_only_damage(log in log(), at in 6usize..3000, byte: u8, codec in 0usize..5) {
        let mut bytes = PACKERS[codec].1(&log);
        let at = 6 + at % (bytes.len() - 6);
        bytes[at] = byte;
        read_bytes(&bytes, 100).check_lines();
    }
}
