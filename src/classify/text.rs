//! A reply made ready for matching: out of its frame, without what strangers wrote.
//!
//! Addresses, host names, quoted words and the paths of URLs are chosen by senders, recipients and
//! clients; `<mailbox-full@example.com>` must not make a mailbox full. They are cut out, text is lower
//! case, blanks are single, and the codes that repeat on each line of a reply are dropped, so that
//! patterns need not care about where a provider broke its lines.

use memchr::memmem;

use super::{At, Question};

/// Bytes of a reply that are looked at; Postfix cuts its log lines at about as many.
pub const LIMIT: usize = 2048;
/// Longest text in angle brackets or quotes that is taken for one: an SMTP path is at most 256.
const QUOTED: usize = 320;
/// Between a host and its answer to a command.
const SAID: &[u8] = b" said: ";
/// Between a host and the greeting with which it turned us away.
const REFUSED: &[u8] = b" refused to talk to me: ";

/// Whose words a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// Another server, about our delivery.
    Remote,
    /// A server on this machine, about our delivery: content filter, mailbox server.
    Near,
    /// Our delivery agent itself.
    Agent,
    /// Our server, about a client.
    Server,
}

/// Which command a remote server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The connection itself: the greeting, or `HELO`. All that the server knows is the client.
    Connect,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`, `BDAT` and the end of the message.
    Data,
}

/// A reply out of its frame.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The words, code first if they have one.
    pub text: &'a [u8],
    /// Whose words.
    pub speaker: Speaker,
    /// In reply to which command; `None` when the frame does not say.
    pub stage: Option<Stage>,
    /// Basic code, 0 for none.
    pub code: u16,
    /// Enhanced code, empty for none.
    pub dsn: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Takes the frame off and settles the codes: those of the question, else those in the text.
    pub fn of(question: &Question<'a>) -> Reply<'a> {
        let text = &question.reply[..question.reply.len().min(LIMIT)];
        let mut reply = match question.at {
            At::Rejection => Reply::spoken(text, Speaker::Server, None),
            At::Delivery => delivery(text),
        };
        let (code, dsn) = codes(reply.text);
        reply.code = if question.reply_code == 0 {
            code
        } else {
            question.reply_code
        };
        reply.dsn = if question.dsn.is_empty() {
            dsn
        } else {
            question.dsn
        };
        reply
    }

    fn spoken(text: &'a [u8], speaker: Speaker, stage: Option<Stage>) -> Reply<'a> {
        Reply {
            text,
            speaker,
            stage,
            code: 0,
            dsn: b"",
        }
    }
}

/// `host NAME[IP] said: …`, `host NAME[IP] refused to talk to me: …`, OpenSMTPD's LMTP agent, or the
/// agent's own words.
fn delivery(text: &[u8]) -> Reply<'_> {
    let text = text
        .strip_prefix(b"delivery temporarily suspended: ")
        .unwrap_or(text);
    if text.starts_with(b"Error (") {
        let word = b"LMTP server error: ";
        if let Some(at) = memmem::find(&text[..text.len().min(QUOTED)], word) {
            return answered(&text[at + word.len()..], Speaker::Near);
        }
    }
    if text.starts_with(b"host ") {
        let head = &text[..text.len().min(QUOTED)];
        if let Some(at) = memmem::find(head, SAID) {
            return answered(&text[at + SAID.len()..], hop(&text[..at]));
        }
        if let Some(at) = memmem::find(head, REFUSED) {
            let words = &text[at + REFUSED.len()..];
            return Reply::spoken(words, hop(&text[..at]), Some(Stage::Connect));
        }
    }
    let speaker = if codes(text).0 == 0 {
        Speaker::Agent
    } else {
        Speaker::Remote
    };
    Reply::spoken(text, speaker, None)
}

/// The words of a host, without `(in reply to … command)`.
fn answered(text: &[u8], speaker: Speaker) -> Reply<'_> {
    let Some(at) = memmem::rfind(text, b" (in reply to ") else {
        return Reply::spoken(text, speaker, None);
    };
    let command = &text[at + b" (in reply to ".len()..];
    let stage = [
        (&b"MAIL"[..], Stage::Mail),
        (b"RCPT", Stage::Rcpt),
        (b"DATA", Stage::Data),
        (b"BDAT", Stage::Data),
        (b"end of DATA", Stage::Data),
    ]
    .into_iter()
    .find_map(|(word, stage)| command.starts_with(word).then_some(stage));
    Reply::spoken(&text[..at], speaker, stage)
}

/// A loopback address or a socket is a hop on this machine.
fn hop(host: &[u8]) -> Speaker {
    let address = memchr::memchr(b'[', host).map_or(&b""[..], |at| &host[at + 1..]);
    let near = address.starts_with(b"127.")
        || address.starts_with(b"::1]")
        || memchr::memchr(b'/', address).is_some();
    if near { Speaker::Near } else { Speaker::Remote }
}

/// Basic and enhanced code at the start of a text: `550-5.1.1 …`, `550 …`, `5.7.1 …`.
fn codes(text: &[u8]) -> (u16, &[u8]) {
    match basic(text) {
        Some(code) => (code, enhanced(text.get(4..).unwrap_or_default())),
        None => (0, enhanced(text)),
    }
}

/// Three digits, 200 to 599, and no more.
fn basic(text: &[u8]) -> Option<u16> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = text else {
        return None;
    };
    let ends = matches!(rest.first(), None | Some(b' ' | b'-'));
    ends.then(|| u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
}

/// `5.7.1` at the start of a text, up to its last digit (RFC 3463).
fn enhanced(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit() && *b != b'.')
        .unwrap_or(text.len());
    let code = &text[..end];
    let dots = code.iter().filter(|b| **b == b'.').count();
    let good = dots == 2 && end <= 9 && matches!(code, [b'2' | b'4' | b'5', b'.', .., b'0'..=b'9']);
    if good { code } else { b"" }
}

/// Normalised text on the stack.
pub struct Plain {
    bytes: [u8; LIMIT],
    len: usize,
}

impl Plain {
    /// See the module's head.
    pub fn of(reply: &Reply) -> Plain {
        let mut plain = Plain {
            bytes: [0; LIMIT],
            len: 0,
        };
        let mut rest = reply.text;
        let code = rest
            .get(..3)
            .filter(|_| basic(rest).is_some())
            .unwrap_or_default();
        while let Some(&byte) = rest.first() {
            rest = plain.step(byte, rest, code);
        }
        plain
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Takes the next token off `rest`.
    fn step<'a>(&mut self, byte: u8, rest: &'a [u8], code: &[u8]) -> &'a [u8] {
        if let Some(skip) = blank(rest) {
            self.blank();
            return &rest[skip..];
        }
        let used = match byte {
            b'<' => self.bracketed(rest),
            b'"' if self.quotable() => self.quoted(rest),
            _ if is_word(byte) => return self.word(rest, code),
            _ => None,
        };
        used.map_or_else(
            || {
                self.push(byte);
                &rest[1..]
            },
            |used| &rest[used..],
        )
    }

    fn push(&mut self, byte: u8) {
        // The output is never longer than the input, which is at most LIMIT; `get_mut` spares the proof.
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte.to_ascii_lowercase();
            self.len += 1;
        }
    }

    /// A run of bytes, in lower case.
    fn extend(&mut self, run: &[u8]) {
        if let Some(slot) = self.bytes.get_mut(self.len..self.len + run.len()) {
            slot.copy_from_slice(run);
            slot.make_ascii_lowercase();
            self.len += run.len();
        }
    }

    fn blank(&mut self) {
        if self.len > 0 && self.bytes[self.len - 1] != b' ' {
            self.push(b' ');
        }
    }

    /// `<anything>` becomes `<>`. A quoted local part may hold a `>`.
    fn bracketed(&mut self, rest: &[u8]) -> Option<usize> {
        let window = &rest[..rest.len().min(QUOTED)];
        let from = match window.get(1) {
            Some(b'"') => window[2..]
                .iter()
                .position(|b| *b == b'"')
                .map_or(1, |at| at + 2),
            _ => 1,
        };
        let end = memchr::memchr(b'>', &window[from..]).map(|at| from + at)?;
        self.push(b'<');
        self.push(b'>');
        Some(end + 1)
    }

    /// `"anything"` becomes `""`.
    fn quoted(&mut self, rest: &[u8]) -> Option<usize> {
        let window = &rest[1..rest.len().min(QUOTED)];
        let end = memchr::memchr(b'"', window)?;
        self.push(b'"');
        self.push(b'"');
        Some(end + 2)
    }

    /// A quotation that opens the reply is the server's own sentence; later ones quote somebody.
    fn quotable(&self) -> bool {
        self.len > 0
    }

    /// A run of word bytes: a code, a URL, a host name, an address, or a word.
    fn word<'a>(&mut self, rest: &'a [u8], code: &[u8]) -> &'a [u8] {
        if let Some(skip) = repeated_code(rest, code) {
            self.blank();
            return &rest[skip..];
        }
        let end = rest
            .iter()
            .position(|b| !is_token(*b))
            .unwrap_or(rest.len());
        let token = &rest[..end];
        if rest[end..].starts_with(b"://") {
            return self.url(&rest[end + 3..]);
        }
        if memchr::memchr(b'@', token).is_some() {
            self.push(b'@');
        } else if !is_host(token) {
            self.extend(token);
        }
        &rest[end..]
    }

    /// A URL keeps its host: `openspf.org` tells, `?id=virus@example.com` must not.
    fn url<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.extend(b"url:");
        let host = rest
            .iter()
            .position(|b| !is_token(*b) || *b == b'/')
            .unwrap_or(rest.len());
        self.extend(&rest[..host]);
        let end = rest
            .iter()
            .position(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b')' | b'>' | b'"' | b'\\'));
        &rest[end.unwrap_or(rest.len())..]
    }
}

/// Length of a blank: white space, control characters, and `\n` or `\r` spelled out.
fn blank(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\\', b'n' | b'r', ..] => Some(2),
        [byte, ..] if KIND[usize::from(*byte)] & BLANK != 0 => Some(1),
        _ => None,
    }
}

/// Length of a line's repeated `550-5.7.1 `, or of the first one.
fn repeated_code(rest: &[u8], code: &[u8]) -> Option<usize> {
    if code.is_empty() {
        let dsn = enhanced(rest).len();
        return (dsn > 0).then_some(dsn);
    }
    rest.strip_prefix(code).filter(|_| basic(rest).is_some())?;
    let after = rest.get(4..).unwrap_or_default();
    Some((4 + enhanced(after).len()).min(rest.len()))
}

const WORD: u8 = 1;
const TOKEN: u8 = 2;
const BLANK: u8 = 4;

/// What each byte is: of a word; of an address or host name inside a sentence; white or control.
static KIND: [u8; 256] = {
    let mut kind = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        kind[byte] = match byte as u8 {
            0..=b' ' | 127 => BLANK,
            b if b.is_ascii_alphanumeric() || b >= 0x80 => WORD | TOKEN,
            b'.' | b'-' | b'_' | b'@' | b'+' | b'=' | b'%' | b'~' | b'#' | b'&' | b'!' | b'/'
            | b'\'' => TOKEN,
            _ => 0,
        };
        byte += 1;
    }
    kind
};

/// Letters, digits, and whatever is not ASCII.
pub fn is_word(byte: u8) -> bool {
    KIND[usize::from(byte)] & WORD != 0
}

fn is_token(byte: u8) -> bool {
    KIND[usize::from(byte)] & TOKEN != 0
}

/// First labels of dotted words that are Microsoft's or Mimecast's own, not names of hosts.
pub const OWN_WORDS: [&str; 5] = [
    "RESOLVER.",
    "STOREDRV.",
    "SMTPSEND.",
    "ROUTING.",
    "MCSpamSignature.",
];

/// Two or more labels of letters, digits, hyphens: `mx1.virus.example`, `1.2.3.4`, `www.virus.example/x`.
fn is_host(token: &[u8]) -> bool {
    if memchr::memchr(b'.', token).is_none() {
        return false;
    }
    let name = token.split(|b| *b == b'/').next().unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    let label = |l: &[u8]| {
        !l.is_empty()
            && l.iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    memchr::memchr(b'.', name).is_some()
        && !OWN_WORDS.iter().any(|w| name.starts_with(w.as_bytes()))
        && name.split(|b| *b == b'.').all(label)
}
