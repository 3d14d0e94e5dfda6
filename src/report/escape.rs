//! Log text is hostile: how it is made harmless for each place it goes.
//!
//! [`visible`] shows what would otherwise act unseen (control, bidirectional and zero-width characters); [`html`]
//! and [`markdown`] are the autoescape functions of the two template engines in `templates`, so that a template
//! cannot forget them. CSV has its own rule in `csv`.

use std::io::{self, Write};

/// The text on one line with every character that acts unseen made visible: `␀` for C0, `⟨U+202E⟩` for the rest.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    out
}

/// As [`visible`], at most `max` characters long, the last being `…` when something was cut.
///
/// Looks at no more than `max` characters: cells may be megabytes.
pub fn clip(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut left = text.chars();
    for c in left.by_ref().take(max.saturating_sub(1)) {
        push_visible(&mut out, c);
    }
    match (left.next(), left.next()) {
        (None, _) => {}
        (Some(last), None) => push_visible(&mut out, last),
        _ => out.push('…'),
    }
    out
}

/// As [`visible`] for bytes of a log: one that is no UTF-8 is shown as `⟨E9⟩`. At most about `max` characters; what was
/// cut is said.
pub fn clip_bytes(bytes: &[u8], max: usize) -> String {
    let mut out = String::with_capacity(bytes.len().min(max));
    let (mut left, mut used) = (max, 0);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                break;
            }
            push_visible(&mut out, c);
            (left, used) = (left - 1, used + c.len_utf8());
        }
        for byte in chunk.invalid() {
            if left == 0 {
                break;
            }
            out.push_str(&format!("⟨{byte:02X}⟩"));
            (left, used) = (left - 1, used + 1);
        }
        if left == 0 {
            break;
        }
    }
    if used < bytes.len() {
        out.push_str(&format!("… ({} B more)", bytes.len() - used));
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\u{0}'..='\u{1f}' => out.push(picture(c)),
        '\u{7f}' => out.push('␡'),
        c if acts_unseen(c) => out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
        c => out.push(c),
    }
}

/// The Unicode control picture of a C0 control.
fn picture(c: char) -> char {
    char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')
}

/// Characters without a glyph that change how others are shown or compared.
fn acts_unseen(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Escapes for HTML text and quoted attributes. Line breaks and tabs stay: they are white space there.
pub fn html(input: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut shown = String::with_capacity(input.len() + 8);
    for c in input.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            '\n' | '\t' => shown.push(c),
            c => push_visible(&mut shown, c),
        }
    }
    out.write_all(shown.as_bytes())
}

/// [`html`] into a string, for SVG.
pub fn html_string(input: &str) -> String {
    let mut out = Vec::with_capacity(input.len() + 8);
    // Writing into a `Vec` does not fail.
    let _ = html(input, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Escapes for Markdown prose: one line, no markup, no link, no HTML, no table.
///
/// Words that a forge would turn into a link (addresses, URLs) become code spans: backslashes do not stop that.
pub fn markdown(input: &str, out: &mut dyn Write) -> io::Result<()> {
    let line = visible(
        &input
            .split(['\n', '\r', '\t'])
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" "),
    );
    let mut shown = String::with_capacity(line.len() + 8);
    for (i, word) in line.split(' ').enumerate() {
        if i > 0 {
            shown.push(' ');
        }
        push_word(&mut shown, word, i == 0);
    }
    out.write_all(shown.as_bytes())
}

/// A table cell: plain when it is plainly words and numbers, else a code span with its pipes escaped.
pub fn markdown_cell(text: &str, max: usize) -> String {
    let text = clip(text, max);
    let text = text.trim();
    if text.chars().all(is_plain) && !becomes_link(text) {
        return text.to_string();
    }
    code_span(text).replace('|', "\\|")
}

/// Characters that mean nothing in Markdown inside a table cell.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " .,:;()/%+-–…'\"?=␀␊␉".contains(c)
}

fn becomes_link(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains('@') || lower.contains("www.") || lower.contains("://")
}

