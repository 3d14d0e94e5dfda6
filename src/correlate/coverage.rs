//! Law 1: every line that is read is counted once, as event, ignored, unrecognised or undecodable. When lines were
//! written is counted beside it, see [`super::activity`].

use hashbrown::{HashMap, HashSet};

use super::Map;
use super::activity::{self, HostTimes, Watch};
use super::dated::Dated;
use super::rows::NO_TIME;
use crate::event::{Header, Parsed};
use crate::strings::{Renumber, Strings, Sym};

/// Hosts of a source.
pub type Hosts = HashSet<Sym, foldhash::fast::FixedState>;

/// Counts of one source.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Counts {
    pub lines: u64,
    pub events: u64,
    pub ignored: u64,
    pub unrecognised: u64,
    pub undecodable: u64,
    pub first_ts: i64,
    pub last_ts: i64,
    /// Lines by the format that claimed their program.
    pub formats: Vec<(&'static str, u64)>,
    /// Host names. A hostile log may have one on each line.
    pub hosts: Hosts,
    /// Lines whose IDs hold a time.
    pub dated: Dated,
    /// Lines that another source has as well.
    pub repeated: u64,
    /// Lines whose local time was skipped when the clock was put forward, and the first of them.
    pub skipped: (u64, u64),
    /// Lines that name another zone than the one they were read in, and the first of them.
    pub foreign: (u64, u64),
    /// Lines of a mail server that are neither warnings nor errors.
    pub routine: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            lines: 0,
            events: 0,
            ignored: 0,
            unrecognised: 0,
            undecodable: 0,
            first_ts: NO_TIME,
            last_ts: NO_TIME,
            formats: Vec::new(),
            hosts: Hosts::default(),
            dated: Dated::default(),
            repeated: 0,
            skipped: (0, 0),
            foreign: (0, 0),
            routine: 0,
        }
    }
}

/// Lines of one shape, or ignored for one reason.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Seen {
    pub lines: u64,
    /// The first such line.
    pub line: u64,
}

/// (source, format, program, shape or reason).
pub type Kind = (u32, &'static str, Sym, Sym);

/// Times by (source, host).
pub type Times = Map<(u32, Sym), HostTimes>;

/// What became of the lines of a part.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By source.
    pub sources: Map<u32, Counts>,
    /// Lines not recognised.
    pub shapes: Map<Kind, Seen>,
    /// Lines ignored.
    pub ignored: Map<Kind, Seen>,
    /// When each host wrote.
    pub times: Times,
}

impl Tally {
    /// Lines of all sources.
    pub fn lines(&self) -> u64 {
        self.sources.values().map(|counts| counts.lines).sum()
    }

    /// Puts the symbols of another table of texts in the place of this one's.
    pub fn resolve(&mut self, texts: &mut impl Renumber) {
        for counts in self.sources.values_mut() {
            let hosts = std::mem::take(&mut counts.hosts).into_iter();
            counts.hosts = hosts
                .map(|mut host| {
                    texts.put(&mut host);
                    host
                })
                .collect();
        }
        for kinds in [&mut self.shapes, &mut self.ignored] {
            for ((source, format, mut program, mut what), seen) in std::mem::take(kinds) {
                texts.put(&mut program);
                texts.put(&mut what);
                kinds.insert((source, format, program, what), seen);
            }
        }
        for ((source, mut host), times) in std::mem::take(&mut self.times) {
            texts.put(&mut host);
            self.times.insert((source, host), times);
        }
    }

    /// Lines of a source that are ignored as a whole, and why.
    pub fn ignore_all(&mut self, source: u32, why: &str, lines: u64, strings: &Strings) {
        if lines == 0 {
            return;
        }
        let kind = (source, "", Sym::NULL, strings.intern(why.as_bytes()));
        let seen = self
            .ignored
            .entry(kind)
            .or_insert(Seen { lines: 0, line: 1 });
        seen.lines += lines;
    }
}

/// The shape of a line without a log's header.
pub const NO_HEADER: &str = "(no log header)";

/// Tallies the lines of one block.
pub struct Counter<'a> {
    strings: &'a Strings,
    source: u32,
    counts: Counts,
    last_host: Vec<u8>,
    watch: Watch,
    shapes: Map<Kind, Seen>,
    /// Reasons are few and static: counted by program without interning a line.
    ignored: HashMap<(&'static str, Sym, &'static str), Seen, foldhash::fast::FixedState>,
}

impl<'a> Counter<'a> {
    /// A counter for a block of this source.
    pub fn new(strings: &'a Strings, source: u32) -> Self {
        Counter {
            strings,
            source,
            counts: Counts::default(),
            last_host: Vec::new(),
            watch: Watch::default(),
            shapes: Map::default(),
            ignored: HashMap::default(),
        }
    }

    /// A line that is not text, or too long.
    pub fn undecodable(&mut self) {
        self.counts.lines += 1;
        self.counts.undecodable += 1;
    }

