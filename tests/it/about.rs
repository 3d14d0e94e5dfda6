//! `--about`: what touches an entity is kept, with the connection and login that brought it.

use std::fs;

use mtaudit::commands::load::{self, Options};
use mtaudit::query::Engine;
use mtaudit::tables::select::{Entity, Selection};

use super::support::{Row, number, rows, text};

const LOG: &str = "\
2026-11-02T10:00:00.000000+00:00 mx1 postfix/submission/smtpd[11]: connect from pc.corp.example[192.0.2.7]
2026-11-02T10:00:01.000000+00:00 mx1 postfix/submission/smtpd[11]: 4F1AAAA1: client=pc.corp.example[192.0.2.7], sasl_method=PLAIN, sasl_username=anna
2026-11-02T10:00:01.100000+00:00 mx1 postfix/cleanup[12]: 4F1AAAA1: message-id=<1@corp.example>
2026-11-02T10:00:01.200000+00:00 mx1 postfix/qmgr[13]: 4F1AAAA1: from=<anna@corp.example>, size=900, nrcpt=1 (queue active)
2026-11-02T10:00:01.300000+00:00 mx1 postfix/submission/smtpd[11]: NOQUEUE: reject: RCPT from pc.corp.example[192.0.2.7]: 554 5.7.1 <x@other.example>: Relay access denied; from=<anna@corp.example> to=<x@other.example> proto=ESMTP helo=<pc>
2026-11-02T10:00:02.000000+00:00 mx1 postfix/smtp[14]: 4F1AAAA1: to=<bob@dest.example>, relay=mx.dest.example[198.51.100.9]:25, delay=1, delays=0.2/0/0.3/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok)
2026-11-02T10:00:02.100000+00:00 mx1 postfix/qmgr[13]: 4F1AAAA1: removed
2026-11-02T10:00:03.000000+00:00 mx1 postfix/submission/smtpd[11]: disconnect from pc.corp.example[192.0.2.7] ehlo=1 auth=1 mail=2 rcpt=1/2 data=1 quit=1 commands=7/8
2026-11-02T10:01:00.000000+00:00 mx1 postfix/smtpd[21]: connect from mail.other.example[203.0.113.5]
2026-11-02T10:01:01.000000+00:00 mx1 postfix/smtpd[21]: 4F1BBBB2: client=mail.other.example[203.0.113.5]
2026-11-02T10:01:01.100000+00:00 mx1 postfix/cleanup[12]: 4F1BBBB2: message-id=<2@other.example>
2026-11-02T10:01:01.200000+00:00 mx1 postfix/qmgr[13]: 4F1BBBB2: from=<carl@other.example>, size=800, nrcpt=1 (queue active)
2026-11-02T10:01:02.000000+00:00 mx1 postfix/local[15]: 4F1BBBB2: to=<dora@corp.example>, relay=local, delay=1, delays=0.2/0/0.3/0.5, dsn=2.0.0, status=sent (delivered to mailbox)
2026-11-02T10:01:02.100000+00:00 mx1 postfix/qmgr[13]: 4F1BBBB2: removed
2026-11-02T10:01:03.000000+00:00 mx1 postfix/smtpd[21]: disconnect from mail.other.example[203.0.113.5] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5
2026-11-02T10:02:00.000000+00:00 mx1 postfix/submission/smtpd[11]: connect from unknown[203.0.113.66]
2026-11-02T10:02:01.000000+00:00 mx1 postfix/submission/smtpd[11]: warning: unknown[203.0.113.66]: SASL LOGIN authentication failed: UGFzc3dvcmQ6, sasl_username=erik
2026-11-02T10:02:02.000000+00:00 mx1 postfix/submission/smtpd[11]: disconnect from unknown[203.0.113.66] ehlo=1 auth=0/1 quit=1 commands=2/3
";

fn narrowed(about: Option<&str>) -> Engine {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail.log");
    fs::write(&path, LOG).unwrap();
    let loaded = load::load(&Options {
        selection: Selection {
            about: about.map(|key| Entity::new(key).unwrap()),
            ..Selection::default()
        },
        ..Options::new(vec![path], chrono_tz::UTC)
    });
    Engine::new(loaded.unwrap().tables.frames, chrono_tz::UTC)
}

fn clients(engine: &Engine, table: &str) -> Vec<String> {
    let found = rows(
        engine,
        &format!("SELECT client_ip FROM {table} ORDER BY client_ip"),
    );
    found
        .iter()
        .map(|row| text(row, "client_ip").to_owned())
        .collect()
}

#[test]
fn rows_name_their_connection() {
    let engine = narrowed(None);
    for table in ["messages", "rejections", "logins"] {
        let joined: Vec<Row> = rows(
            &engine,
            &format!(
                "SELECT t.client_ip AS client_ip, s.client_ip AS of_session, s.session AS session, s.line AS line \
                 FROM {table} AS t JOIN sessions AS s ON t.session = s.session"
            ),
        );
        let all = rows(&engine, &format!("SELECT COUNT(*) AS n FROM {table}"));
        assert_eq!(joined.len() as i64, number(&all[0], "n"), "{table}");
        assert!(!joined.is_empty());
        for row in &joined {
            assert_eq!(row["client_ip"], row["of_session"], "{table}");
            // Of the first source: the line that begins it.
            assert_eq!(number(row, "session"), number(row, "line"));
        }
    }
}

#[test]
fn a_message_brings_its_connection_and_login() {
    for key in ["4F1AAAA1", "bob@dest.example", "198.51.100.9"] {
        let engine = narrowed(Some(key));
        assert_eq!(clients(&engine, "messages"), ["192.0.2.7"], "{key}");
        assert_eq!(clients(&engine, "sessions"), ["192.0.2.7"], "{key}");
        assert_eq!(clients(&engine, "logins"), ["192.0.2.7"], "{key}");
        // Another recipient's refusal in the same connection is not about the message.
        assert!(clients(&engine, "rejections").is_empty(), "{key}");
    }
    let engine = narrowed(Some("dora@corp.example"));
    assert_eq!(clients(&engine, "sessions"), ["203.0.113.5"]);
    assert!(clients(&engine, "logins").is_empty());
}

#[test]
fn a_refusal_and_a_failed_login_bring_their_connection() {
    let engine = narrowed(Some("x@other.example"));
    assert_eq!(clients(&engine, "rejections"), ["192.0.2.7"]);
    assert_eq!(clients(&engine, "sessions"), ["192.0.2.7"]);
    assert!(clients(&engine, "messages").is_empty());
    let engine = narrowed(Some("203.0.113.66"));
    assert_eq!(clients(&engine, "logins"), ["203.0.113.66"]);
    assert_eq!(clients(&engine, "sessions"), ["203.0.113.66"]);
}
