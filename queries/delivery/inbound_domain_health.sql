-- title    = "Are we still receiving?"
-- question = "Does each of our domains get the mail that it usually gets at this time of day?"
-- tables   = ["deliveries"]
-- limits   = "The last six hours of the logs against the same hours of the days before, whatever the weekday; how many of those days had none is counted beside. Which domains are ours is read from the logs unless `--local-domain` says so. Logs that are cut off before the end of a day compare the hours before the cut."
-- controls = ["ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.8.14"]
-- sensitivity = "min_usual"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of ours" },
--   { name = "last_hours", kind = "count", about = "deliveries that arrived in the last six hours of the logs" },
--   { name = "usual", kind = "number", unit = "deliveries", about = "deliveries that arrived in the same six hours, on average" },
--   { name = "days", kind = "count", about = "days before with which it is compared" },
--   { name = "days_without", kind = "count", about = "of them days with none in these hours" },
--   { name = "delivered", kind = "count", about = "deliveries that arrived in the whole period" },
--   { name = "first_ts", kind = "time", about = "first of them" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "logs_end", kind = "time", about = "last line of a delivery in the logs" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "direction IN ('inbound', 'internal') AND outcome = 'delivered'"
-- missing = "the logs hold no delivery to a domain of ours"
-- remedy  = "lines of lmtp, local and virtual, and `--local-domain` with the names of our domains"
--
-- [params.min_usual]
-- default = 5
-- unit    = "deliveries"
-- source  = "mtaudit, after the six hours of Exchange Online"
-- about   = "usual deliveries in six hours below which silence says nothing"
--
-- [params.min_days]
-- default = 7
-- unit    = "days"
-- source  = "mtaudit: each weekday once"
-- about   = "days below which nothing is said"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "last_hours = 0 AND usual >= min_usual AND days >= min_days AND days_without = 0"
-- sentence   = "Nothing arrived for {recipient_domain} in the last six hours of the logs (until {logs_end}), though on each of the {days|day|days} before some mail did at these hours, {usual} on average. The last arrived at {last_ts}."
-- advice     = "Check the MX records of {recipient_domain} from outside, and that port 25 of the servers they name can be reached."
-- thresholds = ["min_usual", "min_days"]
-- limit      = 10
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM deliveries WHERE direction IN ('inbound', 'internal') AND outcome = 'delivered'"
-- keys       = ["recipient_domain"]
WITH logs AS (
    SELECT MAX(minute) AS end_minute, MAX(last_ts) AS logs_end, MIN(minute) AS first_minute FROM deliveries
), arrived AS (
    SELECT COALESCE(deliveries.recipient_domain, '') AS recipient_domain, deliveries.last_ts AS ts, logs.end_minute - deliveries.minute AS age,
           deliveries.source * 10000000000 + deliveries.line AS place
    FROM deliveries
    CROSS JOIN logs
    WHERE deliveries.direction IN ('inbound', 'internal') AND deliveries.outcome = 'delivered'
), grouped AS (
    SELECT recipient_domain,
           CAST(COUNT(*) FILTER (WHERE age < 360) AS BIGINT) AS last_hours,
           CAST(COUNT(*) FILTER (WHERE age >= 1440 AND age % 1440 < 360) AS BIGINT) AS same_hours,
           COUNT(DISTINCT CASE WHEN age >= 1440 AND age % 1440 < 360 THEN age - age % 1440 END) AS days_with,
           CAST(COUNT(*) AS BIGINT) AS delivered, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(place) AS place
    FROM arrived
    GROUP BY recipient_domain
), span AS (
    -- Only windows that lie in the logs as a whole.
    SELECT CAST(FLOOR((end_minute - first_minute - 359) / 1440.0) AS BIGINT) AS days, logs_end FROM logs
)
SELECT grouped.recipient_domain AS recipient_domain,
       grouped.last_hours AS last_hours,
       CASE WHEN span.days > 0 THEN ROUND(CAST(grouped.same_hours AS DOUBLE) / span.days, 1) END AS usual,
       CASE WHEN span.days > 0 THEN span.days ELSE 0 END AS days,
       CASE WHEN span.days > grouped.days_with THEN CAST(span.days - grouped.days_with AS BIGINT) ELSE 0 END AS days_without,
       grouped.delivered AS delivered,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       span.logs_end AS logs_end,
       grouped.place AS place
FROM grouped
CROSS JOIN span
ORDER BY last_hours, delivered DESC, recipient_domain
