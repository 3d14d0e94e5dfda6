//! One table per family: real shapes, made-up names. The traps of the field are among them.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::event::{
    Action, Attempt, Commands, End, Kind, Login, Notice, Peer, Rejection, Severity, Stage, Status,
};

fn parse<'a>(program: &'a str, text: &'a str) -> Parsed<'a> {
    let (program, text) = (program.as_bytes(), text.as_bytes());
    Postfix.parse(&Header {
        ts: 0,
        host: b"mx1",
        program,
        pid: 1,
        text,
    })
}

fn event_of(text: &str) -> Event<'_> {
    match parse("postfix", text) {
        Parsed::Event(event) => event,
        other => panic!("{text}: {other:?}"),
    }
}

fn at<'a>(name: &'a str, ip: &'a str, port: u16) -> Peer<'a> {
    Peer {
        name: name.as_bytes(),
        ip: ip.as_bytes(),
        port,
        socket: b"",
    }
}

fn attempted(text: &str) -> Attempt<'_> {
    match event_of(text) {
        Event::Attempted(attempt) => attempt,
        other => panic!("{text}: {other:?}"),
    }
}

fn rejected(text: &str) -> Rejection<'_> {
    match event_of(text) {
        Event::Rejected(rejection) => rejection,
        other => panic!("{text}: {other:?}"),
    }
}

fn login(text: &str) -> Login<'_> {
    match event_of(text) {
        Event::LoggedIn(login) => login,
        other => panic!("{text}: {other:?}"),
    }
}

