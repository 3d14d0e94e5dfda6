//! A case file: Markdown with headings and fenced blocks, kept as lines so that it can be rewritten in place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::run::Found;

/// Blocks that hold what a case expects.
const EXPECTED: [&str; 4] = ["csv", "text", "findings", "evidence"];

/// One file.
pub struct CaseFile {
    path: PathBuf,
    /// `section/stem`.
    pub query: String,
    lines: Vec<String>,
    pub cases: Vec<Case>,
}

/// One `##` heading and its blocks.
pub struct Case {
    pub heading: String,
    blocks: Vec<Block>,
}

/// A fenced block: `kind name` after the backquotes, and the lines between the fences.
struct Block {
    kind: String,
    name: String,
    body: Range<usize>,
    text: String,
}

impl CaseFile {
    pub fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let query = path.strip_prefix(root).unwrap().with_extension("");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let cases = cases(&lines).unwrap_or_else(|said| panic!("{}: {said}", path.display()));
        CaseFile {
            path: path.to_owned(),
            query: query.to_str().unwrap().replace('\\', "/"),
            lines,
            cases,
        }
    }

    pub fn shown(&self) -> String {
        format!("tests/queries/{}.md", self.query)
    }

    /// Puts what was found into the blocks of these cases, and saves the file if there are any.
    pub fn rewrite(&self, changed: Vec<(usize, &Found)>) {
        if changed.is_empty() {
            return;
        }
        let mut lines = self.lines.clone();
        // From the end, so that line numbers before stay what they are.
        for (case, found) in changed.into_iter().rev() {
            self.cases[case].rewrite(&mut lines, found);
        }
        std::fs::write(&self.path, lines.join("\n") + "\n").unwrap();
    }
}

impl Case {
    /// Names and contents of the log files.
    pub fn logs(&self) -> impl Iterator<Item = (&str, &str)> {
        let logs = self.blocks.iter().filter(|block| block.kind == "log");
        logs.map(|block| (block.name.as_str(), block.text.as_str()))
    }

    /// Lines `name = value` of the `params` blocks.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.blocks.iter().filter(|block| block.kind == "params");
        text.flat_map(|block| block.text.lines()).map(|line| {
            let (name, value) = line.split_once('=').expect("name = value");
            (name.trim(), value.trim())
        })
    }

    /// The text of an expectation, if the case has it.
    pub fn expected(&self, kind: &str) -> Option<&str> {
        let block = self.blocks.iter().find(|block| block.kind == kind)?;
        Some(&block.text)
    }

    fn rewrite(&self, lines: &mut Vec<String>, found: &Found) {
        let end = self.blocks.last().map_or(lines.len(), |b| b.body.end + 1);
        let mut fresh: Vec<String> = Vec::new();
        for kind in EXPECTED {
            let wanted = kind != "evidence" || self.expected(kind).is_some();
            if let Some(text) = found.text(kind).filter(|_| wanted) {
                fresh.extend([String::new(), format!("```{kind}")]);
                fresh.extend(text.lines().map(str::to_owned));
                fresh.push("```".to_owned());
            }
        }
        lines.splice(end..end, fresh);
        let old = self.blocks.iter().rev();
        for block in old.filter(|block| EXPECTED.contains(&block.kind.as_str())) {
            let start = block.body.start - 1;
            let blank = usize::from(start > 0 && lines[start - 1].is_empty());
            lines.drain(start - blank..=block.body.end);
        }
    }
}

fn cases(lines: &[String]) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(heading) = lines[at].strip_prefix("## ") {
            let (heading, blocks) = (heading.to_owned(), Vec::new());
            cases.push(Case { heading, blocks });
        } else if let Some(info) = lines[at].strip_prefix("```") {
            let block = block(lines, at, info)?;
            at = block.body.end;
            let case = cases.last_mut().ok_or("a block before the first heading")?;
            case.blocks.push(block);
        }
        at += 1;
    }
    Ok(cases)
}

fn block(lines: &[String], fence: usize, info: &str) -> Result<Block, String> {
    let start = fence + 1;
    let length = lines[start..].iter().position(|line| line == "```");
    let length = length.ok_or_else(|| format!("line {start}: the block has no end"))?;
    let (kind, name) = info.split_once(' ').unwrap_or((info, "mail.log"));
    if !EXPECTED.contains(&kind) && kind != "log" && kind != "params" {
        return Err(format!("line {start}: no such block: {kind}"));
    }
    let body = start..start + length;
    let mut text = lines[body.clone()].join("\n");
    if length > 0 {
        text.push('\n');
    }
    Ok(Block {
        kind: kind.to_owned(),
        name: name.to_owned(),
        body,
        text,
    })
}
