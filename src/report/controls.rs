//! Findings by control: which controls of a standard the report speaks to, and what it says of each.
//!
//! A query names its controls in its front matter. That a query speaks to a control is no statement that the control is
//! met: it is evidence for whoever has to say that.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, Section, Severity};

/// A control with what was asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Control {
    /// `NIST SP 800-53 AC-7`.
    pub name: String,
    /// Queries that speak to it and could be answered, with their headings.
    pub answered: Vec<Asked>,
    /// Those that the logs cannot answer.
    pub open: Vec<Asked>,
    /// Findings of these queries by severity.
    pub high: u64,
    #[allow(missing_docs)]
    pub medium: u64,
    #[allow(missing_docs)]
    pub low: u64,
    #[allow(missing_docs)]
    pub info: u64,
}

/// A query as a reader knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Asked {
    /// Anchor in the page.
    pub id: String,
    pub title: String,
}

/// Every control that a result names, in the order of names.
pub fn controls(sections: &[Section], findings: &[Finding]) -> Vec<Control> {
    let mut controls: BTreeMap<&str, Control> = BTreeMap::new();
    for result in sections.iter().flat_map(|section| &section.results) {
        let asked = Asked {
            id: result.id.clone(),
            title: result.title.clone(),
        };
        for name in &result.controls {
            let control = controls.entry(name).or_default();
            match result.not_assessable {
                None => control.answered.push(asked.clone()),
                Some(_) => control.open.push(asked.clone()),
            }
        }
    }
    for finding in findings {
        for name in &finding.controls {
            let Some(control) = controls.get_mut(name.as_str()) else {
                continue;
            };
            *match finding.severity {
                Severity::High => &mut control.high,
                Severity::Medium => &mut control.medium,
                Severity::Low => &mut control.low,
                Severity::Info => &mut control.info,
            } += 1;
        }
    }
    let named = controls.into_iter();
    named
        .map(|(name, control)| Control {
            name: name.to_owned(),
            ..control
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_control_has_its_queries_and_findings() {
        let report = crate::report::sample::report("audit");
        let found = controls(&report.sections, &report.findings);
        let results = || report.sections.iter().flat_map(|section| &section.results);
        assert!(!found.is_empty());
        for control in &found {
            let asked = results()
                .filter(|one| one.controls.contains(&control.name))
                .count();
            assert_eq!(
                control.answered.len() + control.open.len(),
                asked,
                "{}",
                control.name
            );
            let own = report
                .findings
                .iter()
                .filter(|one| one.controls.contains(&control.name));
            let sum = control.high + control.medium + control.low + control.info;
            assert_eq!(sum, own.count() as u64, "{}", control.name);
        }
        let mut names: Vec<&String> = found.iter().map(|one| &one.name).collect();
        let sorted = names.clone();
        names.sort();
        assert_eq!(names, sorted);
    }
}
