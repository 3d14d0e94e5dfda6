//! A grid of shades: typically weekday by hour.

use std::collections::HashMap;

use super::super::{Cell, Chart, ChartSpec, ColumnInfo, format};
use super::data::{Picked, extremes, value};
use super::slots::{Slot, Slots, categories};
use super::svg::{Anchor, Svg, text_width};
use super::{MAX_MARKS, WIDTH};

const TOP: f64 = 28.0;
const ROW: f64 = 24.0;
const FOOT: f64 = 52.0;
/// Shades besides that for zero.
const SHADES: f64 = 8.0;
/// Rows of the grid; the table has the rest.
const MAX_ROWS: usize = 40;
const WEEK: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

struct Grid {
    columns: Slots,
    rows: Vec<Slot>,
    values: HashMap<(usize, usize), f64>,
    high: f64,
}

pub fn draw(spec: &ChartSpec, columns: &[ColumnInfo], rows: &[Vec<Cell>]) -> Option<Chart> {
    let picked = Picked::new(spec, columns)?;
    let (row_index, _) = picked.rows?;
    let grid = Grid::new(&picked, rows, row_index)?;
    let alt = grid.alt(spec, &picked);
    let mut svg = Svg::new(TOP + ROW * grid.rows.len() as f64 + FOOT);
    svg.group("cap", |svg| svg.text(0.0, 12.0, Anchor::Start, &spec.label));
    grid.draw(&mut svg, &picked);
    grid.key(&mut svg, &picked);
    Some(Chart {
        kind: spec.kind.clone(),
        svg: svg.finish(&spec.label, &alt),
        alt,
    })
}

impl Grid {
    fn new(picked: &Picked, cells: &[Vec<Cell>], row_index: usize) -> Option<Self> {
        let (rows, of_row) = grid_rows(cells, row_index);
        let columns = Slots::new(cells, picked.x, (MAX_MARKS / rows.len().max(1)).max(8));
        let mut values: HashMap<(usize, usize), f64> = HashMap::new();
        for (i, cell) in cells.iter().enumerate() {
            let (Some(row), Some(column)) =
                (of_row[i].filter(|r| *r < rows.len()), columns.of_row[i])
            else {
                continue;
            };
            let Some(value) = value(cell.get(picked.y[0].0)) else {
                continue;
            };
            let kept = values.entry((row, column)).or_insert(value);
            *kept = kept.max(value);
        }
        let high = values.values().copied().fold(0.0, f64::max);
        (!values.is_empty()).then_some(Self {
            columns,
            rows,
            values,
            high,
        })
    }

    fn left(&self) -> f64 {
        self.rows
            .iter()
            .map(|r| text_width(&r.short))
            .fold(0.0, f64::max)
            + 20.0
    }

    fn draw(&self, svg: &mut Svg, picked: &Picked) {
        let left = self.left();
        let width = ((WIDTH - left) / self.columns.slots.len().max(1) as f64).min(48.0);
        svg.group("tick", |svg| {
            for (i, row) in self.rows.iter().enumerate() {
                svg.text(
                    left - 8.0,
                    TOP + i as f64 * ROW + 16.0,
                    Anchor::End,
                    &row.short,
                );
            }
            let y = TOP + self.rows.len() as f64 * ROW + 16.0;
            for (i, slot) in self
                .columns
                .slots
                .iter()
                .enumerate()
                .filter(|(i, _)| self.columns.is_labelled(*i))
            {
                svg.text(
                    left + (i as f64 + 0.5) * width,
                    y,
                    Anchor::Middle,
                    &slot.short,
                );
            }
        });
        svg.series(0, |svg| {
            for row in 0..self.rows.len() {
                for column in 0..self.columns.slots.len() {
                    let place = [
                        left + column as f64 * width,
                        TOP + row as f64 * ROW,
                        width - 2.0,
                        ROW - 2.0,
                    ];
                    self.mark(svg, picked, (row, column), place);
                }
            }
        });
    }