fn check(table: &[(&str, Event<'_>)]) {
    for (text, expected) in table {
        assert_eq!(&event_of(text), expected, "{text}");
    }
}

#[test]
fn programs() {
    for name in [
        "postfix",
        "postfix/smtpd",
        "postfix/submission/smtpd",
        "postfix-out/10025/smtpd",
        "postfix-192.0.2.30/smtp",
        "postfix-smo/submission/smtpd",
        "postfix/postfix-script",
    ] {
        assert!(Postfix.claims(name.as_bytes()), "{name}");
    }
    for name in ["postfixadmin", "postgrey", "smtpd", "dovecot"] {
        assert!(!Postfix.claims(name.as_bytes()), "{name}");
    }
    assert_eq!(
        parse("postfix/policy-spf", "x"),
        Parsed::Ignored("policy service")
    );
    assert_eq!(
        parse("postfix-policyd", "x"),
        Parsed::Ignored("policy service")
    );
}

#[test]
fn smtpd_sessions() {
    let client = at("a.example", "192.0.2.7", 0);
    let commands = Commands {
        ok: 3,
        total: 4,
        auth_ok: 0,
        auth_total: 1,
        present: true,
        ..Commands::default()
    };
    check(&[
        (
            "connect from a.example[192.0.2.7]",
            Event::Connect { client },
        ),
        (
            "connect from unknown[unknown]",
            Event::Connect {
                client: at("unknown", "", 0),
            },
        ),
        (
            "connect from a[2001:db8::1]:4711",
            Event::Connect {
                client: at("a", "2001:db8::1", 4711),
            },
        ),
        (
            "disconnect from a.example[192.0.2.7] ehlo=1 auth=0/1 rset=1 quit=1 commands=3/4",
            Event::Disconnect { client, commands },
        ),
        (
            "disconnect from a.example[192.0.2.7]",
            Event::Disconnect {
                client,
                commands: Commands::default(),
            },
        ),
        (
            "lost connection after DATA (1983 bytes) from a.example[192.0.2.7]",
            Event::SessionEnd {
                client,
                end: End::Lost,
                stage: b"DATA",
            },
        ),
        (
            "timeout after END-OF-MESSAGE from a.example[192.0.2.7]",
            Event::SessionEnd {
                client,
                end: End::Timeout,
                stage: b"END-OF-MESSAGE",
            },
        ),
        (
            "too many errors after UNKNOWN from a.example[192.0.2.7]",
            Event::SessionEnd {
                client,
                end: End::Error,
                stage: b"UNKNOWN",
            },
        ),
        (
            "SSL_accept error from a.example[192.0.2.7]: -1",
            Event::TlsFromFailed {
                client,
                text: b"-1",
            },
        ),
        (
            "Anonymous TLS connection established from a.example[192.0.2.7]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519",
            Event::TlsFrom {
                client,
                version: b"TLSv1.3",
                cipher: b"TLS_AES_256_GCM_SHA384",
            },
        ),
    ]);
}

#[test]
fn smtpd_client_fields_come_in_any_order() {
    let text = "8D1E2F3A: client=a.example[192.0.2.7]:4711, sasl_sender=<s@example.com>, sasl_method=PLAIN, \
                sasl_username=anna, or not, orig_queue_id=4F1E2D3C, orig_client=b.example[192.0.2.8]";
    check(&[(
        text,
        Event::Received {
            queue_id: b"8D1E2F3A",
            client: at("a.example", "192.0.2.7", 4711),
            auth_method: b"PLAIN",
            auth_user: b"anna, or not",
            auth_sender: b"s@example.com",
            orig_queue_id: b"4F1E2D3C",
            orig_client: at("b.example", "192.0.2.8", 0),
        },
    )]);
}

#[test]
fn logins() {
    let failed = login(
        "warning: a[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=anna@example.com",
    );
    assert_eq!(
        (failed.method, failed.user),
        (&b"PLAIN"[..], &b"anna@example.com"[..])
    );
    assert_eq!(failed.failure, b"(reason unavailable)");
    assert!(failed.credentials && !failed.success && failed.attempts == 1);
    for (reason, credentials) in [
        ("UGFzc3dvcmQ6", true),
        ("", true),
        ("Invalid authentication mechanism", true),
        ("Connection lost to authentication server", false),
        ("Temporary authentication failure", false),
        ("generic failure", false),
    ] {
        let text =
            format!("warning: a[192.0.2.7]:55729: SASL login authentication failed: {reason}");
        let failed = login(&text);
        assert_eq!(
            (failed.credentials, failed.failure),
            (credentials, reason.as_bytes()),
            "{text}"
        );
        assert_eq!((failed.user, failed.client.port), (&b""[..], 55729));
    }
    assert!(login("NOQUEUE: client=a[192.0.2.7], sasl_method=PLAIN, sasl_username=anna").success);
    assert!(matches!(
        parse("postfix", "NOQUEUE: client=a[192.0.2.7]"),
        Parsed::Ignored(_)
    ));
}

#[test]
fn refusals_of_every_stage() {
    for (word, stage) in [
        ("CONNECT", Stage::Connect),
        ("HELO", Stage::Helo),
        ("EHLO", Stage::Helo),
        ("AUTH", Stage::Auth),
        ("MAIL", Stage::Mail),
        ("RCPT", Stage::Rcpt),
        ("DATA", Stage::Data),
        ("BDAT", Stage::Data),
        ("END-OF-MESSAGE", Stage::Eod),
        ("VRFY", Stage::Other),
        ("ETRN", Stage::Other),
        ("XCLIENT", Stage::Other),
    ] {
        let text = format!(
            "8D1E2F3A: reject: {word} from a[192.0.2.7]: 450 4.7.1 no; proto=ESMTP helo=<h>"
        );
        let found = rejected(&text);
        assert_eq!(
            (found.stage, found.reply_code, found.dsn, found.reply),
            (stage, 450, &b"4.7.1"[..], &b"no"[..])
        );
        assert_eq!(
            (found.queue_id, found.has_sender, found.helo),
            (&b"8D1E2F3A"[..], false, &b"h"[..])
        );
    }
    for (verb, action) in [
        ("reject", Action::Reject),
        ("reject_warning", Action::RejectWarning),
        ("warn", Action::RejectWarning),
        ("discard", Action::Discard),
        ("hold", Action::Hold),
        ("redirect", Action::Redirect),
        ("filter", Action::Other),
        ("prepend", Action::Other),
        ("bcc", Action::Other),
        ("milter-reject", Action::Reject),
        ("milter-hold", Action::Hold),
        ("milter-discard", Action::Discard),
        ("proxy-reject", Action::Reject),
    ] {
        let text = format!(
            "NOQUEUE: {verb}: RCPT from a[192.0.2.7]: no; from=<> to=<b@example.com> proto=SMTP helo=<h>"
        );
        let found = rejected(&text);
        assert_eq!(
            (found.action, found.has_sender, found.sender),
            (action, true, &b""[..]),
            "{text}"
        );
        assert_eq!(
            (found.recipient, found.protocol),
            (&b"b@example.com"[..], &b"SMTP"[..])
        );
    }
}

#[test]
fn refusals_of_postscreen_and_proxies() {
    let found = rejected(
        "NOQUEUE: reject: RCPT from [2001:db8:5e::7]:12147: 450 4.3.2 Service currently unavailable; from=<用户名@bigmail.example>, to=<a, b@corp.example>, proto=ESMTP, helo=<mx, 1>",
    );
    assert_eq!(found.client, at("", "2001:db8:5e::7", 12147));
    assert_eq!(found.sender, "用户名@bigmail.example".as_bytes());
    assert_eq!(
        (found.recipient, found.helo),
        (&b"a, b@corp.example"[..], &b"mx, 1"[..])
    );
    let found = rejected("NOQUEUE: reject: CONNECT from [192.0.2.7]:1337: all server ports busy");
    assert_eq!(
        (found.stage, found.reply),
        (Stage::Connect, &b"all server ports busy"[..])
    );
    let found = rejected(
        "proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=1 - spam; from=<a@b> to=<c@d> proto=SMTP helo=<h>",
    );
    assert_eq!(
        (found.reply_code, found.reply),
        (554, &b"Reject, id=1 - spam"[..])
    );
    let found = rejected(
        "NOQUEUE: reject: RCPT from a[192.0.2.7]: 554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using bl.example; http://bl.example/?192.0.2.7; from=<a@b> to=<c@d> proto=ESMTP helo=<h>",
    );
    assert_eq!(found.dnsbl, b"bl.example");
    let found = rejected("warning: reject: ETRN corp.example... from a[192.0.2.7]");
    assert_eq!(
        (found.reply, found.client),
        (&b"ETRN corp.example..."[..], at("a", "192.0.2.7", 0))
    );
}

#[test]
fn an_ending_forged_in_the_helo_name_is_not_believed() {
    let helo = "x>: no; from=<f@f> to=<g@g> proto=SMTP helo=<z";
    for reply in [
        format!("504 5.5.2 <{helo}>: Helo command rejected: need fully-qualified hostname"),
        "554 5.7.1 <c@d>: Relay access denied".to_owned(),
    ] {
        let text = format!(
            "NOQUEUE: reject: RCPT from a[192.0.2.7]: {reply}; from=<a@b> to=<c@d> proto=ESMTP helo=<{helo}>"
        );
        let found = rejected(&text);
        assert_eq!(
            (found.sender, found.recipient),
            (&b"a@b"[..], &b"c@d"[..]),
            "{text}"
        );
        assert_eq!(found.helo, helo.as_bytes(), "{text}");
        assert_eq!(found.reply, &reply.as_bytes()[10..]);
    }
}

#[test]
fn header_checks() {
    let found = rejected(
        "8D1E2F3A: reject: header Subject: status=sent from evil[192.0.2.9]; from=<f@f> to=<you@example.com> from a.example[192.0.2.7]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>: 5.7.1 Not wanted",
    );
    assert_eq!(
        (found.client, found.stage),
        (at("a.example", "192.0.2.7", 0), Stage::Eod)
    );
    assert_eq!(
        (found.sender, found.dsn, found.reply),
        (&b"a@b"[..], &b"5.7.1"[..], &b"Not wanted"[..])
    );
    let found = rejected("8D1E2F3A: discard: body x from local; from=<root@a.example>");
    assert_eq!(
        (found.client.name, found.reply),
        (&b"local"[..], &b"body x"[..])
    );
    match event_of(
        "8D1E2F3A: warning: header Content-Disposition: inline; filename=\"i.jpg\"; size=26055;??creation-date=x from a[192.0.2.7]; from=<> to=<c@d> proto=ESMTP helo=<h>: text",
    ) {
        Event::Verdict {
            verdict,
            detail,
            recipient,
            client,
            ..
        } => {
            assert_eq!((verdict, recipient), ("header-check", &b"c@d"[..]));
            assert!(detail.ends_with(b"creation-date=x") && client.ip == b"192.0.2.7");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn attempts() {
    let sent = attempted(
        "8D1E2F3A: to=<a@example.com>, orig_to=<system>, relay=mx.example.com[192.0.2.1]:25, conn_use=2, delay=1.5, delays=0.05/0.25/1/0.2, tls=may, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 3mPVKl3YVXz2pS5Z)",
    );
    assert_eq!(
        (sent.recipient, sent.orig_recipient),
        (&b"a@example.com"[..], &b"system"[..])
    );
    assert_eq!(
        (sent.relay, sent.conn_use),
        (at("mx.example.com", "192.0.2.1", 25), 2)
    );
    assert_eq!((sent.delay, sent.delays), (1.5, [0.05, 0.25, 1.0, 0.2]));
    assert_eq!(
        (sent.reply_code, sent.next_queue_id),
        (250, &b"3mPVKl3YVXz2pS5Z"[..])
    );
    let lmtp = attempted(
        "8D1E2F3A: to=<a@example.com>, relay=sub1.example.com[private/dovecot-lmtp], delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (250 Saved)",
    );
    assert_eq!(
        (lmtp.relay.name, lmtp.relay.socket),
        (&b"sub1.example.com"[..], &b"private/dovecot-lmtp"[..])
    );
    let old = attempted(
        "8D1E2F3A: to=user@a.example, relay=local, conn_use=2 delay=2, status=SOFTBOUNCE (unknown user: \"to\")",
    );
    assert_eq!(
        (old.recipient, old.conn_use, old.status),
        (&b"user@a.example"[..], 2, Status::Deferred)
    );
    assert!(old.dsn.is_empty() && old.delays[0].is_nan());
}

#[test]
fn what_sent_means() {
    let frame = |relay: &str, end: &str| {
        format!(
            "8D1E2F3A: to=<a@example.com>, relay={relay}, delay=1, delays=1/0/0/0, dsn=2.0.0, status={end}"
        )
    };
    for (relay, end, status, next) in [
        (
            "local",
            "sent (forwarded as A2C23108)",
            Status::Forwarded,
            "A2C23108",
        ),
        (
            "local",
            "sent (delivered to mailbox)",
            Status::Delivered,
            "",
        ),
        (
            "local",
            "sent (delivered to file: /dev/null)",
            Status::Discarded,
            "",
        ),
        ("none", "sent (silently)", Status::Discarded, ""),
        (
            "127.0.0.1[127.0.0.1]:10024",
            "sent (250 2.7.0 Ok, discarded, id=10578-14 - spam)",
            Status::Discarded,
            "",
        ),
        (
            "127.0.0.1[127.0.0.1]:10024",
            "sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 34545B7)",
            Status::Delivered,
            "34545B7",
        ),
        (
            "mx[192.0.2.1]:25",
            "sent (250 ok < id=2012)",
            Status::Delivered,
            "",
        ),
        (
            "none",
            "deferred (connect to mx[192.0.2.1]:25: Connection timed out)",
            Status::Deferred,
            "",
        ),
        ("none", "expired (x)", Status::Expired, ""),
        (
            "none",
            "undeliverable-but-not-cached (User unknown)",
            Status::Other,
            "",
        ),
        (
            "mx[192.0.2.1]:25",
            "deliverable (250 2.1.5 OK)",
            Status::Other,
            "",
        ),
    ] {
        let text = frame(relay, end);
        let found = attempted(&text);
        assert_eq!(
            (found.status, found.next_queue_id),
            (status, next.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn replies() {
    let forged = "host mx[192.0.2.1] said: 550 5.1.1 <a@b>: to=<other@example.com>, relay=fake[192.0.2.2]:25, delay=0.1, status=sent (250 2.0.0 Ok: queued as FAKE00) (in reply to RCPT TO command)";
    for (reply, code) in [
        (forged, 550),
        ("550", 550),
        (
            "host mx[192.0.2.1] refused to talk to me: 554-mx 554 Connection refused.  (or call +1 (555) 0100)",
            554,
        ),
        (
            "delivery temporarily suspended: host mx[192.0.2.1] said: 421-4.7.28 slow",
            421,
        ),
        ("User unknown. Command output: 550 said: 451 x", 0),
        ("250 ok, id=2012…", 250),
    ] {
        let text = format!(
            "8D1E2F3A: to=<a@b>, relay=none, delay=0.1, dsn=5.1.1, status=bounced ({reply})"
        );
        let found = attempted(&text);
        assert_eq!(
            (found.reply, found.reply_code),
            (reply.as_bytes(), code),
            "{text}"
        );
        assert_eq!(
            (found.status, found.recipient),
            (Status::Bounced, &b"a@b"[..])
        );
        assert!(found.next_queue_id.is_empty());
        let cut = format!(
            "8D1E2F3A: to=<a@b>, relay=none, delay=0.1, dsn=5.1.1, status=bounced ({}",
            &reply[..3]
        );
        assert_eq!(attempted(&cut).reply, &reply.as_bytes()[..3]);
    }
}

#[test]
fn recipients_with_anything_in_them() {
    for address in [
        "\"x>, relay=evil[192.0.2.9]:25, dsn=2.0.0, status=sent (\"@b",
        "a>b@c",
        "a, b@c",
        "",
        "Print Connections",
        "\"a\\\">, relay=b\"@c",
    ] {
        let text = format!(
            "8D1E2F3A: to=<{address}>, relay=none, delay=1, dsn=5.0.0, status=bounced (no)"
        );
        let found = attempted(&text);
        assert_eq!(
            (found.recipient, found.relay.name),
            (address.as_bytes(), &b"none"[..]),
            "{text}"
        );
    }
}

#[test]
fn the_queue() {
    let queue_id = b"8D1E2F3A";
    let queued = |sender: &'static str, size, nrcpt| Event::Queued {
        queue_id,
        sender: sender.as_bytes(),
        size,
        nrcpt,
    };
    let message_id = |message_id: &'static str, resent| Event::MessageId {
        queue_id,
        message_id: message_id.as_bytes(),
        resent,
    };
    let expired = |forced| Event::Expired {
        queue_id,
        sender: b"",
        forced,
    };
    check(&[
        (
            "8D1E2F3A: from=<a@b>, size=1024, nrcpt=2 (queue active)",
            queued("a@b", 1024, 2),
        ),
        (
            "8D1E2F3A: from=<>, size=1, nrcpt=1 (queue active)",
            queued("", 1, 1),
        ),
        (
            "8D1E2F3A: from=rory@localdomain, size=270, nrcpt=1 (queue active)",
            queued("rory@localdomain", 270, 1),
        ),
        (
            "8D1E2F3A: from=<a>, size=9, nrcpt=9 (queue active)@b>, size=1, nrcpt=1 (queue active)",
            queued("a>, size=9, nrcpt=9 (queue active)@b", 1, 1),
        ),
        (
            "8D1E2F3A: from=<Print Connections>, size=1, nrcpt=1 (queue active)",
            queued("Print Connections", 1, 1),
        ),
        (
            "8D1E2F3A: from=<>, status=expired, returned to sender",
            expired(false),
        ),
        (
            "8D1E2F3A: from=<>, status=force-expired, returned to sender",
            expired(true),
        ),
        ("8D1E2F3A: message-id=<a@b>", message_id("a@b", false)),
        (
            "8D1E2F3A: message-id=123.no.angle.brackets@b",
            message_id("123.no.angle.brackets@b", false),
        ),
        (
            "8D1E2F3A: message-id=<123 with space@b>",
            message_id("123 with space@b", false),
        ),
        ("8D1E2F3A: message-id=<>", message_id("", false)),
        (
            "8D1E2F3A: resent-message-id=<cut.off@b",
            message_id("cut.off@b", true),
        ),
        (
            "8D1E2F3A: removed",
            Event::Removed {
                queue_id,
                by_admin: false,
            },
        ),
        (
            "8D1E2F3A: placed on hold",
            Event::Superuser {
                queue_id,
                action: b"placed on hold",
            },
        ),
        (
            "8D1E2F3A: requeued",
            Event::Superuser {
                queue_id,
                action: b"requeued",
            },
        ),
        (
            "8D1E2F3A: uid=102 from=<news+y_smith=b> orig_id=176B237C",
            Event::PickedUp {
                queue_id,
                uid: 102,
                sender: b"news+y_smith=b",
                orig_id: b"176B237C",
            },
        ),
        (
            "8D1E2F3A: postmaster non-delivery notification: 4jYFhW19ZGz73",
            Event::Notified {
                queue_id,
                notice: Notice::NonDelivery,
                to: b"postmaster",
                new_queue_id: b"4jYFhW19ZGz73",
            },
        ),
        (
            "8D1E2F3A: sender delay notification: 9E1F2A3B",
            Event::Notified {
                queue_id,
                notice: Notice::Delay,
                to: b"sender",
                new_queue_id: b"9E1F2A3B",
            },
        ),
    ]);
    assert!(matches!(
        parse("postfix/postsuper", "8D1E2F3A: removed"),
        Parsed::Event(Event::Removed { by_admin: true, .. })
    ));
}

#[test]
fn relays() {
    let relay = at("mx.example.com", "192.0.2.1", 0);
    for (text, id, relay) in [
        (
            "8D1E2F3A: host mx.example.com[192.0.2.1] said: 421-4.7.28 slow (in reply to end of DATA command)",
            "8D1E2F3A",
            relay,
        ),
        (
            "8D1E2F3A: lost connection with mx.example.com[192.0.2.1] while sending RCPT TO",
            "8D1E2F3A",
            relay,
        ),
        (
            "8D1E2F3A: conversation with mx.example.com[192.0.2.1] timed out while sending MAIL FROM",
            "8D1E2F3A",
            relay,
        ),
        (
            "8D1E2F3A: SASL authentication failed; server mx.example.com[192.0.2.1] said: 535 no",
            "8D1E2F3A",
            relay,
        ),
        (
            "8D1E2F3A: Cannot start TLS: handshake failure",
            "8D1E2F3A",
            Peer::default(),
        ),
        (
            "connect to mx.example.com[192.0.2.1]:25: Connection refused",
            "",
            Peer { port: 25, ..relay },
        ),
        (
            "connect to mx.example.com[192.0.2.1]: Connection refused (port 25)",
            "",
            Peer { port: 25, ..relay },
        ),
        (
            "SSL_connect error to mx.example.com[192.0.2.1]:25: -1",
            "",
            Peer { port: 25, ..relay },
        ),
    ] {
        let said = text.strip_prefix("8D1E2F3A: ").unwrap_or(text).as_bytes();
        assert_eq!(
            event_of(text),
            Event::RelayTrouble {
                queue_id: id.as_bytes(),
                relay,
                text: said
            }
        );
    }
    let trusted = |trust: &'static str, port| Event::TlsTo {
        relay: Peer { port, ..relay },
        trust: trust.as_bytes(),
        version: b"TLSv1",
        cipher: b"X",
    };
    check(&[
        (
            "Verified TLS connection established to mx.example.com[192.0.2.1]:25: TLSv1 with cipher X (256/256 bits)",
            trusted("Verified", 25),
        ),
        (
            "Untrusted TLS connection reused to mx.example.com[192.0.2.1]:25: TLSv1 with cipher X (256/256 bits)",
            trusted("Untrusted", 25),
        ),
        (
            "TLS connection established to mx.example.com[192.0.2.1]: TLSv1 with cipher X (256/256 bits)",
            trusted("", 0),
        ),
    ]);
}

#[test]
fn postscreen() {
    let client = at("", "192.0.2.7", 4711);
    let test = |verdict, score, detail: &'static str, end| Event::ScreenTest {
        client,
        verdict,
        score,
        detail: detail.as_bytes(),
        end,
    };
    check(&[
        (
            "CONNECT from [192.0.2.7]:4711 to [192.0.2.10]:25",
            Event::ScreenConnect { client },
        ),
        (
            "PASS OLD [192.0.2.7]:4711",
            Event::ScreenPass { client, how: "old" },
        ),
        (
            "ALLOWLISTED [192.0.2.7]:4711",
            Event::ScreenPass {
                client,
                how: "allowlisted",
            },
        ),
        (
            "WHITELIST VETO [192.0.2.7]:4711",
            test("allowlist-veto", None, "", None),
        ),
        (
            "DENYLISTED [192.0.2.7]:4711",
            test("denylisted", None, "", None),
        ),
        (
            "PREGREET 6 after 1.2 from [192.0.2.7]:4711: EHLO x\\r\\nMAIL FROM:<a from [192.0.2.9]:1",
            test(
                "pregreet",
                None,
                "EHLO x\\r\\nMAIL FROM:<a from [192.0.2.9]:1",
                None,
            ),
        ),
        (
            "DNSBL rank 3 for [192.0.2.7]:4711",
            test("dnsbl", Some(3.0), "", None),
        ),
        (
            "HANGUP after 6.6 from [192.0.2.7]:4711 in tests after SMTP handshake",
            test(
                "hangup",
                None,
                "in tests after SMTP handshake",
                Some(End::Lost),
            ),
        ),
        (
            "COMMAND PIPELINING from [192.0.2.7]:4711 after .: \\n",
            test("pipelining", None, "after .: \\n", None),
        ),
        (
            "NON-SMTP COMMAND from [192.0.2.7]:4711 after CONNECT: GET / HTTP/1.1",
            test(
                "non-smtp-command",
                None,
                "after CONNECT: GET / HTTP/1.1",
                None,
            ),
        ),
        (
            "BARE NEWLINE from [192.0.2.7]:4711 after \\026\\003\\001",
            test("bare-newline", None, "after \\026\\003\\001", None),
        ),
        (
            "COMMAND TIME LIMIT from [192.0.2.7]:4711 after EHLO",
            test("command-time-limit", None, "after EHLO", Some(End::Timeout)),
        ),
        (
            "COMMAND COUNT LIMIT from [192.0.2.7]:4711 after RCPT",
            test("command-count-limit", None, "after RCPT", Some(End::Error)),
        ),
        (
            "DATA without valid RCPT from [192.0.2.7]:4711",
            test("data-without-recipient", None, "", None),
        ),
        (
            "DISCONNECT [192.0.2.7]:4711",
            Event::ScreenDisconnect { client },
        ),
        (
            "TLS handshake failed for service=smtpd peer=[192.0.2.7]:4711",
            Event::TlsFromFailed {
                client,
                text: b"TLS handshake failed for service=smtpd peer=[192.0.2.7]:4711",
            },
        ),
        (
            "addr 192.0.2.7 listed by domain bl.example as 127.0.0.2",
            smtpd::verdict(at("", "192.0.2.7", 0), "dnsbl", b"bl.example as 127.0.0.2"),
        ),
    ]);
    let ignored = Parsed::Ignored("tlsproxy session");
    assert_eq!(
        parse("postfix/tlsproxy", "DISCONNECT [192.0.2.7]:4711"),
        ignored
    );
    assert_eq!(
        parse("postfix/tlsproxy", "CONNECT from [192.0.2.7]:4711"),
        ignored
    );
}

#[test]
fn verdicts_on_clients() {
    let client = at("a.example", "192.0.2.7", 0);
    check(&[
        (
            "improper command pipelining after EHLO from a.example[192.0.2.7]: MAIL",
            smtpd::verdict(client, "pipelining", b"MAIL"),
        ),
        (
            "warning: non-SMTP command from a.example[192.0.2.7]: GET / HTTP/1.1",
            smtpd::verdict(client, "non-smtp-command", b"GET / HTTP/1.1"),
        ),
        (
            "warning: hostname a.example does not resolve to address 192.0.2.7: Name or service not known",
            smtpd::verdict(client, "hostname-mismatch", b"Name or service not known"),
        ),
        (
            "warning: hostname a.example does not resolve to address 192.0.2.7",
            smtpd::verdict(client, "hostname-mismatch", b""),
        ),
        (
            "warning: 192.0.2.7: address not listed for hostname a.example",
            smtpd::verdict(client, "hostname-mismatch", b""),
        ),
        (
            "warning: a.example[192.0.2.7]: request longer than 2048: XXX...",
            smtpd::verdict(client, "long-request", b"request longer than 2048: XXX..."),
        ),
    ]);
}

#[test]
fn the_server() {
    use Severity::{Error, Fatal, Info, Panic, Warning};
    for (text, severity, kind) in [
        (
            "daemon started -- version 3.7.11, configuration /etc/postfix",
            Info,
            Kind::Start,
        ),
        ("terminating on signal 15", Info, Kind::Stop),
        ("refreshing the Postfix mail system", Info, Kind::Reload),
        (
            "statistics: max connection rate 11/60s for (smtp:192.0.2.7) at Nov 23 20:03:25",
            Info,
            Kind::Limit,
        ),
        (
            "warning: Connection concurrency limit exceeded: 51 from a[192.0.2.7] for service smtp",
            Warning,
            Kind::Limit,
        ),
        (
            "warning: C7920A49: queue file size limit exceeded",
            Warning,
            Kind::Resource,
        ),
        (
            "warning: TLS library problem: error:0A00010B:SSL routines::wrong version number:x.c:350:",
            Warning,
            Kind::Tls,
        ),
        (
            "warning: no MX host for example.org has a valid address record",
            Warning,
            Kind::Dns,
        ),
        (
            "warning: connect to Milter service inet:localhost:8891: Connection refused",
            Warning,
            Kind::Filter,
        ),
        (
            "warning: connect to 127.0.0.1:12525: Connection refused",
            Warning,
            Kind::Filter,
        ),
        (
            "warning: virtual_alias_domains lookup failure",
            Warning,
            Kind::Lookup,
        ),
        (
            "warning: process /usr/lib/postfix/smtp pid 9724 exit status 1",
            Warning,
            Kind::Other,
        ),
        ("error: unknown command: 'restart'", Error, Kind::Config),
        (
            "fatal: open /etc/postfix/main.cf: No such file or directory",
            Fatal,
            Kind::Config,
        ),
        (
            "panic: myfree: corrupt or unallocated memory block",
            Panic,
            Kind::Resource,
        ),
    ] {
        match event_of(text) {
            Event::Server {
                severity: s,
                kind: k,
                ..
            } => assert_eq!((s, k), (severity, kind), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "statistics: max cache size 1 at Oct 26 18:13:50",
        "Requeued: 1 message",
        "cache btree:/var/lib/postfix/verify_cache full cleanup: retained=1 dropped=0 entries",
        "8D1E2F3A: skipped, still being delivered",
        "qmgr_active_feed: queue deferred",
        "8D1E2F3A: enabling PIX workarounds: disable_esmtp for a[192.0.2.1]:25",
        "> a[192.0.2.7]: 250 ok",
    ] {
        assert!(
            matches!(parse("postfix", text), Parsed::Ignored(_)),
            "{text}"
        );
    }
    for text in [
        "something new",
        "8D1E2F3A: something new",
        "8D1E2F3A: to=<56597@con",
    ] {
        assert_eq!(parse("postfix", text), Parsed::Unrecognised, "{text}");
    }
}
