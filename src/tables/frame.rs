//! One table: rows in memory, or a plan over Parquet files.
//!
//! What is on disk is never read whole: [`Frame::lazy`] gives a scan, and [`collect`] runs what is built on it with
//! polars' streaming engine, which holds a few thousand rows of it at a time. Texts on disk are strings and stay
//! strings: as categories, each would enter a dictionary that only grows.

use std::path::PathBuf;

use polars::prelude::*;

use super::columns::Wanted;
use super::schema;

/// The rows of a table, wherever they are. A clone costs nothing.
#[derive(Clone)]
pub struct Frame(Place);

#[derive(Clone)]
enum Place {
    Memory(DataFrame),
    Disk(Box<Scan>),
}

/// What is to be read from files.
#[derive(Clone)]
struct Scan {
    plan: LazyFrame,
    columns: Vec<PlSmallStr>,
    /// Unknown once they are filtered.
    rows: Option<u64>,
}

impl From<DataFrame> for Frame {
    fn from(rows: DataFrame) -> Self {
        Frame(Place::Memory(rows))
    }
}

impl From<Scan> for Frame {
    fn from(scan: Scan) -> Self {
        Frame(Place::Disk(Box::new(scan)))
    }
}

impl Frame {
    /// The wanted columns of these Parquet files, `rows` in all. They have to stay as they are while the frame lives.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn files(
        table: &'static str,
        paths: Vec<PathBuf>,
        rows: u64,
        wanted: &Wanted,
    ) -> PolarsResult<Frame> {
        let known = schema::TABLES.iter().find(|known| known.name == table);
        let columns = known.map_or(&[][..], |known| known.columns);
        let columns: Vec<&schema::Column> = columns
            .iter()
            .filter(|column| wanted.keeps(table, column.name))
            .collect();
        if paths.is_empty() {
            return Ok(schema::empty(columns).into());
        }
        let columns: Vec<PlSmallStr> = columns.iter().map(|column| column.name.into()).collect();
        let paths: PolarsResult<_> = paths.into_iter().map(local).collect();
        let plan = LazyFrame::scan_parquet_files(paths?, plain_files())?;
        Ok(Frame::from(Scan {
            plan: plan.select(columns.iter().cloned().map(col).collect::<Vec<_>>()),
            columns,
            rows: Some(rows),
        }))
    }

    /// Whether the rows are in files.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.0, Place::Disk(_))
    }

    /// The rows as the beginning of a plan. What is built on it is run by [`collect`].
    pub fn lazy(&self) -> LazyFrame {
        match &self.0 {
            Place::Memory(rows) => rows.clone().lazy(),
            Place::Disk(scan) => scan.plan.clone(),
        }
    }

    /// The same in the order of places, which rows in memory have and files as a whole have not.
    pub fn in_place_order(&self) -> LazyFrame {
        if !self.is_on_disk() {
            return self.lazy();
        }
        let stable = SortMultipleOptions::default().with_maintain_order(true);
        self.lazy().sort(["source", "line"], stable)
    }

    /// The rows in memory, read from files if they are not.
    ///
    /// # Errors
    /// Those of polars.
    pub fn collect(&self) -> PolarsResult<DataFrame> {
        match &self.0 {
            Place::Memory(rows) => Ok(rows.clone()),
            Place::Disk(scan) => collect(scan.plan.clone(), true),
        }
    }

    /// The rows, when they are in memory.
    pub fn in_memory(&self) -> Option<&DataFrame> {
        match &self.0 {
            Place::Memory(rows) => Some(rows),
            Place::Disk(_) => None,
        }
    }

    /// Whether there is a column of that name.
    pub fn has(&self, column: &str) -> bool {
        self.columns().iter().any(|own| own == column)
    }

    /// Names of the columns, in order.
    pub fn columns(&self) -> Vec<PlSmallStr> {
        match &self.0 {
            Place::Memory(rows) => rows.columns().iter().map(|c| c.name().clone()).collect(),
            Place::Disk(scan) => scan.columns.clone(),
        }
    }

    /// The number of rows: counted where files are filtered, known otherwise.
    ///
    /// # Errors
    /// Those of polars.
    pub fn rows(&self) -> PolarsResult<u64> {
        if let Some(rows) = self.known_rows() {
            return Ok(rows);
        }
        let counted = collect(self.lazy().select([len().alias("n")]), self.is_on_disk())?;
        counted.column("n")?.get(0)?.try_extract()
    }

    /// Whether there is no row: files are read up to the first.
    ///
    /// # Errors
    /// Those of polars.
    pub fn is_empty(&self) -> PolarsResult<bool> {
        match self.known_rows() {
            Some(rows) => Ok(rows == 0),
            None => self.any(lit(true)).map(|any| !any),
        }
    }

    /// Whether a row meets a condition: files are read up to the first that does.
    ///
    /// # Errors
    /// Those of polars.
    pub fn any(&self, condition: Expr) -> PolarsResult<bool> {
        let first = self.lazy().filter(condition).limit(1);
        // Every table has its place.
        let first = collect(first.select([col("source")]), self.is_on_disk())?;
        Ok(first.height() > 0)
    }

    /// The rows that meet a condition: at once in memory, and whenever they are read on disk.
    ///
    /// # Errors
    /// Those of polars.
    pub fn filter(self, condition: Expr) -> PolarsResult<Frame> {
        match self.0 {
            Place::Memory(rows) => Ok(rows.lazy().filter(condition).collect()?.into()),
            Place::Disk(scan) => Ok(Frame::from(Scan {
                plan: scan.plan.filter(condition),
                rows: None,
                ..*scan
            })),
        }
    }

    /// The rows with new contents of columns that there are.
    ///
    /// # Errors
    /// Those of polars.
    pub fn replace(self, columns: Vec<Expr>) -> PolarsResult<Frame> {
        match self.0 {
            Place::Memory(rows) => Ok(rows.lazy().with_columns(columns).collect()?.into()),
            Place::Disk(scan) => Ok(Frame::from(Scan {
                plan: scan.plan.with_columns(columns),
                ..*scan
            })),
        }
    }

    /// These rows, then those of `next`, which are left where they are. Columns that one of them lacks were asked for
    /// by nobody.
    ///
    /// # Errors
    /// Those of polars.
    pub fn chain(self, next: Frame) -> PolarsResult<Frame> {
        let rows = self.known_rows().zip(next.known_rows());
        let mut columns = self.columns();
        columns.retain(|name| next.has(name));
        let both = [self, next].map(|frame| {
            let chosen: Vec<Expr> = columns.iter().cloned().map(col).collect();
            frame.lazy().select(chosen)
        });
        Ok(Frame::from(Scan {
            plan: concat(both, UnionArgs::default())?,
            columns,
            rows: rows.map(|(own, next)| own + next),
        }))
    }

    /// The number of rows, when it need not be counted.
    pub(super) fn known_rows(&self) -> Option<u64> {
        match &self.0 {
            Place::Memory(rows) => Some(rows.height() as u64),
            Place::Disk(scan) => scan.rows,
        }
    }

    /// The same with strings in place of categories, as rows from files have them.
    ///
    /// # Errors
    /// Those of polars.
    pub fn plain_text(self) -> PolarsResult<Frame> {
        let Place::Memory(rows) = self.0 else {
            return Ok(self);
        };
        let plain = rows.columns().iter().map(|column| match column.dtype() {
            DataType::Categorical(..) => column.cast(&DataType::String),
            _ => Ok(column.clone()),
        });
        let plain: PolarsResult<Vec<Column>> = plain.collect();
        Ok(DataFrame::new(rows.height(), plain?)?.into())
    }
}

