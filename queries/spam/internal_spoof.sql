-- title    = "Strangers that write in our name"
-- question = "Which clients outside sent mail under our own domains without logging in, and was it taken?"
-- tables   = ["deliveries", "messages", "rejections", "sessions"]
-- limits   = "Domains are ours when mail for them is delivered here. A service that writes for us (invoices, newsletters), a mailing list and a forward elsewhere do this by right. A client that may relay is taken for a machine of ours and left out, as are trusted and private ones."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-8"]
-- rows     = 15
-- sensitivity = "min_accepted"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "accepted", kind = "count", about = "messages accepted under our domains" },
--   { name = "delivered", kind = "count", about = "of them delivered to at least one recipient" },
--   { name = "refused", kind = "count", about = "recipients refused to it under such a sender" },
--   { name = "senders", kind = "count", about = "different such senders" },
--   { name = "example", kind = "text", about = "one of them, the first by the alphabet" },
--   { name = "recipients", kind = "count", about = "different recipients tried or reached" },
--   { name = "bad_signs", kind = "count", about = "refusals of the client as relaying or for its reputation, whatever the sender" },
--   { name = "first_ts", kind = "time", about = "first message or refusal" },
--   { name = "last_ts", kind = "time", about = "last message or refusal" },
--   { name = "place", kind = "place", about = "line of the first message or refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_accepted]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit: what looks like a colleague is believed"
-- about   = "accepted messages in our name from which a stranger is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "delivered >= min_accepted AND bad_signs > 0"
-- sentence   = "{client_ip} ({client_name|unknown}) sent mail in our name without login, and it was delivered: {delivered} of {accepted|message|messages} accepted, from {senders|sender|senders} (for example {example}). It was also refused {bad_signs|time|times} as relaying or for its reputation."
-- advice     = "Look at one of the messages in the recipient's mailbox; if it is forged, warn {recipients|recipient|recipients}, and refuse our domains from outside without login (an SPF record with -all and a check of it, or a sender access map)."
-- thresholds = ["min_accepted"]
-- limit      = 10
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "delivered >= min_accepted AND client_name = 'unknown'"
-- sentence   = "{client_ip} sent mail in our name without login, and it was delivered: {delivered} of {accepted|message|messages} accepted, from {senders|sender|senders} (for example {example}). It has no host name, which servers that write for others mostly have."
-- advice     = "Look at one of the messages in the recipient's mailbox; if it is forged, warn {recipients|recipient|recipients}, and refuse our domains from outside without login (an SPF record with -all and a check of it, or a sender access map)."
-- thresholds = ["min_accepted"]
-- limit      = 10
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "delivered >= min_accepted"
-- sentence   = "{client_ip} ({client_name|unknown}) sent mail in our name without login, and it was delivered: {delivered} of {accepted|message|messages} accepted, from {senders|sender|senders} (for example {example}). A service that writes for us looks alike."
-- advice     = "If {client_ip} writes for you, put it into the SPF record and name it as a relay in mtaudit.toml; if not, refuse our domains from outside without login."
-- thresholds = ["min_accepted"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "refused > 0 OR accepted > 0"
-- sentence   = "{client_ip} ({client_name|unknown}) tried to write in our name, for example as {example}, and nothing of it was delivered: {refused|recipient was|recipients were} refused, {accepted|message was|messages were} accepted and did not arrive."
-- thresholds = []
-- limit      = 3
-- evidence   = """
-- SELECT client_ip, source, line FROM rejections
-- UNION ALL
-- SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' AND COALESCE(auth_user, '') = ''"""
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), ours AS (
    SELECT DISTINCT recipient_domain AS domain FROM deliveries WHERE direction IN ('inbound', 'internal') AND recipient_domain <> ''
), relays AS (
    -- Whom the server lets write to the outside without a login is one of ours.
    SELECT DISTINCT client_ip FROM messages WHERE direction IN ('outbound', 'relayed') AND origin = 'smtp' AND COALESCE(auth_user, '') = '' AND client_ip IS NOT NULL
), forged AS (
    SELECT messages.message AS message, messages.client_ip AS client_ip, messages.client_name AS client_name, messages.sender AS sender,
           messages.received_ts AS ts, messages.source AS source, messages.line AS line
    FROM messages
    JOIN strangers ON messages.client_ip = strangers.client_ip
    LEFT JOIN relays ON messages.client_ip = relays.client_ip
    WHERE messages.origin = 'smtp' AND COALESCE(messages.auth_user, '') = '' AND messages.direction = 'internal' AND relays.client_ip IS NULL
), hops AS (
    SELECT message AS hop, message AS root FROM forged
    UNION ALL
    SELECT messages.message AS hop, forged.message AS root
    FROM messages
    JOIN forged ON messages.parent = forged.message
    WHERE messages.origin = 'reinjected'
), reached AS (
    SELECT hops.root AS message, deliveries.recipient AS recipient, MAX(CASE WHEN deliveries.outcome = 'delivered' THEN 1 ELSE 0 END) AS delivered
    FROM hops
    JOIN deliveries ON hops.hop = deliveries.message
    GROUP BY hops.root, deliveries.recipient
), signs AS (
    SELECT client_ip, COUNT(*) AS n FROM rejections WHERE cause IN ('reputation', 'relay') AND action = 'reject' AND client_ip IS NOT NULL GROUP BY client_ip
), deeds AS (
    SELECT forged.client_ip AS client_ip, forged.client_name AS client_name, forged.sender AS sender, reached.recipient AS recipient, forged.message AS message,
           CASE WHEN reached.delivered = 1 THEN forged.message END AS delivered, 0 AS refused, forged.ts AS ts, forged.source AS source, forged.line AS line
    FROM forged
    LEFT JOIN reached ON forged.message = reached.message
    UNION ALL
    SELECT rejections.client_ip AS client_ip, rejections.client_name AS client_name, rejections.sender AS sender, rejections.recipient AS recipient, NULL AS message,
           NULL AS delivered, 1 AS refused, rejections.ts AS ts, rejections.source AS source, rejections.line AS line
    FROM rejections
    JOIN strangers ON rejections.client_ip = strangers.client_ip
    JOIN ours ON rejections.sender_domain = ours.domain
    LEFT JOIN relays ON rejections.client_ip = relays.client_ip
    LEFT JOIN sessions ON rejections.session = sessions.session
    -- What cleanup refuses came in by the service of the connection.
    WHERE rejections.action = 'reject' AND COALESCE(rejections.auth_user, '') = '' AND COALESCE(sessions.auth_user, '') = '' AND relays.client_ip IS NULL
      AND (rejections.service IN ('smtpd', 'postscreen') OR (rejections.service = 'cleanup' AND sessions.service = 'smtpd'))
), totals AS (
    SELECT client_ip, COALESCE(MAX(client_name), 'unknown') AS client_name, COUNT(DISTINCT message) AS accepted, COUNT(DISTINCT delivered) AS delivered,
           CAST(SUM(refused) AS BIGINT) AS refused, COUNT(DISTINCT sender) AS senders, MIN(sender) AS example, COUNT(DISTINCT recipient) AS recipients,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM deeds
    GROUP BY client_ip
)
SELECT totals.client_ip AS client_ip,
       totals.client_name AS client_name,
       totals.accepted AS accepted,
       totals.delivered AS delivered,
       totals.refused AS refused,
       totals.senders AS senders,
       totals.example AS example,
       totals.recipients AS recipients,
       CAST(COALESCE(signs.n, 0) AS BIGINT) AS bad_signs,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
LEFT JOIN signs ON totals.client_ip = signs.client_ip
ORDER BY delivered DESC, accepted DESC, refused DESC, client_ip
