-- title    = "Who sends most"
-- question = "Which senders account for most of our mail, and does it arrive?"
-- tables   = ["messages", "deliveries"]
-- limits   = "Senders are envelope addresses as logged and can be forged by outside clients. Re-injected and forwarded copies are not counted as messages; recipients are counted where the mail finally went."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 AU-6"]
-- sensitivity = "fail_share"
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
--   { name = "place", kind = "place", about = "first line of its messages" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "sender IS NOT NULL"
-- missing = "the logs hold no message with its sender"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
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
-- sentence   = "Much of the mail from {sender} did not arrive: of {recipients|recipient|recipients}, {failed} failed and {delivered} got it. This fits an outdated address list or a misused account; it proves neither."
-- advice     = "Ask the owner of {sender} where the list of recipients comes from and have the failed ones removed; if nobody knows of this mail, lock the account and change its password."
-- thresholds = ["fail_share", "min_recipients"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["sender"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "sender = '<>' AND failed > 0 AND delivered + failed >= min_recipients AND failed >= fail_share * (delivered + failed)"
-- sentence   = "Many of the notices that our servers sent (null sender <>) reached no one: {failed} of {recipients|recipient|recipients} failed. This is usual where mail with forged senders is accepted first and returned later; such notices bother strangers."
-- advice     = "Refuse unknown recipients and unwanted mail during SMTP (relay_recipient_maps, a filter before the queue) instead of accepting and returning it."
-- thresholds = ["fail_share", "min_recipients"]
-- evidence   = "SELECT source, line FROM deliveries WHERE sender = '' AND outcome IN ('bounced', 'expired')"
-- keys       = []
WITH m AS (
    SELECT sender, CAST(COUNT(*) AS BIGINT) AS messages
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded') AND sender IS NOT NULL
    GROUP BY sender
), whole AS (
    SELECT COUNT(*) AS messages
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded')
), amounts AS (
    -- Senders with this many messages, and with more: only those that can be among the top are put in order.
    SELECT messages, n, CAST(SUM(n) OVER (ORDER BY -messages) AS BIGINT) AS up_to
    FROM (SELECT messages, CAST(COUNT(*) AS BIGINT) AS n FROM m GROUP BY messages) AS counted
), most AS (
    SELECT m.sender AS sender, CASE WHEN m.sender = '' THEN '<>' ELSE m.sender END AS name, m.messages AS messages
    FROM m
    JOIN amounts ON m.messages = amounts.messages
    CROSS JOIN params
    WHERE amounts.up_to - amounts.n < params.top
), ranked AS (
    SELECT sender, name, messages, ROW_NUMBER() OVER (ORDER BY -messages, name) AS rank
    FROM most
), chosen AS (
    SELECT ranked.sender AS sender, ranked.name AS name, ranked.messages AS messages, ranked.rank AS rank
    FROM ranked
    CROSS JOIN params
    WHERE ranked.rank <= params.top
), details AS (
    -- Of the chosen ones alone: the clients of every sender would be most of the logs.
    SELECT messages.sender AS sender,
           SUM(messages.size) AS bytes,
           COUNT(DISTINCT messages.auth_user) AS logins,
           COUNT(DISTINCT messages.client_ip) AS clients,
           MIN(messages.received_ts) AS first_ts,
           MAX(messages.received_ts) AS last_ts,
           MIN(messages.source * 10000000000 + messages.line) AS place
    FROM messages
    JOIN chosen ON messages.sender = chosen.sender
    WHERE messages.origin NOT IN ('reinjected', 'forwarded')
    GROUP BY messages.sender
), d AS (
    SELECT deliveries.sender AS sender,
           COUNT(*) AS recipients,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS failed
    FROM deliveries
    JOIN chosen ON deliveries.sender = chosen.sender
    WHERE deliveries.outcome <> 'forwarded'
    GROUP BY deliveries.sender
)
SELECT chosen.rank AS rank,
       chosen.name AS sender,
       chosen.messages AS messages,
       ROUND(CAST(chosen.messages AS DOUBLE) / whole.messages, 4) AS share,
       details.bytes AS bytes,
       details.logins AS logins,
       details.clients AS clients,
       CAST(COALESCE(d.recipients, 0) AS BIGINT) AS recipients,
       CAST(COALESCE(d.delivered, 0) AS BIGINT) AS delivered,
       CAST(COALESCE(d.failed, 0) AS BIGINT) AS failed,
       details.first_ts AS first_ts,
       details.last_ts AS last_ts,
       details.place AS place
FROM chosen
JOIN details ON chosen.sender = details.sender
CROSS JOIN whole
LEFT JOIN d ON chosen.sender = d.sender
ORDER BY rank
