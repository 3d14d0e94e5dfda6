//! Where a daily series is heading, by its level, its trend and its week; refused where the past cannot carry it.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, DataType, PolarsResult, polars_err};

use super::Method;
use crate::tables::schema::Type;

/// Holt (1957) and Winters (1960), additive, in the form of Hyndman and others (2008), from which the bands are. The
/// smoothing weights are those of a grid with the smallest squared one-day errors. A fifth of the days is held back
/// first, and forecast from the others: when that is off by more than `max_mape` on average, there is no forecast.
///
/// A day without a row between the first and the last, or without a value, is unknown: it changes nothing. A series
/// gives its days (`ahead` 0) and the days to come, or one row that says why there is no forecast (`refused`).
pub const METHOD: Method = Method {
    name: "holt_winters",
    about: "forecast of a daily series by level, trend and season, with bands of 80 and 95 %, after a back-test (Holt 1957, Winters 1960)",
    inputs: &[
        ("series", Type::Text),
        ("day", Type::Date),
        ("value", Type::Float),
        ("season", Type::Int),
        ("horizon", Type::Int),
        ("max_mape", Type::Float),
    ],
    outputs: &[
        ("series", Type::Text),
        ("day", Type::Date),
        ("ahead", Type::Int),
        ("value", Type::Float),
        ("low_80", Type::Float),
        ("high_80", Type::Float),
        ("low_95", Type::Float),
        ("high_95", Type::Float),
        ("days", Type::Int),
        ("mape", Type::Float),
        ("refused", Type::Text),
    ],
    run,
};

/// Quantiles of the normal distribution for bands of 80 and of 95 %.
const Z: (f64, f64) = (1.2816, 1.96);

/// Seasons from whose means a model starts, at most.
const START: usize = 4;

/// Days ahead at most: ten years.
const FARTHEST: i64 = 3_653;

/// Weights tried: of the level; of the trend, in parts of that; of the season, in parts of what that leaves.
const LEVELS: [f64; 12] = [
    0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
];
const TRENDS: [f64; 6] = [0.0, 0.01, 0.03, 0.1, 0.2, 0.4];
const SEASONS: [f64; 8] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8];

/// What is asked of one series.
struct Asked {
    values: BTreeMap<i32, f64>,
    season: usize,
    horizon: usize,
    max_mape: f64,
}

/// A day as it was, or as it may be.
struct Day {
    day: Option<i32>,
    ahead: i64,
    value: Option<f64>,
    /// Half the width of the bands.
    bands: Option<(f64, f64)>,
}

/// A series with its forecast, or with why there is none.
struct Outcome {
    days: Vec<Day>,
    known: i64,
    mape: Option<f64>,
    refused: Option<String>,
}

#[derive(Clone, Copy)]
struct Weights {
    level: f64,
    trend: f64,
    season: f64,
}

#[derive(Clone)]
struct Model {
    level: f64,
    trend: f64,
    seasons: Vec<f64>,
    /// Days seen.
    at: usize,
}

/// A model that has seen all days, its weights, and the sum of its squared one-day errors.
struct Fit {
    model: Model,
    weights: Weights,
    squares: f64,
}

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let asked = read(rows)?;
    let mut lines: Vec<(&str, &Day, &Outcome)> = Vec::new();
    let outcomes: Vec<(&String, Outcome)> = asked
        .iter()
        .map(|(name, one)| (name, outcome(one)))
        .collect();
    for (name, outcome) in &outcomes {
        lines.extend(outcome.days.iter().map(|day| (name.as_str(), day, outcome)));
    }
    let number = |of: fn(&Day, &Outcome) -> Option<f64>| {
        let values: Vec<Option<f64>> = lines.iter().map(|(_, day, one)| of(day, one)).collect();
        Column::new("".into(), values)
    };
    // Mail is not negative.
    let low = |day: &Day, half: f64| Some((day.value? - half).max(0.0));
    let low_80: Vec<Option<f64>> = lines
        .iter()
        .map(|(_, day, _)| day.bands.and_then(|bands| low(day, bands.0)))
        .collect();
    let low_95: Vec<Option<f64>> = lines
        .iter()
        .map(|(_, day, _)| day.bands.and_then(|bands| low(day, bands.1)))
        .collect();
    let names: Vec<&str> = lines.iter().map(|(name, _, _)| *name).collect();
    let days: Vec<Option<i32>> = lines.iter().map(|(_, day, _)| day.day).collect();
    let ahead: Vec<i64> = lines.iter().map(|(_, day, _)| day.ahead).collect();
    let known: Vec<i64> = lines.iter().map(|(_, _, one)| one.known).collect();
    let refused: Vec<Option<&str>> = lines
        .iter()
        .map(|(_, _, one)| one.refused.as_deref())
        .collect();
    Ok(vec![
        Column::new("".into(), names),
        Column::new("".into(), days),
        Column::new("".into(), ahead),
        number(|day, _| day.value),
        Column::new("".into(), low_80),
        number(|day, _| Some(day.value? + day.bands?.0)),
        Column::new("".into(), low_95),
        number(|day, _| Some(day.value? + day.bands?.1)),
        Column::new("".into(), known),
        number(|_, one| one.mape),
        Column::new("".into(), refused),
    ])
}

