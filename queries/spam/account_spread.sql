-- title    = "Accounts that send from many places at once"
-- question = "Which accounts handed in mail from many blocks of addresses within an hour?"
-- tables   = ["messages"]
-- limits   = "Blocks (/16, /32) are no places: no country is looked up. A mail service in the cloud that sends for the account has many. Trusted and private addresses are left out. Windows are whole minutes."
-- controls = ["NIST SP 800-53 AC-2(12)", "ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.5.25"]
-- rows     = 15
-- sensitivity = "blocks_per_hour"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "most_blocks", kind = "count", about = "most blocks it handed in mail from within one hour" },
--   { name = "day", kind = "date", about = "first day on which it was so many" },
--   { name = "blocks", kind = "count", about = "different blocks in all" },
--   { name = "addresses", kind = "count", about = "different addresses in all" },
--   { name = "messages", kind = "count", about = "messages in all" },
--   { name = "messages_that_day", kind = "count", about = "of them on that day" },
--   { name = "first_ts", kind = "time", about = "first message of that day" },
--   { name = "last_ts", kind = "time", about = "last message of that day" },
--   { name = "place", kind = "place", about = "line of the first message of that day in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.blocks_per_hour]
-- default = 5
-- unit    = "blocks in an hour"
-- source  = "mtaudit, after loganom and postfix-users 2019"
-- about   = "blocks in an hour from which mail comes from a network of bots"
--
-- [[findings]]
-- severity   = "high"
-- when       = "most_blocks >= blocks_per_hour"
-- sentence   = "On {day}, {auth_user} handed in mail from {most_blocks|different address block|different address blocks} (/16, or /32 for IPv6) within one hour ({messages_that_day|message|messages} that day). Stolen passwords in the hands of bots look like this, and so does a mail service in the cloud that sends for the account."
-- advice     = "Unless a service is known to send for it, lock {auth_user}, hold its mail in the queue, and go on with spam/compromised_account."
-- thresholds = ["blocks_per_hour"]
-- limit      = 10
-- evidence   = "SELECT auth_user, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user"]
WITH own AS (
    SELECT messages.auth_user AS auth_user, messages.client_ip AS client_ip, clients.block AS block, messages.received_ts AS ts, messages.minute AS minute,
           messages.day AS day, messages.source AS source, messages.line AS line
    FROM messages
    JOIN clients ON messages.client_ip = clients.client_ip
    WHERE messages.auth_user <> '' AND messages.origin <> 'reinjected' AND clients.kind = 'other'
), minutes AS (
    SELECT DISTINCT auth_user, block, minute FROM own
), around AS (
    SELECT auth_user, block, minute,
           LAG(minute) OVER (PARTITION BY auth_user, block ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY auth_user, block ORDER BY minute) AS after
    FROM minutes
), steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT auth_user, minute, 1 AS n FROM around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT auth_user, minute + 60 AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + 60
), nets AS (
    SELECT auth_user, minute, SUM(n) AS n FROM steps GROUP BY auth_user, minute
), running AS (
    SELECT auth_user, minute, SUM(n) OVER (PARTITION BY auth_user ORDER BY minute) AS n FROM nets
), days AS (
    SELECT DISTINCT auth_user, minute, day FROM own
), daily AS (
    SELECT running.auth_user AS auth_user, days.day AS day, CAST(MAX(running.n) AS BIGINT) AS n
    FROM running
    JOIN days ON running.auth_user = days.auth_user AND running.minute = days.minute
    GROUP BY running.auth_user, days.day
), ranked AS (
    SELECT auth_user, day, n, ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY -n, day) AS no FROM daily
), busiest AS (
    SELECT auth_user, day, n FROM ranked WHERE no = 1 AND n >= 2
), totals AS (
    SELECT auth_user, COUNT(DISTINCT block) AS blocks, COUNT(DISTINCT client_ip) AS addresses, COUNT(*) AS messages FROM own GROUP BY auth_user
), that_day AS (
    SELECT own.auth_user AS auth_user, COUNT(*) AS messages, MIN(own.ts) AS first_ts, MAX(own.ts) AS last_ts, MIN(own.source * 10000000000 + own.line) AS place
    FROM own
    JOIN busiest ON own.auth_user = busiest.auth_user AND own.day = busiest.day
    GROUP BY own.auth_user
)
SELECT busiest.auth_user AS auth_user,
       busiest.n AS most_blocks,
       busiest.day AS day,
       totals.blocks AS blocks,
       totals.addresses AS addresses,
       totals.messages AS messages,
       that_day.messages AS messages_that_day,
       that_day.first_ts AS first_ts,
       that_day.last_ts AS last_ts,
       that_day.place AS place
FROM busiest
JOIN totals ON busiest.auth_user = totals.auth_user
JOIN that_day ON busiest.auth_user = that_day.auth_user
ORDER BY most_blocks DESC, messages DESC, auth_user