    /// An empty line.
    pub fn blank(&mut self, line: u64) {
        self.counts.lines += 1;
        self.ignore("", Sym::NULL, "empty line", line);
    }

    /// A note of journalctl between lines.
    pub fn noted(&mut self, line: u64) {
        self.counts.lines += 1;
        self.ignore("", Sym::NULL, "note of journalctl", line);
    }

    /// A line without a log's header.
    pub fn headless(&mut self, line: u64) {
        self.counts.lines += 1;
        self.unrecognise("", Sym::NULL, NO_HEADER.as_bytes(), line);
    }

    /// A line whose ID holds this time, seconds since 1970.
    pub fn dated(&mut self, line: u64, ts: i64, id: i64, surely: bool) {
        self.counts.dated.count(line, ts, id, surely);
    }

    /// The local time of this line does not exist.
    pub fn skipped(&mut self, line: u64) {
        add_seen(&mut self.counts.skipped, (1, line));
    }

    /// This line names another zone than the one it was read in.
    pub fn foreign(&mut self, line: u64) {
        add_seen(&mut self.counts.foreign, (1, line));
    }

    /// The line is of a mail server, and neither a warning nor an error.
    pub fn routine(&mut self) {
        self.counts.routine += 1;
    }

    /// A line of which only the header is of interest.
    pub fn passed(&mut self, line: u64, header: &Header<'_>) {
        self.counts.lines += 1;
        self.seen(line, header, None);
    }

    /// A line that another source has as well, and its header.
    pub fn repeated(&mut self, line: u64, header: &Header<'_>, format: Option<&'static str>) {
        self.counts.lines += 1;
        self.counts.repeated += 1;
        let host = self.strings.intern_some(header.host);
        self.counts.reach(header.ts, host, format);
        self.ignore("", Sym::NULL, "line that another source has as well", line);
    }

    /// A line with a header, and what it says.
    pub fn parsed(
        &mut self,
        line: u64,
        header: &Header<'_>,
        format: Option<&'static str>,
        parsed: &Parsed<'_>,
    ) {
        self.counts.lines += 1;
        self.seen(line, header, format);
        let format = format.unwrap_or("");
        match parsed {
            Parsed::Event(_) => self.counts.events += 1,
            Parsed::Ignored(why) => {
                self.ignore(format, self.strings.intern_some(header.program), why, line)
            }
            Parsed::Unrecognised => {
                let program = self.strings.intern_some(header.program);
                self.unrecognise(format, program, &shape(header.text), line);
            }
        }
    }

    /// The tally of the block.
    pub fn finish(self) -> Tally {
        let mut ignored = Map::default();
        for ((format, program, why), seen) in self.ignored {
            ignored.insert(
                (
                    self.source,
                    format,
                    program,
                    self.strings.intern(why.as_bytes()),
                ),
                seen,
            );
        }
        let mut sources = Map::default();
        sources.insert(self.source, self.counts);
        Tally {
            sources,
            shapes: self.shapes,
            ignored,
            times: self.watch.finish(self.source),
        }
    }

    fn seen(&mut self, line: u64, header: &Header<'_>, format: Option<&'static str>) {
        let counts = &mut self.counts;
        counts.reach_time(header.ts);
        if header.host != self.last_host {
            let host = self.strings.intern_some(header.host);
            counts.hosts.insert(host);
            self.last_host.clear();
            self.last_host.extend_from_slice(header.host);
            self.watch.turn_to(host);
        } else if self.watch.is_empty() {
            self.watch.turn_to(Sym::NULL);
        }
        self.watch.line(header.ts, line);
        if let Some(format) = format {
            add_format(&mut counts.formats, format, 1);
        }
    }

    fn ignore(&mut self, format: &'static str, program: Sym, why: &'static str, line: u64) {
        self.counts.ignored += 1;
        let seen = self
            .ignored
            .entry((format, program, why))
            .or_insert(Seen { lines: 0, line });
        seen.lines += 1;
    }

    fn unrecognise(&mut self, format: &'static str, program: Sym, shape: &[u8], line: u64) {
        self.counts.unrecognised += 1;
        let key = (self.source, format, program, self.strings.intern(shape));
        self.shapes
            .entry(key)
            .or_insert(Seen { lines: 0, line })
            .lines += 1;
    }
}

impl Tally {
    /// Adds the tally of the part that follows.
    pub fn append(&mut self, next: Tally) {
        for (source, counts) in next.sources {
            match self.sources.get_mut(&source) {
                Some(own) => own.append(counts),
                None => {
                    self.sources.insert(source, counts);
                }
            }
        }
        add_all(&mut self.shapes, next.shapes);
        add_all(&mut self.ignored, next.ignored);
        activity::append(&mut self.times, next.times);
    }
}

