//! Headers of log lines, in whichever layout, in zones with and without gaps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mtaudit_fuzz::syslog::{self, Cache, Clock, YearRule};

fuzz_target!(|data: &[u8]| {
    let rules = [
        YearRule::From { year: 2024, month: 2, day: 29 },
        YearRule::Until { year: 2026, month: 1, day: 1 },
    ];
    for zone in [chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::Australia::Lord_Howe] {
        for rule in rules {
            let clock = Clock::new(zone, rule);
            let mut cache = Cache::default();
            for line in data.split(|byte| *byte == b'\n') {
                let first = syslog::header(line, &clock, &mut cache);
                let _ = (syslog::layout(line), syslog::first_calendar_day(line));
                let Some(first) = first else { continue };
                assert!(first.host.len() + first.program.len() + first.text.len() <= line.len());
                // What was read before decides nothing.
                let alone = syslog::header(line, &clock, &mut Cache::default());
                let alone = alone.map(|header| (header.ts, header.text.len()));
                assert_eq!(alone, Some((first.ts, first.text.len())));
            }
        }
    }
});