fn push_word(out: &mut String, word: &str, first: bool) {
    if !becomes_link(word) {
        return push_escaped(out, word, first);
    }
    let core = word.trim_end_matches([',', '.', ';', ':', ')']);
    let core = core.trim_start_matches('(');
    let start = word.len() - word.trim_start_matches('(').len();
    push_escaped(out, &word[..start], first);
    out.push_str(&code_span(core));
    push_escaped(out, &word[start + core.len()..], false);
}

fn push_escaped(out: &mut String, word: &str, first: bool) {
    let mut before = ' ';
    let mut chars = word.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let after = chars.peek().map_or(' ', |&(_, c)| c);
        if needs_backslash(c, before, after) || (first && starts_block(word, i, c)) {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
}

fn needs_backslash(c: char, before: char, after: char) -> bool {
    match c {
        '_' => !(before.is_alphanumeric() && after.is_alphanumeric()),
        _ => "\\`*[]<>|~&$".contains(c),
    }
}

/// Whether the character begins a heading, a list, a rule or a quotation when the word begins a line.
fn starts_block(word: &str, i: usize, c: char) -> bool {
    let number = i > 0 && word[..i].bytes().all(|b| b.is_ascii_digit());
    (i == 0 && "#-+=".contains(c)) || (number && i + 1 == word.len() && ".)".contains(c))
}

/// A code span around any text: its fence is longer than every run of backticks inside.
fn code_span(text: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str, wanted: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Bytes as RFC 4648 writes them, with padding.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let b = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let bits = u32::from(b[0]) << 16 | u32::from(b[1]) << 8 | u32::from(b[2]);
        for i in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn md(text: &str) -> String {
        let mut out = Vec::new();
        markdown(text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_acts_unseen_is_shown() {
        assert_eq!(
            visible("a\u{202e}b\0c\nd\u{7f}\u{85}"),
            "a⟨U+202E⟩b␀c␊d␡⟨U+0085⟩"
        );
        assert_eq!(visible("häß – 日本"), "häß – 日本");
    }

    #[test]
    fn a_cut_text_says_so_and_an_exact_one_does_not() {
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("abcd", 4), "abcd");
        assert_eq!(clip("", 4), "");
    }

    #[test]
    fn bytes_are_shown_one_by_one() {
        assert_eq!(
            clip_bytes(b"a\x1b[2J\xe9\xc3\xa9\xff\t\r", 99),
            "a␛[2J⟨E9⟩é⟨FF⟩␉␍"
        );
        assert_eq!(clip_bytes("⟨E9⟩\u{202e}".as_bytes(), 99), "⟨E9⟩⟨U+202E⟩");
        assert_eq!(clip_bytes(b"abcdef", 4), "abcd… (2 B more)");
        assert_eq!(clip_bytes(b"ab\xff\xff", 3), "ab⟨FF⟩… (1 B more)");
        assert_eq!(clip_bytes(b"abcd", 4), "abcd");
    }

    #[test]
    fn html_closes_text_and_attributes() {
        assert_eq!(
            html_string("<a b='c\"&\u{202e}>"),
            "&lt;a b=&#39;c&quot;&amp;⟨U+202E⟩&gt;"
        );
    }

    #[test]
    fn markdown_prose_has_no_markup() {
        assert_eq!(
            md("](javascript:x) <b> *a* user_unknown _x_"),
            "\\](javascript:x) \\<b\\> \\*a\\* user_unknown \\_x\\_"
        );
        assert_eq!(md("# no heading\n\n- no list"), "\\# no heading  - no list");
        assert_eq!(md("1. no list"), "1\\. no list");
        assert_eq!(
            md("from alice@corp.example, twice"),
            "from `alice@corp.example`, twice"
        );
        assert_eq!(md("(https://x.example/)."), "(`https://x.example/`).");
    }

    #[test]
    fn markdown_cells_keep_the_table_whole() {
        assert_eq!(markdown_cell("4,321", 99), "4,321");
        assert_eq!(markdown_cell("a|b", 99), "`a\\|b`");
        assert_eq!(markdown_cell("a`b\nc", 99), "``a`b␊c``");
        assert_eq!(markdown_cell("`", 99), "`` ` ``");
    }
}
