//! Every text of the logs, once.
//!
//! Rows hold a [`Sym`] instead of a string: addresses, host names, queue IDs and replies repeat many times
//! over, and comparing two of them is comparing two integers. One table is shared by all threads, split into
//! shards so that they seldom meet. Which number a text gets depends on the order in which threads come by,
//! so a number must never decide an order or reach the output; [`crate::tables`] turns them back into text.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;

const SHARD_BITS: u32 = 6;
const SHARDS: usize = 1 << SHARD_BITS;
const SLOT_BITS: u32 = 32 - SHARD_BITS;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

/// A text, or [`Sym::NULL`]: the absence of one, which is not the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sym(u32);

impl Sym {
    /// No text.
    pub const NULL: Sym = Sym(0);

    /// Whether there is no text.
    pub fn is_null(self) -> bool {
        self.0 == 0
    }

    /// This text, or the other one when there is none.
    pub fn or(self, other: Sym) -> Sym {
        if self.is_null() { other } else { self }
    }

    /// The bare number, for keys of maps.
    pub fn id(self) -> u32 {
        self.0
    }
}

/// Texts of a shard lie in chunks, so that growing never moves them. A text may be longer than a chunk (it then has
/// one of its own), but none begins beyond this.
const CHUNK: usize = 1 << 18;

/// Where a text lies: `chunk * CHUNK + start`, and its length. The hash is kept so that growing the index, and a
/// near miss in it, need not read the text.
#[derive(Clone, Copy)]
struct Span {
    hash: u64,
    at: u64,
    len: u32,
}

#[derive(Default)]
struct Shard {
    index: HashTable<u32>,
    spans: Vec<Span>,
    chunks: Vec<String>,
}

impl Shard {
    /// The slot of a text, which is new or known.
    fn intern(&mut self, text: &str, hash: u64) -> u32 {
        let (spans, chunks) = (&self.spans, &self.chunks);
        let same =
            |slot: &u32| spans[*slot as usize].hash == hash && view(spans, chunks, *slot) == text;
        if let Some(slot) = self.index.find(hash, same) {
            return *slot;
        }
        let slot = self.store(text, hash);
        let spans = &self.spans;
        self.index
            .insert_unique(hash, slot, |slot| spans[*slot as usize].hash);
        slot
    }

    /// A slot for a text that is not looked for.
    fn store(&mut self, text: &str, hash: u64) -> u32 {
        let slot = next_slot(&self.spans);
        self.spans.push(store(&mut self.chunks, text, hash));
        slot
    }

    fn get(&self, slot: u32) -> &str {
        view(&self.spans, &self.chunks, slot)
    }
}

fn view<'a>(spans: &[Span], chunks: &'a [String], slot: u32) -> &'a str {
    let span = spans[slot as usize];
    let start = span.at as usize % CHUNK;
    &chunks[span.at as usize / CHUNK][start..start + span.len as usize]
}

/// Puts a text at the end of the last chunk, or of a new one where it does not fit.
fn store(chunks: &mut Vec<String>, text: &str, hash: u64) -> Span {
    let fits = chunks
        .last()
        .is_some_and(|last| last.capacity() - last.len() >= text.len() && last.len() < CHUNK);
    if !fits {
        chunks.push(String::with_capacity(text.len().max(CHUNK)));
    }
    let number = chunks.len() - 1;
    let last = &mut chunks[number];
    let at = (number * CHUNK + last.len()) as u64;
    last.push_str(text);
    Span {
        hash,
        at,
        len: text.len() as u32,
    }
}

