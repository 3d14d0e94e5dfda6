//! Laws of archives: what is in them, in what they lie, what is wrong with them. The writers of tar and zip here are the
//! tests' own; `tests/it/archives.rs` has archives that other programs wrote.

use std::collections::BTreeMap;

use super::*;

/// A header of tar with a right sum.
pub(super) fn tar_header(name: &[u8], flag: u8, size: u64) -> [u8; 512] {
    let mut block = [0u8; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"14720000000\0");
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

/// Puts the sum in.
fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn filled(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    bytes
}

fn tar_member(name: &[u8], flag: u8, bytes: &[u8]) -> Vec<u8> {
    let header = tar_header(name, flag, bytes.len() as u64);
    [&header[..], &filled(bytes)].concat()
}

/// Files, one after the other, and the end.
pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in files {
        out.extend(tar_member(name.as_bytes(), b'0', bytes));
    }
    out.extend([0; 1024]);
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// How a member of a zip is written.
#[derive(Clone, Copy, Default)]
struct Way {
    method: u16,
    /// Sizes and checksum come after the content.
    described: bool,
    encrypted: bool,
    wide: bool,
}

fn pack(way: Way, bytes: &[u8]) -> Vec<u8> {
    match way.method {
        8 => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        12 => bzip2(bytes),
        93 => zstd(bytes),
        95 => xz(bytes),
        _ => bytes.to_vec(),
    }
}

fn zip(files: &[(&str, &[u8], Way)]) -> Vec<u8> {
    let (mut out, mut listed) = (Vec::new(), Vec::new());
    for (name, bytes, way) in files {
        let packed = pack(*way, bytes);
        let flags = u16::from(way.encrypted) | if way.described { 8 } else { 0 };
        let sizes = [crc(bytes), packed.len() as u32, bytes.len() as u32];
        let mut extra = Vec::new();
        let shown = match (way.described, way.wide) {
            (true, _) => [0, 0, 0],
            (_, true) => {
                extra.extend([1, 0, 16, 0]);
                extra.extend((bytes.len() as u64).to_le_bytes());
                extra.extend((packed.len() as u64).to_le_bytes());
                [sizes[0], u32::MAX, u32::MAX]
            }
            _ => sizes,
        };
        let words = |words: [u32; 3]| words.map(u32::to_le_bytes).concat();
        let common = [
            &[20, 0][..],
            &flags.to_le_bytes(),
            &way.method.to_le_bytes(),
            &[0x00, 0x60, 0x77, 0x5d],
            &words(shown),
            &(name.len() as u16).to_le_bytes(),
            &(extra.len() as u16).to_le_bytes(),
        ]
        .concat();
        let at = out.len() as u32;
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), &extra, &packed].concat());
        if way.described {
            out.extend([b"PK\x07\x08", &words(sizes)[..]].concat());
        }
        let rest = [&[0; 10][..], &at.to_le_bytes()].concat();
        let own = [&rest[..], name.as_bytes(), &extra].concat();
        listed.extend([b"PK\x01\x02\x14\0", &common[..], &own].concat());
    }
    out.extend(&listed);
    out.extend(b"PK\x05\x06");
    out.extend([0; 18]);
    out
}

/// Everything of one file: what was found, in order, each read alone; and in one pass, which has to be the same.
pub(super) struct Whole {
    sources: Vec<Source>,
    outcomes: Vec<Outcome>,
    lines: Vec<Vec<u8>>,
}

impl Whole {
    pub(super) fn of(bytes: &[u8]) -> Whole {
        Whole::within(bytes, Limits::default())
    }

