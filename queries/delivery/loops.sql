-- title    = "Mail that goes in circles"
-- question = "Which mail loops, by the words of a server or by coming back again and again?"
-- tables   = ["attempts", "deliveries", "messages", "rejections"]
-- limits   = "`Comes back` is the same Message-ID from the same sender for the same recipient, taken in on one host by SMTP again and again, within 24 hours of the last time, and each time longer by about as much (at most 5,000 bytes, and within 64 of each other), as each turn adds the same lines to its head. Our own content filters (127.0.0.1) are not counted."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_turns"
-- rows     = 20
-- columns  = [
--   { name = "kind", kind = "text", about = "`said so`: a server refused it as looping; `comes back`: taken in again and again" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "message_id", kind = "text", about = "Message-ID (comes back only)" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient", kind = "text", about = "one of the recipients" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "times", kind = "count", about = "refusals, or most times that it came for one recipient" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "grown", kind = "bytes", about = "longest less shortest of them (comes back only)" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the replies (said so only)" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- or      = ["attempts", "rejections"]
-- missing = "the logs hold neither a message nor a refusal"
-- remedy  = "lines of smtpd, cleanup, qmgr and the delivery agents at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_turns]
-- default = 3
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "times that a message comes in from which it is pointed out"
--
-- [params.min_said]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit: a server that says so has counted the hops"
-- about   = "messages refused as looping from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'said so' AND messages >= min_said"
-- sentence   = "Mail for {recipient_domain|recipients without a domain} looped: on {host} it was refused for that {times|time|times} ({messages|message|messages}), first at {first_ts}, last at {last_ts}."
-- advice     = "Compare where {recipient_domain} is meant to be delivered with its MX record and our transport maps: if it is ours, it is missing in `mydestination`, `relay_domains` or the virtual domains; if not, its MX record points to us by mistake."
-- thresholds = ["min_said"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'loop' UNION ALL SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM rejections WHERE reason = 'loop' AND action IN ('reject', 'defer')"
-- keys       = ["recipient_domain"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'comes back' AND times >= min_turns"
-- sentence   = "The message {message_id} for {recipient} came to {host} {times|time|times}, a little longer each time ({grown} in all), first at {first_ts}, last at {last_ts}. It probably goes in circles between {host} and a server that sends it back; it is a pattern, not proof."
-- advice     = "Follow it with `mtaudit trace`, and remove the forward or alias that sends mail for {recipient} back to us."
-- thresholds = ["min_turns"]
-- limit      = 5
-- evidence   = "SELECT message_id, source, line FROM messages WHERE origin = 'smtp' AND message_id <> ''"
-- keys       = ["message_id"]
WITH refused AS (
    SELECT COALESCE(host, '') AS host, COALESCE(recipient_domain, '') AS recipient_domain, message, recipient, sender, ts, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'loop'
    UNION ALL
    SELECT COALESCE(host, '') AS host, COALESCE(recipient_domain, '') AS recipient_domain, source * 10000000000 + line AS message, recipient, sender, ts, reply, source, line
    FROM rejections
    WHERE action IN ('reject', 'defer') AND reason = 'loop'
), said AS (
    SELECT host, recipient_domain, MIN(sender) AS sender, MIN(recipient) AS recipient, COUNT(DISTINCT recipient) AS recipients,
           CAST(COUNT(*) AS BIGINT) AS times, COUNT(DISTINCT message) AS messages,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM refused
    GROUP BY host, recipient_domain
), taken AS (
    SELECT COALESCE(host, '') AS host, message_id, message, COALESCE(sender, '') AS sender, size, received_ts, minute, source * 10000000000 + line AS place
    FROM messages
    WHERE origin = 'smtp' AND message_id <> '' AND COALESCE(client_ip, '') NOT IN ('127.0.0.1', '::1')
), often AS (
    SELECT host, message_id FROM taken GROUP BY host, message_id HAVING COUNT(*) >= 2
), turns AS (
    SELECT taken.host AS host, taken.message_id AS message_id, taken.sender AS sender, COALESCE(deliveries.recipient, '') AS recipient,
           COALESCE(deliveries.recipient_domain, '') AS recipient_domain,
           taken.message AS message, taken.size AS size, taken.received_ts AS received_ts, taken.minute AS minute, taken.place AS place
    FROM taken
    JOIN often ON taken.host = often.host AND taken.message_id = often.message_id
    JOIN deliveries ON taken.message = deliveries.message
), steps AS (
    SELECT host, message_id, sender, recipient, recipient_domain, message, size, received_ts, place,
           size - LAG(size) OVER (PARTITION BY host, message_id, sender, recipient ORDER BY received_ts, place) AS added,
           CASE WHEN size - LAG(size) OVER (PARTITION BY host, message_id, sender, recipient ORDER BY received_ts, place) BETWEEN 1 AND 5000
                 AND minute - LAG(minute) OVER (PARTITION BY host, message_id, sender, recipient ORDER BY received_ts, place) < 1440
                THEN 1 ELSE 0 END AS goes_on
    FROM turns
), circles AS (
    SELECT host, message_id, sender, recipient, MIN(recipient_domain) AS recipient_domain,
           CAST(COUNT(*) AS BIGINT) AS times, MAX(size) - MIN(size) AS grown,
           MIN(received_ts) AS first_ts, MAX(received_ts) AS last_ts, MIN(place) AS place
    FROM steps
    GROUP BY host, message_id, sender, recipient
    HAVING COUNT(*) >= 2 AND SUM(goes_on) = COUNT(*) - 1 AND MAX(added) - MIN(added) <= 64
), back AS (
    SELECT host, message_id, sender, MIN(recipient_domain) AS recipient_domain, MIN(recipient) AS recipient, COUNT(DISTINCT recipient) AS recipients,
           MAX(times) AS times, MAX(grown) AS grown, MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts, MIN(place) AS place
    FROM circles
    GROUP BY host, message_id, sender
), answers AS (
    SELECT 'said so' AS kind, host, recipient_domain, CAST(NULL AS VARCHAR) AS message_id, CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, recipient,
           CAST(recipients AS BIGINT) AS recipients, times, CAST(messages AS BIGINT) AS messages, CAST(NULL AS BIGINT) AS grown, first_ts, last_ts, example, place
    FROM said
    UNION ALL
    SELECT 'comes back' AS kind, host, recipient_domain, message_id, CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, recipient,
           CAST(recipients AS BIGINT) AS recipients, times, times AS messages, grown, first_ts, last_ts, CAST(NULL AS VARCHAR) AS example, place
    FROM back
)
SELECT kind, host, recipient_domain, message_id, sender, recipient, recipients, times, messages, grown, first_ts, last_ts, example, place
FROM answers
ORDER BY kind DESC, times DESC, place, host, recipient_domain, recipient, sender
