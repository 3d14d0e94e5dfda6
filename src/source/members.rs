//! Members of archives, read: all of them in one pass, or one alone.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use super::archive::{Content, Member, Names, Reader, Walk, finish};
use super::decode::Decoder;
use super::limits::Budget;
use super::read::{Lines, changed, unreadable};
use super::tape::{Tape, is_gap};
use super::{Block, Codec, Outcome, Place, Problem, Source};

/// A member of an archive that is being read, at its turn.
pub struct MemberLines<'a> {
    /// Its number, that of [`Source::number`].
    pub number: usize,
    name_hash: u64,
    decoder: Decoder<'a>,
    /// Decoding it is work enough for a thread.
    apart: bool,
}

impl MemberLines<'_> {
    /// Whether it is what was found there as this source: it has the same place, and the same name in the archive.
    pub fn is(&self, source: &Source) -> bool {
        let same = |place: Place| place.is(self.number, self.name_hash);
        source.place.is_some_and(same)
    }

    /// Reads it as [`super::read()`] reads a file.
    pub fn read(
        self,
        block_size: usize,
        progress: &dyn Fn(u64),
        on_block: &mut dyn FnMut(Block),
    ) -> Outcome {
        Lines::new(progress, on_block).read(self.decoder, self.apart, block_size)
    }
}

/// Reads an archive in one pass, in its order: `on_member` gets each member that is a file, `on_inner` what came of each
/// archive inside. Returns what came of the file itself.
pub fn read_archive(
    outer: &Source,
    progress: &dyn Fn(u64),
    on_member: &mut dyn FnMut(MemberLines<'_>),
    on_inner: &mut dyn FnMut(usize, Outcome),
) -> Outcome {
    let (Some(kind), Ok(mut decoder)) = (outer.archive, open(outer, true)) else {
        return super::read(outer, 1, progress, &mut |_| ());
    };
    let mut members = 0;
    let packed = decoder.codec != Codec::Plain;
    let mut visit = |member: &Member, content: Content<'_>| {
        match content {
            Content::File(decoder) => {
                on_member(MemberLines::new(member, decoder, packed));
            }
            Content::End(outcome) => on_inner(member.number, outcome),
            Content::Archive(..) | Content::Problem(_) => {}
        }
        members = members.max(member.number + 1);
        ControlFlow::Continue(())
    };
    let budget = Budget::new(outer.limits.of(outer.bytes));
    let mut walk = Walk {
        limits: outer.limits,
        packed: outer.bytes,
        budget: budget.clone(),
        names: Names::default(),
        number: 0,
        hashed: true,
        visit: &mut visit,
    };
    let tape = Tape::new(Box::new(&mut decoder), false);
    let (_, fault) = walk.run(Reader::new(kind, tape));
    let mut outcome = finish(&mut decoder, fault, members as u64);
    if let Some(problem) = budget.problem() {
        outcome.problem = Some(problem);
    }
    progress(outcome.bytes);
    changed(outer, outcome)
}

impl<'a> MemberLines<'a> {
    pub(super) fn into_decoder(self) -> Decoder<'a> {
        self.decoder
    }

    fn new(member: &Member, decoder: Decoder<'a>, packed: bool) -> MemberLines<'a> {
        let work = packed || decoder.codec != Codec::Plain;
        MemberLines {
            number: member.number,
            name_hash: member.name_hash,
            decoder,
            apart: work && member.size.unwrap_or(0) >= super::read::LARGE,
        }
    }
}

/// The decoder of the file that a source is, or lies in.
pub(super) fn open(source: &Source, hashed: bool) -> io::Result<Decoder<'static>> {
    let codec = match source.place {
        Some(place) => place.codec,
        None => source.codec.unwrap_or(Codec::Plain),
    };
    let file = File::open(&source.file)?;
    let bytes = source.state.map_or(source.bytes, |state| state.bytes);
    let limit = source.limits.of(bytes);
    Decoder::new(Tape::new(Box::new(file), hashed), codec, limit)
}

/// Goes on to a byte, over damage behind which what is read goes on.
fn pass(tape: &mut Tape<'_>, to: u64) -> io::Result<()> {
    while tape.at() < to {
        let from = tape.at();
        match tape.skip(to - from) {
            Err(error) if !is_gap(&error) => return Err(error),
            Ok(0) => break,
            _ => {}
        }
    }
    Ok(())
}

/// What a member turned out to be.
// One at a time is there, on the stack of who reads it.
#[allow(clippy::large_enum_variant)]
pub(super) enum Found<'a> {
    Lines(MemberLines<'a>),
    Other(Outcome),
}

/// Goes to one member, by seeking where the archive is not compressed, and through what lies before it where it is.
pub(super) fn with_member(source: &Source, place: Place, using: &mut dyn FnMut(Found<'_>)) {
    let mut found = false;
    let mut visit = |member: &Member, content: Content<'_>| {
        if member.number != place.number {
            return ControlFlow::Continue(());
        }
        if !place.is(member.number, member.name_hash) {
            return ControlFlow::Break(());
        }
        let what = match content {
            // Its digest is known when its members were gone through.
            Content::Archive(..) => return ControlFlow::Continue(()),
            Content::File(decoder) => {
                let packed = place.codec != Codec::Plain;
                Found::Lines(MemberLines::new(member, decoder, packed))
            }
            Content::Problem(problem) => Found::Other(Outcome {
                problem: Some(problem),
                ..Outcome::default()
            }),
            Content::End(outcome) => Found::Other(outcome),
        };
        found = true;
        using(what);
        ControlFlow::Break(())
    };
    let bytes = source.state.map_or(source.bytes, |state| state.bytes);
    let (at, number) = place.begun;
    let mut walk = Walk {
        limits: source.limits,
        packed: bytes,
        budget: Budget::new(source.limits.of(bytes)),
        names: Names::default(),
        number,
        hashed: true,
        visit: &mut visit,
    };
    let gone = open(source, false).and_then(|decoder| {
        let mut tape = Tape::new(Box::new(decoder), false);
        pass(&mut tape, at)?;
        // Whether it broke off, `found` says; what is wrong with the archive is its own row's to say.
        let _ = walk.run(Reader::new(place.archive, tape));
        Ok(())
    });
    if found {
        return;
    }
    let outcome = match gone {
        Err(error) => unreadable(&error),
        Ok(()) => Outcome {
            problem: Some(Problem::Unreadable("not in the archive any more".into())),
            ..Outcome::default()
        },
    };
    using(Found::Other(outcome));
}
