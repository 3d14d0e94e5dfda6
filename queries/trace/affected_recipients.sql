-- title    = "Recipients of suspect accounts"
-- question = "Who got mail from an account that may have been misused, and did it arrive?"
-- tables   = ["deliveries", "messages"]
-- limits   = "Lists the recipients of one account when `account` names it, else those of each account from the first hour on in which it wrote to as many as a burst. What the mail said is not in the logs. A recipient that forwards its mail passes it on."
-- controls = ["ISO/IEC 27001 A.5.26", "NIST SP 800-53 IR-6", "NIST SP 800-53 IR-4"]
-- rows     = 50
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "recipient", kind = "text", about = "recipient to notify" },
--   { name = "messages", kind = "count", about = "messages to the recipient" },
--   { name = "delivered", kind = "count", about = "of them delivered" },
--   { name = "outcome", kind = "text", about = "of the last message: delivered, bounced, expired, discarded, open, unknown" },
--   { name = "first_ts", kind = "time", about = "first message" },
--   { name = "last_ts", kind = "time", about = "last message" },
--   { name = "place", kind = "place", about = "line of the first message in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.account]
-- default = ""
-- unit    = "name of a login"
-- source  = "mtaudit"
-- about   = "account whose recipients are wanted; empty: every account with a burst"
--
-- [params.rcpts_per_hour]
-- default = 100
-- unit    = "recipients in an hour"
-- source  = "mtaudit; see spam/sender_burst"
-- about   = "recipients in an hour that make a burst"
WITH own AS (
    SELECT message, auth_user, sender, sender_domain, client_ip, received_ts, minute, day, source, line
    FROM messages
    WHERE auth_user <> '' AND origin <> 'reinjected'
), hops AS (
    -- A content filter hands the message in again: what became of it stands there.
    SELECT message AS hop, message AS root FROM own
    UNION ALL
    SELECT messages.message AS hop, own.message AS root
    FROM messages
    JOIN own ON messages.parent = own.message
    WHERE messages.origin = 'reinjected'
), fates AS (
    SELECT hops.root AS message, deliveries.recipient AS recipient,
           MAX(CASE WHEN deliveries.outcome = 'delivered' THEN 7
                    WHEN deliveries.outcome = 'bounced' THEN 6
                    WHEN deliveries.outcome = 'expired' THEN 5
                    WHEN deliveries.outcome = 'discarded' THEN 4
                    WHEN deliveries.outcome = 'open' THEN 3
                    WHEN deliveries.outcome = 'unknown' THEN 2 ELSE 1 END) AS fate
    FROM hops
    JOIN deliveries ON hops.hop = deliveries.message
    GROUP BY hops.root, deliveries.recipient
), sent AS (
    SELECT own.auth_user AS auth_user, fates.recipient AS recipient, fates.fate AS fate, own.received_ts AS ts, own.minute AS minute, own.source AS source, own.line AS line
    FROM own
    JOIN fates ON own.message = fates.message
), per_minute AS (
    SELECT auth_user, minute, CAST(COUNT(*) AS BIGINT) AS n FROM sent GROUP BY auth_user, minute
), steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT auth_user, minute, n FROM per_minute
    UNION ALL
    SELECT auth_user, minute + 60 AS minute, -n AS n FROM per_minute
), nets AS (
    SELECT auth_user, minute, SUM(n) AS n FROM steps GROUP BY auth_user, minute
), running AS (
    SELECT auth_user, minute, SUM(n) OVER (PARTITION BY auth_user ORDER BY minute) AS n
    FROM nets
), bursts AS (
    SELECT running.auth_user AS auth_user, MIN(running.minute) - 59 AS minute
    FROM running
    CROSS JOIN params
    WHERE params.account = '' AND running.n >= params.rcpts_per_hour
    GROUP BY running.auth_user
), named AS (
    SELECT own.auth_user AS auth_user, MIN(own.minute) AS minute
    FROM own
    CROSS JOIN params
    WHERE params.account <> '' AND LOWER(CAST(own.auth_user AS VARCHAR)) = LOWER(params.account)
    GROUP BY own.auth_user
), suspects AS (
    SELECT auth_user, minute FROM bursts
    UNION ALL
    SELECT auth_user, minute FROM named
), numbered AS (
    SELECT sent.auth_user AS auth_user, sent.recipient AS recipient, sent.fate AS fate, sent.ts AS ts, sent.source AS source, sent.line AS line,
           ROW_NUMBER() OVER (PARTITION BY sent.auth_user, sent.recipient ORDER BY sent.ts DESC, sent.source DESC, sent.line DESC) AS no
    FROM sent
    JOIN suspects ON sent.auth_user = suspects.auth_user
    WHERE sent.minute >= suspects.minute
)
SELECT auth_user,
       recipient,
       COUNT(*) AS messages,
       COUNT(*) FILTER (WHERE fate = 7) AS delivered,
       MAX(CASE WHEN no > 1 THEN ''
                WHEN fate = 7 THEN 'delivered'
                WHEN fate = 6 THEN 'bounced'
                WHEN fate = 5 THEN 'expired'
                WHEN fate = 4 THEN 'discarded'
                WHEN fate = 3 THEN 'open'
                ELSE 'unknown' END) AS outcome,
       MIN(ts) AS first_ts,
       MAX(ts) AS last_ts,
       MIN(source * 10000000000 + line) AS place
FROM numbered
GROUP BY auth_user, recipient
ORDER BY auth_user, messages DESC, recipient
