//! The grok patterns' cases, field by field.

use super::flat::{Flat, flat};
use super::{parse, shared};
use std::collections::{BTreeMap, BTreeSet};

/// What we do not carry, for every case: (their field, why).
const NOT_CARRIED: &[(&str, &str)] = &[
    ("postfix_tls_cipher_size", "follows from the cipher"),
    ("postfix_tls_key_exchange", "no column asks for it"),
    ("postfix_tls_server_signature", "no column asks for it"),
    ("postfix_tls_server_signature_size", "no column asks for it"),
    (
        "postfix_tls_server_signature_curve",
        "no column asks for it",
    ),
    ("postfix_tls_server_digest", "no column asks for it"),
    (
        "postfix_tls_security_level",
        "tls= of an attempt is read over; the TLS line has the facts",
    ),
    (
        "postfix_tls_downgrade_level",
        "see postfix_tls_security_level",
    ),
    (
        "postfix_tls_policy_undecided",
        "see postfix_tls_security_level",
    ),
    ("postfix_requiretls", "see postfix_tls_security_level"),
    (
        "postfix_requiretls_policy_undecided",
        "see postfix_tls_security_level",
    ),
    (
        "postfix_requiretls_policy_violation",
        "see postfix_tls_security_level",
    ),
    (
        "postfix_requiretls_downgrade_level",
        "see postfix_tls_security_level",
    ),
    (
        "postfix_server_ip",
        "our own address: no column asks for it",
    ),
    ("postfix_server_port", "our own port: no column asks for it"),
    (
        "postfix_postscreen_violation_time",
        "part of the text, no column",
    ),
    (
        "postfix_postscreen_cache_retained",
        "cache clean-ups are ignored lines",
    ),
    (
        "postfix_postscreen_cache_dropped",
        "cache clean-ups are ignored lines",
    ),
    (
        "postfix_verify_cleanup_type",
        "cache clean-ups are ignored lines",
    ),
    (
        "postfix_verify_cache_retained",
        "cache clean-ups are ignored lines",
    ),
    (
        "postfix_verify_cache_dropped",
        "cache clean-ups are ignored lines",
    ),
    ("postfix_anvil_cache_size", "ignored as statistics"),
    (
        "postfix_anvil_timestamp",
        "inside the text of a server event",
    ),
    ("postfix_scache_hits", "ignored as statistics"),
    ("postfix_scache_miss", "ignored as statistics"),
    ("postfix_scache_success", "ignored as statistics"),
    ("postfix_scache_timestamp", "ignored as statistics"),
    ("postfix_scache_domains", "ignored as statistics"),
    ("postfix_scache_addresses", "ignored as statistics"),
    ("postfix_scache_connection", "ignored as statistics"),
    (
        "postfix_postsuper_summary_action",
        "the lines per message are counted, not the summary",
    ),
    (
        "postfix_postsuper_summary_count",
        "the lines per message are counted, not the summary",
    ),
    ("postfix_pix_workaround", "nothing went wrong: ignored"),
    (
        "postfix_discarded_ehlo_keywords",
        "nothing went wrong: ignored",
    ),
    ("tls", "see postfix_tls_security_level"),
    (
        "postfix_prepend_type",
        "the action of a check: its text is the reply",
    ),
    (
        "postfix_prepend_trigger",
        "the header that a check acted on: its text is the reply",
    ),
    (
        "postfix_client_ip_unknown",
        "[unknown] is no address: empty",
    ),
];

