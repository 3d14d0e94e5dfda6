//! Reads one source from end to end: decodes, cuts into blocks, counts and hashes.
//!
//! Small and plain files are read on the caller's thread. A large compressed file is decoded on a
//! thread of its own, while the caller's hashes what comes out and hands it on.

use std::fs::{self, File};
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

use super::decode::Decoder;
use super::digest::Digest;
use super::journal::{Journal, LOOK};
use super::lines::{Piece, Splitter};
use super::loss::{Loss, Losses};
use super::members::{Found, open, with_member};
use super::tape::{Damage, plain_words};
use super::{Block, Codec, Outcome, Problem, Source, State};

/// A compressed file of this size is worth a thread.
pub(super) const LARGE: u64 = 1024 * 1024;

/// Blocks between the two threads, at most.
const AHEAD: usize = 4;

/// Reads `source`, hands its lines to `on_block` in blocks of about `block_size` bytes and in order, and tells
/// `progress` how many bytes came from disk since it was last told.
///
/// Damage ends a member of a compressed file: what comes after it is looked for, and the line that is cut is handed on as
/// one ([`Block::cut`]). The digest in [`Outcome::sha256`] is always of the whole file. A source that discovery found unreadable is not tried again; one that is unsupported, or an archive, is only
/// hashed.
pub fn read(
    source: &Source,
    block_size: usize,
    progress: &dyn Fn(u64),
    on_block: &mut dyn FnMut(Block),
) -> Outcome {
    if let Some(problem @ (Problem::Unreadable(_) | Problem::Skipped(_))) = &source.problem {
        return Outcome {
            problem: Some(problem.clone()),
            ..Outcome::default()
        };
    }
    let outcome = match source.place {
        None => read_file(source, block_size, progress, on_block),
        Some(place) => {
            let mut outcome = Outcome::default();
            with_member(source, place, &mut |found| {
                outcome = match found {
                    Found::Lines(member) => member.read(block_size, progress, on_block),
                    Found::Other(outcome) => {
                        progress(outcome.bytes);
                        outcome
                    }
                };
            });
            outcome
        }
    };
    changed(source, outcome)
}

fn read_file(
    source: &Source,
    block_size: usize,
    progress: &dyn Fn(u64),
    on_block: &mut dyn FnMut(Block),
) -> Outcome {
    let codec = source.codec.unwrap_or(Codec::Plain);
    let only_hashed = source.problem.is_some() || source.archive.is_some();
    let lines = Lines::new(progress, on_block);
    match open(source, only_hashed || codec != Codec::Plain) {
        Err(error) => unreadable(&error),
        Ok(decoder) if only_hashed => lines.hash_only(decoder, source.problem.clone()),
        Ok(decoder) => {
            let apart = codec != Codec::Plain && source.bytes >= LARGE;
            lines.read(decoder, apart, block_size)
        }
    }
}

/// Tells when the file on disk is not the one that was found.
pub(super) fn changed(source: &Source, mut outcome: Outcome) -> Outcome {
    let Some(before) = source.state else {
        return outcome;
    };
    let what = match fs::metadata(&source.file).map(|meta| State::of(&meta)) {
        Ok(after) if after == before => return outcome,
        Ok(after) if after.bytes != before.bytes => {
            format!("from {} to {} bytes", before.bytes, after.bytes)
        }
        Ok(_) => "was written to, and kept its size".into(),
        Err(error) => plain_words(&error),
    };
    match &mut outcome.problem {
        Some(Problem::Damaged(losses)) => {
            if let Some(loss) = losses.told.last_mut() {
                loss.what = format!("{}; the file changed meanwhile: {what}", loss.what);
            }
        }
        Some(Problem::Broken { what: words, .. }) => {
            words.push_str("; the file changed meanwhile: ");
            words.push_str(&what);
        }
        Some(problem) if problem.refuses() => {}
        _ => outcome.problem = Some(Problem::Changed(what)),
    }
    outcome
}

/// SHA-256 of a file as found, lower-case hex.
///
/// # Errors
/// The file cannot be read.
pub fn sha256(file: &std::path::Path) -> io::Result<String> {
    Digest::of(File::open(file)?).map(Digest::hex)
}

