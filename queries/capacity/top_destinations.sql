-- title    = "Where our mail goes"
-- question = "Which domains receive most of our mail, and how fast?"
-- tables   = ["deliveries"]
-- limits   = "Domains of the final recipients, our own included; several domains may belong to one provider. Hand-overs to our own queue are not counted. Times are as exact as the log's own, often whole seconds."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- columns  = [
--   { name = "rank", kind = "count", about = "by deliveries" },
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs, whatever became of them" },
--   { name = "share", kind = "share", about = "of all deliveries" },
--   { name = "delivered", kind = "count", about = "of them delivered" },
--   { name = "failed", kind = "count", about = "of them bounced or expired" },
--   { name = "open", kind = "count", about = "of them still waiting at the end of the logs" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "bytes", kind = "bytes", about = "size of what was delivered" },
--   { name = "median_seconds", kind = "seconds", about = "half of the delivered ones took at most so long" },
--   { name = "p95_seconds", kind = "seconds", about = "95 of 100 delivered ones took at most so long" },
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
-- unit    = "domains"
-- source  = "mtaudit"
-- about   = "domains listed"
--
-- [params.min_deliveries]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit: below it, one delivery moves the 95th percentile"
-- about   = "delivered deliveries below which no percentile is given"
--
-- [chart]
-- kind  = "bar"
-- x     = "recipient_domain"
-- y     = ["deliveries"]
-- label = "deliveries"
WITH d AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           CAST(COUNT(*) AS BIGINT) AS deliveries
    FROM deliveries
    WHERE outcome <> 'forwarded'
    GROUP BY COALESCE(recipient_domain, '')
), whole AS (
    SELECT COUNT(*) AS deliveries FROM deliveries WHERE outcome <> 'forwarded'
), ranked AS (
    SELECT recipient_domain, deliveries, ROW_NUMBER() OVER (ORDER BY -deliveries, recipient_domain) AS rank
    FROM d
), chosen AS (
    SELECT ranked.recipient_domain AS recipient_domain, ranked.deliveries AS deliveries, ranked.rank AS rank
    FROM ranked
    CROSS JOIN params
    WHERE ranked.rank <= params.top
), of_chosen AS (
    -- Of the chosen ones alone: the recipients of every destination would be most of the logs.
    SELECT deliveries.recipient_domain AS recipient_domain, deliveries.recipient AS recipient,
           deliveries.outcome AS outcome, deliveries.size AS size, deliveries.seconds AS seconds,
           deliveries.place AS place
    FROM (
        SELECT COALESCE(recipient_domain, '') AS recipient_domain, recipient, outcome, size, seconds, source * 10000000000 + line AS place
        FROM deliveries
        WHERE outcome <> 'forwarded'
    ) AS deliveries
    JOIN chosen ON deliveries.recipient_domain = chosen.recipient_domain
), details AS (
    SELECT recipient_domain,
           COUNT(*) FILTER (WHERE outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS failed,
           COUNT(*) FILTER (WHERE outcome = 'open') AS open,
           COUNT(DISTINCT recipient) AS recipients,
           SUM(CASE WHEN outcome = 'delivered' THEN size END) AS bytes,
           MIN(place) AS place
    FROM of_chosen
    GROUP BY recipient_domain
), speed AS (
    SELECT recipient_domain,
           COUNT(*) AS timed,
           QUANTILE_CONT(seconds, 0.5) AS median_seconds,
           QUANTILE_CONT(seconds, 0.95) AS p95_seconds
    FROM of_chosen
    WHERE outcome = 'delivered' AND seconds IS NOT NULL
    GROUP BY recipient_domain
)
SELECT chosen.rank AS rank,
       chosen.recipient_domain AS recipient_domain,
       chosen.deliveries AS deliveries,
       ROUND(CAST(chosen.deliveries AS DOUBLE) / whole.deliveries, 4) AS share,
       details.delivered AS delivered,
       details.failed AS failed,
       details.open AS open,
       details.recipients AS recipients,
       CASE WHEN details.delivered > 0 THEN details.bytes ELSE 0 END AS bytes,
       CASE WHEN speed.timed >= params.min_deliveries THEN ROUND(speed.median_seconds, 3) END AS median_seconds,
       CASE WHEN speed.timed >= params.min_deliveries THEN ROUND(speed.p95_seconds, 3) END AS p95_seconds,
       details.place AS place
FROM chosen
JOIN details ON chosen.recipient_domain = details.recipient_domain
CROSS JOIN whole
CROSS JOIN params
LEFT JOIN speed ON chosen.recipient_domain = speed.recipient_domain
ORDER BY rank
