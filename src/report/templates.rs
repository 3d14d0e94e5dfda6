//! The templates: those built in, and what `--templates DIR` adds or puts in their place.
//!
//! HTML and Markdown have an engine each, with autoescaping of their own (`escape`): a template that forgets to
//! escape cannot exist. Both see `report` (what `report.json` has), `limits` (how much of it to show), and HTML also
//! `style` with its hash for the Content-Security-Policy.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tera::{Context, ErrorKind, Kwargs, State, Tera, Value};

use super::definition::Definition;
use super::manifest::{FileHash, sha256_hex};
use super::{Error, escape, format, md};

/// What is built in. A test compares the list with the folder.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "audit/report.html",
        include_str!("../../templates/audit/report.html"),
    ),
    (
        "audit/report.md",
        include_str!("../../templates/audit/report.md"),
    ),
    (
        "audit/report.toml",
        include_str!("../../templates/audit/report.toml"),
    ),
    (
        "capacity/report.html",
        include_str!("../../templates/capacity/report.html"),
    ),
    (
        "capacity/report.md",
        include_str!("../../templates/capacity/report.md"),
    ),
    (
        "capacity/report.toml",
        include_str!("../../templates/capacity/report.toml"),
    ),
    (
        "incident/report.html",
        include_str!("../../templates/incident/report.html"),
    ),
    (
        "incident/report.md",
        include_str!("../../templates/incident/report.md"),
    ),
    (
        "incident/report.toml",
        include_str!("../../templates/incident/report.toml"),
    ),
    (
        "shared/contents.html",
        include_str!("../../templates/shared/contents.html"),
    ),
    (
        "shared/controls.html",
        include_str!("../../templates/shared/controls.html"),
    ),
    (
        "shared/controls.md",
        include_str!("../../templates/shared/controls.md"),
    ),
    (
        "shared/digest.html",
        include_str!("../../templates/shared/digest.html"),
    ),
    (
        "shared/evidence.html",
        include_str!("../../templates/shared/evidence.html"),
    ),
    (
        "shared/evidence.md",
        include_str!("../../templates/shared/evidence.md"),
    ),
    (
        "shared/finding_group.html",
        include_str!("../../templates/shared/finding_group.html"),
    ),
    (
        "shared/findings.html",
        include_str!("../../templates/shared/findings.html"),
    ),
    (
        "shared/findings.md",
        include_str!("../../templates/shared/findings.md"),
    ),
    (
        "shared/foot.md",
        include_str!("../../templates/shared/foot.md"),
    ),
    (
        "shared/glossary.html",
        include_str!("../../templates/shared/glossary.html"),
    ),
    (
        "shared/glossary.md",
        include_str!("../../templates/shared/glossary.md"),
    ),
    (
        "shared/head.html",
        include_str!("../../templates/shared/head.html"),
    ),
    (
        "shared/head.md",
        include_str!("../../templates/shared/head.md"),
    ),
    (
        "shared/muted.html",
        include_str!("../../templates/shared/muted.html"),
    ),
    (
        "shared/muted.md",
        include_str!("../../templates/shared/muted.md"),
    ),
    (
        "shared/page.html",
        include_str!("../../templates/shared/page.html"),
    ),
    (
        "shared/result.html",
        include_str!("../../templates/shared/result.html"),
    ),
    (
        "shared/sections.html",
        include_str!("../../templates/shared/sections.html"),
    ),
    (
        "shared/sections.md",
        include_str!("../../templates/shared/sections.md"),
    ),
    (
        "shared/style.css",
        include_str!("../../templates/shared/style.css"),
    ),
    (
        "shared/tiles.html",
        include_str!("../../templates/shared/tiles.html"),
    ),
    (
        "trace/report.html",
        include_str!("../../templates/trace/report.html"),
    ),
    (
        "trace/report.md",
        include_str!("../../templates/trace/report.md"),
    ),
];

/// Longest single value in a rendered file, whatever the template does.
const MAX_VALUE: usize = 4000;
/// Longest part of a template engine's message in ours.
const MAX_MESSAGE: usize = 240;

/// A template file.
struct File {
    text: String,
    /// What errors call it.
    place: String,
    origin: String,
}

/// All templates, parsed and checked.
pub struct Templates {
    files: BTreeMap<String, File>,
    html: Tera,
    md: Tera,
}