/// The table of texts.
pub struct Strings {
    hasher: foldhash::fast::RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Default for Strings {
    fn default() -> Self {
        Strings {
            hasher: foldhash::fast::RandomState::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Strings {
    /// The symbol of a text. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn intern(&self, bytes: &[u8]) -> Sym {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.intern_str(text),
            Err(_) => self.intern_str(&String::from_utf8_lossy(bytes)),
        }
    }

    /// The symbol of a text; no symbol for the empty one, where the log's absence of a field arrives as `b""`.
    pub fn intern_some(&self, bytes: &[u8]) -> Sym {
        if bytes.is_empty() {
            Sym::NULL
        } else {
            self.intern(bytes)
        }
    }

    /// The symbol of a text in ASCII lower case (domains, SMTP commands).
    pub fn intern_lower(&self, bytes: &[u8]) -> Sym {
        if bytes.iter().any(u8::is_ascii_uppercase) {
            self.intern(&bytes.to_ascii_lowercase())
        } else {
            self.intern(bytes)
        }
    }

    fn intern_str(&self, text: &str) -> Sym {
        let hash = self.hash(text.as_bytes());
        let number = shard_of(hash);
        let slot = lock(&self.shards[number]).intern(text, hash);
        symbol(number, slot)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// All texts at rest: lookups without locks.
    pub fn reader(&self) -> Reader<'_> {
        let shards: Vec<_> = self.shards.iter().map(lock).collect();
        let mut len = 0;
        let first = shards.iter().map(|shard| {
            let first = len;
            len += shard.spans.len() as u32;
            first
        });
        Reader {
            first: first.collect(),
            shards,
        }
    }

    /// The text of one symbol, copied. For single lookups; [`Strings::reader`] is for columns.
    pub fn text(&self, sym: Sym) -> Option<String> {
        let (shard, slot) = place(sym)?;
        Some(lock(&self.shards[shard]).get(slot).to_owned())
    }
}

/// The texts of one block, each once: nearly every text of a line stood in a line shortly before. Looking them up
/// takes no lock, and stays within what a core's own cache holds.
///
/// Its symbols are numbers of this block, good for comparing within it, until [`Local::resolve`] says which symbols
/// of the shared table they are.
pub struct Local<'a> {
    strings: &'a Strings,
    index: HashTable<u32>,
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    hash: u64,
    /// UTF-8.
    text: Cow<'a, str>,
    /// A text that is seldom written twice (a reply with its ID), and never compared by symbol: not looked for in the
    /// shared table.
    stored: bool,
}

/// Different texts in a block of a MiB, about.
const LOCAL: usize = 8192;

impl<'a> Local<'a> {
    /// None yet.
    pub fn new(strings: &'a Strings) -> Self {
        Local {
            strings,
            index: HashTable::with_capacity(LOCAL),
            entries: Vec::with_capacity(LOCAL),
        }
    }

    /// The symbol, in this block, of a text. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn intern(&mut self, bytes: &'a [u8]) -> Sym {
        self.find_or_add(bytes, false)
    }

    /// The same for a text that is made, not found in the block.
    pub fn intern_owned(&mut self, bytes: &[u8]) -> Sym {
        self.own(String::from_utf8_lossy(bytes).into_owned(), false)
    }

    /// The same for a text that is never compared by symbol.
    pub fn store(&mut self, bytes: &'a [u8]) -> Sym {
        self.find_or_add(bytes, true)
    }

    fn find_or_add(&mut self, bytes: &'a [u8], stored: bool) -> Sym {
        let hash = self.strings.hash(bytes);
        if let Some(known) = self.find(bytes, hash, stored) {
            return known;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.add(Cow::Borrowed(text), hash, stored),
            Err(_) => self.own(String::from_utf8_lossy(bytes).into_owned(), stored),
        }
    }

    fn own(&mut self, text: String, stored: bool) -> Sym {
        let hash = self.strings.hash(text.as_bytes());
        let known = self.find(text.as_bytes(), hash, stored);
        known.unwrap_or_else(|| self.add(Cow::Owned(text), hash, stored))
    }

    fn find(&self, bytes: &[u8], hash: u64, stored: bool) -> Option<Sym> {
        let same = |at: &u32| {
            let entry = &self.entries[*at as usize];
            entry.hash == hash && entry.stored == stored && entry.text.as_bytes() == bytes
        };
        self.index.find(hash, same).map(|at| Sym(*at + 1))
    }

