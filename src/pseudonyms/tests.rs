#![allow(clippy::unwrap_used)]
use super::*;

fn with(also: Also) -> Pseudonyms {
    Pseudonyms::new(b"sixteen bytes of key", also, false).unwrap()
}

fn kept() -> Pseudonyms {
    with(Also::default())
}

/// Asserts the form of a text: `*` stands for a token.
fn is(shown: &str, form: &str) {
    let mut rest = shown;
    for (at, piece) in form.split('*').enumerate() {
        if at > 0 {
            let token = rest.get(..TOKEN).unwrap_or_default();
            assert!(
                token.len() == TOKEN && token.bytes().all(|b| ALPHABET.contains(&b)),
                "{shown:?} is not {form:?}"
            );
            rest = &rest[TOKEN..];
        }
        assert!(rest.starts_with(piece), "{shown:?} is not {form:?}");
        rest = &rest[piece.len()..];
    }
    assert!(rest.is_empty(), "{shown:?} is not {form:?}");
}

#[test]
fn columns_have_their_forms() {
    let own = kept();
    for (holds, text, form) in [
        (Holds::Address, "alice@corp.example", "u_*@corp.example"),
        (
            Holds::Address,
            "bounce+alice=corp.example@list.example",
            "u_*@list.example",
        ),
        (Holds::Address, "\"a@b\"@corp.example", "u_*@corp.example"),
        (
            Holds::Text,
            "ldap(birnbaumer,192.0.2.7): unknown user",
            "ldap(u_*,192.0.2.h*): unknown user",
        ),
        (
            Holds::Text,
            "mbox failed for user orangina: cannot find user mandarinski.",
            "mbox failed for user u_*: cannot find user u_*.",
        ),
        (
            Holds::Text,
            "user unknown (given password: geheim123)",
            "user unknown (given password: u_*)",
        ),
        (
            Holds::Text,
            "cannot open /home/zzuser4/.forward: denied",
            "cannot open /home/u_*/.forward: denied",
        ),
        (
            Holds::Text,
            "cannot create /var/vmail/corp.example/zzuser5/new",
            "cannot create /var/vmail/corp.example/u_*/new",
        ),
        (
            Holds::Text,
            "Connection rate limit exceeded: 31 from box.isp.example[192.0.2.7] for service smtpd",
            "Connection rate limit exceeded: 31 from h-*.isp.example[192.0.2.h*] for service smtpd",
        ),
        (
            Holds::Text,
            "connect to mx.dest.example[2001:db8::7]:25: Connection refused",
            "connect to h-*.dest.example[2001:db8:0:h*]:25: Connection refused",
        ),
        (
            Holds::Text,
            "delete: box=INBOX, size=1, subject=Dear Ottokar",
            "delete: box=INBOX, size=1, subject=s_*",
        ),
        (Holds::Address, "alice@[192.0.2.7]", "u_*@[192.0.2.h*]"),
        (
            Holds::Address,
            "alice@p192-0-2-7.example",
            "u_*@ph-*.example",
        ),
        (
            Holds::Address,
            "Postmaster@corp.example",
            "Postmaster@corp.example",
        ),
        (Holds::Address, "", ""),
        (Holds::Address, "alice", "u_*"),
        (Holds::User, "CORP\\alice", "u_*"),
        (Holds::User, "root", "root"),
        (Holds::Ip, "192.0.2.7", "192.0.2.h*"),
        (Holds::Ip, "::ffff:192.0.2.7", "::ffff:192.0.2.h*"),
        (Holds::Ip, "2001:db8:1:2::7", "2001:db8:1:h*"),
        (Holds::Ip, "127.0.0.1", "127.0.0.1"),
        (Holds::Ip, "::1", "::1"),
        (
            Holds::Client,
            "p4fd2a1b3.dip0.t-ipconnect.example",
            "h-*.t-ipconnect.example",
        ),
        (Holds::Client, "host.shop.co.uk", "h-*.shop.co.uk"),
        (Holds::Client, "corp.example", "corp.example"),
        (Holds::Client, "alices-mac.local", "h-*.local"),
        (Holds::Client, "DESKTOP-ALICE", "h-*"),
        (Holds::Client, "[192.0.2.7]", "[192.0.2.h*]"),
        (Holds::Client, "unknown", "unknown"),
        (Holds::Client, "a b", "h-*.invalid"),
        (Holds::Relay, "local", "local"),
        (Holds::Relay, "mx1.dest.example", "h-*.dest.example"),
        (Holds::Domain, "corp.example", "corp.example"),
        (Holds::Domain, "x y", "d-*.invalid"),
        (
            Holds::MessageId,
            "alice.1@pc.corp.example",
            "m_*@h-*.corp.example",
        ),
        (Holds::MessageId, "odd", "m_*"),
        (Holds::Server, "mx1, mx2", "mx1, mx2"),
        (
            Holds::Term,
            "x alice@corp.example y",
            "x u_*@corp.example y",
        ),
        (
            Holds::Path,
            "logs/192.0.2.7/mail.log",
            "logs/192.0.2.h*/mail.log",
        ),
    ] {
        is(&own.hide(holds, text), form);
    }
}

