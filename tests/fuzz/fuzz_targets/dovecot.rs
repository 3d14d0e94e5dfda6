//! What Dovecot says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mtaudit_fuzz::said(&["dovecot"], data));
