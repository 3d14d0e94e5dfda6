//! Whether one sample is larger than another by more than chance: by ranks, which outliers cannot pull.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, PolarsResult, polars_err};

use super::{Method, median};
use crate::tables::schema::Type;

/// Wilcoxon (1945), Mann and Whitney (1947): two-sided. Exact when no value occurs twice and both samples have fewer
/// than 50 values; else the normal approximation with correction for ties and for continuity, as R's `wilcox.test`.
/// A measure with one sample only has a row without `p`.
pub const METHOD: Method = Method {
    name: "rank_sum",
    about: "whether two samples differ by more than chance, by their ranks (Wilcoxon 1945, Mann and Whitney 1947)",
    inputs: &[
        ("measure", Type::Text),
        ("sample", Type::Text),
        ("value", Type::Float),
    ],
    outputs: &[
        ("measure", Type::Text),
        ("n_now", Type::Int),
        ("n_before", Type::Int),
        ("median_now", Type::Float),
        ("median_before", Type::Float),
        ("p", Type::Float),
    ],
    run,
};

/// Values of a sample from which the normal approximation serves.
const MANY: usize = 50;

/// The two samples of a measure.
#[derive(Default)]
struct Samples {
    now: Vec<f64>,
    before: Vec<f64>,
}

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let (measure, sample, value) = (
        rows.column("measure")?.str()?,
        rows.column("sample")?.str()?,
        rows.column("value")?.f64()?,
    );
    let mut measures: BTreeMap<&str, Samples> = BTreeMap::new();
    for ((measure, sample), value) in measure.iter().zip(sample.iter()).zip(value.iter()) {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            continue;
        };
        let samples = measures.entry(measure.unwrap_or_default()).or_default();
        match sample {
            Some("now") => samples.now.push(value),
            Some("before") => samples.before.push(value),
            other => {
                let other = other.unwrap_or("null");
                return Err(
                    polars_err!(ComputeError: "`sample` is `now` or `before`, not `{other}`"),
                );
            }
        }
    }
    for samples in measures.values_mut() {
        samples.now.sort_by(f64::total_cmp);
        samples.before.sort_by(f64::total_cmp);
    }
    let numbers = |of: fn(&Samples) -> Option<f64>| {
        let values: Vec<Option<f64>> = measures.values().map(of).collect();
        Column::new("".into(), values)
    };
    let counts = |of: fn(&Samples) -> usize| {
        let values: Vec<i64> = measures.values().map(|one| of(one) as i64).collect();
        Column::new("".into(), values)
    };
    let names: Vec<&str> = measures.keys().copied().collect();
    Ok(vec![
        Column::new("".into(), names),
        counts(|one| one.now.len()),
        counts(|one| one.before.len()),
        numbers(|one| median(&one.now)),
        numbers(|one| median(&one.before)),
        numbers(|one| p(&one.now, &one.before)),
    ])
}

/// Probability of ranks at least as far apart, were both samples of one kind.
pub(super) fn p(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (sum, ties) = ranks(a, b);
    let (m, n) = (a.len() as f64, b.len() as f64);
    // Mann and Whitney's U: pairs in which the value of `a` is the larger one.
    let larger = sum - m * (m + 1.0) / 2.0;
    let distance = (larger - m * n / 2.0).abs();
    if ties == 0.0 && a.len() < MANY && b.len() < MANY {
        return Some(exact(a.len(), b.len(), distance));
    }
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        // Every value is the same: no difference at all.
        return Some(1.0);
    }
    let z = (distance - 0.5).max(0.0) / variance.sqrt();
    Some(erfc(z / std::f64::consts::SQRT_2).min(1.0))
}

/// The sum of the ranks of `a` among both, the same value sharing its mean rank; and the sum of t³ − t over the groups
/// of t same values.
fn ranks(a: &[f64], b: &[f64]) -> (f64, f64) {
    let marked = a.iter().map(|value| (*value, true));
    let mut all: Vec<(f64, bool)> = marked
        .chain(b.iter().map(|value| (*value, false)))
        .collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|x, y| x.0 == y.0) {
        let size = group.len() as f64;
        let rank = before + (size + 1.0) / 2.0;
        sum += rank * group.iter().filter(|(_, marked)| *marked).count() as f64;
        ties += size * size * size - size;
        before += size;
    }
    (sum, ties)
}

/// The share of all ways to divide the ranks in which U lies at least `distance` from its middle.
fn exact(m: usize, n: usize, distance: f64) -> f64 {
    // ways[k][u]: ways to choose k of the ranks so far with that U. Taking the rank r as the k-th adds r − k.
    let most = m * n;
    let mut ways = vec![vec![0.0f64; most + 1]; m + 1];
    ways[0][0] = 1.0;
    for rank in 1..=m + n {
        for k in (1..=m.min(rank)).rev() {
            let step = rank - k;
            if step > n {
                continue;
            }
            let (fewer, these) = ways.split_at_mut(k);
            for u in step..=most {
                these[0][u] += fewer[k - 1][u - step];
            }
        }
    }
    let middle = most as f64 / 2.0;
    let far = |(u, count): (usize, &f64)| {
        let is_far = (u as f64 - middle).abs() >= distance;
        is_far.then_some(*count)
    };
    let total: f64 = ways[m].iter().sum();
    let tails: f64 = ways[m].iter().enumerate().filter_map(far).sum();
    tails / total
}

