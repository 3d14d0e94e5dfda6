//! What was concluded from a text before.
//!
//! Replies repeat once strangers' words are out of them: a log has a few hundred. The rule that a text leads to is a
//! function of the text and of what [`Known`] names beside it, so it is looked for once a thread.

use std::hash::{BuildHasher, Hasher};

use hashbrown::HashTable;

use super::text::{Reply, Speaker, Stage};

/// Texts remembered; then all are forgotten, so that a hostile log costs time only.
const MOST: usize = 4096;

/// A text with what else decides, and the rule.
struct Known {
    hash: u64,
    text: Box<[u8]>,
    dsn: Box<[u8]>,
    code: u16,
    speaker: Speaker,
    stage: Option<Stage>,
    rule: Option<usize>,
}

/// One thread's memory of one engine's conclusions.
#[derive(Default)]
pub(super) struct Memo {
    hasher: foldhash::fast::RandomState,
    known: HashTable<Known>,
}

impl Memo {
    /// The rule for a normalised text, asked of `find` when it is new.
    pub(super) fn rule(
        &mut self,
        text: &[u8],
        reply: &Reply,
        find: impl FnOnce() -> Option<usize>,
    ) -> Option<usize> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text);
        hasher.write(reply.dsn);
        hasher.write_u16(reply.code);
        let hash = hasher.finish();
        let same = |known: &Known| {
            known.hash == hash
                && (known.code, known.speaker, known.stage)
                    == (reply.code, reply.speaker, reply.stage)
                && *known.dsn == *reply.dsn
                && *known.text == *text
        };
        if let Some(known) = self.known.find(hash, same) {
            return known.rule;
        }
        let rule = find();
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let known = Known {
            hash,
            text: text.into(),
            dsn: reply.dsn.into(),
            code: reply.code,
            speaker: reply.speaker,
            stage: reply.stage,
            rule,
        };
        self.known.insert_unique(hash, known, |known| known.hash);
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::super::{At, Question, rules};
    use super::*;

    #[test]
    fn remembered_or_not_the_answer_is_the_same() {
        let engine = rules::embedded();
        let mut memo = Memo::default();
        let replies = [
            "host mx.example[192.0.2.1] said: 550 5.1.1 <a@b.example>: user unknown (in reply to RCPT TO command)",
            "host mx.example[192.0.2.1] said: 452 4.2.2 mailbox full (in reply to RCPT TO command)",
            "host mx.example[192.0.2.1] said: 452 4.2.2 mailbox full (in reply to MAIL FROM command)",
            "connect to mx.example[192.0.2.1]:25: Connection timed out",
            "mailbox full",
            "",
        ];
        for _ in 0..2 {
            for reply in replies {
                for at in [At::Delivery, At::Rejection] {
                    for (reply_code, dsn) in
                        [(0, ""), (450, "4.7.1"), (550, "5.7.1"), (550, "5.1.1")]
                    {
                        for status_expired in [false, true] {
                            let question = Question {
                                reply: reply.as_bytes(),
                                reply_code,
                                dsn: dsn.as_bytes(),
                                at,
                                status_expired,
                            };
                            let answer = engine.answer(&question);
                            assert_eq!(
                                engine.answer_from(&question, &mut memo),
                                answer,
                                "{question:?}"
                            );
                        }
                    }
                }
            }
        }
        assert!(memo.known.len() > replies.len());
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut memo = Memo::default();
        for n in 0..3 * MOST {
            let text = format!("text {n}");
            let question = Question {
                reply: text.as_bytes(),
                reply_code: 0,
                dsn: b"",
                at: At::Rejection,
                status_expired: false,
            };
            assert_eq!(
                memo.rule(text.as_bytes(), &Reply::of(&question), || Some(n)),
                Some(n)
            );
            assert!(memo.known.len() <= MOST);
        }
    }
}
