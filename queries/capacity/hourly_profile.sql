-- title    = "A typical day, hour by hour"
-- question = "At which hours of the day does our mail arrive, and how sharp is the peak?"
-- tables   = ["messages", "rejections", "sessions"]
-- limits   = "Uses complete days only: the first and the last day in the logs are left out, and so is a day without any line. Re-injected and forwarded copies are not counted. On days when the clocks change, one hour is missing or doubled."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 24
-- empty    = "the logs hold no complete day: a day counts when the logs begin before it and end after it"
-- sensitivity = "peak_high"
-- columns  = [
--   { name = "hour_of_day", kind = "count", about = "hour in the report's time zone, 0 to 23" },
--   { name = "days", kind = "count", about = "complete days that the figures rest on" },
--   { name = "messages", kind = "count", about = "messages accepted in this hour on all those days" },
--   { name = "mean", kind = "number", unit = "messages", about = "average per day" },
--   { name = "median", kind = "number", unit = "messages", about = "half of the days had at most so many" },
--   { name = "p95", kind = "number", unit = "messages", about = "95 of 100 days had at most so many" },
--   { name = "max", kind = "count", about = "most on one day" },
--   { name = "share", kind = "share", about = "of all messages on those days" },
--   { name = "peak_ratio", kind = "number", about = "p95 of this hour / mean of all hours" },
--   { name = "busiest", kind = "flag", about = "the hour with the highest mean" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_days]
-- default = 7
-- unit    = "days"
-- source  = "mtaudit: one week"
-- about   = "complete days below which nothing is concluded"
--
-- [params.peak_note]
-- default = 4.0
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "peak ratio from which the busy hour is pointed out"
--
-- [params.peak_high]
-- default = 8.0
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "peak ratio from which sizing by averages is misleading"
--
-- [chart]
-- kind  = "columns"
-- x     = "hour_of_day"
-- y     = ["mean", "p95"]
-- label = "messages an hour"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "busiest AND days >= min_days AND peak_ratio >= peak_high"
-- sentence   = "The busiest hour begins at {hour_of_day} o'clock and reaches {p95} messages, {peak_ratio} times the average hour ({days} complete days). Size the servers by this hour, not by the average."
-- advice     = "Size processes, filter and disk for {p95} messages in the hour from {hour_of_day} o'clock, and move newsletters, reports and other bulk mail out of it."
-- thresholds = ["peak_high", "min_days"]
-- evidence   = "SELECT hour_of_day, source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = ["hour_of_day"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "busiest AND days >= min_days AND peak_ratio >= peak_note"
-- sentence   = "The busiest hour begins at {hour_of_day} o'clock and reaches {p95} messages, {peak_ratio} times the average hour ({days} complete days)."
-- thresholds = ["peak_note", "min_days"]
-- evidence   = "SELECT hour_of_day, source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = ["hour_of_day"]
WITH seen AS (
    SELECT DISTINCT day FROM messages
    UNION ALL
    SELECT DISTINCT day FROM rejections
    UNION ALL
    SELECT DISTINCT day FROM sessions
), bounds AS (
    SELECT MIN(day) AS first_day, MAX(day) AS last_day FROM seen
), complete AS (
    SELECT DISTINCT seen.day AS day
    FROM seen
    CROSS JOIN bounds
    WHERE seen.day > bounds.first_day AND seen.day < bounds.last_day
), hours AS (
    SELECT CAST(v.h AS BIGINT) AS hour_of_day
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
                 (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)) AS v(h)
), counted AS (
    SELECT day, hour_of_day, COUNT(*) AS n
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded')
    GROUP BY day, hour_of_day
), grid AS (
    SELECT complete.day AS day, hours.hour_of_day AS hour_of_day
    FROM complete
    CROSS JOIN hours
), cells AS (
    -- An hour without mail on a complete day is a zero, not a missing value.
    SELECT grid.hour_of_day AS hour_of_day, CAST(COALESCE(counted.n, 0) AS BIGINT) AS n
    FROM grid
    LEFT JOIN counted ON grid.day = counted.day AND grid.hour_of_day = counted.hour_of_day
), overall AS (
    SELECT SUM(n) AS total, AVG(n) AS mean_hour FROM cells
), profile AS (
    SELECT hour_of_day,
           COUNT(*) AS days,
           SUM(n) AS messages,
           ROUND(AVG(n), 2) AS mean,
           ROUND(QUANTILE_CONT(n, 0.5), 2) AS median,
           ROUND(QUANTILE_CONT(n, 0.95), 2) AS p95,
           MAX(n) AS max
    FROM cells
    GROUP BY hour_of_day
)
SELECT profile.hour_of_day AS hour_of_day,
       profile.days AS days,
       profile.messages AS messages,
       profile.mean AS mean,
       profile.median AS median,
       profile.p95 AS p95,
       profile.max AS max,
       CASE WHEN overall.total > 0 THEN ROUND(CAST(profile.messages AS DOUBLE) / overall.total, 4) END AS share,
       CASE WHEN overall.mean_hour > 0 THEN ROUND(profile.p95 / overall.mean_hour, 2) END AS peak_ratio,
       ROW_NUMBER() OVER (ORDER BY -profile.messages, profile.hour_of_day) = 1 AS busiest
FROM profile
CROSS JOIN overall
ORDER BY hour_of_day
