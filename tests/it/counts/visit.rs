//! What a client wrote down of one session: commands and their replies, tries to log in, mail that was taken.

use serde_json::Value;

use crate::support::{list, word};

/// A session of `truth.jsonl`.
#[derive(Clone, Copy)]
pub struct Visit<'a>(pub &'a Value);

/// A try to log in, and how the server took it.
pub struct Try<'a> {
    pub mechanism: &'a str,
    pub user: &'a str,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// The user, password or mechanism was refused.
    Refused,
    /// The server could not check.
    ServerFault,
    /// Refused before anything was checked: TLS first, or too many tries.
    NotChecked,
}

/// A message that the server took.
pub struct Taken<'a> {
    pub sender: &'a str,
    /// Recipients that were accepted; unknown where the client did not say.
    pub recipients: Vec<&'a str>,
}

/// The sender of the client that tries the syntax of commands, as Postfix writes it: that client keeps no list of mails.
const SYNTAX_SENDER: &str = "\"a@b\"@bigmail.example";

pub fn code(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Recipients of a mail that were accepted.
fn accepted(mail: &Value) -> impl Iterator<Item = &str> {
    list(mail, "rcpts")
        .filter(|rcpt| code(&rcpt["code"]) < 300)
        .map(|rcpt| word(rcpt, "to"))
}

impl<'a> Visit<'a> {
    pub fn client(self) -> &'a str {
        word(self.0, "src")
    }

    pub fn port(self) -> i64 {
        code(&self.0["port"])
    }

    pub fn start(self) -> f64 {
        self.0["start"].as_f64().unwrap()
    }

    pub fn stop(self) -> f64 {
        self.0["stop"].as_f64().unwrap()
    }

    pub fn mails(self) -> impl Iterator<Item = &'a Value> {
        list(self.0, "mails")
    }

    /// What it said in HELO. The client that talks before its turn does not write it down, but says what world.py has.
    pub fn helo(self) -> String {
        let own = self.0["helo"].as_str().map(str::to_owned);
        own.unwrap_or_else(|| usual_helo(self.client()))
    }

    pub fn is(self, scenario: &str) -> bool {
        word(self.0, "scenario") == scenario
    }

    /// As the log names the service of a port.
    pub fn service(self) -> &'static str {
        match self.port() {
            143 => "imap",
            465 => "smtps/smtpd",
            587 => "submission/smtpd",
            _ => "smtpd",
        }
    }

    /// The version of TLS. The client that insists on an old one does not write down that it got it.
    pub fn tls(self) -> &'a str {
        let old = word(self.0, "quirk") == "tls_old";
        if old && self.replies().contains(&("QUIT", 221)) {
            return "TLSv1";
        }
        word(self.0, "tls")
    }

    /// Commands and the codes of their replies. The client that talks before its turn sends four at once, and may take
    /// the reply to EHLO for the banner; one that waits is told when its time is over.
    pub fn replies(self) -> Vec<(&'a str, i64)> {
        let mut early = ["EHLO", "MAIL FROM", "RCPT TO", "DATA"].into_iter();
        if self.0["codes"][0][1] == 250 {
            early.next();
        }
        let mut verb = |said: &'a str| match said {
            "early" => early.next().unwrap_or("wait"),
            "idle" => "wait",
            said => said,
        };
        let pair = |pair: &'a Value| (verb(pair[0].as_str().unwrap_or_default()), code(&pair[1]));
        list(self.0, "codes").map(pair).collect()
    }

    /// postscreen served it to the end, which knows fewer commands than smtpd and reads no address.
    pub fn screened(self) -> bool {
        let replies = self.replies();
        let said = |verb, code| replies.contains(&(verb, code));
        let unknown = said("BLAH", 502) || said("EXPN", 502);
        self.port() == 25 && (unknown || self.is("syntax") && !said("RCPT", 501))
    }

    /// A recipient was accepted: only then, or with a refusal, a line names the account.
    pub fn names_account(self) -> bool {
        self.mails().any(|mail| accepted(mail).next().is_some())
    }

    pub fn tries(self) -> Vec<Try<'a>> {
        let written = list(self.0, "auth").map(|auth| Try {
            mechanism: match word(auth, "mech") {
                "IMAP" => "PLAIN",
                mechanism => mechanism,
            },
            user: word(auth, "user"),
            outcome: outcome(auth),
        });
        let written: Vec<Try<'a>> = written.collect();
        if written.is_empty() && !self.screened() {
            return self.unwritten().collect();
        }
        written
    }

    /// Clients that send junk do not write down that they said AUTH.
    fn unwritten(self) -> impl Iterator<Item = Try<'a>> {
        let refused = |(verb, code): &(&str, i64)| *verb == "AUTH" && *code >= 400;
        self.replies().into_iter().filter(refused).map(|_| Try {
            mechanism: "",
            user: "",
            outcome: Outcome::NotChecked,
        })
    }

    pub fn user(self) -> &'a str {
        let won = |auth: &&Value| auth["ok"] == true;
        list(self.0, "auth")
            .find(won)
            .map_or("", |auth| word(auth, "user"))
    }

    pub fn taken(self) -> Vec<Taken<'a>> {
        let taken = self
            .mails()
            .filter(|mail| code(&mail["data_code"]) / 100 == 2);
        let taken = taken.map(|mail| Taken {
            sender: word(mail, "from"),
            recipients: accepted(mail).collect(),
        });
        taken.chain(self.unlisted()).collect()
    }

    /// Two kinds of clients send on without reading: what was taken of them is seen in the codes.
    fn unlisted(self) -> impl Iterator<Item = Taken<'a>> {
        let sender = if self.is("syntax") {
            SYNTAX_SENDER
        } else {
            self.mails().next().map_or("", |mail| word(mail, "from"))
        };
        let times = if self.is("syntax") || self.is("pipeline") {
            self.ends_of_data()
        } else {
            0
        };
        (0..times).map(move |_| Taken {
            sender,
            recipients: Vec::new(),
        })
    }

    fn ends_of_data(self) -> usize {
        let replies = self.replies();
        let pairs = replies.windows(2);
        let sent = pairs.filter(|pair| (pair[0].1, pair[1].1) == (354, 250));
        sent.filter(|pair| matches!((pair[0].0, pair[1].0), ("junk", "junk") | ("DATA", ".")))
            .count()
    }
}

/// The name of a bot's address, where it has one.
fn usual_helo(client: &str) -> String {
    match client
        .rsplit_once('.')
        .map(|(_, number)| number.parse::<u32>())
    {
        Some(Ok(number)) if number % 3 > 0 => format!("host-{number}.pool.botnet.example.net"),
        _ => format!("[{client}]"),
    }
}

fn outcome(auth: &Value) -> Outcome {
    match word(auth, "reply").get(..3) {
        _ if auth["ok"] == true => Outcome::Success,
        Some("535" | "a1 ") => Outcome::Refused,
        Some("454") => Outcome::ServerFault,
        _ => Outcome::NotChecked,
    }
}

/// A session of `truth.jsonl` each.
pub fn visits(truth: &[Value]) -> impl Iterator<Item = Visit<'_>> {
    truth.iter().map(Visit)
}