/// What differs in one case: (case, their field, why).
const DECISIONS: &[(&str, &str, &str)] = &[
    (
        "cleanup_0003",
        "postfix_milter_message",
        "the header that a check acted on: its text is the reply",
    ),
    (
        "cleanup_0006",
        "postfix_message_level",
        "a check's verdict on a message, not the server's state",
    ),
    (
        "cleanup_0007",
        "postfix_message_level",
        "a check's verdict on a message, not the server's state",
    ),
    (
        "cleanup_0008",
        "postfix_message_level",
        "a check's verdict on a message, not the server's state",
    ),
    (
        "cleanup_0012",
        "postfix_queueid",
        "a server event: the queue ID stays in the text",
    ),
    (
        "smtpd_0015",
        "postfix_smtp_stage",
        "what the client sent too early is worth more than when",
    ),
    (
        "qmgr_0006",
        "postfix_queueid",
        "the line is ignored: it says that nothing happened",
    ),
    (
        "qmgr_0006",
        "postfix_message",
        "the line is ignored: it says that nothing happened",
    ),
    (
        "smtp_0031",
        "postfix_relay_hostname",
        "PIX workarounds are ignored",
    ),
    (
        "smtp_0031",
        "postfix_relay_ip",
        "PIX workarounds are ignored",
    ),
    (
        "smtp_0031",
        "postfix_relay_port",
        "PIX workarounds are ignored",
    ),
    (
        "smtp_0027",
        "postfix_relay_hostname",
        "a server event: the text names the relay",
    ),
    (
        "smtp_0027",
        "postfix_relay_ip",
        "a server event: the text names the relay",
    ),
    (
        "smtp_0027",
        "postfix_relay_port",
        "a server event: the text names the relay",
    ),
    (
        "smtp_0028",
        "postfix_relay_hostname",
        "a server event: the text names the relay",
    ),
    (
        "smtp_0028",
        "postfix_relay_ip",
        "a server event: the text names the relay",
    ),
    (
        "smtp_0028",
        "postfix_relay_port",
        "a server event: the text names the relay",
    ),
    (
        "smtpd_0006",
        "postfix_message_level",
        "a verdict on the client, not the server's state",
    ),
    (
        "smtpd_0006",
        "postfix_message",
        "a verdict: name and address are fields",
    ),
    (
        "smtpd_0029",
        "postfix_message",
        "a failed login: mechanism and reason are fields",
    ),
    (
        "smtpd_0010",
        "postfix_tls_trustlevel",
        "inbound trust says nothing without client certificates",
    ),
    (
        "smtpd_0037",
        "postfix_tls_trustlevel",
        "inbound trust says nothing without client certificates",
    ),
    (
        "tlsproxy_0001",
        "postfix_client_ip",
        "postscreen logs the same session",
    ),
    (
        "tlsproxy_0001",
        "postfix_client_port",
        "postscreen logs the same session",
    ),
    (
        "tlsproxy_0002",
        "postfix_client_ip",
        "postscreen logs the same session",
    ),
    (
        "tlsproxy_0002",
        "postfix_client_port",
        "postscreen logs the same session",
    ),
];

/// Their field → ours, and whether theirs may be a part of ours (they cut a text into pieces).
const FIELDS: &[(&str, &[&str], bool)] = &[
    ("postfix_queueid", &["queue_id"], false),
    ("postfix_client_hostname", &["client.name"], false),
    ("postfix_client_ip", &["client.ip", "text"], true),
    ("postfix_client_port", &["client.port"], false),
    ("postfix_relay_hostname", &["relay.name"], false),
    ("postfix_relay_ip", &["relay.ip"], false),
    ("postfix_relay_port", &["relay.port"], false),
    ("postfix_relay_service", &["relay.socket"], false),
    ("postfix_action", &["action"], false),
    ("postfix_smtp_stage", &["stage", "detail", "text"], true),
    ("postfix_proxy_smtp_stage", &["stage", "kind"], false),
    ("postfix_proxy_result", &["action", "verdict"], true),
    ("postfix_proxy_message", &["reply", "detail"], true),
    ("postfix_proxy_status_code", &["reply_code"], false),
    ("postfix_proxy_status_code_enhanced", &["dsn"], false),
    ("postfix_status_code", &["reply_code", "reply"], false),
    ("postfix_status_code_enhanced", &["dsn"], false),
    ("postfix_status_data", &["reply", "detail"], true),
    ("postfix_status_message", &["reply", "detail"], true),
    ("postfix_milter_result", &["action"], false),
    ("postfix_milter_message", &["reply"], true),
    ("postfix_milter_data", &["reply"], false),
    ("postfix_prepend_value", &["reply"], false),
    ("postfix_message-id", &["message_id"], false),
    ("postfix_resent-message-id", &["message_id"], false),
    ("postfix_status", &["status"], false),
    ("postfix_smtp_response", &["reply", "text"], true),
    ("postfix_error_response", &["reply"], false),
    ("postfix_local_response", &["reply"], false),
    ("postfix_pipe_response", &["reply"], false),
    ("postfix_message_level", &["severity"], false),
    ("postfix_message", &["text", "action", "detail"], true),
    ("postfix_tls_trustlevel", &["trust"], false),
    ("postfix_tls_version", &["version"], false),
    ("postfix_tls_cipher", &["cipher"], false),
    ("postfix_tls_error", &["text"], true),
    ("postfix_smtp_lostconn_data", &["text", "end", "kind"], true),
    ("postfix_smtp_lostconn_reason", &["text"], true),
    (
        "postfix_smtpd_lostconn_data",
        &["end", "kind", "text"],
        true,
    ),
    ("postfix_postscreen_access", &["how", "verdict"], true),
    ("postfix_postscreen_violation", &["verdict"], true),
    ("postfix_postscreen_dnsbl_rank", &["score"], false),
    ("postfix_postscreen_toobusy_data", &["reply"], false),
    ("postfix_dnsbl_domain", &["detail"], true),
    ("postfix_dnsbl_result", &["detail"], true),
    ("postfix_bounce_queueid", &["new_queue_id"], false),
    ("postfix_bounce_recipient", &["to"], false),
    ("postfix_bounce_reason", &["notice"], false),
    ("postfix_postsuper_action", &["action"], false),
    ("postfix_from", &["sender"], false),
    ("postfix_version", &["text"], true),
    ("postfix_config_path", &["text"], true),
    ("postfix_termination_signal", &["text"], true),
    ("postfix_anvil_conn_count", &["text"], true),
    ("postfix_anvil_conn_rate", &["text"], true),
    ("postfix_anvil_conn_period", &["text"], true),
    ("postfix_service", &["text"], true),
    ("postfix_delay_before_qmgr", &["delays"], true),
    ("postfix_delay_in_qmgr", &["delays"], true),
    ("postfix_delay_conn_setup", &["delays"], true),
    ("postfix_delay_transmission", &["delays"], true),
    ("postfix_cmd_count_accepted", &["commands.ok"], false),
    ("postfix_cmd_count", &["commands.total"], false),
    ("postfix_cmd_auth_accepted", &["auth.ok"], false),
    ("postfix_cmd_auth", &["auth.total"], false),
];

