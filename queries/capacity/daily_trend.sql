-- title    = "Day by day, and where it is heading"
-- question = "How much mail came each day, and is it growing?"
-- tables   = ["messages", "rejections", "sessions"]
-- limits   = "The trend rests on complete days (the first and last day are left out), is the median of the slopes between all pairs of days, at most the last 366, and knows no seasons. Its 95 % interval holds when days do not depend on each other, which mail only roughly keeps."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 31
-- columns  = [
--   { name = "day", kind = "date", about = "calendar day in the report's time zone" },
--   { name = "complete", kind = "flag", about = "the logs begin before this day and end after it" },
--   { name = "accepted", kind = "count", about = "messages taken in, each once" },
--   { name = "accepted_all_hops", kind = "count", about = "queue entries, re-injected and forwarded copies included" },
--   { name = "bytes", kind = "bytes", about = "size of the accepted messages, each once" },
--   { name = "rejections", kind = "count", about = "commands refused during SMTP; null when the logs hold neither connections nor refusals" },
--   { name = "sessions", kind = "count", about = "inbound connections; null when none is logged" },
--   { name = "days", kind = "count", about = "complete days in the trend (the same on every row)" },
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
--
-- [params.min_days]
-- default = 28
-- unit    = "days"
-- source  = "mtaudit: four weeks, so that every weekday counts equally"
-- about   = "complete days below which no trend is given"
--
-- [params.growth]
-- default = 0.20
-- unit    = "share in 30 days"
-- source  = "mtaudit"
-- about   = "change in 30 days from which it is pointed out"
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
-- sentence   = "Mail is growing: the daily volume rises by {trend_30_days} messages in 30 days, {trend_share} of a usual day ({days} complete days, usual day {median_day} messages, 95 % interval {trend_low} to {trend_high})."
-- thresholds = ["growth", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
--
-- [[findings]]
-- severity   = "info"
-- when       = "last_day AND trend_share <= -growth AND trend_high < 0"
-- sentence   = "Mail is declining: the daily volume changes by {trend_30_days} messages in 30 days, {trend_share} of a usual day ({days} complete days, usual day {median_day} messages, 95 % interval {trend_low} to {trend_high})."
-- thresholds = ["growth", "min_days"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded')"
-- keys       = []
WITH seen AS (
    SELECT day FROM messages WHERE day IS NOT NULL
    UNION ALL
    SELECT day FROM rejections WHERE day IS NOT NULL
    UNION ALL
    SELECT day FROM sessions WHERE day IS NOT NULL
), bounds AS (
    SELECT MIN(day) AS first_day, MAX(day) AS last_day FROM seen
), days AS (
    SELECT DISTINCT day FROM seen
), m AS (
    SELECT day,
           COUNT(*) FILTER (WHERE origin NOT IN ('reinjected', 'forwarded')) AS accepted,
           COUNT(*) AS accepted_all_hops,
           SUM(size) FILTER (WHERE origin NOT IN ('reinjected', 'forwarded')) AS bytes
    FROM messages
    GROUP BY day
), r AS (
    SELECT day, COUNT(*) AS rejections
    FROM rejections
    WHERE action IN ('reject', 'defer')
    GROUP BY day
), s AS (
    SELECT day, COUNT(*) AS sessions
    FROM sessions
    GROUP BY day
), refused AS (
    SELECT COUNT(*) AS lines FROM rejections
), connected AS (
    SELECT COUNT(*) AS lines FROM sessions
), daily AS (
    SELECT days.day AS day,
           days.day > bounds.first_day AND days.day < bounds.last_day AS complete,
           days.day = bounds.last_day AS last_day,
           CAST(COALESCE(m.accepted, 0) AS BIGINT) AS accepted,
           CAST(COALESCE(m.accepted_all_hops, 0) AS BIGINT) AS accepted_all_hops,
           m.bytes AS bytes,
           CASE WHEN connected.lines + refused.lines > 0 THEN CAST(COALESCE(r.rejections, 0) AS BIGINT) END AS rejections,
           CASE WHEN connected.lines > 0 THEN CAST(COALESCE(s.sessions, 0) AS BIGINT) END AS sessions
    FROM days
    CROSS JOIN bounds
    CROSS JOIN refused
    CROSS JOIN connected
    LEFT JOIN m ON days.day = m.day
    LEFT JOIN r ON days.day = r.day
    LEFT JOIN s ON days.day = s.day
), numbered AS (
    SELECT accepted, CAST(ROW_NUMBER() OVER (ORDER BY day) AS BIGINT) AS no
    FROM daily
    WHERE complete
), size AS (
    SELECT MAX(no) AS newest FROM numbered
), used AS (
    SELECT numbered.accepted AS accepted, numbered.no AS no
    FROM numbered
    CROSS JOIN size
    WHERE numbered.no > size.newest - 366
), amount AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS days, QUANTILE_CONT(accepted, 0.5) AS median_day FROM used
), slopes AS (
    -- Theil-Sen: the median slope over all pairs; its interval from Kendall's variance.
    SELECT CAST(b.accepted - a.accepted AS DOUBLE) / (b.no - a.no) AS slope
    FROM used AS a
    CROSS JOIN used AS b
    WHERE a.no < b.no
), ordered AS (
    SELECT slope, CAST(ROW_NUMBER() OVER (ORDER BY slope) AS BIGINT) AS no FROM slopes
), limits AS (
    SELECT amount.days AS days,
           amount.median_day AS median_day,
           CAST(FLOOR((amount.days * (amount.days - 1) / 2.0
               - 1.96 * SQRT(amount.days * (amount.days - 1) * (2 * amount.days + 5) / 18.0)) / 2.0) AS BIGINT) AS low_no,
           CAST(CEIL((amount.days * (amount.days - 1) / 2.0
               + 1.96 * SQRT(amount.days * (amount.days - 1) * (2 * amount.days + 5) / 18.0)) / 2.0) AS BIGINT) + 1 AS high_no
    FROM amount
    CROSS JOIN params
    WHERE amount.days >= params.min_days
), trend AS (
    SELECT QUANTILE_CONT(slope, 0.5) AS slope FROM slopes
), low AS (
    SELECT MAX(ordered.slope) AS slope FROM ordered CROSS JOIN limits WHERE ordered.no = limits.low_no
), high AS (
    SELECT MAX(ordered.slope) AS slope FROM ordered CROSS JOIN limits WHERE ordered.no = limits.high_no
), figures AS (
    SELECT MAX(limits.days) AS enough, MAX(limits.median_day) AS median_day FROM limits
)
SELECT daily.day AS day,
       daily.complete AS complete,
       daily.accepted AS accepted,
       daily.accepted_all_hops AS accepted_all_hops,
       daily.bytes AS bytes,
       daily.rejections AS rejections,
       daily.sessions AS sessions,
       amount.days AS days,
       CASE WHEN figures.enough > 0 THEN ROUND(30 * trend.slope, 2) END AS trend_30_days,
       CASE WHEN figures.enough > 0 THEN ROUND(30 * low.slope, 2) END AS trend_low,
       CASE WHEN figures.enough > 0 THEN ROUND(30 * high.slope, 2) END AS trend_high,
       CASE WHEN figures.enough > 0 THEN ROUND(figures.median_day, 2) END AS median_day,
       CASE WHEN figures.median_day > 0 THEN ROUND(30 * trend.slope / figures.median_day, 4) END AS trend_share,
       daily.last_day AS last_day
FROM daily
CROSS JOIN amount
CROSS JOIN trend
CROSS JOIN low
CROSS JOIN high
CROSS JOIN figures
ORDER BY day
