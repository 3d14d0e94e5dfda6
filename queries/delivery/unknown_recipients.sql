-- title    = "Addresses that do not exist"
-- question = "Which wrong addresses is mail sent to, by us and to us?"
-- tables   = ["deliveries", "rejections"]
-- limits   = "`sent by us` rests on the words of the server that refused the delivery; `refused by us` is what outside clients tried at our door, mostly guessing. A server may say an address is unknown when it only dislikes the sender."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "repeats"
-- rows     = 20
-- columns  = [
--   { name = "kind", kind = "text", about = "`sent by us`: our delivery was refused for good; `refused by us`: our server refused the recipient" },
--   { name = "recipient", kind = "text", about = "the address" },
--   { name = "times", kind = "count", about = "deliveries refused, or refusals" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "clients", kind = "count", about = "different client addresses (refused by us only)" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first of them in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- or      = ["rejections"]
-- missing = "the logs hold neither a delivery nor a refusal"
-- remedy  = "lines of smtpd, smtp, lmtp and local at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.repeats]
-- default = 3
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "refused deliveries to one address from which it is pointed out"
--
-- [[findings]]
-- severity   = "low"
-- when       = "kind = 'sent by us' AND times >= repeats"
-- sentence   = "{times|mail was|mails were} sent to {recipient} by {senders|sender|different senders} on {days|day|days}, though the address does not exist according to its server. It should be corrected or taken off the list."
-- advice     = "Ask the senders to correct {recipient} or take it off their list; where a program sends, let it act on bounces."
-- thresholds = ["repeats"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient, '') AS recipient, source, line FROM deliveries WHERE outcome = 'bounced' AND reason = 'user-unknown'"
-- keys       = ["recipient"]
WITH our_pairs AS (
    -- Once for each pair and day, so that no recipient has to keep a set of senders.
    SELECT COALESCE(recipient, '') AS recipient, sender, day,
           COUNT(*) AS times, MIN(last_ts) AS first_ts, MAX(last_ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM deliveries
    WHERE outcome = 'bounced' AND reason = 'user-unknown'
    GROUP BY COALESCE(recipient, ''), sender, day
), ours AS (
    SELECT recipient,
           SUM(times) AS times,
           COUNT(DISTINCT day) AS days,
           COUNT(DISTINCT sender) AS senders,
           MIN(first_ts) AS first_ts,
           MAX(last_ts) AS last_ts,
           MIN(example) AS example,
           MIN(place) AS place
    FROM our_pairs
    GROUP BY recipient
), their_pairs AS (
    SELECT COALESCE(recipient, '') AS recipient, sender, client_ip, day,
           COUNT(*) AS times, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM rejections
    WHERE reason = 'user-unknown' AND action IN ('reject', 'defer')
    GROUP BY COALESCE(recipient, ''), sender, client_ip, day
), theirs AS (
    SELECT recipient,
           SUM(times) AS times,
           COUNT(DISTINCT day) AS days,
           COUNT(DISTINCT sender) AS senders,
           COUNT(DISTINCT client_ip) AS clients,
           MIN(first_ts) AS first_ts,
           MAX(last_ts) AS last_ts,
           MIN(example) AS example,
           MIN(place) AS place
    FROM their_pairs
    GROUP BY recipient
), counted AS (
    SELECT 'sent by us' AS kind, recipient, CAST(times AS BIGINT) AS times, CAST(days AS BIGINT) AS days,
           CAST(senders AS BIGINT) AS senders, CAST(NULL AS BIGINT) AS clients, first_ts, last_ts, example, place
    FROM ours
    UNION ALL
    SELECT 'refused by us' AS kind, recipient, CAST(times AS BIGINT) AS times, CAST(days AS BIGINT) AS days,
           CAST(senders AS BIGINT) AS senders, CAST(clients AS BIGINT) AS clients, first_ts, last_ts, example, place
    FROM theirs
)
SELECT kind, recipient, times, days, senders, clients, first_ts, last_ts, example, place
FROM counted
ORDER BY kind DESC, times DESC, recipient
