-- title    = "Where mail is held up"
-- question = "Which destinations make our mail wait, and for how long?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "The time to delivery is over deliveries that needed more than one try and then succeeded; what never arrived has none. A first refusal to unknown senders (greylisting) is normal and shows here too."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "slow"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "deferrals", kind = "count", about = "tries that were put off" },
--   { name = "messages", kind = "count", about = "different messages among them" },
--   { name = "retried", kind = "count", about = "deliveries that arrived after more than one try" },
--   { name = "open", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "expired", kind = "count", about = "deliveries given up" },
--   { name = "median_seconds", kind = "seconds", about = "half of the retried ones took at most so long; null below the minimum count" },
--   { name = "p95_seconds", kind = "seconds", about = "95 of 100 retried ones took at most so long; null below the minimum count" },
--   { name = "main_reason", kind = "text", about = "most frequent reason of the deferrals" },
--   { name = "main_reason_deferrals", kind = "count", about = "deferrals for that reason" },
--   { name = "place", kind = "place", about = "line of the first deferral in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_retried]
-- default = 10
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "retried deliveries below which no percentile is given"
--
-- [params.slow]
-- default = 3600
-- unit    = "seconds"
-- source  = "mtaudit: one hour"
-- about   = "95th percentile of the time to delivery from which a domain is pointed out"
--
-- [params.min_open]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "waiting deliveries from which a domain is pointed out"
--
-- [chart]
-- kind  = "bar"
-- x     = "recipient_domain"
-- y     = ["deferrals"]
-- label = "deferrals"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "open >= min_open"
-- sentence   = "{open|delivery|deliveries} to {recipient_domain|recipients without a domain} still waited when the logs ended. In all, {messages|message|messages} to it met {deferrals|deferral|deferrals}, most often for {main_reason} ({main_reason_deferrals} of them)."
-- advice     = "Read the newest replies of {recipient_domain} (`postqueue -p`) and act on {main_reason}: if they slow us down, send to them over fewer connections at once; if they are down, tell the senders."
-- thresholds = ["min_open"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM attempts WHERE status = 'deferred'"
-- keys       = ["recipient_domain"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "p95_seconds > slow"
-- sentence   = "Mail to {recipient_domain|recipients without a domain} was held up: of {retried|delivery that needed|deliveries that needed} more than one try, 5 in 100 took longer than {p95_seconds}. The most frequent reason was {main_reason} ({main_reason_deferrals} of {deferrals|deferral|deferrals})."
-- advice     = "Act on {main_reason}: if {recipient_domain} slows us down, give it a transport of its own with fewer connections at once; if it is greylisting, there is nothing to do."
-- thresholds = ["slow", "min_retried"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM attempts WHERE status = 'deferred'"
-- keys       = ["recipient_domain"]
WITH reasons AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COALESCE(reason, 'undetermined') AS reason,
           CAST(COUNT(*) AS BIGINT) AS n
    FROM attempts
    WHERE status = 'deferred'
    GROUP BY COALESCE(recipient_domain, ''), COALESCE(reason, 'undetermined')
), main AS (
    SELECT recipient_domain, reason, n
    FROM (
        SELECT recipient_domain, reason, n, ROW_NUMBER() OVER (PARTITION BY recipient_domain ORDER BY -n, reason) AS no
        FROM reasons
    ) AS numbered
    WHERE no = 1
), deferred AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COUNT(*) AS deferrals,
           COUNT(DISTINCT message) AS messages,
           MIN(source * 10000000000 + line) AS place
    FROM attempts
    WHERE status = 'deferred'
    GROUP BY COALESCE(recipient_domain, '')
), ends AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COUNT(*) FILTER (WHERE outcome = 'open') AS open,
           COUNT(*) FILTER (WHERE outcome = 'expired') AS expired
    FROM deliveries
    WHERE outcome IN ('open', 'expired')
    GROUP BY COALESCE(recipient_domain, '')
), retried AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COUNT(*) AS retried,
           COUNT(seconds) AS timed,
           QUANTILE_CONT(seconds, 0.5) AS median_seconds,
           QUANTILE_CONT(seconds, 0.95) AS p95_seconds
    FROM deliveries
    WHERE outcome = 'delivered' AND attempts > 1
    GROUP BY COALESCE(recipient_domain, '')
)
SELECT deferred.recipient_domain AS recipient_domain,
       deferred.deferrals AS deferrals,
       deferred.messages AS messages,
       CAST(COALESCE(retried.retried, 0) AS BIGINT) AS retried,
       CAST(COALESCE(ends.open, 0) AS BIGINT) AS open,
       CAST(COALESCE(ends.expired, 0) AS BIGINT) AS expired,
       CASE WHEN retried.timed >= params.min_retried THEN ROUND(retried.median_seconds, 3) END AS median_seconds,
       CASE WHEN retried.timed >= params.min_retried THEN ROUND(retried.p95_seconds, 3) END AS p95_seconds,
       main.reason AS main_reason,
       main.n AS main_reason_deferrals,
       deferred.place AS place
FROM deferred
CROSS JOIN params
LEFT JOIN retried ON deferred.recipient_domain = retried.recipient_domain
LEFT JOIN ends ON deferred.recipient_domain = ends.recipient_domain
LEFT JOIN main ON deferred.recipient_domain = main.recipient_domain
ORDER BY deferrals DESC, recipient_domain