fn read(rows: &DataFrame) -> PolarsResult<BTreeMap<String, Asked>> {
    // A date is its number of days since 1970.
    let days = rows.column("day")?.cast(&DataType::Int32)?;
    let (series, days, values) = (
        rows.column("series")?.str()?,
        days.i32()?,
        rows.column("value")?.f64()?,
    );
    let (seasons, horizons, most) = (
        rows.column("season")?.i64()?,
        rows.column("horizon")?.i64()?,
        rows.column("max_mape")?.f64()?,
    );
    let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
    for row in 0..rows.height() {
        let one = asked
            .entry(series.get(row).unwrap_or_default().to_owned())
            .or_insert(Asked {
                values: BTreeMap::new(),
                season: seasons.get(row).unwrap_or(1).clamp(1, 366) as usize,
                horizon: horizons.get(row).unwrap_or(0).clamp(0, FARTHEST) as usize,
                max_mape: most.get(row).unwrap_or(f64::INFINITY),
            });
        if let (Some(day), Some(value)) = (days.get(row), values.get(row))
            && one.values.insert(day, value).is_some()
        {
            return Err(polars_err!(ComputeError: "a day has two values in one series"));
        }
    }
    Ok(asked)
}

fn outcome(asked: &Asked) -> Outcome {
    let first = asked.values.keys().next().copied().unwrap_or_default();
    let last = asked.values.keys().next_back().copied();
    let values: Vec<Option<f64>> = last.map_or(Vec::new(), |last| {
        let days = first..=last;
        days.map(|day| asked.values.get(&day).copied()).collect()
    });
    let known = asked.values.len() as i64;
    let no = |mape: Option<f64>, why: String| Outcome {
        days: vec![Day {
            day: None,
            ahead: 0,
            value: None,
            bands: None,
        }],
        known,
        mape,
        refused: Some(why),
    };
    let (mape, fit) = match tested(&values, asked) {
        Ok(found) => found,
        Err((mape, why)) => return no(mape, why),
    };
    let past = (first..).zip(&values).map(|(day, value)| Day {
        day: Some(day),
        ahead: 0,
        value: *value,
        bands: None,
    });
    let mut days: Vec<Day> = past.collect();
    let bands = fit.bands(known as usize, asked);
    days.extend((1..=asked.horizon).zip(bands).map(|(ahead, half)| Day {
        day: Some(first + (values.len() + ahead) as i32 - 1),
        ahead: ahead as i64,
        value: Some(fit.model.after(ahead).max(0.0)),
        bands: Some((Z.0 * half, Z.1 * half)),
    }));
    Outcome {
        days,
        known,
        mape: Some(mape),
        refused: None,
    }
}

