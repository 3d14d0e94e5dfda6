-- title    = "Times without a line"
-- question = "Is anything missing from the logs?"
-- tables   = ["activity", "sources"]
-- limits   = "Silence can mean that nothing happened, that the server stood still, or that lines are missing: the logs alone cannot tell which. Every line with a time counts, whatever it says, in files that hold mail. What lies before the first and after the last line is seen only when a period is asked for (--month, --since, --until), and a host without any line in it not at all. Pauses are taken between stretches of five minutes with lines. For each host, its longest silence is listed even when it is short. Extracts (`mail.warn`, `mail.err`; see `sources.extract`) break no silence of a host that has other logs. Where a host's log is cut by program, or sent to two places whole, a part that is missing in one of them is not seen here."
-- controls = ["ISO/IEC 27001 A.8.15", "ISO/IEC 27001 A.5.28", "NIST SP 800-53 AU-9", "PCI DSS 10.3"]
-- rows     = 20
-- sensitivity = "gap_minutes"
-- columns  = [
--   { name = "host", kind = "text", about = "host the lines are from" },
--   { name = "silent_from", kind = "time", about = "last line before the silence, or beginning of the period asked for" },
--   { name = "silent_until", kind = "time", about = "first line after it, or end of the period asked for" },
--   { name = "seconds", kind = "seconds", about = "length" },
--   { name = "whole_days", kind = "count", about = "local days without any line" },
--   { name = "lies", kind = "text", about = "between lines, before the first, after the last" },
--   { name = "rank", kind = "count", about = "1 = the longest silence of the host" },
--   { name = "usual", kind = "seconds", about = "what is usual there: null when there is too little to tell" },
--   { name = "usual_of", kind = "text", about = "weekday and hour: the median of the longest pause that begins in that hour of that weekday; hour: in that hour of any day; host: of 100 pauses of the host, 99 are at most so long. The last also stands in the place of the others when it is longer" },
--   { name = "unusual", kind = "flag", about = "longer than the threshold and than the usual pause as often as the parameter says" },
--   { name = "day_missing", kind = "flag", about = "a whole day is without a line, though others of that weekday, or nearly all days, have lines; at the edges of the period: 24 hours" },
--   { name = "active_days", kind = "count", about = "days with lines from the host" },
--   { name = "gaps", kind = "count", about = "silences of the host that are longer than the threshold" },
--   { name = "aside", kind = "count", about = "lines of that time in extracts of the host's log" },
-- ]
--
-- [[needs]]
-- table   = "activity"
-- missing = "no line with a time was read from a log of a mail server"
--
-- [params.gap_minutes]
-- default = 30
-- unit    = "minutes"
-- source  = "chainsaw analyse gaps: 30 minutes"
-- about   = "silence from which it is listed"
--
-- [params.times_usual]
-- default = 5
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "how much longer than the usual pause a silence must be to be unusual"
--
-- [params.min_times]
-- default = 3
-- unit    = "times"
-- source  = "mtaudit: the median of three is not moved by one of them"
-- about   = "how often an hour of a weekday, or of any day, must have been seen to say what is usual then"
--
-- [params.min_pauses]
-- default = 100
-- unit    = "pauses"
-- source  = "mtaudit"
-- about   = "pauses of a host below which its 99th percentile says nothing"
--
-- [params.days_share]
-- default = 0.9
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of days with lines from which, over a week or more, every day is expected to have some"
--
-- [[findings]]
-- severity   = "high"
-- when       = "day_missing AND lies = 'between lines'"
-- sentence   = "There is no line from {host|a host without a name} for {seconds}, from {silent_from} to {silent_until}, which leaves {whole_days|whole day|whole days} without one, though other such days have lines ({active_days|day|days} in all). Extracts of its log hold {aside|line|lines} of that time. Either the server stood still, or lines are missing."
-- advice     = "Look for the missing file in rotation and backups, and ask whether {host|the server} was off at that time; say in the report which it was, as nothing else can be told about this time."
-- thresholds = ["min_times", "days_share"]
-- limit      = 5
-- evidence   = """
-- WITH bounds AS (
--     SELECT COALESCE(activity.host, '') AS host, activity.minute AS minute, MIN(activity.first_ts) AS first_ts, MAX(activity.last_ts) AS last_ts
--     FROM activity JOIN sources ON activity.source = sources.source
--     WHERE NOT COALESCE(sources.extract, FALSE)
--     GROUP BY COALESCE(activity.host, ''), activity.minute
-- ), sides AS (
--     SELECT host, first_ts, LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS before_ts FROM bounds
-- )
-- SELECT COALESCE(host, '') AS host, last_ts AS silent_from, source, last_line AS line FROM activity
-- UNION ALL
-- SELECT sides.host AS host, COALESCE(sides.before_ts, period.since_ts) AS silent_from, activity.source AS source, activity.line AS line
-- FROM sides JOIN activity ON sides.host = COALESCE(activity.host, '') AND sides.first_ts = activity.first_ts CROSS JOIN period"""
-- keys       = ["host", "silent_from"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "unusual AND lies = 'between lines'"
-- sentence   = "There is no line from {host|a host without a name} for {seconds}, from {silent_from} to {silent_until}, while a pause there is usually at most {usual} (judged by {usual_of}). Extracts of its log hold {aside|line|lines} of that time. Either the server was silent or stood still, or lines are missing."
-- advice     = "Look whether the log service or the mail server was restarted at {silent_until} (evidence/server_events), and whether a file is missing in rotation or backups."
-- thresholds = ["gap_minutes", "times_usual", "min_times", "min_pauses"]
-- limit      = 5
-- evidence   = """
-- WITH bounds AS (
--     SELECT COALESCE(activity.host, '') AS host, activity.minute AS minute, MIN(activity.first_ts) AS first_ts, MAX(activity.last_ts) AS last_ts
--     FROM activity JOIN sources ON activity.source = sources.source
--     WHERE NOT COALESCE(sources.extract, FALSE)
--     GROUP BY COALESCE(activity.host, ''), activity.minute
-- ), sides AS (
--     SELECT host, first_ts, LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS before_ts FROM bounds
-- )
-- SELECT COALESCE(host, '') AS host, last_ts AS silent_from, source, last_line AS line FROM activity
-- UNION ALL
-- SELECT sides.host AS host, COALESCE(sides.before_ts, period.since_ts) AS silent_from, activity.source AS source, activity.line AS line
-- FROM sides JOIN activity ON sides.host = COALESCE(activity.host, '') AND sides.first_ts = activity.first_ts CROSS JOIN period"""
-- keys       = ["host", "silent_from"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "(unusual OR day_missing) AND lies <> 'between lines'"
-- sentence   = "The period asked for is not covered: there is no line from {host|a host without a name} for {seconds} ({lies} line), from {silent_from} to {silent_until}. Extracts of its log hold {aside|line|lines} of that time."
-- advice     = "Add the log files of {host|this host} for that time, or shorten the period to what they cover."
-- thresholds = ["gap_minutes", "times_usual", "min_times", "min_pauses"]
-- limit      = 5
-- evidence   = """
-- WITH bounds AS (
--     SELECT COALESCE(activity.host, '') AS host, activity.minute AS minute, MIN(activity.first_ts) AS first_ts, MAX(activity.last_ts) AS last_ts
--     FROM activity JOIN sources ON activity.source = sources.source
--     WHERE NOT COALESCE(sources.extract, FALSE)
--     GROUP BY COALESCE(activity.host, ''), activity.minute
-- ), sides AS (
--     SELECT host, first_ts, LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS before_ts FROM bounds
-- )
-- SELECT COALESCE(host, '') AS host, last_ts AS silent_from, source, last_line AS line FROM activity
-- UNION ALL
-- SELECT sides.host AS host, COALESCE(sides.before_ts, period.since_ts) AS silent_from, activity.source AS source, activity.line AS line
-- FROM sides JOIN activity ON sides.host = COALESCE(activity.host, '') AND sides.first_ts = activity.first_ts CROSS JOIN period"""
-- keys       = ["host", "silent_from"]
WITH written AS (
    SELECT COALESCE(activity.host, '') AS host, activity.minute AS minute, activity.day AS day, activity.weekday AS weekday,
           activity.hour_of_day AS hour_of_day, activity.first_ts AS first_ts, activity.last_ts AS last_ts,
           activity.first_second AS first_second, activity.last_second AS last_second, activity.lines AS lines, COALESCE(sources.extract, FALSE) AS extract
    FROM activity
    JOIN sources ON activity.source = sources.source
), logs AS (
    SELECT DISTINCT host AS log_host FROM written WHERE NOT extract
), buckets AS (
    SELECT written.host AS host, written.minute AS minute,
           MIN(written.day) AS day, MIN(written.weekday) AS weekday, MIN(written.hour_of_day) AS hour_of_day,
           MIN(written.first_ts) AS first_ts, MAX(written.last_ts) AS last_ts,
           MIN(written.first_second) AS first_second, MAX(written.last_second) AS last_second
    FROM written
    LEFT JOIN logs ON written.host = logs.log_host
    WHERE NOT written.extract OR logs.log_host IS NULL
    GROUP BY written.host, written.minute
), follows AS (
    -- The day, weekday and hour of a pause are those in which it begins.
    SELECT host, first_ts AS silent_until, weekday AS next_weekday,
           first_second - LAG(last_second) OVER (PARTITION BY host ORDER BY minute) AS pause,
           LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS silent_from,
           LAG(day) OVER (PARTITION BY host ORDER BY minute) AS day,
           LAG(weekday) OVER (PARTITION BY host ORDER BY minute) AS weekday,
           LAG(hour_of_day) OVER (PARTITION BY host ORDER BY minute) AS hour_of_day
    FROM buckets
), inner_pauses AS (
    -- From the weekdays at both ends and the length: how many midnights lie between, whatever the clocks did.
    SELECT host, silent_from, silent_until, pause, day, weekday, hour_of_day, next_weekday,
           (next_weekday - weekday + 7) % 7 + 7 * CAST(ROUND((pause / 86400.0 - (next_weekday - weekday + 7) % 7) / 7, 0) AS BIGINT) AS midnights
    FROM follows
    WHERE pause IS NOT NULL
), hosts AS (
    SELECT host, COUNT(DISTINCT day) AS active_days,
           MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts,
           MIN(first_second) AS first_second, MAX(last_second) AS last_second
    FROM buckets
    GROUP BY host
), edges AS (
    SELECT buckets.host AS host, period.since_ts AS silent_from, buckets.first_ts AS silent_until,
           buckets.first_second - period.since_second AS pause, buckets.weekday AS weekday, buckets.hour_of_day AS hour_of_day,
           'before the first' AS lies
    FROM buckets
    JOIN hosts ON buckets.host = hosts.host AND buckets.first_ts = hosts.first_ts
    CROSS JOIN period
    WHERE buckets.first_second > period.since_second
    UNION ALL
    SELECT buckets.host AS host, buckets.last_ts AS silent_from, period.until_ts AS silent_until,
           period.until_second - buckets.last_second AS pause, buckets.weekday AS weekday, buckets.hour_of_day AS hour_of_day,
           'after the last' AS lies
    FROM buckets
    JOIN hosts ON buckets.host = hosts.host AND buckets.last_ts = hosts.last_ts
    CROSS JOIN period
    WHERE period.until_second > buckets.last_second
), pauses AS (
    SELECT host, silent_from, silent_until, pause, weekday, hour_of_day, 'between lines' AS lies,
           CASE WHEN midnights > 1 THEN midnights - 1 ELSE 0 END AS whole_days,
           weekday % 7 + 1 AS first_whole, (next_weekday + 5) % 7 + 1 AS last_whole
    FROM inner_pauses
    UNION ALL
    SELECT host, silent_from, silent_until, pause, weekday, hour_of_day, lies,
           CAST(FLOOR(pause / 86400.0) AS BIGINT) AS whole_days, 0 AS first_whole, 0 AS last_whole
    FROM edges
), slots AS (
    SELECT host, day, weekday, hour_of_day, MAX(pause) AS longest
    FROM inner_pauses
    GROUP BY host, day, weekday, hour_of_day
), by_week AS (
    SELECT host, weekday, hour_of_day, QUANTILE_CONT(longest, 0.5) AS usual, COUNT(*) AS times
    FROM slots
    GROUP BY host, weekday, hour_of_day
), by_hour AS (
    SELECT host, hour_of_day, QUANTILE_CONT(longest, 0.5) AS usual, COUNT(*) AS times
    FROM slots
    GROUP BY host, hour_of_day
), by_host AS (
    SELECT host, QUANTILE_CONT(pause, 0.99) AS usual, COUNT(*) AS times,
           SUM(CASE WHEN midnights > 1 THEN midnights - 1 ELSE 0 END) AS silent_days
    FROM inner_pauses
    GROUP BY host
), by_weekday AS (
    SELECT host, weekday, COUNT(DISTINCT day) AS days
    FROM buckets
    GROUP BY host, weekday
), listed AS (
    SELECT host, COUNT(*) AS gaps
    FROM pauses
    CROSS JOIN params
    WHERE pauses.pause > 60 * params.gap_minutes
    GROUP BY host
), ranked AS (
    SELECT host, silent_from, silent_until, pause, weekday, hour_of_day, lies, whole_days, first_whole, last_whole,
           ROW_NUMBER() OVER (PARTITION BY host ORDER BY -pause, silent_from, lies) AS rank
    FROM pauses
), judged AS (
    SELECT ranked.host AS host, ranked.silent_from AS silent_from, ranked.silent_until AS silent_until,
           ranked.pause AS pause, ranked.lies AS lies, ranked.whole_days AS whole_days, ranked.rank AS rank,
           CASE WHEN by_week.times >= params.min_times THEN by_week.usual
                WHEN by_hour.times >= params.min_times THEN by_hour.usual END AS usual_then,
           CASE WHEN by_week.times >= params.min_times THEN 'weekday and hour'
                WHEN by_hour.times >= params.min_times THEN 'hour' END AS told_then,
           CASE WHEN by_host.times >= params.min_pauses THEN by_host.usual END AS usual_ever,
           ranked.whole_days >= 1
               AND (ranked.lies <> 'between lines'
                    OR COALESCE(first_day.days, 0) >= params.min_times
                    OR COALESCE(last_day.days, 0) >= params.min_times
                    OR (hosts.active_days + by_host.silent_days >= 7
                        AND hosts.active_days >= params.days_share * (hosts.active_days + by_host.silent_days))) AS day_missing,
           hosts.active_days AS active_days,
           COALESCE(listed.gaps, 0) AS gaps
    FROM ranked
    JOIN hosts ON ranked.host = hosts.host
    LEFT JOIN by_week ON ranked.host = by_week.host AND ranked.weekday = by_week.weekday AND ranked.hour_of_day = by_week.hour_of_day
    LEFT JOIN by_hour ON ranked.host = by_hour.host AND ranked.hour_of_day = by_hour.hour_of_day
    LEFT JOIN by_host ON ranked.host = by_host.host
    LEFT JOIN by_weekday AS first_day ON ranked.host = first_day.host AND ranked.first_whole = first_day.weekday
    LEFT JOIN by_weekday AS last_day ON ranked.host = last_day.host AND ranked.last_whole = last_day.weekday
    LEFT JOIN listed ON ranked.host = listed.host
    CROSS JOIN params
    WHERE ranked.rank = 1 OR ranked.pause > 60 * params.gap_minutes
), told AS (
    SELECT host, silent_from, silent_until, pause, lies, whole_days, rank, day_missing, active_days, gaps,
           CASE WHEN usual_then IS NULL OR usual_ever > usual_then THEN usual_ever ELSE usual_then END AS usual,
           CASE WHEN usual_then IS NULL AND usual_ever IS NULL THEN NULL
                WHEN usual_then IS NULL OR usual_ever > usual_then THEN 'host'
                ELSE told_then END AS usual_of
    FROM judged
), extracts AS (
    SELECT told.host AS host, told.silent_from AS silent_from, told.lies AS lies, SUM(written.lines) AS aside
    FROM told
    JOIN written ON told.host = written.host
    WHERE written.extract AND written.first_ts > told.silent_from AND written.last_ts < told.silent_until
    GROUP BY told.host, told.silent_from, told.lies
)
SELECT told.host AS host,
       told.silent_from AS silent_from,
       told.silent_until AS silent_until,
       told.pause AS seconds,
       told.whole_days AS whole_days,
       told.lies AS lies,
       told.rank AS rank,
       ROUND(told.usual, 0) AS usual,
       told.usual_of AS usual_of,
       COALESCE(told.pause > 60 * params.gap_minutes AND told.pause > params.times_usual * told.usual, FALSE) AS unusual,
       COALESCE(told.day_missing, FALSE) AS day_missing,
       told.active_days AS active_days,
       told.gaps AS gaps,
       COALESCE(extracts.aside, 0) AS aside
FROM told
LEFT JOIN extracts ON told.host = extracts.host AND told.silent_from = extracts.silent_from AND told.lies = extracts.lies
CROSS JOIN params
ORDER BY seconds DESC, host, silent_from, lies
