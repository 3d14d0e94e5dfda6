//! A file of arbitrary bytes, found, recognised and decoded: its lines are counted from 1, and come whole.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mtaudit_fuzz::source;

/// One file, written again for each input.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let name = format!("mtaudit-fuzz-{}", std::process::id());
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { memory } else { std::env::temp_dir() };
    dir.join(name)
});

fuzz_target!(|data: &[u8]| {
    std::fs::write(&*FILE, data).expect("the folder for temporary files can be written");
    for found in source::discover(&[FILE.clone()]) {
        let (mut next, mut bytes) = (1, 0u64);
        let outcome = source::read(&found, 4096, &|_| (), &mut |block| {
            assert!(!block.bytes.is_empty());
            assert_eq!(block.first_line, next);
            let ends = block.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let open = u64::from(block.bytes.last() != Some(&b'\n') && !block.cut);
            next += if block.cut { 1 } else { ends + open };
            bytes += block.bytes.len() as u64;
        });
        assert_eq!(outcome.lines, next - 1);
        assert!(bytes <= outcome.decoded_bytes);
    }
});
