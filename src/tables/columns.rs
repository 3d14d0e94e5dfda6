//! Builders: one closure a column, from rows to polars.
//!
//! Rows are wide structs and lie far apart in memory, so they are visited once: a stretch of rows that fits in a
//! cache goes through all columns before the next one is touched. Texts are not copied, see [`Texts`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use polars::prelude::*;

use crate::correlate::rows::{NO_TIME, Place};
use crate::strings::{Reader, Sym};
use crate::tables::schema::{self, PROSE, Table, Type};
use crate::tables::zone::{Cut, Cutter};

/// Which columns of which tables to build: all, or those that some texts name; and how.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// By table. A table that is not among them keeps no columns but the numbers that every row has.
    names: Option<HashMap<String, Choice>>,
    /// Names, addresses and our own words as numbers into a dictionary: compared and grouped faster, but functions
    /// on strings (`LIKE`, `UPPER`) refuse them.
    coded: bool,
}

/// Columns of one table.
#[derive(Clone, Debug)]
enum Choice {
    All,
    Among(HashSet<String>),
}

impl Wanted {
    /// No columns yet, see [`Wanted::add`].
    pub fn none() -> Self {
        Wanted {
            names: Some(HashMap::new()),
            coded: false,
        }
    }

    /// Adds the columns of `tables` that these texts (SQL, mostly) can mean. A `*` may mean any.
    #[must_use]
    pub fn add<'t>(
        mut self,
        tables: impl IntoIterator<Item = &'t str>,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Self {
        let mut words: Option<HashSet<String>> = Some(HashSet::new());
        for text in texts {
            words = words.filter(|_| !means_all(text));
            if let Some(words) = &mut words {
                words.extend(names_in(text).map(str::to_owned));
            }
        }
        let Some(chosen) = &mut self.names else {
            return self;
        };
        for table in tables {
            let choice = chosen
                .entry(table.to_owned())
                .or_insert_with(|| Choice::Among(HashSet::new()));
            match (choice, &words) {
                (Choice::Among(own), Some(words)) => own.extend(words.iter().cloned()),
                (choice, _) => *choice = Choice::All,
            }
        }
        self
    }

    /// The same for tables in files: texts as texts, and what a message's direction is decided by with it.
    #[must_use]
    pub fn on_disk(mut self) -> Self {
        self.coded = false;
        let Some(chosen) = &mut self.names else {
            return self;
        };
        for (table, columns) in [
            (
                "messages",
                &["message", "auth_user", "origin", "sender_domain"][..],
            ),
            ("deliveries", &["message", "recipient", "recipient_domain"]),
        ] {
            let choice = chosen
                .entry(table.to_owned())
                .or_insert_with(|| Choice::Among(HashSet::new()));
            if let Choice::Among(own) = choice {
                own.extend(columns.iter().map(|name| (*name).to_owned()));
            }
        }
        self
    }

    /// The same with names, addresses and our own words as categories, for queries that are known to take them so.
    #[must_use]
    pub fn coded(self) -> Self {
        Wanted {
            coded: true,
            ..self
        }
    }

    /// The same with strings: texts of a table that stays on disk.
    #[must_use]
    pub fn plain(self) -> Self {
        Wanted {
            coded: false,
            ..self
        }
    }

    /// Texts of a table that was not built here as they are built here: categories, where those are wanted.
    pub(super) fn coded_text(&self, table: &str, frame: DataFrame) -> PolarsResult<DataFrame> {
        if !self.coded || table == "sources" {
            return Ok(frame);
        }
        let categories = DataType::from_categories(Categories::global());
        let coded = |column: &Column| {
            let text = column.dtype() == &DataType::String;
            if text && !PROSE.contains(&column.name().as_str()) {
                column.cast(&categories)
            } else {
                Ok(column.clone())
            }
        };
        let columns: PolarsResult<Vec<Column>> = frame.columns().iter().map(coded).collect();
        DataFrame::new(frame.height(), columns?)
    }

    /// About the bytes that a row of a table takes in columns, without the texts that strings point to.
    pub(super) fn width(&self, table: &Table) -> u64 {
        let columns = table.columns.iter();
        let columns = columns.filter(|column| self.keeps(table.name, column.name));
        let width = |column: &schema::Column| match column.kind {
            Type::Text if self.coded && !PROSE.contains(&column.name) => 4,
            Type::Text => 16,
            Type::Bool => 1,
            Type::Date => 4,
            Type::Int | Type::Float | Type::Time => 8,
        };
        columns.map(width).sum()
    }

    /// Columns that are read from files: the wanted ones, and those that every row needs. The sources are few, and
    /// commands read all that is known of them.
    pub(super) fn keeps(&self, table: &str, column: &str) -> bool {
        let needed = table == "sources" || ["source", "line"].contains(&column);
        needed || self.has(table, column)
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        let Some(names) = &self.names else {
            return true;
        };
        match names.get(table) {
            None => false,
            Some(Choice::All) => true,
            Some(Choice::Among(words)) => words.contains(column),
        }
    }
}

