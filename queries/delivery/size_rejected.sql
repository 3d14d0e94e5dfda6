-- title    = "Mail that was too big"
-- question = "Whose mail was refused for its size, by us or by others?"
-- tables   = ["deliveries", "rejections"]
-- limits   = "Refused by us: the size is not logged when the client only announced it. Refused by others: our limit lets pass what theirs does not."
-- controls = ["ISO/IEC 27001 A.8.6", "ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_times"
-- rows     = 20
-- columns  = [
--   { name = "side", kind = "text", about = "`refused by us` or `refused by others`" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "times", kind = "count", about = "deliveries that failed, or commands refused" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "smallest", kind = "bytes", about = "smallest message among them, where the size is known" },
--   { name = "largest", kind = "bytes", about = "largest" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "first line in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- or      = ["rejections"]
-- missing = "the logs hold neither a delivery nor a refusal"
-- remedy  = "lines of smtpd, smtp, lmtp and local at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_times]
-- default = 3
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "refusals of one sender from which it is pointed out"
--
-- [[findings]]
-- severity   = "low"
-- when       = "side = 'refused by others' AND times >= min_times"
-- sentence   = "{recipient_domain} refused mail from {sender} for its size {times|time|times}; the smallest message refused had {smallest|an unknown size}, the largest {largest|an unknown size}."
-- advice     = "Ask {sender} to send a link in place of the file; do not raise our own limit above what most receivers take."
-- thresholds = ["min_times"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN sender = '' THEN '<>' ELSE COALESCE(sender, 'not logged') END AS sender, COALESCE(recipient_domain, 'not logged') AS recipient_domain, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired') AND reason = 'size'"
-- keys       = ["sender", "recipient_domain"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "times >= min_times"
-- sentence   = "Our server refused mail from {sender} for {recipient_domain} for its size {times|time|times}."
-- advice     = "If {sender} is a partner, agree on another way for large files, or raise `message_size_limit` on all our hosts and filters alike."
-- thresholds = ["min_times"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN sender = '' THEN '<>' ELSE COALESCE(sender, 'not logged') END AS sender, COALESCE(recipient_domain, 'not logged') AS recipient_domain, source, line FROM rejections WHERE action IN ('reject', 'defer') AND reason = 'size'"
-- keys       = ["sender", "recipient_domain"]
WITH events AS (
    SELECT 'refused by others' AS side, CASE WHEN sender = '' THEN '<>' ELSE COALESCE(sender, 'not logged') END AS sender,
           COALESCE(recipient_domain, 'not logged') AS recipient_domain, recipient, size, last_ts AS ts, reply, source, line
    FROM deliveries
    WHERE outcome IN ('bounced', 'expired') AND reason = 'size'
    UNION ALL
    SELECT 'refused by us' AS side, CASE WHEN sender = '' THEN '<>' ELSE COALESCE(sender, 'not logged') END AS sender,
           COALESCE(recipient_domain, 'not logged') AS recipient_domain, recipient, CAST(NULL AS BIGINT) AS size, ts, reply, source, line
    FROM rejections
    WHERE action IN ('reject', 'defer') AND reason = 'size'
)
SELECT side, sender, recipient_domain,
       CAST(COUNT(*) AS BIGINT) AS times,
       COUNT(DISTINCT recipient) AS recipients,
       MIN(size) AS smallest,
       MAX(size) AS largest,
       MIN(ts) AS first_ts,
       MAX(ts) AS last_ts,
       MIN(reply) AS example,
       MIN(source * 10000000000 + line) AS place
FROM events
GROUP BY side, sender, recipient_domain
ORDER BY side, times DESC, sender, recipient_domain
