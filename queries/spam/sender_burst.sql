-- title    = "Senders with bursts"
-- question = "Which accounts or addresses of ours wrote to far more recipients in an hour than they ever do?"
-- tables   = ["deliveries", "messages"]
-- limits   = "A sender is the login, or without one the envelope sender of mail from our domains. Newsletters and invoices at the end of a month burst too. The own history is that of the other days in these logs; without five hours of it only the fixed threshold speaks. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4", "ISO/IEC 27001 A.5.25"]
-- rows     = 20
-- sensitivity = "rcpts_per_hour"
-- columns  = [
--   { name = "sender", kind = "text", about = "login, or envelope sender" },
--   { name = "kind", kind = "text", about = "login or address" },
--   { name = "most_in_hour", kind = "count", about = "most recipients within one hour" },
--   { name = "day", kind = "date", about = "day of that hour" },
--   { name = "usual_hour", kind = "number", about = "median of its hours with mail on other days" },
--   { name = "usual_most", kind = "number", about = "that median and six times the spread (MAD) above it" },
--   { name = "usual_hours", kind = "count", about = "hours of that history" },
--   { name = "others", kind = "number", about = "median of the most in an hour over all senders of this kind" },
--   { name = "recipients", kind = "count", about = "recipients in all, each as often as written to" },
--   { name = "messages", kind = "count", about = "messages in all" },
--   { name = "first_ts", kind = "time", about = "first message of that day" },
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
-- [params.rcpts_per_hour]
-- default = 100
-- unit    = "recipients in an hour"
-- source  = "mtaudit; Exchange Online allows 30 messages a minute and 10,000 recipients a day"
-- about   = "recipients in an hour from which it is a burst"
--
-- [params.times_others]
-- default = 4
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "how many times the median of all senders of its kind it must be where the own history is short"
--
-- [params.min_history]
-- default = 5
-- unit    = "hours"
-- source  = "mtaudit: a median of fewer means little"
-- about   = "hours with mail on other days from which the own history counts"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_hour >= rcpts_per_hour AND usual_hours >= min_history AND most_in_hour > usual_most"
-- sentence   = "{sender} wrote to {most_in_hour|recipient|recipients} within one hour on {day}. An hour of its mail usually has {usual_hour}, and seldom more than {usual_most} (from {usual_hours|hour|hours} with mail on other days)."
-- advice     = "Ask the owner of {sender} whether this was planned; if not, hold its mail in the queue and look at spam/compromised_account."
-- thresholds = ["rcpts_per_hour", "min_history"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS sender, source, line FROM messages WHERE origin IN ('submission', 'smtp', 'local', 'unknown') AND (auth_user <> '' OR sender <> '')"
-- keys       = ["sender"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_hour >= rcpts_per_hour AND usual_hours < min_history AND most_in_hour >= times_others * others"
-- sentence   = "{sender} wrote to {most_in_hour|recipient|recipients} within one hour on {day}. How much is usual for it cannot be told from {usual_hours|hour|hours} with mail on other days; the median of all such senders is {others} in their busiest hour."
-- advice     = "Read the logs of other days as well, or ask the owner of {sender} whether this was planned."
-- thresholds = ["rcpts_per_hour", "min_history", "times_others"]
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
), per_minute AS (
    SELECT who, minute, CAST(COUNT(*) AS BIGINT) AS n FROM sent GROUP BY who, minute
), steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT who, minute, n FROM per_minute
    UNION ALL
    SELECT who, minute + 60 AS minute, -n AS n FROM per_minute
), nets AS (
    SELECT who, minute, SUM(n) AS n FROM steps GROUP BY who, minute
), running AS (
    SELECT who, minute, SUM(n) OVER (PARTITION BY who ORDER BY minute) AS n
    FROM nets
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
    SELECT who, day, n FROM ranked WHERE n >= 10
), hours AS (
    SELECT who, hour, MIN(day) AS day, CAST(COUNT(*) AS BIGINT) AS n FROM sent GROUP BY who, hour
), history AS (
    SELECT busiest.who AS who, CAST(hours.n AS DOUBLE) AS n
    FROM busiest
    JOIN hours ON busiest.who = hours.who
    WHERE hours.day <> busiest.day
), medians AS (
    SELECT who, MEDIAN(n) AS median, COUNT(*) AS hours FROM history GROUP BY who
), spreads AS (
    SELECT history.who AS who, MEDIAN(ABS(history.n - medians.median)) AS mad
    FROM history
    JOIN medians ON history.who = medians.who
    GROUP BY history.who
), totals AS (
    SELECT who, MIN(kind) AS kind, COUNT(*) AS recipients, COUNT(DISTINCT message) AS messages, MAX(ts) AS last_ts FROM sent GROUP BY who
), peers AS (
    SELECT totals.kind AS kind, MEDIAN(CAST(ranked.n AS DOUBLE)) AS n
    FROM totals
    JOIN ranked ON totals.who = ranked.who
    GROUP BY totals.kind
), firsts AS (
    SELECT busiest.who AS who, MIN(sent.ts) AS first_ts, MIN(sent.source * 10000000000 + sent.line) AS place
    FROM busiest
    JOIN sent ON busiest.who = sent.who AND busiest.day = sent.day
    GROUP BY busiest.who
)
SELECT busiest.who AS sender,
       totals.kind AS kind,
       CAST(busiest.n AS BIGINT) AS most_in_hour,
       busiest.day AS day,
       medians.median AS usual_hour,
       medians.median + 6 * spreads.mad AS usual_most,
       CAST(COALESCE(medians.hours, 0) AS BIGINT) AS usual_hours,
       peers.n AS others,
       totals.recipients AS recipients,
       totals.messages AS messages,
       firsts.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       firsts.place AS place
FROM busiest
JOIN totals ON busiest.who = totals.who
JOIN peers ON totals.kind = peers.kind
JOIN firsts ON busiest.who = firsts.who
LEFT JOIN medians ON busiest.who = medians.who
LEFT JOIN spreads ON busiest.who = spreads.who
ORDER BY most_in_hour DESC, sender
