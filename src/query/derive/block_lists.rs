//! Which block list a reply names, and which of our addresses it complains of.

use std::collections::BTreeSet;
use std::net::IpAddr;

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::Method;
use crate::tables::schema::Type;

/// For each different reply: the list in a name that people know it by, or the host that the reply refers to; empty
/// when it names none. The address is the first one in the other server's own words, empty when there is none.
pub const METHOD: Method = Method {
    name: "block_lists",
    about: "the block list that a reply names, and the address that it complains of",
    inputs: &[("reply", Type::Text)],
    outputs: &[
        ("reply", Type::Text),
        ("list", Type::Text),
        ("address", Type::Text),
    ],
    run,
};

/// Lists by what their replies have in them, lower case. The first that occurs decides.
const LISTS: &[(&str, &str)] = &[
    ("spamhaus", "Spamhaus"),
    ("spamcop", "SpamCop"),
    ("barracuda", "Barracuda"),
    ("proofpoint", "Proofpoint"),
    ("cloudmark", "Cloudmark"),
    ("sorbs.net", "SORBS"),
    ("uceprotect", "UCEPROTECT"),
    ("abusix", "Abusix"),
    ("invaluement", "Invaluement"),
    ("mailspike", "Mailspike"),
    ("psbl.", "PSBL"),
    ("0spam", "0spam"),
    ("nixspam", "NiX Spam"),
    ("manitu.net", "NiX Spam"),
    ("senderscore", "Sender Score"),
    ("senderbase", "Cisco Talos"),
    ("talosintelligence", "Cisco Talos"),
    ("ironport", "Cisco Talos"),
    ("trendmicro", "Trend Micro"),
    ("mail-abuse", "Trend Micro"),
    ("surbl", "SURBL"),
    ("uribl", "URIBL"),
    ("hostkarma", "Hostkarma"),
    ("backscatterer", "Backscatterer"),
    ("dnswl", "DNSWL"),
    ("lashback", "LashBack"),
    ("gbudb", "GBUdb"),
    ("truncate.", "GBUdb"),
    ("s3150", "Microsoft's own list"),
    ("s3140", "Microsoft's own list"),
    ("delist.messaging.microsoft", "Microsoft's own list"),
    ("sender.office.com", "Microsoft's own list"),
    ("support.google.com", "Google's own rating"),
];

fn run(rows: &DataFrame) -> PolarsResult<Vec<Column>> {
    let replies: BTreeSet<&str> = rows.column("reply")?.str()?.iter().flatten().collect();
    let column = |of: fn(&str) -> String| {
        let values: Vec<String> = replies.iter().map(|reply| of(reply)).collect();
        Column::new("".into(), values)
    };
    Ok(vec![column(str::to_owned), column(list), column(address)])
}

/// What the other server said: the name and address before `said:` are its own.
fn words(reply: &str) -> &str {
    const FRAMES: [&str; 3] = [" said: ", " refused to talk to me: ", "]: "];
    // Exim's frame is the last: `host mx.example.com [192.0.2.1]: 550 …`.
    let mut ends = FRAMES
        .iter()
        .filter_map(|frame| reply.split_once(frame).map(|(_, words)| words));
    ends.next().unwrap_or(reply)
}

fn list(reply: &str) -> String {
    let words = words(reply).to_ascii_lowercase();
    let known = LISTS.iter().find(|(part, _)| words.contains(part));
    if let Some((_, name)) = known {
        return (*name).to_owned();
    }
    let host = named_host(&words).or_else(|| linked_host(&words));
    host.unwrap_or_default().to_owned()
}

/// The host of the first page that the reply refers to.
fn linked_host(words: &str) -> Option<&str> {
    let (_, after) = words.split_once("://")?;
    let host = after.split(['/', ' ', ')', '?', ':', ';', ',']).next()?;
    let host = host.trim_end_matches('.');
    (host.contains('.') && host.bytes().all(is_host_byte)).then_some(host)
}

/// The host in `blocked using HOST`, `listed in HOST`, `listed at HOST`, `listed by HOST`.
fn named_host(words: &str) -> Option<&str> {
    const BEFORE: [&str; 7] = [
        "blocked using ",
        "listed in ",
        "listed at ",
        "listed by ",
        "listed on ",
        "found in ",
        "blacklisted by ",
    ];
    BEFORE.iter().find_map(|before| {
        let (_, after) = words.split_once(before)?;
        let host = after.split([' ', ';', ',', '(', ')', '/', ':']).next()?;
        let host = host.trim_matches(['.', '<', '>', '"', '\'', '[', ']']);
        let is_host = host.contains('.') && host.parse::<IpAddr>().is_err();
        (is_host && host.bytes().all(is_host_byte)).then_some(host)
    })
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// The first address in the words that a list could mean: what a list answers (`127.0.0.2`) is none.
fn address(reply: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let tokens = words(reply).split(|c: char| !is_part(c));
    let mut addresses = tokens.filter_map(|token| {
        let token = token.trim_matches('.').trim_end_matches(':');
        // An address of either family has separators; a bare number is none, and a lone `::` is no one's.
        let separated = token.matches('.').count() == 3 || token.matches(':').count() >= 2;
        let ip: IpAddr = separated.then(|| token.parse().ok()).flatten()?;
        (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
    });
    addresses
        .next()
        .map(|ip| ip.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(reply: &str) -> (String, String) {
        (list(reply), address(reply))
    }

    fn pair(list: &str, address: &str) -> (String, String) {
        (list.to_owned(), address.to_owned())
    }

    #[test]
    fn a_known_list_has_its_name_and_our_address_is_not_the_servers() {
        let reply = "host mx.example.com[192.0.2.1] said: 554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/203.0.113.5 (in reply to RCPT TO command)";
        assert_eq!(both(reply), pair("Spamhaus", "203.0.113.5"));
        let reply = "host mx.example.com[192.0.2.1] said: 550 5.7.1 Unfortunately, messages from [2001:db8::25] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).";
        assert_eq!(both(reply), pair("Microsoft's own list", "2001:db8::25"));
    }

    #[test]
    fn an_unknown_list_is_the_host_that_is_named() {
        let reply = "host mx.example.com[192.0.2.1] said: 550 Client host blocked using bl.lists.example (127.0.0.2)";
        assert_eq!(both(reply), pair("bl.lists.example", ""));
        let reply =
            "host mx.example.com[192.0.2.1] said: 550 203.0.113.5 is listed at rbl.example.net.";
        assert_eq!(both(reply), pair("rbl.example.net", "203.0.113.5"));
        let reply = "host mx.example.net[192.0.2.1] refused to talk to me: 554-mx.example.net 554 Your IP 203.0.113.5 has been blocked. See https://bl.example/query/ip/203.0.113.5";
        assert_eq!(both(reply), pair("bl.example", "203.0.113.5"));
        let reply = "SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx.b.example [192.0.2.1]: 550 blocked";
        assert_eq!(both(reply), pair("", ""));
    }

    #[test]
    fn bad_repute_without_a_list_names_none() {
        let reply = "host mx.example.com[192.0.2.1] said: 554 5.7.1 Poor reputation of sender 203.0.113.5. Rejected at 10:20:30";
        assert_eq!(both(reply), pair("", "203.0.113.5"));
        let reply = "550 5.7.1 your network is listed in our database";
        assert_eq!(both(reply), pair("", ""));
    }
}
