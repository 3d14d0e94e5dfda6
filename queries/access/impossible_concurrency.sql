-- title    = "Accounts used from distant places at once"
-- question = "Which accounts were used from several blocks of addresses within an hour, more than ever before?"
-- tables   = ["logins"]
-- limits   = "Blocks (/16, /32) are no places: no country is looked up. Office, home and phone make three; a VPN or a mail program in the cloud makes more. Trusted and private addresses are left out. Windows are whole minutes."
-- controls = ["NIST SP 800-53 AC-2(12)", "ISO/IEC 27001 A.8.16", "PCI DSS 10.4.1"]
-- rows     = 15
-- sensitivity = "min_blocks"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "most_blocks", kind = "count", about = "most blocks with logins within one hour" },
--   { name = "day", kind = "date", about = "first day on which it was so many" },
--   { name = "usual_blocks", kind = "count", about = "most within one hour on any day before; empty on the account's first day" },
--   { name = "returns", kind = "count", about = "logins that came back within an hour to a block after one from another" },
--   { name = "blocks", kind = "count", about = "different blocks in all" },
--   { name = "addresses", kind = "count", about = "different addresses in all" },
--   { name = "logins", kind = "count", about = "logins counted" },
--   { name = "first_ts", kind = "time", about = "first login" },
--   { name = "last_ts", kind = "time", about = "last login" },
--   { name = "place", kind = "place", about = "line of the first login on that day" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "success"
-- missing = "the logs hold no successful login"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.many_blocks]
-- default = 5
-- unit    = "blocks in an hour"
-- source  = "mtaudit, after loganom and postfix-users 2019"
-- about   = "blocks from which no habit explains it"
--
-- [params.min_blocks]
-- default = 3
-- unit    = "blocks in an hour"
-- source  = "mtaudit: two are an office and a phone"
-- about   = "blocks from which it is pointed out when it is more than on any day before"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_blocks >= many_blocks AND most_blocks > COALESCE(usual_blocks, 0)"
-- sentence   = "On {day}, {auth_user} logged in from {most_blocks|different address block|different address blocks} (/16, or /32 for IPv6) within one hour. Counted over all these logs, it went back and forth between blocks within an hour {returns|time|times}. No traveller moves like this; a shared or stolen password, a VPN or a mail program in the cloud does."
-- advice     = "Ask the owner of {auth_user} which devices and services use the account; if one address remains unexplained, change the password and end all sessions."
-- thresholds = ["many_blocks"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_blocks >= min_blocks AND usual_blocks > 0 AND most_blocks > usual_blocks"
-- sentence   = "On {day}, {auth_user} logged in from {most_blocks|different address block|different address blocks} (/16, or /32 for IPv6) within one hour; on no day before had it used more than {usual_blocks} in an hour."
-- advice     = "Look at the addresses of {auth_user} on {day} (access/first_seen_source) and ask if they do not explain themselves; most such cases are journeys."
-- thresholds = ["min_blocks"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
WITH outside AS (
    SELECT logins.auth_user AS auth_user, logins.client_ip AS client_ip, clients.network AS network, clients.block AS block,
           logins.client_name AS client_name, logins.ts AS ts, logins.minute AS minute, logins.day AS day, logins.source AS source, logins.line AS line
    FROM logins
    JOIN clients ON logins.client_ip = clients.client_ip
    WHERE logins.success AND logins.auth_user <> '' AND clients.kind = 'other'
), minutes AS (
    SELECT DISTINCT auth_user, block, minute FROM outside
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
    SELECT DISTINCT auth_user, minute, day FROM outside
), daily AS (
    SELECT running.auth_user AS auth_user, days.day AS day, CAST(MAX(running.n) AS BIGINT) AS n
    FROM running
    JOIN days ON running.auth_user = days.auth_user AND running.minute = days.minute
    GROUP BY running.auth_user, days.day
), ranked AS (
    SELECT auth_user, day, n, ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY -n, day) AS no FROM daily
), busiest AS (
    SELECT auth_user, day, n FROM ranked WHERE no = 1
), usual AS (
    SELECT busiest.auth_user AS auth_user, MAX(daily.n) AS n
    FROM busiest
    JOIN daily ON busiest.auth_user = daily.auth_user
    WHERE daily.day < busiest.day
    GROUP BY busiest.auth_user
), paths AS (
    SELECT auth_user, block, minute,
           LAG(block, 1) OVER (PARTITION BY auth_user ORDER BY ts, source, line) AS block_1,
           LAG(block, 2) OVER (PARTITION BY auth_user ORDER BY ts, source, line) AS block_2,
           LAG(minute, 2) OVER (PARTITION BY auth_user ORDER BY ts, source, line) AS minute_2
    FROM outside
), backs AS (
    SELECT auth_user, COUNT(*) AS n FROM paths WHERE block_2 = block AND block_1 <> block AND minute - minute_2 < 60 GROUP BY auth_user
), all_of AS (
    SELECT auth_user, COUNT(DISTINCT block) AS blocks, COUNT(DISTINCT client_ip) AS addresses, COUNT(*) AS logins, MIN(ts) AS first_ts, MAX(ts) AS last_ts
    FROM outside
    GROUP BY auth_user
), places AS (
    SELECT busiest.auth_user AS auth_user, MIN(outside.source * 10000000000 + outside.line) AS place
    FROM busiest
    JOIN outside ON busiest.auth_user = outside.auth_user AND busiest.day = outside.day
    GROUP BY busiest.auth_user
)
SELECT busiest.auth_user AS auth_user,
       busiest.n AS most_blocks,
       busiest.day AS day,
       usual.n AS usual_blocks,
       CAST(COALESCE(backs.n, 0) AS BIGINT) AS returns,
       all_of.blocks AS blocks,
       all_of.addresses AS addresses,
       all_of.logins AS logins,
       all_of.first_ts AS first_ts,
       all_of.last_ts AS last_ts,
       places.place AS place
FROM busiest
JOIN all_of ON busiest.auth_user = all_of.auth_user
JOIN places ON busiest.auth_user = places.auth_user
LEFT JOIN usual ON busiest.auth_user = usual.auth_user
LEFT JOIN backs ON busiest.auth_user = backs.auth_user
WHERE busiest.n >= 2
ORDER BY most_blocks DESC, returns DESC, auth_user