    fn add(&mut self, text: Cow<'a, str>, hash: u64, stored: bool) -> Sym {
        // A block has fewer texts than bytes, and fewer bytes than `u32` counts.
        let at = self.entries.len() as u32;
        self.entries.push(Entry { hash, text, stored });
        let entries = &self.entries;
        self.index
            .insert_unique(hash, at, |at| entries[*at as usize].hash);
        Sym(at + 1)
    }

    /// The symbols of the shared table, by the numbers of this block: shard after shard, each locked once.
    pub fn resolve(self) -> Resolved {
        let mut by_shard: Vec<(u8, u32)> = (0..)
            .zip(&self.entries)
            .map(|(at, entry)| (shard_of(entry.hash) as u8, at))
            .collect();
        by_shard.sort_unstable();
        let mut symbols = vec![Sym::NULL; self.entries.len() + 1];
        for group in by_shard.chunk_by(|a, b| a.0 == b.0) {
            let number = usize::from(group[0].0);
            let mut shard = lock(&self.strings.shards[number]);
            for &(_, at) in group {
                let entry = &self.entries[at as usize];
                let slot = if entry.stored {
                    shard.store(&entry.text, entry.hash)
                } else {
                    shard.intern(&entry.text, entry.hash)
                };
                symbols[at as usize + 1] = symbol(number, slot);
            }
        }
        Resolved(symbols)
    }
}

/// What the symbols of one block are in the shared table.
pub struct Resolved(Vec<Sym>);

/// Says which symbol of one table of texts is which of another.
pub trait Renumber {
    /// Puts the other table's symbol in the place of this one's.
    fn put(&mut self, sym: &mut Sym);
}

impl Renumber for Resolved {
    fn put(&mut self, sym: &mut Sym) {
        *sym = self.0[sym.0 as usize];
    }
}

/// Texts of one table that go on living in another one, each looked up once.
pub struct Moved<'a> {
    from: &'a Strings,
    to: &'a Strings,
    known: hashbrown::HashMap<u32, Sym, foldhash::fast::FixedState>,
}

impl<'a> Moved<'a> {
    /// None yet.
    pub fn new(from: &'a Strings, to: &'a Strings) -> Self {
        Moved {
            from,
            to,
            known: hashbrown::HashMap::default(),
        }
    }
}

impl Renumber for Moved<'_> {
    fn put(&mut self, sym: &mut Sym) {
        let (from, to) = (self.from, self.to);
        let moved = self.known.entry(sym.0).or_insert_with(|| {
            let text = from.text(*sym);
            text.map_or(Sym::NULL, |text| to.intern_str(&text))
        });
        *sym = *moved;
    }
}

/// A view of the table while nobody adds to it.
pub struct Reader<'a> {
    shards: Vec<MutexGuard<'a, Shard>>,
    /// Texts in the shards before each.
    first: Vec<u32>,
}

impl Reader<'_> {
    /// The text of a symbol.
    pub fn get(&self, sym: Sym) -> Option<&str> {
        let (shard, slot) = place(sym)?;
        Some(self.shards[shard].get(slot))
    }

    /// Every text, shard after shard.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.shards
            .iter()
            .flat_map(|shard| (0..shard.spans.len() as u32).map(|slot| shard.get(slot)))
    }

    /// Where a symbol's text stands in [`Reader::texts`].
    pub fn position(&self, sym: Sym) -> Option<u32> {
        let (shard, slot) = place(sym)?;
        Some(self.first[shard] + slot)
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.spans.len()).sum()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn next_slot(spans: &[Span]) -> u32 {
    let slot = spans.len() as u32;
    assert!(
        slot < SLOT_MASK,
        "more than {SLOT_MASK} different texts in one shard"
    );
    slot
}

/// The table uses the top seven bits of a hash and the bottom ones; the shard is taken from between.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize & (SHARDS - 1)
}

fn symbol(shard: usize, slot: u32) -> Sym {
    Sym(((shard as u32) << SLOT_BITS | slot) + 1)
}

