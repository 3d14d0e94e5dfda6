//! Times of log lines: how they are written, and what instant they mean.
//!
//! A time is read in two parts. The first, up to the minute, repeats for many lines and is kept in a
//! [`Cache`] with what the calendar, the [`YearRule`] and the zone make of it; the second, `:52.681636+01:00`,
//! is read on every line. So neither calendar nor zone costs anything in the hot loop.
//!
//! Two things a line does not say by itself: its year, and which of the two hours is meant that the wall clock shows
//! twice when summer time ends. Both follow from the lines before, which the cache remembers ([`Near`]): a day without a
//! year comes after the day before it, so that a log may span years, and a line with a false date misleads no other; and
//! an hour that was over comes again only as the second one.

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, Tz};

use super::stamp::{self, Minute, SECOND, Tail};

/// Which year the first line of a source means, where it names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum YearRule {
    /// The day of the first line. Lines earlier in the calendar belong to the next year; one day earlier is
    /// disorder at midnight and belongs to the same.
    From { year: i32, month: u32, day: u32 },
    /// The last line is not after this day. Lines later in the calendar, by more than a day, belong to the
    /// year before.
    Until { year: i32, month: u32, day: u32 },
}

/// What a source's times need to become instants: a zone for those without offset, and a rule for the year of the first
/// one. What else a line needs is in the [`Cache`] that it is read with; [`super::Follower`] makes the one that a
/// block begins with, so that blocks can be parsed in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    zone: Tz,
    edge: Edge,
}

/// The year's window that a [`YearRule`] means, by the day that opens or closes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Opens(i32, (u32, u32)),
    Closes(i32, (u32, u32)),
}

/// The last minute that was read, and what it meant. Good for the lines that follow it, and for the one [`Clock`] that
/// it was used with.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    prefix: [u8; PREFIX],
    len: usize,
    /// Of the wall clock as written, microseconds.
    local: i64,
    /// Of the same in the clock's zone, when the line gives no offset.
    utc: i64,
    /// How much later the wall clock shows it again.
    again: i64,
    /// The wall clock never shows it: it was skipped in spring.
    skipped: bool,
    /// And the line read last gives no offset.
    never: bool,
    /// The line read last names a zone, and the clock's is not called so then.
    foreign: bool,
    /// The instant read last; 0 before the first.
    last: i64,
    /// The days before, for lines without a year.
    near: Option<Near>,
}

/// Where in time a log without years has come to, in days since 1970.
#[derive(Clone, Copy, Debug)]
struct Near {
    /// The last day of which there is no doubt.
    day: i64,
    /// A day far from it, until the next one shows whether the log went on from there.
    far: Option<i64>,
}

/// Days by which lines may go back; what lies further back is of the next year.
const BACK: i64 = 60;

impl Cache {
    /// The instant read last.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The time that was read last does not exist in the zone: the clock was put forward over it.
    pub fn is_skipped(&self) -> bool {
        self.never
    }

    /// The line read last names a zone (`CET`) that is not the one its time was read in.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// The minute that was read last is one that the wall clock shows twice.
    pub(super) fn is_twice(&self) -> bool {
        self.again != 0
    }
}

/// A line this much before the one before it, µs, is of the second of two hours rather than out of order.
const OUT_OF_ORDER: i64 = 30 * 60 * SECOND;

/// `Mon 2026-11-23 18:36`, the longest time up to its minute.
const PREFIX: usize = 20;

impl Clock {
    /// A clock for lines of `zone` (those that give no offset) and `year` (those that give no year).
    pub fn new(zone: Tz, year: YearRule) -> Clock {
        let edge = match year {
            YearRule::From { year, month, day } => {
                let (year, month, day) = day_before(year, month, day);
                Edge::Opens(year, (month, day))
            }
            YearRule::Until { year, month, day } => {
                let (year, month, day) = day_after(year, month, day);
                Edge::Closes(year, (month, day))
            }
        };
        Clock { zone, edge }
    }

    /// The year in which a line of this day lies.
    pub fn year(&self, month: u32, day: u32) -> i32 {
        self.edge.year(month, day)
    }

