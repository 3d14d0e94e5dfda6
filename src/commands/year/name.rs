//! Dates in paths: `mail.log-20261001.zst`, `2026/10/mx1.log`, `maillog.2026-10-01T00:00.gz`.

use chrono::{Datelike, NaiveDate};

/// The day after which the file has no line, or by a day at most, as its path says: a rotated file is named for the day on
/// which it was closed, a folder for the month or year that it holds. The name nearest to the file counts. Within a name a
/// date is a whole one; a year or month alone is the name of a folder.
pub(super) fn date(path: &str) -> Option<NaiveDate> {
    let parts: Vec<&str> = path.split('/').collect();
    (0..parts.len()).rev().find_map(|at| {
        let dates = runs(parts[at].as_bytes());
        let mut dates = (0..dates.len())
            .rev()
            .filter_map(|run| dated(&dates[run..]));
        let within = dates.find(|(exact, _)| *exact == Exact::Day);
        within
            .map(|(_, date)| date)
            .or_else(|| folder(&parts[..=at]))
    })
}

/// `2026/10/01`, `2026/10`, `2026-10`, `202610`, `2026`: folders, the last of which is the last of these.
fn folder(parts: &[&str]) -> Option<NaiveDate> {
    let digits = |part: &&str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let last = parts
        .last()
        .filter(|part| digits(part) && !part.is_empty())?;
    let joined = match parts {
        [.., year, month, day] if last.len() == 2 && month.len() == 2 && year.len() == 4 => {
            format!("{year}-{month}-{day}")
        }
        [.., year, month] if last.len() == 2 && year.len() == 4 => format!("{year}-{month}"),
        _ => (*last).to_owned(),
    };
    let date = dated(&runs(joined.as_bytes()));
    date.map(|(_, date)| date)
}

/// How exact a date is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exact {
    Year,
    Month,
    Day,
}

/// Digits, and what lies between them and those before.
struct Run<'a> {
    digits: &'a str,
    gap: &'a [u8],
}

fn runs(path: &[u8]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        let gap = rest
            .iter()
            .take_while(|byte| !byte.is_ascii_digit())
            .count();
        let digits = rest[gap..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        // Digits are ASCII.
        let text = std::str::from_utf8(&rest[gap..gap + digits]).unwrap_or_default();
        if digits > 0 {
            runs.push(Run {
                digits: text,
                gap: &rest[..gap],
            });
        }
        at += gap + digits;
    }
    runs
}

/// The date that begins here.
fn dated(runs: &[Run<'_>]) -> Option<(Exact, NaiveDate)> {
    let [first, rest @ ..] = runs else {
        return None;
    };
    let part = |from: usize, to: usize| first.digits.get(from..to)?.parse::<u32>().ok();
    let year = part(0, 4).filter(|year| (1990..=2100).contains(year))?;
    let joined = |at: usize| {
        let run: &Run<'_> = rest.get(at)?;
        let near = matches!(run.gap, [b'-' | b'_' | b'.']) && run.digits.len() == 2;
        run.digits.parse::<u32>().ok().filter(|_| near)
    };
    match first.digits.len() {
        // With hours, minutes and seconds: 10, 12, 14.
        8 | 10 | 12 | 14 => day(year, part(4, 6)?, part(6, 8)?),
        6 => month(year, part(4, 6)?),
        4 => match (joined(0), joined(1)) {
            (Some(month_), Some(day_)) => day(year, month_, day_).or_else(|| month(year, month_)),
            (Some(month_), None) => month(year, month_),
            _ => NaiveDate::from_ymd_opt(year as i32, 12, 31).map(|date| (Exact::Year, date)),
        },
        _ => None,
    }
}

fn day(year: u32, month: u32, day: u32) -> Option<(Exact, NaiveDate)> {
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    Some((Exact::Day, date))
}

/// Its last day.
fn month(year: u32, month: u32) -> Option<(Exact, NaiveDate)> {
    let first = NaiveDate::from_ymd_opt(year as i32, month, 1)?;
    let days = u32::from(first.num_days_in_month());
    Some((Exact::Month, first.with_day(days)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_as_rotation_writes_them() {
        for (path, expected) in [
            ("logs/mail.log-20261001.zst", "2026-10-01"),
            ("maillog-20241231.gz", "2024-12-31"),
            ("mail.log.2026-10-01", "2026-10-01"),
            ("mail_2026_10_01.log", "2026-10-01"),
            ("2026/10/mx1.log", "2026-10-31"),
            ("2024/02/29/mx1.log", "2024-02-29"),
            ("backup-2026-11-24/2024/03/mx1.log", "2024-03-31"),
            ("case-2026/2024-03/mx1.log", "2024-03-31"),
            ("archive/2024/mail.log.2.gz", "2024-12-31"),
            ("202602/mail.log", "2026-02-28"),
            ("mail.log-2026100114", "2026-10-01"),
            ("20250101/mail.log-20241001", "2024-10-01"),
        ] {
            let found = date(path).map(|date| date.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn other_numbers_are_no_dates() {
        for path in [
            "mail.log.2.gz",
            "mx1.log",
            "20261301.log",
            "host-19216801/mail.log",
            "mail.log.12345",
            "4096/mail.log",
            "case-2026/x/mail.log",
            "mail-2026.log",
            "",
        ] {
            assert_eq!(date(path), None, "{path}");
        }
    }
}
