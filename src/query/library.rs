//! The library of queries: those built in, and those of `--queries DIR`, found by full name or by stem.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::builtin::BUILTIN;
use super::error::{Error, list, nearest};
use super::header::{self, Header};
use super::own::{self, CLIENTS, QUESTIONS};
use super::params::SHARE;
use super::parts::{Parsed, Statement};
use crate::report::manifest::sha256_hex;
use crate::tables::build::Wanted;
use crate::tables::schema::TABLES;

/// One query: its file, taken apart.
#[derive(Clone, Debug)]
pub struct Query {
    /// `access/password_guessing`.
    pub name: String,
    /// `access`.
    pub section: String,
    /// `password_guessing`.
    pub stem: String,
    /// File for messages: the user's path, or `queries/<name>.sql`.
    pub file: String,
    /// Its front matter.
    pub header: Header,
    /// Its SQL, without the front matter.
    pub sql: String,
    /// SHA-256 of `text`, lower-case hexadecimal.
    pub sha256: String,
    /// The whole file.
    pub text: String,
    /// Its statements, taken apart when they are first needed.
    parsed: Parsed,
}

impl Query {
    /// Adds the columns that it reads.
    pub fn wanted(&self, wanted: Wanted) -> Wanted {
        let header = &self.header;
        let code: Vec<String> = self.statements().map(without_comments).collect();
        let tables = header.tables.iter().map(String::as_str);
        let texts = code.iter().map(String::as_str);
        let parsed: Vec<Arc<Statement>> =
            self.statements().map(|sql| self.statement(sql)).collect();
        let before = parsed.iter().flat_map(|one| own::before(one));
        let mut wanted = wanted.add(tables.chain(before.map(own::now)), texts);
        if parsed.iter().any(|one| one.reads(CLIENTS)) {
            let all = TABLES.iter().map(|table| table.name);
            wanted = wanted.add(all, ["client_ip"]);
        }
        header.needs.iter().fold(wanted, |wanted, need| {
            wanted.add([need.table.as_str()], need.condition.as_deref())
        })
    }

    /// Whether it reads the table of questions, see [`QUESTIONS`].
    pub fn asks(&self) -> bool {
        self.sql.contains(QUESTIONS) && self.statement(&self.sql).reads(QUESTIONS)
    }

    /// Whether it compares with an earlier period.
    pub fn compares(&self) -> bool {
        let mut statements = self.statements();
        statements.any(|sql| {
            sql.contains(own::BEFORE) && own::before(&self.statement(sql)).next().is_some()
        })
    }

    /// Every statement in it: those that tables are derived by, the SELECT, those of evidence.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let derived = self.header.derived.values().map(|one| one.input.as_str());
        let rules = self.header.findings.iter();
        let evidence = rules.filter_map(|rule| rule.evidence.as_deref());
        derived.chain([self.sql.as_str()]).chain(evidence)
    }

    /// One of its statements, taken apart.
    pub(super) fn statement(&self, sql: &str) -> Arc<Statement> {
        self.parsed.get(sql)
    }

    /// Whether a parameter is a fraction of one.
    pub(super) fn is_share(&self, param: &str) -> bool {
        let param = self.header.params.get(param);
        param.is_some_and(|param| param.unit == SHARE)
    }

    /// Whether it is one of ours, word for word.
    pub fn is_builtin(&self) -> bool {
        let mut ours = super::builtin::BUILTIN.iter();
        ours.any(|(name, text)| *name == self.name && *text == self.text)
    }

    /// Takes apart the text of the query `name` (`section/stem`), read from `file`.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, Error> {
        let (section, stem) = split(name, file)?;
        let header = Header::parse(file, text)?;
        let sql = header::body(text).to_owned();
        if sql.is_empty() {
            let error = Error::new("no SQL after the front matter")
                .hint("write the SELECT below the header");
            return Err(error.at(file, None));
        }
        Ok(Self {
            name: name.to_owned(),
            section: section.to_owned(),
            stem: stem.to_owned(),
            file: file.to_owned(),
            header,
            sql,
            sha256: sha256_hex(text.as_bytes()),
            text: text.to_owned(),
            parsed: Parsed::default(),
        })
    }

    /// Usable as an HTML id: `access-password_guessing`.
    pub fn id(&self) -> String {
        format!("{}-{}", self.section, self.stem)
    }

    /// Where a report puts the whole result.
    pub fn csv(&self) -> String {
        format!("tables/{}_{}.csv", self.section, self.stem)
    }
}