impl Templates {
    /// The built-in templates, and those of a folder with the same layout over them.
    pub fn load(dir: Option<&Path>) -> Result<Self, Error> {
        let mut files: BTreeMap<String, File> = BUILT_IN
            .iter()
            .map(|(name, text)| built_in(name, text))
            .collect();
        if let Some(dir) = dir {
            add_folder(&mut files, dir)?;
        }
        check_style(&files)?;
        let html = engine(&files, ".html", html_value)?;
        let md = engine(&files, ".md", markdown_value)?;
        let templates = Self { files, html, md };
        for kind in templates.kinds() {
            templates.definition(kind)?;
        }
        Ok(templates)
    }

    /// The reports there are, by name.
    pub fn kinds(&self) -> Vec<&str> {
        self.files
            .keys()
            .filter_map(|name| name.strip_suffix("/report.toml"))
            .collect()
    }

    /// What a report consists of.
    pub fn definition(&self, kind: &str) -> Result<Definition, Error> {
        let name = format!("{kind}/report.toml");
        let Some(file) = self.files.get(&name) else {
            let message = format!("there is no report `{kind}`");
            let hint = format!(
                "the reports are {}; `--templates DIR` with `{name}` adds one",
                self.kinds().join(", ")
            );
            return Err(Error::new(name, message, hint));
        };
        Definition::parse(&file.text, &file.place)
    }

    /// Where a report is defined, for errors about its definition.
    pub fn definition_place(&self, kind: &str) -> String {
        let name = format!("{kind}/report.toml");
        self.files.get(&name).map_or(name, |f| f.place.clone())
    }

    /// The files that a report of this kind can use, each with its hash.
    pub fn hashes(&self, kind: &str) -> Vec<FileHash> {
        let used = |name: &str| name.starts_with("shared/") || name.split('/').next() == Some(kind);
        let files = self.files.iter().filter(|(name, _)| used(name));
        files
            .map(|(name, file)| FileHash {
                name: name.clone(),
                sha256: sha256_hex(file.text.as_bytes()),
                origin: file.origin.clone(),
            })
            .collect()
    }

    /// The style sheet, for the one `<style>` of the page.
    pub(super) fn style(&self) -> &str {
        self.files
            .get("shared/style.css")
            .map_or("", |f| f.text.as_str())
    }

    pub(super) fn render_html(&self, kind: &str, context: &Context) -> Result<String, Error> {
        self.render(&self.html, &format!("{kind}/report.html"), context)
    }

    pub(super) fn render_md(&self, kind: &str, context: &Context) -> Result<String, Error> {
        self.render(&self.md, &format!("{kind}/report.md"), context)
    }

    fn render(&self, engine: &Tera, name: &str, context: &Context) -> Result<String, Error> {
        if !engine.contains_template(name) {
            let hint =
                "add it to the folder of `--templates`; a built-in one shows how little it needs";
            return Err(Error::new(name, "this report has no such template", hint));
        }
        engine
            .render(name, context)
            .map_err(|e| explain(&e, &self.files, name))
    }
}

fn built_in(name: &str, text: &str) -> (String, File) {
    let place = format!("templates/{name}");
    (
        name.to_string(),
        File {
            text: text.to_string(),
            place,
            origin: "built in".to_string(),
        },
    )
}

/// Every file below the folder that has a place in the layout; anything else there is an error, not ignored.
fn add_folder(files: &mut BTreeMap<String, File>, dir: &Path) -> Result<(), Error> {
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        let entry = entry.map_err(|e| unreadable(dir, &e.to_string()))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.') && entry.depth() > 0;
        if !entry.file_type().is_file() || hidden {
            continue;
        }
        let name = layout_name(dir, entry.path())?;
        let text = std::fs::read_to_string(entry.path())
            .map_err(|e| unreadable(entry.path(), &e.to_string()))?;
        let place = entry.path().display().to_string();
        files.insert(
            name,
            File {
                text,
                place,
                origin: dir.display().to_string(),
            },
        );
    }
    Ok(())
}

fn layout_name(dir: &Path, path: &Path) -> Result<String, Error> {
    let inside = path.strip_prefix(dir).unwrap_or(path);
    let parts: Vec<String> = inside
        .iter()
        .map(|p| p.to_string_lossy().into_owned())
        .collect();
    let known = match parts.as_slice() {
        [folder, _] if folder == "shared" => true,
        [_, file] => ["report.toml", "report.html", "report.md"].contains(&file.as_str()),
        _ => false,
    };
    if known {
        return Ok(parts.join("/"));
    }
    let hint = "a folder of templates has <report>/report.toml, report.html, report.md, and shared/ for partials";
    Err(Error::new(
        path.display().to_string(),
        "this file has no place among the templates",
        hint,
    ))
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::new(
        path.display().to_string(),
        why,
        "check the path given to `--templates` and its permissions",
    )
}

