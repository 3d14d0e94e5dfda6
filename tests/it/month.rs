//! An archive as it really lies: two hosts' logs of weeks, packed in every way one inside another, renamed, with copies,
//! overlaps, extracts, one damaged file and one day missing. The tables are those of the plain logs, less exactly what is
//! damaged or missing, and the report says exactly that.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use tempfile::TempDir;

use super::archives::{run, tables};
use super::support::{Row, code, mtaudit, number, repo, said, sources, sql, text};

/// The content of a sample file.
fn plain(file: &Path) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    match file.extension().unwrap().to_str().unwrap() {
        "gz" => {
            let mut out = Vec::new();
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_end(&mut out).unwrap();
            out
        }
        "zst" => zstd::stream::decode_all(&bytes[..]).unwrap(),
        _ => bytes,
    }
}

/// The sample's files of a host, the youngest first.
pub(super) fn days(host: &str) -> Vec<Vec<u8>> {
    let dir = repo("sample-logs/postfix").join(host);
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let number = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.split('.')
            .nth(2)
            .map_or(0, |number| number.parse::<u32>().unwrap())
    };
    let mut files: Vec<_> = entries.collect();
    files.sort_by_key(|path| number(path));
    files.iter().map(|path| plain(path)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Whole and begun lines of a text, up to so many bytes.
pub(super) fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

const DAMAGED: usize = 6;
const MISSING: usize = 9;

struct Packed {
    /// What is left of the damaged file.
    left: Vec<u8>,
    repeated: usize,
}

/// Writes `plain/`, and the same into `packed/`; `None` when a tool is not here.
fn pack(dir: &Path) -> Option<Packed> {
    let (mx1, mx2) = (days("mx1"), days("mx2"));
    let (base, work, packed) = (dir.join("plain"), dir.join("work"), dir.join("packed"));
    for folder in [&base, &work, &packed] {
        fs::create_dir_all(folder).unwrap();
    }
    let whole = gzip(&mx1[DAMAGED]);
    let damaged = &whole[..whole.len() * 3 / 5];
    let mut left = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(damaged);
    assert!(decoder.read_to_end(&mut left).is_err());
    for (number, day) in mx1
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != MISSING)
    {
        let day = if number == DAMAGED { &left } else { day };
        fs::write(base.join(format!("mx1.{number}")), day).unwrap();
        fs::write(work.join(format!("m{number}")), day).unwrap();
    }
    for (number, day) in mx2.iter().enumerate() {
        fs::write(base.join(format!("mx2.{number}")), day).unwrap();
        fs::write(work.join(format!("n{number}")), day).unwrap();
    }
    fs::write(packed.join("zz"), damaged).unwrap();
    // A copy that was made when the third file was not yet whole, and the youngest file twice.
    let third = lines(&mx1[3]);
    let begun = third.len() * 3 / 5;
    fs::write(packed.join("save"), third[..begun].concat()).unwrap();
    fs::write(packed.join("0001"), &mx1[0]).unwrap();
    fs::write(work.join("twice"), &mx1[0]).unwrap();
    let warnings: Vec<&[u8]> = (0..mx1.len())
        .filter(|number| ![DAMAGED, MISSING].contains(number))
        .rev()
        .flat_map(|number| lines(&mx1[number]))
        .filter(|line| String::from_utf8_lossy(line).contains("warning:"))
        .collect();
    fs::write(work.join("warn"), warnings.concat()).unwrap();
    let commands = [
        "tar czf ../packed/b.dat m15 m14 m13 m12 m11 m10",
        "zip -q ../packed/inner.zip m8 m7 && mv ../packed/inner.zip ../packed/a",
        "bzip2 -c m5 > ../packed/9",
        "xz -c m4 > ../packed/8",
        "lz4 -qc m3 > ../packed/7 && lz4 -qc m2 > ../packed/6",
        "zstd -qc m1 > ../packed/mail.log.gz",
        "tar cf n.tar n3 n2 n1 n0 && zip -q n.zip n.tar && zstd -qc n.zip > ../packed/mx",
        "xz -c twice > ../packed/2 && bzip2 -c warn > ../packed/mail.warn",
    ];
    commands
        .iter()
        .all(|command| run(&work, command))
        .then(|| Packed {
            left,
            repeated: begun + warnings.len(),
        })
}

