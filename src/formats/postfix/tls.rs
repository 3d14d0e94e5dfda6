//! TLS handshakes of both directions.

use super::delivery;
use super::event;
use super::fields::{self, find, peer, word};
use crate::event::{Event, Parsed, Peer};

/// Lines that begin with a TLS word, and no queue ID.
pub(super) fn line(text: &[u8]) -> Option<Parsed<'_>> {
    if let Some(rest) = text.strip_prefix(b"SSL_accept error from ") {
        let (client, rest) = peer(rest)?;
        let text = rest.strip_prefix(b": ").unwrap_or(rest);
        return event(Event::TlsFromFailed { client, text });
    }
    if let Some(rest) = text.strip_prefix(b"TLS handshake failed for ") {
        let (client, _) = peer(&rest[find(rest, b"peer=")? + 5..])?;
        return event(Event::TlsFromFailed { client, text });
    }
    if text.starts_with(b"SSL_connect error to ") || text.starts_with(b"SASL ") {
        return delivery::trouble(b"", text);
    }
    established(text)
}

/// `Untrusted TLS connection established to name[ip]:25: TLSv1.3 with cipher X (256/256 bits) …`; before
/// Postfix 2.6 without the word of trust, since 3.4 also `reused`.
pub(super) fn established(text: &[u8]) -> Option<Parsed<'_>> {
    const SHAPE: &[u8] = b"TLS connection ";
    let (trust, rest) = match text.strip_prefix(SHAPE) {
        Some(rest) => (&b""[..], rest),
        None => {
            let (trust, rest) = word(fields::head(text, 64));
            (
                trust,
                text[trust.len()..]
                    .get(1..)?
                    .strip_prefix(SHAPE)
                    .filter(|_| !rest.is_empty())?,
            )
        }
    };
    let rest = rest
        .strip_prefix(b"established ")
        .or_else(|| rest.strip_prefix(b"reused "))?;
    if let Some(rest) = rest.strip_prefix(b"from ") {
        let (client, rest) = named_peer(rest);
        let (version, cipher) = version_and_cipher(rest);
        return event(Event::TlsFrom {
            client,
            version,
            cipher,
        });
    }
    let (relay, rest) = named_peer(rest.strip_prefix(b"to ")?);
    let (version, cipher) = version_and_cipher(rest);
    event(Event::TlsTo {
        relay,
        trust,
        version,
        cipher,
    })
}

/// A peer; before Postfix 2.5 only its name.
fn named_peer(text: &[u8]) -> (Peer<'_>, &[u8]) {
    peer(text).unwrap_or_else(|| {
        let end = find(text, b": ").unwrap_or(text.len());
        (
            Peer {
                name: &text[..end],
                ..Peer::default()
            },
            &text[end..],
        )
    })
}

/// `: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) …`.
fn version_and_cipher(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.strip_prefix(b": ").unwrap_or(text);
    let (version, rest) = word(text);
    let cipher = rest.strip_prefix(b" with cipher ").unwrap_or_default();
    (version, word(cipher).0)
}
