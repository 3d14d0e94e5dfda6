//! Charts: a query's result as inline SVG and as a sentence.
//!
//! [`slots`] and [`data`] turn rows into places and series, [`scale`] finds ticks, [`svg`] writes elements; [`plot`], [`bars`] and
//! [`heatmap`] draw. Colours are classes that the page's style fills for light and dark; coordinates have one
//! decimal, so that the same rows give the same bytes. A chart has at most about [`MAX_MARKS`] marks: longer series
//! are merged, and the picture says so.

mod bars;
mod data;
mod heatmap;
mod plot;
mod scale;
mod slots;
mod svg;

use super::{Cell, Chart, ChartSpec, ColumnInfo};

/// Marks in one chart; more slots are merged.
const MAX_MARKS: usize = 400;
/// Series told apart by colour; the smallest of more are merged or left out.
const MAX_SERIES: usize = 8;
/// Width of the drawing; the page scales it.
const WIDTH: f64 = 760.0;

/// The chart kinds of `[chart] kind`.
pub const KINDS: [&str; 6] = ["line", "area", "bar", "columns", "stacked", "heatmap"];

/// Draws the result, or nothing when it has no such columns or no value to draw.
pub fn draw(spec: &ChartSpec, columns: &[ColumnInfo], rows: &[Vec<Cell>]) -> Option<Chart> {
    let spec = &ChartSpec {
        label: sentence_case(&spec.label),
        ..spec.clone()
    };
    match spec.kind.as_str() {
        "bar" => bars::draw(spec, columns, rows),
        "heatmap" => heatmap::draw(spec, columns, rows),
        kind => plot::draw(plot::Style::of(kind)?, spec, columns, rows),
    }
}

