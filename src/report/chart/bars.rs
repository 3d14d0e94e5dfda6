//! Horizontal bars, one a category, in the order of the rows or of their length.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::{Cell, Chart, ChartSpec, ColumnInfo, ColumnKind, escape, format};
use super::data::{Picked, extremes, name, value};
use super::svg::{Anchor, Svg, text_width};
use super::{MAX_SERIES, WIDTH};

/// Bars drawn; the table has the rest.
const MAX_BARS: usize = 12;
const BAR: f64 = 16.0;
const GAP: f64 = 8.0;
const TOP: f64 = 28.0;
/// Longest category name.
const MAX_NAME: usize = 30;

struct Bar {
    name: String,
    values: Vec<Option<f64>>,
}

pub fn draw(spec: &ChartSpec, columns: &[ColumnInfo], rows: &[Vec<Cell>]) -> Option<Chart> {
    let picked = Picked::new(spec, columns)?;
    let y = &picked.y[..picked.y.len().min(MAX_SERIES)];
    let mut bars = collect(&picked, y, rows);
    if spec.sorted {
        bars.sort_by(|a, b| longer(a, b).then_with(|| a.name.cmp(&b.name)));
    }
    let total = bars.len();
    bars.truncate(MAX_BARS);
    if bars.iter().all(|b| b.values.iter().all(Option::is_none)) {
        return None;
    }
    let series: Vec<String> = y.iter().map(|(_, c)| c.name.replace('_', " ")).collect();
    let alt = alt(spec, &picked, &bars, total);
    let svg = render(spec, &picked, &bars, &series);
    Some(Chart {
        kind: spec.kind.clone(),
        svg: svg.finish(&spec.label, &alt),
        alt,
    })
}

/// One bar a category; rows with the same one are added up, or the highest is taken of what cannot be added.
fn collect(picked: &Picked, y: &[(usize, &ColumnInfo)], rows: &[Vec<Cell>]) -> Vec<Bar> {
    let adds = picked.kind() == ColumnKind::Count;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut bars: Vec<Bar> = Vec::new();
    for row in rows {
        let name = row.get(picked.x.0).map(name).unwrap_or_default();
        let values = y.iter().map(|(index, _)| value(row.get(*index))).collect();
        match places.get(&name) {
            Some(place) => bars[*place].merge(values, adds),
            None => {
                places.insert(name.clone(), bars.len());
                bars.push(Bar { name, values });
            }
        }
    }
    bars
}

impl Bar {
    fn merge(&mut self, values: Vec<Option<f64>>, adds: bool) {
        for (old, new) in self.values.iter_mut().zip(values) {
            let merged = |a: f64, b: f64| if adds { a + b } else { a.max(b) };
            *old = match (*old, new) {
                (Some(a), Some(b)) => Some(merged(a, b)),
                (a, b) => a.or(b),
            };
        }
    }
}

/// Longest first; bars without a value last.
fn longer(a: &Bar, b: &Bar) -> Ordering {
    let first = |bar: &Bar| bar.values[0].unwrap_or(f64::NEG_INFINITY);
    first(b).total_cmp(&first(a))
}

fn render(spec: &ChartSpec, picked: &Picked, bars: &[Bar], series: &[String]) -> Svg {
    let legend = if series.len() > 1 { 24.0 } else { 0.0 };
    let thickness = if series.len() > 1 { BAR * 0.75 } else { BAR };
    let pitch = thickness * series.len() as f64 + GAP;
    let mut svg = Svg::new(TOP + legend + pitch * bars.len() as f64);
    svg.group("cap", |svg| svg.text(0.0, 12.0, Anchor::Start, &spec.label));
    if series.len() > 1 {
        draw_legend(&mut svg, series);
    }
    let names = bars
        .iter()
        .map(|b| text_width(&escape::clip(&b.name, MAX_NAME)))
        .fold(0.0, f64::max);
    let place = Place {
        left: names + 16.0,
        right: WIDTH - 84.0,
        top: TOP + legend,
        pitch,
        thickness,
    };
    draw_names(&mut svg, bars, &place);
    let high = bars
        .iter()
        .flat_map(|b| b.values.iter().flatten())
        .fold(0.0, |a: f64, b| a.max(*b));
    for index in 0..series.len() {
        svg.series(index, |svg| {
            draw_bars(svg, picked, bars, index, high, &place)
        });
    }
    svg
}

struct Place {
    left: f64,
    right: f64,
    top: f64,
    pitch: f64,
    thickness: f64,
}

fn draw_legend(svg: &mut Svg, series: &[String]) {
    svg.group("leg", |svg| {
        let mut x = 0.0;
        for (i, name) in series.iter().enumerate() {
            svg.series(i, |svg| svg.rect("f", [x, 22.0, 12.0, 12.0], ""));
            svg.text(x + 18.0, 32.0, Anchor::Start, name);
            x += text_width(name) + 34.0;
        }
    });
}

fn draw_names(svg: &mut Svg, bars: &[Bar], place: &Place) {
    svg.group("name", |svg| {
        for (i, bar) in bars.iter().enumerate() {
            let y = place.top + i as f64 * place.pitch + (place.pitch - GAP) / 2.0 + 4.0;
            svg.text(
                place.left - 10.0,
                y,
                Anchor::End,
                &escape::clip(&bar.name, MAX_NAME),
            );
        }
    });
}

fn draw_bars(svg: &mut Svg, picked: &Picked, bars: &[Bar], index: usize, high: f64, place: &Place) {
    for (i, bar) in bars.iter().enumerate() {
        let Some(value) = bar.values[index] else {
            continue;
        };
        let share = if high > 0.0 {
            (value / high).clamp(0.0, 1.0)
        } else {
            0.0
        };
        // Any value above nothing is at least visible.
        let width = if value > 0.0 {
            (share * (place.right - place.left)).max(1.0)
        } else {
            0.0
        };
        let y = place.top + i as f64 * place.pitch + index as f64 * place.thickness;
        let shown = format::number(value, picked.kind());
        svg.rect(
            "f",
            [place.left, y, width, place.thickness - 1.0],
            &format!("{}: {shown}", bar.name),
        );
        let middle = y + place.thickness / 2.0 + 3.5;
        svg.group("val", |svg| {
            svg.text(place.left + width + 6.0, middle, Anchor::Start, &shown)
        });
    }
}

fn alt(spec: &ChartSpec, picked: &Picked, bars: &[Bar], total: usize) -> String {
    let first = bars
        .iter()
        .filter_map(|b| Some((b.name.as_str(), b.values[0]?)));
    let extremes = extremes(first, picked.kind()).unwrap_or_default();
    let series = match picked.y.as_slice() {
        [(_, first), _, ..] => format!("{}, ", first.name.replace('_', " ")),
        _ => String::new(),
    };
    let more = total - bars.len();
    let more = if more > 0 {
        format!(" {} more are not drawn.", format::count(more as u64))
    } else {
        String::new()
    };
    let bars = if bars.len() == 1 {
        "1 bar".to_string()
    } else {
        format!("{} bars", bars.len())
    };
    format!("{}, {bars}: {series}{extremes}.{more}", spec.label)
}
