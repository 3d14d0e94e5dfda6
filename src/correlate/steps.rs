//! Steps of clocks, told over the files of a host: what [`super::activity`] saw inside of each source, and what lies at
//! the border of two.
//!
//! A step ahead alone is silence. One that is undone later by a step back of about its size was a clock that was wrong
//! meanwhile, whatever pauses lie between; the lines between are astray, and say nothing of the period of the evidence.

use std::collections::{BTreeMap, VecDeque};

use super::Map;
use super::activity::{Active, HostTimes, Step, is_step};
use super::coverage::Times;
use crate::strings::Sym;

/// A step back undoes one ahead that differs by so much of it at most.
const ALIKE: f64 = 0.2;

/// Lines after which time is ahead again where some merely came late.
const LATE: u64 = 20;

/// A clock that was wrong for longer by its own time, µs, is not told from silence.
const WRONG: i64 = 7 * 86_400_000_000;

/// Steps ahead that are remembered.
const OPEN: usize = 256;

/// Times that clocks are wrong at most for the period to be stated without those.
const MANY: usize = 1000;

/// Earliest and latest time of the lines of a source that are not astray; the first is later where none is left.
pub type Sound = (i64, i64);

/// Lines of a host that a wrong clock wrote: from one place up to another one, each a source and a line.
type Astray = ((u32, u64), (u32, u64));

/// Adds the steps at borders, sources of `after` following those of `before`, and says which steps undo which. What is
/// left of the sources that have lines astray comes back.
pub fn tell(times: &mut Times, borders: &[(u32, u32)]) -> BTreeMap<u32, Sound> {
    for (before, after) in borders {
        add_border(times, *before, *after);
    }
    let mut by_host: Map<Sym, Vec<u32>> = Map::default();
    for (source, host) in times.keys() {
        by_host.entry(*host).or_default().push(*source);
    }
    let mut astray: Vec<(Sym, Astray)> = Vec::new();
    for (host, mut sources) in by_host {
        sources.sort_unstable();
        let found = pair(times, host, &sources);
        astray.extend(found.into_iter().map(|range| (host, range)));
    }
    // So many are no clock, but several that write into one log.
    if astray.len() > MANY {
        astray.clear();
    }
    sound(times, &astray)
}

fn add_border(times: &mut Times, before: u32, after: u32) {
    let hosts = times.keys().filter(|(source, _)| *source == after);
    let hosts: Vec<Sym> = hosts.map(|(_, host)| *host).collect();
    for host in hosts {
        let Some(last) = times.get(&(before, host)).map(HostTimes::last_ts) else {
            continue;
        };
        if let Some(own) = times.get_mut(&(after, host)) {
            let (line, first) = own.first();
            if is_step(last, first) {
                own.steps.insert(0, Step::new(line, last, first));
            }
        }
    }
}

/// A step ahead that nothing has undone so far.
struct Ahead {
    source: u32,
    step: Step,
}

fn pair(times: &mut Times, host: Sym, sources: &[u32]) -> Vec<Astray> {
    let mut open: VecDeque<Ahead> = VecDeque::new();
    let mut astray = Vec::new();
    for source in sources.iter().copied() {
        let Some(own) = times.get_mut(&(source, host)) else {
            continue;
        };
        let mut at = 0;
        while at < own.steps.len() {
            let step = own.steps[at];
            let next = own.steps.get(at + 1).copied();
            at += 1;
            if step.length() > 0 {
                open.push_back(Ahead { source, step });
                if open.len() > OPEN {
                    open.pop_front();
                }
            } else if next.is_some_and(|next| came_late(&step, &next)) {
                // Neither of the two says anything of the clock.
                at += 1;
            } else if let Some(found) = undone(&open, &step)
                && let Some(ahead) = open.remove(found)
            {
                own.steps[at - 1].undoes = Some(ahead.step.from_ts);
                astray.push(((ahead.source, ahead.step.line), (source, step.line)));
            }
        }
    }
    astray
}

fn came_late(back: &Step, next: &Step) -> bool {
    next.line - back.line <= LATE && alike(next.length(), -back.length())
}