#[test]
fn raw_lines_say_more_than_columns() {
    let own = kept();
    own.learn([(Holds::User, "zacharias")].into_iter());
    let head = "Nov 23 11:00:06 mx5 postfix/cleanup[12]: ";
    for (text, form) in [
        (
            "4F1: reject: header X-Note: Ottokar, come home from box.isp.example[192.0.2.7]; from=<a@b.example> to=<c@b.example>",
            "4F1: reject: header X-Note: s_* from h-*.isp.example[192.0.2.h*]; from=<u_*@b.example> to=<u_*@b.example>",
        ),
        (
            "4F1: reject: body Dear Ottokar; from=<a@b.example>",
            "4F1: reject: body s_*; from=<u_*@b.example>",
        ),
        (
            "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 x; helo=<ottokars-pc>",
            "NOQUEUE: reject: RCPT from unknown[192.0.2.h*]: 554 x; helo=<h-*>",
        ),
        (
            "4F1: to=<ottokar>, orig_to=<>, relay=local, status=sent (for zacharias)",
            "4F1: to=<u_*>, orig_to=<>, relay=local, status=sent (for u_*)",
        ),
        ("4F1: message-id=<ottokar-17>", "4F1: message-id=<m_*>"),
        (
            "4F1: message content rejected: body size; see manual",
            "4F1: message content rejected: body size; see manual",
        ),
        (
            "connect to mx.dest.example[2001:db8::7]:25: Connection timed out",
            "connect to h-*.dest.example[2001:db8:0:h*]:25: Connection timed out",
        ),
        (
            "warning: hostname ottokar.isp.example does not resolve to address 192.0.2.7: Name unknown",
            "warning: hostname h-*.isp.example does not resolve to address 192.0.2.h*: Name unknown",
        ),
        (
            "warning: 192.0.2.7: hostname ottokar.isp.example verification failed: Name unknown",
            "warning: 192.0.2.h*: hostname h-*.isp.example verification failed: Name unknown",
        ),
        (
            "warning: 192.0.2.7: address not listed for hostname ottokar.isp.example",
            "warning: 192.0.2.h*: address not listed for hostname h-*.isp.example",
        ),
    ] {
        is(&own.line(head, text), &format!("{head}{form}"));
    }
    // Columns and lines name the same.
    let line = own.line("", "from p7.isp.example[192.0.2.7]");
    let name = own.hide(Holds::Client, "p7.isp.example");
    assert!(line.starts_with(&format!("from {name}[")), "{line}");
    let relay = own.line("", "relay=filter[127.0.0.1]:10024");
    assert_eq!(relay, "relay=filter[127.0.0.1]:10024");
    // The host goes only with its domain.
    let all = with(Also {
        domains: true,
        ..Also::default()
    });
    is(
        &all.line(
            "Nov 23 11:00:06 mx5.corp.example postfix/qmgr[1]: ",
            "removed",
        ),
        "Nov 23 11:00:06 d-*.d-*.invalid postfix/qmgr[1]: removed",
    );
}

#[test]
fn roles_stay_by_choice() {
    let hiding = with(Also {
        roles: true,
        ..Also::default()
    });
    is(
        &hiding.hide(Holds::Address, "postmaster@corp.example"),
        "u_*@corp.example",
    );
    is(&hiding.hide(Holds::Address, ""), "");
    let said = "no such user postmaster@corp.example: ask the postmaster";
    is(
        &hiding.hide(Holds::Text, said),
        "no such user u_*@corp.example: ask the postmaster",
    );
    assert_eq!(with(Also::default()).hide(Holds::Text, said), said);
}

