//! Clauses that several statements have, run once.
//!
//! The same words over the same rows give the same rows: a clause is known by its SQL, the tables and clauses that it
//! reads, and the values of the parameters that it names. So what a query shares with others, and what of it does not
//! hang on the threshold whose half and double are tried, is not run again. Rows are kept for as long as a statement
//! that was announced still needs them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use polars::prelude::DataFrame;
use sha2::{Digest, Sha256};

use super::params::Params;
use super::parts::{Part, Statement};

/// What tells rows apart: a digest of all that they come from.
pub(super) type Key = [u8; 32];

/// The keys of the tables and clauses that a statement may name. What has none is never the same.
#[derive(Clone, Default)]
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
    params: BTreeMap<String, String>,
}

impl Keys {
    /// A table that is the same in all statements.
    pub(super) fn table(&mut self, name: &str) {
        self.keys.insert(name.to_owned(), digest([name]));
    }

    /// A table made by `with` from the rows of `input`, whatever the parameters say there.
    pub(super) fn derived(&mut self, name: &str, with: &str, input: &str) {
        let params = format!("{:?}", self.params);
        let key = digest([with, input, params.as_str()]);
        self.keys.insert(name.to_owned(), key);
    }

    /// The key of a table.
    pub(super) fn of(&self, table: &str) -> Option<Key> {
        self.keys.get(table).copied()
    }

    /// The table of parameters.
    pub(super) fn params(&mut self, params: &Params) {
        self.params = params.texts();
    }

    /// The key of a clause; those after it know it by its name.
    pub(super) fn clause(&mut self, part: &Part) -> Option<Key> {
        let key = self.key(part);
        match key {
            Some(key) => self.keys.insert(part.name.clone(), key),
            None => self.keys.remove(&part.name),
        };
        key
    }

    fn key(&self, part: &Part) -> Option<Key> {
        let mut texts: Vec<&[u8]> = vec![part.sql.as_bytes()];
        for name in &part.reads {
            texts.push(name.as_bytes());
            match self.keys.get(name) {
                Some(key) => texts.push(key),
                None if name == PARAMS => texts.extend(self.values(part)),
                None => return None,
            }
        }
        Some(digest(texts))
    }

    /// The parameters that a part names, with their values. One that takes all columns names all.
    fn values(&self, part: &Part) -> Vec<&[u8]> {
        let sql = part.sql.as_str();
        let words: HashSet<&str> = sql
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        let all = sql.contains("SELECT *") || sql.contains(".*");
        let named = |name: &str| all || words.contains(name);
        let named = self.params.iter().filter(|(name, _)| named(name));
        named
            .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()])
            .collect()
    }
}

/// Name of the table of parameters.
const PARAMS: &str = "params";

/// Of texts and their lengths, so that no two lists are one.
fn digest<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Key {
    let mut sha = Sha256::new();
    for text in texts {
        let text = text.as_ref();
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text);
    }
    sha.finalize().into()
}

/// Rows that are needed again.
#[derive(Default)]
pub(super) struct Memo {
    entries: Mutex<HashMap<Key, Entry>>,
}

/// How often rows are still needed, and the rows once they are there.
#[derive(Default)]
struct Entry {
    uses: usize,
    rows: Option<DataFrame>,
}

impl Memo {
    /// Announces that the clauses of a statement are needed, `keys` being those of the tables that it names.
    pub(super) fn announce(&self, statement: &Statement, keys: &mut Keys) {
        let Some((clauses, _)) = &statement.parts else {
            return;
        };
        let keys = clauses.iter().filter_map(|clause| keys.clause(clause));
        keys.for_each(|key| self.expect(key));
    }

    /// Announces that rows are needed once more.
    pub(super) fn expect(&self, key: Key) {
        self.entries().entry(key).or_default().uses += 1;
    }

    /// The rows, if another statement had them. One that was announced no longer needs them.
    pub(super) fn take(&self, key: &Key) -> Option<DataFrame> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key)?;
        entry.uses = entry.uses.saturating_sub(1);
        if entry.uses > 0 {
            return entry.rows.clone();
        }
        entries.remove(key).and_then(|entry| entry.rows)
    }

    /// Keeps the rows, if another statement needs them.
    pub(super) fn keep(&self, key: Key, rows: &DataFrame) {
        if let Some(entry) = self.entries().get_mut(&key) {
            entry.rows = Some(rows.clone());
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use polars::prelude::df;

    fn keys(most: &str, least: &str) -> Keys {
        let mut keys = Keys::default();
        keys.table("t");
        let params = [("most", most), ("least", least)];
        let texts = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        keys.params = BTreeMap::from(texts);
        keys
    }

    /// The key of each clause of a statement.
    fn of(sql: &str, mut keys: Keys) -> Vec<Option<Key>> {
        let statement = Statement::new(sql);
        let (clauses, _) = statement.parts.as_ref().unwrap();
        clauses.iter().map(|clause| keys.clause(clause)).collect()
    }

    const SQL: &str = "WITH a AS (SELECT x FROM t), b AS (SELECT x FROM a CROSS JOIN params WHERE x > params.most)
        SELECT x FROM b";

    #[test]
    fn only_parameters_that_a_clause_names_tell_it_apart() {
        let (one, two) = (of(SQL, keys("5", "1")), of(SQL, keys("10", "1")));
        assert_eq!(one[0], two[0]);
        assert_ne!(one[1], two[1]);
        assert_eq!(one, of(SQL, keys("5", "2")));
        let all = SQL.replace("SELECT x FROM a", "SELECT * FROM a");
        assert_ne!(of(&all, keys("5", "1"))[1], of(&all, keys("5", "2"))[1]);
    }

    #[test]
    fn a_clause_is_its_words_and_what_it_reads() {
        let (one, other) = (SQL, SQL.replace("SELECT x FROM t", "SELECT y AS x FROM t"));
        let (one, other) = (of(one, keys("5", "1")), of(&other, keys("5", "1")));
        assert!(one[0] != other[0] && one[1] != other[1]);
        // The same words over a clause of the table's name are not the same.
        let hidden =
            "WITH t AS (SELECT x FROM t WHERE x > 1), a AS (SELECT x FROM t) SELECT x FROM a";
        assert_ne!(of(hidden, keys("5", "1"))[1], one[0]);
        let unknown = "WITH a AS (SELECT x FROM questions), b AS (SELECT x FROM a) SELECT x FROM b";
        assert_eq!(of(unknown, keys("5", "1")), [None, None]);
    }

    #[test]
    fn rows_are_kept_for_as_long_as_they_are_needed() {
        let (memo, key) = (Memo::default(), digest(["t"]));
        let rows = df!("x" => [1i64]).unwrap();
        memo.keep(key, &rows);
        assert!(memo.take(&key).is_none());
        let statement = Statement::new(SQL);
        memo.announce(&statement, &mut keys("5", "1"));
        memo.announce(&statement, &mut keys("10", "1"));
        let key = of(SQL, keys("5", "1"))[0].unwrap();
        assert!(memo.take(&key).is_none());
        memo.keep(key, &rows);
        assert!(memo.take(&key).is_some_and(|found| found.equals(&rows)));
        assert!(memo.take(&key).is_none());
    }
}