/// The complementary error function, of `x` at least 0, to 1.2e-7 of its value (Press et al., Numerical Recipes,
/// `erfcc`).
fn erfc(x: f64) -> f64 {
    const TERMS: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let t = 1.0 / (1.0 + 0.5 * x);
    let sum = TERMS.iter().rev().fold(0.0, |sum, term| sum * t + term);
    t * (sum - x * x).exp()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn close(have: f64, want: f64, within: f64) {
        assert!((have - want).abs() < within, "{have} instead of {want}");
    }

    /// Permeability of membranes: Hollander and Wolfe (1973), page 69; the example of R's `wilcox.test`.
    const TERM: [f64; 10] = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    const EARLY: [f64; 5] = [1.15, 0.88, 0.90, 0.74, 1.21];

    #[test]
    fn agrees_with_the_textbook() {
        // R prints W = 35 and, one-sided, p = 0.1272; the distribution is symmetric.
        let (sum, ties) = ranks(&TERM, &EARLY);
        assert_eq!((sum - 55.0, ties), (35.0, 0.0));
        close(p(&TERM, &EARLY).unwrap(), 2.0 * 0.127_206, 1e-5);
        assert_eq!(p(&TERM, &EARLY), p(&EARLY, &TERM));
    }

    #[test]
    fn small_samples_are_counted_out() {
        // Of 20 ways to divide 6 ranks, one lies at each end.
        close(p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap(), 0.1, 1e-12);
        // Of 70, one at each end, and one a step nearer at each.
        let (a, b) = ([1.0, 2.0, 3.0, 5.0], [4.0, 6.0, 7.0, 8.0]);
        close(p(&a, &b).unwrap(), 4.0 / 70.0, 1e-12);
        close(p(&[1.0], &[2.0]).unwrap(), 1.0, 1e-12);
    }

    #[test]
    fn ties_share_their_rank_and_narrow_the_spread() {
        // Ranks 1, 2.5, 2.5, 5, 5, 5, 7, 8: those of `a` are 11 together, so U = 1; ties 6 + 24 = 30,
        // variance 16 / 12 · (9 − 30 / 56), z = (7 − 0.5) / 3.3594 = 1.9349.
        let (a, b) = ([1.0, 2.0, 2.0, 3.0], [3.0, 3.0, 4.0, 5.0]);
        assert_eq!(ranks(&a, &b), (11.0, 30.0));
        close(p(&a, &b).unwrap(), 0.053_0, 1e-4);
    }

    #[test]
    fn samples_of_one_value_do_not_differ() {
        assert_eq!(p(&[5.0; 4], &[5.0; 9]), Some(1.0));
        assert_eq!(p(&[], &[1.0]), None);
    }

    #[test]
    fn many_values_are_as_the_normal_distribution_says() {
        let a: Vec<f64> = (0..60).map(|n| f64::from(2 * n)).collect();
        let b: Vec<f64> = (0..60).map(|n| f64::from(2 * n + 9)).collect();
        // No ties; the exact distribution and the normal one agree to some thousandths here.
        let (sum, _) = ranks(&a, &b);
        let distance = (sum - 60.0 * 61.0 / 2.0 - 1800.0).abs();
        close(p(&a, &b).unwrap(), exact(60, 60, distance), 2e-3);
        assert!(p(&a, &b).unwrap() > 0.05 && p(&a, &a).unwrap() > 0.99);
    }

    #[test]
    fn the_error_function_is_as_tabled() {
        close(erfc(0.0), 1.0, 2e-7);
        close(erfc(1.0), 0.157_299_2, 1e-7);
        close(erfc(1.96 / std::f64::consts::SQRT_2), 0.05, 1e-5);
    }

    fn table(rows: &[(&str, &str, f64)]) -> PolarsResult<Vec<Column>> {
        let measures: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let samples: Vec<&str> = rows.iter().map(|row| row.1).collect();
        let values: Vec<f64> = rows.iter().map(|row| row.2).collect();
        run(&DataFrame::new_infer_height(vec![
            Column::new("measure".into(), measures),
            Column::new("sample".into(), samples),
            Column::new("value".into(), values),
        ])
        .unwrap())
    }

    #[test]
    fn each_measure_has_a_row() {
        let rows = [
            ("b", "now", 4.0),
            ("a", "before", 1.0),
            ("b", "before", 2.0),
            ("b", "now", 6.0),
        ];
        let found = table(&rows).unwrap();
        let number = |column: usize, row: usize| found[column].f64().unwrap().get(row);
        assert_eq!(found[0].str().unwrap().get(0), Some("a"));
        assert_eq!(found[1].i64().unwrap().get(1), Some(2));
        assert_eq!(
            (number(3, 0), number(4, 0), number(5, 0)),
            (None, Some(1.0), None)
        );
        assert_eq!((number(3, 1), number(4, 1)), (Some(5.0), Some(2.0)));
        close(number(5, 1).unwrap(), 2.0 / 3.0, 1e-12);
    }

    #[test]
    fn another_sample_is_an_error() {
        let said = table(&[("a", "later", 1.0)]).unwrap_err().to_string();
        assert!(said.contains("`now` or `before`, not `later`"), "{said}");
    }
}
