//! Times as text: what is written, before a [`super::Clock`] says what instant it means.
//!
//! [`Minute`] and [`Tail`] are the two parts that the clock reads apart.

use super::Layout;
use super::clock::month_days;

/// In microseconds.
pub(super) const SECOND: i64 = 1_000_000;

/// A time up to its minute, as written. Day and time of day exist in a leap year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) layout: Layout,
    pub(super) year: Option<i32>,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) len: usize,
}

impl Minute {
    /// Reads one off the start of `bytes`, in any layout; a second must follow.
    pub(super) fn read(bytes: &[u8]) -> Option<Minute> {
        let mut cursor = Cursor { bytes, at: 0 };
        let (layout, year, month, day) = match bytes {
            [_, _, _, _, b'-', ..] => cursor.iso_day()?,
            [_, _, _, b' ', b'0'..=b'9', _, _, _, b'-', ..] => {
                cursor.weekday()?;
                let (_, year, month, day) = cursor.iso_day()?;
                (Layout::ShortFull, year, month, day)
            }
            [b'0'..=b'9', ..] => cursor.year_first()?,
            _ => cursor.month_first()?,
        };
        let hour = cursor.two_digits()?;
        cursor.expect(b':')?;
        let minute = cursor.two_digits()?;
        let exists = day >= 1 && day <= month_days(year.unwrap_or(2000), month);
        let len = cursor.at;
        (exists && hour < 24 && minute < 60 && bytes.get(len) == Some(&b':')).then_some(Minute {
            layout,
            year,
            month,
            day,
            hour,
            minute,
            len,
        })
    }
}

/// What a date came to: layout, year, month, day.
type Day = (Layout, Option<i32>, u32, u32);

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn digit(&mut self) -> Option<u32> {
        let digit = self.peek()?.wrapping_sub(b'0');
        (digit < 10).then(|| {
            self.at += 1;
            u32::from(digit)
        })
    }

    fn two_digits(&mut self) -> Option<u32> {
        Some(self.digit()? * 10 + self.digit()?)
    }

    /// Four digits. Clocks that lost their battery start in 1970.
    fn year(&mut self) -> Option<i32> {
        let year = self.two_digits()? * 100 + self.two_digits()?;
        i32::try_from(year).ok().filter(|year| *year >= 1970)
    }

    fn month(&mut self) -> Option<u32> {
        let name = self.bytes.get(self.at..self.at + 3)?;
        let month = MONTHS.iter().position(|month| *month == name)?;
        self.at += 3;
        u32::try_from(month + 1).ok()
    }

    /// `23`, ` 3`, `3`: a day of the month after its blank.
    fn day(&mut self) -> Option<u32> {
        if self.peek()? == b' ' {
            self.at += 1;
        }
        let first = self.digit()?;
        Some(match self.digit() {
            Some(second) => first * 10 + second,
            None => first,
        })
    }

    /// `Mon `.
    fn weekday(&mut self) -> Option<()> {
        let name = self.bytes.get(self.at..self.at + 3)?;
        WEEKDAYS.contains(&name).then(|| self.at += 4)
    }

    /// `2026-11-23T` or with a blank.
    fn iso_day(&mut self) -> Option<Day> {
        let year = self.year()?;
        self.expect(b'-')?;
        let month = self.two_digits()?;
        self.expect(b'-')?;
        let day = self.two_digits()?;
        self.expect(b'T')
            .or_else(|| self.expect(b' '))
            .or_else(|| self.expect(b't'))?;
        Some((Layout::Iso8601, Some(year), month, day))
    }

    /// `2026 Nov 23 `.
    fn year_first(&mut self) -> Option<Day> {
        let year = self.year()?;
        self.expect(b' ')?;
        let (_, _, month, day) = self.month_first()?;
        Some((Layout::Rfc3164Year, Some(year), month, day))
    }

    /// `Nov 23 ` or `Nov 23 2026 `.
    fn month_first(&mut self) -> Option<Day> {
        let month = self.month()?;
        self.expect(b' ')?;
        let day = self.day()?;
        self.expect(b' ')?;
        if self.bytes.get(self.at + 4) != Some(&b' ') {
            return Some((Layout::Rfc3164, None, month, day));
        }
        let year = self.year()?;
        self.expect(b' ')?;
        Some((Layout::Rfc3164Year, Some(year), month, day))
    }
}