/// `messages a day` as it stands over a chart.
fn sentence_case(label: &str) -> String {
    let mut chars = label.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::super::{ColumnKind, sample};
    use super::*;

    fn spec(kind: &str) -> ChartSpec {
        ChartSpec {
            kind: kind.into(),
            x: "x".into(),
            y: vec!["y".into()],
            rows: (kind == "heatmap").then(|| "r".into()),
            series: None,
            sorted: false,
            label: "messages".into(),
        }
    }

    fn columns(x: ColumnKind) -> Vec<ColumnInfo> {
        vec![
            sample::column("x", x),
            sample::column("y", ColumnKind::Count),
            sample::column("r", ColumnKind::Count),
        ]
    }

    fn row(x: Value, y: Value) -> Vec<Cell> {
        [x, y, json!(1)].into_iter().map(sample::cell).collect()
    }

    fn drawn(kind: &str, x: ColumnKind, rows: &[Vec<Cell>]) -> Option<Chart> {
        draw(&spec(kind), &columns(x), rows)
    }

    fn marks(chart: &Chart) -> usize {
        chart.svg.matches("<rect").count() + chart.svg.matches("<circle").count()
    }

    #[test]
    fn nothing_to_draw_is_no_chart() {
        for kind in KINDS {
            assert!(drawn(kind, ColumnKind::Text, &[]).is_none(), "{kind}");
            assert!(
                drawn(kind, ColumnKind::Text, &[row(json!("a"), Value::Null)]).is_none(),
                "{kind}"
            );
            assert!(
                drawn(kind, ColumnKind::Text, &[row(json!("a"), json!("text"))]).is_none(),
                "{kind}"
            );
        }
        assert!(drawn("pie", ColumnKind::Text, &[row(json!("a"), json!(1))]).is_none());
        let elsewhere = ChartSpec {
            x: "no".into(),
            ..spec("line")
        };
        assert!(
            draw(
                &elsewhere,
                &columns(ColumnKind::Text),
                &[row(json!("a"), json!(1))]
            )
            .is_none()
        );
    }

    #[test]
    fn odd_values_are_drawn_without_panic_or_nonsense() {
        let values = [
            json!(0),
            json!(-5),
            json!(1e300),
            json!(-1e300),
            json!(5e-324),
            Value::Null,
            json!(u64::MAX),
        ];
        for kind in KINDS {
            for a in &values {
                for b in &values {
                    let rows = [row(json!("a"), a.clone()), row(json!("b"), b.clone())];
                    let Some(chart) = drawn(kind, ColumnKind::Text, &rows) else {
                        continue;
                    };
                    assert!(
                        !chart.svg.contains("NaN") && !chart.svg.contains("inf"),
                        "{kind} {a} {b}\n{}",
                        chart.svg
                    );
                }
            }
        }
    }

    #[test]
    fn one_point_is_a_chart() {
        for kind in KINDS {
            let chart = drawn(kind, ColumnKind::Count, &[row(json!(3), json!(7))]).unwrap();
            assert!(
                chart.svg.starts_with("<svg") && chart.svg.ends_with("</svg>"),
                "{kind}"
            );
            assert!(chart.alt.contains('7'), "{kind}: {}", chart.alt);
        }
    }

    #[test]
    fn long_series_are_merged_and_say_so() {
        let rows: Vec<_> = (0..10_000).map(|i| row(json!(i), json!(i % 977))).collect();
        for kind in ["line", "area", "columns", "stacked", "heatmap"] {
            let chart = drawn(kind, ColumnKind::Count, &rows).unwrap();
            assert!(marks(&chart) <= MAX_MARKS + 20, "{kind}: {}", marks(&chart));
            assert!(chart.svg.len() < 90_000, "{kind}: {}", chart.svg.len());
            assert!(
                chart.alt.contains("merged") || chart.alt.contains("sum"),
                "{kind}: {}",
                chart.alt
            );
        }
        let bars = drawn("bar", ColumnKind::Text, &rows).unwrap();
        assert!(bars.alt.contains("more are not drawn"), "{}", bars.alt);
    }

    #[test]
    fn a_missing_hour_is_a_gap_and_not_a_zero() {
        let at = |h: u32, n: u64| row(json!(format!("2026-11-23T{h:02}:00:00+01:00")), json!(n));
        let chart = drawn(
            "line",
            ColumnKind::Time,
            &[at(8, 5), at(9, 6), at(12, 9), at(13, 2)],
        )
        .unwrap();
        assert_eq!(chart.svg.matches("<path").count(), 1);
        let path = chart.svg.split(" d=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert!(
            chart.alt.contains("highest 9 at 2026-11-23 12:00"),
            "{}",
            chart.alt
        );
        assert!(
            chart.alt.contains("lowest 2 at 2026-11-23 13:00"),
            "{}",
            chart.alt
        );
    }

    #[test]
    fn the_week_stands_in_the_heatmap_from_monday_to_sunday() {
        let rows: Vec<_> = (1..=7)
            .flat_map(|d| {
                (0..24).map(move |h| {
                    vec![
                        sample::cell(json!(h)),
                        sample::cell(json!(d * h)),
                        sample::cell(json!(d)),
                    ]
                })
            })
            .collect();
        let chart = drawn("heatmap", ColumnKind::Count, &rows).unwrap();
        assert_eq!(chart.svg.matches("<title>Mon ").count(), 24);
        assert!(chart.svg.find(">Mon<").unwrap() < chart.svg.find(">Sun<").unwrap());
        assert!(chart.alt.contains("highest 161 at Sun 23"), "{}", chart.alt);
    }

    #[test]
    fn bars_of_one_category_are_added_and_can_be_sorted() {
        let rows = [("b", 2), ("a", 3), ("b", 5)].map(|(x, y)| row(json!(x), json!(y)));
        let place = |spec: &ChartSpec, bar: &str| {
            let chart = draw(spec, &columns(ColumnKind::Text), &rows).unwrap();
            assert_eq!(chart.svg.matches("<rect").count(), 2);
            chart.svg.find(bar).unwrap()
        };
        let sorted = ChartSpec {
            sorted: true,
            ..spec("bar")
        };
        assert!(place(&sorted, "b: 7") < place(&sorted, "a: 3"));
        let by_rows = ChartSpec {
            x: "x".into(),
            ..spec("bar")
        };
        assert!(place(&by_rows, "b: 7") < place(&by_rows, "a: 3"));
    }

    #[test]
    fn weekdays_in_words_are_put_in_their_order_too() {
        let rows: Vec<_> = ["Wednesday", "Monday"]
            .iter()
            .map(|day| {
                vec![
                    sample::cell(json!(9)),
                    sample::cell(json!(5)),
                    sample::text(day),
                ]
            })
            .collect();
        let chart = drawn("heatmap", ColumnKind::Count, &rows).unwrap();
        assert!(chart.svg.contains(">Sun<"), "{}", chart.svg);
        assert!(chart.svg.find("Mon 09:00: 5") < chart.svg.find("Wed 09:00: 5"));
    }

    #[test]
    fn series_beyond_the_palette_become_one() {
        let columns = [
            sample::column("x", ColumnKind::Date),
            sample::column("y", ColumnKind::Count),
            sample::column("s", ColumnKind::Text),
        ];
        let rows: Vec<Vec<Cell>> = (0..20)
            .map(|i| {
                vec![
                    sample::cell(json!("2026-11-23")),
                    sample::cell(json!(i + 1)),
                    sample::text(&format!("s{i}")),
                ]
            })
            .collect();
        let spec = ChartSpec {
            series: Some("s".into()),
            ..spec("stacked")
        };
        let chart = draw(&spec, &columns, &rows).unwrap();
        assert!(chart.svg.contains("other (13)"), "{}", chart.svg);
        assert_eq!(chart, draw(&spec, &columns, &rows).unwrap());
    }

    #[test]
    fn names_from_the_log_stay_text() {
        let hostile = "</svg><script>alert(1)</script>\u{202e}\"onload=";
        for kind in ["bar", "columns", "line"] {
            let chart = drawn(kind, ColumnKind::Text, &[row(json!(hostile), json!(3))]).unwrap();
            assert!(!chart.svg.contains("<script"), "{kind}");
            assert!(
                !chart.svg.contains('\u{202e}') && !chart.alt.contains('\u{202e}'),
                "{kind}"
            );
            assert_eq!(chart.svg.matches("</svg>").count(), 1, "{kind}");
        }
    }
}
