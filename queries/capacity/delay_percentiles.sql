-- title    = "How long deliveries take"
-- question = "How long does mail take to be delivered, and where is the time spent?"
-- tables   = ["attempts"]
-- limits   = "Successful deliveries only: mail that never arrived has no delay. When a delivery was retried, the wait between the tries counts as time before the queue manager. Times are as the mail server logged them, per queue: a pass through a content filter is a delivery of its own queue entry."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 5
-- sensitivity = "goal"
-- columns  = [
--   { name = "position", kind = "count", about = "order of the stages" },
--   { name = "stage", kind = "text", about = "total, or one of the four stages the server logs" },
--   { name = "deliveries", kind = "count", about = "successful deliveries with this time" },
--   { name = "p50", kind = "seconds", about = "half of them took at most so long" },
--   { name = "p75", kind = "seconds", about = "75 of 100 took at most so long" },
--   { name = "p90", kind = "seconds", about = "90 of 100" },
--   { name = "p95", kind = "seconds", about = "95 of 100" },
--   { name = "p98", kind = "seconds", about = "98 of 100" },
--   { name = "p99", kind = "seconds", about = "99 of 100" },
--   { name = "max", kind = "seconds", about = "the slowest" },
--   { name = "share", kind = "share", about = "of all time spent in the four stages" },
--   { name = "late", kind = "count", about = "that took longer in all than the goal" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status = 'delivered' AND delay IS NOT NULL"
-- missing = "the logs hold no successful delivery with its delay"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_deliveries]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit: below it, one delivery moves the 95th percentile"
-- about   = "deliveries below which no percentile is given"
--
-- [params.goal]
-- default = 300
-- unit    = "seconds"
-- source  = "mtaudit: 95 % within 5 minutes"
-- about   = "time within which 95 % of the mail should be delivered"
--
-- [params.stage_share]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit, after Postfix QSHAPE_README"
-- about   = "share of time in one stage from which it is the bottleneck"
--
-- [chart]
-- kind  = "bar"
-- x     = "stage"
-- y     = ["p50", "p95", "p99"]
-- label = "seconds"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "stage = 'total' AND deliveries >= min_deliveries AND p95 > goal"
-- sentence   = "5 of 100 deliveries took longer than {p95}, though the goal is {params.goal} s. Of {deliveries|successful delivery|successful deliveries}, {late} missed the goal; half of all took at most {p50}."
-- advice     = "See in capacity/bottleneck_stage where the time goes, then look at the destinations with the most deferrals (delivery/deferral_hotspots): greylisting and slow receivers are on their side, a full active queue is on ours."
-- thresholds = ["goal", "min_deliveries"]
-- evidence   = "SELECT attempts.source AS source, attempts.line AS line FROM attempts CROSS JOIN params WHERE attempts.status = 'delivered' AND attempts.delay > params.goal"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "stage = 'waiting in the queue' AND deliveries >= min_deliveries AND share > stage_share AND p95 > 1"
-- sentence   = "{share} of all delivery time was spent waiting in our own queue ({deliveries|delivery|deliveries}, of which 95 in 100 waited at most {p95}). The limits of the queue manager, not the other servers, set the pace."
-- advice     = "Look for one slow destination that holds the slots of its transport (`qshape active`), and give it a transport of its own before you raise `default_process_limit`."
-- thresholds = ["stage_share", "min_deliveries"]
-- evidence   = "SELECT source, line FROM attempts WHERE status = 'delivered' AND delay_in_queue > 1"
-- keys       = []
WITH times AS (
    SELECT 1 AS position, delay AS seconds FROM attempts WHERE status = 'delivered'
    UNION ALL
    SELECT 2 AS position, delay_before_queue AS seconds FROM attempts WHERE status = 'delivered'
    UNION ALL
    SELECT 3 AS position, delay_in_queue AS seconds FROM attempts WHERE status = 'delivered'
    UNION ALL
    SELECT 4 AS position, delay_connect AS seconds FROM attempts WHERE status = 'delivered'
    UNION ALL
    SELECT 5 AS position, delay_transmit AS seconds FROM attempts WHERE status = 'delivered'
), counted AS (
    -- Logged times are short numbers that repeat: each once, with how often it occurs.
    SELECT position, seconds, CAST(COUNT(*) AS BIGINT) AS n
    FROM times
    WHERE seconds IS NOT NULL
    GROUP BY position, seconds
), running AS (
    SELECT position, seconds, CAST(SUM(n) OVER (PARTITION BY position ORDER BY seconds) AS BIGINT) AS up_to
    FROM counted
), stages AS (
    SELECT counted.position AS position,
           CAST(SUM(counted.n) AS BIGINT) AS deliveries,
           CAST(SUM(CASE WHEN counted.seconds > params.goal THEN counted.n ELSE 0 END) AS BIGINT) AS late,
           SUM(counted.n) >= MAX(params.min_deliveries) AS enough,
           -- Whole microseconds: a sum of fractions would depend on the order of the rows.
           SUM(counted.n * CAST(ROUND(counted.seconds * 1000000) AS BIGINT)) AS spent,
           MAX(counted.seconds) AS max
    FROM counted
    CROSS JOIN params
    GROUP BY counted.position
), places AS (
    -- Where a percentile lies among the sorted times, counted from 0: between two of them, mostly.
    SELECT stages.position AS position, v.percent AS percent, (stages.deliveries - 1) * v.percent / 100.0 AS place
    FROM stages
    CROSS JOIN (VALUES (50), (75), (90), (95), (98), (99)) AS v(percent)
), between_two AS (
    SELECT places.position AS position,
           places.percent AS percent,
           MAX(places.place - FLOOR(places.place)) AS part,
           MIN(CASE WHEN running.up_to > FLOOR(places.place) THEN running.seconds END) AS below,
           MIN(CASE WHEN running.up_to > CEIL(places.place) THEN running.seconds END) AS above
    FROM places
    JOIN running ON places.position = running.position
    GROUP BY places.position, places.percent
), percentiles AS (
    SELECT position,
           MAX(CASE WHEN percent = 50 THEN below + (above - below) * part END) AS p50,
           MAX(CASE WHEN percent = 75 THEN below + (above - below) * part END) AS p75,
           MAX(CASE WHEN percent = 90 THEN below + (above - below) * part END) AS p90,
           MAX(CASE WHEN percent = 95 THEN below + (above - below) * part END) AS p95,
           MAX(CASE WHEN percent = 98 THEN below + (above - below) * part END) AS p98,
           MAX(CASE WHEN percent = 99 THEN below + (above - below) * part END) AS p99
    FROM between_two
    GROUP BY position
), whole AS (
    SELECT SUM(spent) AS spent FROM stages WHERE position > 1
)
SELECT stages.position AS position,
       CASE stages.position WHEN 1 THEN 'total'
                            WHEN 2 THEN 'before the queue manager'
                            WHEN 3 THEN 'waiting in the queue'
                            WHEN 4 THEN 'connecting (DNS, greeting, TLS)'
                            ELSE 'transmitting' END AS stage,
       stages.deliveries AS deliveries,
       CASE WHEN stages.enough THEN ROUND(percentiles.p50, 3) END AS p50,
       CASE WHEN stages.enough THEN ROUND(percentiles.p75, 3) END AS p75,
       CASE WHEN stages.enough THEN ROUND(percentiles.p90, 3) END AS p90,
       CASE WHEN stages.enough THEN ROUND(percentiles.p95, 3) END AS p95,
       CASE WHEN stages.enough THEN ROUND(percentiles.p98, 3) END AS p98,
       CASE WHEN stages.enough THEN ROUND(percentiles.p99, 3) END AS p99,
       ROUND(stages.max, 3) AS max,
       CASE WHEN stages.position > 1 AND whole.spent > 0 THEN ROUND(CAST(stages.spent AS DOUBLE) / whole.spent, 4) END AS share,
       CASE WHEN stages.position = 1 THEN stages.late END AS late
FROM stages
CROSS JOIN whole
JOIN percentiles ON stages.position = percentiles.position
ORDER BY position