/// The same of bytes in memory.
pub fn sha256_of(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.update(bytes);
    digest.hex()
}

/// Whether the decoded stream of a source begins with these many bytes of this SHA-256.
pub fn begins_with(source: &Source, bytes: u64, sha256: &str) -> bool {
    let mut same = false;
    match source.place {
        Some(place) => with_member(source, place, &mut |found| {
            if let Found::Lines(member) = found {
                same = decodes_to(member.into_decoder(), bytes, sha256);
            }
        }),
        None => {
            let opened = open(source, false);
            same = opened.is_ok_and(|decoder| decodes_to(decoder, bytes, sha256));
        }
    }
    same
}

fn decodes_to(mut decoder: Decoder<'_>, bytes: u64, sha256: &str) -> bool {
    let mut digest = Digest::default();
    let mut more = true;
    while more && digest.bytes < bytes {
        let mut buffer = Vec::new();
        more = match decoder.fill(&mut buffer, 1 << 18) {
            Ok(more) => more,
            Err(damage) => damage.goes_on,
        };
        let left = bytes - digest.bytes;
        let used = usize::try_from(left).map_or(buffer.len(), |left| buffer.len().min(left));
        digest.update(&buffer[..used]);
    }
    digest.bytes == bytes && digest.hex() == sha256
}

pub(super) fn unreadable(error: &io::Error) -> Outcome {
    let problem = Some(Problem::Unreadable(plain_words(error)));
    Outcome {
        problem,
        ..Outcome::default()
    }
}

/// What the decoding side has counted.
struct Tally {
    bytes: u64,
    /// Of what went through the codec's buffer; nothing for a plain file.
    sha256: String,
    lines: u64,
    losses: Losses,
    stopped: Option<Damage>,
    /// Of what was decoded, where the lines were made from it.
    decoded: Option<Digest>,
}

fn decode(mut decoder: Decoder<'_>, block_size: usize, out: &mut dyn FnMut(Piece)) -> Tally {
    let mut splitter = Splitter::new(block_size);
    let journal =
        Journal::of(decoder.look(LOOK)).or_else(|| Journal::of(decoder.look_beyond(LOOK)));
    let mut journal = journal.map(|journal| (journal, Digest::default()));
    let damage = loop {
        let (buffer, room) = splitter.room();
        let filled = match &mut journal {
            None => decoder.fill(buffer, room),
            Some((journal, digest)) => convert(&mut decoder, journal, digest, buffer),
        };
        out(Piece::Read(decoder.tape.fresh()));
        splitter.split(out);
        match filled {
            Ok(true) => {}
            Ok(false) => break None,
            Err(damage) => {
                splitter.tear();
                if !damage.goes_on {
                    break Some(damage);
                }
            }
        }
    };
    let lines = splitter.finish(out);
    let unread = if damage.is_some() {
        pass_rest(&mut decoder, out)
    } else {
        None
    };
    let mut losses = std::mem::take(&mut decoder.losses);
    if let Some(last) = losses.told.last_mut() {
        if decoder.codec == Codec::Plain {
            last.before.lines = lines.saturating_sub(1);
        }
        if let Some(words) = unread.filter(|words| *words != last.what) {
            last.what += &format!("; the rest could not be read: {words}");
        }
    }
    Tally {
        bytes: decoder.tape.read,
        sha256: decoder.tape.sha256(),
        lines,
        losses,
        stopped: damage.filter(|damage| damage.stopped),
        decoded: journal.map(|(_, digest)| digest),
    }
}

/// Some more of a journal, as lines.
fn convert(
    decoder: &mut Decoder<'_>,
    journal: &mut Journal,
    digest: &mut Digest,
    out: &mut Vec<u8>,
) -> Result<bool, Damage> {
    let mut raw = Vec::new();
    let filled = decoder.fill(&mut raw, 1 << 18);
    digest.update(&raw);
    journal.feed(&raw, out);
    match &filled {
        Ok(true) => {}
        Ok(false) => journal.finish(out),
        Err(_) => journal.tear(out),
    }
    filled
}

