//! The codecs as states that are driven: bytes in, bytes out, and whether a member has ended.
//!
//! Driven rather than read through, so that the offset at which a file is damaged is exact and what came out
//! before the damage is kept. [`super::decode`] drives them over files and members, [`super::zip`] inside a zip.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use liblzma::stream::{Action, Error as XzError, Status as XzStatus, Stream as Unxz};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use super::bzip2::Unbzip2;
use super::lz4::Unlz4;
use super::tape::plain_words;
use super::{Codec, magic};

/// What one call of a codec came to.
pub(super) enum Step {
    More,
    MemberEnd,
    Failed(String),
    /// Something is lost, and what comes next is good again: it lay between these numbers of bytes before what was taken.
    Lost {
        what: String,
        from: u64,
        to: u64,
    },
}

/// A codec and where it is.
pub(super) enum Engine {
    /// Deflate without a frame, as in a zip.
    Deflate(Box<Decompress>),
    Gzip(Box<Decompress>),
    /// With the bytes that it asks for next.
    Zstd(Zstd<'static>, usize),
    Bzip2(Box<Unbzip2>),
    Xz(Unxz),
    Lz4(Box<Unlz4>),
}

/// The largest window of zstd, which `--long=31` writes.
const ZSTD_WINDOW_LOG: u32 = 31;

/// What a zstd frame's header needs at least.
const ZSTD_START: usize = 5;

/// Memory that an xz file may ask for; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;

impl Engine {
    /// The codec's state; `None` for plain bytes.
    pub(super) fn new(codec: Codec) -> io::Result<Option<Engine>> {
        Ok(Some(match codec {
            Codec::Plain => return Ok(None),
            Codec::Gzip => Engine::Gzip(gzip()),
            Codec::Zstd => {
                let mut decoder = Zstd::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                Engine::Zstd(decoder, ZSTD_START)
            }
            Codec::Bzip2 => Engine::Bzip2(Box::default()),
            Codec::Xz => Engine::Xz(unxz()?),
            Codec::Lz4 => Engine::Lz4(Box::default()),
        }))
    }

    /// Deflate without a frame.
    pub(super) fn deflate() -> Engine {
        Engine::Deflate(Box::new(Decompress::new(false)))
    }

    /// Begins a member if one begins with these bytes.
    pub(super) fn enter(&mut self, next: &[u8]) -> io::Result<bool> {
        match self {
            Engine::Gzip(inflate) if magic::is_gzip(next) => **inflate = *gzip(),
            Engine::Zstd(decoder, wanted) if magic::is_zstd(next) => {
                // After damage it is still inside the frame before.
                decoder.reinit()?;
                *wanted = ZSTD_START;
            }
            Engine::Bzip2(blocks) if magic::is_bzip2(next) => **blocks = Unbzip2::default(),
            Engine::Xz(stream) if magic::is_xz(next) => *stream = unxz()?,
            Engine::Lz4(frame) if magic::is_lz4(next) => **frame = Unlz4::default(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Decodes what fits into the room that `out` has. Says how many bytes it took.
    pub(super) fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
        match self {
            Engine::Deflate(inflate) | Engine::Gzip(inflate) => inflate_some(inflate, input, out),
            Engine::Zstd(decoder, wanted) => unzstd_some(decoder, input, out, wanted),
            Engine::Bzip2(blocks) => blocks.step(input, out),
            Engine::Xz(stream) => unxz_some(stream, input, out),
            Engine::Lz4(frame) => frame.step(input, out),
        }
    }

    /// Whether all that it gives was checked before.
    pub(super) fn checks_first(&self) -> bool {
        match self {
            Engine::Bzip2(_) => true,
            Engine::Lz4(frame) => frame.checks_first(),
            _ => false,
        }
    }

    /// Whether all that it was given is of one member: a legacy frame of lz4 may have run into others.
    pub(super) fn is_one_member(&self) -> bool {
        !matches!(self, Engine::Lz4(frame) if frame.was_legacy())
    }

    /// Whether the data may end here without an end of their own.
    pub(super) fn may_end(&self) -> bool {
        matches!(self, Engine::Lz4(frame) if frame.may_end())
    }
}

/// A decoder of one member that checks its header and its CRC.
fn gzip() -> Box<Decompress> {
    Box::new(Decompress::new_gzip(15))
}

fn inflate_some(inflate: &mut Decompress, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
    let before = inflate.total_in();
    let result = inflate.decompress_vec(input, out, FlushDecompress::None);
    let used = usize::try_from(inflate.total_in() - before).unwrap_or(input.len());
    let step = match result {
        Ok(Status::StreamEnd) => Step::MemberEnd,
        Ok(Status::Ok | Status::BufError) => Step::More,
        Err(error) => {
            // When it had given bytes before, it says only that it was asked again.
            let words = error
                .message()
                .filter(|words| !words.starts_with("repeated call"));
            Step::Failed(words.unwrap_or("corrupt deflate data").to_owned())
        }
    };
    (used, step)
}

/// Feeds no more than the decoder asks for: that is one block, and blocks before a damaged one are kept.
fn unzstd_some(
    decoder: &mut Zstd<'static>,
    input: &[u8],
    out: &mut Vec<u8>,
    wanted: &mut usize,
) -> (usize, Step) {
    let fed = input.len().min(*wanted);
    let mut input = InBuffer::around(&input[..fed]);
    let filled = out.len();
    let result = decoder.run(&mut input, &mut OutBuffer::around_pos(out, filled));
    let step = match result {
        Ok(0) => Step::MemberEnd,
        Ok(hint) => {
            // The hint is for the whole block; what was fed of it is already subtracted.
            *wanted = hint;
            Step::More
        }
        Err(error) => Step::Failed(plain_words(&error)),
    };
    (input.pos(), step)
}

fn unxz() -> io::Result<Unxz> {
    Unxz::new_stream_decoder(XZ_MEMORY, 0).map_err(|_| io::Error::other("no memory for xz"))
}

fn unxz_some(stream: &mut Unxz, input: &[u8], out: &mut Vec<u8>) -> (usize, Step) {
    let before = stream.total_in();
    let result = stream.process_vec(input, out, Action::Run);
    let used = usize::try_from(stream.total_in() - before).unwrap_or(input.len());
    let step = match result {
        Ok(XzStatus::StreamEnd) => Step::MemberEnd,
        Ok(XzStatus::Ok | XzStatus::GetCheck | XzStatus::MemNeeded) => Step::More,
        Err(XzError::MemLimit) => Step::Failed("asks for more than 512 MiB of memory".into()),
        Err(XzError::Options | XzError::UnsupportedCheck) => {
            Step::Failed("xz options that are not known".into())
        }
        Err(_) => Step::Failed("corrupt xz data".into()),
    };
    (used, step)
}
