//! From rows to what is drawn: a value of each series in each slot of the horizontal axis ([`super::slots`]).

use std::collections::HashMap;

use super::super::{Cell, ChartSpec, ColumnInfo, ColumnKind, escape, format};
use super::slots::Slots;
use super::{MAX_MARKS, MAX_SERIES};

/// Keeps sums of values finite.
const HUGE: f64 = 1e300;

/// Columns of a chart with their places, all known to exist.
pub struct Picked<'a> {
    pub x: (usize, &'a ColumnInfo),
    pub y: Vec<(usize, &'a ColumnInfo)>,
    pub rows: Option<(usize, &'a ColumnInfo)>,
    pub series: Option<usize>,
}

impl<'a> Picked<'a> {
    pub fn new(spec: &ChartSpec, columns: &'a [ColumnInfo]) -> Option<Self> {
        let find = |name: &String| columns.iter().enumerate().find(|(_, c)| c.name == *name);
        let y: Vec<_> = spec.y.iter().map(find).collect::<Option<_>>()?;
        if y.is_empty() {
            return None;
        }
        let rows = match &spec.rows {
            Some(name) => Some(find(name)?),
            None => None,
        };
        let series = match &spec.series {
            Some(name) => Some(find(name)?.0),
            None => None,
        };
        Some(Self {
            x: find(&spec.x)?,
            y,
            rows,
            series,
        })
    }

    /// What the values are.
    pub fn kind(&self) -> ColumnKind {
        self.y[0].1.kind
    }
}

/// A cell as the name of a category or series.
pub fn name(cell: &Cell) -> String {
    escape::clip(&cell.text, 80)
}

/// A cell's number, when it is one.
pub fn value(cell: Option<&Cell>) -> Option<f64> {
    let value = cell?.value.as_f64()?;
    value.is_finite().then(|| value.clamp(-HUGE, HUGE))
}

/// Values of one name, one a slot.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub values: Vec<Option<f64>>,
}

impl Series {
    fn total(&self) -> f64 {
        self.values.iter().flatten().sum()
    }
}

/// Slots and series of a chart.
pub struct Data {
    pub slots: Slots,
    pub series: Vec<Series>,
    pub kind: ColumnKind,
    /// What was merged or left out, as sentences.
    pub notes: Vec<String>,
}

impl Data {
    /// `adds`: values that fall together are summed (else the highest is taken).
    pub fn new(
        spec: &ChartSpec,
        columns: &[ColumnInfo],
        rows: &[Vec<Cell>],
        adds: bool,
    ) -> Option<Self> {
        let picked = Picked::new(spec, columns)?;
        let names = series_names(&picked, rows);
        let per_series = MAX_MARKS / names.len().clamp(1, MAX_SERIES);
        let slots = Slots::new(rows, picked.x, per_series);
        let adds = adds && picked.kind() == ColumnKind::Count;
        let mut series = fill(&picked, rows, &slots, &names, adds);
        if series
            .iter()
            .all(|s| s.values.iter().flatten().next().is_none())
        {
            return None;
        }
        let mut notes = Vec::new();
        if slots.merged > 1 {
            notes.push(merge_note(slots.merged, adds));
        }
        if series.len() > MAX_SERIES {
            notes.push(fold_smallest(&mut series, adds));
        }
        Some(Self {
            slots,
            series,
            kind: picked.kind(),
            notes,
        })
    }
}

fn merge_note(by: usize, adds: bool) -> String {
    let how = if adds { "the sum" } else { "the highest" };
    format!("Each mark is {how} of {by} values, merged to keep the picture readable.")
}

fn series_names(picked: &Picked, rows: &[Vec<Cell>]) -> Vec<String> {
    let Some(index) = picked.series else {
        return picked
            .y
            .iter()
            .map(|(_, c)| c.name.replace('_', " "))
            .collect();
    };
    let mut names: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for name in rows.iter().filter_map(|r| r.get(index)).map(name) {
        if known.len() < 10_000 && known.insert(name.clone()) {
            names.push(name);
        }
    }
    names
}

fn fill(
    picked: &Picked,
    rows: &[Vec<Cell>],
    slots: &Slots,
    names: &[String],
    adds: bool,
) -> Vec<Series> {
    let mut sparse: Vec<HashMap<usize, f64>> = vec![HashMap::new(); names.len()];
    let places: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(i, n)| (n.as_str(), i))
        .collect();
    for (row, slot) in rows.iter().zip(&slots.of_row) {
        let Some(slot) = slot else { continue };
        for (series, (index, _)) in picked.y.iter().enumerate() {
            let series = match picked.series {
                Some(by) => row
                    .get(by)
                    .and_then(|c| places.get(name(c).as_str()).copied()),
                None => Some(series),
            };
            let (Some(series), Some(value)) = (series, value(row.get(*index))) else {
                continue;
            };
            let merge = |old: f64| if adds { old + value } else { old.max(value) };
            sparse[series]
                .entry(*slot)
                .and_modify(|old| *old = merge(*old))
                .or_insert(value);
        }
    }
    dense(sparse, names, slots.slots.len())
}

fn dense(sparse: Vec<HashMap<usize, f64>>, names: &[String], len: usize) -> Vec<Series> {
    let series = |(map, name): (HashMap<usize, f64>, &String)| Series {
        name: name.clone(),
        values: (0..len).map(|i| map.get(&i).copied()).collect(),
    };
    sparse.into_iter().zip(names).map(series).collect()
}

/// Keeps the largest series in their order; the rest become one (`adds`) or are left out.
fn fold_smallest(series: &mut Vec<Series>, adds: bool) -> String {
    let keep = if adds { MAX_SERIES - 1 } else { MAX_SERIES };
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by(|a, b| {
        series[*b]
            .total()
            .total_cmp(&series[*a].total())
            .then(a.cmp(b))
    });
    let mut kept: Vec<usize> = order[..keep].to_vec();
    kept.sort_unstable();
    let folded: Vec<Series> = order[keep..].iter().map(|i| series[*i].clone()).collect();
    *series = kept.into_iter().map(|i| series[i].clone()).collect();
    if !adds {
        return format!("{} smaller series are not drawn.", folded.len());
    }
    series.push(sum_of(&folded));
    format!("“other” is the sum of {} smaller series.", folded.len())
}

fn sum_of(folded: &[Series]) -> Series {
    let len = folded.first().map_or(0, |s| s.values.len());
    let at = |i: usize| {
        folded
            .iter()
            .filter_map(|s| s.values[i])
            .reduce(|a, b| a + b)
    };
    Series {
        name: format!("other ({})", folded.len()),
        values: (0..len).map(at).collect(),
    }
}

/// `name: lowest 12 at 03:00, highest 4,321 at 14:00` over the values that are there.
pub fn extremes<'a>(
    values: impl Iterator<Item = (&'a str, f64)>,
    kind: ColumnKind,
) -> Option<String> {
    let mut low: Option<(&str, f64)> = None;
    let mut high: Option<(&str, f64)> = None;
    let mut count = 0;
    for (at, value) in values {
        count += 1;
        low = low.filter(|(_, v)| *v <= value).or(Some((at, value)));
        high = high.filter(|(_, v)| *v >= value).or(Some((at, value)));
    }
    let ((low_at, low), (high_at, high)) = (low?, high?);
    let show = |v| format::number(v, kind);
    if count == 1 {
        return Some(format!("{} at {high_at}", show(high)));
    }
    Some(format!(
        "lowest {} at {low_at}, highest {} at {high_at}",
        show(low),
        show(high)
    ))
}
