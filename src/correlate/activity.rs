//! When each host wrote, whatever it said: lines by five minutes, and where its time stepped.
//!
//! Beside [`super::coverage`], which counts what became of lines. Silence, the order of rotated files and clocks that
//! were set are all read off this (tables `activity` and `clock_steps`). A host's times in a stretch of a source are one
//! [`HostTimes`]; two that are adjacent join, and joining is associative, as the line at the border is compared with the
//! one before it. Buckets are of UTC, so that no change of the clocks makes one longer.

use super::Map;
use super::coverage::Times;
use crate::strings::Sym;

/// Length of a bucket, µs.
pub const BUCKET: i64 = 300_000_000;

/// A line older by so much than its host's line before it, µs, is a step back: what several processes write at a time
/// is out of order by a second or two.
const BACK: i64 = 5_000_000;

/// A line later by so much, µs, is a step ahead. The logs cannot tell it from silence; where it undoes a step back, that
/// was a line that came late, and where it is undone by one, the clock was wrong meanwhile.
const AHEAD: i64 = 60_000_000;

/// Lines of one host and source in five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Active {
    /// Begin of the five minutes, µs UTC.
    pub start: i64,
    pub lines: u64,
    pub first_line: u64,
    pub last_line: u64,
    pub first_ts: i64,
    pub last_ts: i64,
}

/// A line that is older than the one before it, or much later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Step {
    /// The later of the two lines.
    pub line: u64,
    pub from_ts: i64,
    pub to_ts: i64,
    /// The line before the step ahead that this one undoes ([`super::steps`]).
    pub undoes: Option<i64>,
}

/// From one line's time to the next one's it is more than disorder, and more than a pause.
pub(super) fn is_step(from: i64, to: i64) -> bool {
    let step = to.saturating_sub(from);
    step <= -BACK || step >= AHEAD
}

impl Step {
    pub(super) fn new(line: u64, from_ts: i64, to_ts: i64) -> Step {
        Step {
            line,
            from_ts,
            to_ts,
            undoes: None,
        }
    }

    /// µs; negative when time goes back.
    pub(super) fn length(&self) -> i64 {
        self.to_ts.saturating_sub(self.from_ts)
    }

    /// Of a step ahead, its size to a tenth; there are few hundred sizes.
    fn size(&self) -> Option<i64> {
        let length = self.length();
        (length > 0).then(|| ((length as f64).ln() / 1.1_f64.ln()) as i64)
    }
}

/// Times of one host in a stretch of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTimes {
    first_ts: i64,
    first_line: u64,
    last_ts: i64,
    /// In the order of their begin, each once, when a block is finished.
    pub buckets: Vec<Active>,
    /// In the order of lines.
    pub steps: Vec<Step>,
}

impl Active {
    fn new(ts: i64, line: u64) -> Self {
        Active {
            start: ts.div_euclid(BUCKET) * BUCKET,
            lines: 1,
            first_line: line,
            last_line: line,
            first_ts: ts,
            last_ts: ts,
        }
    }

    fn holds(&self, ts: i64) -> bool {
        (0..BUCKET).contains(&ts.saturating_sub(self.start))
    }

    fn absorb(&mut self, other: &Active) {
        self.lines += other.lines;
        self.first_line = self.first_line.min(other.first_line);
        self.last_line = self.last_line.max(other.last_line);
        self.first_ts = self.first_ts.min(other.first_ts);
        self.last_ts = self.last_ts.max(other.last_ts);
    }
}

impl HostTimes {
    /// The next line of the host. Nearly always it is of the same five minutes as the one before.
    fn line(&mut self, ts: i64, line: u64) {
        match self.buckets.last_mut() {
            None => {
                (self.first_ts, self.first_line) = (ts, line);
                self.buckets.push(Active::new(ts, line));
            }
            Some(open) if open.holds(ts) => {
                open.lines += 1;
                open.last_line = line;
                open.first_ts = open.first_ts.min(ts);
                open.last_ts = open.last_ts.max(ts);
                self.step(ts, line);
            }
            Some(_) => {
                self.step(ts, line);
                self.buckets.push(Active::new(ts, line));
            }
        }
        self.last_ts = ts;
    }

    fn step(&mut self, ts: i64, line: u64) {
        if is_step(self.last_ts, ts) {
            self.add_step(Step::new(line, self.last_ts, ts));
        }
    }

    /// Of steps ahead in a row the last of each size is kept: a quiet host has a silence at each line, and which of them
    /// was a clock shows when it is undone.
    fn add_step(&mut self, step: Step) {
        let size = step.size();
        if size.is_some() {
            let row = self.steps.iter().rev().take_while(|step| step.length() > 0);
            let same = row.enumerate().find(|(_, step)| step.size() == size);
            if let Some((back, _)) = same {
                self.steps.remove(self.steps.len() - 1 - back);
            }
        }
        self.steps.push(step);
    }

