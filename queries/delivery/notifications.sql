-- title    = "Notices that our server sent"
-- question = "How many notices of failed delivery did our servers send, and did these arrive?"
-- tables   = ["deliveries", "messages"]
-- limits   = "Notices are messages that our servers wrote themselves with the null sender. Many that cannot be delivered, or go outside, are a sign that we answer mail with forged senders. A notice about a notice goes to the postmaster."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "notice_share"
-- rows     = 31
-- columns  = [
--   { name = "day", kind = "date", about = "day on which the notice was written, in the report's time zone" },
--   { name = "accepted", kind = "count", about = "messages taken in on that day, each once" },
--   { name = "notices", kind = "count", about = "notices written" },
--   { name = "share", kind = "share", about = "notices / accepted" },
--   { name = "delivered", kind = "count", about = "deliveries of these notices that arrived" },
--   { name = "failed", kind = "count", about = "deliveries of these notices that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "outward", kind = "count", about = "deliveries of these notices to outside domains" },
--   { name = "double", kind = "count", about = "notices about a notice" },
--   { name = "all_notices", kind = "count", about = "notices in all (the same on every row)" },
--   { name = "all_accepted", kind = "count", about = "messages taken in (the same on every row)" },
--   { name = "all_share", kind = "share", about = "all_notices / all_accepted (the same on every row)" },
--   { name = "all_failed", kind = "count", about = "deliveries of notices that failed for good (the same on every row)" },
--   { name = "all_final", kind = "count", about = "deliveries of notices with a known end (the same on every row)" },
--   { name = "all_double", kind = "count", about = "notices about a notice (the same on every row)" },
--   { name = "first_row", kind = "flag", about = "the first day, which also speaks for the whole period" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL"
-- missing = "the logs hold no accepted message with its time"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.notice_share]
-- default = 0.05
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "notices in the messages taken in, from which it is pointed out"
--
-- [params.failed_share]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "notices that cannot be delivered, from which it is pointed out"
--
-- [params.min_accepted]
-- default = 100
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages below which no share is judged"
--
-- [params.min_final]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "notices with a known end below which no share is judged"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "first_row AND all_final >= min_final AND all_failed >= failed_share * all_final"
-- sentence   = "Of {all_final|delivery|deliveries} of our notices with a known end, {all_failed} failed for good: many notices answer senders that do not exist, which are usually forged. In all we wrote {all_notices|notice|notices} for {all_accepted|message|messages} taken in, {all_double} of them about another notice."
-- advice     = "Refuse unknown recipients and spam while the client is still connected, on every mail exchanger and on the backup too, so that no notice has to be written."
-- thresholds = ["failed_share", "min_final"]
-- evidence   = "SELECT deliveries.source AS source, deliveries.line AS line FROM deliveries JOIN messages ON deliveries.message = messages.message WHERE messages.origin = 'bounce' AND deliveries.outcome IN ('bounced', 'expired')"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "first_row AND all_accepted >= min_accepted AND all_share >= notice_share"
-- sentence   = "Our servers wrote {all_notices|notice|notices} for {all_accepted|message|messages} taken in ({all_share}). Of {all_final|delivery|deliveries} of notices with a known end, {all_failed} failed for good."
-- advice     = "See in delivery/by_reason what fails most, and ask whoever sends to many dead addresses to clean the list."
-- thresholds = ["notice_share", "min_accepted"]
-- evidence   = "SELECT source, line FROM messages WHERE origin = 'bounce'"
-- keys       = []
WITH daily AS (
    SELECT day,
           CAST(COUNT(*) FILTER (WHERE origin NOT IN ('bounce', 'reinjected', 'forwarded')) AS BIGINT) AS accepted,
           CAST(COUNT(*) FILTER (WHERE origin = 'bounce') AS BIGINT) AS notices
    FROM messages
    WHERE day IS NOT NULL
    GROUP BY day
), notices AS (
    SELECT message, parent, day FROM messages WHERE origin = 'bounce' AND day IS NOT NULL
), fates AS (
    SELECT notices.day AS day,
           CAST(COUNT(*) FILTER (WHERE deliveries.outcome = 'delivered') AS BIGINT) AS delivered,
           CAST(COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS BIGINT) AS failed,
           CAST(COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS BIGINT) AS waiting,
           CAST(COUNT(*) FILTER (WHERE deliveries.direction IN ('outbound', 'relayed')) AS BIGINT) AS outward
    FROM notices
    JOIN deliveries ON notices.message = deliveries.message
    WHERE deliveries.outcome <> 'forwarded'
    GROUP BY notices.day
), doubles AS (
    SELECT child.day AS day, CAST(COUNT(*) AS BIGINT) AS n
    FROM notices AS child
    JOIN notices AS older ON child.parent = older.message
    GROUP BY child.day
), joined AS (
    SELECT daily.day AS day, daily.accepted AS accepted, daily.notices AS notices,
           COALESCE(fates.delivered, 0) AS delivered, COALESCE(fates.failed, 0) AS failed,
           COALESCE(fates.waiting, 0) AS waiting, COALESCE(fates.outward, 0) AS outward, COALESCE(doubles.n, 0) AS doubles
    FROM daily
    LEFT JOIN fates ON daily.day = fates.day
    LEFT JOIN doubles ON daily.day = doubles.day
), summed AS (
    SELECT day, accepted, notices, delivered, failed, waiting, outward, doubles,
           CAST(SUM(notices) OVER () AS BIGINT) AS all_notices,
           CAST(SUM(accepted) OVER () AS BIGINT) AS all_accepted,
           CAST(SUM(failed) OVER () AS BIGINT) AS all_failed,
           CAST(SUM(failed + delivered) OVER () AS BIGINT) AS all_final,
           CAST(SUM(doubles) OVER () AS BIGINT) AS all_double,
           MIN(day) OVER () AS first_day
    FROM joined
)
SELECT day, accepted, notices,
       CASE WHEN accepted > 0 THEN ROUND(CAST(notices AS DOUBLE) / accepted, 4) END AS share,
       CAST(delivered AS BIGINT) AS delivered,
       CAST(failed AS BIGINT) AS failed,
       CAST(waiting AS BIGINT) AS waiting,
       CAST(outward AS BIGINT) AS outward,
       CAST(doubles AS BIGINT) AS "double",
       all_notices, all_accepted,
       CASE WHEN all_accepted > 0 THEN ROUND(CAST(all_notices AS DOUBLE) / all_accepted, 4) END AS all_share,
       all_failed, all_final, all_double,
       day = first_day AS first_row
FROM summed
ORDER BY day
