-- title    = "Limits that were reached"
-- question = "Did our servers run into limits of processes, connections, rates, queue or disk?"
-- tables   = ["server_events", "rejections"]
-- limits   = "What the servers say about themselves, and what they answered to clients. A limit that is reached in silence leaves no line: the queue manager puts mail off without a word when its active queue is full. Limits for one client are there to protect the server, and being reached is their work."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 SC-5"]
-- rows     = 20
-- sensitivity = "min_events"
-- columns  = [
--   { name = "limit_name", kind = "text", about = "what was reached" },
--   { name = "of", kind = "text", about = "server: all clients and all mail feel it; client: one client was slowed down or turned away" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "program", kind = "text", about = "program or service that said it" },
--   { name = "events", kind = "count", about = "how often" },
--   { name = "days", kind = "count", about = "days on which it happened" },
--   { name = "most_in_hour", kind = "count", about = "most in one hour of the clock" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the lines" },
--   { name = "place", kind = "place", about = "first of the lines" },
-- ]
--
-- [[needs]]
-- table   = "server_events"
-- or      = ["rejections", "sessions", "messages"]
-- missing = "the logs hold no line of a server"
-- remedy  = "warnings of the mail server (`mail.warning`) and what is above them"
--
-- [params.min_events]
-- default = 1
-- unit    = "events"
-- source  = "logwatch: every warning is listed"
-- about   = "events from which a limit is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "of = 'server' AND limit_name IN ('disk', 'memory or open files') AND events >= min_events"
-- sentence   = "{host} ran out of room ({limit_name}) {events|time|times} on {days|day|days}, up to {most_in_hour} in an hour, last at {last_ts}, and may have turned mail away: {example}."
-- advice     = "Make room on {host} now (queue and mailbox file systems; keep `queue_minfree` at 1.5 times `message_size_limit` or more), and have it watched so that you hear of it before mail suffers."
-- thresholds = ["min_events"]
-- evidence   = """
-- SELECT host, program, source, line FROM server_events WHERE severity <> 'info' AND kind = 'resource'
-- UNION ALL
-- SELECT host, service AS program, source, line FROM rejections WHERE reason = 'local-resource' OR dsn = '4.3.1'"""
-- keys       = ["host", "program"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "of = 'server' AND events >= min_events"
-- sentence   = "{program|A program} on {host} reached a limit ({limit_name}) {events|time|times} on {days|day|days}, up to {most_in_hour} in an hour, last at {last_ts}: {example}."
-- advice     = "See in capacity/connection_concurrency and capacity/peak_windows whether this was load or one client; raise the limit on {host} only if its memory can bear it, otherwise slow the client down."
-- thresholds = ["min_events"]
-- evidence   = """
-- SELECT host, program, source, line FROM server_events WHERE severity <> 'info' AND (kind = 'limit' OR text LIKE '%active queue entries%')
-- UNION ALL
-- SELECT host, service AS program, source, line FROM rejections WHERE reason IN ('local-resource', 'connection-limit', 'rate-limit') OR dsn = '4.3.1' OR reply LIKE '%ports busy%'"""
-- keys       = ["host", "program"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "of = 'client' AND events >= min_events"
-- sentence   = "{program|A program} on {host} slowed clients down or turned them away ({limit_name}) {events|time|times} on {days|day|days}, up to {most_in_hour} in an hour, last at {last_ts}: {example}."
-- advice     = "Look who it was: a known relay or newsletter system belongs in `smtpd_client_event_limit_exceptions`, a stranger is rightly held back."
-- thresholds = ["min_events"]
-- limit      = 3
-- evidence   = """
-- SELECT host, program, source, line FROM server_events WHERE severity <> 'info' AND kind = 'limit'
-- UNION ALL
-- SELECT host, service AS program, source, line FROM rejections WHERE reason IN ('connection-limit', 'rate-limit')"""
-- keys       = ["host", "program"]
WITH said AS (
    SELECT host, CAST(program AS VARCHAR) AS program, kind, ts, day, hour, text, source, line,
           CASE WHEN text LIKE '%rocess limit%' OR text LIKE '%process_limit%' OR text LIKE '%client_limit%' THEN 'processes'
                WHEN text LIKE '%STRESS%' THEN 'stress mode'
                WHEN text LIKE '%active queue entries%' THEN 'active queue'
                WHEN text LIKE '%concurrency limit exceeded%' OR text LIKE '%mail_max_userip_connections%' THEN 'connections of a client'
                WHEN text LIKE '%limit exceeded%' AND text LIKE '% from %' AND kind = 'limit' THEN 'rate of a client'
                WHEN text LIKE '%too many%' AND kind = 'limit' THEN 'connections'
                WHEN text LIKE '%Too many open files%' OR text LIKE '%emory%' THEN 'memory or open files'
                WHEN kind = 'resource' AND (text LIKE '%size limit exceeded%' OR text LIKE '%ile too large%' OR text LIKE '%ile too big%' OR text LIKE '%quota%') THEN 'size of a file or mailbox'
                WHEN kind = 'resource' THEN 'disk'
                ELSE 'other' END AS limit_name
    FROM server_events
    WHERE severity <> 'info' AND (kind IN ('limit', 'resource') OR text LIKE '%active queue entries%')
    UNION ALL
    SELECT host, CAST(service AS VARCHAR) AS program, CAST(reason AS VARCHAR) AS kind, ts, day, hour, reply AS text, source, line,
           CASE WHEN reply LIKE '%ports busy%' THEN 'processes'
                WHEN reason = 'connection-limit' THEN 'connections of a client'
                WHEN reason = 'rate-limit' THEN 'rate of a client'
                WHEN dsn = '4.3.1' OR reply LIKE '%system storage%' THEN 'disk'
                ELSE 'other' END AS limit_name
    FROM rejections
    WHERE action IN ('reject', 'defer') AND (reason IN ('local-resource', 'connection-limit', 'rate-limit') OR dsn = '4.3.1' OR reply LIKE '%ports busy%')
), per_hour AS (
    SELECT limit_name, host, program, hour, COUNT(*) AS n
    FROM said
    GROUP BY limit_name, host, program, hour
), peaks AS (
    SELECT limit_name, host, program, CAST(MAX(n) AS BIGINT) AS most_in_hour
    FROM per_hour
    GROUP BY limit_name, host, program
), grouped AS (
    SELECT limit_name, host, program,
           CAST(COUNT(*) AS BIGINT) AS events,
           CAST(COUNT(DISTINCT day) AS BIGINT) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(text) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM said
    GROUP BY limit_name, host, program
)
SELECT grouped.limit_name AS limit_name,
       CASE WHEN grouped.limit_name IN ('connections of a client', 'rate of a client', 'size of a file or mailbox') THEN 'client' ELSE 'server' END AS of,
       grouped.host AS host,
       grouped.program AS program,
       grouped.events AS events,
       grouped.days AS days,
       peaks.most_in_hour AS most_in_hour,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
JOIN peaks ON grouped.limit_name = peaks.limit_name AND grouped.host = peaks.host AND grouped.program = peaks.program
ORDER BY events DESC, limit_name, host, program
