-- title    = "Mail that goes in circles"
-- question = "Which mail loops, by the words of a server or by coming back again and again?"
-- tables   = ["attempts", "deliveries", "messages", "rejections"]
-- limits   = "`comes back` is the same Message-ID from the same sender for the same recipient, taken in on one host by SMTP within 24 hours, each time with another size: a loop makes a mail longer with each turn. A mail that is sent again by hand looks alike. Our own content filters (127.0.0.1) are not counted."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_turns"
-- rows     = 20
-- columns  = [
--   { name = "kind", kind = "text", about = "`said so`: a server refused it as looping; `comes back`: seen again and again" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "message_id", kind = "text", about = "Message-ID (comes back only)" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient", kind = "text", about = "one of the recipients" },
--   { name = "times", kind = "count", about = "refusals, or most times that it came within 24 hours" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "sizes", kind = "count", about = "different sizes (comes back only)" },
--   { name = "clients", kind = "count", about = "different client addresses (comes back only)" },
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
-- about   = "times that a message comes back within 24 hours from which it is pointed out"
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
-- sentence   = "Mail for {recipient_domain} loops: {times} tries with {messages} messages were refused for it on {host}, from {first_ts} to {last_ts}."
-- advice     = "Compare where {recipient_domain} is meant to be delivered with its MX record and our transport maps; when its mail server is this host, the domain is missing in `mydestination`, `relay_domains` or the virtual domains."
-- thresholds = ["min_said"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'loop' UNION ALL SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM rejections WHERE reason = 'loop' AND action IN ('reject', 'defer')"
-- keys       = ["recipient_domain"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'comes back' AND times >= min_turns AND sizes >= times"
-- sentence   = "The message {message_id} for {recipient} came to {host} {times} times within 24 hours, longer or shorter each time (first {first_ts}, last {last_ts}, clients: {clients}). It probably goes in circles between {host} and a server that forwards to it."
-- advice     = "Follow it with `mtaudit trace` and take out the forward or alias that sends {recipient} back to us."
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
    SELECT host, recipient_domain, MIN(sender) AS sender, MIN(recipient) AS recipient, CAST(COUNT(*) AS BIGINT) AS times, COUNT(DISTINCT message) AS messages,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM refused
    GROUP BY host, recipient_domain
), taken AS (
    SELECT COALESCE(host, '') AS host, message_id, message, COALESCE(sender, '') AS sender, client_ip, size, received_ts, minute, source, line
    FROM messages
    WHERE origin = 'smtp' AND message_id <> '' AND COALESCE(client_ip, '') NOT IN ('127.0.0.1', '::1')
), often AS (
    SELECT host, message_id FROM taken GROUP BY host, message_id HAVING COUNT(*) >= 2
), turns AS (
    SELECT taken.host AS host, taken.message_id AS message_id, taken.sender AS sender, COALESCE(deliveries.recipient, '') AS recipient,
           COALESCE(deliveries.recipient_domain, '') AS recipient_domain,
           taken.message AS message, taken.client_ip AS client_ip, taken.size AS size, taken.received_ts AS received_ts, taken.minute AS minute,
           taken.source AS source, taken.line AS line
    FROM taken
    JOIN often ON taken.host = often.host AND taken.message_id = often.message_id
    JOIN deliveries ON taken.message = deliveries.message
), spans AS (
    -- Every turn begins a window of 24 hours.
    SELECT a.host AS host, a.message_id AS message_id, a.sender AS sender, a.recipient AS recipient, a.message AS message, COUNT(*) AS n
    FROM turns AS a
    JOIN turns AS b ON a.host = b.host AND a.message_id = b.message_id AND a.sender = b.sender AND a.recipient = b.recipient
    WHERE b.minute >= a.minute AND b.minute - a.minute < 1440
    GROUP BY a.host, a.message_id, a.sender, a.recipient, a.message
), most AS (
    SELECT host, message_id, sender, recipient, CAST(MAX(n) AS BIGINT) AS times FROM spans GROUP BY host, message_id, sender, recipient
), back AS (
    SELECT host, message_id, sender, recipient, recipient_domain, COUNT(DISTINCT message) AS messages, COUNT(DISTINCT size) AS sizes, COUNT(DISTINCT client_ip) AS clients,
           MIN(received_ts) AS first_ts, MAX(received_ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM turns
    GROUP BY host, message_id, sender, recipient, recipient_domain
), answers AS (
    SELECT 'said so' AS kind, host, recipient_domain, CAST(NULL AS VARCHAR) AS message_id, CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, recipient,
           times, CAST(messages AS BIGINT) AS messages, CAST(NULL AS BIGINT) AS sizes, CAST(NULL AS BIGINT) AS clients, first_ts, last_ts, example, place
    FROM said
    UNION ALL
    SELECT 'comes back' AS kind, back.host AS host, back.recipient_domain AS recipient_domain, back.message_id AS message_id,
           CASE WHEN back.sender = '' THEN '<>' ELSE back.sender END AS sender, back.recipient AS recipient,
           most.times AS times, CAST(back.messages AS BIGINT) AS messages, CAST(back.sizes AS BIGINT) AS sizes, CAST(back.clients AS BIGINT) AS clients,
           back.first_ts AS first_ts, back.last_ts AS last_ts, CAST(NULL AS VARCHAR) AS example, back.place AS place
    FROM back
    JOIN most ON back.host = most.host AND back.message_id = most.message_id AND back.sender = most.sender AND back.recipient = most.recipient
    WHERE most.times >= 2
)
SELECT kind, host, recipient_domain, message_id, sender, recipient, times, messages, sizes, clients, first_ts, last_ts, example, place
FROM answers
ORDER BY kind DESC, times DESC, place, host, recipient_domain, recipient