    fn mark(&self, svg: &mut Svg, picked: &Picked, at: (usize, usize), place: [f64; 4]) {
        let name = self.name(at);
        match self.values.get(&at) {
            Some(value) => {
                let title = format!("{name}: {}", format::number(*value, picked.kind()));
                svg.rect(&format!("q{}", self.shade(*value)), place, &title);
            }
            None => svg.rect("q", place, ""),
        }
    }

    /// 0 for nothing, else 1 to 8.
    fn shade(&self, value: f64) -> usize {
        if value <= 0.0 || self.high <= 0.0 {
            return 0;
        }
        (value / self.high * SHADES).ceil().clamp(1.0, SHADES) as usize
    }

    fn name(&self, (row, column): (usize, usize)) -> String {
        let (row, column) = (&self.rows[row].full, &self.columns.slots[column].full);
        let of_day = WEEK.contains(&row.as_str()) && column.parse::<u8>().is_ok_and(|h| h < 24);
        if of_day {
            return format!("{row} {column:0>2}:00");
        }
        format!("{row} {column}")
    }

    /// The scale of shades, from nothing to the highest value.
    fn key(&self, svg: &mut Svg, picked: &Picked) {
        let y = TOP + self.rows.len() as f64 * ROW + 32.0;
        let high = format::number(self.high, picked.kind());
        let right = WIDTH - text_width(&high) - 6.0;
        let left = right - 9.0 * 16.0;
        svg.series(0, |svg| {
            for shade in 0..=8 {
                svg.rect(
                    &format!("q{shade}"),
                    [left + f64::from(shade) * 16.0, y, 14.0, 10.0],
                    "",
                );
            }
        });
        svg.group("tick", |svg| {
            svg.text(left - 6.0, y + 9.0, Anchor::End, "0");
            svg.text(right + 4.0, y + 9.0, Anchor::Start, &high);
        });
    }

    fn alt(&self, spec: &ChartSpec, picked: &Picked) -> String {
        let mut found: Vec<_> = self.values.iter().map(|(at, v)| (*at, *v)).collect();
        found.sort_by_key(|(at, _)| *at);
        let named: Vec<(String, f64)> = found
            .into_iter()
            .map(|(at, v)| (self.name(at), v))
            .collect();
        let extremes = extremes(named.iter().map(|(n, v)| (n.as_str(), *v)), picked.kind())
            .unwrap_or_default();
        let merged = self.columns.merged;
        let note = match merged {
            1 => String::new(),
            by => format!(
                " Each mark is the highest of {by} values, merged to keep the picture readable."
            ),
        };
        let (rows, columns) = (self.rows.len(), self.columns.slots.len());
        format!("{}, {rows} by {columns}: {extremes}.{note}", spec.label)
    }
}

/// Monday to Sunday when every value is a weekday, else the texts in their order.
fn grid_rows(cells: &[Vec<Cell>], index: usize) -> (Vec<Slot>, Vec<Option<usize>>) {
    let days: Option<Vec<usize>> = cells.iter().map(|row| weekday(row.get(index)?)).collect();
    if let Some(days) = days {
        let slot = |day: &&str| Slot {
            short: day.to_string(),
            full: day.to_string(),
        };
        return (
            WEEK.iter().map(slot).collect(),
            days.into_iter().map(Some).collect(),
        );
    }
    let found = categories(cells, index);
    let mut rows = found.slots;
    rows.truncate(MAX_ROWS);
    (rows, found.of_row)
}

/// 0 for Monday: from 1 to 7, or from an English name or its first three letters.
fn weekday(cell: &Cell) -> Option<usize> {
    if let Some(day) = cell.value.as_i64() {
        return (1..=7).contains(&day).then(|| day as usize - 1);
    }
    let name = cell.value.as_str().filter(|name| name.len() <= 9)?;
    WEEK.iter().position(|day| name.get(..3) == Some(day))
}
