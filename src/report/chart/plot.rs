//! Charts over time or an ordered axis: `line`, `area`, `columns`, `stacked`.

use std::fmt::Write;

use super::super::{Cell, Chart, ChartSpec, ColumnInfo, format};
use super::WIDTH;
use super::data::{Data, Series, extremes};
use super::scale::{self, Scale};
use super::svg::{Anchor, Svg, n, text_width};

const HEIGHT: f64 = 200.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 26.0;
const RIGHT: f64 = 12.0;
const LEGEND_LINE: f64 = 20.0;
/// With more slots than this, points of a line are not marked.
const MAX_POINTS: usize = 62;
/// Columns are no wider, however few there are.
const MAX_COLUMN: f64 = 44.0;

/// How the series are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Line,
    Area,
    Columns,
    Stacked,
}

impl Style {
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "line" => Self::Line,
            "area" => Self::Area,
            "columns" => Self::Columns,
            "stacked" => Self::Stacked,
            _ => return None,
        })
    }

    /// Whether values that share a slot are summed.
    fn adds(self) -> bool {
        matches!(self, Self::Columns | Self::Stacked)
    }
}

pub fn draw(
    style: Style,
    spec: &ChartSpec,
    columns: &[ColumnInfo],
    rows: &[Vec<Cell>],
) -> Option<Chart> {
    let data = Data::new(spec, columns, rows, style.adds())?;
    let frame = Frame::new(&data, style);
    let mut svg = Svg::new(frame.top + HEIGHT + BOTTOM);
    frame.caption(&mut svg, spec, &data);
    frame.axes(&mut svg, &data);
    for index in 0..data.series.len() {
        svg.series(index, |svg| match style {
            Style::Line | Style::Area => line(svg, &frame, &data, index, style == Style::Area),
            Style::Columns => side_by_side(svg, &frame, &data, index),
            Style::Stacked => stacked(svg, &frame, &data, index),
        });
    }
    let alt = alt(spec, &data);
    Some(Chart {
        kind: spec.kind.clone(),
        svg: svg.finish(&spec.label, &alt),
        alt,
    })
}

/// Where things are in the drawing.
struct Frame {
    left: f64,
    top: f64,
    scale: Scale,
    /// Lines put their points on the edges of the plot, columns in the middle of their slot.
    edges: bool,
    slots: usize,
}

impl Frame {
    fn new(data: &Data, style: Style) -> Self {
        let (low, high) = range(data, style);
        let scale = Scale::new(low, high, data.kind);
        let widest = scale
            .ticks
            .iter()
            .map(|t| text_width(&scale::label(*t, data.kind)))
            .fold(0.0, f64::max);
        let legend = if data.series.len() > 1 {
            legend_lines(data) as f64 * LEGEND_LINE
        } else {
            0.0
        };
        let slots = data.slots.slots.len();
        let edges = !style.adds() && slots > 1;
        Self {
            left: (widest + 12.0).clamp(28.0, 120.0),
            top: TOP + legend,
            scale,
            edges,
            slots,
        }
    }

    fn slot_width(&self) -> f64 {
        let gaps = if self.edges {
            self.slots - 1
        } else {
            self.slots
        };
        (WIDTH - RIGHT - self.left) / gaps.max(1) as f64
    }