/// Reads what no codec wants, for the digest. Returns the words of an error that ended it. Damage of what the source
/// lies in is no news: its own decoder met it.
fn pass_rest(decoder: &mut Decoder<'_>, out: &mut dyn FnMut(Piece)) -> Option<String> {
    loop {
        match decoder.tape.pass() {
            Ok(true) => out(Piece::Read(decoder.tape.fresh())),
            Ok(false) => return None,
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Damage>()) => return None,
            Err(error) => return Some(plain_words(&error)),
        }
    }
}

/// The receiving side: hashes, reports progress, hands on.
pub(super) struct Lines<'a> {
    digest: Digest,
    progress: &'a dyn Fn(u64),
    on_block: &'a mut dyn FnMut(Block),
}

impl<'a> Lines<'a> {
    pub(super) fn new(progress: &'a dyn Fn(u64), on_block: &'a mut dyn FnMut(Block)) -> Self {
        Lines {
            digest: Digest::default(),
            progress,
            on_block,
        }
    }

    /// Reads all that comes of a decoder, which works on a thread of its own if wished.
    pub(super) fn read(mut self, decoder: Decoder<'_>, apart: bool, block_size: usize) -> Outcome {
        let codec = decoder.codec;
        let tally = if apart {
            self.decode_apart(decoder, block_size)
        } else {
            Ok(decode(decoder, block_size, &mut |piece| self.accept(piece)))
        };
        tally.map_or_else(
            |error| unreadable(&error),
            |tally| self.outcome(tally, codec),
        )
    }

    fn decode_apart(&mut self, decoder: Decoder<'_>, block_size: usize) -> io::Result<Tally> {
        let (send, receive) = sync_channel(AHEAD);
        std::thread::scope(|scope| {
            let work = move || {
                // Nobody listens any more only when the receiving side has panicked.
                decode(decoder, block_size, &mut |piece| drop(send.send(piece)))
            };
            let thread = Builder::new()
                .name("decode".into())
                .spawn_scoped(scope, work)?;
            for piece in receive {
                self.accept(piece);
            }
            thread
                .join()
                .map_err(|_| io::Error::other("the decoder failed"))
        })
    }

    fn hash_only(mut self, mut decoder: Decoder<'_>, problem: Option<Problem>) -> Outcome {
        let unread = pass_rest(&mut decoder, &mut |piece| self.accept(piece));
        Outcome {
            bytes: decoder.tape.read,
            sha256: decoder.tape.sha256(),
            problem: unread.map(Problem::Unreadable).or(problem),
            ..Outcome::default()
        }
    }

    fn accept(&mut self, piece: Piece) {
        match piece {
            Piece::Read(bytes) => (self.progress)(bytes),
            Piece::Skipped(bytes) => self.digest.update(&bytes),
            Piece::Block(block) => {
                self.digest.update(&block.bytes);
                (self.on_block)(block);
            }
        }
    }

    fn outcome(self, tally: Tally, codec: Codec) -> Outcome {
        let digest = tally.decoded.unwrap_or(self.digest);
        let decoded_bytes = digest.bytes;
        let decoded_sha256 = digest.hex();
        let plain = codec == Codec::Plain;
        Outcome {
            bytes: tally.bytes,
            decoded_bytes,
            sha256: if plain {
                decoded_sha256.clone()
            } else {
                tally.sha256
            },
            decoded_sha256,
            lines: tally.lines,
            problem: problem(tally.losses, tally.stopped, decoded_bytes)
                .or((decoded_bytes == 0).then_some(Problem::Empty)),
        }
    }
}

/// What is wrong with a source of which so many bytes came out.
fn problem(mut losses: Losses, stopped: Option<Damage>, decoded: u64) -> Option<Problem> {
    losses.decoded = decoded;
    // Nothing came after the last one, and a plain file's bytes are counted here alone.
    if let Some(last) = losses.told.last_mut().filter(|last| last.resumed.is_none()) {
        last.before.bytes = decoded;
    }
    match stopped {
        Some(Damage { what, .. }) if losses.len() == 0 => Some(Problem::Stopped { decoded, what }),
        Some(Damage { at, what, .. }) => {
            losses.push(Loss::end(at, decoded, what));
            Some(Problem::Damaged(losses))
        }
        None => (losses.len() > 0).then_some(Problem::Damaged(losses)),
    }
}
