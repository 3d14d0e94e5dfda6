//! A report's definition: `templates/<kind>/report.toml`, which says what is asked and in which order.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Error, QueryResult, Section, Tile};

/// What a report consists of.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Heading.
    pub title: String,
    /// One paragraph: whom the report is for and what it answers.
    pub intro: String,
    /// Key figures.
    #[serde(default)]
    pub tiles: Vec<TileSpec>,
    /// Parts in their order.
    pub sections: Vec<SectionSpec>,
}

/// A key figure: the first row of a query's result has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileSpec {
    /// `Messages accepted`.
    pub label: String,
    /// `capacity/overview`; one of the report's own queries.
    pub query: String,
    /// Column of that query.
    pub column: String,
    /// Denominator or view. `{name}` stands for that column of the same row.
    #[serde(default)]
    pub note: String,
    /// Its measure in [`COMPARED`], for the change since the period before.
    #[serde(default)]
    pub change: Option<String>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionSpec {
    /// Letters, digits and `-`: the anchor in the page.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What the reader finds here.
    #[serde(default)]
    pub intro: String,
    /// Full query names in their order.
    pub queries: Vec<String>,
}

impl Definition {
    /// Parses a `report.toml`; `place` is what errors call it.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let mut definition: Self =
            toml::from_str(text).map_err(|e| syntax_error(&e, text, place))?;
        definition.intro = one_line(&definition.intro);
        for section in &mut definition.sections {
            section.intro = one_line(&section.intro);
        }
        definition.check(text, place)?;
        Ok(definition)
    }

    /// Every query of the report, in order, each once.
    pub fn queries(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let all = self
            .sections
            .iter()
            .flat_map(|s| &s.queries)
            .map(String::as_str);
        all.filter(|name| seen.insert(*name)).collect()
    }

    /// The tiles' values from the results. A column that its query does not have is an error of the definition.
    pub fn tiles(&self, sections: &[Section], place: &str) -> Result<Vec<Tile>, Error> {
        let all = || sections.iter().flat_map(|s| &s.results);
        let mut tiles = Vec::with_capacity(self.tiles.len());
        for spec in &self.tiles {
            if let Some(result) = all().find(|r| r.name == spec.query) {
                let compared = all().find(|r| r.name == COMPARED);
                let change = spec.change.as_deref().zip(compared);
                tiles.push(Tile {
                    change: change.and_then(|(measure, result)| change_of(measure, result)),
                    ..spec.tile(result, place)?
                });
            }
        }
        Ok(tiles)
    }

    fn check(&self, text: &str, place: &str) -> Result<(), Error> {
        let at = |word: &str| format!("{place}:{}", line_with(text, word));
        let mut ids = HashSet::new();
        for section in &self.sections {
            if !is_anchor(&section.id) {
                let message = format!("section id `{}` is no anchor", section.id);
                return Err(Error::new(
                    at(&section.id),
                    message,
                    "use lower-case letters, digits and `-`",
                ));
            }
            if !ids.insert(&section.id) {
                let message = format!("section id `{}` stands twice", section.id);
                return Err(Error::new(
                    at(&section.id),
                    message,
                    "give each section its own id",
                ));
            }
        }
        let queries = self.queries();
        match self
            .tiles
            .iter()
            .find(|t| !queries.contains(&t.query.as_str()))
        {
            Some(tile) => {
                let message = format!(
                    "tile `{}` asks `{}`, which no section has",
                    tile.label, tile.query
                );
                Err(Error::new(
                    at(&tile.label),
                    message,
                    "name the query in a section's `queries`, or drop the tile",
                ))
            }
            None => Ok(()),
        }
    }
}

impl TileSpec {
    fn tile(&self, result: &QueryResult, place: &str) -> Result<Tile, Error> {
        let value = match (&result.not_assessable, result.rows.first()) {
            (Some(_), _) => "not assessable".to_string(),
            (None, None) => "–".to_string(),
            (None, Some(_)) => self.cell(result, &self.column, place)?,
        };
        let note = if result.not_assessable.is_some() || result.rows.is_empty() {
            String::new()
        } else {
            self.filled_note(result, place)?
        };
        Ok(Tile {
            label: self.label.clone(),
            value,
            note,
            change: None,
            query: result.name.clone(),
        })
    }

    /// What the first row shows in a column.
    fn cell(&self, result: &QueryResult, column: &str, place: &str) -> Result<String, Error> {
        let index = result.columns.iter().position(|c| c.name == column);
        let cell = index.and_then(|i| result.rows.first()?.get(i));
        cell.map(|c| c.text.clone()).ok_or_else(|| {
            let known: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!(
                "tile `{}`: `{}` has no column `{column}`",
                self.label, self.query
            );
            Error::new(
                place,
                message,
                format!("its columns are {}", known.join(", ")),
            )
        })
    }