    /// The instant at which the zone's wall clock shows `local`, and how much later it shows it again, all in seconds.
    /// Never (the hour skipped in spring), which is
    /// said: as if the clock had not been moved.
    fn utc(&self, local: i64) -> Option<(i64, i64, bool)> {
        if self.zone == Tz::UTC {
            return Some((local, 0, false));
        }
        let wall = DateTime::from_timestamp(local, 0)?.naive_utc();
        // The longest step in the zone data is a day (Samoa, 2011).
        (0..=24).find_map(|hours| {
            let (first, second) = self.offsets(wall - Duration::hours(hours))?;
            Some((local - first, first - second, hours > 0))
        })
    }

    /// Seconds east of Greenwich at that local time: the first and the second time it is shown.
    fn offsets(&self, wall: NaiveDateTime) -> Option<(i64, i64)> {
        let offsets = self.zone.offset_from_local_datetime(&wall);
        let seconds = |offset: <Tz as TimeZone>::Offset| i64::from(offset.fix().local_minus_utc());
        Some((
            offsets.earliest().map(seconds)?,
            offsets.latest().map(seconds)?,
        ))
    }

    /// The instant at the start of `bytes`, microseconds since 1970, and the bytes that it takes.
    pub(super) fn read(&self, bytes: &[u8], cache: &mut Cache) -> Option<(i64, usize)> {
        if cache.len == 0 || !bytes.starts_with(cache.prefix.get(..cache.len)?) {
            self.fill(bytes, cache)?;
        }
        let tail = Tail::read(bytes.get(cache.len..)?)?;
        let rest = bytes.get(cache.len + tail.len..)?;
        let (zone, utc) = stamp::zone_name(cache.prefix.get(..cache.len)?, rest);
        let offset = tail.offset.or(utc.then_some(0));
        cache.never = cache.skipped && offset.is_none();
        cache.foreign = false;
        let minute = match offset {
            Some(offset) => cache.local - i64::from(offset) * SECOND,
            None if zone > 0 => {
                let named = self.called(cache, &rest[1..zone]);
                cache.foreign = named.is_none();
                named.unwrap_or(cache.utc)
            }
            None if cache.again != 0 && cache.utc + tail.micros < cache.last - OUT_OF_ORDER => {
                cache.utc + cache.again
            }
            None => cache.utc,
        };
        cache.last = minute + tail.micros;
        Some((cache.last, cache.len + tail.len + zone))
    }

    /// The instant of the cached minute at which the zone has this name: of an hour that comes twice it tells which.
    fn called(&self, cache: &Cache, name: &[u8]) -> Option<i64> {
        let has = |at: &i64| {
            let Some(time) = DateTime::from_timestamp_micros(*at) else {
                return false;
            };
            let offset = self.zone.offset_from_utc_datetime(&time.naive_utc());
            offset.abbreviation().map(str::as_bytes) == Some(name)
        };
        [cache.utc, cache.utc + cache.again].into_iter().find(has)
    }

    #[cold]
    fn fill(&self, bytes: &[u8], cache: &mut Cache) -> Option<()> {
        let minute = Minute::read(bytes)?;
        let by_days = || match cache.near {
            Some(near) => near.year(minute.month, minute.day),
            None => self.year(minute.month, minute.day),
        };
        let year = minute
            .year
            .unwrap_or_else(|| leap(by_days(), minute.month, minute.day));
        if minute.day > month_days(year, minute.month) {
            return None;
        }
        let days = days_since_1970(year, minute.month, minute.day);
        let local = days * 86_400 + i64::from(minute.hour * 60 + minute.minute) * 60;
        let prefix = cache.prefix.get_mut(..minute.len)?;
        prefix.copy_from_slice(bytes.get(..minute.len)?);
        cache.len = minute.len;
        cache.local = local * SECOND;
        let (utc, again, skipped) = self.utc(local)?;
        cache.skipped = skipped;
        (cache.utc, cache.again) = (utc * SECOND, again * SECOND);
        cache.near = Some(Near::then(cache.near, days));
        Some(())
    }
}

impl Edge {
    fn year(self, month: u32, day: u32) -> i32 {
        match self {
            Edge::Opens(year, first) => year.saturating_add(i32::from((month, day) < first)),
            Edge::Closes(year, last) => year.saturating_sub(i32::from((month, day) > last)),
        }
    }
}

