//! Names that columns of these logs hold, to be found again as words of free text.
//!
//! A name is looked up by its first part, as most words begin none: `carla.novak` has two parts, and is tried where
//! `carla` stands. The longest name wins.

use hashbrown::HashMap;

use super::{Holds, Pseudonyms, nobody};

/// What a name is the name of. Where it is of several, the first of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Person,
    Host,
    Domain,
}

/// More parts than this has no name that is written as one word.
const PARTS: usize = 24;

/// The names, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: HashMap<Box<str>, What>,
    /// By first part: most parts of a name that begins with it.
    first: HashMap<Box<str>, usize>,
}

impl Names {
    /// Adds what a column holds.
    pub fn learn(&mut self, holds: Holds, value: &str) {
        match holds {
            Holds::Address | Holds::User => self.learn_person(value),
            Holds::Client if value.contains('@') => self.learn_person(value),
            Holds::Client => self.add(What::Host, value),
            Holds::Relay if value.contains('.') => self.add(What::Host, value),
            Holds::Domain if value.contains('.') => self.add(What::Domain, value),
            _ => {}
        }
    }

    /// A local part, and what of it is the mailbox where an extension follows, or the user where a realm goes before.
    fn learn_person(&mut self, value: &str) {
        let local = value.rsplit_once('@').map_or(value, |(local, _)| local);
        self.add(What::Person, local);
        if let Some((mailbox, _)) = local.split_once('+') {
            self.add(What::Person, mailbox);
        }
        if let Some((_, user)) = local.rsplit_once('\\') {
            self.add(What::Person, user);
        }
    }

    fn add(&mut self, what: What, name: &str) {
        let name = name.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = name.to_lowercase();
        let ip = lower.parse::<std::net::IpAddr>().is_ok();
        if ip || nobody::is_plain_word(&lower) || nobody::is_no_host(&lower) {
            return;
        }
        let parts = parts(&lower).count();
        let Some((start, end)) = self::parts(&lower).next().filter(|_| parts <= PARTS) else {
            return;
        };
        let most = self.first.entry(lower[start..end].into()).or_default();
        *most = parts.max(*most);
        let known = self.known.entry(lower.into_boxed_str()).or_insert(what);
        *known = what.min(*known);
    }

    /// Where names stand in a text, with what stands there instead.
    pub fn find(&self, own: &Pseudonyms, text: &str) -> Vec<(std::ops::Range<usize>, String)> {
        let mut found = Vec::new();
        if self.known.is_empty() {
            return found;
        }
        let parts: Vec<(usize, usize)> = parts(text).collect();
        let mut at = 0;
        while let Some(&(start, end)) = parts.get(at) {
            let lower = text[start..end].to_lowercase();
            let most = self.first.get(lower.as_str()).copied().unwrap_or(0);
            let known = (1..=most.min(parts.len() - at)).rev().find_map(|count| {
                let name = &text[start..parts[at + count - 1].1];
                let what = self.known.get(name.to_lowercase().as_str())?;
                Some((count, name, *what))
            });
            match known {
                Some((count, name, what)) => {
                    let shown = match what {
                        What::Person => own.user(name),
                        What::Host => own.client(name),
                        What::Domain => own.domain(name),
                    };
                    found.push((start..start + name.len(), shown));
                    at += count;
                }
                None => at += 1,
            }
        }
        found
    }
}

/// Runs of letters and digits.
fn parts(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = chars.find(|(_, c)| c.is_alphanumeric())?;
        while chars.next_if(|(_, c)| c.is_alphanumeric()).is_some() {}
        let end = chars.peek().map_or(text.len(), |(at, _)| *at);
        Some((start, end))
    })
}
