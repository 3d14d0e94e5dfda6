-- title    = "A typical week"
-- question = "On which weekdays and hours does our mail arrive?"
-- tables   = ["messages", "rejections", "sessions"]
-- limits   = "Each cell is the median over the complete days of that weekday; the first and the last day in the logs and days without any line are left out. A single unusual week does not show. Re-injected and forwarded copies are not counted."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 24
-- empty    = "the logs hold too few complete days: every weekday must occur completely at least twice"
-- columns  = [
--   { name = "weekday", kind = "count", about = "1 = Monday to 7 = Sunday" },
--   { name = "weekday_name", kind = "text", about = "the same in words" },
--   { name = "hour_of_day", kind = "count", about = "hour in the report's time zone, 0 to 23" },
--   { name = "median", kind = "number", unit = "messages", about = "half of those days had at most so many messages in this hour" },
--   { name = "mean", kind = "number", unit = "messages", about = "average over those days" },
--   { name = "max", kind = "count", about = "most on one of those days" },
--   { name = "days", kind = "count", about = "complete days of this weekday" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_weeks]
-- default = 2
-- unit    = "weeks"
-- source  = "mtaudit: one week cannot be told from an exception"
-- about   = "complete days needed of every weekday"
--
-- [chart]
-- kind  = "heatmap"
-- x     = "hour_of_day"
-- y     = ["median"]
-- rows  = "weekday_name"
-- label = "messages an hour (median)"
WITH seen AS (
    SELECT DISTINCT day, weekday FROM messages
    UNION ALL
    SELECT DISTINCT day, weekday FROM rejections
    UNION ALL
    SELECT DISTINCT day, weekday FROM sessions
), bounds AS (
    SELECT MIN(day) AS first_day, MAX(day) AS last_day FROM seen
), complete AS (
    SELECT DISTINCT seen.day AS day, seen.weekday AS weekday
    FROM seen
    CROSS JOIN bounds
    WHERE seen.day > bounds.first_day AND seen.day < bounds.last_day
), weeks AS (
    SELECT weekday, COUNT(*) AS days
    FROM complete
    GROUP BY weekday
), enough AS (
    SELECT COUNT(*) FILTER (WHERE weeks.days >= params.min_weeks) AS weekdays
    FROM weeks
    CROSS JOIN params
), hours AS (
    SELECT CAST(v.h AS BIGINT) AS hour_of_day
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
                 (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)) AS v(h)
), names AS (
    SELECT CAST(v.n AS BIGINT) AS weekday, v.name AS weekday_name
    FROM (VALUES (1, 'Monday'), (2, 'Tuesday'), (3, 'Wednesday'), (4, 'Thursday'), (5, 'Friday'), (6, 'Saturday'), (7, 'Sunday')) AS v(n, name)
), counted AS (
    SELECT day, hour_of_day, COUNT(*) AS n
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded')
    GROUP BY day, hour_of_day
), grid AS (
    SELECT complete.day AS day, complete.weekday AS weekday, hours.hour_of_day AS hour_of_day
    FROM complete
    CROSS JOIN hours
    CROSS JOIN enough
    WHERE enough.weekdays = 7
), cells AS (
    SELECT grid.weekday AS weekday, grid.hour_of_day AS hour_of_day, CAST(COALESCE(counted.n, 0) AS BIGINT) AS n
    FROM grid
    LEFT JOIN counted ON grid.day = counted.day AND grid.hour_of_day = counted.hour_of_day
), summed AS (
    SELECT weekday,
           hour_of_day,
           ROUND(QUANTILE_CONT(n, 0.5), 2) AS median,
           ROUND(AVG(n), 2) AS mean,
           MAX(n) AS max,
           COUNT(*) AS days
    FROM cells
    GROUP BY weekday, hour_of_day
)
SELECT summed.weekday AS weekday,
       names.weekday_name AS weekday_name,
       summed.hour_of_day AS hour_of_day,
       summed.median AS median,
       summed.mean AS mean,
       summed.max AS max,
       summed.days AS days
FROM summed
JOIN names ON summed.weekday = names.weekday
ORDER BY weekday, hour_of_day