#[test]
fn an_archive_as_it_lies_gives_what_the_plain_logs_give() {
    let dir = TempDir::new().unwrap();
    let Some(packed) = pack(dir.path()) else {
        return;
    };
    let (truth, found) = (
        tables(dir.path(), &["plain"]),
        tables(dir.path(), &["packed"]),
    );
    for (table, (truth, found)) in truth.iter().zip(&found).enumerate() {
        assert!(!truth.is_empty());
        let differs = truth.iter().zip(found).find(|(a, b)| a != b);
        assert!(
            truth.len() == found.len() && differs.is_none(),
            "table {table}: {} and {} rows; {differs:#?}",
            truth.len(),
            found.len()
        );
    }
    let (rows, exit) = sources(dir.path(), &["packed"]);
    assert_eq!(exit, 3);
    let of = |path: &str| -> &Row {
        let found = rows.iter().find(|row| text(row, "path") == path);
        found.unwrap_or_else(|| panic!("{path}"))
    };
    let damaged = of("packed/zz");
    assert!(
        text(damaged, "problem").contains("damaged at byte"),
        "{damaged:?}"
    );
    assert_eq!(number(damaged, "decoded_bytes") as usize, packed.left.len());
    let copies = rows
        .iter()
        .filter(|row| !row["duplicate_of"].is_null())
        .count();
    assert_eq!(copies, 1);
    let repeated: i64 = rows.iter().map(|row| number(row, "repeated")).sum();
    assert_eq!(repeated as usize, packed.repeated);
    assert_eq!(
        number(of("packed/save"), "repeated"),
        number(of("packed/save"), "lines")
    );
    let wrong: Vec<&Row> = rows
        .iter()
        .filter(|row| text(row, "problem").contains("damaged"))
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    // The missing day is a silence of its host, with the lines on both sides.
    let missing = &days("mx1")[MISSING];
    let day = String::from_utf8_lossy(&lines(missing)[lines(missing).len() / 2][..10]).into_owned();
    let args = [
        "query", "gaps", "-q", "--format", "json", "--year", "2026", "packed",
    ];
    let output = mtaudit(dir.path(), &args);
    let gaps: Vec<Row> = serde_json::from_slice(&output.stdout).unwrap();
    let spans = |row: &&Row| {
        let at = |name: &str| text(row, name).get(..10).unwrap_or_default().to_owned();
        text(row, "host") == "mx1" && at("silent_from") < day && at("silent_until") > day
    };
    assert!(gaps.iter().any(|row| spans(&row)), "{day}: {gaps:#?}");
    // And the first screen of the report says so.
    let args = [
        "report", "audit", "--out", "out", "--year", "2026", "packed",
    ];
    let output = mtaudit(dir.path(), &args);
    assert_eq!(code(&output), 3, "{}", said(&output));
    let page = fs::read_to_string(dir.path().join("out/report.md")).unwrap();
    let head = page.lines().take(30).collect::<Vec<_>>().join("\n");
    assert!(head.contains("The evidence is incomplete."), "{head}");
    assert!(head.contains("packed/zz"), "{head}");
    // Anyone can check it, and a changed byte in an archive is found.
    let verified = mtaudit(dir.path(), &["verify", "out"]);
    assert_eq!(
        code(&verified),
        0,
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
    let archive = dir.path().join("packed/b.dat");
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let verified = mtaudit(dir.path(), &["verify", "out"]);
    assert_eq!(code(&verified), 3);
    assert!(String::from_utf8_lossy(&verified.stdout).contains("packed/b.dat"));
    let (rows, _) = sql(
        dir.path(),
        "SELECT COUNT(*) AS n FROM sources WHERE year <> 2026",
        &["packed"],
    );
    assert_eq!(number(&rows[0], "n"), 0);
}
