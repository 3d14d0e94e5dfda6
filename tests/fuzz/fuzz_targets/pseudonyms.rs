//! Texts of strangers, with persons in them: nobody is left, and nothing panics.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mtaudit_fuzz::pseudonyms::{Also, Holds, Pseudonyms};

static OWN: LazyLock<[Pseudonyms; 2]> = LazyLock::new(|| {
    [false, true].map(|hidden| {
        let also = Also { domains: hidden, networks: hidden, roles: hidden };
        let own = Pseudonyms::new(&[7; 32], also, false).expect("the key is long enough");
        let names = [
            (Holds::Address, "carla.novak+x@corp.example"),
            (Holds::User, "zacharias"),
            (Holds::Client, "dyn7.isp.example"),
        ];
        own.learn(names.into_iter());
        own
    })
});

const KINDS: [Holds; 11] = [
    Holds::Term, Holds::Server, Holds::Address, Holds::User, Holds::Domain, Holds::Client, Holds::Relay, Holds::Ip,
    Holds::MessageId, Holds::Text, Holds::Path,
];

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    for own in &*OWN {
        for holds in KINDS {
            let _ = own.hide(holds, &text);
        }
        let planted = format!("{text} <alice.q7x@corp.example> zacharias [192.0.2.77] {text}");
        let shown = own.text(&planted).into_owned();
        for person in ["alice.q7x@corp.example", "192.0.2.77"] {
            let strangers = text.matches(person).count();
            assert!(shown.matches(person).count() <= strangers, "{person} in {shown:?}");
        }
    }
});