#[test]
fn domains_and_networks_are_hidden_by_choice() {
    let own = with(Also {
        domains: true,
        networks: true,
        ..Also::default()
    });
    for (holds, text, form) in [
        (Holds::Address, "alice@corp.example", "u_*@d-*.invalid"),
        (Holds::Client, "mx1.corp.example", "d-*.d-*.invalid"),
        (Holds::Ip, "192.0.2.7", "ip4-*"),
        (Holds::Ip, "2001:db8::7", "ip6-*"),
        (Holds::Server, "mx1", "mx1"),
        (Holds::Server, "mx1.corp.example", "d-*.d-*.invalid"),
        (
            Holds::Text,
            "see www.corp.example, main.cf",
            "see d-*.d-*.invalid, main.cf",
        ),
    ] {
        is(&own.hide(holds, text), form);
    }
    // What ends alike still does.
    let (host, domain) = (own.client("mx1.corp.example"), own.domain("Corp.Example"));
    assert!(host.ends_with(&domain), "{host} {domain}");
}

#[test]
fn the_same_person_is_the_same_everywhere_and_two_are_two() {
    let own = kept();
    let alice = own.hide(Holds::Address, "alice@corp.example");
    assert_eq!(own.hide(Holds::User, "Alice@corp.example"), alice);
    assert_eq!(own.text("to=<ALICE@corp.example>"), format!("to=<{alice}>"));
    assert_ne!(
        own.hide(Holds::Address, "alice@dest.example")[..14],
        alice[..14]
    );
    assert_eq!(kept().hide(Holds::Address, "alice@corp.example"), alice);
    let other = Pseudonyms::new(b"another key of mine", Also::default(), false).unwrap();
    assert_ne!(other.hide(Holds::Address, "alice@corp.example"), alice);
    assert_ne!(other.marking(), own.marking());
    let mapped = own.hide(Holds::Ip, "::ffff:192.0.2.7");
    assert_eq!(mapped[7..], own.hide(Holds::Ip, "192.0.2.7"));
}

#[test]
fn free_text_is_scanned_for_forms() {
    let own = kept();
    for (text, form) in [
        (
            "550 5.1.1 <alice@corp.example>: unknown",
            "550 5.1.1 <u_*@corp.example>: unknown",
        ),
        ("from=<a b@corp.example> x", "from=<u_*@corp.example> x"),
        ("<<script>x</script>@corp.example>", "<u_*@corp.example>"),
        ("\"john doe\"@corp.example.", "u_*@corp.example."),
        (
            "id=alice%40corp.example;ip=192.0.2.7",
            "id=u_*%40corp.example;ip=192.0.2.h*",
        ),
        ("to=alice@corp.example, x", "to=u_*@corp.example, x"),
        ("prvs=1=alice@corp.example", "u_*@corp.example"),
        ("a@b@corp.example", "u_*@corp.example"),
        ("alice@ said", "u_*@ said"),
        ("host x[192.0.2.7]:25 said", "host h-*[192.0.2.h*]:25 said"),
        ("[IPv6:2001:db8::7]", "[IPv6:2001:db8:0:h*]"),
        (
            "unknown[2001:db8:1::7]: lost",
            "unknown[2001:db8:1:h*]: lost",
        ),
        ("7.2.0.192.zen.spamhaus.org", "h-*.zen.spamhaus.org"),
        ("p192-0-2-7.isp.example", "ph-*.isp.example"),
        ("from 2001-db8-0-0--7.isp.example", "from h-*.isp.example"),
        (
            "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "h-*.ip6.arpa",
        ),
        ("user=<alice>, method=PLAIN", "user=<u_*>, method=PLAIN"),
        ("unknown user: \"alice\"", "unknown user: \"u_*\""),
        (
            "imap(alice)<12><x>: Logged out",
            "imap(u_*)<12><x>: Logged out",
        ),
        (
            "auth(alice,192.0.2.7): failed",
            "auth(u_*,192.0.2.h*): failed",
        ),
        (
            "auth(bob,192.0.2.7,<2IWUQfZgUU3LAHH5>)",
            "auth(u_*,192.0.2.h*,<s_*>)",
        ),
        ("header Subject: for alice", "header Subject: s_*"),
        (
            "warning: Subject: for alice from x[192.0.2.7]; from=<a@b.example>",
            "warning: Subject: s_* from h-*[192.0.2.h*]; from=<u_*@b.example>",
        ),
        (
            "250 2.0.0 Ok: queued as 7DD45EDA",
            "250 2.0.0 Ok: queued as 7DD45EDA",
        ),
        (
            "10:11:12 to 127.0.0.1 via Mail::SpamAssassin",
            "10:11:12 to 127.0.0.1 via Mail::SpamAssassin",
        ),
    ] {
        is(&own.text(text), form);
    }
}

