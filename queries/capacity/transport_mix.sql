-- title    = "Work by way of delivery"
-- question = "Which ways of delivery carry the load, and how do they fare?"
-- tables   = ["attempts", "messages"]
-- limits   = "Each try counts, and so do hand-overs to our own content filter: the load on the server is meant, not the number of messages. Bytes are the size of the message for each successful try."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 20
-- columns  = [
--   { name = "transport", kind = "text", about = "way of delivery, as configured on the server: smtp, lmtp, local, …; relay/smtp is the instance `relay` of smtp" },
--   { name = "attempts", kind = "count", about = "tries for one recipient" },
--   { name = "share", kind = "share", about = "of all tries" },
--   { name = "delivered", kind = "count", about = "tries that succeeded" },
--   { name = "forwarded", kind = "count", about = "tries that handed the message to another queue of ours" },
--   { name = "deferred", kind = "count", about = "tries that failed for now" },
--   { name = "failed", kind = "count", about = "tries that failed for good" },
--   { name = "success_share", kind = "share", about = "(delivered + forwarded) / attempts" },
--   { name = "relays", kind = "count", about = "different next hops" },
--   { name = "bytes", kind = "bytes", about = "size of what was handed over" },
--   { name = "median_seconds", kind = "seconds", about = "half of the successful tries took at most so long, from acceptance on; null when there are too few" },
--   { name = "p95_seconds", kind = "seconds", about = "95 of 100 took at most so long" },
--   { name = "place", kind = "place", about = "first line of its tries" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "transport IS NOT NULL"
-- missing = "the logs hold no try of a delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_deliveries]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit: below it, one delivery moves the 95th percentile"
-- about   = "successful tries below which no percentile is given"
--
-- [chart]
-- kind  = "bar"
-- x     = "transport"
-- y     = ["attempts"]
-- label = "tries"
WITH tries AS (
    SELECT COALESCE(transport, '') AS transport, message, status, relay_name, delay, source * 10000000000 + line AS place
    FROM attempts
), counted AS (
    SELECT transport,
           CAST(COUNT(*) AS BIGINT) AS attempts,
           CAST(COUNT(*) FILTER (WHERE status = 'delivered') AS BIGINT) AS delivered,
           CAST(COUNT(*) FILTER (WHERE status = 'forwarded') AS BIGINT) AS forwarded,
           CAST(COUNT(*) FILTER (WHERE status = 'deferred') AS BIGINT) AS deferred,
           CAST(COUNT(*) FILTER (WHERE status IN ('bounced', 'expired')) AS BIGINT) AS failed,
           CAST(COUNT(DISTINCT relay_name) AS BIGINT) AS relays,
           MIN(place) AS place
    FROM tries
    GROUP BY transport
), whole AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS attempts FROM tries
), carried AS (
    SELECT tries.transport AS transport, SUM(messages.size) AS bytes
    FROM tries
    JOIN messages ON tries.message = messages.message
    WHERE tries.status IN ('delivered', 'forwarded')
    GROUP BY tries.transport
), speed AS (
    SELECT transport, CAST(COUNT(*) AS BIGINT) AS timed, QUANTILE_CONT(delay, 0.5) AS median_seconds, QUANTILE_CONT(delay, 0.95) AS p95_seconds
    FROM tries
    WHERE status IN ('delivered', 'forwarded') AND delay IS NOT NULL
    GROUP BY transport
)
SELECT counted.transport AS transport,
       counted.attempts AS attempts,
       ROUND(CAST(counted.attempts AS DOUBLE) / whole.attempts, 4) AS share,
       counted.delivered AS delivered,
       counted.forwarded AS forwarded,
       counted.deferred AS deferred,
       counted.failed AS failed,
       ROUND(CAST(counted.delivered + counted.forwarded AS DOUBLE) / counted.attempts, 4) AS success_share,
       counted.relays AS relays,
       CAST(COALESCE(carried.bytes, 0) AS BIGINT) AS bytes,
       CASE WHEN speed.timed >= params.min_deliveries THEN ROUND(speed.median_seconds, 3) END AS median_seconds,
       CASE WHEN speed.timed >= params.min_deliveries THEN ROUND(speed.p95_seconds, 3) END AS p95_seconds,
       counted.place AS place
FROM counted
CROSS JOIN whole
CROSS JOIN params
LEFT JOIN carried ON counted.transport = carried.transport
LEFT JOIN speed ON counted.transport = speed.transport
ORDER BY attempts DESC, transport
