-- title    = "The months to come"
-- question = "How much mail is to be expected, and when is a limit reached?"
-- tables   = ["messages", "activity"]
-- limits   = "The past goes on as it was: what the week and the trend do not show (holidays, campaigns, a new customer) is not in it. Complete days only; a day without any line is unknown, and one with lines but without mail counts as zero. The bands hold as far as the errors of the past are like those to come. No forecast is given when four fifths of the days are not two full weeks, when more than a tenth of them is unknown, or when a forecast of the last fifth from the days before is too far off."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 35
-- empty    = "the logs hold no complete day: a day counts when the logs begin before it and end after it"
-- sensitivity = "limit_per_day"
-- columns  = [
--   { name = "day", kind = "date", about = "calendar day in the report's time zone; null when there is no forecast" },
--   { name = "kind", kind = "text", about = "past: as it was; forecast; refused: there is no forecast" },
--   { name = "ahead", kind = "count", about = "days after the last complete day; 0 for the past" },
--   { name = "messages", kind = "number", unit = "messages", about = "messages taken in, each once; of the forecast, the expected number" },
--   { name = "low_80", kind = "number", unit = "messages", about = "lower end of the band that 80 of 100 days should fall into" },
--   { name = "high_80", kind = "number", unit = "messages", about = "its upper end" },
--   { name = "low_95", kind = "number", unit = "messages", about = "lower end of the band of 95" },
--   { name = "high_95", kind = "number", unit = "messages", about = "its upper end" },
--   { name = "days", kind = "count", about = "complete days that it rests on (the same on every row)" },
--   { name = "mape", kind = "share", about = "mean error of the back-test, in parts of the true number (the same on every row)" },
--   { name = "week_now", kind = "number", unit = "messages a day", about = "mean of the last seven complete days (the same on every row)" },
--   { name = "week_then", kind = "number", unit = "messages a day", about = "mean of the last seven days of the forecast (the same on every row)" },
--   { name = "limit_day", kind = "date", about = "first day on which the forecast reaches the limit, if any (the same on every row)" },
--   { name = "limit_day_80", kind = "date", about = "first day on which the upper end of the 80 % band does" },
--   { name = "last", kind = "flag", about = "the last row" },
--   { name = "refused", kind = "text", about = "why there is no forecast" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.horizon_days]
-- default = 90
-- unit    = "days"
-- source  = "mtaudit: a quarter, in which hardware can be bought"
-- about   = "days to look ahead"
--
-- [params.max_mape]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit: twice as wrong as a rule of thumb is no forecast"
-- about   = "mean error of the back-test above which no forecast is given"
--
-- [params.limit_per_day]
-- default = 0
-- unit    = "messages a day"
-- source  = "mtaudit: 0 is no limit; give what the servers, the filter or the contract can take"
-- about   = "messages a day whose date is looked for"
--
-- [derived.forecast]
-- with  = "holt_winters"
-- input = """
-- WITH seen AS (
--     SELECT DISTINCT day FROM activity
-- ), bounds AS (
--     SELECT MIN(day) AS first_day, MAX(day) AS last_day FROM seen
-- ), counted AS (
--     SELECT day, CAST(COUNT(*) AS DOUBLE) AS n
--     FROM messages
--     WHERE origin NOT IN ('reinjected', 'forwarded') AND day IS NOT NULL
--     GROUP BY day
-- )
-- SELECT 'messages' AS series, seen.day AS day, COALESCE(counted.n, 0.0) AS value, CAST(7 AS BIGINT) AS season,
--        params.horizon_days AS horizon, params.max_mape AS max_mape
-- FROM seen
-- CROSS JOIN bounds
-- CROSS JOIN params
-- LEFT JOIN counted ON seen.day = counted.day
-- WHERE seen.day > bounds.first_day AND seen.day < bounds.last_day
-- ORDER BY day"""
--
-- [chart]
-- kind  = "line"
-- x     = "day"
-- y     = ["messages", "low_80", "high_80"]
-- label = "messages a day"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "last AND limit_day IS NOT NULL"
-- sentence   = "If mail goes on as in the last {days|complete day|complete days}, it will reach {params.limit_per_day} messages a day on {limit_day} (by the upper end of the 80 % band, on {limit_day_80}). In the last week of the forecast, {week_then} a day are expected, against {week_now} now; the back-test was off by {mape}."
-- advice     = "Plan the extension so that it is in service before {limit_day_80}, and repeat this forecast each month."
-- thresholds = ["limit_per_day"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded') AND day IS NOT NULL"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "last AND limit_day_80 IS NOT NULL"
-- sentence   = "{params.limit_per_day} messages a day are not expected within {params.horizon_days|day|days}, but one day in ten may reach them from {limit_day_80} on. In the last week of the forecast, {week_then} a day are expected, against {week_now} now; the back-test was off by {mape}."
-- advice     = "Repeat this forecast each month, and have a plan for the extension ready."
-- thresholds = ["limit_per_day"]
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded') AND day IS NOT NULL"
-- keys       = []
--
-- [[findings]]
-- severity   = "info"
-- when       = "last AND kind = 'forecast'"
-- sentence   = "If mail goes on as in the last {days|complete day|complete days}, {week_then} messages a day are to be expected at the end of the next {params.horizon_days|day|days} (mean of the last week), against {week_now} now; the back-test was off by {mape}."
-- evidence   = "SELECT source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded') AND day IS NOT NULL"
-- keys       = []
--
-- [[findings]]
-- severity   = "info"
-- when       = "kind = 'refused'"
-- sentence   = "No forecast is given: {refused}."
WITH numbered AS (
    SELECT day, ahead, value, low_80, high_80, low_95, high_95, days, mape, refused,
           ROW_NUMBER() OVER (PARTITION BY ahead > 0 ORDER BY day DESC) AS from_end
    FROM forecast
), whole AS (
    SELECT AVG(CASE WHEN numbered.ahead = 0 AND numbered.from_end <= 7 THEN numbered.value END) AS week_now,
           AVG(CASE WHEN numbered.ahead > 0 AND numbered.from_end <= 7 THEN numbered.value END) AS week_then,
           MIN(CASE WHEN numbered.ahead > 0 AND params.limit_per_day > 0 AND ROUND(numbered.value, 6) >= params.limit_per_day THEN numbered.day END) AS limit_day,
           MIN(CASE WHEN numbered.ahead > 0 AND params.limit_per_day > 0 AND ROUND(numbered.high_80, 6) >= params.limit_per_day THEN numbered.day END) AS limit_day_80,
           MAX(numbered.ahead) AS last_ahead
    FROM numbered
    CROSS JOIN params
)
SELECT numbered.day AS day,
       CASE WHEN numbered.refused IS NOT NULL THEN 'refused' WHEN numbered.ahead > 0 THEN 'forecast' ELSE 'past' END AS kind,
       numbered.ahead AS ahead,
       ROUND(numbered.value, 1) AS messages,
       ROUND(numbered.low_80, 1) AS low_80,
       ROUND(numbered.high_80, 1) AS high_80,
       ROUND(numbered.low_95, 1) AS low_95,
       ROUND(numbered.high_95, 1) AS high_95,
       numbered.days AS days,
       ROUND(numbered.mape, 4) AS mape,
       ROUND(whole.week_now, 1) AS week_now,
       ROUND(whole.week_then, 1) AS week_then,
       whole.limit_day AS limit_day,
       whole.limit_day_80 AS limit_day_80,
       numbered.ahead = whole.last_ahead AND numbered.from_end = 1 AS last,
       numbered.refused AS refused
FROM numbered
CROSS JOIN whole
WHERE numbered.ahead > 0 OR numbered.from_end <= 28
ORDER BY numbered.day
