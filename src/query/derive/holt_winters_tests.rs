//! Series whose future is known.

#![allow(clippy::unwrap_used)]

use super::*;

const WEEK: [f64; 7] = [0.0, 10.0, 20.0, 15.0, 5.0, -30.0, -20.0];

fn asked(values: &[Option<f64>]) -> Asked {
    let days = (1000..).zip(values);
    Asked {
        values: days
            .filter_map(|(day, value)| Some((day, (*value)?)))
            .collect(),
        season: 7,
        horizon: 14,
        max_mape: 0.5,
    }
}

/// A hundred at first, three more each day, and a week.
fn series(days: usize) -> Vec<Option<f64>> {
    let value = |day: usize| 100.0 + 3.0 * day as f64 + WEEK[day % 7];
    (0..days).map(|day| Some(value(day))).collect()
}

fn close(have: f64, want: f64, within: f64) {
    assert!((have - want).abs() < within, "{have} instead of {want}");
}

#[test]
fn a_line_with_a_week_goes_on() {
    let found = outcome(&asked(&series(56)));
    assert_eq!(found.refused, None);
    close(found.mape.unwrap(), 0.0, 1e-9);
    let ahead: Vec<&Day> = found.days.iter().filter(|day| day.ahead > 0).collect();
    assert_eq!((ahead.len(), found.days.len()), (14, 70));
    for (day, want) in ahead.iter().zip(series(70).split_off(56)) {
        close(day.value.unwrap(), want.unwrap(), 1e-6);
    }
    assert_eq!(ahead[0].day, Some(1056));
    // What never erred has no width.
    close(ahead[13].bands.unwrap().1, 0.0, 1e-6);
}

#[test]
fn bands_are_wider_for_95_percent_and_farther_ahead() {
    let noisy = |(day, value): (usize, Option<f64>)| {
        let noise = ((day * 7919) % 13) as f64 - 6.0;
        value.map(|value| value + noise)
    };
    let values: Vec<Option<f64>> = series(56).into_iter().enumerate().map(noisy).collect();
    let found = outcome(&asked(&values));
    let bands: Vec<(f64, f64)> = found.days.iter().filter_map(|day| day.bands).collect();
    assert!(
        bands
            .iter()
            .all(|(narrow, wide)| *narrow > 0.0 && narrow < wide)
    );
    assert!(bands[13].0 > bands[0].0);
    // Noise of −6 to 6, each as often, has a standard deviation of 3.7; a model errs by more.
    assert!(
        bands[0].1 > 1.96 * 3.0 && bands[0].1 < 1.96 * 9.0,
        "{}",
        bands[0].1
    );
    let first = found.days.iter().find(|day| day.ahead == 1).unwrap();
    assert!((first.value.unwrap() - 268.0).abs() < bands[0].1);
}

#[test]
fn below_two_seasons_to_learn_from_there_is_none() {
    let found = outcome(&asked(&series(17)));
    let why = found.refused.unwrap();
    assert!(why.starts_with("too few complete days (17 of 18)"), "{why}");
    assert_eq!(found.days.len(), 1);
    assert!(outcome(&asked(&series(18))).refused.is_none());
    assert!(outcome(&asked(&[])).refused.is_some());
}

#[test]
fn what_does_not_repeat_is_refused() {
    // Twenty times as much from one day to the other, at random.
    let at = |day: u64| 10.0 + ((day * day * 2_654_435_761) % 97) as f64 * 20.0;
    let values: Vec<Option<f64>> = (0..60).map(|day| Some(at(day))).collect();
    let found = outcome(&asked(&values));
    let why = found.refused.unwrap();
    assert!(why.contains("off by") && found.mape.unwrap() > 0.5, "{why}");
}

#[test]
fn some_unknown_days_change_nothing() {
    let mut values = series(56);
    values[20] = None;
    values[41] = None;
    let found = outcome(&asked(&values));
    let first = found.days.iter().find(|day| day.ahead == 1).unwrap();
    close(first.value.unwrap(), 268.0, 2.0);
    assert_eq!(found.known, 54);
    for day in 0..6 {
        values[day * 3 + 1] = None;
    }
    let why = outcome(&asked(&values)).refused.unwrap();
    assert_eq!(why, "8 of 56 days are unknown, more than a tenth");
}

#[test]
fn mail_is_not_negative() {
    let values: Vec<Option<f64>> = (0..42)
        .map(|day| Some(90.0 - 2.0 * f64::from(day)))
        .collect();
    let found = outcome(&asked(&values));
    let last = found.days.last().unwrap();
    assert_eq!((last.ahead, last.value), (14, Some(0.0)));
}

#[test]
fn the_table_has_each_series_in_order() {
    let rows = DataFrame::new_infer_height(vec![
        Column::new("series".into(), ["b", "a"]),
        Column::new("day".into(), [20_000i32, 20_001])
            .cast(&DataType::Date)
            .unwrap(),
        Column::new("value".into(), [1.0, 2.0]),
        Column::new("season".into(), [7i64, 7]),
        Column::new("horizon".into(), [3i64, 3]),
        Column::new("max_mape".into(), [0.5, 0.5]),
    ]);
    let found = METHOD.table(&rows.unwrap()).unwrap();
    assert_eq!(found.height(), 2);
    let series = found.column("series").unwrap().str().unwrap();
    assert_eq!(series.get(0), Some("a"));
    assert_eq!(found.column("value").unwrap().null_count(), 2);
    assert_eq!(found.column("refused").unwrap().null_count(), 0);
}
