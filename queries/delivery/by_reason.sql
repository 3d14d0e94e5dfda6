-- title    = "Why mail was not delivered"
-- question = "What are the causes of failed and delayed deliveries?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "The reason is read from the other server's words, which may be wrong or hide the true one; `undetermined` is where nothing in the reply tells. One delivery can be tried many times, so tries outnumber deliveries. What to do about them is told by delivery/we_are_blocked, delivery/auth_policy and delivery/local_errors."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "undetermined_share"
-- rows     = 20
-- columns  = [
--   { name = "cause", kind = "text", about = "coarse class" },
--   { name = "reason", kind = "text", about = "fine class" },
--   { name = "failed", kind = "count", about = "deliveries bounced or expired for it" },
--   { name = "failed_share", kind = "share", about = "of all failed deliveries" },
--   { name = "open", kind = "count", about = "deliveries still waiting because of it" },
--   { name = "tries", kind = "count", about = "unsuccessful tries" },
--   { name = "deferred_tries", kind = "count", about = "of them put off for another try" },
--   { name = "tries_share", kind = "share", about = "of all unsuccessful tries" },
--   { name = "messages", kind = "count", about = "different messages among the tries" },
--   { name = "recipients", kind = "count", about = "different recipients among the tries" },
--   { name = "domains", kind = "count", about = "different recipient domains among the tries" },
--   { name = "all_failed", kind = "count", about = "failed deliveries in all: the denominator" },
--   { name = "all_tries", kind = "count", about = "unsuccessful tries in all: the denominator" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "first of the lines counted" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.undetermined_share]
-- default = 0.10
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of undetermined tries from which this table should not be relied on"
--
-- [params.min_tries]
-- default = 20
-- unit    = "tries"
-- source  = "mtaudit"
-- about   = "unsuccessful tries below which no share is judged"
--
-- [chart]
-- kind  = "bar"
-- x     = "reason"
-- y     = ["tries"]
-- label = "unsuccessful tries"
-- sorted = true
--
-- [[findings]]
-- severity   = "info"
-- when       = "reason = 'undetermined' AND all_tries >= min_tries AND tries_share > undetermined_share"
-- sentence   = "For {tries} of {all_tries|unsuccessful try|unsuccessful tries} ({tries_share}), nothing in the reply tells why, so the share of any other reason may be higher than shown."
-- thresholds = ["undetermined_share", "min_tries"]
-- evidence   = "SELECT source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND COALESCE(reason, 'undetermined') = 'undetermined'"
-- keys       = []
WITH cases AS (
    SELECT COALESCE(cause, 'undetermined') AS cause, COALESCE(reason, 'undetermined') AS reason,
           1 AS tries, CASE WHEN status = 'deferred' THEN 1 ELSE 0 END AS deferred, 0 AS failed, 0 AS open,
           message, recipient, recipient_domain, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired')
    UNION ALL
    SELECT COALESCE(cause, 'undetermined') AS cause, COALESCE(reason, 'undetermined') AS reason,
           0 AS tries, 0 AS deferred, CASE WHEN outcome = 'open' THEN 0 ELSE 1 END AS failed, CASE WHEN outcome = 'open' THEN 1 ELSE 0 END AS open,
           CAST(NULL AS BIGINT) AS message, CAST(NULL AS VARCHAR) AS recipient, CAST(NULL AS VARCHAR) AS recipient_domain, reply, source, line
    FROM deliveries
    WHERE outcome IN ('bounced', 'expired', 'open')
), classes AS (
    SELECT cause, reason,
           CAST(SUM(failed) AS BIGINT) AS failed,
           CAST(SUM(open) AS BIGINT) AS open,
           CAST(SUM(tries) AS BIGINT) AS tries,
           CAST(SUM(deferred) AS BIGINT) AS deferred_tries,
           COUNT(DISTINCT message) AS messages,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT recipient_domain) AS domains,
           MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM cases
    GROUP BY cause, reason
), summed AS (
    SELECT cause, reason, failed, open, tries, deferred_tries, messages, recipients, domains, example, place,
           CAST(SUM(failed) OVER () AS BIGINT) AS all_failed,
           CAST(SUM(tries) OVER () AS BIGINT) AS all_tries
    FROM classes
)
SELECT cause, reason, failed,
       CASE WHEN all_failed > 0 THEN ROUND(CAST(failed AS DOUBLE) / all_failed, 4) END AS failed_share,
       open, tries, deferred_tries,
       CASE WHEN all_tries > 0 THEN ROUND(CAST(tries AS DOUBLE) / all_tries, 4) END AS tries_share,
       messages, recipients, domains, all_failed, all_tries, example, place
FROM summed
ORDER BY failed DESC, tries DESC, cause, reason
