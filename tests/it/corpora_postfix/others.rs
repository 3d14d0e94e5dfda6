//! What other parsers expect of their own lines: msimerson, winebarrel, homoluctus, yo000, mephistophiles.

use super::flat::{Flat, flat};
use super::{corpus, parse, parse_bytes, split};
use serde_json::Value;
use std::path::Path;

fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let values = text.lines().map(|line| serde_json::from_str(line).unwrap());
    values.collect()
}

/// A JSON string or number as text.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Compares, and hands back what differs.
fn difference(name: &str, ours: &Flat, field: &str, theirs: &str) -> Option<String> {
    let found = ours.get(field);
    let same = found.is_some_and(|found| found == theirs);
    (!same).then(|| format!("{name}: {field} {theirs:?} != {found:?} in {ours:?}"))
}

/// msimerson's field → ours. The others (`msg`, `action`, `date`, …) are words of its own, or whole texts.
const MSIMERSON: &[(&str, &str)] = &[
    ("qid", "queue_id"),
    ("to", "recipient"),
    ("orig_to", "orig_recipient"),
    ("relay", "relay"),
    ("conn_use", "conn_use"),
    ("delay", "delay"),
    ("delays", "delays"),
    ("dsn", "dsn"),
    ("from", "sender"),
    ("size", "size"),
    ("nrcpt", "nrcpt"),
    ("uid", "uid"),
    ("client", "client"),
    ("sasl_method", "auth_method"),
    ("sasl_username", "auth_user"),
    ("message-id", "message_id"),
    ("resent-message-id", "message_id"),
    ("forwardedAs", "next_queue_id"),
    ("dsnQid", "new_queue_id"),
    ("host", "relay"),
    ("mx", "relay"),
];

/// Differences that are decisions: (description or beginning of the line, why).
const MSIMERSON_DECISIONS: &[(&str, &str)] = &[
    (
        "w/o",
        "no daemon writes a message's line without its queue ID: unrecognised",
    ),
    (
        "warning: ",
        "a server event; the queue ID stays in its text",
    ),
    ("fatal: ", "a server event; the queue ID stays in its text"),
    ("enabling PIX", "ignored: nothing went wrong"),
];

