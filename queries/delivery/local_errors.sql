-- title    = "Faults of our own that mail suffered from"
-- question = "Which mail was lost, delayed or refused for faults on our own side?"
-- tables   = ["attempts", "deliveries", "rejections"]
-- limits   = "Read from the words of our own programs. What the programs said apart from mail is in evidence/server_events. A refusal is counted once for each command."
-- controls = ["ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.8.14"]
-- sensitivity = "min_times"
-- rows     = 20
-- columns  = [
--   { name = "area", kind = "text", about = "`delivery`, or `at the door`: a client was turned away" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "reason", kind = "text", about = "local-config, local-resource, filter-down" },
--   { name = "times", kind = "count", about = "tries that failed, or commands refused" },
--   { name = "affected", kind = "count", about = "different messages, or different clients at the door" },
--   { name = "lost", kind = "count", about = "deliveries that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "minutes", kind = "count", about = "different minutes in which it happened" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- or      = ["rejections"]
-- missing = "the logs hold neither a delivery attempt nor a refusal"
-- remedy  = "lines of smtpd, smtp, lmtp and local at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.many_lost]
-- default = 10
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "deliveries lost to a fault of ours from which it is grave"
--
-- [params.min_times]
-- default = 1
-- unit    = "times"
-- source  = "mtaudit: a fault of ours is ours to mend, however small"
-- about   = "failures from which it is pointed out"
--
-- [params.min_refused]
-- default = 10
-- unit    = "commands"
-- source  = "mtaudit: clients come again after a temporary refusal"
-- about   = "commands refused at the door from which it is pointed out"
--
-- [[findings]]
-- severity   = "high"
-- when       = "area = 'delivery' AND lost >= many_lost"
-- sentence   = "Faults on our own side ({reason}) on {host|our server} lost {lost|delivery|deliveries}: {times|try|tries} of {affected|message|messages} failed, first at {first_ts}, last at {last_ts}. When the logs ended, {waiting|delivery|deliveries} still waited."
-- advice     = "Mend what the replies name, for example: {example}; then ask the senders of the {lost|lost delivery|lost deliveries} to send again."
-- thresholds = ["many_lost"]
-- limit      = 5
-- evidence   = "SELECT 'delivery' AS area, COALESCE(host, '') AS host, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'local'"
-- keys       = ["area", "host", "reason"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "area = 'delivery' AND times >= min_times"
-- sentence   = "Faults on our own side ({reason}) on {host|our server} held up or stopped deliveries: {times|try|tries} of {affected|message|messages} failed, first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended."
-- advice     = "Mend what the replies name, for example: {example}; then flush the queue (`postqueue -f`)."
-- thresholds = ["min_times"]
-- limit      = 5
-- evidence   = "SELECT 'delivery' AS area, COALESCE(host, '') AS host, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'local'"
-- keys       = ["area", "host", "reason"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "area = 'at the door' AND times >= min_refused"
-- sentence   = "{host|Our server} turned clients away for a fault of its own ({reason}): it refused {times|command|commands} from {affected|address|addresses} in {minutes|minute|different minutes}, first at {first_ts}, last at {last_ts}."
-- advice     = "Look on {host|the server} at the service that the replies name, for example: {example}; other servers try again for days, but users give up at once."
-- thresholds = ["min_refused"]
-- limit      = 5
-- evidence   = "SELECT 'at the door' AS area, COALESCE(host, '') AS host, reason, source, line FROM rejections WHERE action IN ('reject', 'defer') AND cause = 'local'"
-- keys       = ["area", "host", "reason"]
WITH failed AS (
    SELECT COALESCE(host, '') AS host, reason, message, recipient, ts, minute, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'local'
), touched AS (
    SELECT DISTINCT host, reason, message, recipient FROM failed
), fates AS (
    SELECT touched.host AS host, touched.reason AS reason,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message
    WHERE touched.recipient = deliveries.recipient AND deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY touched.host, touched.reason
), grouped AS (
    SELECT host, reason, CAST(COUNT(*) AS BIGINT) AS times, COUNT(DISTINCT message) AS affected, COUNT(DISTINCT minute) AS minutes,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM failed
    GROUP BY host, reason
)
SELECT 'delivery' AS area, grouped.host AS host, grouped.reason AS reason, grouped.times AS times, CAST(grouped.affected AS BIGINT) AS affected,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost, CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       CAST(grouped.minutes AS BIGINT) AS minutes, grouped.first_ts AS first_ts, grouped.last_ts AS last_ts, grouped.example AS example, grouped.place AS place
FROM grouped
LEFT JOIN fates ON grouped.host = fates.host AND grouped.reason = fates.reason
UNION ALL
SELECT 'at the door' AS area, COALESCE(host, '') AS host, reason, CAST(COUNT(*) AS BIGINT) AS times, CAST(COUNT(DISTINCT client_ip) AS BIGINT) AS affected,
       CAST(0 AS BIGINT) AS lost, CAST(0 AS BIGINT) AS waiting, CAST(COUNT(DISTINCT minute) AS BIGINT) AS minutes,
       MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
FROM rejections
WHERE action IN ('reject', 'defer') AND cause = 'local'
GROUP BY COALESCE(host, ''), reason
ORDER BY area DESC, times DESC, host, reason