    fn within(bytes: &[u8], limits: Limits) -> Whole {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, bytes).unwrap();
        let sources = discover_within(&[file], limits);
        let (mut outcomes, mut lines) = (Vec::new(), Vec::new());
        for source in &sources {
            let mut text = Vec::new();
            let outcome = read(source, 100, &|_| (), &mut |block| text.extend(block.bytes));
            outcomes.push(outcome);
            lines.push(text);
        }
        let whole = Whole {
            sources,
            outcomes,
            lines,
        };
        if whole.sources[0].archive.is_some() {
            whole.check_one_pass(bytes);
        }
        whole
    }

    fn check_one_pass(&self, bytes: &[u8]) {
        let mut seen: BTreeMap<usize, (Outcome, Vec<u8>)> = BTreeMap::new();
        let mut inner = BTreeMap::new();
        let outer = read_archive(
            &self.sources[0],
            &|_| (),
            &mut |member| {
                let (number, mut text) = (member.number, Vec::new());
                let outcome = member.read(1 << 16, &|_| (), &mut |b| text.extend(b.bytes));
                seen.insert(number, (outcome, text));
            },
            &mut |number, outcome| drop(inner.insert(number, outcome)),
        );
        assert_eq!(outer.sha256, sha256(bytes));
        assert_eq!(outer.sha256, self.outcomes[0].sha256);
        assert_eq!(outer.problem, self.outcomes[0].problem);
        for (at, source) in self.sources.iter().enumerate().skip(1) {
            let number = source.number().unwrap();
            let own = &self.outcomes[at];
            if let Some((outcome, text)) = seen.remove(&number) {
                assert_eq!(text, self.lines[at], "{}", source.name());
                assert_eq!(outcome.problem, own.problem);
                assert_eq!(outcome.sha256, own.sha256);
                assert_eq!(outcome.decoded_sha256, own.decoded_sha256);
            } else if let Some(outcome) = inner.remove(&number) {
                assert_eq!(
                    (outcome.sha256, outcome.problem),
                    (own.sha256.clone(), own.problem.clone())
                );
            } else {
                assert!(source.problem.as_ref().is_some_and(Problem::refuses));
            }
        }
        assert!(seen.is_empty() && inner.is_empty());
    }

    /// Names and lines of the members that have some.
    pub(super) fn files(&self) -> Vec<(&str, &[u8])> {
        let names = self
            .sources
            .iter()
            .map(|s| s.member.as_deref().unwrap_or(""));
        let files = names.zip(self.lines.iter().map(Vec::as_slice));
        files.filter(|(_, lines)| !lines.is_empty()).collect()
    }

    pub(super) fn problems(&self) -> Vec<(&str, &Problem)> {
        let names = self
            .sources
            .iter()
            .map(|s| s.member.as_deref().unwrap_or(""));
        let all = names.zip(&self.outcomes);
        all.filter_map(|(name, outcome)| Some((name, outcome.problem.as_ref()?)))
            .collect()
    }

    #[track_caller]
    fn check_sound(&self) {
        assert_eq!(self.problems(), []);
    }

    /// What is wrong with the file itself.
    #[track_caller]
    fn broken(&self) -> (u64, u64, &str) {
        match &self.outcomes[0].problem {
            Some(Problem::Broken { at, members, what }) => (*at, *members, what),
            other => panic!("not broken: {other:?}"),
        }
    }
}