    /// The last line's time.
    pub(super) fn last_ts(&self) -> i64 {
        self.last_ts
    }

    /// The first line, and its time.
    pub(super) fn first(&self) -> (u64, i64) {
        (self.first_line, self.first_ts)
    }

    /// Each bucket once, in order.
    fn fold(&mut self) {
        let in_order = |pair: &[Active]| pair[0].start < pair[1].start;
        if self.buckets.windows(2).all(in_order) {
            return;
        }
        self.buckets.sort_by_key(|bucket| bucket.start);
        self.buckets.dedup_by(|next, kept| {
            let same = next.start == kept.start;
            if same {
                kept.absorb(next);
            }
            same
        });
    }

    /// Joins the times that follow, which have a line.
    fn append(&mut self, next: HostTimes) {
        self.step(next.first_ts, next.first_line);
        next.steps.into_iter().for_each(|step| self.add_step(step));
        self.last_ts = next.last_ts;
        let mut buckets = next.buckets.into_iter().peekable();
        if let (Some(last), Some(first)) = (self.buckets.last_mut(), buckets.peek()) {
            let order = last.start.cmp(&first.start);
            if order.is_eq() {
                last.absorb(first);
                buckets.next();
            }
            self.buckets.extend(buckets);
            if order.is_gt() {
                self.fold();
            }
        } else {
            self.buckets.extend(buckets);
        }
    }
}

/// Adds the times of what follows.
pub(super) fn append(own: &mut Times, next: Times) {
    for (key, times) in next {
        match own.get_mut(&key) {
            Some(known) => known.append(times),
            None => {
                own.insert(key, times);
            }
        }
    }
}

/// Watches the times of one block.
#[derive(Default)]
pub(super) struct Watch {
    hosts: Vec<(Sym, HostTimes)>,
    by_host: Map<Sym, u32>,
    /// The host of the latest line.
    at: usize,
}

impl Watch {
    /// No line had a time yet.
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The next line is of this host.
    pub(super) fn turn_to(&mut self, host: Sym) {
        let next = self.hosts.len() as u32;
        let at = *self.by_host.entry(host).or_insert(next);
        if at == next {
            self.hosts.push((host, HostTimes::default()));
        }
        self.at = at as usize;
    }

    /// A line of the host that was turned to.
    pub(super) fn line(&mut self, ts: i64, line: u64) {
        self.hosts[self.at].1.line(ts, line);
    }

    /// The times of each host.
    pub(super) fn finish(self, source: u32) -> Times {
        let times = self.hosts.into_iter().map(|(host, mut times)| {
            times.fold();
            ((source, host), times)
        });
        times.collect()
    }
}

/// Times of lines at these seconds, from line 1 on.
#[cfg(test)]
pub(super) fn of_seconds(seconds: &[i64]) -> HostTimes {
    tests::times(seconds, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    pub(super) fn times(seconds: &[i64], first_line: u64) -> HostTimes {
        let mut times = HostTimes::default();
        for (line, second) in (first_line..).zip(seconds) {
            times.line(second * SECOND, line);
        }
        times.fold();
        times
    }

    #[test]
    fn only_real_steps_are_steps() {
        let found = times(&[1000, 998, 996, 990, 1200, 1500, 1450], 1);
        let steps: Vec<_> = found
            .steps
            .iter()
            .map(|s| (s.line, (s.to_ts - s.from_ts) / SECOND))
            .collect();
        assert_eq!(steps, [(4, -6), (5, 210), (6, 300), (7, -50)]);
    }

    #[test]
    fn buckets_are_of_five_minutes() {
        let found = times(&[300, 599, 600, 598, 300, 1199], 11);
        let rows: Vec<_> = found
            .buckets
            .iter()
            .map(|b| (b.start / SECOND, b.lines, b.first_line, b.last_line))
            .collect();
        assert_eq!(rows, [(300, 4, 11, 15), (600, 1, 13, 13), (900, 1, 16, 16)]);
        assert_eq!(found.buckets[0].last_ts, 599 * SECOND);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            seconds in prop::collection::vec(0i64..3000, 3..60),
            cuts in prop::collection::vec(1usize..9, 1..4),
        ) {
            let whole = times(&seconds, 1);
            let (mut parts, mut at) = (Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = seconds.len().min(at + cut);
                parts.push(times(&seconds[at..end], at as u64 + 1));
                at = end;
                if at == seconds.len() {
                    break;
                }
            }
            let left = parts.iter().cloned().reduce(|mut a, b| { a.append(b); a });
            let right = parts.into_iter().rev().reduce(|b, mut a| { a.append(b); a });
            prop_assert_eq!(left.as_ref(), Some(&whole));
            prop_assert_eq!(right.as_ref(), Some(&whole));
        }
    }
}