impl Near {
    /// The year of a day that follows.
    fn year(self, month: u32, day: u32) -> i32 {
        let about = |at: i64| {
            let year = DateTime::from_timestamp(at * 86_400, 0).map_or(1970, |time| time.year());
            let years = [year, year.saturating_add(1), year.saturating_sub(1)];
            let since = |year: &i32| days_since_1970(*year, month, day) - at;
            let after = years
                .into_iter()
                .find(|year| (-BACK..=365 - BACK).contains(&since(year)));
            let year = after.unwrap_or(year);
            (year, since(&year))
        };
        let (year, since) = about(self.day);
        match self.far.map(about) {
            Some((_, far)) if far.abs() > BACK && goes_on(since) => year,
            Some((year, _)) => year,
            None => year,
        }
    }

    /// After a line of this day.
    fn then(before: Option<Near>, day: i64) -> Near {
        let alone = Near { day, far: None };
        let Some(near) = before else {
            return alone;
        };
        match near.far {
            Some(far) if (day - far).abs() <= BACK || goes_on(day - near.day) => alone,
            // A log with long silences.
            Some(far) => Near {
                day: far,
                far: Some(day),
            },
            None if (day - near.day).abs() <= BACK => alone,
            None => Near {
                far: Some(day),
                ..near
            },
        }
    }
}

/// A day so long after the last one is the next of the log: what lay between was a false date.
fn goes_on(since: i64) -> bool {
    (-2..=20).contains(&since)
}

/// The year of the day (month, day) that is nearest to one whose year is known.
pub fn nearest_year(year: i32, known: (u32, u32), day: (u32, u32)) -> i32 {
    let at = days_since_1970(year, known.0, known.1);
    let years = [year, year.saturating_sub(1), year.saturating_add(1)];
    let apart = |year: &i32| (days_since_1970(*year, day.0, day.1) - at).abs();
    years.into_iter().min_by_key(apart).unwrap_or(year)
}

/// The year, or for a 29 February the last one before it that has one: a line is not lost for a year that is wrong.
fn leap(year: i32, month: u32, day: u32) -> i32 {
    let has = |year: &i32| (month, day) != (2, 29) || is_leap(*year);
    (0..9)
        .map(|back| year.saturating_sub(back))
        .find(has)
        .unwrap_or(year)
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month; 0 when there is no such month.
pub(super) fn month_days(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap(year)),
        1..=12 => 31,
        _ => 0,
    }
}

/// Days from 1 January 1970 to that day of the proleptic Gregorian calendar.
fn days_since_1970(year: i32, month: u32, day: u32) -> i64 {
    const BEFORE: [i64; 13] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let month = month.min(12);
    let past = i64::from(year) - 1;
    let leaps = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let leap_day = i64::from(month > 2 && is_leap(year));
    // 719,162 days lie between the first day of year 1 and that of 1970.
    past * 365 + leaps - 719_162 + BEFORE[month as usize] + leap_day + i64::from(day) - 1
}

fn day_before(year: i32, month: u32, day: u32) -> (i32, u32, u32) {
    match (month, day) {
        (0 | 1, 0 | 1) => (year.saturating_sub(1), 12, 31),
        (_, 0 | 1) => (year, month - 1, month_days(year, month - 1)),
        _ => (year, month, day - 1),
    }
}

