//! The picture of a report's head: read once, looked at, and carried in the page itself.
//!
//! A page that loads nothing must not load anything by its logo: an SVG that holds script, other documents or references
//! to other places is refused rather than cleaned, as what was cleaned is no longer the picture that its owner gave.

use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::report::escape::base64;
use crate::report::manifest::sha256_hex;

/// Largest picture, bytes: pages stay below 2 MiB with all else.
const MAX_BYTES: u64 = 256 << 10;

/// What a logo may be.
pub(super) const HINT: &str = "a logo is a PNG, JPEG or SVG file of at most 256 KiB beside the configuration; an SVG \
holds shapes and text only: no script, style sheet from elsewhere, embedded document or reference to another file";

/// A picture that shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Path as given in the configuration.
    pub file: String,
    /// Hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// `data:image/png;base64,…`
    pub uri: String,
}

impl Logo {
    /// Reads a file; `name` is its path as given.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn read(name: &str, path: &Path) -> Result<Self, String> {
        let size = path.metadata().map_err(|error| error.to_string())?.len();
        if size > MAX_BYTES {
            return Err(format!("has {size} bytes; {MAX_BYTES} are allowed"));
        }
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let kind = kind(&bytes)?;
        Ok(Logo {
            file: name.to_owned(),
            sha256: sha256_hex(&bytes),
            uri: format!("data:image/{kind};base64,{}", base64(&bytes)),
        })
    }
}

/// What the bytes are, whatever the file is called.
fn kind(bytes: &[u8]) -> Result<&'static str, String> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok("png");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Ok("jpeg");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is neither PNG, JPEG nor SVG")?;
    harmless(text).map(|()| "svg+xml")
}

/// Elements that bring in other documents, run something, or change what was looked at.
const REFUSED: [&str; 9] = [
    "script",
    "foreignobject",
    "iframe",
    "embed",
    "object",
    "set",
    "animate",
    "handler",
    "link",
];

/// Whether an SVG shows only itself. Its text is looked at as a whole: references and comments may stand in the middle of
/// a word of a style sheet.
fn harmless(text: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut elements) = (0usize, 0usize);
    let mut said = String::new();
    loop {
        match reader
            .read_event()
            .map_err(|error| format!("is no SVG: {error}"))?
        {
            Event::Start(tag) => {
                element(&tag, elements == 0)?;
                (depth, elements) = (depth + 1, elements + 1);
                said.push(BREAK);
            }
            Event::Empty(tag) => {
                element(&tag, elements == 0)?;
                elements += 1;
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                said.push(BREAK);
            }
            Event::DocType(_) => return Err("declares a document type or entities".into()),
            Event::PI(_) => return Err("holds a processing instruction".into()),
            Event::Text(text) => said.push_str(&String::from_utf8_lossy(&text)),
            Event::CData(text) => said.push_str(&String::from_utf8_lossy(&text)),
            Event::GeneralRef(text) => said.extend(text.resolve_char_ref().ok().flatten()),
            Event::Eof if elements == 0 => return Err("is neither PNG, JPEG nor SVG".into()),
            Event::Eof if depth > 0 => return Err("is an SVG that breaks off".into()),
            Event::Eof => return styles(&said),
            Event::Decl(_) | Event::Comment(_) => {}
        }
    }
}

/// Between the texts of two elements.
const BREAK: char = '\u{1}';

fn element(tag: &BytesStart<'_>, first: bool) -> Result<(), String> {
    let name = String::from_utf8_lossy(tag.local_name().as_ref()).to_ascii_lowercase();
    if first && name != "svg" {
        return Err(format!(
            "is neither PNG, JPEG nor SVG, but begins with <{name}>"
        ));
    }
    if REFUSED.iter().any(|refused| name.starts_with(refused)) {
        return Err(format!("holds <{name}>"));
    }
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| format!("is no SVG: {error}"))?;
        let own = attribute.key.local_name();
        let own = String::from_utf8_lossy(own.as_ref()).to_ascii_lowercase();
        let value = attribute
            .unescape_value()
            .map_err(|error| format!("is no SVG: {error}"))?;
        let value = value.trim();
        if own.starts_with("on") {
            return Err(format!("holds `{own}`, which runs something"));
        }
        if (own == "href" || own == "src" || own == "base") && !value.starts_with('#') {
            return Err(format!("refers to another place by `{own}`"));
        }
        styles(value)?;
    }
    Ok(())
}

/// What style sheets and attributes may refer to: parts of the picture, `url(#…)`.
fn styles(text: &str) -> Result<(), String> {
    // A backslash spells any letter in CSS; no picture needs one.
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.to_ascii_lowercase();
    if text.contains('\\') || text.contains("@import") || text.contains("javascript:") {
        return Err("has styles that load or run something".into());
    }
    let mut urls = text.split("url(").skip(1);
    let foreign = |rest: &str| !rest.trim_start_matches(['"', '\'']).starts_with('#');
    if urls.any(foreign) || text.contains("image-set(") {
        return Err("refers to another place by `url(…)`".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn svg(inner: &str) -> Result<&'static str, String> {
        let head = "<?xml version=\"1.0\"?><!-- x --><svg xmlns=\"http://www.w3.org/2000/svg\" \
            xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 1 1\">";
        kind(format!("{head}{inner}</svg>").as_bytes())
    }

    #[test]
    fn pictures_are_known_by_what_they_are() {
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0"), Ok("png"));
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), Ok("jpeg"));
        assert_eq!(svg("<path d='M0 0'/>"), Ok("svg+xml"));
        for other in [&b"GIF89a"[..], b"", b"<html></html>", b"plain", b"\xff\xfe"] {
            assert!(kind(other).is_err(), "{other:?}");
        }
        assert!(kind(b"<svg><g>").unwrap_err().contains("breaks off"));
    }

    #[test]
    fn a_picture_may_refer_to_itself() {
        for inner in [
            "<defs><path id='a'/></defs><use href='#a'/><use xlink:href='#a'/>",
            "<style>.a{fill:url(#g)}</style><rect class='a' fill=\"url('#g')\"/>",
            "<text>Mail &amp; more</text>",
        ] {
            assert_eq!(svg(inner), Ok("svg+xml"), "{inner}");
        }
    }

    #[test]
    fn what_runs_or_loads_is_refused() {
        for inner in [
            "<script>alert(1)</script>",
            "<x:SCRIPT/>",
            "<g onload='x()'/>",
            "<foreignObject/>",
            "<image href='https://example.org/a.png'/>",
            "<image xlink:href='data:image/png;base64,AAAA'/>",
            "<use href='other.svg#a'/>",
            "<a href='java&#115;cript:x'/>",
            "<rect style='fill:url( http://example.org/)'/>",
            "<rect style='fill:u\\72l(http://example.org/)'/>",
            "<style>@im\nport 'x';</style>",
            "<style>@im&#112;ort 'x';</style>",
            "<style>@im<!-- x -->port 'x';</style>",
            "<style><![CDATA[a{background:url(//example.org)}]]></style>",
            "<animateMotion/>",
            "<set attributeName='href' to='x'/>",
            "<?xml-stylesheet href='x'?>",
            "<g>",
        ] {
            assert!(svg(inner).is_err(), "{inner}");
        }
        assert!(kind(b"<!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>").is_err());
    }
}
