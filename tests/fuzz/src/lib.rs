//! The parts of mtaudit that read strangers' bytes, under the names that they have there.

pub mod event;
pub mod formats;
pub mod pseudonyms;
pub mod source;
pub mod syslog;

use event::{Header, Parsed};

/// Parses `data` as what one of these programs says: its first byte chooses. Whatever a parser gives is a part of the text.
pub fn said(programs: &[&str], data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let header = Header {
        ts: 0,
        host: b"mx1",
        program: programs[usize::from(*choice) % programs.len()].as_bytes(),
        pid: 1,
        text,
    };
    let (format, parsed) = formats::parse(&header);
    assert!(format.is_some(), "nobody claims {:?}", header.program);
    if let Parsed::Event(event) = parsed {
        // Everything that it borrows is looked at.
        let shown = format!("{event:?}");
        assert!(!shown.is_empty());
    }
}
