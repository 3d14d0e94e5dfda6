//! The slope that most pairs of points agree on: robust against outliers, which days of mail have.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::{Method, median};
use crate::tables::schema::Type;

/// Theil (1950) and Sen (1968): the median of the slopes between all pairs of points, with the 95 % interval from
/// Kendall's variance. A series of fewer than two different `x` has no row.
pub const METHOD: Method = Method {
    name: "theil_sen",
    about: "median slope over all pairs of points, with its 95 % interval (Theil 1950, Sen 1968)",
    inputs: &[
        ("series", Type::Text),
        ("x", Type::Float),
        ("y", Type::Float),
    ],
    outputs: &[
        ("series", Type::Text),
        ("points", Type::Int),
        ("median", Type::Float),
        ("slope", Type::Float),
        ("slope_low", Type::Float),
        ("slope_high", Type::Float),
    ],
    run,
};

/// Points of one series above which the newest are used: pairs grow with the square.
const MOST: usize = 1_000;

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.96;

struct Trend {
    points: i64,
    median: f64,
    slope: f64,
    low: Option<f64>,
    high: Option<f64>,
}

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let (series, x, y) = (
        rows.column("series")?.str()?,
        rows.column("x")?.f64()?,
        rows.column("y")?.f64()?,
    );
    let mut points: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for ((series, x), y) in series.iter().zip(x.iter()).zip(y.iter()) {
        if let (Some(x), Some(y)) = (x, y) {
            points
                .entry(series.unwrap_or_default())
                .or_default()
                .push((x, y));
        }
    }
    let trends: Vec<(&str, Trend)> = points
        .into_iter()
        .filter_map(|(series, points)| Some((series, trend(points)?)))
        .collect();
    let of = |value: fn(&Trend) -> Option<f64>| {
        let values: Vec<Option<f64>> = trends.iter().map(|(_, trend)| value(trend)).collect();
        Column::new("".into(), values)
    };
    let names: Vec<&str> = trends.iter().map(|(series, _)| *series).collect();
    let counts: Vec<i64> = trends.iter().map(|(_, trend)| trend.points).collect();
    Ok(vec![
        Column::new("".into(), names),
        Column::new("".into(), counts),
        of(|trend| Some(trend.median)),
        of(|trend| Some(trend.slope)),
        of(|trend| trend.low),
        of(|trend| trend.high),
    ])
}

fn trend(mut points: Vec<(f64, f64)>) -> Option<Trend> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let points = &points[points.len().saturating_sub(MOST)..];
    let mut slopes: Vec<f64> = Vec::new();
    for (at, a) in points.iter().enumerate() {
        let later = points[at + 1..].iter().filter(|b| b.0 > a.0);
        slopes.extend(later.map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = median(&slopes)?;
    let n = points.len() as f64;
    let spread = Z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let all = slopes.len() as f64;
    // Ranks from 1; an interval wider than all slopes has no ends.
    let rank = |rank: f64| {
        let at = rank as usize;
        (rank >= 1.0).then(|| slopes.get(at - 1).copied()).flatten()
    };
    let mut values: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
    values.sort_by(f64::total_cmp);
    Some(Trend {
        points: points.len() as i64,
        median: median(&values)?,
        slope,
        low: rank(((all - spread) / 2.0).floor()),
        high: rank(((all + spread) / 2.0).ceil() + 1.0),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn points(values: &[f64]) -> Vec<(f64, f64)> {
        let numbered = values.iter().enumerate();
        numbered.map(|(x, y)| (x as f64, *y)).collect()
    }

    #[test]
    fn a_line_with_one_outlier_keeps_its_slope() {
        let mut values: Vec<f64> = (0..20).map(|x| 100.0 + 3.0 * f64::from(x)).collect();
        values[7] = 5000.0;
        let found = trend(points(&values)).unwrap();
        assert_eq!(found.slope, 3.0);
        assert_eq!(found.points, 20);
        assert!(found.low.unwrap() <= 3.0 && found.high.unwrap() >= 3.0);
    }

    #[test]
    fn a_flat_series_has_no_slope() {
        let found = trend(points(&[5.0; 12])).unwrap();
        assert_eq!((found.slope, found.median), (0.0, 5.0));
    }

    #[test]
    fn one_point_has_no_trend() {
        assert!(trend(points(&[1.0])).is_none());
        assert!(trend(vec![(1.0, 2.0), (1.0, 3.0)]).is_none());
    }

    #[test]
    fn few_points_have_an_open_interval() {
        let found = trend(points(&[1.0, 4.0, 2.0])).unwrap();
        assert_eq!(found.slope, 0.5);
        assert_eq!((found.low, found.high), (None, None));
    }
}
