//! What a file is, by its first bytes. Names lie: logrotate leaves gzip in `mail.log.1`.

use super::{Archive, Codec, Problem};

/// Enough of a file to recognise it: a tar header.
pub(super) const MAGIC: usize = TAR_BLOCK;

/// Enough to recognise the next member of a compressed file.
pub(super) const MEMBER: usize = 6;

/// Tar is made of blocks of this size.
pub(super) const TAR_BLOCK: usize = 512;

/// First bytes, codec, and the format's name when this version does not read it.
const KINDS: &[(&[u8], Codec, Option<&str>)] = &[
    (b"\x1f\x8b", Codec::Gzip, None),
    (b"\x28\xb5\x2f\xfd", Codec::Zstd, None),
    (b"\xfd7zXZ\0", Codec::Xz, None),
    (b"\x04\x22\x4d\x18", Codec::Lz4, None),
    (b"\x02\x21\x4c\x18", Codec::Lz4, None),
    (b"7z\xbc\xaf\x27\x1c", Codec::Plain, Some("7z")),
    (b"Rar!\x1a\x07", Codec::Plain, Some("rar")),
    (b"\x1f\x9d", Codec::Plain, Some("compress")),
    (b"LPKSHHRH", Codec::Plain, Some("systemd journal")),
];

/// The codec of a file that begins like this, and why it cannot be read, if so.
pub(super) fn recognise(start: &[u8]) -> (Codec, Option<Problem>) {
    if is_zstd(start) {
        return (Codec::Zstd, None);
    }
    if is_bzip2(start) {
        return (Codec::Bzip2, None);
    }
    let kind = KINDS.iter().find(|(magic, ..)| start.starts_with(magic));
    match kind {
        Some((_, codec, name)) => (*codec, name.map(Problem::Unsupported)),
        None => (Codec::Plain, None),
    }
}

/// The archive that what was decoded begins like; a codec again is one of one member.
pub(super) fn archive(start: &[u8]) -> Option<Archive> {
    if recognise(start).0 != Codec::Plain {
        return Some(Archive::Packed);
    }
    let zip = start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06");
    if zip {
        return Some(Archive::Zip);
    }
    (is_tar(start) || was_tar(start)).then_some(Archive::Tar)
}

/// A header of a file in a tar whose sum is wrong: damaged, and what follows may be whole. No line of a log has its zeros.
pub(super) fn was_tar(start: &[u8]) -> bool {
    let Some(block) = start.get(..TAR_BLOCK) else {
        return false;
    };
    let marked = [&b"ustar\x0000"[..], b"ustar  \0"].contains(&&block[257..265]);
    marked && matches!(block[156], 0 | b'0') && block[500..].iter().all(|byte| *byte == 0)
}

/// A program: a zip may follow it, which it unpacks.
pub(super) fn is_program(start: &[u8]) -> bool {
    [&b"MZ"[..], b"\x7fELF", b"#!"]
        .iter()
        .any(|mark| start.starts_with(mark))
}

/// Enough to recognise a member of a zip by more than its mark: its header, and a name.
pub(super) const ZIP_MEMBER: usize = 30 + 1024;

/// Whether a member of a zip begins in these bytes.
pub(super) fn holds_zip(bytes: &[u8]) -> bool {
    let mut found = memchr::memmem::find_iter(bytes, b"PK\x03\x04");
    found.any(|at| is_zip_member(&bytes[at..]))
}

/// A member of a zip, of a version and a method that there are, with a name of no control characters.
pub(super) fn is_zip_member(bytes: &[u8]) -> bool {
    let Some(header) = bytes
        .get(..30)
        .filter(|header| header.starts_with(b"PK\x03\x04"))
    else {
        return false;
    };
    let short = |at: usize| usize::from(header[at]) | usize::from(header[at + 1]) << 8;
    let name = bytes.get(30..30 + short(26).min(1024));
    let named = name.is_some_and(|name| !name.is_empty() && !name.iter().any(u8::is_ascii_control));
    short(4) <= 100 && short(8) <= 99 && named
}