#[test]
fn known_names_are_found_as_words() {
    let own = kept();
    let seen = [
        (Holds::Address, "carla.novak+news@corp.example"),
        (Holds::User, "CORP\\bob"),
        (Holds::User, "user"),
        (Holds::Client, "dyn7.isp.example"),
        (Holds::Client, "ylmf-pc"),
        (Holds::Domain, "bob.example"),
        (Holds::Address, "jürgen@corp.example"),
    ];
    own.learn(seen.into_iter());
    for (text, form) in [
        ("mailbox of Carla.Novak is full", "mailbox of u_* is full"),
        ("/var/mail/bob: denied", "/var/mail/u_*: denied"),
        ("user unknown", "user unknown"),
        ("bobby is not bob.", "bobby is not u_*."),
        ("at bob.example", "at bob.example"),
        ("from dyn7.isp.example:", "from h-*.isp.example:"),
        (
            "<ylmf-pc>: Helo command rejected",
            "<h-*>: Helo command rejected",
        ),
        ("für Jürgen", "für u_*"),
        ("5.1.1 carla", "5.1.1 carla"),
    ] {
        is(&own.text(text), form);
    }
}

/// Signs that open something which never ends.
#[test]
fn long_texts_take_no_longer_than_they_are() {
    let own = kept();
    own.learn([(Holds::User, "a.a.a.a.a.a.a.a.a.a.a.b")].into_iter());
    let begun = std::time::Instant::now();
    for part in [
        "<", "user=<", "@", "a@", "\"@", "a.", "1.1.1.", "::", "header ", "=40", "[", "subject:",
        "from=<", "x[", ": body ",
    ] {
        let text = part.repeat((64 << 10) / part.len());
        own.text(&text);
        own.line("", &text);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn short_keys_are_refused() {
    assert!(Pseudonyms::new(b"fifteen bytes..", Also::default(), false).is_err());
    assert!(Pseudonyms::new(&[7; LEAST_KEY], Also::default(), false).is_ok());
}

#[test]
fn originals_are_kept_only_when_asked_for() {
    let own = Pseudonyms::new(&[7; 32], Also::default(), true).unwrap();
    let shown = own.address("alice@corp.example");
    let rows = own.originals();
    assert!(rows.contains(&(shown, "address", "alice@corp.example".into())));
    let own = Pseudonyms::new(&[7; 32], Also::default(), false).unwrap();
    own.address("alice@corp.example");
    assert!(own.originals().is_empty());
}

proptest::proptest! {
    /// No text makes it panic, and addresses in it are gone.
    #[test]
    fn any_text(text in "\\PC{0,60}", noise in "[ -~]{0,12}", local in "[a-z]{6,12}") {
        let own = kept();
        own.learn([(Holds::User, noise.as_str())].into_iter());
        for holds in [Holds::Term, Holds::Server, Holds::Address, Holds::User, Holds::Domain, Holds::Client,
            Holds::Relay, Holds::Ip, Holds::MessageId, Holds::Text, Holds::Path] {
            own.hide(holds, &text);
            own.hide(holds, &noise);
        }
        let address = format!("{local}q7@corp.example");
        let whole = format!("{text} <{address}> {noise}");
        for said in [own.text(&whole).into_owned(), own.line(&noise, &whole)] {
            proptest::prop_assert!(!said.contains(&address), "{}", said);
        }
    }
}

#[test]
fn names_of_several_words_are_hidden_as_a_whole() {
    let own = kept();
    own.learn([(Holds::Address, "\"john doe\"@dest.example")].into_iter());
    is(
        &own.text("550 no such user John Doe here; no user john"),
        "550 no such user u_* here; no user u_*",
    );
}
