-- title    = "Domains of ours whose mail the world does not want"
-- question = "From which of our sender domains did most of an hour's mail fail or have to wait?"
-- tables   = ["deliveries", "messages"]
-- limits   = "Counts outgoing recipients by the hour in which the message came in, in the report's time zone. Deferred is what was tried more than once or is still open. One large destination that is down has the same effect: see the main reason. With a content filter, its hop is left out."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "min_bad"
-- columns  = [
--   { name = "sender_domain", kind = "text", about = "domain of the envelope sender" },
--   { name = "hour", kind = "time", about = "hour in which its messages came in" },
--   { name = "recipients", kind = "count", about = "recipients outside" },
--   { name = "failed", kind = "count", about = "of them bounced or expired" },
--   { name = "deferred", kind = "count", about = "of them deferred at least once, and not failed" },
--   { name = "bad_share", kind = "share", about = "(failed + deferred) / recipients" },
--   { name = "domains", kind = "count", about = "different recipient domains of those" },
--   { name = "main_reason", kind = "text", about = "most frequent reason of those" },
--   { name = "bad_hours", kind = "count", about = "hours in which it was so, with as many recipients" },
--   { name = "place", kind = "place", about = "line of the first delivery in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "direction = 'outbound'"
-- missing = "the logs hold no delivery to the outside"
-- remedy  = "the log of the server that sends to the outside, at level info of the facility mail"
--
-- [params.max_share]
-- default = 0.5
-- unit    = "of the recipients"
-- source  = "mtaudit, after cPanel: a share and a minimum number an hour"
-- about   = "share above which an hour is bad"
--
-- [params.min_bad]
-- default = 10
-- unit    = "recipients"
-- source  = "mtaudit, after cPanel: a share and a minimum number an hour"
-- about   = "failed and deferred recipients from which it is judged"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "failed + deferred >= min_bad AND bad_share > max_share AND domains >= 3"
-- sentence   = "In its worst hour, from {hour} on, {bad_share} of the recipients of mail from {sender_domain|the null sender} failed or had to wait: of {recipients|recipient|recipients}, {failed} failed and {deferred} had to wait, at {domains|domain|domains}, mostly for {main_reason|no known reason}."
-- advice     = "Look at the replies (delivery/by_reason): a block list or spam means that something of {sender_domain|ours} sends what nobody wants; resolver or network means that the fault is ours."
-- thresholds = ["max_share", "min_bad"]
-- limit      = 5
-- evidence   = "SELECT sender_domain, source, line FROM deliveries WHERE direction = 'outbound' AND (outcome IN ('bounced', 'expired', 'open') OR attempts > 1)"
-- keys       = ["sender_domain"]
WITH tried AS (
    SELECT COALESCE(deliveries.sender_domain, '') AS sender_domain, messages.hour AS hour, deliveries.recipient_domain AS recipient_domain, COALESCE(deliveries.reason, 'undetermined') AS reason,
           CASE WHEN deliveries.outcome IN ('bounced', 'expired') THEN 1 ELSE 0 END AS failed,
           CASE WHEN deliveries.outcome NOT IN ('bounced', 'expired') AND (deliveries.outcome = 'open' OR deliveries.attempts > 1) THEN 1 ELSE 0 END AS deferred,
           deliveries.source AS source, deliveries.line AS line
    FROM deliveries
    JOIN messages ON deliveries.message = messages.message
    WHERE deliveries.direction = 'outbound' AND deliveries.outcome <> 'forwarded' AND deliveries.sender_domain <> ''
), hourly AS (
    SELECT sender_domain, hour, CAST(COUNT(*) AS BIGINT) AS recipients, CAST(SUM(failed) AS BIGINT) AS failed, CAST(SUM(deferred) AS BIGINT) AS deferred,
           COUNT(DISTINCT CASE WHEN failed + deferred > 0 THEN recipient_domain END) AS domains, MIN(source * 10000000000 + line) AS place
    FROM tried
    GROUP BY sender_domain, hour
), rated AS (
    SELECT sender_domain, hour, recipients, failed, deferred, domains, place, CAST(failed + deferred AS DOUBLE) / recipients AS share
    FROM hourly
    WHERE failed + deferred >= 5
), ranked AS (
    SELECT sender_domain, hour, recipients, failed, deferred, domains, place, share, ROW_NUMBER() OVER (PARTITION BY sender_domain ORDER BY -share, hour) AS no FROM rated
), bad_hours AS (
    SELECT rated.sender_domain AS sender_domain, COUNT(*) AS n
    FROM rated
    CROSS JOIN params
    WHERE rated.share > params.max_share AND rated.failed + rated.deferred >= params.min_bad
    GROUP BY rated.sender_domain
), worst AS (
    SELECT sender_domain, hour, recipients, failed, deferred, domains, place, share FROM ranked WHERE no = 1
), reasons AS (
    SELECT worst.sender_domain AS sender_domain, tried.reason AS reason, CAST(COUNT(*) AS BIGINT) AS n
    FROM worst
    JOIN tried ON worst.sender_domain = tried.sender_domain AND worst.hour = tried.hour
    WHERE tried.failed + tried.deferred > 0
    GROUP BY worst.sender_domain, tried.reason
), ranked_reasons AS (
    SELECT sender_domain, reason, ROW_NUMBER() OVER (PARTITION BY sender_domain ORDER BY -n, reason) AS no FROM reasons
), main_reasons AS (
    SELECT sender_domain, reason FROM ranked_reasons WHERE no = 1
)
SELECT worst.sender_domain AS sender_domain,
       worst.hour AS hour,
       worst.recipients AS recipients,
       worst.failed AS failed,
       worst.deferred AS deferred,
       ROUND(worst.share, 4) AS bad_share,
       worst.domains AS domains,
       main_reasons.reason AS main_reason,
       CAST(COALESCE(bad_hours.n, 0) AS BIGINT) AS bad_hours,
       worst.place AS place
FROM worst
JOIN main_reasons ON worst.sender_domain = main_reasons.sender_domain
LEFT JOIN bad_hours ON worst.sender_domain = bad_hours.sender_domain
ORDER BY bad_share DESC, recipients DESC, sender_domain