fn as_is(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

const OTHER: &[u8] = b"Nov 24 10:36:52 mx2 b: another\n";

#[test]
fn a_tar_is_its_members_however_it_is_packed() {
    let (packed, log) = (gzip(OTHER), noise(300_000));
    let files = tar(&[
        ("a/mail.log", LOG),
        ("b.gz", &packed),
        ("c", &log),
        ("empty", b""),
    ]);
    let plain = [("plain", as_is as fn(&[u8]) -> Vec<u8>)];
    for (name, pack) in plain.into_iter().chain(PACKERS) {
        let whole = Whole::of(&pack(&files));
        assert_eq!(
            whole.files(),
            [("a/mail.log", LOG), ("b.gz", OTHER), ("c", &log)],
            "{name}"
        );
        assert_eq!(whole.problems(), [("empty", &Problem::Empty)]);
        let outer = &whole.sources[0];
        assert_eq!(outer.archive, Some(Archive::Tar));
        assert_eq!(outer.codec.map(Codec::name), Some(name));
        let member = &whole.sources[2];
        assert_eq!(member.codec, Some(Codec::Gzip));
        assert_eq!(
            (member.bytes, member.mtime),
            (packed.len() as u64, Some(0o14720000000))
        );
        assert_eq!(whole.outcomes[2].sha256, sha256(&packed));
        assert_eq!(whole.outcomes[2].decoded_sha256, sha256(OTHER));
        assert!(member.name().ends_with("file!/b.gz"));
        assert!(log.starts_with(&whole.sources[3].head) && whole.sources[3].head.len() > 60_000);
    }
}

#[test]
fn a_zip_is_its_members_however_each_is_packed() {
    let log = noise(300_000);
    let packed = gzip(OTHER);
    for method in [0, 8, 12, 93, 95] {
        for (described, wide) in [(false, false), (true, false), (false, true)] {
            let way = Way {
                method,
                described,
                wide,
                encrypted: false,
            };
            let bytes = zip(&[
                ("a", LOG, way),
                ("folder/", b"", Way::default()),
                ("b", &log, way),
                ("c.gz", &packed, way),
            ]);
            let whole = Whole::of(&bytes);
            let files = whole.files();
            assert_eq!(files[0], ("a", LOG), "{method} {described} {wide}");
            assert!(files[1] == ("b", &log) && files[2] == ("c.gz", OTHER));
            whole.check_sound();
            assert_eq!(whole.sources[0].archive, Some(Archive::Zip));
            assert_eq!(whole.outcomes[3].sha256, sha256(&packed));
            assert_eq!(whole.sources[1].mtime, Some(1_795_435_200));
        }
    }
}

#[test]
fn encrypted_members_and_unknown_methods_are_named_and_their_neighbours_read() {
    let plain = Way::default();
    let secret = Way {
        encrypted: true,
        ..plain
    };
    let streamed = Way {
        described: true,
        ..secret
    };
    let unknown = Way {
        method: 98,
        ..plain
    };
    let bytes = zip(&[
        ("s", LOG, secret),
        ("a", LOG, plain),
        ("t", LOG, streamed),
        ("u", LOG, unknown),
        ("b", OTHER, plain),
    ]);
    let whole = Whole::of(&bytes);
    assert_eq!(whole.files(), [("a", LOG), ("b", OTHER)]);
    let unknown = Problem::Unsupported("a member packed in a way that is not known");
    let told = [
        ("s", &Problem::Encrypted),
        ("t", &Problem::Encrypted),
        ("u", &unknown),
    ];
    assert_eq!(whole.problems(), told);
}

#[test]
fn archives_lie_in_one_another_four_deep() {
    let deflated = Way {
        method: 8,
        ..Way::default()
    };
    let mut bytes = gzip(LOG);
    for (depth, pack) in [xz, gzip, zstd].into_iter().enumerate() {
        let zipped = zip(&[("x.gz", &bytes, deflated)]);
        bytes = pack(&tar(&[("first", OTHER), ("in.zip", &zipped)]));
        let whole = Whole::of(&bytes);
        let files = whole.files();
        match depth {
            0 => assert_eq!(files, [("first", OTHER), ("in.zip!/x.gz", LOG)]),
            1 => assert_eq!(files[2], ("in.zip!/x.gz!/in.zip!/x.gz", LOG)),
            _ => {
                assert_eq!(files.len(), 2);
                let what = "an archive inside four others";
                let name = "in.zip!/x.gz!/in.zip!/x.gz";
                assert_eq!(whole.problems(), [(name, &Problem::Unsupported(what))]);
            }
        }
        let inner = whole
            .sources
            .iter()
            .position(|s| s.member.as_deref() == Some("in.zip"));
        assert_eq!(whole.sources[inner.unwrap()].archive, Some(Archive::Zip));
        assert_eq!(whole.outcomes[inner.unwrap()].sha256, sha256(&zipped));
    }
}

#[test]
fn what_is_packed_twice_is_unpacked_twice() {
    for (name, pack) in PACKERS {
        let once = pack(LOG);
        let whole = Whole::of(&gzip(&once));
        assert_eq!(whole.files(), [("unpacked", LOG)], "{name}");
        whole.check_sound();
        assert_eq!(whole.sources[0].archive, Some(Archive::Packed));
        assert_eq!(whole.sources[1].codec.map(Codec::name), Some(name));
        assert_eq!(whole.outcomes[1].sha256, sha256(&once));
        let whole = Whole::of(&pack(&tar(&[("a.gz", &gzip(&once)), ("b", OTHER)])));
        assert_eq!(whole.files(), [("a.gz!/unpacked", LOG), ("b", OTHER)]);
    }
    let mut bytes = gzip(LOG);
    for depth in 1..7 {
        bytes = gzip(&bytes);
        let whole = Whole::of(&bytes);
        assert_eq!(whole.files().len(), usize::from(depth <= 4), "{depth}");
        let deep = Problem::Unsupported("an archive inside four others");
        let told = whole
            .problems()
            .iter()
            .any(|(_, problem)| **problem == deep);
        assert_eq!(told, depth > 4);
    }
}

#[test]
fn a_zip_may_follow_a_program() {
    let way = Way {
        method: 8,
        ..Way::default()
    };
    let zipped = zip(&[("a", LOG, way), ("b", OTHER, way)]);
    let mut program = noise(200_000);
    program.splice(..8, *b"MZ\x90\0PK\x03\x04");
    let whole = Whole::of(&[&program[..], &zipped].concat());
    assert_eq!(whole.files(), [("a", LOG), ("b", OTHER)]);
    whole.check_sound();
    let alone = Whole::of(&program);
    assert_eq!(alone.sources[0].archive, None);
}

#[test]
fn names_in_an_archive_are_words_and_links_are_not_followed() {
    let long = format!("{}/mail.log", "d".repeat(150));
    let attributes = |text: &str| {
        let len = text.len() + 4;
        format!("{len} {text}\n")
    };
    let parts = [
        tar_member(b"../../etc/passwd", b'0', LOG),
        tar_member(b"/etc/shadow\x1b[2J\xff", b'0', OTHER),
        tar_member(b"././@LongLink", b'L', format!("{long}\0").as_bytes()),
        tar_member(b"short", b'0', LOG),
        tar_member(
            b"PaxHeaders/x",
            b'x',
            attributes("path=über.log").as_bytes(),
        ),
        tar_member(b"short", b'0', OTHER),
        tar_header(b"folder/", b'5', 0).to_vec(),
        tar_header(b"pipe", b'6', 77).to_vec(),
        {
            let mut link = tar_header(b"link", b'2', 0);
            link[157..168].copy_from_slice(b"/etc/passwd");
            seal(&mut link);
            link.to_vec()
        },
        tar_member(b"", b'0', LOG),
        vec![0; 1024],
    ];
    let whole = Whole::of(&parts.concat());
    let names = [
        "../../etc/passwd",
        "/etc/shadow\x1b[2J\u{fffd}",
        &long,
        "über.log",
        "",
    ];
    let files: Vec<&str> = whole.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, names);
    let pipe = Problem::Skipped("FIFO".into());
    let link = Problem::Skipped("symbolic link to /etc/passwd".into());
    assert_eq!(whole.problems(), [("pipe", &pipe), ("link", &link)]);
}

