//! Pseudonyms for persons, made with a key: the same person has the same one in every report of that key, and without
//! the key nobody can tell who it is, nor try names until one fits.
//!
//! | what | becomes | kept |
//! |---|---|---|
//! | `alice@corp.example` | `u_7f3a9c21b4de@corp.example` | the domain |
//! | user `alice` | `u_0x5m…` | |
//! | `192.0.2.7` | `192.0.2.h3f9a2c…` | the /24 |
//! | `2001:db8:1:2::7` | `2001:db8:1:h9q…` | the /48: a /64 is one household |
//! | `p4fd2a1b3.dip0.isp.example` | `h-x81k….isp.example` | the registered domain |
//! | Message-ID `x@pc.corp.example` | `m_…@h-….corp.example` | likewise |
//! | a subject, a header, a line of a body | `s_…` | |
//!
//! With [`Also::domains`] domains become `d-….invalid` label by label, so that what ends alike still does; with
//! [`Also::networks`] addresses become `ip4-…` and `ip6-…`. A token in the place of the host part, rather than another
//! number, because a permutation within a /24 would give real addresses of other people, and 256 tries undo it once one
//! pair is known; `192.0.2.h…` is still read as an address of that network and cannot be taken for a machine.
//!
//! A token is 60 bits of HMAC-SHA-256 over what it stands for and its text in lower case (`Alice@` and `alice@` agree;
//! Message-IDs as they are): among ten million, two agree with a probability of 1 in 20,000. The whole address goes in, so
//! `alice` at two domains is two persons. A local part is replaced as a whole, with whatever address it carries in it
//! (VERP, SRS, BATV).
//!
//! What stays is in [`nobody`]: roles (RFC 2142) unless [`Also::roles`] hides them, the null sender, `localhost`,
//! loopback. Free text is scanned by [`text`] and [`literals`] for what has the form of an address or host ([`clients`]), and for the
//! [`names`] that columns of these logs hold; raw lines by [`line`] for more forms. Nothing here knows tables: [`crate::tables::persons`] says what a column holds.

mod clients;
mod line;
mod literals;
mod names;
pub mod nobody;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use names::Names;

/// What a text says of persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// One of our own words, a hash, a zone: nothing.
    Nothing,
    /// A short text as logged that names programs, services, IDs or protocols: addresses forged into it are hidden.
    Term,
    /// Hosts of ours, comma separated.
    Server,
    /// An envelope address, or a bare local part.
    Address,
    /// A name that logged in, which may be an address.
    User,
    /// The domain of an address.
    Domain,
    /// The host name of a client, or the name it gave in HELO: may hold its address, its number, its owner.
    Client,
    /// The host name of a next hop, or our word for a delivery without one.
    Relay,
    /// An IP address.
    Ip,
    /// A Message-ID.
    MessageId,
    /// Free text: replies, words of a line.
    Text,
    /// The path of a file.
    Path,
}

/// What is hidden beside persons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Also {
    /// Domains, and so whole addresses and whole host names.
    pub domains: bool,
    /// Networks, and so whole IP addresses.
    pub networks: bool,
    /// Mailboxes of roles, see [`nobody::ROLES`].
    #[serde(default)]
    pub roles: bool,
}

/// What tells that two texts have pseudonyms of one key: an HMAC of a constant, not a hash of the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marking {
    /// The HMAC, shortened.
    pub check: String,
    /// What is hidden beside persons.
    pub also: Also,
}

impl std::fmt::Display for Marking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let also = match (self.also.domains, self.also.networks) {
            (false, false) => "",
            (true, false) => ", domains hidden",
            (false, true) => ", networks hidden",
            (true, true) => ", domains and networks hidden",
        };
        let roles = if self.also.roles { "" } else { ", roles kept" };
        write!(f, "key check {}{also}{roles}", self.check)
    }
}

/// Bytes of a key, at least.
pub const LEAST_KEY: usize = 16;

/// Characters of a token: 5 bits each.
const TOKEN: usize = 12;

