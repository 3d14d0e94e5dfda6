-- title    = "Who receives most"
-- question = "Which addresses get most of the mail we handle?"
-- tables   = ["deliveries"]
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
--   { name = "place", kind = "place", about = "first line of its deliveries" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
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
    SELECT recipient, CAST(COUNT(*) AS BIGINT) AS deliveries
    FROM deliveries
    WHERE outcome <> 'forwarded' AND recipient IS NOT NULL
    GROUP BY recipient
), whole AS (
    SELECT COUNT(*) AS deliveries FROM deliveries WHERE outcome <> 'forwarded'
), amounts AS (
    -- Recipients with this many deliveries, and with more: only those that can be among the top are put in order.
    SELECT deliveries, n, CAST(SUM(n) OVER (ORDER BY -deliveries) AS BIGINT) AS up_to
    FROM (SELECT deliveries, CAST(COUNT(*) AS BIGINT) AS n FROM d GROUP BY deliveries) AS counted
), most AS (
    SELECT d.recipient AS recipient, d.deliveries AS deliveries
    FROM d
    JOIN amounts ON d.deliveries = amounts.deliveries
    CROSS JOIN params
    WHERE amounts.up_to - amounts.n < params.top
), ranked AS (
    SELECT recipient, deliveries, ROW_NUMBER() OVER (ORDER BY -deliveries, recipient) AS rank
    FROM most
), chosen AS (
    SELECT ranked.recipient AS recipient, ranked.deliveries AS deliveries, ranked.rank AS rank
    FROM ranked
    CROSS JOIN params
    WHERE ranked.rank <= params.top
), details AS (
    -- Of the chosen ones alone: the senders of every recipient would be most of the logs.
    SELECT deliveries.recipient AS recipient,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS failed,
           COUNT(DISTINCT deliveries.sender) AS senders,
           SUM(CASE WHEN deliveries.outcome = 'delivered' THEN deliveries.size END) AS bytes,
           MIN(deliveries.first_ts) AS first_ts,
           MAX(deliveries.last_ts) AS last_ts,
           MIN(deliveries.source * 10000000000 + deliveries.line) AS place
    FROM deliveries
    JOIN chosen ON deliveries.recipient = chosen.recipient
    WHERE deliveries.outcome <> 'forwarded'
    GROUP BY deliveries.recipient
)
SELECT chosen.rank AS rank,
       chosen.recipient AS recipient,
       chosen.deliveries AS deliveries,
       ROUND(CAST(chosen.deliveries AS DOUBLE) / whole.deliveries, 4) AS share,
       details.delivered AS delivered,
       details.failed AS failed,
       details.senders AS senders,
       CASE WHEN details.delivered > 0 THEN details.bytes ELSE 0 END AS bytes,
       details.first_ts AS first_ts,
       details.last_ts AS last_ts,
       details.place AS place
FROM chosen
JOIN details ON chosen.recipient = details.recipient
CROSS JOIN whole
ORDER BY rank
