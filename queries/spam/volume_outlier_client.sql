-- title    = "Senders that sent unusually much to one place"
-- question = "Which accounts or addresses of ours sent far more bytes to one domain on a day than they and all others do?"
-- tables   = ["deliveries", "messages"]
-- limits   = "A message to several recipients of one domain counts its size once for each. Large attachments and backups by mail look alike. Days without mail between the two count as no sample. A sample of few days has a wide spread: four are the least."
-- controls = ["ISO/IEC 27001 A.8.12", "ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4(4)"]
-- rows     = 15
-- sensitivity = "min_bytes"
-- columns  = [
--   { name = "sender", kind = "text", about = "login, or envelope sender" },
--   { name = "recipient_domain", kind = "text", about = "domain outside that it went to" },
--   { name = "day", kind = "date", about = "day" },
--   { name = "bytes", kind = "bytes", about = "bytes sent there on that day" },
--   { name = "messages", kind = "count", about = "messages on that day" },
--   { name = "usual_bytes", kind = "bytes", about = "mean of its other days to this domain" },
--   { name = "own_limit", kind = "bytes", about = "that mean and three times its standard deviation" },
--   { name = "all_limit", kind = "bytes", about = "the same of all senders and domains" },
--   { name = "samples", kind = "count", about = "its other days to this domain" },
--   { name = "place", kind = "place", about = "line of the first message of that day in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('submission', 'smtp', 'local')"
-- missing = "the logs hold no message that came in here"
-- remedy  = "the log of the server that users and applications hand mail to, at level info of the facility mail"
--
-- [params.sigmas]
-- default = 3.0
-- unit    = "standard deviations"
-- source  = "Splunk ESCU, email_servers_sending_high_volume_traffic_to_hosts: mean + 3 standard deviations"
-- about   = "deviation above which a day is unusual"
--
-- [params.min_samples]
-- default = 4
-- unit    = "days"
-- source  = "Splunk ESCU, the same: at least 4 samples"
-- about   = "other days from which the own mean counts"
--
-- [params.min_bytes]
-- default = 10000000
-- unit    = "bytes"
-- source  = "mtaudit: less is one large attachment"
-- about   = "bytes in a day below which nothing is said"
--
-- [[findings]]
-- severity   = "low"
-- when       = "bytes >= min_bytes AND samples >= min_samples AND bytes > own_limit AND bytes > all_limit"
-- sentence   = "On {day}, {sender} sent {bytes} to {recipient_domain} in {messages|message|messages}. On {samples|other day|other days} it sent {usual_bytes} there on average; three standard deviations more would be {own_limit}."
-- advice     = "Ask the owner of {sender} what was sent to {recipient_domain}, and look at the account's logins of that day if nobody knows."
-- thresholds = ["sigmas", "min_samples", "min_bytes"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS sender, day, source, line FROM messages WHERE origin IN ('submission', 'smtp', 'local') AND (auth_user <> '' OR sender <> '')"
-- keys       = ["sender", "day"]
WITH ours AS (
    SELECT message, CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS who,
           COALESCE(size, 0) AS size, received_ts, day, hour_of_day, source, line
    FROM messages
    WHERE origin IN ('submission', 'smtp', 'local') AND (auth_user <> '' OR (direction IN ('outbound', 'internal') AND sender <> ''))
), daily AS (
    SELECT ours.who AS who, deliveries.recipient_domain AS recipient_domain, ours.day AS day, CAST(SUM(ours.size) AS DOUBLE) AS bytes,
           COUNT(DISTINCT ours.message) AS messages, MIN(ours.source * 10000000000 + ours.line) AS place
    FROM ours
    JOIN deliveries ON ours.message = deliveries.message
    WHERE deliveries.direction = 'outbound' AND deliveries.recipient_domain <> ''
    GROUP BY ours.who, deliveries.recipient_domain, ours.day
), sums AS (
    -- Sums of all days, from which the day itself is taken out again.
    SELECT who, recipient_domain, CAST(COUNT(*) AS DOUBLE) AS n, SUM(bytes) AS total, SUM(bytes * bytes) AS squares FROM daily GROUP BY who, recipient_domain
), every AS (
    SELECT CAST(COUNT(*) AS DOUBLE) AS n, SUM(bytes) AS total, SUM(bytes * bytes) AS squares FROM daily
), others AS (
    SELECT daily.who AS who, daily.recipient_domain AS recipient_domain, daily.day AS day, daily.bytes AS bytes, daily.messages AS messages, daily.place AS place,
           sums.n - 1 AS n, sums.total - daily.bytes AS total, sums.squares - daily.bytes * daily.bytes AS squares,
           every.n - 1 AS all_n, every.total - daily.bytes AS all_total, every.squares - daily.bytes * daily.bytes AS all_squares
    FROM daily
    JOIN sums ON daily.who = sums.who AND daily.recipient_domain = sums.recipient_domain
    CROSS JOIN every
    WHERE daily.bytes >= 1000000 AND sums.n >= 2
), spreads AS (
    SELECT who, recipient_domain, day, bytes, messages, place, n, total / n AS mean, all_total / all_n AS all_mean,
           CASE WHEN n > 1 AND squares > total * total / n THEN SQRT((squares - total * total / n) / (n - 1)) ELSE 0.0 END AS deviation,
           CASE WHEN all_n > 1 AND all_squares > all_total * all_total / all_n THEN SQRT((all_squares - all_total * all_total / all_n) / (all_n - 1)) ELSE 0.0 END AS all_deviation
    FROM others
), limits AS (
    SELECT spreads.who AS who, spreads.recipient_domain AS recipient_domain, spreads.day AS day, spreads.bytes AS bytes, spreads.messages AS messages,
           spreads.place AS place, spreads.n AS n, spreads.mean AS mean,
           spreads.mean + params.sigmas * spreads.deviation AS own_limit, spreads.all_mean + params.sigmas * spreads.all_deviation AS all_limit
    FROM spreads
    CROSS JOIN params
)
SELECT who AS sender,
       recipient_domain,
       day,
       CAST(bytes AS BIGINT) AS bytes,
       messages,
       CAST(ROUND(mean, 0) AS BIGINT) AS usual_bytes,
       CAST(ROUND(own_limit, 0) AS BIGINT) AS own_limit,
       CAST(ROUND(all_limit, 0) AS BIGINT) AS all_limit,
       CAST(n AS BIGINT) AS samples,
       place
FROM limits
WHERE bytes > own_limit
ORDER BY bytes DESC, sender, recipient_domain, day
