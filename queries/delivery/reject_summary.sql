-- title    = "Refused mail that may have been wanted"
-- question = "Did we refuse senders whose mail we otherwise take?"
-- tables   = ["messages", "rejections"]
-- limits   = "Judged are refusals for reputation, policy, content or a bad sender, not those for wrong recipients, relaying, broken SMTP, greylisting or limits. A sender is known when mail from the same address and the same network (/24, or /64 of IPv6) was taken in within the logs. That it was taken does not prove that it was wanted: a spammer may have got through before it was listed."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_accepted"
-- rows     = 20
-- columns  = [
--   { name = "reason", kind = "text", about = "why we refused" },
--   { name = "sender_domain", kind = "text", about = "domain of the senders" },
--   { name = "refusals", kind = "count", about = "refusals of the domain for this reason: the denominator" },
--   { name = "known_refusals", kind = "count", about = "of them from a known sender and network" },
--   { name = "known_senders", kind = "count", about = "different known senders" },
--   { name = "accepted", kind = "count", about = "messages of these senders and networks that we took in" },
--   { name = "accepted_days", kind = "count", about = "days on which we did" },
--   { name = "example_sender", kind = "text", about = "one of the known senders" },
--   { name = "example_recipient", kind = "text", about = "one of the recipients refused" },
--   { name = "first_ts", kind = "time", about = "first refusal of a known sender" },
--   { name = "last_ts", kind = "time", about = "last one" },
--   { name = "last_accepted_ts", kind = "time", about = "last message of theirs that we took in" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first refusal of a known sender in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_accepted]
-- default = 3
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages taken in from the same senders and networks from which a refusal is doubted"
--
-- [[findings]]
-- severity   = "low"
-- when       = "accepted >= min_accepted AND last_accepted_ts > first_ts"
-- sentence   = "Of {refusals|refusal|refusals} of {sender_domain|the null sender} for {reason}, {known_refusals} hit senders whose mail we took in before or after from the same network ({accepted|message|messages} on {accepted_days|day|days}, for example from {example_sender}). They may have been refused wrongly."
-- advice     = "Ask a recipient, such as {example_recipient|one in the table}, whether the mail was expected; if so, exempt {sender_domain|the sender} from the check that refused it."
-- thresholds = ["min_accepted"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(sender_domain, '') AS sender_domain, reason, source, line FROM rejections WHERE action IN ('reject', 'defer') AND (cause IN ('policy', 'reputation', 'content') OR reason = 'bad-sender') AND COALESCE(reason, '') NOT IN ('greylist', 'rate-limit', 'connection-limit', 'size', 'protocol', 'format')"
-- keys       = ["sender_domain", "reason"]
WITH judged AS (
    SELECT COALESCE(rejections.reason, 'undetermined') AS reason, COALESCE(rejections.sender_domain, '') AS sender_domain,
           rejections.sender AS sender, COALESCE(clients.network, CAST(rejections.client_ip AS VARCHAR)) AS network,
           rejections.recipient AS recipient, rejections.ts AS ts, rejections.reply AS reply, rejections.source AS source, rejections.line AS line
    FROM rejections
    LEFT JOIN clients ON rejections.client_ip = clients.client_ip
    WHERE rejections.action IN ('reject', 'defer') AND (rejections.cause IN ('policy', 'reputation', 'content') OR rejections.reason = 'bad-sender') AND COALESCE(rejections.reason, '') NOT IN ('greylist', 'rate-limit', 'connection-limit', 'size', 'protocol', 'format')
          AND rejections.sender <> '' AND COALESCE(clients.kind, 'other') NOT IN ('trusted', 'relay', 'scanner')
), senders AS (
    SELECT DISTINCT sender FROM judged
), taken AS (
    SELECT messages.sender AS sender, COALESCE(clients.network, CAST(messages.client_ip AS VARCHAR)) AS network,
           COUNT(*) AS accepted, MAX(messages.received_ts) AS last_accepted_ts
    FROM messages
    JOIN senders ON messages.sender = senders.sender
    LEFT JOIN clients ON messages.client_ip = clients.client_ip
    WHERE messages.origin = 'smtp' AND messages.client_ip IS NOT NULL AND messages.received_ts IS NOT NULL
    GROUP BY messages.sender, COALESCE(clients.network, CAST(messages.client_ip AS VARCHAR))
), days AS (
    SELECT DISTINCT messages.sender AS sender, COALESCE(clients.network, CAST(messages.client_ip AS VARCHAR)) AS network, messages.day AS day
    FROM messages
    JOIN senders ON messages.sender = senders.sender
    LEFT JOIN clients ON messages.client_ip = clients.client_ip
    WHERE messages.origin = 'smtp' AND messages.client_ip IS NOT NULL AND messages.received_ts IS NOT NULL
), whole AS (
    SELECT reason, sender_domain, CAST(COUNT(*) AS BIGINT) AS refusals FROM judged GROUP BY reason, sender_domain
), doubted AS (
    SELECT judged.reason AS reason, judged.sender_domain AS sender_domain, judged.sender AS sender, judged.network AS network,
           judged.recipient AS recipient, judged.ts AS ts, judged.reply AS reply, judged.source AS source, judged.line AS line,
           taken.last_accepted_ts AS last_accepted_ts
    FROM judged
    JOIN taken ON judged.sender = taken.sender AND judged.network = taken.network
), pairs AS (
    SELECT DISTINCT reason, sender_domain, sender, network FROM doubted
), history AS (
    SELECT pairs.reason AS reason, pairs.sender_domain AS sender_domain, CAST(SUM(taken.accepted) AS BIGINT) AS accepted
    FROM pairs
    JOIN taken ON pairs.sender = taken.sender AND pairs.network = taken.network
    GROUP BY pairs.reason, pairs.sender_domain
), dated AS (
    SELECT pairs.reason AS reason, pairs.sender_domain AS sender_domain, COUNT(DISTINCT days.day) AS accepted_days
    FROM pairs
    JOIN days ON pairs.sender = days.sender AND pairs.network = days.network
    GROUP BY pairs.reason, pairs.sender_domain
), grouped AS (
    SELECT reason, sender_domain, CAST(COUNT(*) AS BIGINT) AS known_refusals, COUNT(DISTINCT sender) AS known_senders,
           MIN(sender) AS example_sender, MIN(recipient) AS example_recipient, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MAX(last_accepted_ts) AS last_accepted_ts, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM doubted
    GROUP BY reason, sender_domain
)
SELECT grouped.reason AS reason,
       grouped.sender_domain AS sender_domain,
       whole.refusals AS refusals,
       grouped.known_refusals AS known_refusals,
       grouped.known_senders AS known_senders,
       history.accepted AS accepted,
       dated.accepted_days AS accepted_days,
       grouped.example_sender AS example_sender,
       grouped.example_recipient AS example_recipient,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.last_accepted_ts AS last_accepted_ts,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
JOIN whole ON grouped.reason = whole.reason AND grouped.sender_domain = whole.sender_domain
JOIN history ON grouped.reason = history.reason AND grouped.sender_domain = history.sender_domain
JOIN dated ON grouped.reason = dated.reason AND grouped.sender_domain = dated.sender_domain
ORDER BY known_refusals DESC, reason, sender_domain