fn day_after(year: i32, month: u32, day: u32) -> (i32, u32, u32) {
    match (month, day) {
        _ if day < month_days(year, month) => (year, month, day + 1),
        (12.., _) => (year.saturating_add(1), 1, 1),
        _ => (year, month + 1, 1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(zone: Tz, text: &str) -> Option<i64> {
        let year = YearRule::From {
            year: 2026,
            month: 1,
            day: 1,
        };
        let read = Clock::new(zone, year).read(text.as_bytes(), &mut Cache::default());
        read.map(|(micros, _)| micros)
    }

    fn utc(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text)
            .unwrap()
            .timestamp_micros()
    }

    #[test]
    fn every_way_to_write_a_time_is_read() {
        let whole = utc("2026-11-03T18:36:52Z");
        let fraction = utc("2026-11-03T18:36:52.123456Z");
        let forms = [
            ("Nov  3 18:36:52", whole),
            ("Nov 3 18:36:52 x", whole),
            ("Nov 03 18:36:52 x", whole),
            ("Nov  3 2026 18:36:52 x", whole),
            ("Nov  3 2026 18:36:52: x", whole),
            ("2026 Nov  3 18:36:52 x", whole),
            ("Nov  3 18:36:52.123456 x", fraction),
            ("2026-11-03T18:36:52Z x", whole),
            ("2026-11-03 18:36:52 x", whole),
            ("2026-11-03 18:36:52,123456789 x", fraction),
            ("2026-11-03T18:36:52.1234567890123+00:00 x", fraction),
            ("2026-11-03T19:36:52+0100 x", whole),
            ("2026-11-03T20:36:52+02 x", whole),
            ("2026-11-03 13:06:52 -0530 x", whole),
            ("2026-11-03 18:36:52 -mx x", whole),
        ];
        for (text, expected) in forms {
            assert_eq!(at(Tz::UTC, text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_exist_is_no_time() {
        let forms = [
            "Feb 30 18:36:52 x",
            "Nov 31 18:36:52 x",
            "Nov  0 18:36:52 x",
            "Nov 23 25:36:52 x",
            "Nov 23 24:00:00 x",
            "Nov 23 18:60:52 x",
            "Nov 23 18:36:61 x",
            "Nov 23 18:36:52x",
            "Nov 23 18:36",
            "Nov 23 18:36:52. x",
            "Nom 23 18:36:52 x",
            "2026-13-01T18:36:52Z x",
            "2026-02-29T18:36:52Z x",
            "2026-11-23T18:36:52+01: x",
            "2026-11-23T18:36:52+2500 x",
            "0000-11-23T18:36:52Z x",
        ];
        for text in forms {
            assert_eq!(at(Tz::UTC, text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_second_before_and_a_leap_day_needs_its_year() {
        assert_eq!(
            at(Tz::UTC, "2016-12-31T23:59:60Z"),
            Some(utc("2016-12-31T23:59:59Z"))
        );
        assert_eq!(
            at(Tz::UTC, "Feb 29 2024 12:00:00 x"),
            Some(utc("2024-02-29T12:00:00Z"))
        );
    }

    #[test]
    fn new_year_falls_where_the_rule_says() {
        let from = Clock::new(
            Tz::UTC,
            YearRule::From {
                year: 2025,
                month: 12,
                day: 30,
            },
        );
        let until = Clock::new(
            Tz::UTC,
            YearRule::Until {
                year: 2026,
                month: 1,
                day: 2,
            },
        );
        for clock in [from, until] {
            assert_eq!(clock.year(12, 29), 2025);
            assert_eq!(clock.year(12, 31), 2025);
            assert_eq!(clock.year(1, 1), 2026);
            assert_eq!(clock.year(1, 3), 2026);
        }
        assert_eq!(from.year(12, 28), 2026);
        assert_eq!(until.year(1, 4), 2025);
        let first = Clock::new(
            Tz::UTC,
            YearRule::From {
                year: 2026,
                month: 1,
                day: 1,
            },
        );
        assert_eq!((first.year(12, 31), first.year(12, 30)), (2025, 2026));
        let last = Clock::new(
            Tz::UTC,
            YearRule::Until {
                year: 2025,
                month: 12,
                day: 31,
            },
        );
        assert_eq!((last.year(1, 1), last.year(1, 2)), (2026, 2025));
    }

    #[test]
    fn summer_time_begins_and_ends() {
        let zone = Tz::Europe__Berlin;
        assert_eq!(
            at(zone, "Oct 25 01:59:59 x"),
            Some(utc("2026-10-24T23:59:59Z"))
        );
        assert_eq!(
            at(zone, "Oct 25 02:30:00 x"),
            Some(utc("2026-10-25T00:30:00Z"))
        );
        assert_eq!(
            at(zone, "Oct 25 03:00:00 x"),
            Some(utc("2026-10-25T02:00:00Z"))
        );
        assert_eq!(
            at(zone, "Mar 29 02:30:00 x"),
            Some(utc("2026-03-29T01:30:00Z"))
        );
        assert_eq!(
            at(zone, "Mar 29 03:30:00 x"),
            Some(utc("2026-03-29T01:30:00Z"))
        );
        assert_eq!(
            at(zone, "2026-07-01T12:00:00 x"),
            Some(utc("2026-07-01T10:00:00Z"))
        );
        assert_eq!(
            at(zone, "2026-07-01T12:00:00Z x"),
            Some(utc("2026-07-01T12:00:00Z"))
        );
    }

    #[test]
    fn a_time_that_was_skipped_is_told() {
        let year = YearRule::Until {
            year: 2026,
            month: 11,
            day: 24,
        };
        let clock = Clock::new(Tz::Europe__Berlin, year);
        let mut cache = Cache::default();
        for (text, expected) in [
            ("Mar 29 01:59:59 x", false),
            ("Mar 29 02:30:00 x", true),
            ("2026-03-29T02:30:00Z x", false),
            ("2026-03-29T02:30:00 x", true),
            ("Mar 29 03:00:00 x", false),
        ] {
            clock.read(text.as_bytes(), &mut cache).unwrap();
            assert_eq!(cache.is_skipped(), expected, "{text}");
        }
    }

    #[test]
    fn a_zones_name_tells_the_hour_that_comes_twice_or_is_another_ones() {
        let year = YearRule::From {
            year: 2026,
            month: 1,
            day: 1,
        };
        let clock = Clock::new(Tz::Europe__Berlin, year);
        for (text, expected, foreign) in [
            (
                "Sun 2026-10-25 02:30:00 CET x",
                "2026-10-25T01:30:00Z",
                false,
            ),
            (
                "Sun 2026-10-25 02:30:00 CEST x",
                "2026-10-25T00:30:00Z",
                false,
            ),
            (
                "Sun 2026-10-25 02:30:00 EST x",
                "2026-10-25T00:30:00Z",
                true,
            ),
            (
                "Sun 2026-10-25 02:30:00 UTC x",
                "2026-10-25T02:30:00Z",
                false,
            ),
            (
                "Sun 2026-10-25 02:30:00 -03 x",
                "2026-10-25T05:30:00Z",
                false,
            ),
        ] {
            let mut cache = Cache::default();
            let (at, _) = clock.read(text.as_bytes(), &mut cache).unwrap();
            assert_eq!((at, cache.is_foreign()), (utc(expected), foreign), "{text}");
        }
    }

    #[test]
    fn a_skipped_day_is_still_placed() {
        let micros = at(Tz::Pacific__Apia, "2011-12-30T12:00:00 x");
        assert_eq!(micros, Some(utc("2011-12-30T22:00:00Z")));
    }

    proptest::proptest! {
        #[test]
        fn the_calendar_is_chronos(year in 1970i32..9999, month in 1u32..=12, day in 1u32..=31) {
            let date = chrono::NaiveDate::from_ymd_opt(year, month, day);
            proptest::prop_assert_eq!(date.is_some(), day <= month_days(year, month));
            if let Some(date) = date {
                let epoch = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
                proptest::prop_assert_eq!((date - epoch).num_days(), days_since_1970(year, month, day));
            }
        }

        #[test]
        fn a_cache_changes_nothing(minutes in proptest::collection::vec(0i64..3_000_000, 1..20)) {
            let year = YearRule::Until { year: 2026, month: 6, day: 30 };
            let clock = Clock::new(Tz::America__New_York, year);
            let mut cache = Cache::default();
            for minute in minutes {
                let time = DateTime::from_timestamp(1_577_836_800 + minute * 60, 0).unwrap();
                for form in ["%FT%T%.6f", "%Y %b %e %T", "%F %T+0100"] {
                    let text = time.format(form).to_string();
                    let (fresh, _) = clock.read(text.as_bytes(), &mut Cache::default()).unwrap();
                    let (cached, _) = clock.read(text.as_bytes(), &mut cache).unwrap();
                    // But for which of two hours it is.
                    let again = !form.contains('+') && cache.is_twice();
                    proptest::prop_assert!(cached == fresh || (again && cached - fresh == 3600 * SECOND));
                }
            }
        }
    }
}
