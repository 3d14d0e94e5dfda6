-- title    = "Who slows us down"
-- question = "Which providers tell us that we send too much or too fast?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "A provider is the domain below which its servers have their names, so one provider under several domains is several here. A temporary refusal that gives no reason is not counted. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "per_hour"
-- rows     = 20
-- columns  = [
--   { name = "provider", kind = "text", about = "domain of the servers that refused, or the recipient domain where no server is named" },
--   { name = "reason", kind = "text", about = "rate-limit: too much mail; connection-limit: too many connections" },
--   { name = "tries", kind = "count", about = "tries put off or refused for it" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "domains", kind = "count", about = "different recipient domains" },
--   { name = "most_in_hour", kind = "count", about = "most such tries within 60 minutes" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "lost", kind = "count", about = "deliveries that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "delivered", kind = "count", about = "deliveries that arrived in the end" },
--   { name = "median_seconds", kind = "seconds", about = "half of those took at most so long from reception" },
--   { name = "first_ts", kind = "time", about = "first such try" },
--   { name = "last_ts", kind = "time", about = "last one" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.per_hour]
-- default = 10
-- unit    = "tries in an hour"
-- source  = "mtaudit"
-- about   = "throttled tries within an hour from which a provider is pointed out"
--
-- [derived.owners]
-- with  = "providers"
-- input = """
-- SELECT DISTINCT relay_name AS name FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('rate-limit', 'connection-limit') AND relay_name IS NOT NULL"""
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_hour >= per_hour AND lost + waiting > 0"
-- sentence   = "{provider|A provider that is not named} slowed us down ({reason}): it put off or refused {tries|try|tries} of {messages|message|messages} on {days|day|days}, up to {most_in_hour} within an hour. In the end {delivered|delivery|deliveries} arrived, {lost} failed for good, and {waiting} still waited when the logs ended."
-- advice     = "Give {provider|this provider} a transport of its own with fewer connections and a delay between mails (Postfix: `smtp_destination_concurrency_limit`, `smtp_destination_rate_delay`), and find out whose mail it is that comes in bursts."
-- thresholds = ["per_hour"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(owners.provider, COALESCE(CAST(attempts.recipient_domain AS VARCHAR), '')) AS provider, CAST(attempts.reason AS VARCHAR) AS reason, attempts.source AS source, attempts.line AS line FROM attempts LEFT JOIN owners ON CAST(attempts.relay_name AS VARCHAR) = owners.name WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason IN ('rate-limit', 'connection-limit')"
-- keys       = ["provider", "reason"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_hour >= per_hour"
-- sentence   = "{provider|A provider that is not named} slowed us down ({reason}): it put off or refused {tries|try|tries} of {messages|message|messages} on {days|day|days}, up to {most_in_hour} within an hour. In the end all arrived ({delivered|delivery|deliveries}, half of them within {median_seconds|an unknown time})."
-- advice     = "If the delay matters, send to {provider|this provider} over fewer connections at once (Postfix: `smtp_destination_concurrency_limit` of a transport of its own)."
-- thresholds = ["per_hour"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(owners.provider, COALESCE(CAST(attempts.recipient_domain AS VARCHAR), '')) AS provider, CAST(attempts.reason AS VARCHAR) AS reason, attempts.source AS source, attempts.line AS line FROM attempts LEFT JOIN owners ON CAST(attempts.relay_name AS VARCHAR) = owners.name WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason IN ('rate-limit', 'connection-limit')"
-- keys       = ["provider", "reason"]
WITH limited AS (
    SELECT CAST(relay_name AS VARCHAR) AS relay_name, CAST(recipient_domain AS VARCHAR) AS recipient_domain, CAST(reason AS VARCHAR) AS reason,
           message, recipient, ts, day, minute, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('rate-limit', 'connection-limit')
), tries AS (
    SELECT COALESCE(owners.provider, COALESCE(limited.recipient_domain, '')) AS provider, limited.reason AS reason,
           limited.recipient_domain AS recipient_domain, limited.message AS message, limited.recipient AS recipient, limited.ts AS ts,
           limited.day AS day, limited.minute AS minute, limited.reply AS reply, limited.source AS source, limited.line AS line
    FROM limited
    LEFT JOIN owners ON limited.relay_name = owners.name
), grouped AS (
    SELECT provider, reason,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, COUNT(DISTINCT recipient_domain) AS domains,
           COUNT(DISTINCT day) AS days, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM tries
    GROUP BY provider, reason
), per_minute AS (
    SELECT provider, reason, minute, CAST(COUNT(*) AS BIGINT) AS n FROM tries GROUP BY provider, reason, minute
), tens AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (0), (1), (2), (3), (4), (5)) AS v(n)
), ones AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v(n)
), windows AS (
    -- A minute belongs to every hour that begins in it or up to 59 minutes before.
    SELECT per_minute.provider AS provider, per_minute.reason AS reason, per_minute.minute - 10 * tens.n - ones.n AS starts, SUM(per_minute.n) AS n
    FROM per_minute
    CROSS JOIN tens
    CROSS JOIN ones
    GROUP BY per_minute.provider, per_minute.reason, per_minute.minute - 10 * tens.n - ones.n
), bursts AS (
    SELECT provider, reason, CAST(MAX(n) AS BIGINT) AS most_in_hour FROM windows GROUP BY provider, reason
), touched AS (
    SELECT DISTINCT provider, reason, message, recipient FROM tries
), fates AS (
    SELECT touched.provider AS provider, touched.reason AS reason,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'delivered') AS delivered,
           QUANTILE_CONT(CASE WHEN deliveries.outcome = 'delivered' THEN deliveries.seconds END, 0.5) AS median_seconds
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message
    WHERE touched.recipient = deliveries.recipient
    GROUP BY touched.provider, touched.reason
)
SELECT grouped.provider AS provider,
       grouped.reason AS reason,
       grouped.tries AS tries,
       grouped.messages AS messages,
       grouped.domains AS domains,
       bursts.most_in_hour AS most_in_hour,
       grouped.days AS days,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost,
       CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       CAST(COALESCE(fates.delivered, 0) AS BIGINT) AS delivered,
       ROUND(fates.median_seconds, 0) AS median_seconds,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
JOIN bursts ON grouped.provider = bursts.provider AND grouped.reason = bursts.reason
LEFT JOIN fates ON grouped.provider = fates.provider AND grouped.reason = fates.reason
ORDER BY tries DESC, provider, reason
