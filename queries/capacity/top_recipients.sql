-- title    = "Who receives most"
-- question = "Which addresses get most of the mail we handle?"
-- tables   = ["messages", "deliveries"]
-- limits   = "Recipients are the final addresses, after aliases. Hand-overs to our own queue are not counted. Open deliveries are counted among the deliveries, not among delivered or failed."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- columns  = [
--   { name = "rank", kind = "count", about = "by deliveries" },
--   { name = "recipient", kind = "text", about = "envelope recipient" },
--   { name = "deliveries", kind = "count", about = "messages for it, whatever became of them" },
--   { name = "share", kind = "share", about = "of all deliveries" },
--   { name = "delivered", kind = "count", about = "of them delivered" },
--   { name = "failed", kind = "count", about = "of them bounced or expired" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "bytes", kind = "bytes", about = "size of what was delivered" },
--   { name = "first_ts", kind = "time", about = "first try" },
--   { name = "last_ts", kind = "time", about = "last try" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
--
-- [params.top]
-- default = 1000
-- unit    = "recipients"
-- source  = "mtaudit"
-- about   = "recipients listed"
--
-- [chart]
-- kind  = "bar"
-- x     = "recipient"
-- y     = ["deliveries"]
-- label = "deliveries"
WITH d AS (
    SELECT deliveries.recipient AS recipient,
           CAST(COUNT(*) AS BIGINT) AS deliveries,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS failed,
           COUNT(DISTINCT deliveries.sender) AS senders,
           SUM(messages.size) FILTER (WHERE deliveries.outcome = 'delivered') AS bytes,
           MIN(deliveries.first_ts) AS first_ts,
           MAX(deliveries.last_ts) AS last_ts
    FROM deliveries
    LEFT JOIN messages ON deliveries.message = messages.message
    WHERE deliveries.outcome <> 'forwarded' AND deliveries.recipient IS NOT NULL
    GROUP BY deliveries.recipient
), whole AS (
    SELECT COUNT(*) AS deliveries FROM deliveries WHERE outcome <> 'forwarded'
), ranked AS (
    SELECT recipient, deliveries, delivered, failed, senders, bytes, first_ts, last_ts,
           ROW_NUMBER() OVER (ORDER BY -deliveries, recipient) AS rank
    FROM d
)
SELECT ranked.rank AS rank,
       ranked.recipient AS recipient,
       ranked.deliveries AS deliveries,
       ROUND(CAST(ranked.deliveries AS DOUBLE) / whole.deliveries, 4) AS share,
       ranked.delivered AS delivered,
       ranked.failed AS failed,
       ranked.senders AS senders,
       CASE WHEN ranked.delivered > 0 THEN ranked.bytes ELSE 0 END AS bytes,
       ranked.first_ts AS first_ts,
       ranked.last_ts AS last_ts
FROM ranked
CROSS JOIN whole
CROSS JOIN params
WHERE ranked.rank <= params.top
ORDER BY rank
