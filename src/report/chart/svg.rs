//! A writer of SVG elements: escaped text, coordinates with one decimal, groups by class.

use std::fmt::Write;

use super::super::escape;

/// Longest text in a drawing; a tooltip needs no more.
const MAX_TEXT: usize = 80;

/// Colours where the page's style is absent (`report.json` taken elsewhere); classes override them.
const FALLBACK: [&str; 8] = [
    "#2b6cb0", "#c05621", "#2c7a7b", "#b83280", "#6b46c1", "#8a6d00", "#5a6b7d", "#2f855a",
];

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing under construction.
pub struct Svg {
    body: String,
    height: f64,
}

impl Svg {
    pub fn new(height: f64) -> Self {
        Self {
            body: String::new(),
            height,
        }
    }

    /// Marks of one series: they take its colour.
    pub fn series(&mut self, index: usize, draw: impl FnOnce(&mut Self)) {
        let i = index % FALLBACK.len();
        let _ = write!(self.body, "<g class=\"s{i}\" fill=\"{}\">", FALLBACK[i]);
        draw(self);
        self.body.push_str("</g>");
    }

    pub fn group(&mut self, class: &str, draw: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g class=\"{class}\">");
        draw(self);
        self.body.push_str("</g>");
    }

    /// A filled rectangle with a tooltip. Drawn from its upper left corner.
    pub fn rect(&mut self, class: &str, [x, y, w, h]: [f64; 4], title: &str) {
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        let (x, y, w, h) = (n(x), n(y), n(w.max(0.0)), n(h.max(0.0)));
        let _ = write!(
            self.body,
            "<rect{class} x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\""
        );
        self.close(title, "rect");
    }

    pub fn circle(&mut self, x: f64, y: f64, r: f64, title: &str) {
        let _ = write!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"",
            n(x),
            n(y),
            n(r)
        );
        self.close(title, "circle");
    }

    pub fn line(&mut self, [x1, y1, x2, y2]: [f64; 4]) {
        let (x1, y1, x2, y2) = (n(x1), n(y1), n(x2), n(y2));
        let _ = write!(
            self.body,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        );
    }

    pub fn path(&mut self, class: &str, d: &str) {
        let _ = write!(self.body, "<path class=\"{class}\" d=\"{d}\"/>");
    }

    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ = write!(
            self.body,
            "<text x=\"{}\" y=\"{}\"{anchor}>{}</text>",
            n(x),
            n(y),
            clean(text)
        );
    }

    fn close(&mut self, title: &str, element: &str) {
        if title.is_empty() {
            self.body.push_str("/>");
        } else {
            let _ = write!(self.body, "><title>{}</title></{element}>", clean(title));
        }
    }

    /// The whole element, with its text alternatives.
    pub fn finish(self, title: &str, alt: &str) -> String {
        let (width, height) = (n(super::WIDTH), n(self.height));
        format!(
            "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\
             <title>{}</title><desc>{}</desc>{}</svg>",
            clean(title),
            escape::html_string(alt),
            self.body
        )
    }
}

/// A coordinate: one decimal, none when it is zero.
pub fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_string()
    } else {
        text.to_string()
    }
}

/// Width of a text in the drawing's font, near enough to lay out labels.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.7
}

fn clean(text: &str) -> String {
    escape::html_string(&escape::clip(text, MAX_TEXT))
}
