-- title    = "Mailboxes that are full"
-- question = "Which mailboxes took no mail because they are full, and are they ours?"
-- tables   = ["attempts", "deliveries", "rejections"]
-- limits   = "As the replies say; some servers call a mailbox full that nobody reads any more. A mailbox is ours when our server refused the recipient, or when the logs tell that its domain is ours."
-- controls = ["ISO/IEC 27001 A.8.6", "ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_mails"
-- rows     = 20
-- columns  = [
--   { name = "recipient", kind = "text", about = "the mailbox" },
--   { name = "ours", kind = "flag", about = "it is on our side" },
--   { name = "mails", kind = "count", about = "deliveries concerned, and recipients refused by our server" },
--   { name = "tries", kind = "count", about = "tries that failed for it" },
--   { name = "lost", kind = "count", about = "deliveries that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "refused", kind = "count", about = "refused by our server at the door" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "last_delivered_ts", kind = "time", about = "last delivery that arrived" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- or      = ["rejections"]
-- missing = "the logs hold neither a delivery attempt nor a refusal"
-- remedy  = "lines of smtpd, smtp, lmtp and local at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_mails]
-- default = 10
-- unit    = "mails"
-- source  = "mtaudit"
-- about   = "mails kept from a mailbox of ours from which it is more than a nuisance"
--
-- [params.one_mail]
-- default = 1
-- unit    = "mails"
-- source  = "mtaudit"
-- about   = "mails kept from a mailbox of ours from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "ours AND lost + waiting + refused >= min_mails"
-- sentence   = "Our mailbox {recipient|without a name} was full: {mails|mail was|mails were} put off or refused on {days|day|days}, first at {first_ts}, last at {last_ts}. Of these, {lost} failed for good, {waiting} still waited when the logs ended, and {refused} had been refused at the door."
-- advice     = "Give {recipient} more room or have its owner tidy up, and tell the owner that mail was sent back to its senders meanwhile."
-- thresholds = ["min_mails"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient, '') AS recipient, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'mailbox-full' UNION ALL SELECT COALESCE(recipient, '') AS recipient, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason = 'mailbox-full'"
-- keys       = ["recipient"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "ours AND lost + waiting + refused >= one_mail"
-- sentence   = "Our mailbox {recipient|without a name} was full: {mails|mail was|mails were} put off or refused, first at {first_ts}, last at {last_ts}. Of these, {lost} failed for good, {waiting} still waited when the logs ended, and {refused} had been refused at the door."
-- advice     = "Have the owner of {recipient} tidy up, or give the mailbox more room."
-- thresholds = ["one_mail"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient, '') AS recipient, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'mailbox-full' UNION ALL SELECT COALESCE(recipient, '') AS recipient, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason = 'mailbox-full'"
-- keys       = ["recipient"]
WITH events AS (
    SELECT COALESCE(recipient, '') AS recipient, message, 0 AS refused, ts, day, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'mailbox-full'
    UNION ALL
    SELECT COALESCE(recipient, '') AS recipient, CAST(NULL AS BIGINT) AS message, 1 AS refused, ts, day, reply, source, line
    FROM rejections
    WHERE action IN ('reject', 'defer') AND reason = 'mailbox-full'
), grouped AS (
    SELECT recipient,
           CAST(COUNT(message) AS BIGINT) AS tries, CAST(COUNT(DISTINCT message) AS BIGINT) AS messages, CAST(SUM(refused) AS BIGINT) AS refused,
           COUNT(DISTINCT day) AS days, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM events
    GROUP BY recipient
), touched AS (
    SELECT DISTINCT recipient, message FROM events WHERE message IS NOT NULL
), fates AS (
    SELECT touched.recipient AS recipient,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting,
           COUNT(*) FILTER (WHERE deliveries.direction IN ('inbound', 'internal')) AS inward
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message
    WHERE touched.recipient = deliveries.recipient
    GROUP BY touched.recipient
), arrived AS (
    SELECT deliveries.recipient AS recipient, MAX(deliveries.last_ts) AS last_delivered_ts
    FROM deliveries
    JOIN grouped ON deliveries.recipient = grouped.recipient
    WHERE deliveries.outcome = 'delivered'
    GROUP BY deliveries.recipient
)
SELECT grouped.recipient AS recipient,
       COALESCE(fates.inward, 0) > 0 OR grouped.refused > 0 AS ours,
       grouped.messages + grouped.refused AS mails,
       grouped.tries AS tries,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost,
       CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       grouped.refused AS refused,
       grouped.days AS days,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       arrived.last_delivered_ts AS last_delivered_ts,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
LEFT JOIN fates ON grouped.recipient = fates.recipient
LEFT JOIN arrived ON grouped.recipient = arrived.recipient
ORDER BY mails DESC, recipient
