//! Axis ticks: steps of 1, 2 and 5 for numbers, of the clock for durations.

use super::super::{ColumnKind, format};

/// Steps of a duration axis, in seconds.
const CLOCK: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 432_000.0,
];
/// Intervals wanted on a value axis.
const INTERVALS: f64 = 4.0;

/// A value axis that includes zero and all values.
#[derive(Debug)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
}

impl Scale {
    /// `low` and `high` are finite; the axis is never empty.
    pub fn new(low: f64, high: f64, kind: ColumnKind) -> Self {
        let (low, mut high) = (low.min(0.0), high.max(0.0));
        if high - low < 1e-9 {
            high = 1.0;
        }
        let step = step((high - low) / INTERVALS, kind);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let count = (last - first).clamp(1.0, 12.0) as usize;
        let ticks: Vec<f64> = (0..=count).map(|i| (first + i as f64) * step).collect();
        Self {
            low: first * step,
            high: (first + count as f64) * step,
            ticks,
        }
    }

    /// The value's place between 0 (low) and 1 (high).
    pub fn at(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The smallest good step that is at least `least`.
fn step(least: f64, kind: ColumnKind) -> f64 {
    let clock = CLOCK.iter().find(|s| **s >= least);
    match (kind, clock) {
        (ColumnKind::Seconds, Some(step)) if least >= 0.5 => *step,
        (ColumnKind::Count, _) => one_two_five(least).max(1.0),
        _ => one_two_five(least),
    }
}

fn one_two_five(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    // A hair of tolerance: 0.2 / 0.1 is not quite 2.
    steps
        .iter()
        .map(|s| s * power)
        .find(|s| *s >= least * (1.0 - 1e-9))
        .unwrap_or(power * 10.0)
}

/// A tick's label: short, as axes are.
pub fn label(value: f64, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Share => format!(
            "{} %",
            format::number((value * 1e8).round() / 1e6, ColumnKind::Number)
        ),
        ColumnKind::Count if value.abs() >= 1e6 => short(value),
        // Ticks are round: `2 MB`, where a table has `2.0 MB`.
        kind => format::number(value, kind).replacen(".0 ", " ", 1),
    }
}

fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        a if a >= 1e15 => return format!("{value:.0e}"),
        a if a >= 1e9 => (value / 1e9, "G"),
        _ => (value / 1e6, "M"),
    };
    format!("{}{unit}", format::number(scaled, ColumnKind::Number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, kind: ColumnKind) -> Vec<String> {
        Scale::new(low, high, kind)
            .ticks
            .iter()
            .map(|t| label(*t, kind))
            .collect()
    }

    #[test]
    fn ticks_are_round_in_their_unit() {
        assert_eq!(labels(0.0, 973.0, ColumnKind::Count), ["0", "500", "1,000"]);
        assert_eq!(labels(0.0, 3.0, ColumnKind::Count), ["0", "1", "2", "3"]);
        assert_eq!(
            labels(0.0, 7200.0, ColumnKind::Seconds),
            ["0 s", "30 min", "1 h", "1 h 30 min", "2 h"]
        );
        assert_eq!(
            labels(0.0, 0.31, ColumnKind::Share),
            ["0 %", "10 %", "20 %", "30 %", "40 %"]
        );
        assert_eq!(
            labels(0.0, 7.9e6, ColumnKind::Bytes),
            ["0 B", "2 MB", "4 MB", "6 MB", "8 MB"]
        );
        assert_eq!(
            labels(-30.0, 40.0, ColumnKind::Number),
            ["-40", "-20", "0", "20", "40"]
        );
        assert_eq!(
            labels(0.0, 4.2e6, ColumnKind::Count),
            ["0", "2M", "4M", "6M"]
        );
    }

    #[test]
    fn the_axis_holds_every_value_and_stays_short() {
        for high in [0.0, 1e-12, 0.3, 1.0, 99.0, 1e9, 1e300] {
            for kind in [ColumnKind::Count, ColumnKind::Seconds, ColumnKind::Share] {
                let scale = Scale::new(0.0, high, kind);
                assert!(
                    scale.high >= high && scale.ticks.len() <= 13,
                    "{high} {kind:?} {scale:?}"
                );
            }
        }
    }
}
