//! Two periods, day by day, on an equal mix of weekdays, and whether they differ by more than noise.
//!
//! A month with five Mondays has more mail than one with four. So each day is first set against the usual day of its
//! weekday, and only weekdays that both periods have are compared.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::{Method, rank_sum};
use crate::tables::schema::Type;

/// Means a day at the weekday mix of the later period; `p` is that of [`rank_sum`] over days set against
/// the mean of their weekday in both periods.
pub const METHOD: Method = Method {
    name: "compare_periods",
    about: "daily means on an equal mix of weekdays, and the rank-sum test over days (Mann and Whitney 1947)",
    inputs: &[
        ("measure", Type::Text),
        ("sample", Type::Text),
        ("weekday", Type::Int),
        ("value", Type::Float),
    ],
    outputs: &[
        ("measure", Type::Text),
        ("days_now", Type::Int),
        ("days_before", Type::Int),
        ("now", Type::Float),
        ("before", Type::Float),
        ("p", Type::Float),
    ],
    run,
};

/// Values of one weekday in the later and in the earlier period.
type Week = BTreeMap<i64, [Vec<f64>; 2]>;

struct Compared {
    days: [i64; 2],
    means: [f64; 2],
    p: Option<f64>,
}

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let (measure, sample) = (
        rows.column("measure")?.str()?,
        rows.column("sample")?.str()?,
    );
    let (weekday, value) = (rows.column("weekday")?.i64()?, rows.column("value")?.f64()?);
    let mut measures: BTreeMap<&str, Week> = BTreeMap::new();
    let words = measure.iter().zip(sample.iter());
    for ((measure, sample), (weekday, value)) in words.zip(weekday.iter().zip(value.iter())) {
        let (Some(measure), Some(weekday), Some(value)) = (measure, weekday, value) else {
            continue;
        };
        let at = usize::from(sample != Some("now"));
        let week = measures.entry(measure).or_default();
        week.entry(weekday).or_default()[at].push(value);
    }
    let found: Vec<(&str, Compared)> = measures
        .into_iter()
        .filter_map(|(measure, week)| Some((measure, compare(week)?)))
        .collect();
    let ints = |of: fn(&Compared) -> i64| {
        let values: Vec<i64> = found.iter().map(|(_, one)| of(one)).collect();
        Column::new("".into(), values)
    };
    let floats = |of: fn(&Compared) -> Option<f64>| {
        let values: Vec<Option<f64>> = found.iter().map(|(_, one)| of(one)).collect();
        Column::new("".into(), values)
    };
    let names: Vec<&str> = found.iter().map(|(measure, _)| *measure).collect();
    Ok(vec![
        Column::new("".into(), names),
        ints(|one| one.days[0]),
        ints(|one| one.days[1]),
        floats(|one| Some(one.means[0])),
        floats(|one| Some(one.means[1])),
        floats(|one| one.p),
    ])
}

/// `None` when no weekday is in both periods.
fn compare(mut week: Week) -> Option<Compared> {
    week.retain(|_, [now, before]| !now.is_empty() && !before.is_empty());
    // Sums depend on their order in the last digit.
    let lists = week.values_mut().flatten();
    lists.for_each(|values| values.sort_by(f64::total_cmp));
    let (mut days, mut sums) = ([0, 0], [0.0, 0.0]);
    let mut adjusted: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for [now, before] in week.values() {
        days[0] += now.len() as i64;
        days[1] += before.len() as i64;
        sums[0] += now.iter().sum::<f64>();
        sums[1] += mean(before) * now.len() as f64;
        let usual = (mean(now) + mean(before)) / 2.0;
        let set = |value: &f64| if usual > 0.0 { value / usual } else { 0.0 };
        adjusted[0].extend(now.iter().map(set));
        adjusted[1].extend(before.iter().map(set));
    }
    (days[0] > 0).then(|| Compared {
        days,
        means: sums.map(|sum| sum / days[0] as f64),
        p: Some(&adjusted)
            .filter(|samples| samples.iter().all(|values| values.len() >= LEAST))
            .and_then(|[now, before]| rank_sum::p(now, before)),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Fewer days than this on one side prove nothing.
const LEAST: usize = 5;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_equal_mix_of_weekdays_is_no_growth() {
        // Five Mondays of 100 and four Sundays of 10 after four of each.
        let week = Week::from([
            (1, [vec![100.0; 5], vec![100.0; 4]]),
            (7, [vec![10.0; 4], vec![10.0; 4]]),
        ]);
        let found = compare(week).unwrap();
        assert_eq!(found.days, [9, 8]);
        assert_eq!(found.means[0], found.means[1]);
        assert_eq!(found.p, Some(1.0));
    }

    #[test]
    fn weekdays_of_one_period_only_are_left_out() {
        let week = Week::from([(1, [vec![100.0], vec![80.0]]), (6, [vec![5.0], vec![]])]);
        let found = compare(week).unwrap();
        assert_eq!(
            (found.days, found.means, found.p),
            ([1, 1], [100.0, 80.0], None)
        );
        assert!(compare(Week::from([(6, [vec![5.0], vec![]])])).is_none());
    }
}
