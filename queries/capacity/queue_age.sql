-- title    = "What was waiting, for whom and for how long"
-- question = "For which destinations was mail waiting, and how old was it, at the fullest moment and at the end of the logs?"
-- tables   = ["deliveries", "messages", "activity"]
-- limits   = "As `qshape` of Postfix shows it, counted in recipients, from logged times in whole minutes: what is delivered within its minute never waits here. Deliveries without their acceptance in the logs, and those whose end is missing for another reason than the end of the logs, are left out. The fullest moment is that of all hosts together."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 20
-- sensitivity = "min_old"
-- columns  = [
--   { name = "moment", kind = "text", about = "fullest: the minute in which most recipients were waiting; end: the last minute of the logs" },
--   { name = "moment_ts", kind = "time", about = "begin of the five minutes that hold this minute" },
--   { name = "recipient_domain", kind = "text", about = "destination; (all) on the first row of each moment" },
--   { name = "waiting", kind = "count", about = "recipients waiting" },
--   { name = "under_5", kind = "count", about = "of them for less than 5 minutes" },
--   { name = "under_10", kind = "count", about = "for 5 minutes to less than 10" },
--   { name = "under_20", kind = "count", about = "10 to less than 20" },
--   { name = "under_40", kind = "count", about = "20 to less than 40" },
--   { name = "under_80", kind = "count", about = "40 to less than 80" },
--   { name = "under_160", kind = "count", about = "80 to less than 160" },
--   { name = "under_320", kind = "count", about = "160 to less than 320" },
--   { name = "under_640", kind = "count", about = "320 to less than 640" },
--   { name = "under_1280", kind = "count", about = "640 to less than 1280" },
--   { name = "older", kind = "count", about = "1280 minutes and more" },
--   { name = "old", kind = "count", about = "80 minutes and more" },
--   { name = "oldest_seconds", kind = "seconds", about = "the longest wait so far" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no delivery with the time of its acceptance"
-- remedy  = "lines of smtpd, cleanup, qmgr and the delivery agents at level info of the facility mail (`mail.info`)"
--
-- [params.top]
-- default = 50
-- unit    = "destinations"
-- source  = "mtaudit"
-- about   = "destinations listed for each moment"
--
-- [params.min_old]
-- default = 20
-- unit    = "recipients"
-- source  = "mtaudit"
-- about   = "recipients waiting for 80 minutes or more from which a destination is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "moment = 'end' AND recipient_domain = '(all)' AND old >= 10 * min_old"
-- sentence   = "When the logs ended, {waiting|recipient was|recipients were} still waiting, {old} of them for 80 minutes or more, the longest for {oldest_seconds}."
-- advice     = "Run `qshape deferred` now: if the same destinations lead there as here, deal with them one by one; if it is nearly empty, the end of the logs was a passing moment."
-- thresholds = ["min_old"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome = 'open' AND received_ts IS NOT NULL"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "moment = 'end' AND recipient_domain <> '(all)' AND old >= min_old"
-- sentence   = "When the logs ended, mail for {waiting|recipient|recipients} at {recipient_domain|an unknown domain} was still waiting, {old} of them for 80 minutes or more, the longest for {oldest_seconds}."
-- advice     = "Read what {recipient_domain} answers (delivery/by_destination): if it will not take the mail, tell the senders now rather than in five days."
-- thresholds = ["min_old"]
-- evidence   = "SELECT COALESCE(CAST(recipient_domain AS VARCHAR), '') AS recipient_domain, source, line FROM deliveries WHERE outcome = 'open' AND received_ts IS NOT NULL"
-- keys       = ["recipient_domain"]
WITH kept AS (
    -- What waits at the end of a minute at least once.
    SELECT COALESCE(CAST(deliveries.recipient_domain AS VARCHAR), '') AS recipient_domain,
           messages.minute AS came,
           CASE WHEN deliveries.outcome <> 'open' THEN deliveries.minute END AS went
    FROM deliveries
    JOIN messages ON deliveries.message = messages.message
    WHERE deliveries.received_ts IS NOT NULL AND deliveries.outcome NOT IN ('unknown', 'forwarded')
      AND (deliveries.outcome = 'open' OR deliveries.minute > messages.minute)
), changes AS (
    SELECT minute, CAST(SUM(n) AS BIGINT) AS n
    FROM (
        SELECT came AS minute, 1 AS n FROM kept
        UNION ALL
        SELECT went AS minute, -1 AS n FROM kept WHERE went IS NOT NULL
    ) AS steps
    GROUP BY minute
), depths AS (
    SELECT minute, CAST(SUM(n) OVER (ORDER BY minute) AS BIGINT) AS depth
    FROM changes
), fullest AS (
    SELECT minute, ROW_NUMBER() OVER (ORDER BY -depth, minute) AS no
    FROM depths
), ends AS (
    SELECT MAX(last_second - last_second % 60) / 60 AS minute FROM activity
), moments AS (
    SELECT 1 AS position, 'fullest' AS moment, minute FROM fullest WHERE no = 1
    UNION ALL
    SELECT 2 AS position, 'end' AS moment, CAST(minute AS BIGINT) AS minute FROM ends
), times AS (
    SELECT minute, MIN(ts) AS ts FROM activity GROUP BY minute
), aged AS (
    SELECT moments.position AS position, moments.moment AS moment, moments.minute AS minute, kept.recipient_domain AS recipient_domain,
           moments.minute - kept.came AS age
    FROM kept
    CROSS JOIN moments
    WHERE kept.came <= moments.minute AND (kept.went IS NULL OR kept.went > moments.minute)
), keyed AS (
    SELECT position, moment, minute, 1 AS after_all, recipient_domain, age FROM aged
    UNION ALL
    SELECT position, moment, minute, 0 AS after_all, '(all)' AS recipient_domain, age FROM aged
), shaped AS (
    SELECT position, moment, minute, after_all, recipient_domain,
           CAST(COUNT(*) AS BIGINT) AS waiting,
           CAST(COUNT(*) FILTER (WHERE age < 5) AS BIGINT) AS under_5,
           CAST(COUNT(*) FILTER (WHERE age >= 5 AND age < 10) AS BIGINT) AS under_10,
           CAST(COUNT(*) FILTER (WHERE age >= 10 AND age < 20) AS BIGINT) AS under_20,
           CAST(COUNT(*) FILTER (WHERE age >= 20 AND age < 40) AS BIGINT) AS under_40,
           CAST(COUNT(*) FILTER (WHERE age >= 40 AND age < 80) AS BIGINT) AS under_80,
           CAST(COUNT(*) FILTER (WHERE age >= 80 AND age < 160) AS BIGINT) AS under_160,
           CAST(COUNT(*) FILTER (WHERE age >= 160 AND age < 320) AS BIGINT) AS under_320,
           CAST(COUNT(*) FILTER (WHERE age >= 320 AND age < 640) AS BIGINT) AS under_640,
           CAST(COUNT(*) FILTER (WHERE age >= 640 AND age < 1280) AS BIGINT) AS under_1280,
           CAST(COUNT(*) FILTER (WHERE age >= 1280) AS BIGINT) AS older,
           CAST(COUNT(*) FILTER (WHERE age >= 80) AS BIGINT) AS old,
           MAX(age) * 60.0 AS oldest_seconds
    FROM keyed
    GROUP BY position, moment, minute, after_all, recipient_domain
), ranked AS (
    SELECT position, moment, minute, recipient_domain, waiting, under_5, under_10, under_20, under_40, under_80, under_160, under_320,
           under_640, under_1280, older, old, oldest_seconds,
           ROW_NUMBER() OVER (PARTITION BY position ORDER BY after_all, -waiting, recipient_domain) AS no
    FROM shaped
)
SELECT ranked.moment AS moment,
       times.ts AS moment_ts,
       ranked.recipient_domain AS recipient_domain,
       ranked.waiting AS waiting,
       ranked.under_5 AS under_5,
       ranked.under_10 AS under_10,
       ranked.under_20 AS under_20,
       ranked.under_40 AS under_40,
       ranked.under_80 AS under_80,
       ranked.under_160 AS under_160,
       ranked.under_320 AS under_320,
       ranked.under_640 AS under_640,
       ranked.under_1280 AS under_1280,
       ranked.older AS older,
       ranked.old AS old,
       ranked.oldest_seconds AS oldest_seconds
FROM ranked
CROSS JOIN params
LEFT JOIN times ON ranked.minute - ranked.minute % 5 = times.minute
WHERE ranked.no <= params.top + 1
ORDER BY ranked.position, ranked.no
