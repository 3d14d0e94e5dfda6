//! Every `mtaudit` command of README.md runs as written.

use std::path::Path;
use std::process::Command;

/// The README.
pub fn readme() -> String {
    std::fs::read_to_string(crate::support::repo("README.md")).unwrap()
}

/// The fenced block that shows a file of this name.
pub fn shown_file(readme: &str, name: &str) -> String {
    let (_, after) = readme.split_once(&format!("\n# {name}\n")).unwrap();
    let (text, _) = after.split_once("```").unwrap();
    text.to_owned()
}

/// The lines of all fenced `sh` blocks.
pub fn commands(readme: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => found.push(line.to_owned()),
            _ => {}
        }
    }
    found
}

/// Words as a shell splits them; the README quotes with `"` only.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_works_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = readme();
    let lines = commands(&readme);
    assert!(
        lines.iter().any(|line| line == "cargo test"),
        "the README says how to run the tests"
    );
    let folder = tempfile::tempdir().unwrap();
    // Reports go to the folder they name; run where `sample-logs` can be seen and nothing is left behind.
    copy(
        &root.join("sample-logs"),
        &folder.path().join("sample-logs"),
    );
    let case = shown_file(&readme, "case.toml");
    std::fs::write(folder.path().join("case.toml"), case).unwrap();
    let mut ran = 0;
    for line in lines {
        if line == "head -c 32 /dev/urandom > keyfile" {
            std::fs::write(folder.path().join("keyfile"), [7; 32]).unwrap();
            continue;
        }
        let called = line
            .strip_prefix("mtaudit ")
            .or_else(|| line.strip_prefix("cargo run -- "));
        let Some(arguments) = called else {
            assert!(
                ["cargo test", "cargo install --path ."].contains(&line.as_str())
                    // See `stamp`.
                    || line.starts_with("openssl ts ")
                    || line.starts_with("curl "),
                "not tested: {line}"
            );
            continue;
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtaudit"));
        let output = command
            .args(words(arguments))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{said}");
        ran += 1;
    }
    assert!(ran > 8, "only {ran} commands found");
    assert!(
        folder.path().join("report/report.html").exists(),
        "the first command writes `report/`"
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
