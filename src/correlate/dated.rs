//! How far the times of lines are from those inside of IDs that the server made: whether year and zone are right.

/// A year, seconds.
const YEAR: i64 = 31_556_952;

/// A line and the ID on it are at most so far apart, seconds, when year and day are right: a zone is wrong by half a day
/// at most.
const NEAR: i64 = 36 * 3600;

/// Lines that say something together.
const LEAST: u64 = 3;

/// Years by which a log can be wrong: kinds are few, whatever a line says.
const MOST: i64 = 60;

/// A quarter of an hour, seconds: zones differ by whole ones.
const QUARTER: i64 = 900;

/// What a line's time is against its ID's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Off {
    /// Later by so many quarters of an hour.
    Quarters(i64),
    /// Later by so many years, give or take a few days.
    Years(i64),
    /// Neither.
    Other,
}

impl Off {
    /// Of a line and its ID, both in seconds.
    fn of(line: i64, id: i64) -> Off {
        let late = line.saturating_sub(id);
        let years = (late as f64 / YEAR as f64).round() as i64;
        match late {
            _ if late.abs() <= NEAR => Off::Quarters((late + QUARTER / 2).div_euclid(QUARTER)),
            _ if (1..=MOST).contains(&years.abs()) && (late - years * YEAR).abs() <= 2 * NEAR => {
                Off::Years(years)
            }
            _ => Off::Other,
        }
    }
}

/// IDs that hold a time, by how far their lines are from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dated {
    /// Each kind, how many, and the first line of it. There are few.
    kinds: Vec<(Off, u64, u64)>,
    /// Those whose ID cannot be older than its line.
    surely: u64,
}

impl Dated {
    /// Counts a line of this number and time, µs, whose ID says this, seconds. `surely`: the ID cannot be older than its
    /// line, or else one of another day is none of this line's.
    pub fn count(&mut self, number: u64, ts: i64, id: i64, surely: bool) {
        let off = Off::of(ts.div_euclid(1_000_000), id);
        self.surely += u64::from(surely);
        if surely || off != Off::Other {
            self.add((off, 1, number));
        }
    }

    /// Adds those of the lines that follow.
    pub fn append(&mut self, next: Dated) {
        self.surely += next.surely;
        next.kinds.into_iter().for_each(|kind| self.add(kind));
    }

    fn add(&mut self, (off, many, line): (Off, u64, u64)) {
        match self.kinds.iter_mut().find(|(known, ..)| *known == off) {
            Some((_, n, _)) => *n += many,
            None => self.kinds.push((off, many, line)),
        }
    }

    fn all(&self) -> u64 {
        self.kinds.iter().map(|(_, many, _)| many).sum()
    }

    /// Most lines are of the day that their IDs say; of which kind those are.
    pub fn confirms(&self) -> Option<bool> {
        let near = self
            .kinds
            .iter()
            .filter(|(off, ..)| matches!(off, Off::Quarters(_)));
        let near: u64 = near.map(|(_, many, _)| many).sum();
        (near * 2 > self.all()).then_some(self.surely > 0)
    }

    /// By how many years most lines are late, where that is not none.
    pub fn years(&self) -> Option<i64> {
        let (off, many, _) = self
            .kinds
            .iter()
            .max_by_key(|(off, many, _)| (*many, *off))?;
        match off {
            Off::Years(years) if many * 2 > self.all() => Some(*years),
            _ => None,
        }
    }

    /// What speaks against the times of the lines, in words.
    pub fn contradictions(&self) -> Vec<String> {
        let all = self.all();
        let mut kinds = self.kinds.clone();
        kinds.sort_unstable();
        // A late line or two prove nothing. A zone or a clock shows on most; another year on those of one part alone, where
        // logs of several years were put together.
        let many = |(off, many, _): &(Off, u64, u64)| {
            *many >= LEAST && (*many * 2 > all || matches!(off, Off::Years(_)))
        };
        let against = kinds.into_iter().filter(many).filter_map(|(off, many, line)| {
            let what = match off {
                Off::Quarters(0) => return None,
                Off::Quarters(quarters) => {
                    let (hours, word) = (quarters.abs() as f64 / 4.0, side(quarters));
                    let s = if hours == 1.0 { "" } else { "s" };
                    format!("are {hours} hour{s} {word} than those: is --timezone right, and the server's clock?")
                }
                Off::Years(-1) => "are a year earlier than those".to_owned(),
                Off::Years(1) => "are a year later than those".to_owned(),
                Off::Years(years) => format!("are {} years {} than those", years.abs(), side(years)),
                Off::Other => "are of another day than those".to_owned(),
            };
            Some(format!(
                "{many} of the {all} lines whose IDs hold a time, line {line} the first, {what}"
            ))
        });
        against.collect()
    }
}

fn side(late: i64) -> &'static str {
    if late > 0 { "later" } else { "earlier" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_460_617;

    fn dated(lates: &[i64]) -> Dated {
        let mut dated = Dated::default();
        for (number, late) in (1..).zip(lates) {
            dated.count(number, (AT + late) * 1_000_000, AT, true);
        }
        dated
    }

    #[test]
    fn right_times_say_nothing() {
        let right = dated(&[0, 1, 2, 30, 400, -3]);
        assert_eq!((right.years(), right.contradictions()), (None, vec![]));
    }

    #[test]
    fn another_year_shows() {
        let late = dated(&[2 * YEAR + 3, 2 * YEAR, 2 * YEAR - 80_000, 0]);
        assert_eq!(late.years(), Some(2));
        assert_eq!(
            late.contradictions(),
            [
                "3 of the 4 lines whose IDs hold a time, line 1 the first, are 2 years later than those"
            ]
        );
        assert_eq!(dated(&[-YEAR; 3]).years(), Some(-1));
        assert_eq!(dated(&[100 * 86_400; 3]).years(), None);
        let days = dated(&[2 * 86_400; 3]).contradictions();
        assert!(days[0].contains("of another day"), "{days:?}");
    }

    #[test]
    fn a_wrong_zone_shows() {
        let said = dated(&[3601; 6]).contradictions();
        assert!(said[0].contains("are 1 hour later than those"), "{said:?}");
        let said = dated(&[-19_800; 6]).contradictions();
        assert!(said[0].contains("are 5.5 hours earlier"), "{said:?}");
        assert!(dated(&[3600, 0, 0, 0, 0, 0]).contradictions().is_empty());
    }

    #[test]
    fn parts_add_up_in_any_cut() {
        let lates: Vec<i64> = (0..40).map(|n| n * 1800 * (n % 3)).collect();
        let whole = dated(&lates);
        for cut in [1, 7, 39] {
            let mut parts = dated(&lates[..cut]);
            let mut rest = Dated::default();
            for (number, late) in (1..).zip(&lates).skip(cut) {
                rest.count(number, (AT + late) * 1_000_000, AT, true);
            }
            parts.append(rest);
            assert_eq!(parts, whole);
        }
    }
}