fn alike(ahead: i64, back: i64) -> bool {
    ahead > 0 && (ahead - back).abs() as f64 <= back as f64 * ALIKE
}

/// The step ahead that is nearest in size, the later of two.
fn undone(open: &VecDeque<Ahead>, back: &Step) -> Option<usize> {
    let apart = |ahead: &Step| (ahead.length() + back.length()).abs();
    let fits = open.iter().enumerate().filter(|(_, ahead)| {
        alike(ahead.step.length(), -back.length())
            && (0..=WRONG).contains(&back.from_ts.saturating_sub(ahead.step.to_ts))
    });
    let nearest = fits.min_by_key(|(at, ahead)| (apart(&ahead.step), OPEN - at));
    nearest.map(|(at, _)| at)
}

fn sound(times: &Times, astray: &[(Sym, Astray)]) -> BTreeMap<u32, Sound> {
    let mut sound: BTreeMap<u32, Sound> = BTreeMap::new();
    let is_astray = |source: u32, host: Sym, bucket: &Active| {
        astray.iter().any(|(own, (from, until))| {
            *own == host
                && (source, bucket.first_line) >= *from
                && (source, bucket.last_line) < *until
        })
    };
    for (_, (from, until)) in astray {
        for source in from.0..=until.0 {
            sound.entry(source).or_insert((i64::MAX, i64::MIN));
        }
    }
    for ((source, host), own) in times {
        let Some(reach) = sound.get_mut(source) else {
            continue;
        };
        for bucket in &own.buckets {
            if !is_astray(*source, *host, bucket) {
                reach.0 = reach.0.min(bucket.first_ts);
                reach.1 = reach.1.max(bucket.last_ts);
            }
        }
    }
    sound
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::activity::of_seconds;
    use super::*;

    /// Steps back of one host's sources: seconds, and whether they undo one ahead.
    fn backs(
        sources: &[&[i64]],
        borders: &[(u32, u32)],
    ) -> (Vec<(i64, bool)>, BTreeMap<u32, Sound>) {
        let mut times = Times::default();
        for (source, seconds) in (0..).zip(sources) {
            times.insert((source, Sym::NULL), of_seconds(seconds));
        }
        let sound = tell(&mut times, borders);
        let mut found = Vec::new();
        for source in 0..sources.len() as u32 {
            let steps = &times[&(source, Sym::NULL)].steps;
            let back = steps.iter().filter(|step| step.length() < 0);
            found.extend(back.map(|step| (step.length() / 1_000_000, step.undoes.is_some())));
        }
        (found, sound)
    }

    #[test]
    fn a_clock_ahead_is_told_over_pauses() {
        // An hour and a half ahead at 200, pauses of five minutes and one of 70, and back.
        let seconds = [0, 100, 200, 5600, 5900, 6200, 10400, 10401, 5001, 5002];
        let (found, sound) = backs(&[&seconds], &[]);
        assert_eq!(found, [(-5400, true)]);
        assert_eq!(sound[&0], (0, 5_002_000_000));
    }

    #[test]
    fn a_clock_set_back_at_a_border_is_told() {
        let (found, _) = backs(&[&[0, 100, 7200], &[3600, 3700]], &[(0, 1)]);
        assert_eq!(found, [(-3600, false)]);
        let (found, _) = backs(&[&[0, 100, 7200], &[3600, 3700]], &[]);
        assert_eq!(found, []);
    }

    #[test]
    fn a_file_of_another_time_is_no_part_of_the_period() {
        let far = 2_000_000_000;
        let sources: [&[i64]; 3] = [&[0, 100], &[far, far + 200], &[300, 400]];
        let (found, sound) = backs(&sources, &[(0, 1), (1, 2)]);
        assert_eq!(found, [(100 - far, true)]);
        assert!(sound[&1].0 > sound[&1].1);
        assert_eq!(sound[&2], (300_000_000, 400_000_000));
    }

    #[test]
    fn late_lines_are_no_clock() {
        let (found, sound) = backs(&[&[0, 3600, 0, 1, 3601, 3700]], &[]);
        assert_eq!(found, [(-3600, false)]);
        assert!(sound.is_empty());
    }
}