/// `:52`, `:52.681636+01:00`: what follows the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) micros: i64,
    /// Seconds east of Greenwich.
    pub(super) offset: Option<i32>,
    pub(super) len: usize,
}

impl Tail {
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Option<Tail> {
        match bytes {
            [b':', tens @ b'0'..=b'5', ones @ b'0'..=b'9', b' ', next, ..]
                if next.is_ascii_alphabetic() =>
            {
                let second = i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
                Some(Tail {
                    micros: second * SECOND,
                    offset: None,
                    len: 3,
                })
            }
            _ => Tail::read_any(bytes),
        }
    }

    fn read_any(bytes: &[u8]) -> Option<Tail> {
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.expect(b':')?;
        let second = cursor.two_digits()?;
        if second > 60 {
            return None;
        }
        // A leap second has no number of its own in the time that everything else uses.
        let micros = i64::from(second.min(59)) * SECOND + cursor.fraction()?;
        let offset = cursor.offset()?;
        cursor.end()?;
        Some(Tail {
            micros,
            offset,
            len: cursor.at,
        })
    }
}

impl Cursor<'_> {
    /// Microseconds of `.681636`; 0 when there is no fraction. Digits after the sixth are cut off.
    fn fraction(&mut self) -> Option<i64> {
        if !matches!(self.peek(), Some(b'.' | b',')) {
            return Some(0);
        }
        self.at += 1;
        let mut micros = i64::from(self.digit()?) * 100_000;
        let mut unit = 10_000;
        while let Some(digit) = self.digit() {
            micros += i64::from(digit) * unit;
            unit /= 10;
        }
        Some(micros)
    }

    /// `Z`, `+01:00`, `+0100`, `+01`, or a blank and one of the last three; `Some(None)` when there is none.
    fn offset(&mut self) -> Option<Option<i32>> {
        let blank = usize::from(self.peek() == Some(b' '));
        let sign = match self.bytes.get(self.at + blank) {
            Some(b'Z' | b'z') if blank == 0 => {
                self.at += 1;
                return Some(Some(0));
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(None),
        };
        let start = self.at;
        self.at += blank + 1;
        match self.hours_and_minutes() {
            Some(seconds) => Some(Some(sign * seconds)),
            // A host name may begin with a sign; an offset that is none may not.
            None if blank == 1 => {
                self.at = start;
                Some(None)
            }
            None => None,
        }
    }

    fn hours_and_minutes(&mut self) -> Option<i32> {
        let hours = self.two_digits()?;
        let colon = self.expect(b':').is_some();
        let minutes = match self.two_digits() {
            Some(minutes) => minutes,
            None if colon => return None,
            None => 0,
        };
        let ends = matches!(self.peek(), None | Some(b' '));
        let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
        (ends && hours < 24 && minutes < 60).then_some(seconds)
    }

    /// A time is followed by a blank; some senders put a colon before it.
    fn end(&mut self) -> Option<()> {
        if self.peek() == Some(b':') {
            self.at += 1;
        }
        matches!(self.peek(), None | Some(b' ')).then_some(())
    }
}

/// The length of ` CET` after a time of [`Layout::ShortFull`], whose date is `prefix`, and whether it is UTC. Other names
/// mean nothing by themselves: such times are of the zone that the user gives.
#[inline]
pub(super) fn zone_name(prefix: &[u8], rest: &[u8]) -> (usize, bool) {
    if prefix.get(8) != Some(&b'-') || !prefix[0].is_ascii_alphabetic() {
        return (0, false);
    }
    let name = rest.strip_prefix(b" ").unwrap_or_default();
    let letters = name
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || b"+-0123456789".contains(b));
    let len = letters.count();
    if !(2..=6).contains(&len) || name.get(len) != Some(&b' ') {
        return (0, false);
    }
    (1 + len, matches!(&name[..len], b"UTC" | b"GMT"))
}

/// Whether a second, its fraction and its offset follow the minute.
pub(super) fn has_tail(bytes: &[u8], minute: &Minute) -> bool {
    bytes.get(minute.len..).and_then(Tail::read).is_some()
}

const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