    fn filled_note(&self, result: &QueryResult, place: &str) -> Result<String, Error> {
        let mut note = String::new();
        let mut rest = self.note.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((column, after)) = after.split_once('}') else {
                break;
            };
            note.push_str(before);
            note.push_str(&self.cell(result, column, place)?);
            rest = after;
        }
        Ok(note + rest)
    }
}

/// The query that compares with the period before; its columns `measure`, `change` and `more_than_noise` are read.
const COMPARED: &str = "capacity/period_compare";

/// `+12 % a day, more than noise`.
fn change_of(measure: &str, result: &QueryResult) -> Option<String> {
    let at = |name: &str| result.columns.iter().position(|column| column.name == name);
    let (named, change, noise) = (at("measure")?, at("change")?, at("more_than_noise")?);
    let row = result.full.iter().find(|row| row[named].value == measure)?;
    let share = row[change].value.as_f64()?;
    let sign = if share > 0.0 { "+" } else { "" };
    let said = match row[noise].value.as_bool() {
        Some(true) => ", more than noise",
        Some(false) => ", within the noise",
        None => ", too few days to tell it from noise",
    };
    Some(format!("{sign}{} a day{said}", row[change].text))
}

fn is_anchor(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Paragraphs are wrapped in the file and flow on the page.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line_with(text: &str, word: &str) -> usize {
    text.lines()
        .position(|l| l.contains(word))
        .map_or(1, |i| i + 1)
}

fn syntax_error(error: &toml::de::Error, text: &str, place: &str) -> Error {
    let offset = error.span().map_or(0, |s| s.start).min(text.len());
    let line = text.as_bytes()[..offset]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1;
    let hint = "a definition has `title`, `intro`, [[tiles]] with `label`, `query`, `column`, `note`, `change`, and [[sections]] \
                with `id`, `title`, `intro`, `queries`";
    Error::new(format!("{place}:{line}"), one_line(error.message()), hint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{ColumnKind, sample};
    use super::*;

    const GOOD: &str = r#"
title = "T"
intro = """
Two
lines."""
[[tiles]]
label = "Accepted"
query = "capacity/overview"
column = "accepted"
note = "of {seen} seen"
[[sections]]
id = "volume"
title = "Volume"
queries = ["capacity/overview", "capacity/overview"]
"#;

    fn error(text: &str) -> Error {
        Definition::parse(text, "report.toml").unwrap_err()
    }

    #[test]
    fn a_definition_is_read() {
        let definition = Definition::parse(GOOD, "report.toml").unwrap();
        assert_eq!(definition.intro, "Two lines.");
        assert_eq!(definition.queries(), ["capacity/overview"]);
    }

    #[test]
    fn errors_name_line_and_remedy() {
        let unknown = error(&GOOD.replace("label =", "lable ="));
        assert!(
            unknown.place == "report.toml:7" && unknown.message.contains("lable"),
            "{unknown}"
        );
        assert_eq!(
            error(&GOOD.replace("\"volume\"", "\"a b\"")).place,
            "report.toml:12"
        );
        assert!(
            error(&GOOD.replacen("capacity/overview", "x/y", 1))
                .message
                .contains("no section has")
        );
        assert!(error("title = ").to_string().contains("hint: "));
    }

    #[test]
    fn tiles_come_from_the_first_row() {
        let definition = Definition::parse(GOOD, "report.toml").unwrap();
        let columns = [("accepted", ColumnKind::Count), ("seen", ColumnKind::Count)];
        let row = vec![
            sample::number(1200.0, ColumnKind::Count),
            sample::number(1300.0, ColumnKind::Count),
        ];
        let mut section = sample::section(
            "volume",
            vec![sample::result("capacity/overview", &columns, vec![row])],
        );
        let tiles = definition
            .tiles(std::slice::from_ref(&section), "p")
            .unwrap();
        assert_eq!(
            (tiles[0].value.as_str(), tiles[0].note.as_str()),
            ("1,200", "of 1,300 seen")
        );

        section.results[0].not_assessable = Some("no lines".into());
        assert_eq!(
            definition
                .tiles(std::slice::from_ref(&section), "p")
                .unwrap()[0]
                .value,
            "not assessable"
        );

        section.results[0].not_assessable = None;
        section.results[0].columns[0].name = "else".into();
        let error = definition.tiles(&[section], "p").unwrap_err();
        assert!(error.hint.contains("else, seen"), "{error}");
    }
}