/// No vowels but `a` and `e`: tokens are no words.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What each pseudonym stands for: kind and original, by pseudonym.
type Originals = BTreeMap<String, (&'static str, String)>;

/// Makes pseudonyms.
pub struct Pseudonyms {
    mac: Hmac<Sha256>,
    also: Also,
    names: RwLock<Arc<Names>>,
    /// Only where the map was asked for.
    originals: Option<Mutex<Originals>>,
}

impl std::fmt::Debug for Pseudonyms {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pseudonyms({})", self.marking())
    }
}

impl Pseudonyms {
    /// With this key; `remember` keeps what each stands for.
    ///
    /// # Errors
    /// The key is shorter than [`LEAST_KEY`].
    pub fn new(key: &[u8], also: Also, remember: bool) -> Result<Self, String> {
        if key.len() < LEAST_KEY {
            return Err(format!(
                "{} bytes are no key, it needs {LEAST_KEY} at least",
                key.len()
            ));
        }
        // HMAC takes keys of any length.
        let mac = Hmac::new_from_slice(key).map_err(|error| error.to_string())?;
        Ok(Pseudonyms {
            mac,
            also,
            names: RwLock::default(),
            originals: remember.then(Mutex::default),
        })
    }

    /// What tells that pseudonyms are of this key.
    pub fn marking(&self) -> Marking {
        Marking {
            check: self.token("check", "mtaudit pseudonyms"),
            also: self.also,
        }
    }

    /// What pseudonyms stand for: pseudonym, kind and original, in the order of pseudonyms. Empty where it was not asked
    /// for.
    pub fn originals(&self) -> Vec<(String, &'static str, String)> {
        let Some(originals) = &self.originals else {
            return Vec::new();
        };
        let originals = originals.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = originals.iter();
        rows.map(|(own, (kind, original))| (own.clone(), *kind, original.clone()))
            .collect()
    }