#[test]
fn msimerson() {
    let Some(path) = corpus("msimerson-parser/extracted/cases.jsonl") else {
        return;
    };
    let (mut compared, mut decided) = (0, 0);
    let mut differences = Vec::new();
    for case in json_lines(&path) {
        let (Some(line), Some(expected)) = (case["line"].as_str(), case["obj"].as_object()) else {
            continue;
        };
        let header = expected.contains_key("prog");
        let (program, text) = match split(line.as_bytes()).filter(|_| header) {
            Some(parts) => parts,
            None => (
                case["type"].as_str().unwrap_or("postfix").as_bytes(),
                line.as_bytes(),
            ),
        };
        let ours = flat(&parse_bytes(program, text));
        let desc = case["desc"].as_str().unwrap_or_default();
        let pairs = expected.iter().filter_map(|(key, value)| {
            let field = MSIMERSON.iter().find(|(theirs, _)| theirs == key)?.1;
            // `host` is also the syslog host of a whole line.
            (!(header && key == "host")).then(|| (field, word(value)))
        });
        for (field, theirs) in pairs {
            compared += 1;
            let Some(difference) = difference(line, &ours, field, &theirs) else {
                continue;
            };
            let decision = |(words, _): &(&str, &str)| desc.contains(words) || line.contains(words);
            if MSIMERSON_DECISIONS.iter().any(decision) {
                decided += 1;
            } else {
                differences.push(difference);
            }
        }
        if let Some(status) = expected
            .get("status")
            .filter(|_| ours.contains_key("reply"))
        {
            compared += 1;
            let whole = format!("{} ({})", ours["status"], ours["reply"]);
            let forwarded = ours["outcome"] == "Forwarded" && word(status) == "forwarded";
            if whole != word(status) && !forwarded {
                differences.push(format!("{line}: {whole}"));
            }
        }
    }
    println!("msimerson: {compared} fields, {decided} decided");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn winebarrel() {
    let Some(folder) = corpus("winebarrel-status-line/extracted") else {
        return;
    };
    const FIELDS: [(&str, &str); 9] = [
        ("queue_id", "queue_id"),
        ("relay", "relay"),
        ("conn_use", "conn_use"),
        ("delay", "delay"),
        ("delays", "delays"),
        ("dsn", "dsn"),
        ("status", "status"),
        ("from", "sender"),
        ("to", "recipient"),
    ];
    let mut compared = 0;
    let mut differences = Vec::new();
    for name in [
        "postfix_status_line_spec.jsonl",
        "postfix_status_line_hash_spec.jsonl",
    ] {
        for case in json_lines(&folder.join(name)) {
            let Some((program, text)) = case["line"].as_str().and_then(|l| split(l.as_bytes()))
            else {
                continue;
            };
            let ours = flat(&parse_bytes(program, text));
            for (theirs, field) in FIELDS {
                // They mask addresses with asterisks.
                let value = word(&case["expected"][theirs]);
                if value != "null" && !value.contains('*') {
                    compared += 1;
                    differences.extend(difference(name, &ours, field, &value));
                }
            }
            let detail = word(&case["expected"]["status_detail"]);
            if detail.starts_with('(') && !detail.contains('*') {
                compared += 1;
                let detail = &detail[1..detail.len() - 1];
                differences.extend(difference(name, &ours, "reply", detail));
            }
        }
    }
    println!("winebarrel: {compared} fields; the header_checks cases come without their lines");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn homoluctus() {
    let (Some(log), Some(expected)) = (
        corpus("homoluctus-maillogger/tests/fixtures/source/maillog"),
        corpus("homoluctus-maillogger/tests/fixtures/correct/parsed_maillog.json"),
    ) else {
        return;
    };
    const FIELDS: [(&str, &str); 8] = [
        ("mail_id", "queue_id"),
        ("to_address", "recipient"),
        ("relay", "relay"),
        ("delay", "delay"),
        ("delays", "delays"),
        ("dsn", "dsn"),
        ("status", "status"),
        ("description", "reply"),
    ];
    let expected: Vec<Value> = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
    let log = std::fs::read(log).unwrap();
    let mut differences = Vec::new();
    for (line, expected) in log.split(|b| *b == b'\n').zip(&expected) {
        let (program, text) = split(line).unwrap();
        let ours = flat(&parse_bytes(program, text));
        // `null`: a line that their parser does not read, and ours does.
        for (theirs, field) in FIELDS.iter().filter(|_| expected.is_object()) {
            differences.extend(difference(
                "homoluctus",
                &ours,
                field,
                &word(&expected[theirs]),
            ));
        }
        assert_ne!(ours["kind"], "Unrecognised");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// All events of a log, flat.
fn events(lines: impl Iterator<Item = Vec<u8>>) -> Vec<Flat> {
    lines
        .filter_map(|line| split(&line).map(|(program, text)| flat(&parse_bytes(program, text))))
        .collect()
}

/// Whether an event of this queue ID says so.
fn said(events: &[Flat], id: &str, field: &str, value: &str) -> bool {
    let of_id = |e: &&Flat| e.get("queue_id").is_some_and(|found| found == id);
    events
        .iter()
        .filter(of_id)
        .any(|e| e.get(field).is_some_and(|found| found == value))
}

#[test]
fn yo000() {
    const FIELDS: [(&str, &str); 8] = [
        ("client_hostname", "client.name"),
        ("client_ip", "client.ip"),
        ("sasl_method", "auth_method"),
        ("sasl_username", "auth_user"),
        ("message_id", "message_id"),
        ("from", "sender"),
        ("size", "size"),
        ("nrcpt", "nrcpt"),
    ];
    for (log, out) in [
        ("test.log", "test.146.out"),
        ("test-milter.log", "test-milter.146.out"),
        ("test-iso8601.log", "test-iso8601.log.146.out"),
    ] {
        let (Some(log), Some(out)) = (
            corpus(&format!("yo000-correlated/test/{log}")),
            corpus(&format!("yo000-correlated/test/{out}")),
        ) else {
            return;
        };
        let bytes = std::fs::read(&log).unwrap();
        let events = events(bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec));
        for record in json_lines(&out) {
            let id = word(&record["queue_id"]);
            if id.is_empty() {
                // A rate limit has no message: the server's own state, with the client in the text.
                assert!(
                    events
                        .iter()
                        .any(|e| e.get("about").is_some_and(|about| about == "Limit"))
                );
                continue;
            }
            for (theirs, field) in FIELDS {
                let value = word(&record[theirs]);
                assert!(
                    value.is_empty() || said(&events, &id, field, &value),
                    "{id} {theirs} {value}"
                );
            }
            for message in record["messages"].as_array().into_iter().flatten() {
                let to = word(&message["to"]);
                assert!(
                    to.is_empty() || said(&events, &id, "recipient", &to),
                    "{id} {to}"
                );
                let status = word(&message["status"]);
                let ours = match status.as_str() {
                    "milter-reject" => ("action", "Reject"),
                    "milter-hold" => ("action", "Hold"),
                    status => ("status", status),
                };
                assert!(said(&events, &id, ours.0, ours.1), "{id} {status}");
            }
        }
    }
}

#[test]
fn mephistophiles() {
    let Some(path) = corpus("mephistophiles-transactions/extracted/parse_test.jsonl") else {
        return;
    };
    // Their field, ours. `message_subject`, `dovecot_fileinto_action` are of other programs' lines; a
    // state counted is the correlator's.
    const FIELDS: [(&str, &str); 8] = [
        ("queue_id", "queue_id"),
        ("message_from", "sender"),
        ("message_id", "message_id"),
        ("status", "status"),
        ("status_code", "reply_code"),
        ("status_postfix_code", "dsn"),
        ("status_description", "reply"),
        ("client", "client"),
    ];
    let mut compared = 0;
    for case in json_lines(&path) {
        let lines = case["lines"].as_array().into_iter().flatten();
        let events = events(lines.map(|line| word(line).into_bytes()));
        if !events.iter().any(|event| event["kind"] == "Attempted") {
            continue; // The extract has only the first of several batches of lines.
        }
        for assertion in case["assertions_py"].as_array().into_iter().flatten() {
            let assertion = word(assertion);
            let Some((left, right)) = assertion.split_once(" == ") else {
                continue;
            };
            let field = left.rsplit('.').next().unwrap_or_default();
            let Some((_, ours)) = FIELDS.iter().find(|(theirs, _)| *theirs == field) else {
                continue;
            };
            let value = right.trim_matches(['\'', '"']);
            compared += 1;
            let found = events
                .iter()
                .any(|e| e.get(ours).is_some_and(|found| found == value));
            assert!(found, "{assertion}: {events:?}");
        }
    }
    println!("mephistophiles: {compared} fields");
    assert!(parse("postfix/qmgr", "85C6C10208A: removed") != parse("postfix/qmgr", ""));
}
