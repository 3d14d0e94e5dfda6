//! `report.html`: one file, without scripts, that loads nothing and stays below 2 MiB.

use serde::Serialize;
use sha2::Digest;
use tera::Context;

use super::escape::base64;
use super::templates::Templates;
use super::{Error, Report};

/// No page is larger, whatever the logs hold.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;

/// How much of the report a page shows. Templates see it as `limits`.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Limits {
    /// Characters of a cell.
    pub cell: usize,
    /// Rows of a table.
    pub rows: usize,
    pub findings: usize,
    /// Lines of evidence of a finding.
    pub evidence: usize,
    pub sources: usize,
    /// Sentences about damage.
    pub problems: usize,
    /// Results of a section.
    pub results: usize,
    pub charts: bool,
    /// Less is shown than usual, to keep the size.
    pub reduced: bool,
}

/// From what is shown usually down to what always fits.
pub(super) const LEVELS: [Limits; 5] = [
    level([300, 50, 40, 12, 100, 40, 200], true, false),
    level([160, 20, 40, 8, 60, 20, 100], true, true),
    level([100, 8, 20, 4, 30, 10, 100], false, true),
    level([60, 3, 10, 2, 10, 5, 40], false, true),
    level([60, 0, 5, 1, 5, 3, 0], false, true),
];

const fn level(numbers: [usize; 7], charts: bool, reduced: bool) -> Limits {
    let [cell, rows, findings, evidence, sources, problems, results] = numbers;
    Limits {
        cell,
        rows,
        findings,
        evidence,
        sources,
        problems,
        results,
        charts,
        reduced,
    }
}

/// The page: the most generous limits with which it fits.
pub fn render(report: &Report, templates: &Templates) -> Result<String, Error> {
    let mut context = Context::new();
    context.insert("report", report);
    context.insert("style", templates.style());
    context.insert("style_hash", &style_hash(templates.style()));
    let mut size = 0;
    for limits in LEVELS {
        context.insert("limits", &limits);
        let page = templates.render_html(&report.kind, &context)?;
        if page.len() < MAX_BYTES {
            return Ok(page);
        }
        size = page.len();
    }
    let message =
        format!("the page has {size} bytes even with the tightest limits; {MAX_BYTES} are allowed");
    let hint = "the template must respect `limits`, as the built-in ones do";
    Err(Error::new(
        format!("{}/report.html", report.kind),
        message,
        hint,
    ))
}

/// Another value as a page of its own: the templates of this kind see it under the kind's name.
///
/// # Errors
/// A template that is wrong.
pub fn page(kind: &str, value: &impl Serialize, templates: &Templates) -> Result<String, Error> {
    let mut context = Context::new();
    context.insert(kind.to_owned(), value);
    context.insert("style", templates.style());
    context.insert("style_hash", &style_hash(templates.style()));
    templates.render_html(kind, &context)
}

/// `sha256-…` of the style as a Content-Security-Policy has it.
fn style_hash(style: &str) -> String {
    format!("sha256-{}", base64(&sha2::Sha256::digest(style.as_bytes())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::sample;
    use super::*;

    /// Elements without an end tag.
    const VOID: [&str; 5] = ["meta", "br", "hr", "wbr", "img"];

    fn page(report: &Report) -> String {
        render(report, &Templates::load(None).unwrap()).unwrap()
    }

    /// Names of the tags with their attributes, and an error for the first that does not match.
    fn tags(page: &str) -> Result<Vec<String>, String> {
        let mut open: Vec<&str> = Vec::new();
        let mut all = Vec::new();
        let mut rest = page.trim_start_matches("<!doctype html>");
        while let Some(start) = rest.find('<') {
            let end = rest[start..].find('>').ok_or("a tag without end")? + start;
            let tag = &rest[start + 1..end];
            let name = tag
                .trim_start_matches('/')
                .split([' ', '\n', '/'])
                .next()
                .unwrap_or_default();
            if let Some(closed) = tag.strip_prefix('/') {
                let last = open.pop();
                if last != Some(closed) {
                    return Err(format!(
                        "</{closed}> closes {last:?} before: {}",
                        &rest[..end.min(80)]
                    ));
                }
            } else if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
            all.push(tag.to_string());
            rest = &rest[end + 1..];
        }
        if open.is_empty() {
            Ok(all)
        } else {
            Err(format!("left open: {open:?}"))
        }
    }

    #[test]
    fn every_report_is_well_formed_and_inert() {
        for kind in ["audit", "capacity", "incident"] {
            let page = page(&sample::report(kind));
            let tags = tags(&page).unwrap_or_else(|e| panic!("{kind}: {e}"));
            for tag in &tags {
                assert!(
                    !tag.starts_with("script")
                        && !tag.starts_with("link")
                        && !tag.starts_with("img"),
                    "{tag}"
                );
                assert!(
                    !tag.contains(" on") && !tag.contains(" src=") && !tag.contains(" style="),
                    "{tag}"
                );
                let href = tag.split(" href=\"").nth(1).unwrap_or("#");
                let inside = ["#", "tables/", "evidence/"];
                assert!(inside.iter().any(|start| href.starts_with(start)), "{tag}");
            }
        }
    }

    #[test]
    fn anchors_lead_somewhere_and_ids_are_unique() {
        for kind in ["audit", "capacity", "incident"] {
            let page = page(&sample::report(kind));
            let ids: Vec<&str> = page
                .split(" id=\"")
                .skip(1)
                .filter_map(|p| p.split('"').next())
                .collect();
            let unique: std::collections::HashSet<_> = ids.iter().collect();
            assert_eq!(unique.len(), ids.len(), "{kind}");
            for target in page
                .split("href=\"#")
                .skip(1)
                .filter_map(|p| p.split('"').next())
            {
                assert!(ids.contains(&target), "{kind}: #{target}");
            }
        }
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let page = page(&sample::report("audit"));
        let style = page
            .split("<style>")
            .nth(1)
            .unwrap()
            .split("</style>")
            .next()
            .unwrap();
        let policy = format!("default-src 'none'; style-src '{}'", style_hash(style));
        assert!(
            page.contains(&policy.replace('\'', "&#39;")) || page.contains(&policy),
            "{policy}"
        );
    }

    #[test]
    fn hostile_text_is_shown_and_does_nothing() {
        let page = page(&sample::report("audit"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("⟨U+202E⟩"));
        assert!(!page.contains('\u{202e}') && !page.contains("<script") && !page.contains('\0'));
    }

    #[test]
    fn the_same_report_gives_the_same_page() {
        assert_eq!(
            page(&sample::report("audit")),
            page(&sample::report("audit"))
        );
    }

    #[test]
    fn an_empty_report_is_a_page() {
        let report = sample::empty_report();
        assert!(tags(&page(&report)).is_ok());
    }

    #[test]
    fn the_largest_report_stays_small() {
        let page = page(&sample::huge_report());
        assert!(page.len() < MAX_BYTES, "{}", page.len());
        assert!(
            page.contains("kept small"),
            "the page says that less is shown"
        );
        tags(&page).unwrap();
    }

    #[test]
    fn base64_pads() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