    fn x(&self, slot: usize) -> f64 {
        let place = if self.edges {
            slot as f64
        } else {
            slot as f64 + 0.5
        };
        self.left + place * self.slot_width()
    }

    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT * (1.0 - self.scale.at(value))
    }

    /// What the vertical axis measures, and the legend.
    fn caption(&self, svg: &mut Svg, spec: &ChartSpec, data: &Data) {
        svg.group("cap", |svg| svg.text(0.0, 12.0, Anchor::Start, &spec.label));
        if data.series.len() > 1 {
            legend(svg, data);
        }
    }

    fn axes(&self, svg: &mut Svg, data: &Data) {
        svg.group("grid", |svg| {
            for tick in self.scale.ticks.iter().filter(|t| **t != 0.0) {
                svg.line([self.left, self.y(*tick), WIDTH - RIGHT, self.y(*tick)]);
            }
        });
        svg.group("base", |svg| {
            svg.line([self.left, self.y(0.0), WIDTH - RIGHT, self.y(0.0)])
        });
        svg.group("tick", |svg| {
            for tick in &self.scale.ticks {
                svg.text(
                    self.left - 8.0,
                    self.y(*tick) + 4.0,
                    Anchor::End,
                    &scale::label(*tick, data.kind),
                );
            }
            self.slot_labels(svg, data);
        });
    }

    fn slot_labels(&self, svg: &mut Svg, data: &Data) {
        let mut free = 0.0;
        for (i, slot) in data
            .slots
            .slots
            .iter()
            .enumerate()
            .filter(|(i, _)| data.slots.is_labelled(*i))
        {
            let width = text_width(&slot.short);
            let x = self.x(i).clamp(width / 2.0, WIDTH - width / 2.0);
            if x - width / 2.0 < free {
                continue;
            }
            free = x + width / 2.0 + 6.0;
            svg.text(x, self.top + HEIGHT + 18.0, Anchor::Middle, &slot.short);
        }
    }
}

/// Lowest and highest value, of the stack when stacked.
fn range(data: &Data, style: Style) -> (f64, f64) {
    let all = || {
        data.series
            .iter()
            .flat_map(|s| s.values.iter().flatten().copied())
    };
    if style != Style::Stacked {
        return (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    }
    let sum = |slot: usize| {
        data.series
            .iter()
            .filter_map(|s| s.values[slot])
            .map(|v| v.max(0.0))
            .sum::<f64>()
    };
    (
        0.0,
        (0..data.slots.slots.len()).map(sum).fold(0.0, f64::max),
    )
}

fn legend_entries(data: &Data) -> impl Iterator<Item = (usize, usize, f64)> {
    let (mut line, mut x) = (0, 0.0);
    data.series.iter().enumerate().map(move |(i, series)| {
        let width = text_width(&legend_name(&series.name)) + 34.0;
        if x > 0.0 && x + width > WIDTH {
            (line, x) = (line + 1, 0.0);
        }
        x += width;
        (i, line, x - width)
    })
}

fn legend_name(name: &str) -> String {
    super::super::escape::clip(name, 32)
}

fn legend_lines(data: &Data) -> usize {
    legend_entries(data)
        .last()
        .map_or(0, |(_, line, _)| line + 1)
}

pub(super) fn legend(svg: &mut Svg, data: &Data) {
    svg.group("leg", |svg| {
        for (i, line, x) in legend_entries(data) {
            let y = 20.0 + line as f64 * LEGEND_LINE;
            svg.series(i, |svg| svg.rect("f", [x, y, 12.0, 12.0], ""));
            svg.text(
                x + 18.0,
                y + 10.0,
                Anchor::Start,
                &legend_name(&data.series[i].name),
            );
        }
    });
}

fn tooltip(data: &Data, series: &Series, slot: usize, value: f64) -> String {
    let at = &data.slots.slots[slot].full;
    let value = format::number(value, data.kind);
    if data.series.len() == 1 {
        format!("{at}: {value}")
    } else {
        format!("{at}, {}: {value}", series.name)
    }
}

fn line(svg: &mut Svg, frame: &Frame, data: &Data, index: usize, filled: bool) {
    let series = &data.series[index];
    let runs = runs(&series.values);
    if filled {
        svg.path(
            "a",
            &runs
                .iter()
                .map(|run| closed(frame, run))
                .collect::<String>(),
        );
    }
    svg.path(
        "l",
        &runs.iter().map(|run| open(frame, run)).collect::<String>(),
    );
    for run in &runs {
        for (slot, value) in run
            .iter()
            .filter(|_| run.len() == 1 || frame.slots <= MAX_POINTS)
        {
            let r = if run.len() == 1 { 3.0 } else { 2.2 };
            svg.circle(
                frame.x(*slot),
                frame.y(*value),
                r,
                &tooltip(data, series, *slot, *value),
            );
        }
    }
}

/// Neighbouring values; a slot without a value ends a run.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs = vec![Vec::new()];
    for (slot, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((slot, *value)),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn open(frame: &Frame, run: &[(usize, f64)]) -> String {
    let mut d = String::new();
    for (i, (slot, value)) in run.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        let _ = write!(d, "{command}{} {}", n(frame.x(*slot)), n(frame.y(*value)));
    }
    d
}

fn closed(frame: &Frame, run: &[(usize, f64)]) -> String {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return String::new();
    };
    let base = n(frame.y(0.0));
    format!(
        "{}L{} {base}L{} {base}Z",
        open(frame, run),
        n(frame.x(last.0)),
        n(frame.x(first.0))
    )
}

