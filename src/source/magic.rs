//! What a file is, by its first bytes. Names lie: logrotate leaves gzip in `mail.log.1`.

use super::{Codec, Problem};

/// Enough of a file to recognise it: a tar header.
pub(super) const MAGIC: usize = TAR_BLOCK;

const TAR_BLOCK: usize = 512;

/// First bytes, codec, and the format's name when this version does not read it.
const KINDS: &[(&[u8], Codec, Option<&str>)] = &[
    (b"\x1f\x8b", Codec::Gzip, None),
    (b"\x28\xb5\x2f\xfd", Codec::Zstd, None),
    (b"BZh", Codec::Bzip2, Some("bzip2")),
    (b"\xfd7zXZ\0", Codec::Xz, Some("xz")),
    (b"\x04\x22\x4d\x18", Codec::Lz4, Some("lz4")),
    (b"\x02\x21\x4c\x18", Codec::Lz4, Some("lz4")),
    (b"PK\x03\x04", Codec::Plain, Some("zip")),
    (b"PK\x05\x06", Codec::Plain, Some("zip")),
    (b"7z\xbc\xaf\x27\x1c", Codec::Plain, Some("7z")),
    (b"\x1f\x9d", Codec::Plain, Some("compress")),
    (b"LPKSHHRH", Codec::Plain, Some("systemd journal")),
];

/// The codec of a file that begins like this, and why it cannot be read, if so.
pub(super) fn recognise(start: &[u8]) -> (Codec, Option<Problem>) {
    if is_zstd(start) {
        return (Codec::Zstd, None);
    }
    let kind = KINDS.iter().find(|(magic, ..)| start.starts_with(magic));
    match kind {
        Some((_, codec, name)) => (*codec, name.map(Problem::Unsupported)),
        None => (
            Codec::Plain,
            is_tar(start).then_some(Problem::Unsupported("tar")),
        ),
    }
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
    block[257..].starts_with(b"ustar") && stated == sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_by_their_first_bytes() {
        let xz = recognise(b"\xfd7zXZ\0\0\x04");
        assert_eq!(xz, (Codec::Xz, Some(Problem::Unsupported("xz"))));
        assert_eq!(recognise(b"\x1f\x8b\x08\0"), (Codec::Gzip, None));
        assert_eq!(recognise(b"\x5e\x2a\x4d\x18\x04"), (Codec::Zstd, None));
        assert_eq!(recognise(b"Nov 23"), (Codec::Plain, None));
        assert_eq!(recognise(b""), (Codec::Plain, None));
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
        assert_eq!(recognise(&block).1, Some(Problem::Unsupported("tar")));
    }
}
