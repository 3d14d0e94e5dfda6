-- title    = "Accounts that send when they never do"
-- question = "Which accounts wrote to many recipients in hours, or on holidays, in which they otherwise do not send?"
-- tables   = ["deliveries", "messages"]
-- limits   = "Hours are those of the report's time zone. An hour is unusual when less than a hundredth of the account's mail on other days falls into it, and a holiday (named in mtaudit.toml) when it sent nothing on any other one. Night shifts, journeys and programs that send look alike."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4", "ISO/IEC 27001 A.5.25"]
-- rows     = 15
-- sensitivity = "min_recipients"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "day", kind = "date", about = "day" },
--   { name = "recipients", kind = "count", about = "recipients in unusual hours of that day" },
--   { name = "messages", kind = "count", about = "messages in these hours" },
--   { name = "hours", kind = "count", about = "different unusual hours" },
--   { name = "holiday", kind = "flag", about = "the day is a holiday" },
--   { name = "history", kind = "count", about = "messages of the account on other days" },
--   { name = "history_days", kind = "count", about = "other days with mail" },
--   { name = "first_ts", kind = "time", about = "first of these messages" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of the first of them in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.min_recipients]
-- default = 20
-- unit    = "recipients"
-- source  = "mtaudit"
-- about   = "recipients in unusual hours of a day from which an account is pointed out"
--
-- [params.min_history]
-- default = 20
-- unit    = "messages"
-- source  = "mtaudit: habits of fewer are unknown"
-- about   = "messages on other days from which habits are known"
--
-- [params.min_days]
-- default = 5
-- unit    = "days"
-- source  = "mtaudit: a working week"
-- about   = "other days with mail from which habits are known"
--
-- [params.hour_share]
-- default = 0.01
-- unit    = "of the messages"
-- source  = "mtaudit"
-- about   = "share of an hour in the account's mail below which it is unusual"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "recipients >= min_recipients AND history >= min_history AND history_days >= min_days"
-- sentence   = "On {day}, {auth_user} wrote to {recipients|recipient|recipients} in {messages|message|messages} at times when it otherwise hardly sends (on {history_days|other day|other days} it sent {history|message|messages})."
-- advice     = "Ask the owner of {auth_user} about the mail from {first_ts} on, and look at the addresses that the account logged in from (access/first_seen_source)."
-- thresholds = ["min_recipients", "min_history", "min_days", "hour_share"]
-- limit      = 5
-- evidence   = "SELECT auth_user, day, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user", "day"]
WITH own AS (
    SELECT message, auth_user, day, hour_of_day, received_ts, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'
), recipients AS (
    SELECT own.message AS message, COUNT(*) AS n FROM own JOIN deliveries ON own.message = deliveries.message GROUP BY own.message
), cells AS (
    SELECT auth_user, day, hour_of_day, CAST(COUNT(*) AS BIGINT) AS n FROM own GROUP BY auth_user, day, hour_of_day
), days AS (
    SELECT auth_user, day, SUM(n) AS n FROM cells GROUP BY auth_user, day
), totals AS (
    SELECT auth_user, SUM(n) AS n, CAST(COUNT(*) AS BIGINT) AS days FROM days GROUP BY auth_user
), hours AS (
    SELECT auth_user, hour_of_day, SUM(n) AS n FROM cells GROUP BY auth_user, hour_of_day
), free AS (
    SELECT days.auth_user AS auth_user, CAST(COUNT(*) AS BIGINT) AS days FROM days JOIN holidays ON days.day = holidays.day GROUP BY days.auth_user
), judged AS (
    SELECT cells.auth_user AS auth_user, cells.day AS day, cells.hour_of_day AS hour_of_day,
           totals.n - days.n AS history, totals.days - 1 AS history_days, hours.n - cells.n AS elsewhere,
           holidays.day IS NOT NULL AS holiday,
           holidays.day IS NOT NULL AND COALESCE(free.days, 0) = 1 AS odd_day
    FROM cells
    JOIN days ON cells.auth_user = days.auth_user AND cells.day = days.day
    JOIN totals ON cells.auth_user = totals.auth_user
    JOIN hours ON cells.auth_user = hours.auth_user AND cells.hour_of_day = hours.hour_of_day
    LEFT JOIN free ON cells.auth_user = free.auth_user
    LEFT JOIN holidays ON cells.day = holidays.day
), odd AS (
    SELECT judged.auth_user AS auth_user, judged.day AS day, judged.hour_of_day AS hour_of_day, judged.history AS history, judged.history_days AS history_days, judged.holiday AS holiday
    FROM judged
    CROSS JOIN params
    WHERE judged.history > 0 AND (judged.elsewhere < params.hour_share * judged.history OR judged.odd_day)
)
SELECT odd.auth_user AS auth_user,
       odd.day AS day,
       CAST(SUM(COALESCE(recipients.n, 0)) AS BIGINT) AS recipients,
       COUNT(*) AS messages,
       COUNT(DISTINCT odd.hour_of_day) AS hours,
       MAX(CASE WHEN odd.holiday THEN 1 ELSE 0 END) = 1 AS holiday,
       CAST(MAX(odd.history) AS BIGINT) AS history,
       CAST(MAX(odd.history_days) AS BIGINT) AS history_days,
       MIN(own.received_ts) AS first_ts,
       MAX(own.received_ts) AS last_ts,
       MIN(own.source * 10000000000 + own.line) AS place
FROM odd
JOIN own ON odd.auth_user = own.auth_user AND odd.day = own.day AND odd.hour_of_day = own.hour_of_day
LEFT JOIN recipients ON own.message = recipients.message
GROUP BY odd.auth_user, odd.day
ORDER BY recipients DESC, auth_user, day