/// The error of the back-test and the model of all days; or why there is no forecast.
fn tested(values: &[Option<f64>], asked: &Asked) -> Result<(f64, Fit), (Option<f64>, String)> {
    let (all, season) = (values.len(), asked.season);
    let held = all.div_ceil(5);
    if all - held < 2 * season {
        // The smallest number of days of which four fifths are two seasons.
        let need = (2 * season..).find(|n| n - n.div_ceil(5) >= 2 * season);
        let need = need.unwrap_or_default();
        let why = format!(
            "too few complete days ({all} of {need}): two seasons of {season} days to learn from, and a fifth to test on"
        );
        return Err((None, why));
    }
    let unknown = values.iter().filter(|value| value.is_none()).count();
    if unknown * 10 > all {
        let why = format!("{unknown} of {all} days are unknown, more than a tenth");
        return Err((None, why));
    }
    let (train, test) = values.split_at(all - held);
    let none = || (None, "a day of the season is always unknown".to_owned());
    let learnt = fit(train, season).ok_or_else(none)?;
    let errors = (1..).zip(test).filter_map(|(ahead, value)| {
        let value = (*value).filter(|value| *value > 0.0)?;
        Some((learnt.model.after(ahead).max(0.0) - value).abs() / value)
    });
    let errors: Vec<f64> = errors.collect();
    if errors.is_empty() {
        let why = format!("nothing happened on the last {held} days, on which it would be tested");
        return Err((None, why));
    }
    let mape = errors.iter().sum::<f64>() / errors.len() as f64;
    if mape > asked.max_mape {
        let why = format!(
            "a forecast of the last {held} days from those before is off by {:.0} % on average",
            mape * 100.0
        );
        return Err((Some(mape), why));
    }
    Ok((mape, fit(values, season).ok_or_else(none)?))
}

/// The model of the grid with the smallest squared errors; the first of equals.
fn fit(values: &[Option<f64>], season: usize) -> Option<Fit> {
    let start = Model::start(values, season)?;
    let mut best: Option<Fit> = None;
    for level in LEVELS {
        for trend in TRENDS {
            for part in SEASONS {
                let weights = Weights {
                    level,
                    trend: trend * level,
                    season: part * (1.0 - level),
                };
                let mut model = start.clone();
                let squares = values
                    .iter()
                    .map(|value| model.see(*value, weights).powi(2));
                let squares: f64 = squares.sum();
                if best.as_ref().is_none_or(|best| squares < best.squares) {
                    best = Some(Fit {
                        model,
                        weights,
                        squares,
                    });
                }
            }
        }
    }
    best
}

impl Model {
    /// Before the first day: level and trend from the means of the first seasons, the season from what these leave.
    fn start(values: &[Option<f64>], season: usize) -> Option<Self> {
        let used = (values.len() / season).min(START);
        let means: Option<Vec<f64>> = (0..used)
            .map(|no| {
                mean(
                    values[no * season..(no + 1) * season]
                        .iter()
                        .flatten()
                        .copied(),
                )
            })
            .collect();
        let means = means?;
        let (first, last) = (means.first()?, means.last()?);
        let trend = match used {
            0 | 1 => 0.0,
            _ => (last - first) / (season * (used - 1)) as f64,
        };
        let level = first - trend * (season + 1) as f64 / 2.0;
        let leaves = |place: usize| {
            let days = (place..used * season).step_by(season);
            let known = days.filter_map(|day| Some((day, values[day]?)));
            mean(known.map(|(day, value)| value - level - trend * (day + 1) as f64))
        };
        let seasons: Option<Vec<f64>> = (0..season).map(leaves).collect();
        Some(Self {
            level,
            trend,
            seasons: seasons?,
            at: 0,
        })
    }

    /// Takes in the next day, and gives by how much it differs from what was expected.
    fn see(&mut self, value: Option<f64>, weights: Weights) -> f64 {
        let place = self.at % self.seasons.len();
        let expected = self.level + self.trend + self.seasons[place];
        let error = value.map_or(0.0, |value| value - expected);
        self.level += self.trend + weights.level * error;
        self.trend += weights.trend * error;
        self.seasons[place] += weights.season * error;
        self.at += 1;
        error
    }

    /// The day that comes `ahead` days after the last one seen.
    fn after(&self, ahead: usize) -> f64 {
        let place = (self.at + ahead - 1) % self.seasons.len();
        self.level + ahead as f64 * self.trend + self.seasons[place]
    }
}

impl Fit {
    /// The standard deviation of the error of each day ahead.
    fn bands(&self, known: usize, asked: &Asked) -> Vec<f64> {
        // Level, trend and each place of the season were estimated.
        let freedom = known.saturating_sub(asked.season + 2).max(1);
        let one_day = self.squares / freedom as f64;
        let mut factor = 1.0;
        let mut bands = Vec::with_capacity(asked.horizon);
        for ahead in 1..=asked.horizon {
            bands.push((one_day * factor).sqrt());
            let mut weight = self.weights.level + self.weights.trend * ahead as f64;
            if ahead % asked.season == 0 {
                weight += self.weights.season;
            }
            factor += weight * weight;
        }
        bands
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0usize);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
#[path = "holt_winters_tests.rs"]
mod tests;
