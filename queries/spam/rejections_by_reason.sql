-- title    = "What we refused, and why"
-- question = "For which reasons does our server turn clients away, and at which step?"
-- tables   = ["rejections"]
-- limits   = "Counts refused commands, not messages: one client may be refused many times for one mail. Whether a refused mail was wanted cannot be read from the logs."
-- controls = ["ISO/IEC 27001 A.8.7", "NIST SP 800-53 SI-8"]
-- rows     = 25
-- sensitivity = "local_rejections"
-- columns  = [
--   { name = "cause", kind = "text", about = "coarse class" },
--   { name = "reason", kind = "text", about = "fine class" },
--   { name = "stage", kind = "text", about = "step of the dialogue" },
--   { name = "action", kind = "text", about = "what was done: reject, defer, reject_warning (only logged), discard, hold, redirect" },
--   { name = "rejections", kind = "count", about = "how often" },
--   { name = "share", kind = "share", about = "of all refusals; null for what is no refusal (warnings, holds, redirections and the like)" },
--   { name = "all_rejections", kind = "count", about = "refusals (reject, defer) in all: the denominator" },
--   { name = "clients", kind = "count", about = "different client addresses" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "first of the lines counted" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.local_rejections]
-- default = 1
-- unit    = "refusals"
-- source  = "logwatch: lists every lookup, space and configuration reject"
-- about   = "refusals for a fault of our own from which it is pointed out"
--
-- [chart]
-- kind  = "bar"
-- x     = "reason"
-- y     = ["rejections"]
-- label = "refusals"
-- sorted = true
--
-- [[findings]]
-- severity   = "high"
-- when       = "cause = 'local' AND action IN ('reject', 'defer') AND rejections >= local_rejections"
-- sentence   = "Our server turned {clients|client|clients} away for a fault of its own ({reason}, {action} at {stage|an unknown step}), first at {first_ts}, last at {last_ts}: {rejections} of {all_rejections|refusal|refusals}. Wanted mail may have been delayed or lost meanwhile."
-- advice     = "Find what failed at {first_ts} (evidence/server_events of that time) and repair it; senders that got a temporary code come again by themselves, those that got a permanent one have to be told."
-- thresholds = ["local_rejections"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(reason, 'undetermined') AS reason, COALESCE(stage, '') AS stage, action, source, line FROM rejections WHERE cause = 'local' AND action IN ('reject', 'defer')"
-- keys       = ["reason", "stage", "action"]
WITH named AS (
    SELECT COALESCE(cause, CASE WHEN action IN ('reject', 'defer') THEN 'undetermined' ELSE '' END) AS cause,
           COALESCE(reason, CASE WHEN action IN ('reject', 'defer') THEN 'undetermined' ELSE '' END) AS reason,
           COALESCE(stage, '') AS stage,
           COALESCE(action, '') AS action,
           client_ip, sender, recipient, day, ts, reply, source, line
    FROM rejections
), grouped AS (
    SELECT cause, reason, stage, action,
           COUNT(*) AS rejections,
           COUNT(DISTINCT client_ip) AS clients,
           COUNT(DISTINCT sender) AS senders,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM named
    GROUP BY cause, reason, stage, action
), summed AS (
    SELECT cause, reason, stage, action, rejections, clients, senders, recipients, days, first_ts, last_ts, example, place,
           CAST(SUM(CASE WHEN action IN ('reject', 'defer') THEN CAST(rejections AS BIGINT) ELSE 0 END) OVER () AS BIGINT) AS all_rejections
    FROM grouped
)
SELECT cause, reason, stage, action, rejections,
       CASE WHEN action IN ('reject', 'defer') THEN ROUND(CAST(rejections AS DOUBLE) / all_rejections, 4) END AS share,
       all_rejections, clients, senders, recipients, days, first_ts, last_ts, example, place
FROM summed
ORDER BY rejections DESC, cause, reason, stage, action
