-- title    = "Mistyped domains, and which were meant"
-- question = "Which domains that fail look like a domain that mail reaches?"
-- tables   = ["deliveries", "rejections"]
-- limits   = "One edit (a letter wrong, missing, doubled, or two swapped) for short names, two from ten letters on, or the same name under another ending. A suggestion, not proof: both domains may be real. A mistyped domain that takes mail, as some are registered for, does not fail and is not seen."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_delivered"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain to which nothing arrived" },
--   { name = "similar_domain", kind = "text", about = "domain that was probably meant" },
--   { name = "differs_by", kind = "text", about = "one edit, two edits, or the ending" },
--   { name = "mails", kind = "count", about = "deliveries that failed or wait, and recipients refused" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "similar_delivered", kind = "count", about = "deliveries that arrived at the similar domain" },
--   { name = "example_recipient", kind = "text", about = "one of the recipients" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_delivered]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "deliveries that arrived at the similar domain, from which it is proposed"
--
-- [derived.meant]
-- with  = "similar_names"
-- input = """
-- SELECT name, CAST(SUM(delivered) AS BIGINT) AS weight, SUM(delivered) = 0 AS wanted
-- FROM (
--     SELECT recipient_domain AS name,
--            CAST(COUNT(*) FILTER (WHERE outcome = 'delivered') AS BIGINT) AS delivered,
--            CAST(COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired', 'open') AND (cause IN ('dns', 'network', 'address', 'relay') OR reason = 'expired')) AS BIGINT) AS failed
--     FROM deliveries
--     WHERE recipient_domain <> ''
--     GROUP BY recipient_domain
--     UNION ALL
--     SELECT recipient_domain AS name, CAST(0 AS BIGINT) AS delivered, CAST(COUNT(*) AS BIGINT) AS failed
--     FROM rejections
--     WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx') AND recipient_domain <> ''
--     GROUP BY recipient_domain
-- ) AS domains
-- GROUP BY name
-- HAVING SUM(delivered) >= 2 OR (SUM(delivered) = 0 AND SUM(failed) > 0)"""
--
-- [[findings]]
-- severity   = "low"
-- when       = "similar_delivered >= min_delivered"
-- sentence   = "Nothing arrived at {recipient_domain} ({mails|mail|mails}; {senders|sender is|senders are} named), while {similar_delivered|delivery|deliveries} arrived at {similar_domain}, from which it differs by {differs_by}. Probably {similar_domain} was meant."
-- advice     = "Tell the senders that {similar_domain} was probably meant, and look where {recipient_domain} is kept: an address book, a form or a list will send there again."
-- thresholds = ["min_delivered"]
-- limit      = 10
-- evidence   = """
-- SELECT CAST(recipient_domain AS VARCHAR) AS recipient_domain, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired', 'open') AND (cause IN ('dns', 'network', 'address', 'relay') OR reason = 'expired')
-- UNION ALL
-- SELECT CAST(recipient_domain AS VARCHAR) AS recipient_domain, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx')"""
-- keys       = ["recipient_domain"]
WITH events AS (
    SELECT recipient_domain, recipient, sender, last_ts AS ts, source, line
    FROM deliveries
    WHERE outcome IN ('bounced', 'expired', 'open') AND (cause IN ('dns', 'network', 'address', 'relay') OR reason = 'expired') AND recipient_domain <> ''
    UNION ALL
    SELECT recipient_domain, recipient, sender, ts, source, line
    FROM rejections
    WHERE action IN ('reject', 'defer') AND reason IN ('nxdomain', 'no-mx', 'null-mx') AND recipient_domain <> ''
), grouped AS (
    SELECT recipient_domain,
           COUNT(*) AS mails, COUNT(DISTINCT recipient) AS recipients, COUNT(DISTINCT sender) AS senders,
           MIN(recipient) AS example_recipient, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM events
    GROUP BY recipient_domain
), failures AS (
    SELECT CAST(recipient_domain AS VARCHAR) AS recipient_domain, mails, recipients, senders, example_recipient, first_ts, last_ts, place
    FROM grouped
)
SELECT failures.recipient_domain AS recipient_domain,
       meant."similar" AS similar_domain,
       CASE WHEN meant.other_ending THEN 'the ending' WHEN meant.distance = 1 THEN 'one edit' ELSE 'two edits' END AS differs_by,
       failures.mails AS mails,
       failures.recipients AS recipients,
       failures.senders AS senders,
       meant.similar_weight AS similar_delivered,
       failures.example_recipient AS example_recipient,
       failures.first_ts AS first_ts,
       failures.last_ts AS last_ts,
       failures.place AS place
FROM failures
JOIN meant ON failures.recipient_domain = meant.name
ORDER BY mails DESC, recipient_domain