#[test]
fn members_of_one_name_are_told_apart_and_each_is_read_as_itself() {
    let inner = tar(&[("mail.log", OTHER), ("mail.log", LOG)]);
    let files = [
        ("mail.log", LOG),
        ("mail.log", OTHER),
        ("in.tar", &inner[..]),
        ("in.tar", &inner),
        ("in.tar!/mail.log", LOG),
    ];
    // `Whole` reads each alone, and compares with what one pass gives.
    let whole = Whole::of(&tar(&files));
    let expected = [
        ("mail.log", LOG),
        ("mail.log#2", OTHER),
        ("in.tar!/mail.log", OTHER),
        ("in.tar!/mail.log#2", LOG),
        ("in.tar#2!/mail.log", OTHER),
        ("in.tar#2!/mail.log#2", LOG),
        ("in.tar!/mail.log#3", LOG),
    ];
    assert_eq!(whole.files(), expected);
}

#[test]
fn holes_are_zeros() {
    let content = [LOG, &[0; 5000], OTHER].concat();
    let stored = filled(&[LOG, OTHER].concat());
    let pieces = [(0, LOG.len()), (LOG.len() + 5000, OTHER.len())];
    let real = content.len();
    // GNU's own kind.
    let mut header = tar_header(b"gnu", b'S', (LOG.len() + OTHER.len()) as u64);
    for (at, (start, len)) in pieces.iter().enumerate() {
        let fields = format!("{start:011o}\0{len:011o}\0");
        header[386 + 24 * at..][..24].copy_from_slice(fields.as_bytes());
    }
    header[483..495].copy_from_slice(format!("{real:011o}\0").as_bytes());
    seal(&mut header);
    // Pax 0.1 and 1.0.
    let record = |text: String| {
        let len = text.len() + if text.len() > 95 { 5 } else { 4 };
        format!("{len} {text}\n")
    };
    let list: Vec<String> = pieces.iter().map(|(s, l)| format!("{s},{l}")).collect();
    let old = [
        record(format!("GNU.sparse.size={real}")),
        record(format!("GNU.sparse.map={}", list.join(","))),
        record("GNU.sparse.name=old".into()),
    ];
    let new = [
        record("GNU.sparse.major=1".into()),
        record("GNU.sparse.minor=0".into()),
        record(format!("GNU.sparse.realsize={real}")),
        record("GNU.sparse.name=new".into()),
    ];
    let map = pieces.iter().map(|(s, l)| format!("{s}\n{l}\n"));
    let map = format!("2\n{}", map.collect::<String>());
    let mapped = [filled(map.as_bytes()), [LOG, OTHER].concat()].concat();
    let parts = [
        [&header[..], &stored].concat(),
        tar_member(b"x", b'x', old.concat().as_bytes()),
        tar_member(b"sparse", b'0', &[LOG, OTHER].concat()),
        tar_member(b"x", b'x', new.concat().as_bytes()),
        tar_member(b"sparse", b'0', &mapped),
        tar_member(b"after", b'0', LOG),
        vec![0; 1024],
    ];
    let whole = Whole::of(&parts.concat());
    whole.check_sound();
    let files = whole.files();
    let expected = [
        ("gnu", &content[..]),
        ("old", &content),
        ("new", &content),
        ("after", LOG),
    ];
    assert_eq!(files, expected);
}