/// The words of a text that can be names.
fn names_in(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c| !is_name(c))
        .filter(|word| !word.is_empty())
}

/// It reads columns that it does not name: by a `*` other than that of `COUNT(*)` and of a product, or by joining on
/// whatever is alike.
fn means_all(text: &str) -> bool {
    let is = |word: &str, known: &[&str]| known.iter().any(|k| word.eq_ignore_ascii_case(k));
    let star = text.match_indices('*').any(|(at, _)| {
        let before = text[..at].trim_end();
        let word = names_in(before).next_back();
        let word = word.filter(|word| before.ends_with(word));
        before.ends_with([',', '.'])
            || word.is_some_and(|word| is(word, &["SELECT", "DISTINCT", "ALL"]))
    });
    star || names_in(text).any(|word| is(word, &["NATURAL"]))
}

/// The texts of the logs, as polars has them: a column of texts is a choice from them.
///
/// As strings, its cells point into one array of all texts, and nothing is copied. As categories, its cells are the
/// numbers of the process-wide dictionary, which a text enters when a column first has it.
pub struct Texts<'a> {
    reader: &'a Reader<'a>,
    all: OnceLock<StringChunked>,
    dictionary: Arc<CategoricalMapping>,
    categories: DataType,
    /// By position of the text: its category plus 1, or 0 while it has none. Two threads may enter a text at once;
    /// the dictionary gives both the same number.
    codes: Vec<AtomicU32>,
}

