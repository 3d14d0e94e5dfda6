//! Every query file runs unchanged on DuckDB over what `mtaudit convert` writes, with the same rows.
//!
//! Left out, and said, where Python has no `duckdb`. Tables of the run (`params`, `clients` …) and derived ones are not
//! in those files: the engine gives them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use mtaudit::commands::load::{Options, load};
use mtaudit::query::{Engine, Library, Overrides};
use mtaudit::tables::schema::{TABLES, empty};
use polars::prelude::{DataFrame, ParquetWriter};

use super::queries::run::with_stack;
use super::support::{code, mtaudit, repo, said, unpacked};

/// Runs each query of `run/` over the tables, and prints what differs from `want.parquet`.
const SCRIPT: &str = r#"
import duckdb, glob, math, os, sys

def alike(a, b):
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return a is b
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return a == b

ran = 0
for folder in sorted(glob.glob('run/*')):
    con = duckdb.connect()
    con.execute("SET threads = 2; SET TimeZone = 'UTC'")
    for table in sorted(os.listdir('empty')):
        name = table.removesuffix('.parquet')
        files = glob.glob(f'tables/{name}/**/*.parquet', recursive=True)
        source = f"read_parquet('empty/{table}')"
        if files:
            source = f"read_parquet('tables/{name}/**/*.parquet', hive_partitioning = false, union_by_name = true)"
        con.execute(f'CREATE VIEW {name} AS SELECT * FROM {source}')
    for file in glob.glob(folder + '/beside/*.parquet'):
        name = os.path.basename(file).removesuffix('.parquet')
        con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{file}')")
    try:
        for other in sorted(glob.glob(folder + '/also*.sql')):
            con.execute(open(other).read()).fetchall()
        got = con.execute(open(folder + '/query.sql').read())
        names = [column[0] for column in got.description]
        got = got.fetchall()
        want = con.execute(f"SELECT * FROM read_parquet('{folder}/want.parquet')").fetchall()
    except Exception as error:
        print(folder, 'fails:', str(error).splitlines()[0])
        continue
    ran += 1
    if len(got) != len(want):
        print(folder, 'gives', len(got), 'rows instead of', len(want))
        continue
    for row, (a, b) in enumerate(zip(got, want)):
        wrong = [n for n, x, y in zip(names, a, b) if not alike(x, y)]
        if wrong:
            print(folder, 'row', row, wrong, [x for n, x in zip(names, a) if n in wrong], 'instead of', [y for n, y in zip(names, b) if n in wrong])
            break
print('ran', ran)
"#;

#[test]
fn every_query_gives_the_same_on_duckdb() {
    let python = Command::new("python3")
        .args(["-c", "import duckdb"])
        .output();
    if !matches!(python, Ok(output) if output.status.success()) {
        println!("left out: Python has no duckdb");
        return;
    }
    with_stack(|| same_on_duckdb(&repo("sample-logs/postfix")));
    let dir = tempfile::tempdir().unwrap();
    if let Some(log) = unpacked("lab/captures/postfix/mail.iso.log.xz", dir.path()) {
        with_stack(|| same_on_duckdb(&log));
    }
}

fn same_on_duckdb(log: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let path = log.display().to_string();
    let output = mtaudit(
        dir,
        &["convert", "-q", "--year", "2026", "--out", "tables", &path],
    );
    assert!([0, 3].contains(&code(&output)), "{}", said(&output));
    fs::create_dir(dir.join("empty")).unwrap();
    for table in TABLES {
        let file = dir.join("empty").join(format!("{}.parquet", table.name));
        write(&file, empty(table.columns));
    }
    let library = Library::builtin().unwrap();
    let engine = engine(&dir.join("tables"), &library);
    for query in library.iter() {
        let folder = dir.join("run").join(query.id());
        fs::create_dir_all(folder.join("beside")).unwrap();
        let beside = engine.beside(query, &Overrides::new());
        let (tables, rows) = beside.unwrap_or_else(|error| panic!("{error}"));
        for (name, frame) in tables {
            write(&folder.join(format!("beside/{name}.parquet")), frame);
        }
        write(&folder.join("want.parquet"), rows);
        fs::write(folder.join("query.sql"), &query.text).unwrap();
        let others = query.statements().filter(|sql| *sql != query.sql);
        for (at, sql) in others.enumerate() {
            fs::write(folder.join(format!("also{at:02}.sql")), sql).unwrap();
        }
    }
    let output = Command::new("python3")
        .args(["-c", SCRIPT])
        .current_dir(dir)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let expected = format!("ran {}\n", library.iter().count());
    assert_eq!(printed, expected, "over {path}: {}", said(&output));
}

fn write(file: &Path, mut frame: DataFrame) {
    ParquetWriter::new(File::create(file).unwrap())
        .finish(&mut frame)
        .unwrap();
}

fn engine(tables: &Path, library: &Library) -> Engine {
    let options = Options::new(vec![PathBuf::from(tables)], chrono_tz::UTC);
    let loaded = load(&options).unwrap();
    Engine::new(loaded.tables.frames, chrono_tz::UTC).asking(library, &Overrides::new())
}
