-- title    = "The busy hour against the average"
-- question = "How much stronger is the busiest hour of a working day than the average hour?"
-- tables   = ["messages", "rejections", "sessions"]
-- limits   = "Uses complete working days only: Monday to Friday, without the holidays of the configuration, without the first and the last day in the logs and days without any line. An average hour is one of the 24 of these days. Re-injected and forwarded copies are not counted. On days when the clocks change, one hour is missing or doubled."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 1
-- empty    = "the logs hold no complete working day: a day counts when the logs begin before it and end after it"
-- sensitivity = "peak_high"
-- columns  = [
--   { name = "days", kind = "count", about = "complete working days that the figures rest on" },
--   { name = "busy_hour", kind = "count", about = "hour of the day with the highest mean, in the report's time zone, 0 to 23" },
--   { name = "busy_mean", kind = "number", unit = "messages", about = "mean of that hour" },
--   { name = "mean_hour", kind = "number", unit = "messages", about = "mean of all hours" },
--   { name = "p95_hour", kind = "number", unit = "messages", about = "of 100 hours, 95 had at most so many" },
--   { name = "max_hour", kind = "count", about = "messages in the fullest hour" },
--   { name = "max_at", kind = "date", about = "its day" },
--   { name = "busy_ratio", kind = "number", about = "busy_mean / mean_hour" },
--   { name = "ratio", kind = "number", about = "p95_hour / mean_hour" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_days]
-- default = 5
-- unit    = "days"
-- source  = "mtaudit: one working week"
-- about   = "complete working days below which nothing is concluded"
--
-- [params.peak_note]
-- default = 4.0
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "ratio from which the peak is noted"
--
-- [params.peak_high]
-- default = 8.0
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "ratio from which sizing by averages is misleading"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "days >= min_days AND ratio >= peak_high"
-- sentence   = "On working days mail came in bursts: 5 of 100 hours had {p95_hour} messages or more, {ratio} times the average hour of {mean_hour} ({days|complete working day|complete working days}). The fullest hour, on {max_at}, had {max_hour}."
-- advice     = "Find out what is sent in the hour from {busy_hour} o'clock (capacity/top_senders, capacity/peak_windows) and spread it, as servers that are sized for this hour stand idle in all others."
-- thresholds = ["peak_high", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
--
-- [[findings]]
-- severity   = "info"
-- when       = "days >= min_days AND ratio >= peak_note"
-- sentence   = "On working days, 5 of 100 hours had {p95_hour} messages or more, {ratio} times the average hour of {mean_hour} ({days|complete working day|complete working days}). The busiest hour began at {busy_hour} o'clock."
-- thresholds = ["peak_note", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
WITH seen AS (
    SELECT DISTINCT day, weekday FROM messages
    UNION ALL
    SELECT DISTINCT day, weekday FROM rejections
    UNION ALL
    SELECT DISTINCT day, weekday FROM sessions
), bounds AS (
    SELECT MIN(day) AS first_day, MAX(day) AS last_day FROM seen
), complete AS (
    SELECT DISTINCT seen.day AS day
    FROM seen
    CROSS JOIN bounds
    LEFT JOIN holidays ON seen.day = holidays.day
    WHERE seen.day > bounds.first_day AND seen.day < bounds.last_day AND seen.weekday <= 5 AND holidays.day IS NULL
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
    SELECT grid.day AS day, grid.hour_of_day AS hour_of_day, CAST(COALESCE(counted.n, 0) AS BIGINT) AS n
    FROM grid
    LEFT JOIN counted ON grid.day = counted.day AND grid.hour_of_day = counted.hour_of_day
), overall AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS cells, CAST(SUM(n) AS BIGINT) AS messages, AVG(n) AS mean_hour, QUANTILE_CONT(n, 0.95) AS p95_hour
    FROM cells
), per_hour AS (
    SELECT hour_of_day, AVG(n) AS mean, CAST(SUM(n) AS BIGINT) AS messages
    FROM cells
    GROUP BY hour_of_day
), by_hour AS (
    SELECT hour_of_day, mean, ROW_NUMBER() OVER (ORDER BY -messages, hour_of_day) AS no
    FROM per_hour
), fullest AS (
    SELECT day, n, ROW_NUMBER() OVER (ORDER BY -n, day, hour_of_day) AS no
    FROM cells
)
SELECT CAST(ROUND(overall.cells / 24.0) AS BIGINT) AS days,
       by_hour.hour_of_day AS busy_hour,
       ROUND(by_hour.mean, 2) AS busy_mean,
       ROUND(overall.mean_hour, 2) AS mean_hour,
       ROUND(overall.p95_hour, 2) AS p95_hour,
       fullest.n AS max_hour,
       fullest.day AS max_at,
       CASE WHEN overall.messages > 0 THEN ROUND(by_hour.mean / overall.mean_hour, 2) END AS busy_ratio,
       CASE WHEN overall.messages > 0 THEN ROUND(overall.p95_hour / overall.mean_hour, 2) END AS ratio
FROM overall
CROSS JOIN (SELECT hour_of_day, mean FROM by_hour WHERE no = 1) AS by_hour
CROSS JOIN (SELECT day, n FROM fullest WHERE no = 1) AS fullest
ORDER BY days