#[test]
fn a_damaged_header_costs_its_member_only() {
    let mut bytes = tar(&[("a", LOG), ("b", LOG), ("c", OTHER)]);
    bytes[1024 + 3] ^= 1;
    let whole = Whole::of(&bytes);
    // Of a tar not even that: what follows goes up to the next header.
    assert_eq!(whole.files(), [("a", LOG), ("b", LOG), ("c", OTHER)]);
    assert_eq!(whole.broken(), (1024, 3, "a header with a wrong sum"));
    let way = Way {
        method: 8,
        ..Way::default()
    };
    let mut bytes = zip(&[("a", LOG, way), ("b", LOG, way), ("c", OTHER, way)]);
    let at = 30 + 1 + pack(way, LOG).len();
    bytes[at + 1] ^= 1;
    let whole = Whole::of(&bytes);
    assert_eq!(whole.files(), [("a", LOG), ("c", OTHER)]);
    assert_eq!(
        whole.broken(),
        (at as u64, 2, "no header where one has to be")
    );
}

#[test]
fn a_zip_tells_what_fails_its_checksum_and_what_its_directory_hides() {
    let mut bytes = zip(&[("a", LOG, Way::default()), ("b", OTHER, Way::default())]);
    bytes[40] ^= 1;
    let whole = Whole::of(&bytes);
    assert_eq!(whole.files()[1], ("b", OTHER));
    assert!(matches!(whole.problems()[..], [("a", Problem::Damaged(_))]));
    let mut bytes = zip(&[("a", LOG, Way::default()), ("b", OTHER, Way::default())]);
    let listed = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
    bytes.drain(listed..listed + 46 + 1);
    let whole = Whole::of(&bytes);
    assert_eq!(whole.files().len(), 2);
    assert_eq!(
        whole.broken().2,
        "its directory lists 1 members, 2 were found"
    );
}