/// The style sheet goes into `<style>`: it must not end it, and must load nothing.
fn check_style(files: &BTreeMap<String, File>) -> Result<(), Error> {
    let Some(file) = files.get("shared/style.css") else {
        return Ok(());
    };
    let lower = file.text.to_ascii_lowercase();
    for word in ["</", "@import", "url("] {
        if let Some(at) = lower.find(word) {
            let line = lower[..at].matches('\n').count() + 1;
            let hint = "a report loads nothing: draw with gradients, borders or inline SVG";
            return Err(Error::new(
                format!("{}:{line}", file.place),
                format!("`{word}` in the style"),
                hint,
            ));
        }
    }
    Ok(())
}

fn engine(
    files: &BTreeMap<String, File>,
    suffix: &'static str,
    escape: tera::EscapeFn,
) -> Result<Tera, Error> {
    let mut tera = Tera::new();
    tera.autoescape_on([suffix]);
    tera.set_escape_fn(escape);
    tera.register_filter("clip", |text: &str, args: Kwargs, _: &State| {
        Ok::<_, tera::Error>(escape::clip(text, args.must_get::<usize>("max")?))
    });
    tera.register_filter("count", |n: u64, _: Kwargs, _: &State| format::count(n));
    tera.register_filter("bytes", |n: u64, _: Kwargs, _: &State| {
        format::bytes(n as f64)
    });
    tera.register_filter("when", |text: &str, _: Kwargs, _: &State| {
        format::when(text)
    });
    tera.register_filter("words", |text: &str, _: Kwargs, _: &State| {
        text.replace('_', " ")
    });
    tera.register_filter("table", |result: &Value, args: Kwargs, _: &State| {
        let (rows, cell) = (
            args.must_get::<usize>("rows")?,
            args.must_get::<usize>("cell")?,
        );
        Ok::<_, tera::Error>(Value::safe_string(&md::table_of(result, rows, cell)))
    });
    let wanted = files.iter().filter(|(name, _)| name.ends_with(suffix));
    let sources: Vec<(&str, &str)> = wanted
        .map(|(name, file)| (name.as_str(), file.text.as_str()))
        .collect();
    tera.add_raw_templates(sources)
        .map_err(|e| explain(&e, files, "templates"))?;
    Ok(tera)
}

fn html_value(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    escape::html(bounded(text), out)?;
    cut_mark(text, out)
}

fn markdown_value(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    escape::markdown(bounded(text), out)?;
    cut_mark(text, out)
}

fn bounded(text: &str) -> &str {
    if text.len() <= MAX_VALUE {
        return text;
    }
    &text[..text.floor_char_boundary(MAX_VALUE)]
}

fn cut_mark(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    if text.len() > MAX_VALUE {
        out.write_all("…".as_bytes())
    } else {
        Ok(())
    }
}

/// The engine's error with our file's name, the line and what to do.
fn explain(error: &tera::Error, files: &BTreeMap<String, File>, name: &str) -> Error {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let at = (report.span().start_line, report.span().start_col + 1);
            located(
                report.filename(),
                &format!("{}:{}", at.0, at.1),
                report.message(),
                files,
            )
        }
        kind => {
            let text = kind.to_string();
            let message = text.lines().next().unwrap_or_default();
            let message = message.trim_start_matches("error: ");
            match written_place(&text) {
                Some((file, at)) => located(file, at, message, files),
                None => located(name, "", message, files),
            }
        }
    }
}

/// `audit/report.html` and `1:19` of the `--> audit/report.html:1:19` that some messages carry.
fn written_place(text: &str) -> Option<(&str, &str)> {
    let place = text
        .lines()
        .find_map(|l| l.trim_start().strip_prefix("--> "))?;
    place.split_once(':')
}

fn located(file: &str, at: &str, message: &str, files: &BTreeMap<String, File>) -> Error {
    let place = files.get(file).map_or(file, |f| f.place.as_str());
    let separator = if at.is_empty() { "" } else { ":" };
    let message = escape::clip(message, MAX_MESSAGE);
    let hint = hint(&message);
    Error::new(format!("{place}{separator}{at}"), message, hint)
}

fn hint(message: &str) -> &'static str {
    let lower = message.to_ascii_lowercase();
    if lower.contains("not found") || lower.contains("undefined") || lower.contains("not defined") {
        return "templates see `report`, with the fields of report.json, and `limits`; check the name there";
    }
    if lower.contains("unknown") || lower.contains("filter") {
        return "besides Tera's own there are the filters clip, count, bytes, when, words, table";
    }
    "the syntax is that of Tera 2; compare with the built-in template of the same name"
}

#[cfg(test)]
mod tests;