/// Runs a plan: with the streaming engine when rows on disk are part of it.
///
/// # Errors
/// Those of polars.
pub fn collect(plan: LazyFrame, on_disk: bool) -> PolarsResult<DataFrame> {
    let engine = if on_disk {
        Engine::Streaming
    } else {
        Engine::InMemory
    };
    plan.collect_with_engine(engine)
        .map(|result| result.unwrap_single())
}

/// Runs a plan as [`collect`] does and hands its rows over, those on disk a batch at a time and in any order.
///
/// # Errors
/// Those of polars and of `take`.
pub fn each_batch(
    plan: LazyFrame,
    on_disk: bool,
    take: impl Fn(DataFrame) -> PolarsResult<()> + Send + Sync + 'static,
) -> PolarsResult<()> {
    if !on_disk {
        return take(collect(plan, false)?);
    }
    // `true` would end the run.
    let take = PlanCallback::new(move |batch| take(batch).map(|()| false));
    collect(plan.sink_batches(take, false, None)?, true).map(|_| ())
}

/// A file of this system: an absolute path is taken for no address.
fn local(path: PathBuf) -> PolarsResult<PlRefPath> {
    PlRefPath::try_from_path(&std::path::absolute(path)?)
}

/// Files as they are: no patterns in their names, no columns from folders, as `day` is in the file too.
fn plain_files() -> ScanArgsParquet {
    ScanArgsParquet {
        glob: false,
        cache: false,
        hive_options: HiveOptions::new_disabled(),
        ..ScanArgsParquet::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;
    use std::path::Path;
    use std::sync::Mutex;

    /// A file of verdicts: places, and a score for each.
    fn file(dir: &Path, name: &str, lines: std::ops::Range<i64>) -> PathBuf {
        let lines: Vec<i64> = lines.collect();
        let score: Vec<f64> = lines.iter().map(|line| *line as f64 / 2.0).collect();
        let mut rows = df!(
            "program" => vec!["filter"; lines.len()],
            "score" => score,
            "source" => vec![1i64; lines.len()],
            "line" => lines
        );
        let path = dir.join(name);
        let out = File::create(&path).unwrap();
        ParquetWriter::new(out)
            .finish(rows.as_mut().unwrap())
            .unwrap();
        path
    }

    fn verdicts(dir: &Path) -> Frame {
        let paths = vec![
            file(dir, "a[1].parquet", 1..5),
            file(dir, "b*.parquet", 5..9),
        ];
        let wanted = Wanted::none().add(["verdicts"], ["score"]);
        Frame::files("verdicts", paths, 8, &wanted).unwrap()
    }

    #[test]
    fn files_are_one_table() {
        let dir = tempfile::tempdir().unwrap();
        let frame = verdicts(dir.path());
        assert!(frame.is_on_disk() && frame.in_memory().is_none());
        // Wanted columns, and the place.
        assert_eq!(frame.columns(), ["score", "source", "line"]);
        assert_eq!(
            (frame.rows().unwrap(), frame.is_empty().unwrap()),
            (8, false)
        );
        let rows = frame.collect().unwrap();
        let lines: Vec<i64> = rows
            .column("line")
            .unwrap()
            .i64()
            .unwrap()
            .iter()
            .flatten()
            .collect();
        assert_eq!(lines, (1..9).collect::<Vec<_>>());
        let none = Frame::files("verdicts", Vec::new(), 0, &Wanted::default()).unwrap();
        assert!(!none.is_on_disk() && none.is_empty().unwrap() && none.has("detail"));
    }

    #[test]
    fn what_is_on_disk_stays_there() {
        let dir = tempfile::tempdir().unwrap();
        let late = verdicts(dir.path()).filter(col("line").gt(lit(6))).unwrap();
        assert!(late.is_on_disk());
        assert_eq!((late.rows().unwrap(), late.is_empty().unwrap()), (2, false));
        assert!(!late.any(col("score").gt(lit(9.0))).unwrap());
        let none = late.clone().filter(col("line").lt(lit(0))).unwrap();
        assert!(none.is_empty().unwrap());
        // Rows in memory, with a column that the files were not asked for, and their texts as categories.
        let more = df!(
            "program" => ["other"], "score" => [1.0], "source" => [1i64], "line" => [2i64]
        );
        let both = late.chain(more.unwrap().into()).unwrap();
        assert!(both.is_on_disk() && !both.has("program"));
        let moved = both.replace(vec![col("source") + lit(4)]).unwrap();
        assert_eq!(moved.rows().unwrap(), 3);
        let sum = moved
            .lazy()
            .select([col("source").sum(), col("line").sum()]);
        let sum = collect(sum, true).unwrap();
        assert!(
            sum.equals(&df!("source" => [15i64], "line" => [17i64]).unwrap()),
            "{sum}"
        );
    }

    #[test]
    fn batches_are_all_rows() {
        let dir = tempfile::tempdir().unwrap();
        for frame in [
            verdicts(dir.path()),
            verdicts(dir.path()).collect().unwrap().into(),
        ] {
            let seen = Arc::new(Mutex::new(0));
            let own = seen.clone();
            let add = move |batch: DataFrame| {
                *own.lock().unwrap() += batch.height();
                Ok(())
            };
            each_batch(frame.lazy(), frame.is_on_disk(), add).unwrap();
            assert_eq!(*seen.lock().unwrap(), 8);
        }
    }
}