impl<'a> Texts<'a> {
    /// All texts of the logs.
    pub fn new(reader: &'a Reader<'a>) -> Self {
        let global = Categories::global();
        let dictionary = global.mapping();
        Texts {
            reader,
            all: OnceLock::new(),
            categories: DataType::Categorical(global, dictionary.clone()),
            dictionary,
            codes: (0..reader.len()).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// One text.
    pub fn get(&self, sym: Sym) -> Option<&str> {
        self.reader.get(sym)
    }

    fn all(&self) -> &StringChunked {
        self.all.get_or_init(|| {
            let mut all = StringChunkedBuilder::new(PlSmallStr::EMPTY, self.reader.len());
            self.reader.texts().for_each(|text| all.append_value(text));
            all.finish()
        })
    }

    /// The category of a text. The dictionary holds as many as symbols can name.
    fn code(&self, sym: Sym) -> PolarsResult<Option<u32>> {
        let Some(at) = self.reader.position(sym) else {
            return Ok(None);
        };
        let known = &self.codes[at as usize];
        let code = known.load(Ordering::Relaxed);
        if code != 0 {
            return Ok(Some(code - 1));
        }
        let Some(text) = self.reader.get(sym) else {
            return Ok(None);
        };
        let code = self.dictionary.insert_cat(text)?;
        known.store(code + 1, Ordering::Relaxed);
        Ok(Some(code))
    }
}

/// Words that repeat, each once, and which one every row has.
struct Few {
    name: PlSmallStr,
    words: Vec<&'static str>,
    last: usize,
    rows: PrimitiveChunkedBuilder<IdxType>,
}

impl Few {
    fn new(name: PlSmallStr, rows: usize) -> Self {
        Few {
            rows: PrimitiveChunkedBuilder::new(name.clone(), rows),
            name,
            words: Vec::new(),
            last: 0,
        }
    }

    fn push(&mut self, word: Option<&'static str>) {
        let at = word.map(|word| self.place(word) as u32);
        self.rows.append_option(at);
    }

    fn place(&mut self, word: &'static str) -> usize {
        // Our own words are constants: the same word nearly always lies at the same address.
        let same = |known: &&str| std::ptr::eq(*known, word) || *known == word;
        if !self.words.get(self.last).is_some_and(same) {
            let known = self.words.iter().position(same);
            self.last = known.unwrap_or_else(|| {
                self.words.push(word);
                self.words.len() - 1
            });
        }
        self.last
    }

    fn finish(self, coded: bool) -> PolarsResult<Column> {
        let words = StringChunked::from_slice(PlSmallStr::EMPTY, &self.words).into_series();
        let words = if coded {
            words.cast(&DataType::from_categories(Categories::global()))?
        } else {
            words
        };
        let cells = words.take(&self.rows.finish())?;
        Ok(cells.with_name(self.name).into_column())
    }
}

/// Rows that go through all columns together: about what a core's own cache holds.
const STRETCH: usize = 512;

/// Columns of one table, in order, over rows of `T`.
pub struct Columns<'a, T> {
    table: &'static str,
    /// In order, as they lie in memory.
    rows: Vec<&'a [T]>,
    height: usize,
    texts: &'a Texts<'a>,
    wanted: &'a Wanted,
    columns: Vec<Box<dyn Fill<T> + 'a>>,
}

/// A column that is being filled.
trait Fill<T> {
    /// Takes the cells of the next rows.
    fn fill(&mut self, rows: &[T]);
    /// The column, or those that were filled together, when all rows were taken.
    fn finish(self: Box<Self>) -> PolarsResult<Vec<Column>>;
}

/// Cells by a closure into a builder of polars, and what makes a column of the builder's array.
struct Filling<B, P, E> {
    builder: B,
    push: P,
    end: E,
}

impl<T, B, P, E> Fill<T> for Filling<B, P, E>
where
    P: Fn(&mut B, &T),
    E: FnOnce(B) -> PolarsResult<Column>,
{
    fn fill(&mut self, rows: &[T]) {
        rows.iter()
            .for_each(|row| (self.push)(&mut self.builder, row));
    }

    fn finish(self: Box<Self>) -> PolarsResult<Vec<Column>> {
        (self.end)(self.builder).map(|column| vec![column])
    }
}

/// What is cut out of a time, how it becomes a column, and that column.
struct Part {
    of: fn(&Cut) -> i64,
    end: fn(Integers) -> PolarsResult<Column>,
    cells: Integers,
}

/// The columns that a time is cut into: each time is cut once.
struct Buckets<F> {
    of: F,
    cutter: Cutter,
    parts: Vec<Part>,
}

impl<T, F: Fn(&T) -> i64> Fill<T> for Buckets<F> {
    fn fill(&mut self, rows: &[T]) {
        for row in rows {
            let ts = Some((self.of)(row)).filter(|ts| *ts != NO_TIME);
            let cut = ts.map(|ts| self.cutter.cut(ts));
            for part in &mut self.parts {
                part.cells.append_option(cut.as_ref().map(part.of));
            }
        }
    }

    fn finish(self: Box<Self>) -> PolarsResult<Vec<Column>> {
        self.parts
            .into_iter()
            .map(|part| (part.end)(part.cells))
            .collect()
    }
}

type Integers = PrimitiveChunkedBuilder<Int64Type>;

impl<'a, T: 'a> Columns<'a, T> {
    /// No columns yet.
    pub fn new(
        table: &'static str,
        rows: impl IntoIterator<Item = &'a [T]>,
        texts: &'a Texts<'a>,
        wanted: &'a Wanted,
    ) -> Self {
        let rows: Vec<&[T]> = rows.into_iter().collect();
        Columns {
            table,
            height: rows.iter().map(|rows| rows.len()).sum(),
            rows,
            texts,
            wanted,
            columns: Vec::new(),
        }
    }

