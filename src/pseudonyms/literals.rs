//! IP addresses as they stand in text and in host names.
//!
//! `192.0.2.7`, `[2001:db8::7]`, `p192-0-2-7.isp.example`, `7.2.0.192.zen.example`, `…2.0.ip6.arpa`. What looks like one
//! and is none (a version of four numbers) is hidden too: a number less in a text costs little.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{Pseudonyms, is_nobodys};

/// A text with all addresses replaced.
pub fn hide(own: &Pseudonyms, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, shown) in find(own, text) {
        out.push_str(&text[done..range.start]);
        out.push_str(&shown);
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}

/// Where addresses stand in a text, with what stands there instead.
pub fn find(own: &Pseudonyms, text: &str) -> Vec<(Range<usize>, String)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let here = bytes[at].is_ascii_hexdigit() || bytes[at] == b':';
        let hit = here.then(|| literal(own, bytes, at)).flatten();
        match hit {
            Some((end, shown)) => {
                if let Some(shown) = shown {
                    found.push((at..end, shown));
                }
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// The end of the address that begins here, and what stands in its place; nothing where it stays.
fn literal(own: &Pseudonyms, bytes: &[u8], at: usize) -> Option<(usize, Option<String>)> {
    if let Some((end, ip)) = ipv6(bytes, at) {
        return Some((end, (!is_nobodys(ip)).then(|| own.known_ip(ip))));
    }
    if let Some((end, ip)) = nibbles(bytes, at) {
        return Some((end, Some(own.ip_in_name(ip))));
    }
    if let Some((end, ip, separator)) = ipv4(bytes, at) {
        let ip = IpAddr::V4(ip);
        if is_nobodys(ip) {
            return Some((end, None));
        }
        let named = separator != b'.' || in_a_name(bytes, at, end);
        let shown = if named {
            own.ip_in_name(ip)
        } else {
            own.known_ip(ip)
        };
        return Some((end, Some(shown)));
    }
    let (end, ip) = dashed(bytes, at)?;
    Some((end, Some(own.ip_in_name(ip))))
}

fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(0, |before| bytes[before])
}

fn after(bytes: &[u8], end: usize) -> u8 {
    bytes.get(end).copied().unwrap_or(0)
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// It is a part of a longer name.
fn in_a_name(bytes: &[u8], at: usize, end: usize) -> bool {
    let dotted = |dot: u8, byte: u8| dot == b'.' && byte.is_ascii_alphabetic();
    let prior = if at > 1 { bytes[at - 2] } else { 0 };
    is_label(before(bytes, at))
        || dotted(before(bytes, at), prior)
        || is_label(after(bytes, end))
        || dotted(after(bytes, end), after(bytes, end + 1))
}

/// Four numbers with the same sign between them.
fn ipv4(bytes: &[u8], at: usize) -> Option<(usize, Ipv4Addr, u8)> {
    if before(bytes, at).is_ascii_digit() {
        return None;
    }
    let (mut end, first) = number(bytes, at)?;
    let separator = after(bytes, end);
    if !matches!(separator, b'.' | b'-' | b'_') {
        return None;
    }
    let mut octets = [first, 0, 0, 0];
    for octet in &mut octets[1..] {
        if after(bytes, end) != separator {
            return None;
        }
        (end, *octet) = number(bytes, end + 1)?;
    }
    Some((end, Ipv4Addr::from(octets), separator))
}

/// A number of up to three digits, at most 255.
fn number(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    let digits = bytes.get(at..)?.iter();
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) {
        return None;
    }
    let text = std::str::from_utf8(&bytes[at..at + digits]).ok()?;
    Some((at + digits, text.parse().ok()?))
}

/// The end of a run of such bytes, no longer than any address.
fn run(bytes: &[u8], at: usize, of: impl Fn(u8) -> bool) -> usize {
    const MOST: usize = 72;
    let run = bytes[at..].iter().take(MOST + 1);
    at + run.take_while(|byte| of(**byte)).count()
}

fn ipv6(bytes: &[u8], at: usize) -> Option<(usize, IpAddr)> {
    const TAG: &[u8] = b"ipv6:";
    let prior = before(bytes, at);
    let tagged = || at >= TAG.len() && bytes[at - TAG.len()..at].eq_ignore_ascii_case(TAG);
    if (prior.is_ascii_alphanumeric() || prior == b':') && !tagged() {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let end = run(bytes, at, is_part);
    if after(bytes, end).is_ascii_alphanumeric() {
        return None;
    }
    let text = std::str::from_utf8(&bytes[at..end]).ok()?;
    let bare = text.trim_end_matches('.');
    // A colon behind it, and a port, belong to the text.
    let shorter = bare.rfind(':').map_or("", |colon| &bare[..colon]);
    let parsed = [bare, bare.trim_end_matches(':'), shorter]
        .into_iter()
        .filter(|text| text.matches(':').count() >= 2)
        .find_map(|text| Some((text.len(), text.parse::<Ipv6Addr>().ok()?)));
    parsed.map(|(length, ip)| (at + length, IpAddr::V6(ip)))
}

/// `7.0.0.0.…`: an address of `ip6.arpa`, back to front, or a part of one.
fn nibbles(bytes: &[u8], at: usize) -> Option<(usize, IpAddr)> {
    const LEAST: usize = 16;
    const MOST: usize = 32;
    if is_label(before(bytes, at)) {
        return None;
    }
    let pairs = bytes[at..].chunks(2).take(MOST);
    let is_pair =
        |pair: &&[u8]| pair[0].is_ascii_hexdigit() && pair.get(1).is_none_or(|b| *b == b'.');
    let digits: Vec<u8> = pairs.take_while(is_pair).map(|pair| pair[0]).collect();
    if digits.len() < LEAST {
        return None;
    }
    let value = digits.iter().rev().fold(0u128, |all, digit| {
        all << 4 | u128::from((*digit as char).to_digit(16).unwrap_or(0))
    });
    let value = value << (4 * (MOST - digits.len()));
    let end = at + 2 * digits.len() - 1;
    Some((end, IpAddr::V6(value.into())))
}

/// `2001-db8-0-0--7`: colons cannot stand in a name.
fn dashed(bytes: &[u8], at: usize) -> Option<(usize, IpAddr)> {
    if is_label(before(bytes, at)) {
        return None;
    }
    let end = run(bytes, at, |byte| byte.is_ascii_hexdigit() || byte == b'-');
    if end - at < 7 || is_label(after(bytes, end)) {
        return None;
    }
    let text = std::str::from_utf8(&bytes[at..end]).ok()?.replace('-', ":");
    let ip: Ipv6Addr = text.parse().ok()?;
    Some((end, IpAddr::V6(ip)))
}
