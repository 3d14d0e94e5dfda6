//! What the lines of one block leave to those of the next: the year, and which of two hours it is.
//!
//! Blocks are parsed in any order, but what a line means may depend on the one before it ([`super::clock`]). The one who
//! cuts a source into blocks goes over each with a [`Follower`], which looks at one line in some kilobytes.

use memchr::{memchr, memrchr};

use super::{Cache, Clock, header};

/// Bytes between lines that are looked at: no server writes less than this in two months of a year.
const STEP: usize = 16 * 1024;

/// Goes over the blocks of a source, in order.
pub struct Follower<'c> {
    clock: &'c Clock,
    cache: Cache,
}

impl<'c> Follower<'c> {
    /// Before the first block.
    pub fn new(clock: &'c Clock) -> Self {
        Follower {
            clock,
            cache: Cache::default(),
        }
    }

    /// What the block of these lines is to be read with. The block that follows is asked for next.
    pub fn start(&mut self, lines: &[u8]) -> Cache {
        let start = self.cache.clone();
        let mut at = 0;
        while at < lines.len() {
            self.look(&lines[at..]);
            at = match lines.get(at + STEP..).and_then(|rest| memchr(b'\n', rest)) {
                Some(end) => at + STEP + end + 1,
                None => break,
            };
        }
        self.look(last(lines));
        if self.cache.is_twice() {
            // In these hours each line counts.
            self.cache = start.clone();
            lines
                .split(|byte| *byte == b'\n')
                .for_each(|line| self.read(line));
        }
        start
    }

    /// The time of the last line that was looked at, µs: the last one of the blocks so far.
    pub fn last(&self) -> i64 {
        self.cache.last()
    }

    /// Reads the first of these lines that has a time, of the first few.
    fn look(&mut self, lines: &[u8]) {
        let mut lines = lines.split(|byte| *byte == b'\n').take(8);
        lines.find(|line| header(line, self.clock, &mut self.cache).is_some());
    }

    fn read(&mut self, line: &[u8]) {
        let _ = header(line, self.clock, &mut self.cache);
    }
}

/// The last line that is whole, with what follows it.
fn last(lines: &[u8]) -> &[u8] {
    let body = lines.strip_suffix(b"\n").unwrap_or(lines);
    &lines[memrchr(b'\n', body).map_or(0, |at| at + 1)..]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use chrono::DateTime;
    use chrono_tz::Tz;

    use super::super::YearRule;
    use super::*;

    /// Times of all lines, read in blocks of so many.
    fn times(clock: &Clock, lines: &[String], block: usize) -> Vec<i64> {
        let mut follower = Follower::new(clock);
        let mut times = Vec::new();
        for block in lines.chunks(block) {
            let bytes = block.concat().into_bytes();
            let mut cache = follower.start(&bytes);
            for line in block {
                times.push(header(line.as_bytes(), clock, &mut cache).unwrap().ts);
            }
        }
        times
    }

    fn clock(zone: Tz, year: i32, month: u32, day: u32) -> Clock {
        Clock::new(zone, YearRule::From { year, month, day })
    }

    fn utc(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros()
    }

    #[test]
    fn a_log_may_span_years_in_any_blocks() {
        let clock = clock(Tz::UTC, 2021, 3, 5);
        let begin = utc("2021-03-05T12:00:00Z");
        let truth: Vec<i64> = (0..400).map(|n| begin + n * 5 * 86_400_000_000).collect();
        let line = |ts: &i64| {
            let time = DateTime::from_timestamp_micros(*ts).unwrap();
            format!("{} mx1 postfix/qmgr[1]: x\n", time.format("%b %e %T"))
        };
        let lines: Vec<String> = truth.iter().map(line).collect();
        for block in [1, 2, 7, 400] {
            assert_eq!(times(&clock, &lines, block), truth, "{block}");
        }
    }

    #[test]
    fn years_go_on_over_long_silence() {
        let clock = clock(Tz::UTC, 2024, 1, 5);
        let line = |day: &str| format!("{day} 10:00:00 mx1 postfix/qmgr[1]: x\n");
        let lines = ["Jan  5", "Aug 20", "Aug 21", "May  3", "Jan  9", "Jul  2"].map(line);
        for block in [1, 2, 6] {
            let times = times(&clock, &lines, block);
            assert_eq!(times[1], utc("2024-08-20T10:00:00Z"), "{block}");
            assert_eq!(times[3], utc("2025-05-03T10:00:00Z"), "{block}");
            assert_eq!(times[4], utc("2026-01-09T10:00:00Z"), "{block}");
            assert_eq!(times[5], utc("2026-07-02T10:00:00Z"), "{block}");
        }
    }

    #[test]
    fn a_false_date_misleads_no_other_line() {
        let clock = clock(Tz::UTC, 2025, 11, 23);
        for odd in ["Jan  1", "Jul 12", "Feb 10", "Nov 22", "May 24", "Sep  1"] {
            let line = |day: &str| format!("{day} 10:00:00 mx1 postfix/qmgr[1]: x\n");
            let lines = ["Nov 23", odd, "Nov 23", odd, odd, "Nov 24"].map(line);
            for block in [1, 3, 6] {
                let times = times(&clock, &lines, block);
                assert_eq!(times[2], utc("2025-11-23T10:00:00Z"), "{odd}");
                assert_eq!(times[5], utc("2025-11-24T10:00:00Z"), "{odd}");
            }
        }
    }

    #[test]
    fn the_leap_day_is_of_a_leap_year() {
        let clock = clock(Tz::UTC, 2023, 12, 30);
        let line = |day: &str| format!("{day} 10:00:00 mx1 postfix/qmgr[1]: x\n");
        let lines = ["Dec 30", "Jan  2", "Feb 29", "Mar  1"].map(line);
        let times = times(&clock, &lines, 1);
        assert_eq!(times[2], utc("2024-02-29T10:00:00Z"));
    }

    #[test]
    fn the_hour_that_comes_twice_is_told_by_the_order_of_lines() {
        let clock = clock(Tz::Europe__Berlin, 2026, 10, 25);
        let begin = utc("2026-10-24T23:30:00Z");
        // Every five minutes, with every other line a second early.
        let truth: Vec<i64> = (0..48)
            .map(|n| begin + (n * 300 - (n % 2)) * 1_000_000)
            .collect();
        let line = |ts: &i64| {
            let time = DateTime::from_timestamp_micros(*ts).unwrap();
            let wall = time.with_timezone(&Tz::Europe__Berlin);
            format!("{} mx1 postfix/qmgr[1]: x\n", wall.format("%b %e %T"))
        };
        let lines: Vec<String> = truth.iter().map(line).collect();
        assert!(lines[6].contains("02:00:00") && lines[18].contains("02:00:00"));
        for block in [1, 2, 5, 13, 48] {
            assert_eq!(times(&clock, &lines, block), truth, "{block}");
        }
    }
}
