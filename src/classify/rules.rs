//! `reasons.toml`: its form, and how it becomes the engine. What may be wrong with it is in
//! [`mod@super::check`].

use std::sync::OnceLock;

use serde::Deserialize;

use super::check::{Problem, before};
use super::engine::{Engine, Fixed, Literal, Pattern, Rule, Scope};
use super::text::Stage;
use super::{REASONS, position};

pub(super) const FILE: &str = include_str!("reasons.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) rule: Vec<RuleEntry>,
    pub(super) code: Vec<CodeEntry>,
}

/// A rule on the text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) reason: String,
    pub(super) from: String,
    #[serde(rename = "match")]
    pub(super) patterns: Vec<Words>,
    pub(super) examples: Vec<String>,
    #[serde(default)]
    pub(super) at: Scope,
    #[serde(default)]
    pub(super) codes: Vec<u16>,
    #[serde(default)]
    pub(super) dsn: Vec<String>,
    pub(super) stage: Option<Stage>,
}

/// A rule on the codes alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeEntry {
    pub(super) reason: String,
    pub(super) from: String,
    #[serde(default)]
    pub(super) at: Scope,
    #[serde(default)]
    pub(super) codes: Vec<u16>,
    #[serde(default)]
    pub(super) dsn: Vec<String>,
    pub(super) stage: Option<Stage>,
}

/// One literal, or several in order.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    One(String),
    Several(Vec<String>),
}

impl Words {
    pub(super) fn list(&self) -> &[String] {
        match self {
            Words::One(word) => std::slice::from_ref(word),
            Words::Several(words) => words,
        }
    }
}

impl RuleEntry {
    pub(super) fn place(&self, number: usize) -> String {
        format!("rule {} ({}: {})", number + 1, self.reason, self.from)
    }
}

/// The engine over the embedded file, built at the first call.
pub(super) fn embedded() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    // The file is part of the binary; the test `the_rules_are_sound` runs the same code on it.
    ENGINE.get_or_init(|| {
        load(FILE)
            .expect("the embedded reasons.toml is checked by a test")
            .1
    })
}

pub(super) fn load(toml: &str) -> Result<(File, Engine), Vec<Problem>> {
    let file: File = toml::from_str(toml).map_err(|e| {
        vec![Problem::new(
            "the file",
            e.to_string(),
            "correct the TOML at that line",
        )]
    })?;
    let problems = before(&file);
    if !problems.is_empty() {
        return Err(problems);
    }
    let engine = compile(&file).map_err(|e| {
        vec![Problem::new(
            "the file",
            e.to_string(),
            "fewer or shorter patterns",
        )]
    })?;
    Ok((file, engine))
}

fn compile(file: &File) -> Result<Engine, aho_corasick::BuildError> {
    let reason = |name: &str| position(name).unwrap_or(REASONS.len() - 1);
    let rules = file
        .rule
        .iter()
        .map(|r| rule(reason(&r.reason), r.at, &r.codes, &r.dsn, r.stage))
        .collect();
    let codes = file
        .code
        .iter()
        .map(|r| rule(reason(&r.reason), r.at, &r.codes, &r.dsn, r.stage))
        .collect();
    let patterns: Vec<Pattern> = (file.rule.iter().enumerate())
        .flat_map(|(number, entry)| {
            entry.patterns.iter().map(move |words| Pattern {
                rule: number,
                literals: words.list().iter().map(|w| literal(w)).collect(),
            })
        })
        .collect();
    let fixed = Fixed {
        expired: reason("expired"),
        undetermined: reason("undetermined"),
        near: [
            (reason("remote-temporary"), reason("local-resource")),
            (reason("remote-full"), reason("local-resource")),
            (reason("remote-config"), reason("local-config")),
        ],
    };
    Engine::new(rules, codes, &patterns, fixed)
}

fn rule(reason: usize, at: Scope, codes: &[u16], dsn: &[String], stage: Option<Stage>) -> Rule {
    Rule {
        reason,
        at,
        codes: codes.to_vec(),
        dsn: dsn.to_vec(),
        stage,
    }
}

/// `word|` ends at a word's end.
pub(super) fn literal(word: &str) -> Literal {
    match word.strip_suffix('|') {
        Some(text) => Literal {
            text: text.to_string(),
            whole: true,
        },
        None => Literal {
            text: word.to_string(),
            whole: false,
        },
    }
}