fn without_comments(sql: &str) -> String {
    let code = sql.lines();
    let code = code.filter(|line| !line.trim_start().starts_with("--"));
    code.collect::<Vec<&str>>().join("\n")
}

/// Section and stem become file names and HTML ids, so they are plain words.
fn split<'a>(name: &'a str, file: &str) -> Result<(&'a str, &'a str), Error> {
    let plain = |word: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        !word.is_empty() && word.chars().all(good)
    };
    match name.split_once('/') {
        Some((section, stem)) if plain(section) && plain(stem) => Ok((section, stem)),
        _ => {
            let error = Error::new(format!("`{name}` is no name for a query"));
            let error = error.hint("section and file are named with a-z, 0-9 and _, as in access/password_guessing.sql");
            Err(error.at(file, None))
        }
    }
}

/// Queries by name.
#[derive(Clone, Debug, Default)]
pub struct Library {
    queries: BTreeMap<String, Query>,
}

impl Library {
    /// The queries that come with the program.
    pub fn builtin() -> Result<Self, Error> {
        let mut library = Self::default();
        for (name, text) in BUILTIN {
            library.add(Query::parse(name, &format!("queries/{name}.sql"), text)?);
        }
        Ok(library)
    }

    /// Adds the queries of a folder laid out as `section/stem.sql`; one of a known name replaces it.
    pub fn load_dir(&mut self, dir: &Path) -> Result<(), Error> {
        let mut found = 0;
        for path in entries(dir)? {
            if path.is_dir() {
                for file in entries(&path)?.into_iter().filter(|file| is_sql(file)) {
                    self.add(load(&file)?);
                    found += 1;
                }
            } else if is_sql(&path) {
                let error = Error::new("a query outside of a section");
                let error =
                    error.hint("move it into a folder named for its section, as in access/");
                return Err(error.at(&path.to_string_lossy(), None));
            }
        }
        match found {
            0 => Err(Error::new("no queries here")
                .hint("queries lie in it as section/name.sql")
                .at(&dir.to_string_lossy(), None)),
            _ => Ok(()),
        }
    }

    /// Adds or replaces one.
    pub fn add(&mut self, query: Query) {
        self.queries.insert(query.name.clone(), query);
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Query> + Clone {
        self.queries.values()
    }

    /// The query of that full name, or the only one with that stem, or with an alias.
    pub fn find(&self, name: &str) -> Result<&Query, Error> {
        if let Some(query) = self.queries.get(name) {
            return Ok(query);
        }
        let alias = |query: &&Query| {
            let aliases = &query.header.aliases;
            aliases.iter().any(|alias| {
                let full = name.split_once('/') == Some((&query.section, alias));
                full || alias == name
            })
        };
        let mut matches: Vec<&Query> = self.iter().filter(|query| query.stem == name).collect();
        if matches.is_empty() {
            matches = self.iter().filter(alias).collect();
        }
        match matches.as_slice() {
            [one] => Ok(one),
            [] => Err(self.unknown(name)),
            several => {
                let names: Vec<&str> = several.iter().map(|query| query.name.as_str()).collect();
                let error = Error::new(format!("`{name}` is the name of {} queries", names.len()));
                Err(error.hint(format!("say {}", list(&names, "or"))))
            }
        }
    }

    /// Names that are near, that hold the word, or that are in a section of that name.
    fn unknown(&self, name: &str) -> Error {
        let names: Vec<&str> = self.iter().map(|query| query.name.as_str()).collect();
        let stems: Vec<&str> = self.iter().map(|query| query.stem.as_str()).collect();
        let mut near = nearest(name, &names);
        near.extend(nearest(name, &stems));
        if near.is_empty() && !name.is_empty() {
            near.extend(names.into_iter().filter(|known| known.contains(name)));
        }
        let error = Error::new(format!("no query is named `{name}`"));
        match near.as_slice() {
            [] => error.hint("`mtaudit queries` lists them"),
            near => error.hint(format!("did you mean {}?", list(near, "or"))),
        }
    }
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sql")
}

/// What lies in a folder, in a fixed order.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = read().map_err(|error| unreadable(dir, &error))?;
    paths.sort_unstable();
    Ok(paths)
}

