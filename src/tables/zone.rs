//! Local days and hours of UTC times.

use chrono::{DateTime, Datelike, LocalResult, Offset, TimeZone, Utc};
use chrono_tz::Tz;

const SECOND: i64 = 1_000_000;
const QUARTER: i64 = 900 * SECOND;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 86_400 * SECOND;

/// Times, µs since 1970 UTC, at which the zone's clock was put back between two others.
pub fn put_back(zone: Tz, first: i64, last: i64) -> Vec<i64> {
    const STEP: i64 = 6 * HOUR;
    let mut found = Vec::new();
    let mut at = first.div_euclid(QUARTER) * QUARTER;
    while at <= last {
        let next = at.saturating_add(STEP);
        if offset(zone, next) < offset(zone, at) {
            let quarters = (at..=next).step_by(QUARTER as usize);
            let change = quarters
                .skip(1)
                .find(|ts| offset(zone, *ts) < offset(zone, ts - QUARTER));
            found.extend(change.filter(|ts| (first..=last).contains(ts)));
        }
        at = next;
    }
    found
}

/// Cuts times in one zone, looking its offset up once a quarter of an hour (no zone shifts within one).
pub struct Cutter {
    zone: Tz,
    quarter: i64,
    offset: i64,
}

/// A time, cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Days since 1970, local.
    pub day: i32,
    /// Local time cut to the hour, µs since 1970 as if it were UTC.
    pub hour: i64,
    /// 0 to 23, local.
    pub hour_of_day: i64,
    /// 1 = Monday to 7 = Sunday, local.
    pub weekday: i64,
    /// Minutes since 1970 UTC.
    pub minute: i64,
}

impl Cutter {
    /// A cutter for a zone.
    pub fn new(zone: Tz) -> Self {
        Cutter {
            zone,
            quarter: i64::MIN,
            offset: 0,
        }
    }

    /// Offset from UTC at a time, µs.
    pub fn offset(&mut self, ts: i64) -> i64 {
        let quarter = ts.div_euclid(QUARTER);
        if quarter != self.quarter {
            self.quarter = quarter;
            self.offset = offset(self.zone, ts);
        }
        self.offset
    }

    /// The local day, hour and weekday of a time, µs since 1970 UTC.
    pub fn cut(&mut self, ts: i64) -> Cut {
        let local = ts.saturating_add(self.offset(ts));
        let day = local.div_euclid(DAY);
        let hour = local.div_euclid(HOUR);
        Cut {
            day: day as i32,
            hour: hour * HOUR,
            hour_of_day: hour.rem_euclid(24),
            // 1 January 1970 was a Thursday.
            weekday: (day + 3).rem_euclid(7) + 1,
            minute: ts.div_euclid(60 * SECOND),
        }
    }
}

fn offset(zone: Tz, ts: i64) -> i64 {
    let Some(utc) = DateTime::<Utc>::from_timestamp_micros(ts) else {
        return 0;
    };
    i64::from(
        zone.offset_from_utc_datetime(&utc.naive_utc())
            .fix()
            .local_minus_utc(),
    ) * SECOND
}

/// Whether the local time of this moment occurs twice: in the hour in which the clocks are set back.
pub fn is_repeated(zone: Tz, ts: i64) -> bool {
    let Some(utc) = DateTime::<Utc>::from_timestamp_micros(ts) else {
        return false;
    };
    let local = utc.with_timezone(&zone).naive_local();
    matches!(
        zone.offset_from_local_datetime(&local),
        LocalResult::Ambiguous(..)
    )
}

/// RFC 3339 with the zone's offset, to the second.
pub fn rfc3339(zone: Tz, ts: i64) -> String {
    match DateTime::<Utc>::from_timestamp_micros(ts) {
        Some(utc) => utc
            .with_timezone(&zone)
            .format("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        None => String::new(),
    }
}

/// The calendar year of a time in a zone.
pub fn year(zone: Tz, ts: i64) -> i32 {
    DateTime::<Utc>::from_timestamp_micros(ts).map_or(1970, |utc| utc.with_timezone(&zone).year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_chrono_across_a_year_in_berlin() {
        use chrono::Timelike;
        let zone = chrono_tz::Europe::Berlin;
        let mut cutter = Cutter::new(zone);
        for step in 0..20_000 {
            let ts = 1_700_000_000 * SECOND + step * 1_733 * SECOND;
            let local = DateTime::<Utc>::from_timestamp_micros(ts)
                .unwrap_or_default()
                .with_timezone(&zone);
            let cut = cutter.cut(ts);
            assert_eq!(cut.hour_of_day, i64::from(local.hour()));
            assert_eq!(cut.weekday, i64::from(local.weekday().number_from_monday()));
            assert_eq!(
                i64::from(cut.day),
                i64::from(local.num_days_from_ce()) - 719_163
            );
        }
    }
}