/// Their words where ours are others.
const WORDS: &[(&str, &str)] = &[
    ("NOQUEUE", ""),
    ("reject", "Reject"),
    ("milter-reject", "Reject"),
    ("reject_warning", "RejectWarning"),
    ("discard", "Discard"),
    ("hold", "Hold"),
    ("header-redirect", "Redirect"),
    ("milter-hold", "Hold"),
    ("redirect", "Redirect"),
    ("filter", "Other"),
    ("prepend", "Other"),
    ("replace", "Other"),
    ("accept", "proxy-accept"),
    ("CONNECT", "Connect"),
    ("RCPT", "Rcpt"),
    ("MAIL", "Mail"),
    ("VRFY", "Other"),
    ("END-OF-MESSAGE", "Eod"),
    ("END-OF-MESSAGE", "Verdict"),
    ("non-delivery", "NonDelivery"),
    ("delay", "Delay"),
    ("delivery status", "DeliveryStatus"),
    ("PASS OLD", "old"),
    ("PASS NEW", "new"),
    ("WHITELISTED", "allowlisted"),
    ("BLACKLISTED", "denylisted"),
    ("WHITELIST VETO", "allowlist-veto"),
    ("ALLOWLIST VETO", "allowlist-veto"),
    ("PREGREET", "pregreet"),
    ("DNSBL", "dnsbl"),
    ("HANGUP", "hangup"),
    ("COMMAND TIME LIMIT", "command-time-limit"),
    ("COMMAND COUNT LIMIT", "command-count-limit"),
    ("COMMAND LENGTH LIMIT", "command-length-limit"),
    ("NON-SMTP COMMAND", "non-smtp-command"),
    ("COMMAND PIPELINING", "pipelining"),
    ("BARE NEWLINE", "bare-newline"),
    ("SSL_accept error", "TlsFromFailed"),
    ("lost connection", "Lost"),
    ("timeout", "Timeout"),
    ("bare <LF> received", "Error"),
    ("warning", "Verdict"),
];

struct Case {
    name: String,
    data: String,
    expected: Vec<(String, String)>,
}

#[test]
fn every_difference_is_a_decision() {
    let Some(folder) = shared("corpora/postfix/whyscream-grok/test") else {
        return;
    };
    let cases = cases(&folder);
    assert_eq!(cases.len(), 191);
    let mut used = BTreeSet::new();
    let mut differences = Vec::new();
    let mut compared = 0;
    for case in &cases {
        let line = whole_line(case);
        let program = format!(
            "postfix/{}",
            case.name.rsplit_once('_').map_or("", |(p, _)| p)
        );
        let ours = flat(&parse(
            &program.replace("postfix/tls_features", "postfix/smtp"),
            &line,
        ));
        for (field, value) in expanded(&case.expected) {
            compared += 1;
            if agrees(&ours, &field, &value) || NOT_CARRIED.iter().any(|(f, _)| *f == field) {
                continue;
            }
            match DECISIONS
                .iter()
                .find(|(c, f, _)| *c == case.name && *f == field)
            {
                Some(decision) => used.extend([(decision.0, decision.1)]),
                None => differences.push(format!("{} {field}={value:?}: {ours:?}", case.name)),
            }
        }
    }
    let unused: Vec<_> = DECISIONS
        .iter()
        .filter(|d| !used.contains(&(d.0, d.1)))
        .collect();
    println!(
        "whyscream: {} cases, {compared} fields, {} decisions",
        cases.len(),
        used.len()
    );
    assert!(
        differences.is_empty(),
        "undecided:\n{}",
        differences.join("\n")
    );
    assert!(
        unused.is_empty(),
        "decisions without a difference: {unused:?}"
    );
}

