-- title    = "The messages that weigh most"
-- question = "Which single messages took the most room and bandwidth, counted with all their recipients?"
-- tables   = ["messages", "deliveries"]
-- limits   = "Weight is size times recipients delivered to or still waiting, as each remote destination gets its own copy; recipients of one mailbox server may share one. Only messages above the size given are looked at, so a small message to very many is not listed here (see capacity/top_senders). Re-injected and forwarded copies are not counted as messages."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 25
-- sensitivity = "weight_bytes"
-- columns  = [
--   { name = "rank", kind = "count", about = "by weight" },
--   { name = "received_ts", kind = "time", about = "when it came in" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "queue_id", kind = "text", about = "queue ID" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "size", kind = "bytes", about = "size of the message" },
--   { name = "recipients", kind = "count", about = "recipients in the envelope, or in its deliveries where that is not logged" },
--   { name = "weight", kind = "bytes", about = "size times recipients" },
--   { name = "weight_share", kind = "share", about = "of the weight of all messages with known size" },
--   { name = "large", kind = "count", about = "messages above that size in all (the same on every row)" },
--   { name = "place", kind = "place", about = "its first line" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "size IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')"
-- missing = "the logs hold no message with its size"
-- remedy  = "lines of qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.large_bytes]
-- default = 5242880
-- unit    = "bytes"
-- source  = "SendmailAnalyzer: large messages are those above 5 MB"
-- about   = "size from which a message is listed"
--
-- [params.top]
-- default = 25
-- unit    = "messages"
-- source  = "SendmailAnalyzer: top 25"
-- about   = "messages listed"
--
-- [params.weight_bytes]
-- default = 1073741824
-- unit    = "bytes"
-- source  = "mtaudit: 1 GiB through the queue by one message"
-- about   = "weight from which a message is pointed out"
--
-- [[findings]]
-- severity   = "low"
-- when       = "weight >= weight_bytes"
-- sentence   = "On {received_ts|a day that is not logged}, one message of {size} from {sender|an unknown sender} went to {recipients|recipient|recipients}: {weight} together, {weight_share} of the weight of all mail."
-- advice     = "Offer {sender|the sender} a download link or a list server for such mail, and set `message_size_limit` and `smtpd_recipient_limit` to what the lines and mailboxes can bear."
-- thresholds = ["weight_bytes", "large_bytes"]
-- evidence   = "SELECT queue_id, host, received_ts, source, line FROM messages"
-- keys       = ["queue_id", "host", "received_ts"]
WITH sized AS (
    SELECT message, received_ts, host, queue_id, sender, size, nrcpt, source * 10000000000 + line AS place
    FROM messages
    WHERE size IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')
), big AS (
    SELECT sized.message AS message, sized.received_ts AS received_ts, sized.host AS host, sized.queue_id AS queue_id,
           sized.sender AS sender, sized.size AS size, sized.nrcpt AS nrcpt, sized.place AS place
    FROM sized
    CROSS JOIN params
    WHERE sized.size >= params.large_bytes
), fan AS (
    SELECT deliveries.message AS message, CAST(COUNT(*) AS BIGINT) AS recipients
    FROM deliveries
    JOIN big ON deliveries.message = big.message
    GROUP BY deliveries.message
), whole AS (
    SELECT SUM(size * COALESCE(nrcpt, 1)) AS weight FROM sized
), amount AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS large FROM big
), weighed AS (
    SELECT big.received_ts AS received_ts, big.host AS host, big.queue_id AS queue_id, big.sender AS sender, big.size AS size,
           COALESCE(big.nrcpt, fan.recipients, 1) AS recipients,
           big.size * COALESCE(big.nrcpt, fan.recipients, 1) AS weight,
           big.place AS place
    FROM big
    LEFT JOIN fan ON big.message = fan.message
), ranked AS (
    SELECT received_ts, host, queue_id, sender, size, recipients, weight, place, ROW_NUMBER() OVER (ORDER BY -weight, place) AS rank
    FROM weighed
)
SELECT ranked.rank AS rank,
       ranked.received_ts AS received_ts,
       ranked.host AS host,
       ranked.queue_id AS queue_id,
       CASE WHEN ranked.sender = '' THEN '<>' ELSE CAST(ranked.sender AS VARCHAR) END AS sender,
       ranked.size AS size,
       ranked.recipients AS recipients,
       ranked.weight AS weight,
       ROUND(CAST(ranked.weight AS DOUBLE) / NULLIF(whole.weight, 0), 4) AS weight_share,
       amount.large AS large,
       ranked.place AS place
FROM ranked
CROSS JOIN whole
CROSS JOIN amount
CROSS JOIN params
WHERE ranked.rank <= params.top
ORDER BY rank
