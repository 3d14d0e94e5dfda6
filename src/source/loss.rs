//! What could not be decoded: where it was met, where reading went on, and what came out before it was noticed.
//!
//! A codec notices damage late, some at the checksum behind everything. So each loss says which bytes came out since the last
//! checksum that was right: their text may be wrong, though they look like lines. Bzip2, and lz4 with checksums of its
//! blocks, give nothing that was not checked.

use std::fmt::{self, Display};

use super::Problem;

/// Losses that are described one by one; the rest is counted.
const TOLD: usize = 20;

/// A place in what was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes before it.
    pub bytes: u64,
    /// Ends of lines before it.
    pub lines: u64,
}

/// Why what came before a loss is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What came out since this place may be wrong.
    Wrong(Mark),
    /// What came out since this place has no checksum: the end is missing.
    Unchecked(Mark),
}

/// A part of a file that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The byte of the file at which it was noticed.
    pub at: u64,
    /// The byte at which decoding went on; `None` when nothing more was found.
    pub resumed: Option<u64>,
    /// What had come out.
    pub before: Mark,
    /// What of it is in doubt.
    pub doubt: Option<Doubt>,
    /// The codec's words.
    pub what: String,
}

/// The losses of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// The first of them, in order.
    pub told: Vec<Loss>,
    /// How many more there are.
    pub more: u64,
    /// Bytes that came out of the whole file.
    pub decoded: u64,
}

impl Losses {
    pub(super) fn push(&mut self, loss: Loss) {
        if self.told.len() < TOLD {
            self.told.push(loss);
        } else {
            self.more += 1;
        }
    }

    /// As what is wrong with an archive of so many members.
    pub(super) fn broken(&self, members: u64) -> Option<Problem> {
        let (first, others) = self.told.split_first()?;
        let mut what = first.rest();
        for other in others {
            what += &format!("; also at byte {}: {}", other.at, other.rest());
        }
        if self.more > 0 {
            what += &format!("; also at {} more places", self.more);
        }
        Some(Problem::Broken {
            at: first.at,
            members,
            what,
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.told.len() as u64 + self.more
    }
}

impl Loss {
    /// That nothing more came after so many bytes.
    pub(super) fn end(at: u64, decoded: u64, what: String) -> Loss {
        Loss {
            at,
            resumed: None,
            before: Mark {
                bytes: decoded,
                lines: 0,
            },
            doubt: None,
            what,
        }
    }

    /// What is to be said of it where its beginning, `damaged at byte …`, was said.
    pub(super) fn rest(&self) -> String {
        let mut said = self.what.clone();
        if let Some(to) = self.resumed {
            said += &format!("; reading went on at byte {to}");
        }
        match self.doubt {
            Some(Doubt::Wrong(since)) => {
                let bytes = span(since.bytes, self.before.bytes);
                said += &format!(
                    "; unpacked bytes {bytes} came out before it was noticed: what lies there may be wrong"
                );
            }
            Some(Doubt::Unchecked(since)) => {
                let bytes = span(since.bytes, self.before.bytes);
                said += &format!("; unpacked bytes {bytes} are without their checksum");
            }
            None => {}
        }
        said
    }

    /// The lines that are in doubt: from the one in which they begin to the one that the damage cuts.
    fn lines(&self, since: Mark) -> String {
        let (bytes, lines) = (
            span(since.bytes, self.before.bytes),
            span(since.lines, self.before.lines + 1),
        );
        format!("bytes {bytes} (lines {lines})")
    }
}

/// Numbers from 1, of what lies between two places.
fn span(from: u64, to: u64) -> String {
    let first = from + 1;
    match to.max(first) {
        to if to == first => first.to_string(),
        to => format!("{first} to {to}"),
    }
}

impl Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark { bytes, lines } = self.before;
        write!(f, "damaged at byte {} ({}); ", self.at, self.what)?;
        match self.resumed {
            None => write!(f, "the {bytes} bytes decoded before were used")?,
            Some(to) => write!(
                f,
                "reading went on at byte {to}, after {bytes} decoded bytes: line {} is cut there and not counted as good",
                lines + 1
            )?,
        }
        match self.doubt {
            Some(Doubt::Wrong(since)) => {
                let since = self.lines(since);
                write!(
                    f,
                    "; of what was decoded, {since} came out before the damage was noticed: their text may be wrong"
                )
            }
            Some(Doubt::Unchecked(since)) => {
                let since = self.lines(since);
                write!(
                    f,
                    "; of these, {since} are without the checksum that proves them"
                )
            }
            None => Ok(()),
        }
    }
}

impl Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, loss) in self.told.iter().enumerate() {
            let between = if at == 0 { "" } else { ". Also " };
            write!(f, "{between}{loss}")?;
        }
        if self.more > 0 {
            write!(f, ". Also damaged at {} more places", self.more)?;
        }
        if self.told.last().is_some_and(|last| last.resumed.is_some()) || self.more > 0 {
            write!(
                f,
                ". All {} bytes that could be decoded were used",
                self.decoded
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(at: u64, resumed: Option<u64>, doubt: Option<Doubt>) -> Loss {
        Loss {
            at,
            resumed,
            before: Mark {
                bytes: 900,
                lines: 9,
            },
            doubt,
            what: "corrupt".into(),
        }
    }

    #[test]
    fn a_loss_says_what_it_cost_and_what_it_leaves_in_doubt() {
        let since = Mark {
            bytes: 100,
            lines: 1,
        };
        let mut all = Losses {
            decoded: 2000,
            ..Losses::default()
        };
        all.push(loss(7, Some(12), Some(Doubt::Wrong(since))));
        assert_eq!(
            all.to_string(),
            "damaged at byte 7 (corrupt); reading went on at byte 12, after 900 decoded bytes: line 10 is cut there and \
             not counted as good; of what was decoded, bytes 101 to 900 (lines 2 to 10) came out before the damage was \
             noticed: their text may be wrong. All 2000 bytes that could be decoded were used"
        );
        all.push(loss(20, None, Some(Doubt::Unchecked(since))));
        let text = all.to_string();
        let end = ". Also damaged at byte 20 (corrupt); the 900 bytes decoded before were used; of these, bytes 101 to \
                   900 (lines 2 to 10) are without the checksum that proves them";
        assert!(text.ends_with(end), "{text}");
        (0..30).for_each(|at| all.push(loss(30 + at, Some(99), None)));
        assert_eq!(all.len(), 32);
        assert!(all.to_string().contains("Also damaged at 12 more places."));
    }
}