    /// A column, when it is wanted: an empty builder, how a row gets in, and what is made of it.
    fn with<B: 'a>(
        self,
        name: &str,
        builder: impl FnOnce(PlSmallStr, usize) -> B,
        push: impl Fn(&mut B, &T) + 'a,
        end: impl FnOnce(B) -> PolarsResult<Column> + 'a,
    ) -> Self {
        if self.wanted.has(self.table, name) {
            self.always(name, builder, push, end)
        } else {
            self
        }
    }

    fn always<B: 'a>(
        mut self,
        name: &str,
        builder: impl FnOnce(PlSmallStr, usize) -> B,
        push: impl Fn(&mut B, &T) + 'a,
        end: impl FnOnce(B) -> PolarsResult<Column> + 'a,
    ) -> Self {
        self.columns.push(Box::new(Filling {
            builder: builder(name.into(), self.height),
            push,
            end,
        }));
        self
    }

    /// A name or an address by symbol.
    pub fn sym(self, name: &str, of: impl Fn(&T) -> Sym + 'a) -> Self {
        debug_assert!(!PROSE.contains(&name), "{name} is listed as prose");
        if !self.wanted.coded {
            return self.string(name, of);
        }
        type State = (PrimitiveChunkedBuilder<UInt32Type>, PolarsResult<()>);
        let texts = self.texts;
        self.with(
            name,
            |name, rows| (PrimitiveChunkedBuilder::new(name, rows), Ok(())),
            move |(codes, failed): &mut State, row| {
                let code = texts.code(of(row)).unwrap_or_else(|error| {
                    *failed = Err(error);
                    None
                });
                codes.append_option(code);
            },
            |(codes, failed)| {
                failed?;
                let categories = texts.categories.clone();
                let cells = Categorical32Chunked::from_cats_and_dtype(codes.finish(), categories);
                Ok(cells.into_column())
            },
        )
    }

    /// A text by symbol that hardly repeats, or whose words are searched: a string in every case.
    pub fn prose(self, name: &str, of: impl Fn(&T) -> Sym + 'a) -> Self {
        debug_assert!(PROSE.contains(&name), "{name} is not listed as prose");
        self.string(name, of)
    }

    fn string(self, name: &str, of: impl Fn(&T) -> Sym + 'a) -> Self {
        let texts = self.texts;
        self.with(
            name,
            PrimitiveChunkedBuilder::<IdxType>::new,
            move |at, row| at.append_option(texts.reader.position(of(row))),
            |at| {
                let at = at.finish();
                let chosen = texts.all().take(&at)?;
                Ok(chosen.with_name(at.name().clone()).into_column())
            },
        )
    }

    /// One of our own words.
    pub fn word(self, name: &str, of: impl Fn(&T) -> Option<&'static str> + 'a) -> Self {
        let coded = self.wanted.coded;
        self.few(name, coded, of)
    }

    /// The same, as text in every case: words that are searched by their beginnings.
    pub fn phrase(self, name: &str, of: impl Fn(&T) -> Option<&'static str> + 'a) -> Self {
        self.few(name, false, of)
    }

    fn few(self, name: &str, coded: bool, of: impl Fn(&T) -> Option<&'static str> + 'a) -> Self {
        self.with(
            name,
            Few::new,
            move |cells, row| cells.push(of(row)),
            move |cells| cells.finish(coded),
        )
    }

    /// Text made for the row.
    pub fn text(self, name: &str, of: impl Fn(&T) -> Option<String> + 'a) -> Self {
        self.with(
            name,
            StringChunkedBuilder::new,
            move |cells, row| cells.append_option(of(row).as_deref()),
            |cells| Ok(cells.finish().into_column()),
        )
    }

    /// A whole number.
    pub fn int(self, name: &str, of: impl Fn(&T) -> Option<i64> + 'a) -> Self {
        self.with(
            name,
            Integers::new,
            move |cells, row| cells.append_option(of(row)),
            |cells| Ok(cells.finish().into_column()),
        )
    }

    /// A whole number that every row has. Keys and places are numbers, so these columns are always built.
    pub fn number(self, name: &str, of: impl Fn(&T) -> i64 + 'a) -> Self {
        self.always(
            name,
            Integers::new,
            move |cells, row| cells.append_value(of(row)),
            |cells| Ok(cells.finish().into_column()),
        )
    }

    /// A measure; NaN is null.
    pub fn float(self, name: &str, of: impl Fn(&T) -> f64 + 'a) -> Self {
        self.with(
            name,
            PrimitiveChunkedBuilder::<Float64Type>::new,
            move |cells, row| cells.append_option(Some(of(row)).filter(|v| !v.is_nan())),
            |cells| Ok(cells.finish().into_column()),
        )
    }

    /// Yes, no, or unknown.
    pub fn flag(self, name: &str, of: impl Fn(&T) -> Option<bool> + 'a) -> Self {
        self.with(
            name,
            BooleanChunkedBuilder::new,
            move |cells, row| cells.append_option(of(row)),
            |cells| Ok(cells.finish().into_column()),
        )
    }

    /// A time, µs UTC; [`NO_TIME`] is null.
    pub fn time(self, name: &str, of: impl Fn(&T) -> i64 + 'a) -> Self {
        self.with(
            name,
            Integers::new,
            move |cells, row| cells.append_option(Some(of(row)).filter(|ts| *ts != NO_TIME)),
            times,
        )
    }

    /// `day`, `hour`, `hour_of_day`, `weekday`, `minute` of a time.
    pub fn buckets(mut self, zone: chrono_tz::Tz, of: impl Fn(&T) -> i64 + 'a) -> Self {
        type Bucket = (
            &'static str,
            fn(&Cut) -> i64,
            fn(Integers) -> PolarsResult<Column>,
        );
        let all: [Bucket; 5] = [
            ("day", |cut| i64::from(cut.day), dates),
            ("hour", |cut| cut.hour, times),
            ("hour_of_day", |cut| cut.hour_of_day, numbers),
            ("weekday", |cut| cut.weekday, numbers),
            ("minute", |cut| cut.minute, numbers),
        ];
        let wanted = all
            .into_iter()
            .filter(|(name, ..)| self.wanted.has(self.table, name));
        let parts: Vec<Part> = wanted
            .map(|(name, of, end)| Part {
                of,
                end,
                cells: Integers::new(name.into(), self.height),
            })
            .collect();
        if !parts.is_empty() {
            let cutter = Cutter::new(zone);
            self.columns.push(Box::new(Buckets { of, cutter, parts }));
        }
        self
    }

    /// `source` and `line`, and the finished frame. Every table has these two, and its key.
    pub fn place(self, of: impl Fn(&T) -> Place + Copy + 'a) -> PolarsResult<DataFrame> {
        let mut done = self
            .number("source", move |row| i64::from(of(row).source))
            .number("line", move |row| of(row).line as i64);
        let stretches = done.rows.iter().flat_map(|rows| rows.chunks(STRETCH));
        for rows in stretches {
            done.columns.iter_mut().for_each(|column| column.fill(rows));
        }
        let columns: PolarsResult<Vec<Vec<Column>>> = done
            .columns
            .into_iter()
            .map(|column| column.finish())
            .collect();
        DataFrame::new(done.height, columns?.concat())
    }
}

