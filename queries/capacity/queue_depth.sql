-- title    = "How full the queue was"
-- question = "How many messages were waiting at the same time, and does the queue empty?"
-- tables   = ["messages"]
-- limits   = "Counted at each arrival, over all hosts together, so an hour without arrivals has no row. A message whose removal is not in the logs (log ends, or lines are missing) counts as waiting to the end: see `never_removed`. Mail that was already waiting when the logs begin is not seen."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 24
-- sensitivity = "queue_alert"
-- columns  = [
--   { name = "hour", kind = "time", about = "hour in the report's time zone" },
--   { name = "arrivals", kind = "count", about = "queue entries that arrived, re-injected and forwarded ones included" },
--   { name = "max_depth", kind = "count", about = "most queue entries at the same time" },
--   { name = "never_removed", kind = "count", about = "of them: entries whose removal is not in the logs" },
--   { name = "rank", kind = "count", about = "1 = the fullest hour" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL AND removed_ts IS NOT NULL"
-- missing = "the logs hold no message with both its arrival and its removal"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.queue_alert]
-- default = 200
-- unit    = "messages"
-- source  = "Exchange Online, queued messages report: alert above 200"
-- about   = "queue entries above which it is pointed out"
--
-- [chart]
-- kind  = "line"
-- x     = "hour"
-- y     = ["max_depth", "never_removed"]
-- label = "messages waiting"
--
-- [[findings]]
-- severity   = "low"
-- when       = "rank = 1 AND max_depth - never_removed > queue_alert"
-- sentence   = "In the hour from {hour}, up to {max_depth|message was|messages were} waiting at the same time, the most in these logs; {arrivals} arrived in that hour. Of these waiting, {never_removed|counts|count} as such because the logs hold no removal."
-- advice     = "See what was waiting in that hour and for whom (capacity/queue_age): mail for one destination points to trouble there, mail for all of them to trouble here."
-- thresholds = ["queue_alert"]
-- evidence   = "SELECT hour, source, line FROM messages WHERE received_ts IS NOT NULL"
-- keys       = ["hour"]
WITH changes AS (
    SELECT received_ts AS ts, hour, 1 AS arrived, 1 AS change, CASE WHEN removed_ts IS NULL THEN 1 ELSE 0 END AS stays
    FROM messages
    WHERE received_ts IS NOT NULL
    UNION ALL
    SELECT removed_ts AS ts, CAST(NULL AS TIMESTAMP) AS hour, 0 AS arrived, -1 AS change, 0 AS stays
    FROM messages
    WHERE received_ts IS NOT NULL AND removed_ts IS NOT NULL
), instants AS (
    -- One row an instant makes the running sum independent of the order of rows.
    SELECT ts,
           MAX(hour) AS hour,
           CAST(SUM(arrived) AS BIGINT) AS arrived,
           CAST(SUM(change) AS BIGINT) AS change,
           CAST(SUM(stays) AS BIGINT) AS stays
    FROM changes
    GROUP BY ts
), running AS (
    -- Removals at the instant of an arrival are taken off after it: the depth is the highest of the instant.
    SELECT hour,
           arrived,
           SUM(change) OVER (ORDER BY ts) - change + arrived AS depth,
           SUM(stays) OVER (ORDER BY ts) AS stays
    FROM instants
), hours AS (
    SELECT hour,
           SUM(arrived) AS arrivals,
           MAX(depth) AS max_depth,
           MAX(stays) AS never_removed
    FROM running
    WHERE hour IS NOT NULL
    GROUP BY hour
)
SELECT hour,
       arrivals,
       max_depth,
       never_removed,
       ROW_NUMBER() OVER (ORDER BY -max_depth, hour) AS rank
FROM hours
ORDER BY hour
