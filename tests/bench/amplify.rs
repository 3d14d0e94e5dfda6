//! A capture, many times over, as if it went on for as many days.
//!
//! Each copy is later by whole days and has other process numbers, queue IDs, addresses and clients, so that the number
//! of different texts grows with the lines, as it does in life. The same input gives the same output.

use std::io::{self, Write};

use chrono::{Days, NaiveDate};

const MONTHS: [(&[u8], u32); 12] = [
    (b"Jan", 31),
    (b"Feb", 28),
    (b"Mar", 31),
    (b"Apr", 30),
    (b"May", 31),
    (b"Jun", 30),
    (b"Jul", 31),
    (b"Aug", 31),
    (b"Sep", 30),
    (b"Oct", 31),
    (b"Nov", 30),
    (b"Dec", 31),
];

/// Odd, so that adding multiples of it visits every number of a width.
const STEP: u64 = 0x9E37_79B1;

/// Writes copies of a log with RFC 3164 headers (`Mmm dd hh:mm:ss`) or ISO 8601 ones until `bytes` are reached; says how
/// many lines.
pub fn amplify(base: &[u8], bytes: u64, out: &mut impl Write) -> io::Result<u64> {
    let days = days(base);
    let (mut written, mut lines) = (0, 0);
    let mut buffer = Vec::with_capacity(4096);
    for copy in 0.. {
        for line in base.split_inclusive(|byte| *byte == b'\n') {
            if written >= bytes {
                return Ok(lines);
            }
            buffer.clear();
            rewrite(line, copy, days, &mut buffer);
            out.write_all(&buffer)?;
            written += buffer.len() as u64;
            lines += 1;
        }
    }
    Ok(lines)
}

/// Days that a log spans.
fn days(base: &[u8]) -> u32 {
    let mut dates = base.split(|byte| *byte == b'\n').filter_map(iso_date);
    if let Some(first) = dates.next() {
        let last = dates.next_back().unwrap_or(first);
        return (last - first).num_days().max(0) as u32 + 1;
    }
    let mut all = base.split(|byte| *byte == b'\n').filter_map(day_of_year);
    let first = all.next().unwrap_or(0);
    all.next_back()
        .map_or(1, |last| (last + 365 - first) % 365 + 1)
}

/// The date that a line begins with, `yyyy-mm-dd`.
fn iso_date(line: &[u8]) -> Option<NaiveDate> {
    let date = std::str::from_utf8(line.get(..10)?).ok()?;
    NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()
}

fn day_of_year(line: &[u8]) -> Option<u32> {
    let month = MONTHS.iter().position(|(name, _)| line.starts_with(name))?;
    let before: u32 = MONTHS[..month].iter().map(|(_, days)| days).sum();
    let day = std::str::from_utf8(line.get(4..6)?).ok()?.trim();
    Some(before + day.parse::<u32>().ok()? - 1)
}

fn rewrite(line: &[u8], copy: u64, days: u32, out: &mut Vec<u8>) {
    let later = copy * u64::from(days);
    let mut rest = if let Some(day) = day_of_year(line) {
        let (month, day) = date(u64::from(day) + later);
        out.extend_from_slice(MONTHS[month].0);
        out.extend_from_slice(format!(" {day:2}").as_bytes());
        &line[6..]
    } else if let Some(day) = iso_date(line).and_then(|day| day.checked_add_days(Days::new(later)))
    {
        out.extend_from_slice(day.to_string().as_bytes());
        &line[10..]
    } else {
        return out.extend_from_slice(line);
    };
    while let Some((&byte, after)) = rest.split_first() {
        let word = rest
            .iter()
            .position(|b| !b.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        match byte {
            _ if word > 0 => {
                renumber(&rest[..word], copy, out);
                rest = &rest[word..];
            }
            b'@' if copy > 0 => {
                out.extend_from_slice(format!(".k{copy}@").as_bytes());
                rest = after;
            }
            b'[' => {
                let used = bracket(after, copy, out);
                rest = &after[used..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

/// Month, from 0, and day, from 1, of a day counted from the start of a year without 29 February.
fn date(day: u64) -> (usize, u32) {
    let mut left = (day % 365) as u32;
    for (month, (_, days)) in MONTHS.iter().enumerate() {
        if left < *days {
            return (month, left + 1);
        }
        left -= days;
    }
    (0, 1)
}

/// A word that can be a short queue ID becomes another of its length.
fn renumber(word: &[u8], copy: u64, out: &mut Vec<u8>) {
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let letter = word.iter().any(|byte| matches!(byte, b'A'..=b'F'));
    let text = std::str::from_utf8(word).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(id) if copy > 0 && letter && word.iter().all(hex) && (7..=12).contains(&word.len()) => {
            let width = word.len();
            let other = id.wrapping_add(copy.wrapping_mul(STEP)) & ((1 << (4 * width)) - 1);
            out.extend_from_slice(format!("{other:0width$X}").as_bytes());
        }
        _ => out.extend_from_slice(word),
    }
}

/// A process number or an IPv4 address in brackets; says how much of `after` was used.
fn bracket(after: &[u8], copy: u64, out: &mut Vec<u8>) -> usize {
    out.push(b'[');
    let end = after.iter().position(|b| *b == b']').unwrap_or(0);
    let inside = &after[..end];
    let text = std::str::from_utf8(inside).unwrap_or_default();
    if let Ok(pid) = text.parse::<u64>() {
        out.extend_from_slice(format!("{}", (pid + copy * 31) % 4_194_304).as_bytes());
        return end;
    }
    match text.parse::<std::net::Ipv4Addr>() {
        Ok(ip) if !ip.is_loopback() => {
            let [a, b, c, d] = ip.octets();
            let moved = (u64::from(b) * 256 + u64::from(c) + copy) % 65_536;
            let text = format!("{a}.{}.{}.{d}", moved / 256, moved % 256);
            out.extend_from_slice(text.as_bytes());
            end
        }
        _ => 0,
    }
}
