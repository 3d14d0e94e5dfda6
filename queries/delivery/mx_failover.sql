-- title    = "Deliveries by a server that is not the usual one"
-- question = "Which destinations took our mail by another server because the usual one failed?"
-- tables   = ["attempts", "server_events"]
-- limits   = "The preference of mail exchangers is not in the log: the usual server is the one that took most deliveries. Only days count on which our server noted that it could not connect to the usual one, or lost the connection, as providers with many equal servers spread mail without any fault."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "others_above"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "the destination" },
--   { name = "usual", kind = "text", about = "server that took most deliveries" },
--   { name = "troubles", kind = "count", about = "lines by which the usual server could not be reached or broke off" },
--   { name = "days", kind = "count", about = "days with such a line" },
--   { name = "delivered", kind = "count", about = "deliveries on these days" },
--   { name = "by_usual", kind = "count", about = "of them by the usual server" },
--   { name = "by_others", kind = "count", about = "of them by others" },
--   { name = "others_share", kind = "share", about = "by others / delivered" },
--   { name = "usual_share", kind = "share", about = "share of the usual server in the deliveries of the other days; null when there are none" },
--   { name = "servers", kind = "count", about = "different servers that took mail" },
--   { name = "first_ts", kind = "time", about = "first trouble" },
--   { name = "last_ts", kind = "time", about = "last trouble" },
--   { name = "example", kind = "text", about = "one of the lines" },
--   { name = "place", kind = "place", about = "line of the first trouble in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.others_above]
-- default = 0.1
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of deliveries by other servers above which it is pointed out"
--
-- [params.min_delivered]
-- default = 10
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "deliveries on the days with trouble below which no share is judged"
--
-- [[findings]]
-- severity   = "low"
-- when       = "delivered >= min_delivered AND others_share > others_above"
-- sentence   = "{usual}, which took most of our mail for {recipient_domain}, could not be reached or broke off {troubles|time|times} on {days|day|days}. On these days other servers took {by_others} of {delivered|delivery|deliveries} ({others_share})."
-- advice     = "If {usual} stays out of reach, tell the postmaster of {recipient_domain}: spare servers often filter and refuse by other rules."
-- thresholds = ["others_above", "min_delivered"]
-- limit      = 5
-- evidence   = """
-- SELECT SPLIT_PART(said, '[', 1) AS usual, source, line
-- FROM (
--     SELECT CASE WHEN STRPOS("text", 'connect to ') > 0 THEN SUBSTR("text", STRPOS("text", 'connect to ') + 11)
--                 WHEN STRPOS("text", 'connection with ') > 0 THEN SUBSTR("text", STRPOS("text", 'connection with ') + 16)
--                 WHEN STRPOS("text", 'conversation with ') > 0 THEN SUBSTR("text", STRPOS("text", 'conversation with ') + 18) END AS said, source, line
--     FROM server_events
--     WHERE severity = 'warning' AND kind = 'other'
--     UNION ALL
--     SELECT CASE WHEN STRPOS(reply, 'connect to ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'connect to ') + 11)
--                 WHEN STRPOS(reply, 'connection with ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'connection with ') + 16)
--                 WHEN STRPOS(reply, 'conversation with ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'conversation with ') + 18) END AS said, source, line
--     FROM attempts
--     WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'network'
-- ) AS lines
-- WHERE said IS NOT NULL"""
-- keys       = ["usual"]
WITH taken AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, COALESCE(relay_name, COALESCE(relay_ip, '')) AS server, day, CAST(COUNT(*) AS BIGINT) AS n
    FROM attempts
    WHERE status = 'delivered' AND relay_ip IS NOT NULL
    GROUP BY COALESCE(recipient_domain, ''), COALESCE(relay_name, COALESCE(relay_ip, '')), day
), servers AS (
    SELECT recipient_domain, CAST(server AS VARCHAR) AS server, CAST(SUM(n) AS BIGINT) AS n FROM taken GROUP BY recipient_domain, CAST(server AS VARCHAR)
), ranked AS (
    SELECT recipient_domain, server, n,
           ROW_NUMBER() OVER (PARTITION BY recipient_domain ORDER BY -n, server) AS no,
           CAST(COUNT(*) OVER (PARTITION BY recipient_domain) AS BIGINT) AS servers
    FROM servers
), usual AS (
    SELECT recipient_domain, server, servers FROM ranked WHERE no = 1 AND servers > 1
), lines AS (
    SELECT CASE WHEN STRPOS("text", 'connect to ') > 0 THEN SUBSTR("text", STRPOS("text", 'connect to ') + 11)
                WHEN STRPOS("text", 'connection with ') > 0 THEN SUBSTR("text", STRPOS("text", 'connection with ') + 16)
                WHEN STRPOS("text", 'conversation with ') > 0 THEN SUBSTR("text", STRPOS("text", 'conversation with ') + 18) END AS said,
           "text" AS words, ts, day, source, line
    FROM server_events
    WHERE severity = 'warning' AND kind = 'other'
    UNION ALL
    SELECT CASE WHEN STRPOS(reply, 'connect to ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'connect to ') + 11)
                WHEN STRPOS(reply, 'connection with ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'connection with ') + 16)
                WHEN STRPOS(reply, 'conversation with ') > 0 THEN SUBSTR(reply, STRPOS(reply, 'conversation with ') + 18) END AS said,
           reply AS words, ts, day, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'network'
), troubles AS (
    SELECT SPLIT_PART(said, '[', 1) AS server, words, ts, day, source, line
    FROM lines
    WHERE said IS NOT NULL
), failed AS (
    SELECT usual.recipient_domain AS recipient_domain, troubles.words AS words, troubles.ts AS ts, troubles.day AS day,
           troubles.source AS source, troubles.line AS line
    FROM troubles
    JOIN usual ON troubles.server = usual.server
), grouped AS (
    SELECT recipient_domain, CAST(COUNT(*) AS BIGINT) AS troubles, COUNT(DISTINCT day) AS days, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(words) AS example, MIN(source * 10000000000 + line) AS place
    FROM failed
    GROUP BY recipient_domain
), bad_days AS (
    SELECT DISTINCT recipient_domain, day, TRUE AS bad FROM failed
), split AS (
    SELECT taken.recipient_domain AS recipient_domain, usual.server AS server, usual.servers AS servers,
           CAST(taken.server AS VARCHAR) = usual.server AS is_usual, COALESCE(bad_days.bad, FALSE) AS bad, taken.n AS n
    FROM taken
    JOIN usual ON taken.recipient_domain = usual.recipient_domain
    LEFT JOIN bad_days ON taken.recipient_domain = bad_days.recipient_domain AND taken.day = bad_days.day
), domains AS (
    SELECT recipient_domain, MIN(server) AS usual, MIN(servers) AS servers,
           CAST(SUM(CASE WHEN bad THEN n ELSE 0 END) AS BIGINT) AS delivered,
           CAST(SUM(CASE WHEN bad AND is_usual THEN n ELSE 0 END) AS BIGINT) AS by_usual,
           CAST(SUM(CASE WHEN bad THEN 0 ELSE n END) AS BIGINT) AS otherwise,
           CAST(SUM(CASE WHEN NOT bad AND is_usual THEN n ELSE 0 END) AS BIGINT) AS usual_otherwise
    FROM split
    GROUP BY recipient_domain
)
SELECT grouped.recipient_domain AS recipient_domain,
       domains.usual AS usual,
       grouped.troubles AS troubles,
       grouped.days AS days,
       domains.delivered AS delivered,
       domains.by_usual AS by_usual,
       domains.delivered - domains.by_usual AS by_others,
       CASE WHEN domains.delivered > 0 THEN ROUND(CAST(domains.delivered - domains.by_usual AS DOUBLE) / domains.delivered, 4) END AS others_share,
       CASE WHEN domains.otherwise > 0 THEN ROUND(CAST(domains.usual_otherwise AS DOUBLE) / domains.otherwise, 4) END AS usual_share,
       domains.servers AS servers,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
JOIN domains ON grouped.recipient_domain = domains.recipient_domain
ORDER BY by_others DESC, troubles DESC, recipient_domain
