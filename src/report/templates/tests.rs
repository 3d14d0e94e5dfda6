//! The list, the overriding folder and the errors of templates.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;
use std::fs;

use super::super::{html, sample};
use super::*;

/// The library's queries by name, with the text of each.
fn library() -> BTreeMap<String, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    let files = walkdir::WalkDir::new(&dir).follow_links(true).into_iter();
    let files = files
        .map(Result::unwrap)
        .filter(|e| e.file_type().is_file());
    files
        .map(|e| {
            let inside = e.path().strip_prefix(&dir).unwrap().with_extension("");
            let name = inside.to_string_lossy().into_owned();
            (name, fs::read_to_string(e.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_list_and_the_folder_agree() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut there = BTreeMap::new();
    add_folder(&mut there, &dir).unwrap();
    let there: BTreeSet<&str> = there.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    assert_eq!(there, listed);
}

#[test]
fn every_query_stands_in_the_audit_and_only_known_ones_anywhere() {
    let templates = Templates::load(None).unwrap();
    assert_eq!(templates.kinds(), ["audit", "capacity", "incident"]);
    let library = library();
    let known: BTreeSet<&str> = library.keys().map(String::as_str).collect();
    let audit = templates.definition("audit").unwrap();
    let mut all = known.clone();
    // The audit is of all mail, and these are of one key.
    all.retain(|name| !["trace/entities", "trace/account_timeline"].contains(name));
    assert_eq!(audit.queries().into_iter().collect::<BTreeSet<_>>(), all);
    for kind in templates.kinds() {
        let definition = templates.definition(kind).unwrap();
        assert!(
            definition.queries().iter().all(|q| known.contains(q)),
            "{kind}"
        );
    }
    assert!(
        templates
            .definition("nonesuch")
            .unwrap_err()
            .hint
            .contains("audit, capacity, incident")
    );
}

#[test]
fn tiles_ask_for_columns_that_their_queries_declare() {
    let (templates, library) = (Templates::load(None).unwrap(), library());
    for kind in templates.kinds() {
        for tile in templates.definition(kind).unwrap().tiles {
            let in_note = tile
                .note
                .split('{')
                .skip(1)
                .filter_map(|p| p.split('}').next());
            for column in in_note.chain([tile.column.as_str()]) {
                let declared = format!("name = \"{column}\"");
                assert!(library[&tile.query].contains(&declared), "{kind}: {column}");
            }
        }
    }
}

fn with_file(name: &str, text: &str) -> Result<Templates, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    Templates::load(Some(dir.path()))
}

fn rendered(text: &str) -> Result<String, Error> {
    html::render(
        &sample::report("audit"),
        &with_file("audit/report.html", text)?,
    )
}

#[test]
fn a_folder_overrides_and_adds() {
    assert_eq!(rendered("<p>{{ report.title }}").unwrap(), "<p>Mail audit");
    let added = with_file(
        "mine/report.toml",
        "title = \"x\"\nintro = \"\"\nsections = []",
    )
    .unwrap();
    assert_eq!(added.kinds(), ["audit", "capacity", "incident", "mine"]);
    let origin = &added
        .hashes("mine")
        .into_iter()
        .find(|h| h.name == "mine/report.toml")
        .unwrap()
        .origin;
    assert_ne!(origin, "built in");
    let error = html::render(&sample::report("mine"), &added).unwrap_err();
    assert!(error.to_string().contains("mine/report.html"), "{error}");
}

#[test]
fn template_errors_name_file_line_and_remedy() {
    let error = rendered("<p>\n{{ report.titel }}").unwrap_err();
    assert!(error.place.contains("audit/report.html:2:"), "{error}");
    assert!(error.hint.contains("report.json"), "{error}");
    let syntax = rendered("a\n{% if %}").unwrap_err();
    assert!(syntax.place.contains("audit/report.html:2:"), "{syntax}");
    assert!(syntax.message.chars().count() <= MAX_MESSAGE);
    let filter = rendered("{{ report.title | nope }}").unwrap_err();
    assert!(filter.hint.contains("filters"), "{filter}");
}

#[test]
fn what_has_no_place_is_an_error() {
    assert!(with_file("audit/reprot.html", "x").is_err());
    assert!(with_file("shared/style.css", "a{background:url(https://x.example)}").is_err());
    assert!(
        with_file("shared/style.css", "\n</style><script>").is_err_and(|e| e.place.ends_with(":2"))
    );
}

#[test]
fn a_template_cannot_forget_to_escape_or_to_stop() {
    let mut report = sample::report("audit");
    report.title = "<b>\u{202e}".repeat(5000);
    let templates = with_file("audit/report.html", "{{ report.title }}").unwrap();
    let page = html::render(&report, &templates).unwrap();
    assert!(page.starts_with("&lt;b&gt;⟨U+202E⟩") && page.ends_with('…') && page.len() < 30_000);
}
