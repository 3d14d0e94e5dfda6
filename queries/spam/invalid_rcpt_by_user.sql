-- title    = "Accounts that write to addresses that do not exist"
-- question = "Which accounts write to many recipients that do not exist?"
-- tables   = ["deliveries", "messages", "rejections", "sessions"]
-- limits   = "Counts recipients refused while the account was handing in, and those that bounced as unknown. Not every server names the login of a refusal. An old address list looks like a spammer's. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "invalid_per_hour"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "invalid", kind = "count", about = "recipients that do not exist" },
--   { name = "recipients", kind = "count", about = "recipients in all, with those" },
--   { name = "invalid_share", kind = "share", about = "invalid / recipients" },
--   { name = "most_in_hour", kind = "count", about = "most invalid ones within one hour" },
--   { name = "different", kind = "count", about = "different invalid recipients" },
--   { name = "example", kind = "text", about = "one of them, the first by the alphabet" },
--   { name = "first_ts", kind = "time", about = "first of them" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of the first message or refusal of that kind in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.invalid_per_hour]
-- default = 100
-- unit    = "recipients in an hour"
-- source  = "exim-users 2011-04-11 (Lena): 100 nonexistent recipients in an hour"
-- about   = "invalid recipients in an hour from which an account is taken for misused"
--
-- [params.max_share]
-- default = 0.3
-- unit    = "of the recipients"
-- source  = "mtaudit"
-- about   = "share of invalid recipients above which the list is bad"
--
-- [params.min_recipients]
-- default = 50
-- unit    = "recipients"
-- source  = "mtaudit: a share of fewer means little"
-- about   = "recipients from which the share is judged"
--
-- [[findings]]
-- severity   = "high"
-- when       = "most_in_hour >= invalid_per_hour"
-- sentence   = "{auth_user} wrote to {most_in_hour|recipient that does|recipients that do} not exist within one hour ({invalid} of {recipients|recipient|recipients} in all). Bought, guessed or outdated lists look like this."
-- advice     = "Hold the mail of {auth_user} in the queue, ask the owner what was sent, and go on with spam/compromised_account."
-- thresholds = ["invalid_per_hour"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "recipients >= min_recipients AND invalid_share > max_share"
-- sentence   = "{auth_user} wrote to {recipients|recipient|recipients}, of which {invalid} did not exist ({invalid_share}). Remote servers count this against us."
-- advice     = "Have the owner of {auth_user} clean the address list before the next mailing, as large providers throttle senders with so many unknown recipients."
-- thresholds = ["max_share", "min_recipients"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user"]
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
           MAX(CASE WHEN deliveries.outcome = 'bounced' AND deliveries.reason IN ('user-unknown', 'mailbox-inactive', 'nxdomain', 'no-mx', 'null-mx') THEN 1 ELSE 0 END) AS invalid
    FROM hops
    JOIN deliveries ON hops.hop = deliveries.message
    GROUP BY hops.root, deliveries.recipient
), refused AS (
    -- A refusal seldom names the login; its text or its connection may.
    SELECT CASE WHEN STRPOS(rejections.reply, 'not owned by user ') > 0 THEN SPLIT_PART(rejections.reply, 'not owned by user ', 2)
                ELSE CAST(COALESCE(rejections.auth_user, sessions.auth_user) AS VARCHAR) END AS auth_user,
           rejections.sender AS sender, rejections.sender_domain AS sender_domain, rejections.recipient AS recipient, rejections.reason AS reason, rejections.reply AS reply,
           rejections.ts AS ts, rejections.minute AS minute, rejections.source AS source, rejections.line AS line
    FROM rejections
    LEFT JOIN sessions ON rejections.session = sessions.session
    WHERE rejections.action = 'reject'
), tried AS (
    SELECT CAST(own.auth_user AS VARCHAR) AS auth_user, CAST(fates.recipient AS VARCHAR) AS recipient, fates.invalid AS invalid, own.received_ts AS ts, own.minute AS minute, own.source AS source, own.line AS line
    FROM own
    JOIN fates ON own.message = fates.message
    UNION ALL
    SELECT auth_user, CAST(recipient AS VARCHAR) AS recipient, 1 AS invalid, ts, minute, source, line
    FROM refused
    WHERE auth_user <> '' AND reason IN ('user-unknown', 'nxdomain', 'null-mx') AND recipient <> ''
), per_minute AS (
    SELECT auth_user, minute, CAST(SUM(invalid) AS BIGINT) AS n FROM tried GROUP BY auth_user, minute
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
), most AS (
    SELECT auth_user, CAST(MAX(n) AS BIGINT) AS n FROM running GROUP BY auth_user
), totals AS (
    SELECT auth_user, COUNT(*) AS recipients, CAST(SUM(invalid) AS BIGINT) AS invalid,
           COUNT(DISTINCT CASE WHEN invalid = 1 THEN recipient END) AS different,
           MIN(CASE WHEN invalid = 1 THEN recipient END) AS example,
           MIN(CASE WHEN invalid = 1 THEN ts END) AS first_ts,
           MAX(CASE WHEN invalid = 1 THEN ts END) AS last_ts,
           MIN(CASE WHEN invalid = 1 THEN source * 10000000000 + line END) AS place
    FROM tried
    GROUP BY auth_user
)
SELECT totals.auth_user AS auth_user,
       totals.invalid AS invalid,
       totals.recipients AS recipients,
       ROUND(CAST(totals.invalid AS DOUBLE) / totals.recipients, 4) AS invalid_share,
       most.n AS most_in_hour,
       totals.different AS different,
       totals.example AS example,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
JOIN most ON totals.auth_user = most.auth_user
WHERE totals.invalid >= 1
ORDER BY invalid DESC, auth_user
