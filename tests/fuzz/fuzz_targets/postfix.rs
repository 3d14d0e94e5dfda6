//! What Postfix's programs say.
#![no_main]

use libfuzzer_sys::fuzz_target;

const PROGRAMS: &[&str] = &[
    "postfix/smtpd", "postfix/cleanup", "postfix/qmgr", "postfix/smtp", "postfix/lmtp", "postfix/local", "postfix/pipe",
    "postfix/bounce", "postfix/postscreen", "postfix/dnsblog", "postfix/tlsproxy", "postfix/anvil", "postfix/pickup",
    "postfix/master", "postfix/postsuper", "postfix/submission/smtpd", "postfix/verify", "postfix/scache",
];

fuzz_target!(|data: &[u8]| mtaudit_fuzz::said(PROGRAMS, data));
