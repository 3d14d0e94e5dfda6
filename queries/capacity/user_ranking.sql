-- title    = "Accounts that send more than before"
-- question = "Which accounts send most, and who rose or fell between the first and the second half of the time?"
-- tables   = ["messages"]
-- limits   = "Accounts are names that logged in to send; mail without a login is in capacity/top_senders. The time in the logs is cut in the middle, so the halves need not hold the same weekdays. Re-injected and forwarded copies are not counted."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 AU-6"]
-- rows     = 20
-- sensitivity = "min_messages"
-- columns  = [
--   { name = "rank", kind = "count", about = "by messages in all" },
--   { name = "auth_user", kind = "text", about = "account that logged in" },
--   { name = "messages", kind = "count", about = "messages sent" },
--   { name = "share", kind = "share", about = "of all messages sent by accounts" },
--   { name = "recipients", kind = "count", about = "their recipients, as far as logged" },
--   { name = "bytes", kind = "bytes", about = "their size together" },
--   { name = "messages_before", kind = "count", about = "messages in the first half of the time" },
--   { name = "messages_now", kind = "count", about = "messages in the second half" },
--   { name = "rank_before", kind = "count", about = "rank in the first half; null when it sent nothing then" },
--   { name = "rank_now", kind = "count", about = "rank in the second half; null when it sent nothing then" },
--   { name = "rose", kind = "number", about = "by how many ranks it rose; negative when it fell; null when it sent in one half only" },
--   { name = "middle_ts", kind = "time", about = "first message of the second half (the same on every row)" },
--   { name = "place", kind = "place", about = "first line of its messages" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> '' AND received_ts IS NOT NULL"
-- missing = "the logs hold no message of an account that logged in"
-- remedy  = "the log of the server that users send through: the lines of its submission service name the account (`sasl_username=`)"
--
-- [params.top]
-- default = 500
-- unit    = "accounts"
-- source  = "mtaudit"
-- about   = "accounts listed"
--
-- [params.min_messages]
-- default = 100
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages in the second half from which a rise is pointed out"
--
-- [params.times]
-- default = 5.0
-- unit    = "times"
-- source  = "mtaudit"
-- about   = "messages of the second half against the first from which a rise is pointed out"
--
-- [chart]
-- kind  = "bar"
-- x     = "auth_user"
-- y     = ["messages_before", "messages_now"]
-- label = "messages"
--
-- [[findings]]
-- severity   = "low"
-- when       = "messages_now >= min_messages AND messages_now >= times * messages_before"
-- sentence   = "{auth_user} sent far more than before: {messages_now|message|messages} in the second half of the time, {messages_before} in the first ({messages} in all, {share} of what accounts sent)."
-- advice     = "Ask the owner of {auth_user} what changed; if there is no good answer, treat the account as misused: lock it, end its sessions and change the password."
-- thresholds = ["min_messages", "times"]
-- limit      = 5
-- evidence   = "SELECT CAST(auth_user AS VARCHAR) AS auth_user, source, line FROM messages WHERE origin NOT IN ('reinjected', 'forwarded') AND received_ts IS NOT NULL"
-- keys       = ["auth_user"]
WITH sent AS (
    SELECT auth_user, minute, received_ts, nrcpt, size, source * 10000000000 + line AS place
    FROM messages
    WHERE auth_user <> '' AND received_ts IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')
), bounds AS (
    SELECT MIN(minute) AS first_minute, MAX(minute) AS last_minute FROM sent
), halves AS (
    SELECT sent.auth_user AS auth_user, sent.received_ts AS received_ts, sent.nrcpt AS nrcpt, sent.size AS size, sent.place AS place,
           2 * sent.minute > bounds.first_minute + bounds.last_minute AS late
    FROM sent
    CROSS JOIN bounds
), middle AS (
    SELECT MIN(received_ts) FILTER (WHERE late) AS ts, CAST(COUNT(*) AS BIGINT) AS messages FROM halves
), counted AS (
    SELECT CAST(auth_user AS VARCHAR) AS auth_user,
           CAST(COUNT(*) AS BIGINT) AS messages,
           CAST(COUNT(*) FILTER (WHERE NOT late) AS BIGINT) AS messages_before,
           CAST(COUNT(*) FILTER (WHERE late) AS BIGINT) AS messages_now,
           CAST(COALESCE(SUM(nrcpt), 0) AS BIGINT) AS recipients,
           CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes,
           MIN(place) AS place
    FROM halves
    GROUP BY CAST(auth_user AS VARCHAR)
), ranked AS (
    SELECT auth_user, messages, messages_before, messages_now, recipients, bytes, place,
           ROW_NUMBER() OVER (ORDER BY -messages, auth_user) AS rank,
           ROW_NUMBER() OVER (ORDER BY -messages_before, auth_user) AS rank_before,
           ROW_NUMBER() OVER (ORDER BY -messages_now, auth_user) AS rank_now
    FROM counted
)
SELECT ranked.rank AS rank,
       ranked.auth_user AS auth_user,
       ranked.messages AS messages,
       ROUND(CAST(ranked.messages AS DOUBLE) / middle.messages, 4) AS share,
       ranked.recipients AS recipients,
       ranked.bytes AS bytes,
       ranked.messages_before AS messages_before,
       ranked.messages_now AS messages_now,
       CASE WHEN ranked.messages_before > 0 THEN ranked.rank_before END AS rank_before,
       CASE WHEN ranked.messages_now > 0 THEN ranked.rank_now END AS rank_now,
       CASE WHEN ranked.messages_before > 0 AND ranked.messages_now > 0
            THEN CAST(ranked.rank_before AS DOUBLE) - CAST(ranked.rank_now AS DOUBLE) END AS rose,
       middle.ts AS middle_ts,
       ranked.place AS place
FROM ranked
CROSS JOIN middle
CROSS JOIN params
WHERE ranked.rank <= params.top
ORDER BY rank
