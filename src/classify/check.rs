//! What can be wrong with `reasons.toml`.
//!
//! [`check`] is the regime that keeps the file honest: every reason is of the taxonomy and has a rule,
//! every rule has an example that it decides itself, no pattern stands twice, and none is shadowed by
//! an earlier rule with another answer. A test runs it on the embedded file.

use std::collections::HashMap;
use std::fmt;

use super::engine::{Answer, Decided, Engine, SEQUENCES, Scope};
use super::rules::{File, RuleEntry, Words, literal, load};
use super::text::{LIMIT, OWN_WORDS, Stage};
use super::{At, Question, REASONS, position};

/// Reasons that the engine concludes without a rule.
const WITHOUT_RULE: [&str; 1] = ["undetermined"];

/// Something wrong with the file of rules, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which table: `rule 12 (mailbox-full)`, `code 3`, or the file.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reasons.toml: {}: {}\n  hint: {}",
            self.place, self.what, self.hint
        )
    }
}

impl Problem {
    pub(super) fn new(
        place: impl Into<String>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        Problem {
            place: place.into(),
            what: what.into(),
            hint: hint.into(),
        }
    }
}

/// Everything wrong with a file of rules; empty when it is sound.
pub fn check(toml: &str) -> Vec<Problem> {
    match load(toml) {
        Err(problems) => problems,
        Ok((file, engine)) => [
            missing(&file),
            examples(&file, &engine),
            shadowed(&file, &engine),
        ]
        .concat(),
    }
}

/// Checks the embedded file.
#[cfg(test)]
pub(super) fn check_embedded() -> Vec<Problem> {
    check(super::rules::FILE)
}

/// What must be right before the file can be compiled.
pub(super) fn before(file: &File) -> Vec<Problem> {
    [unknown(file), malformed(file), duplicates(file)].concat()
}

/// Reasons that the taxonomy does not have.
fn unknown(file: &File) -> Vec<Problem> {
    let rules = file
        .rule
        .iter()
        .enumerate()
        .map(|(n, r)| (r.place(n), &r.reason));
    let codes = file
        .code
        .iter()
        .enumerate()
        .map(|(n, r)| (format!("code {} ({})", n + 1, r.from), &r.reason));
    rules
        .chain(codes)
        .filter(|(_, reason)| position(reason).is_none())
        .map(|(place, reason)| {
            Problem::new(
                place,
                format!("no reason `{reason}`"),
                "take a word of classify::REASONS, or add it there",
            )
        })
        .collect()
}

/// Patterns that cannot match normalised text.
fn malformed(file: &File) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, entry) in file.rule.iter().enumerate() {
        let mut say =
            |what: String, hint: &str| problems.push(Problem::new(entry.place(number), what, hint));
        if entry.patterns.is_empty() {
            say("no pattern".into(), "give `match` at least one literal");
        }
        for word in entry.patterns.iter().flat_map(Words::list) {
            let text = literal(word).text;
            if text.trim().is_empty()
                || text.bytes().any(|b| b.is_ascii_uppercase())
                || text.contains("  ")
            {
                say(
                    format!("pattern {word:?} can never match"),
                    "lower case, single blanks, not empty",
                );
            }
        }
    }
    let sequences = file
        .rule
        .iter()
        .flat_map(|r| &r.patterns)
        .filter(|w| w.list().len() > 1)
        .count();
    if sequences > SEQUENCES {
        let what = format!("{sequences} patterns of several literals");
        problems.push(Problem::new(
            "the file",
            what,
            format!("at most {SEQUENCES}; raise engine::SEQUENCES"),
        ));
    }
    problems
}

/// The same pattern under the same conditions in two places.
fn duplicates(file: &File) -> Vec<Problem> {
    let mut seen = HashMap::new();
    let mut problems = Vec::new();
    for (number, entry) in file.rule.iter().enumerate() {
        for words in &entry.patterns {
            let key = (
                words.list().join("\0"),
                format!(
                    "{:?} {:?} {:?} {:?}",
                    entry.at, entry.codes, entry.dsn, entry.stage
                ),
            );
            if let Some(first) = seen.insert(key, number) {
                let what = format!(
                    "pattern {:?} is already in rule {}",
                    words.list(),
                    first + 1
                );
                problems.push(Problem::new(entry.place(number), what, "keep one of them"));
            }
        }
    }
    problems
}

/// Reasons of the taxonomy that nothing leads to.
fn missing(file: &File) -> Vec<Problem> {
    let used = |name: &str| file.rule.iter().any(|r| r.reason == name);
    REASONS
        .iter()
        .filter(|(_, name, _)| !WITHOUT_RULE.contains(name) && !used(name))
        .map(|(_, name, _)| {
            Problem::new(
                "the file",
                format!("no rule for reason `{name}`"),
                "add a [[rule]] with an example",
            )
        })
        .collect()
}

