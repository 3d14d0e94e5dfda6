//! A trace as the templates see it: what is shown of it, in their order. They escape it.

use serde::Serialize;

use super::text::{facts, head, shown};
use super::{Step, Trace, Traced, when};

/// What the templates under `templates/trace/` show.
#[derive(Serialize)]
#[allow(missing_docs)]
pub struct Page {
    pub tool: String,
    pub key: String,
    pub head: Vec<String>,
    pub messages: Vec<Entry>,
    pub others: Vec<Line>,
}

/// One message.
#[derive(Serialize)]
#[allow(missing_docs)]
pub struct Entry {
    pub number: usize,
    pub verdict: String,
    pub state: &'static str,
    /// How much it needs somebody: a word of the style sheet.
    pub urgency: &'static str,
    pub facts: String,
    pub steps: Vec<Line>,
    pub left_out: u64,
    pub last_steps: Vec<Line>,
}

/// One step.
#[derive(Serialize)]
#[allow(missing_docs)]
pub struct Line {
    pub when: String,
    pub host: String,
    pub queue_id: Option<String>,
    pub text: String,
    pub place: String,
}

impl Page {
    /// What is shown of a trace.
    pub fn new(traced: &Traced) -> Page {
        let entries = (1..).zip(&traced.messages);
        Page {
            tool: format!("mtaudit {}", env!("CARGO_PKG_VERSION")),
            key: traced.key.clone(),
            head: head(traced),
            messages: entries
                .map(|(number, message)| entry(number, message))
                .collect(),
            others: traced.others.iter().map(line).collect(),
        }
    }
}

fn entry(number: usize, message: &Trace) -> Entry {
    let (steps, left_out, last_steps) = shown(&message.steps);
    Entry {
        number,
        verdict: message.verdict.clone(),
        state: message.state,
        urgency: match message.state {
            "delivered" => "low",
            "bounced" | "expired" | "refused" | "mixed" => "high",
            "open" | "unknown" => "medium",
            _ => "info",
        },
        facts: facts(message),
        steps: steps.iter().map(line).collect(),
        left_out: left_out as u64,
        last_steps: last_steps.iter().map(line).collect(),
    }
}

fn line(step: &Step) -> Line {
    Line {
        when: step
            .ts
            .as_deref()
            .map_or_else(|| "not known".to_owned(), when),
        host: step.host.clone(),
        queue_id: step.queue_id.clone(),
        text: step.text.clone(),
        place: format!("{}:{}", step.file, step.line),
    }
}
