//! Places along the horizontal axis: a grid of numbers, days or times where the rows have one (so that a missing hour
//! is a gap), else categories in the order of the rows.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::super::{Cell, ColumnInfo, ColumnKind, escape, format};
use super::data::name;

/// More slots than this are no grid: the gaps are left out.
const MAX_GRID: i64 = 50_000;
const DAY: i64 = 86_400_000_000;

/// A place on the horizontal axis.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Under the axis.
    pub short: String,
    /// In tooltips and sentences.
    pub full: String,
}

/// The slots, and which slot a row falls into.
pub struct Slots {
    pub slots: Vec<Slot>,
    pub of_row: Vec<Option<usize>>,
    /// Slots from one label to the next, and the first labelled.
    pub stride: usize,
    pub first: usize,
    /// How slots were merged, when they were.
    pub merged: usize,
}

impl Slots {
    /// The slots of a column, at most `max` of them.
    pub fn new(rows: &[Vec<Cell>], (index, column): (usize, &ColumnInfo), max: usize) -> Self {
        let grid = Grid::new(rows, index, column.kind);
        let mut slots = match grid {
            Some(grid) => grid.slots(rows, index, column.kind),
            None => categories(rows, index),
        };
        slots.merge(max.max(1));
        slots
    }

    fn merge(&mut self, max: usize) {
        let by = self.slots.len().div_ceil(max).max(1);
        if by == 1 {
            return;
        }
        self.slots = self.slots.iter().step_by(by).cloned().collect();
        self.of_row
            .iter_mut()
            .flatten()
            .for_each(|slot| *slot /= by);
        self.merged = by;
        self.first = 0;
        self.stride = nice_stride(self.slots.len(), &[1, 2, 5, 10, 20, 50, 100]);
    }

    /// Whether a slot has a label under the axis.
    pub fn is_labelled(&self, slot: usize) -> bool {
        slot >= self.first && (slot - self.first).is_multiple_of(self.stride)
    }
}

/// Regular positions: numbers, days, or times a fixed step apart.
struct Grid {
    low: i64,
    step: i64,
    len: usize,
    /// Microseconds from UTC to local time.
    offset: i64,
}

impl Grid {
    fn new(rows: &[Vec<Cell>], index: usize, kind: ColumnKind) -> Option<Self> {
        let found = rows
            .iter()
            .filter_map(|r| r.get(index))
            .filter(|c| !c.value.is_null());
        let mut at: Vec<i64> = found
            .map(|c| position(&c.value, kind))
            .collect::<Option<_>>()?;
        at.sort_unstable();
        at.dedup();
        let (low, high) = (*at.first()?, *at.last()?);
        let step = at.windows(2).map(|w| w[1] - w[0]).min().unwrap_or(1).max(1);
        let regular = at.iter().all(|p| (p - low) % step == 0);
        let len = (high - low) / step + 1;
        let offset = rows
            .first()
            .and_then(|r| r.get(index))
            .map_or(0, |c| utc_offset(&c.value));
        (regular && len <= MAX_GRID).then_some(Self {
            low,
            step,
            len: len as usize,
            offset,
        })
    }

    fn slots(&self, rows: &[Vec<Cell>], index: usize, kind: ColumnKind) -> Slots {
        let of_row = rows
            .iter()
            .map(|r| {
                position(&r.get(index)?.value, kind).map(|p| ((p - self.low) / self.step) as usize)
            })
            .collect();
        let slots = (0..self.len)
            .map(|i| self.slot(self.low + i as i64 * self.step, kind))
            .collect();
        let (stride, first) = self.labels(kind);
        Slots {
            slots,
            of_row,
            stride,
            first,
            merged: 1,
        }
    }

    fn slot(&self, at: i64, kind: ColumnKind) -> Slot {
        match kind {
            ColumnKind::Date => day_slot(at),
            ColumnKind::Time => self.time_slot(at),
            _ => {
                let count = kind == ColumnKind::Count;
                let shown = if count {
                    format::number(at as f64, kind)
                } else {
                    at.to_string()
                };
                Slot {
                    short: shown.clone(),
                    full: shown,
                }
            }
        }
    }