/// A question about a text from the file.
fn question(text: &str, at: Scope) -> Question<'_> {
    let at = if matches!(at, Scope::Rejection | Scope::Own) {
        At::Rejection
    } else {
        At::Delivery
    };
    Question {
        reply: text.as_bytes(),
        reply_code: 0,
        dsn: b"",
        at,
        status_expired: false,
    }
}

/// Each rule must decide each of its examples itself.
fn examples(file: &File, engine: &Engine) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, entry) in file.rule.iter().enumerate() {
        if entry.examples.is_empty() {
            problems.push(Problem::new(
                entry.place(number),
                "no example",
                "add a reply that only this rule decides",
            ));
        }
        for text in &entry.examples {
            let answer = engine.answer(&question(text, entry.at));
            if answer.decided != Decided::Text(number) {
                let hint = "move this rule up, or narrow the other one";
                problems.push(Problem::new(
                    entry.place(number),
                    format!("example {text:?} is decided by {}", name(file, answer)),
                    hint,
                ));
            }
        }
    }
    problems
}

/// Each pattern, and each code, must be able to decide for its reason.
fn shadowed(file: &File, engine: &Engine) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, entry) in file.rule.iter().enumerate() {
        for words in &entry.patterns {
            let literals: Vec<String> = words.list().iter().map(|w| literal(w).text).collect();
            let text = synthetic(&literals.join(" … "), entry);
            let answer = engine.answer(&question(&text, entry.at));
            let reason = REASONS[answer.reason].1;
            if text.len() <= LIMIT && reason != entry.reason {
                let what = format!("pattern {literals:?} is decided by {}", name(file, answer));
                problems.push(Problem::new(
                    entry.place(number),
                    what,
                    "move this rule up, or drop the pattern",
                ));
            }
        }
    }
    problems.extend(shadowed_codes(file, engine));
    problems
}

/// A reply with a rule's words, as they were before normalisation, that fulfils its conditions.
fn synthetic(words: &str, entry: &RuleEntry) -> String {
    let mut words = words.replace("url:", "https://");
    for own in OWN_WORDS {
        words = words.replace(&own.to_ascii_lowercase(), own);
    }
    let dsn = entry.dsn.first().map_or(String::new(), |d| {
        if d.matches('.').count() == 2 {
            format!("{d} ")
        } else {
            format!("5.{d} ")
        }
    });
    let code = entry
        .codes
        .first()
        .copied()
        .or((!dsn.is_empty()).then_some(550));
    let spoken = code.map_or(words.clone(), |code| format!("{code} {dsn}{words}"));
    framed(&spoken, entry.at, entry.stage)
}

/// In the frame of a delivery where the conditions ask for one.
fn framed(spoken: &str, at: Scope, stage: Option<Stage>) -> String {
    let command = match stage {
        None if at != Scope::Remote => return spoken.to_string(),
        None => "EHLO",
        Some(Stage::Connect) => {
            return format!("host mx.example.com[192.0.2.1] refused to talk to me: {spoken}");
        }
        Some(Stage::Mail) => "MAIL FROM",
        Some(Stage::Rcpt) => "RCPT TO",
        Some(Stage::Data) => "DATA",
    };
    format!("host mx.example.com[192.0.2.1] said: {spoken} (in reply to {command} command)")
}

fn shadowed_codes(file: &File, engine: &Engine) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, entry) in file.code.iter().enumerate() {
        let class = |dsn: &String| {
            if dsn.matches('.').count() == 2 {
                dsn.clone()
            } else {
                format!("5.{dsn}")
            }
        };
        let dsns = entry
            .dsn
            .iter()
            .map(|d| (entry.codes.first().copied().unwrap_or(599), class(d)));
        let codes = entry
            .codes
            .iter()
            .map(|c| (*c, entry.dsn.first().map_or(String::new(), class)));
        for (code, dsn) in dsns.chain(codes) {
            let text = framed("", entry.at, entry.stage);
            let asked = Question {
                reply_code: code,
                dsn: dsn.as_bytes(),
                ..question(&text, entry.at)
            };
            let answer = engine.answer(&asked);
            if REASONS[answer.reason].1 != entry.reason {
                let what = format!("code {code} {dsn:?} is decided by {}", name(file, answer));
                problems.push(Problem::new(
                    format!("code {} ({})", number + 1, entry.from),
                    what,
                    "move this entry up",
                ));
            }
        }
    }
    problems
}

/// What decided, for people.
fn name(file: &File, answer: Answer) -> String {
    match answer.decided {
        Decided::Text(number) => file.rule[number].place(number),
        Decided::Code(number) => format!(
            "code {} ({}: {})",
            number + 1,
            file.code[number].reason,
            file.code[number].from
        ),
        Decided::Age => "the attempt's age".to_string(),
        Decided::Nothing => "nothing".to_string(),
    }
}
