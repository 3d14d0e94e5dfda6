//! Bad input, each kind through the binary: never a panic, the loss stated, law 1 kept, the right exit code.

#![allow(clippy::unwrap_used)]

#[path = "bad_input/damage.rs"]
mod damage;
#[path = "bad_input/hostile.rs"]
mod hostile;
#[path = "bad_input/lines.rs"]
mod lines;
#[path = "bad_input/mutated.rs"]
mod mutated;
#[path = "bad_input/usage.rs"]
mod usage;

use crate::support::repo;

/// A good line for the message of this number.
fn good(n: usize) -> String {
    format!(
        "2026-11-23T10:{:02}:{:02}.000000+00:00 mx1 postfix/smtp[2103]: {:08X}: to=<user{n}@example.com>, \
         relay=mx.example.com[192.0.2.1]:25, delay=0.4, delays=0.1/0/0.2/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n",
        n / 60 % 60,
        n % 60,
        0x1000_0000 + n
    )
}

/// So many good lines.
fn log(lines: usize) -> String {
    (0..lines).map(good).collect()
}

/// A sample log.
fn sample(path: &str) -> Vec<u8> {
    std::fs::read(repo("sample-logs").join(path)).unwrap()
}