    fn time_slot(&self, at: i64) -> Slot {
        let local =
            DateTime::from_timestamp_micros(at.saturating_add(self.offset)).unwrap_or_default();
        let short = if self.span_days() <= 2 && self.step < DAY {
            "%H:%M"
        } else {
            "%-d %b"
        };
        Slot {
            short: local.format(short).to_string(),
            full: local.format("%Y-%m-%d %H:%M").to_string(),
        }
    }

    fn span_days(&self) -> i64 {
        self.step * self.len as i64 / DAY
    }

    /// Labels fall on whole days or whole hours where the step allows it.
    fn labels(&self, kind: ColumnKind) -> (usize, usize) {
        if kind != ColumnKind::Time || self.step >= DAY {
            return (
                nice_stride(
                    self.len,
                    &[1, 2, 3, 5, 7, 10, 14, 20, 28, 50, 100, 200, 365, 500],
                ),
                0,
            );
        }
        let hour = 3_600_000_000 / 2;
        let wanted = [
            self.step,
            hour,
            2 * hour,
            4 * hour,
            6 * hour,
            12 * hour,
            24 * hour,
            DAY,
        ];
        let whole_days = self.span_days() > 2;
        let minutes = wanted.into_iter().filter(|w| !whole_days || *w >= DAY);
        let days = [2, 3, 7, 14, 28, 56, 112, 365, 1000]
            .into_iter()
            .map(|d| d * DAY);
        let fits = |w: &i64| w % self.step == 0 && self.len as i64 / (w / self.step) < 12;
        let Some(every) = minutes.chain(days).find(fits) else {
            return (nice_stride(self.len, &[1]), 0);
        };
        let into = (self.low + self.offset).rem_euclid(every);
        let first = if into == 0 {
            0
        } else {
            (every - into) / self.step
        };
        ((every / self.step) as usize, first as usize)
    }
}

fn day_slot(days: i64) -> Slot {
    let date = DateTime::from_timestamp(days.saturating_mul(86_400), 0).unwrap_or_default();
    Slot {
        short: date.format("%-d %b").to_string(),
        full: date.format("%Y-%m-%d").to_string(),
    }
}

/// The smallest good stride that gives at most a dozen labels.
fn nice_stride(len: usize, nice: &[usize]) -> usize {
    let least = len.div_ceil(12).max(1);
    nice.iter().copied().find(|s| *s >= least).unwrap_or(least)
}

fn position(value: &Value, kind: ColumnKind) -> Option<i64> {
    match kind {
        ColumnKind::Count | ColumnKind::Text => {
            value.as_i64().filter(|p| p.abs() < MAX_GRID * MAX_GRID)
        }
        ColumnKind::Date => Some(
            NaiveDate::parse_from_str(value.as_str()?, "%Y-%m-%d")
                .ok()?
                .to_epoch_days()
                .into(),
        ),
        ColumnKind::Time => Some(
            DateTime::parse_from_rfc3339(value.as_str()?)
                .ok()?
                .timestamp_micros(),
        ),
        _ => None,
    }
}

fn utc_offset(value: &Value) -> i64 {
    let parsed = value
        .as_str()
        .and_then(|t| DateTime::parse_from_rfc3339(t).ok());
    parsed.map_or(0, |t| i64::from(t.offset().local_minus_utc()) * 1_000_000)
}

/// Distinct texts in the order of the rows.
pub fn categories(rows: &[Vec<Cell>], index: usize) -> Slots {
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut slots = Vec::new();
    let mut of_row = Vec::with_capacity(rows.len());
    for row in rows {
        let shown = row.get(index).map(name).unwrap_or_default();
        let slot = *known.entry(shown.clone()).or_insert_with(|| {
            slots.push(Slot {
                short: escape::clip(&shown, 12),
                full: shown,
            });
            slots.len() - 1
        });
        of_row.push(Some(slot));
    }
    let stride = nice_stride(slots.len(), &[]);
    Slots {
        slots,
        of_row,
        stride,
        first: 0,
        merged: 1,
    }
}
