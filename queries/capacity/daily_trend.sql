-- title    = "Day by day, and where it is heading"
-- question = "How much mail came each day, and is it growing?"
-- tables   = ["messages", "rejections", "sessions"]
-- limits   = "The trend rests on complete days (the first and last day are left out; a day without any line counts for nothing), is the median of the slopes between all pairs of days, at most the last 366, and knows no seasons. Its 95 % interval holds when days do not depend on each other, which mail only roughly keeps."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 31
-- sensitivity = "growth"
-- columns  = [
--   { name = "day", kind = "date", about = "calendar day in the report's time zone" },
--   { name = "complete", kind = "flag", about = "the logs begin before this day and end after it" },
--   { name = "accepted", kind = "count", about = "messages taken in, each once" },
--   { name = "accepted_all_hops", kind = "count", about = "queue entries, re-injected and forwarded copies included" },
--   { name = "bytes", kind = "bytes", about = "size of the accepted messages, each once" },
--   { name = "rejections", kind = "count", about = "commands refused during SMTP; null when the logs hold neither connections nor refusals" },
--   { name = "sessions", kind = "count", about = "inbound connections; null when none is logged" },
--   { name = "days", kind = "count", about = "complete days; the trend rests on the newest 366 of them (the same on every row)" },
--   { name = "trend_30_days", kind = "number", unit = "messages a day", about = "change of the daily volume in 30 days (the same on every row)" },
--   { name = "trend_low", kind = "number", unit = "messages a day", about = "lower end of its 95 % interval" },
--   { name = "trend_high", kind = "number", unit = "messages a day", about = "upper end of its 95 % interval" },
--   { name = "median_day", kind = "number", unit = "messages", about = "messages on the median complete day" },
--   { name = "trend_share", kind = "share", about = "change in 30 days / median day" },
--   { name = "last_day", kind = "flag", about = "the last day in the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_days]
-- default = 28
-- unit    = "days"
-- source  = "mtaudit: four weeks, so that every weekday counts equally"
-- about   = "complete days below which no trend is given"
--
-- [params.growth]
-- default = 0.20
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "change in 30 days from which it is pointed out"
--
-- [derived.trend]
-- with  = "theil_sen"
-- input = """
-- WITH events AS (
--     SELECT day, CASE WHEN origin NOT IN ('reinjected', 'forwarded') THEN 1 ELSE 0 END AS once FROM messages WHERE day IS NOT NULL
--     UNION ALL
--     SELECT day, 0 AS once FROM rejections WHERE day IS NOT NULL
--     UNION ALL
--     SELECT day, 0 AS once FROM sessions WHERE day IS NOT NULL
-- ), counted AS (
--     SELECT day, CAST(SUM(once) AS BIGINT) AS accepted FROM events GROUP BY day
-- ), framed AS (
--     SELECT day, accepted, MIN(day) OVER () AS first_day, MAX(day) OVER () AS last_day FROM counted
-- ), numbered AS (
--     SELECT day, accepted, CAST(ROW_NUMBER() OVER (ORDER BY day DESC) AS BIGINT) AS no FROM framed WHERE day > first_day AND day < last_day
-- )
-- SELECT 'all' AS series, day AS x, accepted AS y FROM numbered WHERE no <= 366"""
--
-- [chart]
-- kind  = "columns"
-- x     = "day"
-- y     = ["accepted"]
-- label = "messages a day"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "last_day AND trend_share >= growth AND trend_low > 0"
-- sentence   = "Mail grew: the daily volume rose by {trend_30_days|message|messages} in 30 days, {trend_share} of a usual day of {median_day|message|messages} (95 % interval {trend_low} to {trend_high}, from {days|complete day|complete days})."
-- advice     = "Set this rise against what the servers, the disks and the filter can take, and plan the extension before the busiest hour (capacity/busy_hour_ratio) gets there; capacity/forecast gives the date once a limit is set."
-- thresholds = ["growth", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
--
-- [[findings]]
-- severity   = "info"
-- when       = "last_day AND trend_share <= -growth AND trend_high < 0"
-- sentence   = "Mail declined: the daily volume changed by {trend_30_days|message|messages} in 30 days, {trend_share} of a usual day of {median_day|message|messages} (95 % interval {trend_low} to {trend_high}, from {days|complete day|complete days})."
-- thresholds = ["growth", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
WITH events AS (
    -- 1 message, 2 refusal, 3 other action, 4 session.
    SELECT day, 1 AS kind, origin NOT IN ('reinjected', 'forwarded') AS once, size
    FROM messages
    WHERE day IS NOT NULL
    UNION ALL
    SELECT day, CASE WHEN action IN ('reject', 'defer') THEN 2 ELSE 3 END AS kind, FALSE AS once, CAST(NULL AS BIGINT) AS size
    FROM rejections
    WHERE day IS NOT NULL
    UNION ALL
    SELECT day, 4 AS kind, FALSE AS once, CAST(NULL AS BIGINT) AS size
    FROM sessions
    WHERE day IS NOT NULL
), counted AS (
    SELECT day,
           CAST(COUNT(*) FILTER (WHERE once) AS BIGINT) AS accepted,
           CAST(COUNT(*) FILTER (WHERE kind = 1) AS BIGINT) AS accepted_all_hops,
           SUM(size) FILTER (WHERE once) AS bytes,
           CAST(COUNT(*) FILTER (WHERE kind = 2) AS BIGINT) AS rejections,
           CAST(COUNT(*) FILTER (WHERE kind IN (2, 3)) AS BIGINT) AS refusal_lines,
           CAST(COUNT(*) FILTER (WHERE kind = 4) AS BIGINT) AS sessions
    FROM events
    GROUP BY day
), framed AS (
    SELECT day, accepted, accepted_all_hops, bytes, rejections, sessions,
           MIN(day) OVER () AS first_day,
           MAX(day) OVER () AS last_day,
           SUM(sessions) OVER () AS all_sessions,
           SUM(refusal_lines) OVER () AS all_refusals
    FROM counted
), bounded AS (
    SELECT 'all' AS series, day, accepted, accepted_all_hops, bytes, rejections, sessions, last_day, all_sessions, all_refusals,
           day > first_day AND day < last_day AS complete,
           CAST(SUM(CASE WHEN day > first_day AND day < last_day THEN 1 ELSE 0 END) OVER () AS BIGINT) AS days
    FROM framed
)
SELECT bounded.day AS day,
       bounded.complete AS complete,
       bounded.accepted AS accepted,
       bounded.accepted_all_hops AS accepted_all_hops,
       CASE WHEN bounded.accepted > 0 THEN bounded.bytes ELSE 0 END AS bytes,
       CASE WHEN bounded.all_sessions + bounded.all_refusals > 0 THEN bounded.rejections END AS rejections,
       CASE WHEN bounded.all_sessions > 0 THEN bounded.sessions END AS sessions,
       bounded.days AS days,
       CASE WHEN trend.points >= params.min_days THEN ROUND(30 * trend.slope, 2) END AS trend_30_days,
       CASE WHEN trend.points >= params.min_days THEN ROUND(30 * trend.slope_low, 2) END AS trend_low,
       CASE WHEN trend.points >= params.min_days THEN ROUND(30 * trend.slope_high, 2) END AS trend_high,
       CASE WHEN trend.points >= params.min_days THEN ROUND(trend.median, 2) END AS median_day,
       CASE WHEN trend.points >= params.min_days AND trend.median > 0 THEN ROUND(30 * trend.slope / trend.median, 4) END AS trend_share,
       bounded.day = bounded.last_day AS last_day
FROM bounded
CROSS JOIN params
LEFT JOIN trend ON bounded.series = trend.series
ORDER BY day
