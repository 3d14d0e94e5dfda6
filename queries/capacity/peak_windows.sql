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
--
-- [params.top]
-- default = 10
-- unit    = "windows"
-- source  = "mtaudit"
-- about   = "windows listed for each width"
WITH widths AS (
    SELECT CAST(v.w AS BIGINT) AS width FROM (VALUES (1), (5), (15), (60)) AS v(w)
), placed AS (
    SELECT widths.width AS width,
           messages.minute - messages.minute % widths.width AS starts,
           messages.received_ts AS received_ts,
           messages.origin NOT IN ('reinjected', 'forwarded') AS once,
           messages.nrcpt AS nrcpt,
           messages.size AS size,
           messages.client_ip AS client_ip
    FROM messages
    CROSS JOIN widths
    WHERE messages.received_ts IS NOT NULL
), summed AS (
    SELECT width,
           starts,
           MIN(received_ts) AS first_ts,
           CAST(COUNT(*) FILTER (WHERE once) AS BIGINT) AS messages,
           COUNT(*) AS all_hops,
           SUM(nrcpt) FILTER (WHERE once) AS recipients,
           SUM(size) FILTER (WHERE once) AS bytes,
           COUNT(DISTINCT client_ip) FILTER (WHERE once) AS clients
    FROM placed
    GROUP BY width, starts
), ranked AS (
    SELECT width, starts, first_ts, messages, all_hops, recipients, bytes, clients,
           ROW_NUMBER() OVER (PARTITION BY width ORDER BY -messages, starts) AS rank
    FROM summed
)
SELECT ranked.width * 60 AS width,
       ranked.rank AS rank,
       ranked.first_ts AS first_ts,
       ranked.messages AS messages,
       ROUND(CAST(ranked.messages AS DOUBLE) / ranked.width, 2) AS messages_per_minute,
       ranked.all_hops AS all_hops,
       ranked.recipients AS recipients,
       ranked.bytes AS bytes,
       ranked.clients AS clients
FROM ranked
CROSS JOIN params
WHERE ranked.rank <= params.top AND ranked.messages > 0
ORDER BY width, rank