#[test]
fn what_follows_an_archive_is_told_and_a_second_one_is_read() {
    let twice = [tar(&[("a", LOG)]), tar(&[("b", OTHER)])].concat();
    let whole = Whole::of(&twice);
    assert_eq!(whole.files(), [("a", LOG), ("b", OTHER)]);
    whole.check_sound();
    let whole = Whole::of(&[tar(&[("a", LOG)]), vec![b'x'; 600]].concat());
    assert_eq!(whole.broken().2, "other data after the end of the archive");
    let whole = Whole::of(&zip(&[]));
    assert_eq!(whole.files(), []);
}

/// Each file that is used is a part of the truth, up to where it ends.
#[track_caller]
fn check_prefixes(whole: &Whole, truth: &[(&str, &[u8])]) {
    for (name, lines) in whole.files() {
        let (_, all) = truth.iter().find(|(own, _)| *own == name).unwrap();
        assert!(all.starts_with(lines), "{name}");
    }
}

#[test]
fn a_cut_archive_gives_what_is_left_and_says_so() {
    let log = noise(20_000);
    let truth = [("a", LOG), ("b", &log[..]), ("c", OTHER)];
    let way = Way {
        method: 8,
        ..Way::default()
    };
    let streamed = Way {
        described: true,
        ..way
    };
    let zipped = |way: Way| zip(&truth.map(|(name, bytes)| (name, bytes, way)));
    let mut all = vec![tar(&truth), zipped(way), zipped(streamed)];
    all.extend(PACKERS.map(|(_, pack)| pack(&tar(&truth))));
    for bytes in all {
        for tenth in 0..=20 {
            let len = (600 + (bytes.len() - 600) * tenth / 21).max(600);
            let whole = Whole::of(&bytes[..len]);
            if whole.sources[0].archive.is_some() {
                assert!(whole.broken().0 <= bytes.len() as u64 * 4);
            } else {
                // Bzip2 gives nothing of a cut block.
                assert!(whole.outcomes[0].problem.is_some());
            }
            check_prefixes(&whole, &truth);
        }
    }
}

#[test]
fn what_grows_too_much_is_stopped_at_the_same_byte_however_it_is_read() {
    let limit = 100_000;
    let limits = Limits {
        decoded: Some(limit),
    };
    let zeros = vec![b'\n'; 3_000_000];
    for (_, pack) in PACKERS {
        let whole = Whole::within(&pack(&zeros), limits);
        assert_eq!(whole.lines[0].len() as u64, limit);
        let stopped = matches!(&whole.outcomes[0].problem, Some(Problem::Stopped { decoded, .. }) if *decoded == limit);
        assert!(stopped, "{:?}", whole.outcomes[0].problem);
        let whole = Whole::within(&pack(&tar(&[("a", LOG), ("b", &zeros)])), limits);
        assert_eq!(whole.files()[0], ("a", LOG));
        assert!(whole.lines[2].len() as u64 <= limit);
        assert!(
            whole
                .broken()
                .2
                .starts_with("more than 100000 bytes come out")
        );
    }
    let way = Way {
        method: 8,
        ..Way::default()
    };
    let whole = Whole::within(&zip(&[("a", &zeros, way), ("b", LOG, way)]), limits);
    assert_eq!(whole.lines[1].len() as u64, limit);
    assert_eq!(whole.files()[1], ("b", LOG));
    assert!(matches!(
        whole.problems()[..],
        [("a", Problem::Stopped { .. })]
    ));
}

/// What comes of reading an archive in one pass: its own outcome, those of its members that are files, of archives inside.
fn one_pass(bytes: &[u8], limits: Limits) -> (Vec<Source>, Outcome, Vec<Outcome>, Vec<Outcome>) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, bytes).unwrap();
    let sources = discover_within(&[file], limits);
    let (mut members, mut inner) = (Vec::new(), Vec::new());
    let outer = read_archive(
        &sources[0],
        &|_| (),
        &mut |member| members.push(member.read(1 << 16, &|_| (), &mut |_| ())),
        &mut |_, outcome| inner.push(outcome),
    );
    (sources, outer, members, inner)
}

