-- title    = "Dead addresses that are written to again and again"
-- question = "Who keeps sending to addresses that are refused for good?"
-- tables   = ["deliveries"]
-- limits   = "Counted are refusals for good for reasons that lie in the address (no such mailbox or domain), after the last delivery that arrived for the pair of sender and recipient. A server may say an address is unknown when it only dislikes the sender."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "repeats"
-- rows     = 20
-- columns  = [
--   { name = "sender", kind = "text", about = "envelope sender" },
--   { name = "recipient", kind = "text", about = "envelope recipient" },
--   { name = "failures", kind = "count", about = "refusals for good since the last success of the pair" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "successes", kind = "count", about = "deliveries of the pair that arrived before" },
--   { name = "last_success_ts", kind = "time", about = "the last of them" },
--   { name = "first_ts", kind = "time", about = "first of the refusals" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "reason", kind = "text", about = "the last of the reasons by the alphabet" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first of them in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.repeats]
-- default = 3
-- unit    = "refusals"
-- source  = "mtaudit, after the notion of a hard bounce in Sisimai"
-- about   = "refusals of one pair from which it is pointed out"
--
-- [params.min_days]
-- default = 2
-- unit    = "days"
-- source  = "mtaudit: a person tries several times on one day"
-- about   = "days on which they lie"
--
-- [[findings]]
-- severity   = "low"
-- when       = "failures >= repeats AND days >= min_days"
-- sentence   = "{sender} wrote to {recipient|a recipient that is not logged} {failures|time|times} on {days|day|days}, first at {first_ts}, last at {last_ts}, and was refused for good each time ({reason})."
-- advice     = "Take {recipient} off the list or out of the program that sends as {sender}, as large providers count such mail against all of us."
-- thresholds = ["repeats", "min_days"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN sender = '' THEN '<>' ELSE COALESCE(sender, '') END AS sender, COALESCE(recipient, '') AS recipient, source, line FROM deliveries WHERE outcome = 'bounced' AND reason IN ('user-unknown', 'mailbox-inactive', 'moved', 'nxdomain', 'no-mx', 'null-mx')"
-- keys       = ["sender", "recipient"]
WITH refused AS (
    SELECT COALESCE(sender, '') AS sender, COALESCE(recipient, '') AS recipient, last_ts, day, reason, reply, source, line
    FROM deliveries
    WHERE outcome = 'bounced' AND reason IN ('user-unknown', 'mailbox-inactive', 'moved', 'nxdomain', 'no-mx', 'null-mx') AND sender <> ''
), pairs AS (
    SELECT sender, recipient FROM refused GROUP BY sender, recipient HAVING COUNT(*) >= 2
), successes AS (
    SELECT deliveries.sender AS sender, deliveries.recipient AS recipient, COUNT(*) AS successes, MAX(deliveries.last_ts) AS last_success_ts
    FROM deliveries
    JOIN pairs ON deliveries.sender = pairs.sender AND deliveries.recipient = pairs.recipient
    WHERE deliveries.outcome = 'delivered'
    GROUP BY deliveries.sender, deliveries.recipient
), since AS (
    SELECT refused.sender AS sender, refused.recipient AS recipient, refused.last_ts AS last_ts, refused.day AS day, refused.reason AS reason,
           refused.reply AS reply, refused.source AS source, refused.line AS line,
           successes.successes AS successes, successes.last_success_ts AS last_success_ts
    FROM refused
    JOIN pairs ON refused.sender = pairs.sender AND refused.recipient = pairs.recipient
    LEFT JOIN successes ON refused.sender = successes.sender AND refused.recipient = successes.recipient
    WHERE successes.last_success_ts IS NULL OR refused.last_ts > successes.last_success_ts
)
SELECT sender, recipient,
       CAST(COUNT(*) AS BIGINT) AS failures,
       COUNT(DISTINCT day) AS days,
       CAST(COALESCE(MAX(successes), 0) AS BIGINT) AS successes,
       MAX(last_success_ts) AS last_success_ts,
       MIN(last_ts) AS first_ts,
       MAX(last_ts) AS last_ts,
       MAX(reason) AS reason,
       MIN(reply) AS example,
       MIN(source * 10000000000 + line) AS place
FROM since
GROUP BY sender, recipient
ORDER BY failures DESC, sender, recipient
