-- title    = "How much mail arrived in time"
-- question = "Which share of the mail was delivered within 1, 5, 15 and 60 minutes, and within 4 hours?"
-- tables   = ["deliveries", "messages", "activity"]
-- limits   = "Time runs from the acceptance to the delivery, in each queue: a content filter that puts mail back begins a new one, so its own time is not in it. Due is what was delivered, given up, or still waits though the time is over by the end of the logs. Mail that was refused for good is not due: its sender was told. Deliveries whose acceptance is not in the logs are left out."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 AU-6"]
-- rows     = 25
-- sensitivity = "goal_share"
-- columns  = [
--   { name = "direction", kind = "text", about = "way of the mail: all, inbound, outbound, internal, relayed, unknown" },
--   { name = "within_seconds", kind = "seconds", about = "time allowed" },
--   { name = "due", kind = "count", about = "deliveries that could be judged: the denominator" },
--   { name = "in_time", kind = "count", about = "of them delivered within that time" },
--   { name = "late", kind = "count", about = "of them delivered later, given up, or still waiting" },
--   { name = "share", kind = "share", about = "in_time / due" },
--   { name = "never", kind = "count", about = "of the late ones: given up or still waiting" },
--   { name = "is_goal", kind = "flag", about = "the time that the goal is set for" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "received_ts IS NOT NULL AND outcome IN ('delivered', 'expired', 'open')"
-- missing = "the logs hold no delivery with the time of its acceptance"
-- remedy  = "lines of smtpd, cleanup, qmgr and the delivery agents at level info of the facility mail (`mail.info`), from the day before the period on"
--
-- [params.goal_seconds]
-- default = 300
-- unit    = "seconds"
-- source  = "mtaudit: 95 % within 5 minutes"
-- about   = "time that the goal is set for"
--
-- [params.goal_share]
-- default = 0.95
-- unit    = "share"
-- source  = "mtaudit: 95 % within 5 minutes"
-- about   = "share of the due deliveries that should be in time"
--
-- [params.min_due]
-- default = 100
-- unit    = "deliveries"
-- source  = "mtaudit: below it, a handful of slow receivers decides"
-- about   = "due deliveries below which nothing is concluded"
--
-- [chart]
-- kind   = "bar"
-- x      = "within_seconds"
-- y      = ["share"]
-- series = "direction"
-- label  = "share in time"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "direction IN ('inbound', 'internal') AND is_goal AND due >= min_due AND share < goal_share"
-- sentence   = "Mail for our own users was late ({direction}): of {due|delivery|deliveries}, {in_time} ({share}) came within {within_seconds}, while the goal is {params.goal_share}. {late|delivery was|deliveries were} late, and {never} of these had not arrived at all by the end of the logs."
-- advice     = "Look in capacity/bottleneck_stage at the transport that delivers to the mailboxes (lmtp, local, virtual) and at the filter before it: this wait is on our side."
-- thresholds = ["goal_share", "goal_seconds", "min_due"]
-- evidence   = """
-- SELECT deliveries.direction AS direction, deliveries.source AS source, deliveries.line AS line
-- FROM deliveries
-- CROSS JOIN params
-- WHERE deliveries.received_ts IS NOT NULL AND (deliveries.outcome IN ('expired', 'open') OR (deliveries.outcome = 'delivered' AND deliveries.seconds > params.goal_seconds))"""
-- keys       = ["direction"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "direction <> 'all' AND is_goal AND due >= min_due AND share < goal_share"
-- sentence   = "Mail was late ({direction}): of {due|delivery|deliveries}, {in_time} ({share}) came within {within_seconds}, while the goal is {params.goal_share}. {late|delivery was|deliveries were} late, and {never} of these had not arrived at all by the end of the logs."
-- advice     = "See in delivery/deferral_hotspots which destinations hold the mail back: greylisting there passes by itself, throttling and blocking do not."
-- thresholds = ["goal_share", "goal_seconds", "min_due"]
-- evidence   = """
-- SELECT deliveries.direction AS direction, deliveries.source AS source, deliveries.line AS line
-- FROM deliveries
-- CROSS JOIN params
-- WHERE deliveries.received_ts IS NOT NULL AND (deliveries.outcome IN ('expired', 'open') OR (deliveries.outcome = 'delivered' AND deliveries.seconds > params.goal_seconds))"""
-- keys       = ["direction"]
WITH goals AS (
    SELECT CAST(v.s AS BIGINT) AS goal FROM (VALUES (60), (300), (900), (3600), (14400)) AS v(s)
    UNION
    SELECT CAST(goal_seconds AS BIGINT) AS goal FROM params
), ends AS (
    SELECT MAX(minute) AS minute FROM activity
), waits AS (
    -- What still waits, or was given up, by how long it had waited at the end of the logs.
    SELECT deliveries.direction AS direction, CAST((ends.minute - messages.minute) * 60 AS DOUBLE) AS seconds, FALSE AS delivered
    FROM deliveries
    JOIN messages ON deliveries.message = messages.message
    CROSS JOIN ends
    WHERE deliveries.outcome = 'open' AND deliveries.received_ts IS NOT NULL
    UNION ALL
    SELECT direction, seconds, FALSE AS delivered
    FROM deliveries
    WHERE outcome = 'expired' AND received_ts IS NOT NULL
), counted AS (
    -- Each time once, with how often it occurs.
    SELECT direction, seconds, delivered, CAST(COUNT(*) AS BIGINT) AS n
    FROM (
        SELECT direction, seconds, TRUE AS delivered FROM deliveries WHERE outcome = 'delivered' AND received_ts IS NOT NULL
        UNION ALL
        SELECT direction, seconds, delivered FROM waits
    ) AS times
    WHERE seconds IS NOT NULL
    GROUP BY direction, seconds, delivered
), judged AS (
    SELECT counted.direction AS direction,
           goals.goal AS within_seconds,
           CAST(SUM(CASE WHEN counted.delivered OR counted.seconds >= goals.goal THEN counted.n ELSE 0 END) AS BIGINT) AS due,
           CAST(SUM(CASE WHEN counted.delivered AND counted.seconds <= goals.goal THEN counted.n ELSE 0 END) AS BIGINT) AS in_time,
           CAST(SUM(CASE WHEN NOT counted.delivered AND counted.seconds >= goals.goal THEN counted.n ELSE 0 END) AS BIGINT) AS never
    FROM counted
    CROSS JOIN goals
    GROUP BY counted.direction, goals.goal
), summed AS (
    SELECT 0 AS position, 'all' AS direction, within_seconds, CAST(SUM(due) AS BIGINT) AS due, CAST(SUM(in_time) AS BIGINT) AS in_time, CAST(SUM(never) AS BIGINT) AS never
    FROM judged
    GROUP BY within_seconds
    UNION ALL
    SELECT 1 AS position, CAST(direction AS VARCHAR) AS direction, within_seconds, due, in_time, never
    FROM judged
)
SELECT summed.direction AS direction,
       summed.within_seconds AS within_seconds,
       summed.due AS due,
       summed.in_time AS in_time,
       summed.due - summed.in_time AS late,
       CASE WHEN summed.due > 0 THEN ROUND(CAST(summed.in_time AS DOUBLE) / summed.due, 4) END AS share,
       summed.never AS never,
       summed.within_seconds = params.goal_seconds AS is_goal
FROM summed
CROSS JOIN params
ORDER BY summed.position, direction, within_seconds