#[test]
fn what_lies_in_one_another_has_one_limit_together() {
    let limit = 100_000;
    let limits = Limits {
        decoded: Some(limit),
    };
    let stopped = |outcome: &Outcome| matches!(outcome.problem, Some(Problem::Stopped { .. }));
    let part = vec![b'\n'; 30_000];
    let way = Way {
        method: 8,
        ..Way::default()
    };
    let described = Way {
        described: true,
        ..way
    };
    let parts = [("x", &part[..], way); 20];
    let streamed = [("x", &part[..], described); 20];
    let (mut bombs, packed) = (Vec::new(), gzip(&part));
    bombs.push(zip(&[("in.zip", &zip(&streamed), way)]));
    bombs.push(tar(&[("x.gz", &packed[..]); 20]));
    bombs.push(gzip(&tar(&[("in.gz", &gzip(&zip(&streamed)))])));
    for bytes in bombs {
        let (sources, outer, members, inner) = one_pass(&bytes, limits);
        assert!(stopped(&outer), "{:?}", outer.problem);
        assert!(inner.iter().all(stopped));
        // Each by itself is below the limit, and the one in which all is used up is the last.
        let (last, whole) = members.split_last().unwrap();
        assert!(whole.iter().all(|outcome| outcome.problem.is_none()) && stopped(last));
        assert!((2..=3).contains(&whole.len()), "{}", whole.len());
        let came: u64 = members.iter().map(|outcome| outcome.decoded_bytes).sum();
        assert!(came <= limit + 20 * packed.len() as u64, "{came}");
        assert!(sources.len() > whole.len());
    }
    // Where headers say how much comes, members are found up to there, and read alone to the same end.
    for bytes in [zip(&parts), zip(&[("in.zip", &zip(&parts), way)])] {
        let whole = Whole::within(&bytes, limits);
        assert_eq!(whole.files().len(), 3);
        assert!(stopped(&whole.outcomes[0]) && whole.sources[0].problem.is_some());
        let (_, outer, members, _) = one_pass(&bytes, limits);
        assert_eq!(
            (members.len(), outer.problem),
            (3, whole.outcomes[0].problem.clone())
        );
    }
    // A header that says less than comes hides nothing from it.
    let mut lying = zip(&parts);
    while let Some(at) = memchr::memmem::find(&lying, &30_000u32.to_le_bytes()) {
        lying[at..at + 4].fill(0);
    }
    let (_, outer, members, _) = one_pass(&lying, limits);
    assert!(stopped(&outer) && members.len() == 4);
    // As much as there may be is not too much.
    let three = tar(&[("x.gz", &packed[..]); 3]);
    let whole = Limits {
        decoded: Some(90_000),
    };
    assert_eq!(one_pass(&three, whole).1.problem, None);
    let less = Limits {
        decoded: Some(89_999),
    };
    assert!(stopped(&one_pass(&three, less).1));
    // What is not packed is what it is.
    let plain = tar(&[("x", &part[..]); 20]);
    assert_eq!(one_pass(&plain, limits).1.problem, None);
}

#[test]
fn what_only_decoding_passes_over_is_counted_when_an_archive_is_found() {
    let limits = Limits {
        decoded: Some(100_000),
    };
    let part = vec![b'\n'; 30_000];
    let described = Way {
        method: 8,
        described: true,
        ..Way::default()
    };
    for name in ["x", "folder/"] {
        let files = [(name, &part[..], described); 20];
        let (sources, ..) = one_pass(&zip(&files), limits);
        assert!(sources.len() < 6, "{}", sources.len());
        let problem = &sources[0].problem;
        assert!(
            matches!(problem, Some(Problem::Stopped { .. })),
            "{problem:?}"
        );
    }
}

#[test]
fn heads_become_short_where_there_are_many() {
    let log = noise(20_000);
    let names: Vec<String> = (0..2000)
        .map(|number| format!("mail.log.{number}"))
        .collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &log[..])).collect();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, zstd(&tar(&files))).unwrap();
    let sources = discover(&[file]);
    assert_eq!(sources.len(), 2001);
    let heads: usize = sources.iter().map(|source| source.head.len()).sum();
    assert!(heads < 32 << 20, "{heads}");
    let least = sources[1].least_head();
    assert!(
        sources[1..]
            .iter()
            .all(|source| source.least_head() == least && !least.is_empty())
    );
}

