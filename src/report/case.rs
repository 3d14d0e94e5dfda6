//! The case header of `--case FILE.toml`: whose question a report answers, and on whose authority.

use serde::{Deserialize, Serialize};

use super::Error;
use super::manifest::sha256_hex;

/// Longest value, characters: it stands on the first page.
const MAX_VALUE: usize = 2000;

/// What the file says. Only the reference has to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Number or name of the case.
    pub reference: String,
    /// Why the evidence is examined.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Who asked.
    #[serde(default)]
    pub requester: Option<String>,
    /// Who examines.
    #[serde(default)]
    pub examiner: Option<String>,
    /// What allows it: an order, a policy, a consent.
    #[serde(default)]
    pub authority: Option<String>,
    /// How the report is to be handled.
    #[serde(default)]
    pub handling: Option<String>,
}

/// A case with the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Path as given.
    pub file: String,
    /// Hexadecimal SHA-256 of the file; nothing where persons in it are hidden.
    pub sha256: Option<String>,
    /// What it says.
    pub header: Case,
}

/// Fields in the order in which they are shown.
const FIELDS: [&str; 6] = [
    "reference",
    "purpose",
    "requester",
    "examiner",
    "authority",
    "handling",
];

impl CaseFile {
    /// Takes a file apart; `file` is its path as given.
    ///
    /// # Errors
    /// No TOML, an unknown key, no reference, a text that is too long; each with its line.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let hint = format!("the fields are {}", FIELDS.join(", "));
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::new(file, "not UTF-8 text", "save the file as UTF-8"))?;
        let header: Case = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..before]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            Error::new(format!("{file}:{line}"), error.message(), hint.clone())
        })?;
        let header = header.tidy();
        for (name, value) in header.fields() {
            if value.chars().count() > MAX_VALUE {
                let message = format!("`{name}` is longer than {MAX_VALUE} characters");
                return Err(Error::new(
                    file,
                    message,
                    "shorten it, or refer to a document",
                ));
            }
        }
        if header.reference.is_empty() {
            let hint = "write `reference = \"…\"`: the number or name of the case";
            return Err(Error::new(file, "`reference` is empty", hint));
        }
        Ok(CaseFile {
            file: file.to_owned(),
            sha256: Some(sha256_hex(bytes)),
            header,
        })
    }
}

impl Case {
    /// Without white space around values; an empty one is none.
    fn tidy(self) -> Self {
        let tidy = |value: Option<String>| {
            let value = value.map(|text| text.trim().to_owned());
            value.filter(|text| !text.is_empty())
        };
        Case {
            reference: self.reference.trim().to_owned(),
            purpose: tidy(self.purpose),
            requester: tidy(self.requester),
            examiner: tidy(self.examiner),
            authority: tidy(self.authority),
            handling: tidy(self.handling),
        }
    }

    /// What was given, by name.
    pub fn fields(&self) -> Vec<(&'static str, &str)> {
        let values = [
            Some(&self.reference),
            self.purpose.as_ref(),
            self.requester.as_ref(),
            self.examiner.as_ref(),
            self.authority.as_ref(),
            self.handling.as_ref(),
        ];
        let given = FIELDS.into_iter().zip(values);
        given
            .filter_map(|(name, value)| Some((name, value?.as_str())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<CaseFile, Error> {
        CaseFile::parse("case.toml", text.as_bytes())
    }

    #[test]
    fn only_the_reference_has_to_be_there() {
        let case =
            parse("reference = ' 17/26 '\nhandling = ''\nexaminer = \"E. Xaminer\"").unwrap();
        let fields = case.header.fields();
        assert_eq!(fields, [("reference", "17/26"), ("examiner", "E. Xaminer")]);
        assert_eq!(case.sha256.map(|hash| hash.len()), Some(64));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, place, said) in [
            ("reference = 'x'\npurpos = 'y'\n", "case.toml:2", "purpos"),
            ("purpose = 'x'\n", "case.toml:1", "reference"),
            ("reference = 'x'\n\nexaminer = 7\n", "case.toml:3", "string"),
            ("reference = 'x\n", "case.toml:1", ""),
            ("reference = ' '\n", "case.toml", "empty"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.place, place, "{text}: {error}");
            assert!(error.message.contains(said), "{text}: {error}");
            assert!(!error.hint.is_empty(), "{text}");
        }
        assert!(CaseFile::parse("c", b"reference = '\xff'").is_err());
        let long = format!("reference = '{}'", "x".repeat(MAX_VALUE + 1));
        assert!(parse(&long).unwrap_err().message.contains("longer"));
    }
}