fn add_all(own: &mut Map<Kind, Seen>, next: Map<Kind, Seen>) {
    for (key, seen) in next {
        own.entry(key)
            .or_insert(Seen {
                lines: 0,
                line: seen.line,
            })
            .lines += seen.lines;
    }
}

fn add_seen(own: &mut (u64, u64), (lines, first): (u64, u64)) {
    if own.0 == 0 {
        own.1 = first;
    }
    own.0 += lines;
}

fn add_format(formats: &mut Vec<(&'static str, u64)>, format: &'static str, lines: u64) {
    match formats.iter_mut().find(|(name, _)| *name == format) {
        Some((_, n)) => *n += lines,
        None => formats.push((format, lines)),
    }
}

impl Counts {
    fn reach_time(&mut self, ts: i64) {
        if self.first_ts == NO_TIME || ts < self.first_ts {
            self.first_ts = ts;
        }
        self.last_ts = self.last_ts.max(ts);
    }

    /// A line of this host that counts nowhere else.
    fn reach(&mut self, ts: i64, host: Sym, format: Option<&'static str>) {
        self.reach_time(ts);
        self.hosts.insert(host);
        if let Some(format) = format {
            add_format(&mut self.formats, format, 1);
        }
    }

    fn append(&mut self, next: Counts) {
        self.lines += next.lines;
        self.events += next.events;
        self.ignored += next.ignored;
        self.unrecognised += next.unrecognised;
        self.undecodable += next.undecodable;
        if self.first_ts == NO_TIME || (next.first_ts != NO_TIME && next.first_ts < self.first_ts) {
            self.first_ts = next.first_ts;
        }
        self.last_ts = self.last_ts.max(next.last_ts);
        self.dated.append(next.dated);
        self.repeated += next.repeated;
        self.routine += next.routine;
        add_seen(&mut self.skipped, next.skipped);
        add_seen(&mut self.foreign, next.foreign);
        for (format, lines) in next.formats {
            add_format(&mut self.formats, format, lines);
        }
        self.hosts.extend(next.hosts);
    }
}

/// Longest shape, bytes.
const SHAPE: usize = 120;

/// A line with its particulars masked: numbers become `N`, words with digits `ID`, what stands in angle
/// brackets `<>`, in square brackets `[]`. Ends before a word that does not fit: half a name is known to nobody who is
/// to hide it.
fn shape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(SHAPE);
    let mut rest = up_to_word(text, 8 * SHAPE);
    while let Some(&byte) = rest.first() {
        if out.len() >= SHAPE {
            break;
        }
        let used = match byte {
            b'<' | b'[' => {
                let close = if byte == b'<' { b'>' } else { b']' };
                out.extend([byte, close]);
                memchr::memchr(close, rest).map_or(rest.len(), |end| end + 1)
            }
            _ if byte.is_ascii_alphanumeric() || byte >= 0x80 => {
                let end = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
                out.extend_from_slice(mask(&rest[..end]));
                end
            }
            _ => {
                out.push(byte);
                1
            }
        };
        rest = &rest[used..];
    }
    out.truncate(up_to_word(&out, SHAPE).len());
    out
}

/// At most so much of a text, without a word that goes on behind.
fn up_to_word(text: &[u8], most: usize) -> &[u8] {
    if text.len() <= most {
        return text;
    }
    let cut = is_word(text[most]);
    let whole = text[..most].iter().rposition(|byte| !is_word(*byte));
    let end = if cut {
        whole.map_or(0, |at| at + 1)
    } else {
        most
    };
    &text[..end]
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'@' | b'_' | b'-')
}

fn mask(word: &[u8]) -> &[u8] {
    if word.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        b"N"
    } else if word.contains(&b'@') {
        b"ADDRESS"
    } else if word.len() > SHAPE || word.iter().any(u8::is_ascii_digit) {
        b"ID"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn particulars_are_masked() {
        assert_eq!(
            shape(b"4F3kz9: to=<a@b.example>, delay=0.3"),
            b"ID: to=<>, delay=N"
        );
        assert_eq!(
            shape(b"peer mx1.example[192.0.2.1]:25 a@b.example"),
            b"peer ID[]:N ADDRESS"
        );
    }

    #[test]
    fn shapes_are_bounded() {
        assert_eq!(shape(&vec![b'x'; 8 * SHAPE]), b"ID");
        assert!(shape(&vec![b'x'; 100_000]).len() <= SHAPE);
        assert!(shape(&vec![b'<'; 100_000]).len() <= SHAPE);
    }

    #[test]
    fn no_word_is_cut() {
        for before in 1..=2 * SHAPE {
            for dots in [". ".repeat(before / 2), "<x> ".repeat(before)] {
                let text = format!("{}carla.novak failed", &dots[..dots.len().min(before)]);
                let shape = String::from_utf8(shape(text.as_bytes())).unwrap();
                let cut = shape.contains("car") && !shape.contains("carla.novak");
                assert!(!cut, "{text}: {shape}");
            }
        }
    }
}
