-- title    = "Failures by status code"
-- question = "Which codes did other servers give when they did not take our mail?"
-- tables   = ["attempts"]
-- limits   = "Codes as sent by the other server or, where none was sent, as set by our own; many providers use one code for many reasons. For the reason in words see delivery/by_reason."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- rows     = 20
-- columns  = [
--   { name = "status", kind = "text", about = "deferred, bounced or expired" },
--   { name = "dsn", kind = "text", about = "enhanced status code (RFC 3463)" },
--   { name = "reply_code", kind = "count", about = "basic reply code (RFC 5321); null when no server answered" },
--   { name = "tries", kind = "count", about = "unsuccessful tries with these codes" },
--   { name = "share", kind = "share", about = "of all unsuccessful tries" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "domains", kind = "count", about = "different recipient domains" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "first_ts", kind = "time", about = "first try" },
--   { name = "last_ts", kind = "time", about = "last try" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "first of the lines counted" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
WITH codes AS (
    SELECT status,
           COALESCE(dsn, '') AS dsn,
           COALESCE(reply_code, 0) AS code,
           COUNT(*) AS tries,
           COUNT(DISTINCT message) AS messages,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT recipient_domain) AS domains,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired')
    GROUP BY status, COALESCE(dsn, ''), COALESCE(reply_code, 0)
), summed AS (
    SELECT status, dsn, code, tries, messages, recipients, domains, days, first_ts, last_ts, example, place,
           SUM(tries) OVER () AS all_tries
    FROM codes
)
SELECT status, dsn,
       CASE WHEN code > 0 THEN code END AS reply_code,
       tries,
       ROUND(CAST(tries AS DOUBLE) / all_tries, 4) AS share,
       messages, recipients, domains, days, first_ts, last_ts, example, place
FROM summed
ORDER BY tries DESC, status, dsn, COALESCE(code, 0)
