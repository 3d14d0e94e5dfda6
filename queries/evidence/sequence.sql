-- title    = "Lines that are missing inside the logs"
-- question = "Do the stories of messages and connections have all their lines?"
-- tables   = ["activity", "attempts", "deliveries", "messages", "sessions", "sources"]
-- limits   = "What is looked for are lines without which others cannot be: they are missing when the log service dropped them, a program died, or somebody took them out. Which of these it was the counts cannot tell. What may have its counterpart before the first or after the last line is left out. A story of which every line is gone leaves no trace here, and mail that was accepted and of which neither the queue manager nor a delivery says anything is not told from mail that its client gave up. postscreen does not log every end of a connection and is left out."
-- controls = ["ISO/IEC 27001 A.5.28", "ISO/IEC 27001 A.8.15", "NIST SP 800-53 AU-9", "NIST SP 800-53 AU-10", "PCI DSS 10.3"]
-- rows     = 40
-- sensitivity = "max_share"
-- columns  = [
--   { name = "host", kind = "text", about = "host of the lines" },
--   { name = "kind", kind = "text", about = "removed, no sender: no line of the queue manager before its removal; tried, not accepted: tried after the time that mail may wait, and no line of its acceptance; done, not removed: every recipient has its final outcome, and no removal; queued, no end: longer in the queue than mail may wait; connected, no end and ended, no connection: half a connection" },
--   { name = "lacking", kind = "count", about = "messages or connections that lack the line" },
--   { name = "looked_at", kind = "count", about = "those that should have it: the denominator" },
--   { name = "share", kind = "share", about = "lacking / looked_at" },
--   { name = "days", kind = "count", about = "days (UTC) on which one lacks it" },
--   { name = "first_ts", kind = "time", about = "first that lacks it" },
--   { name = "last_ts", kind = "time", about = "last that lacks it" },
--   { name = "example_path", kind = "text", about = "source of the first of them" },
--   { name = "example_line", kind = "count", about = "its line" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- or      = ["sessions"]
-- missing = "the logs hold neither a message nor a connection"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.edge_minutes]
-- default = 60
-- unit    = "minutes"
-- source  = "mtaudit: a connection or a delivery lasts minutes"
-- about   = "time at the edges of the logs in which no counterpart is missed"
--
-- [params.queue_days]
-- default = 5
-- unit    = "days"
-- source  = "Postfix: maximal_queue_lifetime"
-- about   = "time that mail may wait in the queue"
--
-- [params.min_lacking]
-- default = 3
-- unit    = "lines"
-- source  = "mtaudit"
-- about   = "lines lacking on a host below which nothing is concluded"
--
-- [params.max_share]
-- default = 0.001
-- unit    = "share"
-- source  = "mtaudit: logs that are whole lack none"
-- about   = "share of stories without the line up to which it may be chance"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "lacking >= min_lacking AND share > max_share"
-- sentence   = "Lines are missing inside the logs of {host|a host without a name}: of {looked_at|message or connection|messages or connections}, {lacking|lacks|lack} a line that should be there ({kind}), on {days|day|days}, first at {first_ts}, last at {last_ts}. The log service dropped the lines, a program died, or somebody took them out."
-- advice     = "Look at line {example_line} of {example_path}, then for messages of the log service about lost lines (`imuxsock … messages lost`, `Suppressed … messages`), and switch its rate limit off for mail."
-- thresholds = ["min_lacking", "max_share", "edge_minutes", "queue_days"]
-- limit      = 7
-- evidence   = """
-- WITH written AS (
--     SELECT COALESCE(host, '') AS host, minute, ts FROM activity
-- ), spans AS (
--     SELECT host, MIN(minute) AS first_minute, MAX(minute) AS last_minute
--     FROM written
--     GROUP BY host
-- ), bounds AS (
--     -- Lines so near the edges of the logs may have their counterparts outside.
--     SELECT written.host AS host,
--            MIN(CASE WHEN written.minute > spans.first_minute + params.edge_minutes THEN written.ts END) AS from_ts,
--            MAX(CASE WHEN written.minute < spans.last_minute - params.edge_minutes THEN written.ts END) AS until_ts,
--            MIN(CASE WHEN written.minute > spans.first_minute + 1440 * params.queue_days THEN written.ts END) AS queue_from_ts,
--            MAX(CASE WHEN written.minute < spans.last_minute - 1440 * params.queue_days THEN written.ts END) AS queue_until_ts
--     FROM written
--     JOIN spans ON written.host = spans.host
--     CROSS JOIN params
--     GROUP BY written.host
-- ), tries AS (
--     SELECT message, MIN(ts) AS tried_ts FROM attempts WHERE message IS NOT NULL GROUP BY message
-- ), ends AS (
--     SELECT message, MAX(last_ts) AS done_ts, COUNT(*) AS recipients,
--            COUNT(*) FILTER (WHERE outcome IN ('open', 'unknown')) AS waiting
--     FROM deliveries
--     GROUP BY message
-- ), lives AS (
--     SELECT COALESCE(messages.host, '') AS host, messages.source AS source, messages.line AS line,
--            messages.received_ts AS received_ts, messages.removed_ts AS removed_ts,
--            messages.head_seen AS head_seen, messages.tail_seen AS tail_seen, messages.nrcpt AS nrcpt,
--            tries.tried_ts AS tried_ts,
--            CASE WHEN ends.waiting = 0 AND ends.recipients >= messages.nrcpt THEN ends.done_ts END AS done_ts,
--            bounds.from_ts AS from_ts, bounds.until_ts AS until_ts,
--            bounds.queue_from_ts AS queue_from_ts, bounds.queue_until_ts AS queue_until_ts
--     FROM messages
--     JOIN bounds ON COALESCE(messages.host, '') = bounds.host
--     LEFT JOIN tries ON messages.message = tries.message
--     LEFT JOIN ends ON messages.message = ends.message
-- ), looked_at AS (
--     SELECT 2 AS place, 'removed, no sender' AS kind, host, removed_ts AS ts, source, line, nrcpt IS NULL AS lacks
--     FROM lives
--     WHERE tail_seen AND removed_ts >= from_ts
--     UNION ALL
--     SELECT 3 AS place, 'tried, not accepted' AS kind, host, tried_ts AS ts, source, line, NOT head_seen AS lacks
--     FROM lives
--     WHERE tried_ts >= queue_from_ts
--     UNION ALL
--     SELECT 4 AS place, 'done, not removed' AS kind, host, done_ts AS ts, source, line, NOT tail_seen AS lacks
--     FROM lives
--     WHERE done_ts <= until_ts
--     UNION ALL
--     SELECT 5 AS place, 'queued, no end' AS kind, host, received_ts AS ts, source, line, NOT tail_seen AND done_ts IS NULL AS lacks
--     FROM lives
--     WHERE nrcpt IS NOT NULL AND received_ts <= queue_until_ts
--     UNION ALL
--     SELECT 6 AS place, 'connected, no end' AS kind, COALESCE(sessions.host, '') AS host, connect_ts AS ts, source, line, disconnect_ts IS NULL AS lacks
--     FROM sessions
--     JOIN bounds ON COALESCE(sessions.host, '') = bounds.host
--     WHERE connect_ts <= bounds.until_ts AND COALESCE(service, '') <> 'postscreen'
--     UNION ALL
--     SELECT 7 AS place, 'ended, no connection' AS kind, COALESCE(sessions.host, '') AS host, disconnect_ts AS ts, source, line, connect_ts IS NULL AS lacks
--     FROM sessions
--     JOIN bounds ON COALESCE(sessions.host, '') = bounds.host
--     WHERE disconnect_ts >= bounds.from_ts AND COALESCE(service, '') <> 'postscreen'
-- )
-- SELECT host, kind, source, line FROM looked_at WHERE lacks"""
-- keys       = ["host", "kind"]
WITH written AS (
    SELECT COALESCE(host, '') AS host, minute, ts FROM activity
), spans AS (
    SELECT host, MIN(minute) AS first_minute, MAX(minute) AS last_minute
    FROM written
    GROUP BY host
), bounds AS (
    -- Lines so near the edges of the logs may have their counterparts outside.
    SELECT written.host AS host,
           MIN(CASE WHEN written.minute > spans.first_minute + params.edge_minutes THEN written.ts END) AS from_ts,
           MAX(CASE WHEN written.minute < spans.last_minute - params.edge_minutes THEN written.ts END) AS until_ts,
           MIN(CASE WHEN written.minute > spans.first_minute + 1440 * params.queue_days THEN written.ts END) AS queue_from_ts,
           MAX(CASE WHEN written.minute < spans.last_minute - 1440 * params.queue_days THEN written.ts END) AS queue_until_ts
    FROM written
    JOIN spans ON written.host = spans.host
    CROSS JOIN params
    GROUP BY written.host
), tries AS (
    SELECT message, MIN(ts) AS tried_ts FROM attempts WHERE message IS NOT NULL GROUP BY message
), ends AS (
    SELECT message, MAX(last_ts) AS done_ts, COUNT(*) AS recipients,
           COUNT(*) FILTER (WHERE outcome IN ('open', 'unknown')) AS waiting
    FROM deliveries
    GROUP BY message
), lives AS (
    SELECT COALESCE(messages.host, '') AS host, messages.source AS source, messages.line AS line,
           messages.received_ts AS received_ts, messages.removed_ts AS removed_ts,
           messages.head_seen AS head_seen, messages.tail_seen AS tail_seen, messages.nrcpt AS nrcpt,
           tries.tried_ts AS tried_ts,
           CASE WHEN ends.waiting = 0 AND ends.recipients >= messages.nrcpt THEN ends.done_ts END AS done_ts,
           bounds.from_ts AS from_ts, bounds.until_ts AS until_ts,
           bounds.queue_from_ts AS queue_from_ts, bounds.queue_until_ts AS queue_until_ts
    FROM messages
    JOIN bounds ON COALESCE(messages.host, '') = bounds.host
    LEFT JOIN tries ON messages.message = tries.message
    LEFT JOIN ends ON messages.message = ends.message
), looked_at AS (
    SELECT 2 AS place, 'removed, no sender' AS kind, host, removed_ts AS ts, source, line, nrcpt IS NULL AS lacks
    FROM lives
    WHERE tail_seen AND removed_ts >= from_ts
    UNION ALL
    SELECT 3 AS place, 'tried, not accepted' AS kind, host, tried_ts AS ts, source, line, NOT head_seen AS lacks
    FROM lives
    WHERE tried_ts >= queue_from_ts
    UNION ALL
    SELECT 4 AS place, 'done, not removed' AS kind, host, done_ts AS ts, source, line, NOT tail_seen AS lacks
    FROM lives
    WHERE done_ts <= until_ts
    UNION ALL
    SELECT 5 AS place, 'queued, no end' AS kind, host, received_ts AS ts, source, line, NOT tail_seen AND done_ts IS NULL AS lacks
    FROM lives
    WHERE nrcpt IS NOT NULL AND received_ts <= queue_until_ts
    UNION ALL
    SELECT 6 AS place, 'connected, no end' AS kind, COALESCE(sessions.host, '') AS host, connect_ts AS ts, source, line, disconnect_ts IS NULL AS lacks
    FROM sessions
    JOIN bounds ON COALESCE(sessions.host, '') = bounds.host
    WHERE connect_ts <= bounds.until_ts AND COALESCE(service, '') <> 'postscreen'
    UNION ALL
    SELECT 7 AS place, 'ended, no connection' AS kind, COALESCE(sessions.host, '') AS host, disconnect_ts AS ts, source, line, connect_ts IS NULL AS lacks
    FROM sessions
    JOIN bounds ON COALESCE(sessions.host, '') = bounds.host
    WHERE disconnect_ts >= bounds.from_ts AND COALESCE(service, '') <> 'postscreen'
), counted AS (
    SELECT place, kind, host, COUNT(*) AS looked_at,
           COUNT(*) FILTER (WHERE lacks) AS lacking,
           MIN(ts) FILTER (WHERE lacks) AS first_ts,
           MAX(ts) FILTER (WHERE lacks) AS last_ts,
           MIN(source) FILTER (WHERE lacks) AS first_source
    FROM looked_at
    GROUP BY place, kind, host
), days AS (
    SELECT place, host, COUNT(DISTINCT CAST(ts AS DATE)) AS days
    FROM looked_at
    WHERE lacks
    GROUP BY place, host
), examples AS (
    SELECT looked_at.place AS place, looked_at.host AS host, looked_at.source AS source, MIN(looked_at.line) AS line
    FROM looked_at
    JOIN counted ON looked_at.place = counted.place AND looked_at.host = counted.host AND looked_at.source = counted.first_source
    WHERE looked_at.lacks
    GROUP BY looked_at.place, looked_at.host, looked_at.source
)
SELECT counted.host AS host,
       counted.kind AS kind,
       counted.lacking AS lacking,
       counted.looked_at AS looked_at,
       ROUND(CAST(counted.lacking AS DOUBLE) / counted.looked_at, 6) AS share,
       COALESCE(days.days, 0) AS days,
       counted.first_ts AS first_ts,
       counted.last_ts AS last_ts,
       sources.path AS example_path,
       examples.line AS example_line
FROM counted
LEFT JOIN days ON counted.place = days.place AND counted.host = days.host
LEFT JOIN examples ON counted.place = examples.place AND counted.host = examples.host
LEFT JOIN sources ON examples.source = sources.source
ORDER BY lacking DESC, host, counted.place
