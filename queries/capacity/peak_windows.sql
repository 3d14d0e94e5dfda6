-- title    = "The busiest moments"
-- question = "What was the highest load in one minute, five minutes, a quarter of an hour, an hour?"
-- tables   = ["messages"]
-- limits   = "Windows begin at multiples of their width (UTC), so they never overlap, and a burst across a boundary is split: the true peak of a width may be up to twice as high. Ranked by messages, re-injected and forwarded copies aside."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 20
-- columns  = [
--   { name = "width", kind = "seconds", about = "width of the window" },
--   { name = "rank", kind = "count", about = "1 = busiest window of that width" },
--   { name = "first_ts", kind = "time", about = "first message in the window" },
--   { name = "messages", kind = "count", about = "messages accepted, each once" },
--   { name = "messages_per_minute", kind = "number", about = "messages / width in minutes" },
--   { name = "all_hops", kind = "count", about = "queue entries, re-injected and forwarded copies included" },
--   { name = "recipients", kind = "count", about = "recipients of the messages, each message once" },
--   { name = "bytes", kind = "bytes", about = "size of the messages, each once" },
--   { name = "clients", kind = "count", about = "different client addresses that sent them" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.top]
-- default = 10
-- unit    = "windows"
-- source  = "mtaudit"
-- about   = "windows listed for each width"
WITH widths AS (
    SELECT CAST(v.w AS BIGINT) AS width FROM (VALUES (1), (5), (15), (60)) AS v(w)
), placed AS (
    SELECT minute, received_ts, origin NOT IN ('reinjected', 'forwarded') AS once, nrcpt, size, client_ip
    FROM messages
    WHERE received_ts IS NOT NULL
), minutes AS (
    SELECT minute,
           MIN(received_ts) AS first_ts,
           CAST(COUNT(*) FILTER (WHERE once) AS BIGINT) AS messages,
           CAST(COUNT(*) AS BIGINT) AS all_hops,
           SUM(nrcpt) FILTER (WHERE once) AS recipients,
           SUM(size) FILTER (WHERE once) AS bytes
    FROM placed
    GROUP BY minute
), slots AS (
    SELECT widths.width AS width,
           minutes.minute - minutes.minute % widths.width AS starts,
           minutes.minute AS minute,
           minutes.first_ts AS first_ts,
           minutes.messages AS messages,
           minutes.all_hops AS all_hops,
           minutes.recipients AS recipients,
           minutes.bytes AS bytes
    FROM minutes
    CROSS JOIN widths
), summed AS (
    SELECT width,
           starts,
           MIN(first_ts) AS first_ts,
           SUM(messages) AS messages,
           SUM(all_hops) AS all_hops,
           SUM(recipients) AS recipients,
           SUM(bytes) AS bytes
    FROM slots
    GROUP BY width, starts
), ranked AS (
    SELECT width, starts, first_ts, messages, all_hops, recipients, bytes,
           ROW_NUMBER() OVER (PARTITION BY width ORDER BY -messages, starts) AS rank
    FROM summed
), listed AS (
    SELECT ranked.width AS width, ranked.starts AS starts, ranked.first_ts AS first_ts, ranked.messages AS messages,
           ranked.all_hops AS all_hops, ranked.recipients AS recipients, ranked.bytes AS bytes, ranked.rank AS rank
    FROM ranked
    CROSS JOIN params
    WHERE ranked.rank <= params.top AND ranked.messages > 0
), covered AS (
    -- Clients are counted for the windows listed alone: those of all windows would cost most of the query.
    SELECT slots.minute AS minute, slots.width AS width, slots.starts AS starts
    FROM slots
    JOIN listed ON slots.width = listed.width AND slots.starts = listed.starts
), senders AS (
    SELECT covered.width AS width, covered.starts AS starts, COUNT(DISTINCT seen.client_ip) AS clients
    FROM (SELECT DISTINCT minute, client_ip FROM placed WHERE once AND client_ip IS NOT NULL) AS seen
    JOIN covered ON seen.minute = covered.minute
    GROUP BY covered.width, covered.starts
)
SELECT listed.width * 60 AS width,
       listed.rank AS rank,
       listed.first_ts AS first_ts,
       listed.messages AS messages,
       ROUND(CAST(listed.messages AS DOUBLE) / listed.width, 2) AS messages_per_minute,
       listed.all_hops AS all_hops,
       listed.recipients AS recipients,
       listed.bytes AS bytes,
       CAST(COALESCE(senders.clients, 0) AS BIGINT) AS clients
FROM listed
LEFT JOIN senders ON listed.width = senders.width AND listed.starts = senders.starts
ORDER BY width, rank
