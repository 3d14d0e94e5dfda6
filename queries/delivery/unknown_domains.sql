-- title    = "Domains that do not exist or take no mail"
-- question = "Which wrong domains is mail sent to?"
-- tables   = ["attempts", "deliveries", "rejections"]
-- limits   = "An answer of the name service at the time of the try: a domain may have been without names for a day. `sent` is what our server tried to deliver; `refused` is what it turned away from its own clients before that."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_mails"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "reason", kind = "text", about = "nxdomain: there is no such name; no-mx: it has no mail server; null-mx: it says that it takes no mail (RFC 7505)" },
--   { name = "mails", kind = "count", about = "messages sent to it plus recipients refused by our server" },
--   { name = "sent", kind = "count", about = "different messages that we tried to deliver" },
--   { name = "refused", kind = "count", about = "recipients that our server turned away when a client named them" },
--   { name = "tries", kind = "count", about = "tries that failed" },
--   { name = "failed", kind = "count", about = "deliveries that failed for good for this reason" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "delivered", kind = "count", about = "deliveries to the domain that arrived" },
--   { name = "last_delivered_ts", kind = "time", about = "the last of them" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- or      = ["rejections"]
-- missing = "the logs hold neither a delivery attempt nor a refusal"
-- remedy  = "lines of smtpd, smtp, lmtp and local at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_mails]
-- default = 3
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages to a domain that does not exist or takes no mail, from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "delivered > 0 AND last_delivered_ts < first_ts AND mails >= min_mails"
-- sentence   = "Mail for {recipient_domain} arrived until {last_delivered_ts} ({delivered|delivery|deliveries}). From {first_ts} on the domain did not exist or took no mail ({reason}), which stopped {mails|mail|mails}."
-- advice     = "Call your contact at {recipient_domain} by telephone: the registration or the name service of the domain has probably lapsed, and mail cannot tell them."
-- thresholds = ["min_mails"]
-- limit      = 5
-- evidence   = """
-- SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('nxdomain', 'no-mx', 'null-mx')
-- UNION ALL
-- SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx')"""
-- keys       = ["recipient_domain", "reason"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "delivered = 0 AND mails >= min_mails"
-- sentence   = "{recipient_domain|A recipient without a domain} does not exist or takes no mail ({reason}): nothing for it arrived, though {mails|mail was|mails were} sent to {recipients|recipient|recipients} there ({senders|sender is|senders are} named)."
-- advice     = "Ask the senders for the right domain (delivery/typo_domains suggests one where it can), and correct the address book or the list that {recipient_domain} comes from."
-- thresholds = ["min_mails"]
-- limit      = 5
-- evidence   = """
-- SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('nxdomain', 'no-mx', 'null-mx')
-- UNION ALL
-- SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx')"""
-- keys       = ["recipient_domain", "reason"]
WITH events AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, message, 0 AS refused, recipient, sender, ts, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('nxdomain', 'no-mx', 'null-mx')
    UNION ALL
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, CAST(NULL AS BIGINT) AS message, 1 AS refused, recipient, sender, ts, reply, source, line
    FROM rejections
    WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx')
), failures AS (
    SELECT recipient_domain, reason,
           CAST(COUNT(DISTINCT message) AS BIGINT) AS sent,
           CAST(SUM(refused) AS BIGINT) AS refused,
           CAST(COUNT(message) AS BIGINT) AS tries,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT sender) AS senders,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM events
    GROUP BY recipient_domain, reason
), lost AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, reason, COUNT(*) AS failed
    FROM deliveries
    WHERE outcome IN ('bounced', 'expired') AND reason IN ('nxdomain', 'no-mx', 'null-mx')
    GROUP BY COALESCE(recipient_domain, ''), reason
), arrived AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, COUNT(*) AS delivered, MAX(last_ts) AS last_delivered_ts
    FROM deliveries
    WHERE outcome = 'delivered'
    GROUP BY COALESCE(recipient_domain, '')
)
SELECT failures.recipient_domain AS recipient_domain,
       failures.reason AS reason,
       failures.sent + failures.refused AS mails,
       failures.sent AS sent,
       failures.refused AS refused,
       failures.tries AS tries,
       CAST(COALESCE(lost.failed, 0) AS BIGINT) AS failed,
       failures.recipients AS recipients,
       failures.senders AS senders,
       CAST(COALESCE(arrived.delivered, 0) AS BIGINT) AS delivered,
       arrived.last_delivered_ts AS last_delivered_ts,
       failures.first_ts AS first_ts,
       failures.last_ts AS last_ts,
       failures.example AS example,
       failures.place AS place
FROM failures
LEFT JOIN lost ON failures.recipient_domain = lost.recipient_domain AND failures.reason = lost.reason
LEFT JOIN arrived ON failures.recipient_domain = arrived.recipient_domain
ORDER BY mails DESC, recipient_domain, reason