    /// Adds what columns hold to the names that are looked for in free text.
    pub fn learn<'t>(&self, seen: impl Iterator<Item = (Holds, &'t str)>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let own = Arc::make_mut(&mut names);
        seen.for_each(|(holds, value)| own.learn(holds, value));
    }

    fn names(&self) -> Arc<Names> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.clone()
    }

    /// A text without persons.
    pub fn hide(&self, holds: Holds, text: &str) -> String {
        match holds {
            Holds::Nothing => text.to_owned(),
            Holds::Term => self.term(text),
            Holds::Server => self.servers(text),
            Holds::Address => self.address(text),
            Holds::User => self.user(text),
            Holds::Domain => self.domain(text),
            Holds::Client => self.client(text),
            Holds::Relay => self.relay(text),
            Holds::Ip => self.ip(text),
            Holds::MessageId => self.message_id(text),
            Holds::Text => self.text(text).into_owned(),
            Holds::Path => self.path(text),
        }
    }

    /// Free text in which everything is replaced that has the form of an address, of an IP address, of a subject, or
    /// that is a name known from these logs.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        text::text(self, &self.names(), text)
    }

    /// A raw line of a log: what stands before its text (time, host, program), and the text.
    pub fn line(&self, head: &str, text: &str) -> String {
        line::line(self, &self.names(), head, text)
    }

    /// A token for a text of this kind.
    fn token(&self, kind: &str, text: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let bits = bytes
            .iter()
            .take(8)
            .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
        let letter = |at: usize| ALPHABET[(bits >> (64 - 5 * (at + 1))) as usize & 31];
        (0..TOKEN).map(letter).map(char::from).collect()
    }

    /// Notes what a pseudonym stands for, and gives it back.
    fn noted(&self, kind: &'static str, pseudonym: String, original: &str) -> String {
        if let Some(originals) = &self.originals {
            let mut originals = originals.lock().unwrap_or_else(PoisonError::into_inner);
            originals
                .entry(pseudonym.clone())
                .or_insert_with(|| (kind, original.to_owned()));
        }
        pseudonym
    }

    fn address(&self, address: &str) -> String {
        match address.rsplit_once('@') {
            None => self.user(address),
            Some((local, domain)) => self.mailbox(local, "@", domain),
        }
    }

    /// Local part and domain with what stands between them.
    fn mailbox(&self, local: &str, at: &str, domain: &str) -> String {
        let shown = self.domain(domain);
        if local.is_empty() || self.keeps(local) {
            return format!("{local}{at}{shown}");
        }
        let original = format!("{}@{}", local.to_lowercase(), domain.to_lowercase());
        let own = format!("u_{}{at}{shown}", self.token("address", &original));
        self.noted("address", own, &original)
    }

    /// Whether it is a role that stays.
    fn keeps(&self, local: &str) -> bool {
        !self.also.roles && nobody::is_role(local)
    }

    fn user(&self, user: &str) -> String {
        if user.contains('@') {
            return self.address(user);
        }
        if user.is_empty() || self.keeps(user) {
            return user.to_owned();
        }
        let original = user.to_lowercase();
        let own = format!("u_{}", self.token("user", &original));
        self.noted("user", own, &original)
    }

    fn domain(&self, domain: &str) -> String {
        if let Some(inner) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
            let (tag, ip) = match inner.get(..5) {
                Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => inner.split_at(5),
                _ => ("", inner),
            };
            return match ip.parse() {
                Ok(ip) => format!("[{tag}{}]", self.known_ip(ip)),
                Err(_) => self.no_name("domain", "d-", domain),
            };
        }
        if let Ok(ip) = domain.parse() {
            return self.known_ip(ip);
        }
        if domain.is_empty() || nobody::is_no_host(domain) {
            domain.to_owned()
        } else if !is_clean(domain) {
            self.no_name("domain", "d-", domain)
        } else if self.also.domains {
            self.hidden_domain(domain)
        } else {
            literals::hide(self, domain)
        }
    }

    /// `a.b.example`: each label with those behind it, so that what ends alike still does; the last two are one.
    fn hidden_domain(&self, domain: &str) -> String {
        let lower = domain.trim_end_matches('.').to_lowercase();
        let dots = || lower.rmatch_indices('.').map(|(at, _)| at + 1).skip(1);
        let mut starts: Vec<usize> = dots().collect();
        if starts.last() != Some(&0) {
            starts.push(0);
        }
        let labels = starts.iter().rev();
        let labels = labels.map(|at| format!("d-{}.", self.token("domain", &lower[*at..])));
        let own = labels.collect::<String>() + "invalid";
        self.noted("domain", own, &lower)
    }

    /// What is no name at all.
    fn no_name(&self, kind: &'static str, prefix: &str, text: &str) -> String {
        let lower = text.to_lowercase();
        let own = format!("{prefix}{}.invalid", self.token(kind, &lower));
        self.noted(kind, own, &lower)
    }

    fn servers(&self, hosts: &str) -> String {
        let host = |host: &str| match self.also.domains && host.contains('.') && is_clean(host) {
            true => self.domain(host),
            false => self.term(host),
        };
        hosts.split(", ").map(host).collect::<Vec<_>>().join(", ")
    }

    fn client(&self, name: &str) -> String {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let bare = bare.strip_prefix("IPv6:").unwrap_or(bare);
        if let Ok(ip) = bare.parse() {
            return name.replace(bare, &self.known_ip(ip));
        }
        if name.is_empty() || nobody::is_no_host(name) {
            name.to_owned()
        } else if name.contains('@') {
            self.address(name)
        } else if !is_clean(name) {
            self.no_name("host", "h-", name)
        } else if self.also.domains {
            self.hidden_domain(name)
        } else {
            self.host(name)
        }
    }

    /// A clean host name: what stands before the registered domain is one token.
    fn host(&self, name: &str) -> String {
        let whole = name.trim_end_matches('.');
        let kept = registered(whole);
        if kept.len() == whole.len() {
            return literals::hide(self, name);
        }
        let lower = whole.to_lowercase();
        let dot = if kept.is_empty() { "" } else { "." };
        let kept = literals::hide(self, kept);
        let own = format!("h-{}{dot}{kept}", self.token("host", &lower));
        self.noted("host", own, &lower)
    }

    /// A next hop: as a client's, but a single word is our own (`local`, `virtual`), and a path is a socket's.
    fn relay(&self, name: &str) -> String {
        if name.contains('.') && !name.contains('/') || name.contains([':', '@']) {
            self.client(name)
        } else {
            self.term(name)
        }
    }

    fn ip(&self, text: &str) -> String {
        match text.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(ip) => self.known_ip(ip),
            Err(_) => self.text(text).into_owned(),
        }
    }

    fn known_ip(&self, ip: IpAddr) -> String {
        match ip {
            IpAddr::V4(ip) => self.ipv4(ip),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => format!("::ffff:{}", self.ipv4(ip)),
                None => self.ipv6(ip),
            },
        }
    }

    fn ipv4(&self, ip: Ipv4Addr) -> String {
        if is_nobodys(ip.into()) {
            return ip.to_string();
        }
        let token = self.token("ip", &ip.to_string());
        let [a, b, c, _] = ip.octets();
        let own = match self.also.networks {
            true => format!("ip4-{token}"),
            false => format!("{a}.{b}.{c}.h{token}"),
        };
        self.noted("ip", own, &ip.to_string())
    }

    fn ipv6(&self, ip: Ipv6Addr) -> String {
        if is_nobodys(ip.into()) {
            return ip.to_string();
        }
        let token = self.token("ip", &ip.to_string());
        let [a, b, c, ..] = ip.segments();
        let own = match self.also.networks {
            true => format!("ip6-{token}"),
            false => format!("{a:x}:{b:x}:{c:x}:h{token}"),
        };
        self.noted("ip", own, &ip.to_string())
    }

    /// An address inside of a name, which is no address to its reader.
    fn ip_in_name(&self, ip: IpAddr) -> String {
        let token = self.token("ip", &ip.to_string());
        self.noted("ip", format!("h-{token}"), &ip.to_string())
    }

    fn message_id(&self, id: &str) -> String {
        let bare = id.trim_start_matches('<').trim_end_matches('>');
        if bare.is_empty() {
            return id.to_owned();
        }
        let token = self.token("message-id", bare);
        let own = match bare.rsplit_once('@') {
            Some((_, domain)) => format!("m_{token}@{}", self.client(domain)),
            None => format!("m_{token}"),
        };
        self.noted("message-id", own, bare)
    }

    /// What a stranger wrote into a message.
    fn content(&self, content: &str) -> String {
        let own = format!("s_{}", self.token("content", content));
        self.noted("content", own, content)
    }

    fn term(&self, term: &str) -> String {
        text::term(self, term).into_owned()
    }

    /// Folder by folder, so that no name reaches across.
    fn path(&self, path: &str) -> String {
        let parts = path.split('/').map(|part| self.text(part));
        parts.collect::<Vec<_>>().join("/")
    }
}

/// Loopback and the unspecified address are everybody's.
fn is_nobodys(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

/// Letters, digits, hyphens, underscores and dots: a name as DNS has it.
fn is_clean(name: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().all(good) && name.chars().any(char::is_alphanumeric)
}

/// The end of a host name that somebody registered; empty for a machine's own name.
fn registered(name: &str) -> &str {
    let dots: Vec<usize> = name.rmatch_indices('.').map(|(at, _)| at).collect();
    let is = |list: &[&str], label: &str| list.iter().any(|own| own.eq_ignore_ascii_case(label));
    let Some(&last) = dots.first() else {
        return "";
    };
    let top = &name[last + 1..];
    if is(nobody::LOCAL_SUFFIXES, top) {
        return top;
    }
    let second = dots.get(1).map_or(0, |at| at + 1);
    let third = dots.get(2).map_or(0, |at| at + 1);
    if top.len() == 2 && is(nobody::REGISTRIES, &name[second..last]) {
        &name[third..]
    } else {
        &name[second..]
    }
}

#[cfg(test)]
mod tests;