#[test]
fn a_file_that_changes_meanwhile_is_told() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, LOG).unwrap();
    let source = &discover(std::slice::from_ref(&file))[0];
    let longer = [LOG, OTHER].concat();
    fs::write(&file, &longer).unwrap();
    let outcome = read_missing(source);
    let words = format!("from {} to {} bytes", LOG.len(), longer.len());
    assert_eq!(outcome.problem, Some(Problem::Changed(words)));
}

#[test]
fn a_damaged_block_of_bzip2_is_not_taken_for_a_log() {
    let log = noise(1_000_000);
    let good = bzip2(&log);
    for at in (100..good.len()).step_by(good.len() / 40) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let read = read_bytes(&bytes, 1 << 16);
        // One block is missing, and nothing else.
        let joined = read.joined();
        let same = |(a, b): &(&u8, &u8)| a == b;
        let before = log.iter().zip(&joined).take_while(same).count();
        let after = log
            .iter()
            .rev()
            .zip(joined.iter().rev())
            .take_while(same)
            .count();
        assert!(before + after >= joined.len() && joined.len() >= log.len() - 110_000);
        assert!(
            matches!(read.outcome.problem, Some(Problem::Damaged(_))),
            "{at}"
        );
    }
}

#[test]
fn frames_of_lz4_of_every_kind() {
    let log = noise(200_000);
    let legacy = |bytes: &[u8]| {
        let block = lz4_flex_block(bytes);
        [
            b"\x02\x21\x4c\x18",
            &(block.len() as u32).to_le_bytes()[..],
            &block,
        ]
        .concat()
    };
    let plain = |bytes: &[u8]| {
        let mut encoder = ::lz4::EncoderBuilder::new()
            .block_mode(::lz4::BlockMode::Independent)
            .checksum(::lz4::ContentChecksum::NoChecksum)
            .content_size(bytes.len() as u64)
            .build(Vec::new())
            .unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().0
    };
    let long = vec![b'\n'; 5_000_000];
    for bytes in [&log[..], LOG, &long] {
        assert!(read_bytes(&plain(bytes), 1 << 20).joined() == bytes);
        let twice = [legacy(bytes), legacy(bytes), plain(bytes)].concat();
        assert!(read_bytes(&twice, 1 << 20).joined() == [bytes, bytes, bytes].concat());
    }
    let good = plain(&log);
    let mut wrong = good.clone();
    wrong[6] ^= 1;
    assert!(matches!(damage(&read_bytes(&wrong, 1 << 20)), (_, 0, _)));
}

fn lz4_flex_block(bytes: &[u8]) -> Vec<u8> {
    ::lz4::block::compress(bytes, None, false).unwrap()
}

#[test]
fn a_window_of_two_gigabytes_is_no_obstacle() {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(31).unwrap();
    encoder.write_all(LOG).unwrap();
    let read = read_bytes(&encoder.finish().unwrap(), 1 << 20);
    assert_eq!((read.joined(), read.outcome.problem), (LOG.to_vec(), None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_damage_of_an_archive_is_only_damage(at in 0usize..100_000, bit in 0u8..8, kind in 0usize..8) {
        let log = noise(3_000);
        let files = [("a", LOG), ("b", &log[..]), ("c", OTHER)];
        let method = if kind == 1 { 8 } else { 0 };
        let way = Way { method, described: kind == 2, ..Way::default() };
        let mut bytes = match kind {
            0 => tar(&files),
            1 | 2 => zip(&files.map(|(name, bytes)| (name, bytes, way))),
            _ => PACKERS[kind - 3].1(&tar(&files)),
        };
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let whole = Whole::of(&bytes);
        // The first member is far from most of what can be hit; where it is whole, it is the truth.
        for (source, outcome) in whole.sources.iter().zip(&whole.outcomes) {
            if source.member.as_deref() == Some("a") && outcome.problem.is_none() && kind == 1 {
                prop_assert_eq!(&outcome.decoded_sha256, &sha256(LOG));
            }
        }
    }
}
