-- title    = "What greylisting cost"
-- question = "Did the mail that was put off at first sight come through, and after how long?"
-- tables   = ["attempts", "deliveries", "messages", "rejections"]
-- limits   = "By us: a sender and recipient that our server put off; it came through when a message of that sender for that recipient was taken in later. By others: our deliveries that another server put off so. A try counts as given up when nothing followed within 24 hours; of spam that is the purpose."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_lost"
-- rows     = 20
-- columns  = [
--   { name = "by", kind = "text", about = "`us`, or `others`" },
--   { name = "domain", kind = "text", about = "sender domain (by us), or recipient domain (by others)" },
--   { name = "put_off", kind = "count", about = "pairs of sender and recipient (by us), or deliveries (by others)" },
--   { name = "passed", kind = "count", about = "came through" },
--   { name = "given_up", kind = "count", about = "did not, within 24 hours or for good" },
--   { name = "pending", kind = "count", about = "put off less than 24 hours before the end of the logs" },
--   { name = "passed_share", kind = "share", about = "passed / (passed + given up)" },
--   { name = "median_seconds", kind = "seconds", about = "half of those that passed took at most so long" },
--   { name = "longest_seconds", kind = "seconds", about = "the longest" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["attempts"]
-- missing = "the logs hold neither a refusal nor a delivery attempt"
-- remedy  = "lines of smtpd, postscreen and smtp at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_lost]
-- default = 3
-- unit    = "pairs"
-- source  = "mtaudit"
-- about   = "mails lost to greylisting from which a domain that otherwise passes is pointed out"
--
-- [[findings]]
-- severity   = "low"
-- when       = "by = 'us' AND passed > 0 AND given_up >= min_lost"
-- sentence   = "Our greylisting put off {put_off|pair|pairs} of sender and recipient from {domain|the null sender <>}; {passed} came through, half of them within {median_seconds}, but {given_up} did not within 24 hours. As {domain|this sender} does try again, wanted mail may be among them."
-- advice     = "Exempt {domain|this sender} from greylisting if it is a partner or a large provider, which tries again from changing addresses."
-- thresholds = ["min_lost"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(sender_domain, '') AS domain, source, line FROM rejections WHERE reason = 'greylist' AND action IN ('reject', 'defer')"
-- keys       = ["domain"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "by = 'others' AND given_up >= min_lost"
-- sentence   = "{domain|A destination without a domain} put off {put_off|delivery|deliveries} at first sight: {given_up} failed for good, while {passed} arrived (median wait {median_seconds|unknown})."
-- advice     = "Check that our servers try {domain} again from the same address and soon enough (`minimal_backoff_time`), and ask its postmaster to exempt us."
-- thresholds = ["min_lost"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS domain, source, line FROM attempts WHERE reason = 'greylist' AND status = 'deferred'"
-- keys       = ["domain"]
WITH put_off AS (
    SELECT COALESCE(sender_domain, '') AS domain, sender, COALESCE(recipient, '') AS recipient,
           MIN(minute * 60 + EXTRACT(SECOND FROM ts)) AS first_second, MIN(minute) AS first_minute, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM rejections
    WHERE reason = 'greylist' AND action IN ('reject', 'defer') AND sender IS NOT NULL
    GROUP BY COALESCE(sender_domain, ''), sender, COALESCE(recipient, '')
), hits AS (
    SELECT put_off.sender AS sender, put_off.recipient AS recipient, put_off.first_ts AS first_ts, attempts.message AS message
    FROM attempts
    JOIN put_off ON attempts.recipient = put_off.recipient AND attempts.sender = put_off.sender
    UNION ALL
    SELECT put_off.sender AS sender, put_off.recipient AS recipient, put_off.first_ts AS first_ts, attempts.message AS message
    FROM attempts
    JOIN put_off ON attempts.orig_recipient = put_off.recipient AND attempts.sender = put_off.sender
), came AS (
    SELECT hits.sender AS sender, hits.recipient AS recipient,
           MIN(messages.minute * 60 + EXTRACT(SECOND FROM messages.received_ts)) AS came_second
    FROM hits
    JOIN messages ON hits.message = messages.message
    WHERE messages.received_ts >= hits.first_ts
    GROUP BY hits.sender, hits.recipient
), ends AS (
    SELECT MAX(minute) AS end_minute FROM (SELECT minute FROM attempts UNION ALL SELECT minute FROM rejections) AS all_minutes
), ours AS (
    SELECT put_off.domain AS domain, put_off.first_ts AS first_ts, put_off.last_ts AS last_ts, put_off.place AS place,
           came.came_second - put_off.first_second AS seconds,
           CASE WHEN came.came_second IS NOT NULL THEN 1 WHEN ends.end_minute - put_off.first_minute >= 1440 THEN 2 ELSE 3 END AS fate
    FROM put_off
    CROSS JOIN ends
    LEFT JOIN came ON put_off.sender = came.sender AND put_off.recipient = came.recipient
), theirs_off AS (
    SELECT message, recipient, COALESCE(recipient_domain, '') AS domain, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM attempts
    WHERE reason = 'greylist' AND status = 'deferred'
    GROUP BY message, recipient, COALESCE(recipient_domain, '')
), theirs AS (
    SELECT theirs_off.domain AS domain, theirs_off.first_ts AS first_ts, theirs_off.last_ts AS last_ts, theirs_off.place AS place,
           CASE WHEN deliveries.outcome = 'delivered' THEN deliveries.seconds END AS seconds,
           CASE WHEN deliveries.outcome = 'delivered' THEN 1 WHEN deliveries.outcome IN ('bounced', 'expired') THEN 2 ELSE 3 END AS fate
    FROM theirs_off
    JOIN deliveries ON theirs_off.message = deliveries.message AND theirs_off.recipient = deliveries.recipient
), both_sides AS (
    SELECT 'us' AS by_whom, domain, first_ts, last_ts, place, CAST(seconds AS DOUBLE) AS seconds, fate FROM ours
    UNION ALL
    SELECT 'others' AS by_whom, domain, first_ts, last_ts, place, CAST(seconds AS DOUBLE) AS seconds, fate FROM theirs
), grouped AS (
    SELECT by_whom, domain,
           CAST(COUNT(*) AS BIGINT) AS put_off,
           CAST(COUNT(*) FILTER (WHERE fate = 1) AS BIGINT) AS passed,
           CAST(COUNT(*) FILTER (WHERE fate = 2) AS BIGINT) AS given_up,
           CAST(COUNT(*) FILTER (WHERE fate = 3) AS BIGINT) AS pending,
           QUANTILE_CONT(seconds, 0.5) AS median_seconds,
           MAX(seconds) AS longest_seconds,
           MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts, MIN(place) AS place
    FROM both_sides
    GROUP BY by_whom, domain
)
SELECT by_whom AS "by", domain, put_off, passed, given_up, pending,
       CASE WHEN passed + given_up > 0 THEN ROUND(CAST(passed AS DOUBLE) / (passed + given_up), 4) END AS passed_share,
       ROUND(median_seconds, 1) AS median_seconds,
       ROUND(longest_seconds, 1) AS longest_seconds,
       first_ts, last_ts, place
FROM grouped
ORDER BY by_whom DESC, put_off DESC, domain
