//! What holds for any bytes: no panic, and time in proportion to length.

use super::parse_bytes;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Lines of every family, to be damaged.
const SEEDS: [&str; 16] = [
    "8D1E2F3A: to=<a@example.com>, orig_to=<b>, relay=mx.example.com[192.0.2.1]:25, conn_use=2, delay=1.9, delays=0.05/0/1.1/0.71, dsn=5.7.1, status=bounced (host mx.example.com[192.0.2.1] said: 550-5.7.1 no (in reply to end of DATA command))",
    "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1 <a@b>: Relay access denied; from=<x@y> to=<a@b> proto=ESMTP helo=<[192.0.2.1]>",
    "8D1E2F3A: reject: header Subject: x from mx[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<mx>: 5.7.1 no",
    "8D1E2F3A: client=a.example[192.0.2.1], sasl_method=PLAIN, sasl_username=a@b, orig_queue_id=4F, orig_client=c[192.0.2.2]",
    "8D1E2F3A: from=<a@b>, size=1, nrcpt=1 (queue active)",
    "8D1E2F3A: message-id=<a@b>",
    "8D1E2F3A: uid=0 from=<root> orig_id=4F3A2B1C",
    "8D1E2F3A: sender non-delivery notification: 9E1F2A3B",
    "disconnect from a[192.0.2.1] ehlo=1 auth=0/1 quit=1 commands=2/3",
    "lost connection after DATA (0 bytes) from a[192.0.2.1]",
    "warning: a[192.0.2.1]: SASL LOGIN authentication failed: no, sasl_username=x",
    "warning: hostname a does not resolve to address 192.0.2.1: no",
    "PREGREET 6 after 1.2 from [192.0.2.1]:43421: EHLO x\\r\\n",
    "Untrusted TLS connection established to a[192.0.2.1]:25: TLSv1.3 with cipher X (256/256 bits)",
    "imap-login: Disconnected (auth failed, 3 attempts in 12 secs): user=<a>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2",
    "auth-worker(5): conn unix:auth-worker (pid=2,uid=9): auth-worker<5>: pam(w,192.0.2.1): unknown user",
];
const PROGRAMS: [&[u8]; 6] = [
    b"postfix",
    b"postfix/smtpd",
    b"postfix/postsuper",
    b"postfix/tlsproxy",
    b"dovecot",
    b"dovecot/auth",
];

fn all_programs(text: &[u8]) {
    for program in PROGRAMS {
        let _ = parse_bytes(program, text);
    }
}

proptest! {
    #[test]
    fn damaged_lines_do_not_panic(
        seed in 0..SEEDS.len(),
        other in 0..SEEDS.len(),
        cut in 0usize..200,
        splice in 0usize..200,
        flips in prop::collection::vec((0usize..300, any::<u8>()), 0..6),
    ) {
        let mut line = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in flips {
            if let Some(b) = line.get_mut(at) {
                *b = byte;
            }
        }
        let tail = SEEDS[other].as_bytes();
        let spliced = [&line[..cut.min(line.len())], &tail[splice.min(tail.len())..]].concat();
        all_programs(&line);
        all_programs(&line[..cut.min(line.len())]);
        all_programs(&spliced);
    }

    #[test]
    fn any_bytes_do_not_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
        all_programs(&line);
    }
}

#[test]
fn every_cut_of_every_seed_is_read() {
    for seed in SEEDS {
        for end in 0..=seed.len() {
            all_programs(&seed.as_bytes()[..end]);
        }
    }
}

#[test]
fn long_lines_take_time_in_proportion() {
    let repeated = [
        ">, ",
        "; from=<",
        "; from=<a> to=<b> proto=ESMTP helo=<c",
        " from ",
        "<",
        ": ",
        "[",
        "](",
        "(a,1.1.1.1",
        ", sasl_",
        ", rip=",
        "\"\\",
        "queued as ",
        " from a[192.0.2.1]; from=<a>",
        "; proto=",
        "> ",
        "(auth failed, ",
        ",",
        ">                    ",
    ];
    let heads = SEEDS.iter().flat_map(|seed| {
        [0, 12, 30, seed.len() / 2, seed.len()].map(|end| &seed[..end.min(seed.len())])
    });
    for head in heads {
        for part in repeated {
            let mut line = head.as_bytes().to_vec();
            line.extend(part.as_bytes().iter().cycle().take(64 << 10));
            // A quadratic scan of 64 KiB takes seconds in a test build; a busy machine may take one.
            let quick = (0..3).any(|_| {
                let start = Instant::now();
                all_programs(&line);
                start.elapsed() < Duration::from_millis(300)
            });
            assert!(quick, "{head} + {part} …");
        }
    }
}