fn cases(folder: &std::path::Path) -> Vec<Case> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| case(path)).collect()
}

fn case(path: &std::path::Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    let mut data = String::new();
    let mut expected = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = unquoted(value.trim());
        if key == "data" {
            data = value;
        } else if key.starts_with(' ') {
            expected.push((key.trim().to_owned(), value));
        }
    }
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Case {
        name,
        data,
        expected,
    }
}

/// A scalar of YAML: plain, or in double quotes with escapes.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.trim_matches('\'').to_owned();
    };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some(other)) => text.push(other),
            (c, _) => text.push(c),
        }
    }
    text
}

/// Some cases are parts of a line; they get the rest around them.
fn whole_line(case: &Case) -> String {
    let data = &case.data;
    match case.name.rsplit_once('_').map_or("", |(p, _)| p) {
        "command_counter_data" => format!("disconnect from a.example[192.0.2.1] {data}"),
        "delays" => {
            format!("8D1E2F3A: to=<a@example.com>, relay=local, delays={data}, status=sent (ok)")
        }
        "relay" => format!("8D1E2F3A: to=<a@example.com>, relay={data}, delay=1, status=sent (ok)"),
        _ => data.clone(),
    }
}

/// Their key-value data as fields of their own.
fn expanded(expected: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (field, value) in expected {
        if field == "postfix_command_counter_data" {
            let total = value
                .rsplit_once("commands=")
                .map_or("", |(_, total)| total);
            all.push(("commands".to_owned(), total.to_owned()));
            continue;
        }
        if field != "postfix_keyvalue_data" {
            all.push((field.clone(), value.clone()));
            continue;
        }
        for pair in value.split([' ', ',']).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap();
            let value = value.trim_start_matches('<').trim_end_matches('>');
            all.push((key.to_owned(), value.to_owned()));
        }
    }
    all
}

/// Key-value pairs → our fields.
const PAIRS: &[(&str, &str)] = &[
    ("client", "client"),
    ("commands", "commands"),
    ("from", "sender"),
    ("to", "recipient"),
    ("orig_to", "orig_recipient"),
    ("proto", "protocol"),
    ("helo", "helo"),
    ("relay", "relay"),
    ("delay", "delay"),
    ("delays", "delays"),
    ("dsn", "dsn"),
    ("size", "size"),
    ("nrcpt", "nrcpt"),
    ("uid", "uid"),
    ("conn_use", "conn_use"),
    ("message-id", "message_id"),
    ("resent-message-id", "message_id"),
];

/// Fields of a line that no event has: (field, why).
const NO_FIELD: &[(&str, &str)] = &[
    ("proto", "a verdict has no protocol"),
    ("helo", "a verdict has no HELO name"),
    ("postfix_proxy_status_code", "a verdict has its text only"),
    (
        "postfix_proxy_status_code_enhanced",
        "a verdict has its text only",
    ),
];

fn agrees(ours: &Flat, field: &str, value: &str) -> bool {
    if field.starts_with("postfix_cmd_") && !FIELDS.iter().any(|(f, ..)| *f == field) {
        return true; // Counters other than AUTH and the total: no column asks for them.
    }
    let pairs: BTreeMap<_, _> = PAIRS.iter().copied().collect();
    if let Some(name) = pairs.get(field) {
        let lacking = ours.get("kind").is_some_and(|kind| kind == "Verdict");
        return match ours.get(name) {
            Some(ours) => ours == value,
            None => lacking && NO_FIELD.iter().any(|(f, _)| *f == field),
        };
    }
    if NO_FIELD.iter().any(|(f, _)| *f == field) && !ours.contains_key("reply_code") {
        return true;
    }
    let Some((_, names, part)) = FIELDS.iter().find(|(f, ..)| *f == field) else {
        return false;
    };
    names.iter().filter_map(|name| ours.get(name)).any(|ours| {
        ours == value
            || (*part && holds(ours, value))
            || WORDS
                .iter()
                .any(|(theirs, word)| *theirs == value && word == ours)
    })
}

/// Whether ours holds theirs; a reply of theirs may have code and dsn that are fields of ours.
fn holds(ours: &str, value: &str) -> bool {
    let bare = value.splitn(3, ' ').nth(2).unwrap_or(value);
    // A check's message goes on with the client, which is a field of ours.
    let header = value
        .rsplit_once(" from ")
        .map_or(value, |(header, _)| header);
    let milter = value
        .strip_suffix(ours)
        .is_some_and(|before| before.starts_with("END-OF-MESSAGE "));
    ours.contains(value) || (!bare.is_empty() && ours == bare) || ours == header || milter
}