/// A frame of Zstandard, or one that decoders skip (pzstd begins with such).
pub(super) fn is_zstd(start: &[u8]) -> bool {
    matches!(
        start,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

/// A member of gzip.
pub(super) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

/// MTIME of a gzip header (RFC 1952), seconds since 1970; 0 says that there is none.
pub(super) fn gzip_time(start: &[u8]) -> Option<i64> {
    let time = start.get(4..8).filter(|_| is_gzip(start))?;
    let seconds = u32::from_le_bytes(time.try_into().ok()?);
    (seconds != 0).then_some(i64::from(seconds))
}

/// A stream of bzip2: its level, then the mark of a block or of the end, as far as they are there.
pub(super) fn is_bzip2(start: &[u8]) -> bool {
    let Some([b'1'..=b'9', mark @ ..]) = start.strip_prefix(b"BZh") else {
        return false;
    };
    let marks = [b"\x31\x41\x59".as_slice(), b"\x17\x72\x45"];
    let seen = &mark[..mark.len().min(3)];
    marks.iter().any(|whole| whole.starts_with(seen))
}

/// Bytes in which a member tells that it begins.
pub(super) const START: usize = 12;

/// Where in these bytes a member of the codec may begin that is looked for after damage.
pub(super) fn next_member(codec: Codec, bytes: &[u8]) -> Option<usize> {
    type Begin = (&'static [u8], fn(&[u8]) -> bool);
    let (mark, sound): Begin = match codec {
        // Deflate, and none of the flags that are reserved.
        Codec::Gzip => (b"\x1f\x8b\x08", |start| start[3] & 0xe0 == 0),
        Codec::Zstd => (b"\x28\xb5\x2f\xfd", |start| start[4] & 8 == 0),
        Codec::Xz => (b"\xfd7zXZ\0", |start| {
            let mut crc = flate2::Crc::new();
            crc.update(&start[6..8]);
            crc.sum().to_le_bytes() == start[8..12]
        }),
        Codec::Lz4 => (b"\x04\x22\x4d\x18", |start| start[4] >> 6 == 1),
        Codec::Bzip2 => (b"BZh", is_bzip2),
        Codec::Plain => return None,
    };
    let mut found = memchr::memmem::find_iter(bytes, mark);
    found.find(|at| {
        let start = bytes.get(*at..at + START);
        start.is_some_and(sound)
    })
}

/// A stream of xz.
pub(super) fn is_xz(start: &[u8]) -> bool {
    start.starts_with(b"\xfd7zXZ\0")
}

/// A frame of lz4, of its own kind, legacy, or to be skipped.
pub(super) fn is_lz4(start: &[u8]) -> bool {
    let own = start.starts_with(b"\x04\x22\x4d\x18") || start.starts_with(b"\x02\x21\x4c\x18");
    own || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Where in these bytes a header of a tar begins that is surely one.
pub(super) fn next_tar(bytes: &[u8]) -> Option<usize> {
    let marks = memchr::memmem::find_iter(bytes, b"ustar");
    let mut starts = marks.filter_map(|at| at.checked_sub(257));
    starts.find(|at| {
        let block = bytes.get(*at..at + TAR_BLOCK);
        // Every kind leaves the end of its header empty; a line of a log has no such bytes.
        block.is_some_and(|block| is_tar(block) && block[500..].iter().all(|b| *b == 0))
    })
}

/// A tar header whose sum is right: the word alone could be in a log, where a stranger put it.
pub(super) fn is_tar(start: &[u8]) -> bool {
    let Some(block) = start.get(..TAR_BLOCK) else {
        return false;
    };
    let (sum_field, rest) = (&block[148..156], block[..148].iter().chain(&block[156..]));
    let sum = rest.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    let digits = sum_field.iter().skip_while(|byte| **byte == b' ');
    let digits = digits.take_while(|byte| matches!(byte, b'0'..=b'7'));
    let stated = digits.fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    // Archives from before POSIX have no word, and nothing after the names.
    let marked = block[257..].starts_with(b"ustar");
    let ancient = block[0] != 0 && block[257..].iter().all(|byte| *byte == 0);
    (marked || ancient) && stated == sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_by_their_first_bytes() {
        assert_eq!(recognise(b"\xfd7zXZ\0\0\x04"), (Codec::Xz, None));
        assert_eq!(recognise(b"\x1f\x8b\x08\0"), (Codec::Gzip, None));
        assert_eq!(recognise(b"\x5e\x2a\x4d\x18\x04"), (Codec::Zstd, None));
        assert_eq!(recognise(b"BZh91AY&SY"), (Codec::Bzip2, None));
        assert_eq!(
            recognise(b"BZh9 is what a line may say"),
            (Codec::Plain, None)
        );
        assert_eq!(recognise(b"\x04\x22\x4d\x18"), (Codec::Lz4, None));
        let packed = recognise(b"7z\xbc\xaf\x27\x1c");
        assert_eq!(packed, (Codec::Plain, Some(Problem::Unsupported("7z"))));
        assert_eq!(recognise(b"Nov 23"), (Codec::Plain, None));
        assert_eq!(recognise(b""), (Codec::Plain, None));
        assert_eq!(archive(b"PK\x03\x04"), Some(Archive::Zip));
        assert_eq!(archive(b"PK is no archive"), None);
    }

    #[test]
    fn a_tar_has_a_sum_and_a_log_that_says_ustar_has_none() {
        let mut block = [0u8; TAR_BLOCK];
        block[..8].copy_from_slice(b"mail.log");
        block[257..262].copy_from_slice(b"ustar");
        assert!(!is_tar(&block));
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 256;
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert!(is_tar(&block));
        assert_eq!(archive(&block), Some(Archive::Tar));
    }
}