fn load(path: &Path) -> Result<Query, Error> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let section = path.parent().and_then(Path::file_name).unwrap_or_default();
    let stem = path.file_stem().unwrap_or_default();
    let name = format!("{}/{}", section.to_string_lossy(), stem.to_string_lossy());
    Query::parse(&name, &path.to_string_lossy(), &text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("cannot be read: {error}")).at(&path.to_string_lossy(), None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "-- title = \"T\"\n-- question = \"Q?\"\n-- tables = [\"logins\"]\n-- limits = \"L.\"\n\
                        -- columns = []\nSELECT 1\n";

    fn library() -> Library {
        let mut library = Library::default();
        for name in [
            "capacity/overview",
            "access/overview",
            "access/password_guessing",
        ] {
            library.add(Query::parse(name, "x.sql", TEXT).unwrap());
        }
        library
    }

    #[test]
    fn finds_by_full_name_and_by_unique_stem() {
        let library = library();
        assert_eq!(library.find("access/overview").unwrap().section, "access");
        assert_eq!(
            library.find("password_guessing").unwrap().id(),
            "access-password_guessing"
        );
        assert_eq!(
            library.find("password_guessing").unwrap().csv(),
            "tables/access_password_guessing.csv"
        );
        let names: Vec<&str> = library.iter().map(|query| query.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "access/overview",
                "access/password_guessing",
                "capacity/overview"
            ]
        );
    }

    #[test]
    fn says_which_names_were_meant() {
        let said = |name| library().find(name).unwrap_err().to_string();
        assert!(said("overview").ends_with("(hint: say `access/overview` or `capacity/overview`)"));
        assert!(said("pasword_guesing").contains("did you mean `password_guessing`?"));
        assert!(said("guessing").contains("did you mean `access/password_guessing`?"));
        assert!(said("zebra").contains("`mtaudit queries` lists them"));
    }

    #[test]
    fn a_folder_adds_and_overrides() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("access")).unwrap();
        let file = dir.path().join("access/overview.sql");
        fs::write(&file, TEXT.replace("\"T\"", "\"Mine\"")).unwrap();
        fs::write(dir.path().join("access/notes.txt"), "no query").unwrap();
        let mut library = library();
        library.load_dir(dir.path()).unwrap();
        assert_eq!(
            library.find("access/overview").unwrap().header.title,
            "Mine"
        );
        assert_eq!(library.iter().count(), 3);
    }

    #[test]
    fn a_folder_without_queries_or_sections_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut library = library();
        assert!(
            library
                .load_dir(dir.path())
                .unwrap_err()
                .message
                .contains("no queries")
        );
        fs::write(dir.path().join("x.sql"), TEXT).unwrap();
        assert!(
            library
                .load_dir(dir.path())
                .unwrap_err()
                .message
                .contains("outside of a section")
        );
        assert!(library.load_dir(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn names_are_plain_words() {
        for name in ["overview", "a/b/c", "Access/x", "access/", "../x"] {
            assert!(Query::parse(name, "x.sql", TEXT).is_err(), "{name}");
        }
    }

    #[test]
    fn hashes_the_whole_file() {
        let query = Query::parse("a/b", "x.sql", TEXT).unwrap();
        assert_eq!(query.sha256.len(), 64);
        assert_ne!(query.sha256, sha256_hex(query.sql.as_bytes()));
    }
}
