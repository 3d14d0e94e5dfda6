-- title    = "Who sends most"
-- question = "Which senders account for most of our mail, and does it arrive?"
-- tables   = ["messages", "deliveries"]
-- limits   = "Senders are envelope addresses as logged and can be forged by outside clients. Re-injected and forwarded copies are not counted as messages; recipients are counted where the mail finally went."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 AU-6"]
-- columns  = [
--   { name = "rank", kind = "count", about = "by messages" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender of bounces" },
--   { name = "messages", kind = "count", about = "messages accepted from it, each once" },
--   { name = "share", kind = "share", about = "of all accepted messages" },
--   { name = "bytes", kind = "bytes", about = "their size together" },
--   { name = "logins", kind = "count", about = "different logins under which they were sent" },
--   { name = "clients", kind = "count", about = "different client addresses they came from" },
--   { name = "recipients", kind = "count", about = "message and recipient pairs, without hand-overs to our own queue" },
--   { name = "delivered", kind = "count", about = "of them delivered" },
--   { name = "failed", kind = "count", about = "of them bounced or expired" },
--   { name = "first_ts", kind = "time", about = "first message" },
--   { name = "last_ts", kind = "time", about = "last message" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "sender IS NOT NULL"
-- missing = "the logs hold no message with its sender"
--
-- [params.top]
-- default = 1000
-- unit    = "senders"
-- source  = "mtaudit"
-- about   = "senders listed"
--
-- [params.fail_share]
-- default = 0.30
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of failed recipients from which a sender is pointed out"
--
-- [params.min_recipients]
-- default = 50
-- unit    = "recipients"
-- source  = "mtaudit"
-- about   = "recipients with a known end below which nothing is concluded about a sender"
--
-- [chart]
-- kind  = "bar"
-- x     = "sender"
-- y     = ["messages"]
-- label = "messages"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "sender <> '<>' AND failed > 0 AND delivered + failed >= min_recipients AND failed >= fail_share * (delivered + failed)"
-- sentence   = "Much of the mail from {sender} does not arrive: {failed} of {recipients} recipients failed, {delivered} got it. Such a pattern fits an outdated address list or a misused account; it proves neither."
-- thresholds = ["fail_share", "min_recipients"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["sender"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "sender = '<>' AND failed > 0 AND delivered + failed >= min_recipients AND failed >= fail_share * (delivered + failed)"
-- sentence   = "Many of the notices that our servers send (null sender <>) reach no one: {failed} of {recipients} failed. This is usual where mail with forged senders is accepted first and returned later; such notices bother strangers."
-- thresholds = ["fail_share", "min_recipients"]
-- evidence   = "SELECT source, line FROM deliveries WHERE sender = '' AND outcome IN ('bounced', 'expired')"
-- keys       = []
WITH m AS (
    SELECT CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender,
           CAST(COUNT(*) AS BIGINT) AS messages,
           SUM(size) AS bytes,
           COUNT(DISTINCT auth_user) AS logins,
           COUNT(DISTINCT client_ip) AS clients,
           MIN(received_ts) AS first_ts,
           MAX(received_ts) AS last_ts
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded') AND sender IS NOT NULL
    GROUP BY CASE WHEN sender = '' THEN '<>' ELSE sender END
), whole AS (
    SELECT COUNT(*) AS messages
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded')
), d AS (
    SELECT CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender,
           COUNT(*) AS recipients,
           COUNT(*) FILTER (WHERE outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS failed
    FROM deliveries
    WHERE outcome <> 'forwarded' AND sender IS NOT NULL
    GROUP BY CASE WHEN sender = '' THEN '<>' ELSE sender END
), amounts AS (
    -- Senders with this many messages, and with more: only those that can be among the top are put in order.
    SELECT messages, n, CAST(SUM(n) OVER (ORDER BY -messages) AS BIGINT) AS up_to
    FROM (SELECT messages, CAST(COUNT(*) AS BIGINT) AS n FROM m GROUP BY messages) AS counted
), most AS (
    SELECT m.sender AS sender, m.messages AS messages, m.bytes AS bytes, m.logins AS logins, m.clients AS clients,
           m.first_ts AS first_ts, m.last_ts AS last_ts
    FROM m
    JOIN amounts ON m.messages = amounts.messages
    CROSS JOIN params
    WHERE amounts.up_to - amounts.n < params.top
), ranked AS (
    SELECT sender, messages, bytes, logins, clients, first_ts, last_ts,
           ROW_NUMBER() OVER (ORDER BY -messages, sender) AS rank
    FROM most
)
SELECT ranked.rank AS rank,
       ranked.sender AS sender,
       ranked.messages AS messages,
       ROUND(CAST(ranked.messages AS DOUBLE) / whole.messages, 4) AS share,
       ranked.bytes AS bytes,
       ranked.logins AS logins,
       ranked.clients AS clients,
       CAST(COALESCE(d.recipients, 0) AS BIGINT) AS recipients,
       CAST(COALESCE(d.delivered, 0) AS BIGINT) AS delivered,
       CAST(COALESCE(d.failed, 0) AS BIGINT) AS failed,
       ranked.first_ts AS first_ts,
       ranked.last_ts AS last_ts
FROM ranked
CROSS JOIN whole
CROSS JOIN params
LEFT JOIN d ON ranked.sender = d.sender
WHERE ranked.rank <= params.top
ORDER BY rank
