-- title    = "Times without a line"
-- question = "Is anything missing from the logs?"
-- tables   = ["messages", "attempts", "rejections", "sessions", "logins", "verdicts", "server_events"]
-- limits   = "Silence can mean that nothing happened, that the server stood still, or that lines are missing: the logs alone cannot tell which. Lines of known kinds that say nothing about mail have no time here. What lies before the first and after the last line is not seen. For each host, its longest silence is listed even when it is short."
-- controls = ["ISO/IEC 27001 A.8.15", "ISO/IEC 27001 A.5.28", "NIST SP 800-53 AU-9", "PCI DSS 10.3"]
-- rows     = 20
-- columns  = [
--   { name = "host", kind = "text", about = "host the lines are from" },
--   { name = "silent_from", kind = "time", about = "last line before the silence" },
--   { name = "silent_until", kind = "time", about = "first line after it" },
--   { name = "seconds", kind = "seconds", about = "length, to the minute" },
--   { name = "rank", kind = "count", about = "1 = the longest silence of the host" },
--   { name = "usual", kind = "seconds", about = "99 of 100 pauses between minutes with lines are at most so long" },
--   { name = "unusual", kind = "flag", about = "longer than the threshold and than five times the usual pause, for a host with enough lines" },
--   { name = "active_minutes", kind = "count", about = "minutes with lines from the host" },
--   { name = "gaps", kind = "count", about = "silences of the host that are longer than the threshold" },
--   { name = "first_ts", kind = "time", about = "first line from the host" },
--   { name = "last_ts", kind = "time", about = "last line from the host" },
-- ]
--
-- [[needs]]
-- table   = "sources"
-- where   = "events > 0"
-- missing = "no line of the sources was recognised"
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
-- [params.min_minutes]
-- default = 100
-- unit    = "minutes"
-- source  = "mtaudit"
-- about   = "minutes with lines below which no usual pause is assumed"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "unusual"
-- sentence   = "There is no line from {host} between {silent_from} and {silent_until} ({seconds}), while 99 of 100 pauses there are at most {usual}. Either the server was silent or stopped, or lines are missing."
-- thresholds = ["gap_minutes", "times_usual", "min_minutes"]
-- limit      = 5
-- evidence   = """
-- SELECT COALESCE(host, '') AS host, received_ts AS silent_from, source, line FROM messages
-- UNION ALL SELECT COALESCE(host, '') AS host, ts AS silent_from, source, line FROM attempts
-- UNION ALL SELECT COALESCE(host, '') AS host, ts AS silent_from, source, line FROM rejections
-- UNION ALL SELECT COALESCE(host, '') AS host, COALESCE(connect_ts, disconnect_ts) AS silent_from, source, line FROM sessions
-- UNION ALL SELECT COALESCE(host, '') AS host, ts AS silent_from, source, line FROM logins
-- UNION ALL SELECT COALESCE(host, '') AS host, ts AS silent_from, source, line FROM verdicts
-- UNION ALL SELECT COALESCE(host, '') AS host, ts AS silent_from, source, line FROM server_events"""
-- keys       = ["host", "silent_from"]
WITH minutes AS (
    SELECT host, minute, MIN(received_ts) AS first_ts, MAX(received_ts) AS last_ts FROM messages WHERE minute IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM attempts WHERE minute IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM rejections WHERE minute IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(COALESCE(connect_ts, disconnect_ts)) AS first_ts, MAX(COALESCE(connect_ts, disconnect_ts)) AS last_ts FROM sessions WHERE COALESCE(connect_ts, disconnect_ts) IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM logins WHERE minute IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM verdicts WHERE minute IS NOT NULL GROUP BY host, minute
    UNION ALL
    SELECT host, minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM server_events WHERE minute IS NOT NULL GROUP BY host, minute
), active AS (
    SELECT COALESCE(host, '') AS host, minute, MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts
    FROM minutes
    GROUP BY COALESCE(host, ''), minute
), pauses AS (
    SELECT host,
           first_ts AS silent_until,
           LAG(last_ts) OVER (PARTITION BY host ORDER BY minute) AS silent_from,
           minute - LAG(minute) OVER (PARTITION BY host ORDER BY minute) AS pause,
           MIN(first_ts) OVER (PARTITION BY host) AS host_first,
           MAX(last_ts) OVER (PARTITION BY host) AS host_last
    FROM active
), ranked AS (
    SELECT host, silent_from, silent_until, pause, host_first, host_last,
           ROW_NUMBER() OVER (PARTITION BY host ORDER BY -pause, silent_from) AS rank
    FROM pauses
    WHERE pause IS NOT NULL
), hosts AS (
    SELECT ranked.host AS host,
           QUANTILE_CONT(ranked.pause, 0.99) AS usual,
           COUNT(*) + 1 AS active_minutes,
           COUNT(*) FILTER (WHERE ranked.pause > params.gap_minutes) AS gaps
    FROM ranked
    CROSS JOIN params
    GROUP BY ranked.host
)
SELECT ranked.host AS host,
       ranked.silent_from AS silent_from,
       ranked.silent_until AS silent_until,
       ranked.pause * 60 AS seconds,
       ranked.rank AS rank,
       ROUND(hosts.usual * 60, 0) AS usual,
       hosts.active_minutes >= params.min_minutes AND ranked.pause > params.gap_minutes AND ranked.pause > params.times_usual * hosts.usual AS unusual,
       hosts.active_minutes AS active_minutes,
       hosts.gaps AS gaps,
       ranked.host_first AS first_ts,
       ranked.host_last AS last_ts
FROM ranked
JOIN hosts ON ranked.host = hosts.host
CROSS JOIN params
WHERE ranked.rank = 1 OR ranked.pause > params.gap_minutes
ORDER BY seconds DESC, host, silent_from
