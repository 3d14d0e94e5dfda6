-- title    = "Senders that write to many domains"
-- question = "Which accounts or addresses of ours wrote to unusually many different domains within an hour?"
-- tables   = ["deliveries", "messages"]
-- limits   = "A sender is the login, or without one the envelope sender of mail from our domains. Mailing lists and shops write to many domains by trade. What is usual is the median of its other days in these logs. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 20
-- sensitivity = "domains_per_hour"
-- columns  = [
--   { name = "sender", kind = "text", about = "login, or envelope sender" },
--   { name = "kind", kind = "text", about = "login or address" },
--   { name = "most_domains", kind = "count", about = "most different recipient domains within one hour" },
--   { name = "day", kind = "date", about = "day of that hour" },
--   { name = "usual_most", kind = "number", about = "median of the most within one hour on its other days; empty when there are none" },
--   { name = "domains", kind = "count", about = "different recipient domains in all" },
--   { name = "recipients", kind = "count", about = "different recipients in all" },
--   { name = "first_ts", kind = "time", about = "first message" },
--   { name = "last_ts", kind = "time", about = "last message" },
--   { name = "place", kind = "place", about = "line of the first message of that day in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('submission', 'smtp', 'local')"
-- missing = "the logs hold no message that came in here"
-- remedy  = "the log of the server that users and applications hand mail to, at level info of the facility mail"
--
-- [params.domains_per_hour]
-- default = 50
-- unit    = "domains in an hour"
-- source  = "mtaudit: nobody writes to so many by hand"
-- about   = "different recipient domains in an hour from which a sender is pointed out"
--
-- [params.times_usual]
-- default = 5
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "how many times what is usual it must be"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_domains >= domains_per_hour AND usual_most > 0 AND most_domains > times_usual * usual_most"
-- sentence   = "{sender} wrote to {most_domains|domain|different domains} within one hour on {day}, while its busiest hour of other days usually has {usual_most}."
-- advice     = "Ask the owner of {sender} whether this was planned; if not, hold its mail in the queue and look at spam/compromised_account."
-- thresholds = ["domains_per_hour", "times_usual"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS sender, source, line FROM messages WHERE origin IN ('submission', 'smtp', 'local', 'unknown') AND (auth_user <> '' OR sender <> '')"
-- keys       = ["sender"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_domains >= domains_per_hour AND usual_most IS NULL"
-- sentence   = "{sender} wrote to {most_domains|domain|different domains} within one hour on {day}, the only day on which these logs show its mail."
-- advice     = "Read the logs of other days as well, or ask the owner of {sender} whether this was planned."
-- thresholds = ["domains_per_hour"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS sender, source, line FROM messages WHERE origin IN ('submission', 'smtp', 'local', 'unknown') AND (auth_user <> '' OR sender <> '')"
-- keys       = ["sender"]
WITH ours AS (
    SELECT message, CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS who,
           CASE WHEN auth_user <> '' THEN 'login' ELSE 'address' END AS kind, received_ts, minute, hour, day, source, line
    FROM messages
    WHERE origin IN ('submission', 'smtp', 'local', 'unknown') AND (auth_user <> '' OR (direction IN ('outbound', 'internal') AND sender <> ''))
), sent AS (
    SELECT ours.who AS who, ours.kind AS kind, ours.message AS message, ours.received_ts AS ts, ours.minute AS minute, ours.hour AS hour, ours.day AS day,
           ours.source AS source, ours.line AS line, deliveries.recipient AS recipient, deliveries.recipient_domain AS recipient_domain
    FROM ours
    JOIN deliveries ON ours.message = deliveries.message
), many AS (
    -- Few write to so many domains at all, which leaves out nearly all mail.
    SELECT who FROM sent WHERE recipient_domain <> '' GROUP BY who HAVING COUNT(DISTINCT recipient_domain) >= 5
), minutes AS (
    SELECT DISTINCT sent.who AS who, sent.recipient_domain AS recipient_domain, sent.minute AS minute
    FROM sent
    JOIN many ON sent.who = many.who
    WHERE sent.recipient_domain <> ''
), around AS (
    SELECT who, recipient_domain, minute,
           LAG(minute) OVER (PARTITION BY who, recipient_domain ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY who, recipient_domain ORDER BY minute) AS after
    FROM minutes
), steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT who, minute, 1 AS n FROM around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT who, minute + 60 AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + 60
), nets AS (
    SELECT who, minute, SUM(n) AS n FROM steps GROUP BY who, minute
), running AS (
    SELECT who, minute, SUM(n) OVER (PARTITION BY who ORDER BY minute) AS n FROM nets
), days AS (
    SELECT who, minute, MIN(day) AS day FROM sent GROUP BY who, minute
), daily AS (
    SELECT running.who AS who, days.day AS day, MAX(running.n) AS n
    FROM running
    JOIN days ON running.who = days.who AND running.minute = days.minute
    GROUP BY running.who, days.day
), ranked AS (
    SELECT DISTINCT ON (who) who, day, n FROM daily ORDER BY who, -n, day
), busiest AS (
    SELECT who, day, n FROM ranked WHERE n >= 5
), usual AS (
    SELECT busiest.who AS who, MEDIAN(CAST(daily.n AS DOUBLE)) AS n
    FROM busiest
    JOIN daily ON busiest.who = daily.who
    WHERE daily.day <> busiest.day
    GROUP BY busiest.who
), totals AS (
    SELECT who, MIN(kind) AS kind, COUNT(DISTINCT recipient_domain) AS domains, COUNT(DISTINCT recipient) AS recipients, MIN(ts) AS first_ts, MAX(ts) AS last_ts
    FROM sent
    GROUP BY who
), firsts AS (
    SELECT busiest.who AS who, MIN(sent.source * 10000000000 + sent.line) AS place
    FROM busiest
    JOIN sent ON busiest.who = sent.who AND busiest.day = sent.day
    GROUP BY busiest.who
)
SELECT busiest.who AS sender,
       totals.kind AS kind,
       CAST(busiest.n AS BIGINT) AS most_domains,
       busiest.day AS day,
       usual.n AS usual_most,
       totals.domains AS domains,
       totals.recipients AS recipients,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       firsts.place AS place
FROM busiest
JOIN totals ON busiest.who = totals.who
JOIN firsts ON busiest.who = firsts.who
LEFT JOIN usual ON busiest.who = usual.who
ORDER BY most_domains DESC, sender
