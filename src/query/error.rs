//! What can be wrong with a query, said with its place and a remedy.

use std::fmt;

use polars::prelude::PolarsError;

/// Longest piece of an engine's message that is repeated.
const MESSAGE_CHARS: usize = 300;

/// An error of a query file, of its parameters, or of SQL given by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// File as given, or `queries/<name>.sql` of the built-in library; `None` for SQL given by hand.
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            file: None,
            line: None,
            message,
            hint: None,
        }
    }

    /// The same with a remedy; an empty one changes nothing.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into())
            .filter(|hint| !hint.is_empty())
            .or(self.hint);
        self
    }

    /// The same with its place.
    #[must_use]
    pub fn at(mut self, file: &str, line: Option<usize>) -> Self {
        self.file = Some(file.to_owned());
        self.line = line.or(self.line);
        self
    }

    /// First line of what the engine says, shortened, with the line of the SQL when it names one.
    pub fn from_polars(error: &PolarsError) -> Self {
        let text = error.to_string();
        if let Some(error) = no_column(&text) {
            return error;
        }
        let first = text.lines().find(|line| !line.trim().is_empty());
        let message: String = first
            .unwrap_or("the engine failed")
            .chars()
            .take(MESSAGE_CHARS)
            .collect();
        let line = line_in(&message);
        Self {
            line,
            ..Self::new(message.trim())
        }
    }
}

/// What to say of a TOML file that lacks a key, or is no TOML at all.
pub struct Remedies<'a> {
    /// Where a key is missing.
    pub missing: &'a str,
    /// Of everything else that has no remedy of its own.
    pub other: &'a str,
}

impl Error {
    /// A TOML error in our words: line, first line of the message, and what is allowed.
    pub fn from_toml(error: &toml::de::Error, toml: &str, remedies: &Remedies<'_>) -> Self {
        let message = error.message().lines().next().unwrap_or_default();
        let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let said = match words.split_first() {
            Some((key, allowed)) if message.starts_with("unknown field") => {
                Error::new(format!("unknown key `{key}`"))
                    .hint(suggest(key, allowed.iter().copied()))
            }
            Some((word, allowed)) if message.starts_with("unknown variant") => {
                Error::new(format!("unknown value `{word}`"))
                    .hint(suggest(word, allowed.iter().copied()))
            }
            Some((key, _)) if message.starts_with("missing field") => {
                Error::new(format!("missing key `{key}`")).hint(remedies.missing)
            }
            _ => Error::new(message).hint(remedies.other),
        };
        let line = error.span().map(|span| line_at(toml, span.start));
        Error { line, ..said }
    }
}

/// The line, from 1, that a byte of a text stands in.
pub fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The engine names every column there is; the nearest one is of more use.
fn no_column(text: &str) -> Option<Error> {
    let (_, rest) = text.split_once("unable to find column \"")?;
    let (name, rest) = rest.split_once("\"; valid columns: [")?;
    let (valid, _) = rest.split_once(']')?;
    let valid = valid.split(", ").map(|quoted| quoted.trim_matches('"'));
    let name: String = name.chars().take(MESSAGE_CHARS).collect();
    let hint = suggest(&name, valid);
    Some(Error::new(format!("no column `{name}`")).hint(hint))
}

/// The number behind `Line: ` in a parser's message.
fn line_in(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("Line: ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// `did you mean …?` from the nearest of the known names, else all of them; for hints.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = nearest(word, &known);
    if !near.is_empty() {
        return format!("did you mean {}?", list(&near, "or"));
    }
    match known.as_slice() {
        [] => String::new(),
        all => format!("known: {}", list(all, "and")),
    }
}

/// The known names within a third of the word's length of edits, nearest first.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Vec<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (distance(word, name), *name))
        .collect();
    near.retain(|(edits, _)| *edits <= most);
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// `` `a`, `b` or `c` ``.
pub fn list(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// Edits between two words: insertions, deletions, changes, and swaps of neighbours. Words longer than any name
/// of ours are cut first, as they come from a command line.
fn distance(a: &str, b: &str) -> usize {
    let cut = |word: &str| word.chars().take(80).collect::<String>();
    strsim::osa_distance(&cut(a), &cut(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_place_and_remedy_on_one_line() {
        let error = Error::new("unknown key `titel`").hint("did you mean `title`?");
        let error = error.at("queries/access/x.sql", Some(3));
        assert_eq!(
            error.to_string(),
            "queries/access/x.sql:3: unknown key `titel` (hint: did you mean `title`?)"
        );
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("titel", "title"), 1);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggests_the_nearest_or_lists_all() {
        assert_eq!(
            suggest("titel", ["title", "limits"]),
            "did you mean `title`?"
        );
        assert_eq!(
            suggest("colour", ["title", "limits"]),
            "known: `title` and `limits`"
        );
        assert_eq!(suggest("x", []), "");
    }

    #[test]
    fn an_unknown_column_has_its_neighbour() {
        let text =
            "unable to find column \"clientip\"; valid columns: [\"client_ip\", \"line\"]\n\nplan";
        let error = Error::from_polars(&PolarsError::ColumnNotFound(text.into()));
        assert_eq!(
            error.to_string(),
            "no column `clientip` (hint: did you mean `client_ip`?)"
        );
    }

    #[test]
    fn engine_messages_are_one_short_line_with_their_line_number() {
        let long = format!(
            "sql parser error: Expected: x, found: y at Line: 12, Column: 4 {}\nmore",
            "z".repeat(900)
        );
        let error = Error::from_polars(&PolarsError::SQLSyntax(long.into()));
        assert_eq!(error.line, Some(12));
        assert!(error.message.chars().count() <= MESSAGE_CHARS);
        assert!(!error.message.contains('\n'));
    }
}