/// Width of a column and the gap that is left beside it.
fn column_width(frame: &Frame, per_slot: usize) -> f64 {
    let slot = frame.slot_width();
    let used = if slot > 6.0 { slot * 0.76 } else { slot * 0.9 };
    (used / per_slot as f64).min(MAX_COLUMN)
}

fn side_by_side(svg: &mut Svg, frame: &Frame, data: &Data, index: usize) {
    let count = data.series.len();
    let width = column_width(frame, count);
    let series = &data.series[index];
    for (slot, value) in present(series) {
        let x = frame.x(slot) + (index as f64 - count as f64 / 2.0) * width;
        column(
            svg,
            frame,
            [x, width],
            0.0,
            value,
            &tooltip(data, series, slot, value),
        );
    }
}

fn stacked(svg: &mut Svg, frame: &Frame, data: &Data, index: usize) {
    let width = column_width(frame, 1);
    let series = &data.series[index];
    for (slot, value) in present(series).filter(|(_, v)| *v > 0.0) {
        let below = data.series[..index]
            .iter()
            .filter_map(|s| s.values[slot])
            .map(|v| v.max(0.0))
            .sum();
        let x = frame.x(slot) - width / 2.0;
        column(
            svg,
            frame,
            [x, width],
            below,
            below + value,
            &tooltip(data, series, slot, value),
        );
    }
}

fn present(series: &Series) -> impl Iterator<Item = (usize, f64)> {
    series
        .values
        .iter()
        .enumerate()
        .filter_map(|(slot, v)| Some((slot, (*v)?)))
}

fn column(svg: &mut Svg, frame: &Frame, [x, width]: [f64; 2], from: f64, to: f64, title: &str) {
    let (a, b) = (frame.y(from), frame.y(to));
    svg.rect("f", [x, a.min(b), width, (a - b).abs()], title);
}

/// The chart in words: for each of the first series its extremes and when.
fn alt(spec: &ChartSpec, data: &Data) -> String {
    let mut parts = Vec::new();
    for series in data.series.iter().take(4) {
        let values = present(series).map(|(slot, v)| (data.slots.slots[slot].full.as_str(), v));
        let Some(extremes) = extremes(values, data.kind) else {
            continue;
        };
        let name = if data.series.len() > 1 {
            format!("{}: ", series.name)
        } else {
            String::new()
        };
        parts.push(format!("{name}{extremes}"));
    }
    let first = data.slots.slots.first().map_or("", |s| &s.full);
    let last = data.slots.slots.last().map_or("", |s| &s.full);
    let more = data.series.len().saturating_sub(4);
    let more = if more > 0 {
        format!("; {more} more series")
    } else {
        String::new()
    };
    let notes: String = data.notes.iter().map(|n| format!(" {n}")).collect();
    format!(
        "{}, {first} to {last}: {}{more}.{notes}",
        spec.label,
        parts.join("; ")
    )
}