fn place(sym: Sym) -> Option<(usize, u32)> {
    let number = sym.0.checked_sub(1)?;
    Some(((number >> SLOT_BITS) as usize, number & SLOT_MASK))
}

/// A thread that panicked inside left a whole table behind: texts are only ever appended.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The domain of an address in lower case; `None` for the null sender and for a bare local part.
pub fn domain(address: &[u8]) -> Option<Cow<'_, [u8]>> {
    let at = memchr::memrchr(b'@', address)?;
    let domain = &address[at + 1..];
    if domain.is_empty() {
        return None;
    }
    Some(if domain.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(domain.to_ascii_lowercase())
    } else {
        Cow::Borrowed(domain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_text_same_symbol_and_back() {
        let strings = Strings::default();
        let symbols: Vec<Sym> = (0..5000)
            .map(|n| strings.intern(format!("text {n}").as_bytes()))
            .collect();
        for (n, sym) in symbols.iter().enumerate() {
            let text = format!("text {n}");
            assert_eq!(strings.intern(text.as_bytes()), *sym);
            assert_eq!(strings.reader().get(*sym), Some(text.as_str()));
        }
    }

    #[test]
    fn long_texts_have_a_place_too() {
        let strings = Strings::default();
        let texts: Vec<String> = (1..40).map(|n| "x".repeat(n * 20_011)).collect();
        let symbols: Vec<Sym> = texts
            .iter()
            .map(|text| strings.intern(text.as_bytes()))
            .collect();
        for (text, sym) in texts.iter().zip(symbols) {
            assert_eq!(strings.text(sym).as_ref(), Some(text));
        }
    }

    #[test]
    fn null_is_not_empty() {
        let strings = Strings::default();
        assert!(!strings.intern(b"").is_null());
        assert!(strings.intern_some(b"").is_null());
        assert_eq!(strings.text(Sym::NULL), None);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        let strings = Strings::default();
        let sym = strings.intern(b"caf\xe9");
        assert_eq!(strings.text(sym).as_deref(), Some("caf\u{fffd}"));
    }

    #[test]
    fn a_block_gives_the_tables_symbols_and_keeps_stored_texts_apart() {
        let strings = Strings::default();
        let words: Vec<Vec<u8>> = (0..60_000)
            .map(|n| format!("t{}", n % 20_000).into_bytes())
            .chain([
                b"caf\xe9".to_vec(),
                "caf\u{fffd}".into(),
                b"caf\xff".to_vec(),
            ])
            .collect();
        let before = strings.intern(b"t7");
        let mut local = Local::new(&strings);
        let mut found: Vec<(Sym, Sym)> = words
            .iter()
            .map(|word| (local.intern(word), local.store(word)))
            .collect();
        let made = local.intern_owned(b"t8");
        assert_eq!((made, found[7]), (found[8].0, found[20_007]));
        let mut resolved = local.resolve();
        for (word, (sym, stored)) in words.iter().zip(&mut found) {
            resolved.put(sym);
            resolved.put(stored);
            assert_ne!(sym, stored);
            assert_eq!(*sym, strings.intern(word));
            assert_eq!(strings.text(*stored), strings.text(*sym));
        }
        assert_eq!(found[7].0, before);
        let mut null = Sym::NULL;
        resolved.put(&mut null);
        assert!(null.is_null());
        // What is replaced is the same text, however it was written.
        assert!(
            found[60_000..]
                .iter()
                .all(|(sym, _)| *sym == found[60_000].0)
        );
    }

    #[test]
    fn domains_are_lower_case() {
        assert_eq!(
            domain(b"A@Example.COM").as_deref(),
            Some(&b"example.com"[..])
        );
        assert_eq!(
            domain(b"\"a@b\"@example.org").as_deref(),
            Some(&b"example.org"[..])
        );
        assert_eq!(domain(b""), None);
        assert_eq!(domain(b"root"), None);
    }
}
