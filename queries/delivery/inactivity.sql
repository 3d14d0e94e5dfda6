-- title    = "Silence where there should be mail"
-- question = "When did a server deliver nothing although it usually does?"
-- tables   = ["activity", "attempts"]
-- limits   = "Expected are the deliveries usual for these hours: the median of the same hour on the same weekday in the same logs; only whole hours of a pause are counted, and at most the first week of it. The chance is that of so long a pause if deliveries came independently of each other, which they do not quite. When the log itself is silent, see evidence/gaps. A holiday explains a silence, and stands beside it when it is configured."
-- controls = ["ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.8.14"]
-- sensitivity = "min_hours"
-- rows     = 20
-- columns  = [
--   { name = "host", kind = "text", about = "our server" },
--   { name = "silent_from", kind = "time", about = "last delivery before" },
--   { name = "silent_until", kind = "time", about = "next delivery" },
--   { name = "seconds", kind = "seconds", about = "from one to the other" },
--   { name = "hours", kind = "count", about = "whole hours between" },
--   { name = "expected", kind = "number", unit = "deliveries", about = "deliveries usual in these hours" },
--   { name = "chance", kind = "number", unit = "probability", about = "probability of none, given what is usual" },
--   { name = "log_lines", kind = "count", about = "lines that the host logged meanwhile" },
--   { name = "tries", kind = "count", about = "tries that failed meanwhile" },
--   { name = "days", kind = "count", about = "days with deliveries: what is usual rests on them" },
--   { name = "holiday", kind = "flag", about = "begins or ends on a holiday" },
--   { name = "place", kind = "place", about = "line of the next delivery" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status = 'delivered'"
-- missing = "the logs hold no delivery that arrived"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_hours]
-- default = 4
-- unit    = "hours"
-- source  = "mtaudit, shorter than the 12 of Lightmeter as the hours of the week are compared"
-- about   = "whole hours of silence from which it is pointed out"
--
-- [params.chance_below]
-- default = 0.001
-- unit    = "probability"
-- source  = "mtaudit"
-- about   = "probability below which a silence is no accident"
--
-- [params.min_days]
-- default = 21
-- unit    = "days"
-- source  = "mtaudit: every hour of the week three times"
-- about   = "days with deliveries below which nothing is said"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "days >= min_days AND hours >= min_hours AND chance < chance_below AND log_lines > 0 AND NOT holiday"
-- sentence   = "{host} delivered nothing for {seconds}, from {silent_from} to {silent_until}, though {expected|delivery is|deliveries are} usual at these hours. Meanwhile it logged {log_lines|line|lines}, and {tries|try|tries} failed. This is a pattern over {days|day|days}, not proof of a fault."
-- advice     = "Look for what stopped {host} in between: a queue that was held, an MX record that pointed elsewhere, or a firewall in front of port 25."
-- thresholds = ["min_hours", "chance_below", "min_days"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, ts AS silent_until, source, line FROM attempts WHERE status = 'delivered'"
-- keys       = ["host", "silent_until"]
WITH minutes AS (
    SELECT COALESCE(host, '') AS host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(day) AS day,
           MIN((weekday - 1) * 24 + hour_of_day) AS slot, CAST(COUNT(*) AS BIGINT) AS n, MIN(source * 10000000000 + line) AS place
    FROM attempts
    WHERE status = 'delivered'
    GROUP BY COALESCE(host, ''), minute
), counts AS (
    SELECT host, day, slot, SUM(n) AS n FROM minutes GROUP BY host, day, slot
), all_days AS (
    SELECT DISTINCT host, day, CAST(FLOOR(slot / 24.0) AS BIGINT) AS weekday FROM minutes
), hours_of_day AS (
    SELECT CAST(v.n AS BIGINT) AS n
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)) AS v(n)
), grid AS (
    -- Every hour of every day, those without a delivery too.
    SELECT all_days.host AS host, all_days.day AS day, 24 * all_days.weekday + hours_of_day.n AS slot
    FROM all_days
    CROSS JOIN hours_of_day
), usual AS (
    -- The median of the same hour on the same weekday: one busy day makes nothing usual.
    SELECT grid.host AS host, grid.slot AS slot, QUANTILE_CONT(CAST(COALESCE(counts.n, 0) AS DOUBLE), 0.5) AS median
    FROM grid
    LEFT JOIN counts ON grid.host = counts.host AND grid.day = counts.day AND grid.slot = counts.slot
    GROUP BY grid.host, grid.slot
), hosts AS (
    SELECT host, COUNT(DISTINCT day) AS days FROM minutes GROUP BY host
), follows AS (
    SELECT host, minute, first_ts, day, place,
           LAG(minute) OVER (PARTITION BY host ORDER BY minute) AS last_minute,
           LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS silent_from,
           LAG(day) OVER (PARTITION BY host ORDER BY minute) AS last_day,
           LAG(slot) OVER (PARTITION BY host ORDER BY minute) AS slot
    FROM minutes
), pauses AS (
    SELECT host, minute, first_ts, day, place, last_minute, silent_from, last_day, slot,
           CAST(FLOOR(minute / 60.0) - FLOOR(last_minute / 60.0) AS BIGINT) - 1 AS hours
    FROM follows
    WHERE minute - last_minute >= 60
), ones AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)) AS v(n)
), twelves AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13)) AS v(n)
), steps AS (
    SELECT 12 * twelves.n + ones.n + 1 AS n FROM twelves CROSS JOIN ones
), missed AS (
    SELECT pauses.host AS host, pauses.minute AS minute, (pauses.slot + steps.n) % 168 AS slot
    FROM pauses
    CROSS JOIN steps
    WHERE steps.n <= pauses.hours
), expected AS (
    SELECT missed.host AS host, missed.minute AS minute, SUM(usual.median) AS expected
    FROM missed
    JOIN usual ON missed.host = usual.host AND missed.slot = usual.slot
    GROUP BY missed.host, missed.minute
), long_pauses AS (
    SELECT pauses.host AS host, pauses.minute AS minute, pauses.first_ts AS first_ts, pauses.day AS day, pauses.place AS place,
           pauses.last_minute AS last_minute, pauses.silent_from AS silent_from, pauses.last_day AS last_day, pauses.hours AS hours,
           expected.expected AS expected
    FROM pauses
    JOIN expected ON pauses.host = expected.host AND pauses.minute = expected.minute
    WHERE expected.expected >= 3
), lines AS (
    SELECT long_pauses.host AS host, long_pauses.minute AS minute, CAST(SUM(activity.lines) AS BIGINT) AS log_lines
    FROM long_pauses
    JOIN activity ON long_pauses.host = COALESCE(activity.host, '')
    WHERE activity.minute > long_pauses.last_minute AND activity.minute + 5 <= long_pauses.minute
    GROUP BY long_pauses.host, long_pauses.minute
), failures AS (
    SELECT long_pauses.host AS host, long_pauses.minute AS minute, CAST(COUNT(*) AS BIGINT) AS tries
    FROM long_pauses
    JOIN attempts ON long_pauses.host = COALESCE(attempts.host, '')
    WHERE attempts.minute > long_pauses.last_minute AND attempts.minute < long_pauses.minute AND attempts.status IN ('deferred', 'bounced', 'expired')
    GROUP BY long_pauses.host, long_pauses.minute
)
SELECT long_pauses.host AS host,
       long_pauses.silent_from AS silent_from,
       long_pauses.first_ts AS silent_until,
       60 * (long_pauses.minute - long_pauses.last_minute) AS seconds,
       long_pauses.hours AS hours,
       ROUND(long_pauses.expected, 1) AS expected,
       ROUND(EXP(-long_pauses.expected), 6) AS chance,
       CAST(COALESCE(lines.log_lines, 0) AS BIGINT) AS log_lines,
       CAST(COALESCE(failures.tries, 0) AS BIGINT) AS tries,
       CAST(hosts.days AS BIGINT) AS days,
       first_days.day IS NOT NULL OR last_days.day IS NOT NULL AS holiday,
       long_pauses.place AS place
FROM long_pauses
JOIN hosts ON long_pauses.host = hosts.host
LEFT JOIN lines ON long_pauses.host = lines.host AND long_pauses.minute = lines.minute
LEFT JOIN failures ON long_pauses.host = failures.host AND long_pauses.minute = failures.minute
LEFT JOIN holidays AS first_days ON long_pauses.last_day = first_days.day
LEFT JOIN holidays AS last_days ON long_pauses.day = last_days.day
ORDER BY long_pauses.expected DESC, host, silent_from