fn numbers(cells: Integers) -> PolarsResult<Column> {
    Ok(cells.finish().into_column())
}

fn dates(cells: Integers) -> PolarsResult<Column> {
    numbers(cells)?
        .cast(&DataType::Int32)?
        .cast(&DataType::Date)
}

fn times(cells: Integers) -> PolarsResult<Column> {
    let times = cells.finish().into_datetime(TimeUnit::Microseconds, None);
    Ok(times.into_column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_may_mean_every_column() {
        let all = [
            "SELECT * FROM t",
            "WITH a AS (select\n* FROM t) SELECT n FROM a",
            "SELECT n FROM (SELECT * FROM t) AS a",
            "SELECT DISTINCT * FROM t",
            "SELECT ALL * FROM t",
            "SELECT a.* FROM t AS a",
            "SELECT n, * FROM t",
            "SELECT n FROM t NATURAL JOIN u",
        ];
        for text in all {
            let wanted = Wanted::none().add(["t"], [text]);
            assert!(wanted.has("t", "unnamed"), "{text}");
            assert!(!wanted.has("u", "n"), "{text}");
        }
        let named = [
            "SELECT COUNT(*) AS n FROM t",
            "SELECT n * 2 AS n, 2 * n AS m, (n) * n AS k FROM t",
            "SELECT selected * 2 AS n FROM t",
        ];
        for text in named {
            let wanted = Wanted::none().add(["t"], [text]);
            assert!(
                wanted.has("t", "n") && !wanted.has("t", "unnamed"),
                "{text}"
            );
        }
    }
}
