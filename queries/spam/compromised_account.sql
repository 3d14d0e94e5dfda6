-- title    = "Accounts that look taken over"
-- question = "Which accounts show the signs of a stolen password, since when, and whom did they write to?"
-- tables   = ["deliveries", "logins", "messages", "rejections", "sessions"]
-- limits   = "Each sign has innocent causes: a newsletter, a journey, a mail program with an old password. Their sum within 24 hours is a reason to ask the owner, never proof. The first sign is not the break-in, which may be earlier or not in these logs. Weights: burst 3, many networks 3, spread 2, success after failures 2, invalid recipients 2, spam replies 2, fan-out 2, new network 1, foreign sender 1. Windows are whole minutes. Only logins of our servers are seen: not those of webmail, VPN or a directory."
-- controls = ["ISO/IEC 27001 A.5.25", "ISO/IEC 27001 A.8.16", "NIST SP 800-53 AC-2(12)", "NIST SP 800-53 SI-4", "PCI DSS 10.4.1"]
-- rows     = 20
-- sensitivity = "high_score"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "score", kind = "count", about = "sum of the weights of the signs within 24 hours" },
--   { name = "signs", kind = "text", about = "the signs, with their weights" },
--   { name = "first_ts", kind = "time", about = "first of these signs: since when it is suspected" },
--   { name = "last_good_ts", kind = "time", about = "last login before it" },
--   { name = "last_good_ip", kind = "text", about = "address of that login" },
--   { name = "addresses", kind = "count", about = "different addresses that logged in or sent since the first sign" },
--   { name = "messages", kind = "count", about = "messages accepted from the account since the first sign" },
--   { name = "recipients", kind = "count", about = "their different recipients: whom to notify (see trace/affected_recipients)" },
--   { name = "recipient_domains", kind = "count", about = "their different domains" },
--   { name = "delivered", kind = "count", about = "deliveries of these messages that arrived" },
--   { name = "invalid", kind = "count", about = "recipients since the first sign that do not exist" },
--   { name = "spam_replies", kind = "count", about = "deliveries since the first sign that were refused as spam" },
--   { name = "last_ts", kind = "time", about = "last message of the account" },
--   { name = "place", kind = "place", about = "line of the first message since the first sign, in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.high_score]
-- default = 5
-- unit    = "points"
-- source  = "mtaudit: a burst or many networks, and one sign more"
-- about   = "score from which an account is taken for compromised"
--
-- [params.medium_score]
-- default = 3
-- unit    = "points"
-- source  = "mtaudit: one strong sign, or two weak ones"
-- about   = "score from which the owner should be asked"
--
-- [params.rcpts_per_hour]
-- default = 100
-- unit    = "recipients in an hour"
-- source  = "mtaudit; Exchange Online allows 30 messages a minute and 10,000 recipients a day"
-- about   = "recipients from which an hour is a burst, when it is also twice the busiest hour of the account's days before, and (from five accounts on) four times that of the median account"
--
-- [params.domains_per_hour]
-- default = 50
-- unit    = "domains in an hour"
-- source  = "mtaudit: nobody writes to so many domains by hand"
-- about   = "different recipient domains in an hour that count as fan-out"
--
-- [params.networks_per_day]
-- default = 10
-- unit    = "networks in 24 hours"
-- source  = "Exim wiki, DetectSMTPAuthAbuse: more than 10 addresses a day; here networks (/24, /64)"
-- about   = "networks with logins of one account above which there are too many"
--
-- [params.blocks_per_hour]
-- default = 5
-- unit    = "blocks in an hour"
-- source  = "mtaudit, after loganom and postfix-users 2019"
-- about   = "blocks of addresses (/16, /32) with logins of one account from which it is spread too far"
--
-- [params.invalid_per_hour]
-- default = 100
-- unit    = "recipients in an hour"
-- source  = "exim-users 2011-04-11: 100 nonexistent recipients in an hour"
-- about   = "recipients that do not exist from which the list is taken for a spammer's"
--
-- [params.invalid_share]
-- default = 0.3
-- unit    = "of the recipients in an hour"
-- source  = "mtaudit"
-- about   = "share of recipients that do not exist above which the same holds, from 50 recipients on"
--
-- [params.min_spam_replies]
-- default = 3
-- unit    = "recipients in an hour"
-- source  = "mtaudit: one may be a mistake of the other side"
-- about   = "recipients refused as spam from which it is a sign"
--
-- [params.min_failures]
-- default = 5
-- unit    = "failures"
-- source  = "Elastic: 5 failures, then success; fail2ban: maxretry = 5"
-- about   = "failures for the account in 10 minutes, after which the first login from the same address is a sign"
--
-- [[findings]]
-- severity   = "high"
-- when       = "score >= high_score"
-- sentence   = "{auth_user} looks taken over since {first_ts} ({score} points: {signs}). Since then it sent {messages|message|messages} to {recipients|recipient|different recipients} in {recipient_domains|domain|domains}, and logged in or sent from {addresses|address|addresses}; {invalid|recipient did|recipients did} not exist, and {spam_replies|delivery was|deliveries were} refused as spam (last login before: {last_good_ip}). This is a pattern, not proof."
-- advice     = "Lock {auth_user} or change its password now, end its sessions, hold its mail in the queue, then ask the owner, check forwards and filters, and tell those it wrote to (`mtaudit query trace/affected_recipients --param account={auth_user}` lists them)."
-- thresholds = ["high_score", "rcpts_per_hour", "domains_per_hour", "networks_per_day", "blocks_per_hour", "invalid_per_hour", "invalid_share", "min_spam_replies", "min_failures"]
-- limit      = 10
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE auth_user <> '' AND (success OR credentials) UNION ALL SELECT auth_user, source, line FROM messages WHERE auth_user <> ''"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "score >= medium_score"
-- sentence   = "{auth_user} shows signs of misuse since {first_ts} ({score} points: {signs}). Since then it sent {messages|message|messages} to {recipients|recipient|different recipients} in {recipient_domains|domain|domains}, and logged in or sent from {addresses|address|addresses}; {invalid|recipient did|recipients did} not exist. A newsletter or a journey looks alike."
-- advice     = "Ask the owner of {auth_user} whether this was planned; if nobody knows of it, treat the account as taken over: change the password and end its sessions."
-- thresholds = ["medium_score", "rcpts_per_hour", "domains_per_hour", "networks_per_day", "blocks_per_hour", "invalid_per_hour", "invalid_share", "min_spam_replies", "min_failures"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE auth_user <> '' AND (success OR credentials) UNION ALL SELECT auth_user, source, line FROM messages WHERE auth_user <> ''"
-- keys       = ["auth_user"]
WITH own AS (
    SELECT message, CAST(auth_user AS VARCHAR) AS auth_user, sender, sender_domain, client_ip, received_ts, minute, day, source, line
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
    SELECT hops.root AS message, deliveries.recipient AS recipient, deliveries.recipient_domain AS recipient_domain,
           MAX(CASE WHEN deliveries.outcome = 'delivered' THEN 1 ELSE 0 END) AS delivered,
           MAX(CASE WHEN deliveries.outcome = 'bounced' AND deliveries.reason IN ('user-unknown', 'mailbox-inactive', 'nxdomain', 'no-mx', 'null-mx') THEN 1 ELSE 0 END) AS invalid,
           MAX(CASE WHEN deliveries.outcome <> 'delivered' AND deliveries.reason = 'spam' THEN 1 ELSE 0 END) AS spam
    FROM hops
    JOIN deliveries ON hops.hop = deliveries.message
    GROUP BY hops.root, deliveries.recipient, deliveries.recipient_domain
), refused AS (
    -- A refusal seldom names the login; its text or its connection may.
    SELECT CASE WHEN STRPOS(rejections.reply, 'not owned by user ') > 0 THEN SPLIT_PART(rejections.reply, 'not owned by user ', 2)
                ELSE CAST(COALESCE(rejections.auth_user, sessions.auth_user) AS VARCHAR) END AS auth_user, rejections.ts AS ts, rejections.minute AS minute, rejections.day AS day,
           CAST(rejections.recipient AS VARCHAR) AS recipient, CAST(rejections.recipient_domain AS VARCHAR) AS recipient_domain, rejections.reason AS reason, rejections.reply AS reply
    FROM rejections
    LEFT JOIN sessions ON rejections.session = sessions.session
    WHERE rejections.action = 'reject'
), sent AS (
    SELECT own.auth_user AS auth_user, own.received_ts AS ts, own.minute AS minute, own.day AS day,
           CAST(fates.recipient AS VARCHAR) AS recipient, CAST(fates.recipient_domain AS VARCHAR) AS recipient_domain, 1 AS taken,
           fates.delivered AS delivered, fates.invalid AS invalid, fates.spam AS spam
    FROM own
    JOIN fates ON own.message = fates.message
    UNION ALL
    SELECT auth_user, ts, minute, day, recipient, recipient_domain, 0 AS taken, 0 AS delivered,
           CASE WHEN reason IN ('user-unknown', 'nxdomain', 'null-mx') THEN 1 ELSE 0 END AS invalid,
           CASE WHEN reason = 'spam' THEN 1 ELSE 0 END AS spam
    FROM refused
    WHERE auth_user <> '' AND reason IN ('user-unknown', 'nxdomain', 'null-mx', 'spam')
), minutes AS (
    SELECT auth_user, minute, MIN(day) AS day, MIN(ts) AS ts,
           CAST(SUM(taken) AS BIGINT) AS taken, CAST(COUNT(*) AS BIGINT) AS tried, CAST(SUM(invalid) AS BIGINT) AS invalid, CAST(SUM(spam) AS BIGINT) AS spam
    FROM sent
    GROUP BY auth_user, minute
), steps AS (
    -- What comes in at a minute leaves the window an hour later: the running sum is the hour's.
    SELECT auth_user, minute, taken, tried, invalid, spam FROM minutes
    UNION ALL
    SELECT auth_user, minute + 60 AS minute, -taken AS taken, -tried AS tried, -invalid AS invalid, -spam AS spam FROM minutes
), nets AS (
    SELECT auth_user, minute, SUM(taken) AS taken, SUM(tried) AS tried, SUM(invalid) AS invalid, SUM(spam) AS spam
    FROM steps
    GROUP BY auth_user, minute
), running AS (
    SELECT auth_user, minute,
           SUM(taken) OVER (PARTITION BY auth_user ORDER BY minute) AS taken,
           SUM(tried) OVER (PARTITION BY auth_user ORDER BY minute) AS tried,
           SUM(invalid) OVER (PARTITION BY auth_user ORDER BY minute) AS invalid,
           SUM(spam) OVER (PARTITION BY auth_user ORDER BY minute) AS spam
    FROM nets
), hourly AS (
    SELECT running.auth_user AS auth_user, running.minute AS minute, minutes.day AS day,
           running.taken AS taken, running.tried AS tried, running.invalid AS invalid, running.spam AS spam
    FROM running
    JOIN minutes ON running.auth_user = minutes.auth_user AND running.minute = minutes.minute
), peaks AS (
    SELECT auth_user, day, MAX(taken) AS peak FROM hourly GROUP BY auth_user, day
), usual AS (
    SELECT later.auth_user AS auth_user, later.day AS day, MAX(earlier.peak) AS peak
    FROM peaks AS later
    JOIN peaks AS earlier ON later.auth_user = earlier.auth_user
    WHERE earlier.day < later.day
    GROUP BY later.auth_user, later.day
), account_peaks AS (
    SELECT auth_user, CAST(MAX(peak) AS DOUBLE) AS peak FROM peaks GROUP BY auth_user
), peers AS (
    SELECT MEDIAN(peak) AS peak, COUNT(*) AS accounts FROM account_peaks
), domain_minutes AS (
    SELECT DISTINCT auth_user, recipient_domain AS what, minute FROM sent WHERE taken = 1
), outside AS (
    SELECT CAST(logins.auth_user AS VARCHAR) AS auth_user, logins.client_ip AS client_ip, clients.network AS network, clients.block AS block,
           logins.ts AS ts, logins.minute AS minute, logins.hour AS hour, logins.source AS source, logins.line AS line
    FROM logins
    JOIN clients ON logins.client_ip = clients.client_ip
    WHERE logins.success AND logins.auth_user <> '' AND clients.kind = 'other'
), places AS (
    -- What counts as different, and for how many minutes.
    SELECT DISTINCT 'domain' AS kind, auth_user, CAST(what AS VARCHAR) AS what, minute, 60 AS width FROM domain_minutes
    UNION ALL
    SELECT DISTINCT 'network' AS kind, auth_user, network AS what, minute, 1440 AS width FROM outside
    UNION ALL
    SELECT DISTINCT 'block' AS kind, auth_user, block AS what, minute, 60 AS width FROM outside
), around AS (
    SELECT kind, auth_user, what, minute, width,
           LAG(minute) OVER (PARTITION BY kind, auth_user, what ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY kind, auth_user, what ORDER BY minute) AS after
    FROM places
), place_steps AS (
    SELECT kind, auth_user, width, minute, 1 AS n FROM around WHERE before IS NULL OR before + width <= minute
    UNION ALL
    SELECT kind, auth_user, width, minute + width AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + width
), place_nets AS (
    SELECT kind, auth_user, width, minute, SUM(n) AS n FROM place_steps GROUP BY kind, auth_user, width, minute
), spread AS (
    SELECT kind, auth_user, width, minute, SUM(n) OVER (PARTITION BY kind, auth_user ORDER BY minute) AS n FROM place_nets
), won AS (
    SELECT CAST(auth_user AS VARCHAR) AS auth_user, client_ip, ts, source, line FROM logins WHERE success AND auth_user <> ''
), firsts AS (
    SELECT auth_user, client_ip, MIN(ts) AS ts FROM won GROUP BY auth_user, client_ip
), first_networks AS (
    SELECT auth_user, network, MIN(minute) AS minute, MIN(ts) AS ts FROM outside GROUP BY auth_user, network
), begun AS (
    SELECT auth_user, MIN(minute) AS minute FROM outside GROUP BY auth_user
), failed AS (
    SELECT auth_user, client_ip, minute, CAST(SUM(n) AS BIGINT) AS n
    FROM (SELECT CAST(auth_user AS VARCHAR) AS auth_user, client_ip, minute, COALESCE(attempts, 1) AS n FROM logins WHERE NOT success AND credentials AND auth_user <> '') AS tries
    GROUP BY auth_user, client_ip, minute
), guessed AS (
    SELECT firsts.auth_user AS auth_user, firsts.client_ip AS client_ip, firsts.ts AS ts, outside.minute AS minute, SUM(failed.n) AS n
    FROM firsts
    JOIN outside ON firsts.auth_user = outside.auth_user AND firsts.client_ip = outside.client_ip AND firsts.ts = outside.ts
    JOIN failed ON firsts.auth_user = failed.auth_user AND firsts.client_ip = failed.client_ip
    WHERE failed.minute <= outside.minute AND failed.minute > outside.minute - 10
    GROUP BY firsts.auth_user, firsts.client_ip, firsts.ts, outside.minute
), homes AS (
    -- Domains that the account writes from by right: that of its own name, or else that of its first message.
    SELECT DISTINCT auth_user, sender_domain FROM own WHERE LOWER(CAST(sender AS VARCHAR)) = LOWER(auth_user)
), first_senders AS (
    SELECT auth_user, sender_domain
    FROM (SELECT auth_user, sender_domain, ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY received_ts, source, line) AS no FROM own WHERE sender <> '') AS numbered
    WHERE no = 1
), all_homes AS (
    SELECT auth_user, sender_domain FROM homes
    UNION ALL
    SELECT first_senders.auth_user AS auth_user, first_senders.sender_domain AS sender_domain
    FROM first_senders
    LEFT JOIN homes ON first_senders.auth_user = homes.auth_user
    WHERE homes.auth_user IS NULL
), foreign_senders AS (
    SELECT own.auth_user AS auth_user, own.minute AS minute, own.received_ts AS ts
    FROM own
    LEFT JOIN all_homes ON own.auth_user = all_homes.auth_user AND own.sender_domain = all_homes.sender_domain
    WHERE own.sender <> '' AND all_homes.auth_user IS NULL
    UNION ALL
    SELECT auth_user, minute, ts FROM refused WHERE auth_user <> '' AND STRPOS(reply, 'not owned by user ') > 0
), crossings AS (
    SELECT 'burst' AS sign, 3 AS weight, hourly.auth_user AS auth_user, hourly.minute AS minute
    FROM hourly
    CROSS JOIN params
    CROSS JOIN peers
    LEFT JOIN usual ON hourly.auth_user = usual.auth_user AND hourly.day = usual.day
    WHERE hourly.taken >= params.rcpts_per_hour AND hourly.taken >= 2 * COALESCE(usual.peak, 0) AND (peers.accounts < 5 OR hourly.taken >= 4 * peers.peak)
    UNION ALL
    SELECT 'invalid recipients' AS sign, 2 AS weight, hourly.auth_user AS auth_user, hourly.minute AS minute
    FROM hourly
    CROSS JOIN params
    WHERE hourly.invalid >= params.invalid_per_hour OR (hourly.tried >= 50 AND hourly.invalid > params.invalid_share * hourly.tried)
    UNION ALL
    SELECT 'spam replies' AS sign, 2 AS weight, hourly.auth_user AS auth_user, hourly.minute AS minute
    FROM hourly
    CROSS JOIN params
    WHERE hourly.spam >= params.min_spam_replies
    UNION ALL
    SELECT 'fan-out' AS sign, 2 AS weight, spread.auth_user AS auth_user, spread.minute AS minute
    FROM spread
    CROSS JOIN params
    WHERE spread.kind = 'domain' AND spread.n >= params.domains_per_hour
), crossed AS (
    -- A window that is too full is suspect from its first message on.
    SELECT crossings.sign AS sign, crossings.weight AS weight, crossings.auth_user AS auth_user, MIN(minutes.minute) AS minute, MIN(minutes.ts) AS ts
    FROM crossings
    JOIN minutes ON crossings.auth_user = minutes.auth_user
    WHERE minutes.minute <= crossings.minute AND minutes.minute > crossings.minute - 60
    GROUP BY crossings.sign, crossings.weight, crossings.auth_user, crossings.minute
), wide AS (
    SELECT 'many networks' AS sign, 3 AS weight, spread.auth_user AS auth_user, spread.minute AS minute
    FROM spread
    CROSS JOIN params
    WHERE spread.kind = 'network' AND spread.n > params.networks_per_day
    UNION ALL
    SELECT 'spread' AS sign, 2 AS weight, spread.auth_user AS auth_user, spread.minute AS minute
    FROM spread
    CROSS JOIN params
    WHERE spread.kind = 'block' AND spread.n >= params.blocks_per_hour
), signs AS (
    SELECT sign, weight, auth_user, minute, ts FROM crossed
    UNION ALL
    SELECT wide.sign AS sign, wide.weight AS weight, wide.auth_user AS auth_user, wide.minute AS minute, MIN(outside.ts) AS ts
    FROM wide
    JOIN outside ON wide.auth_user = outside.auth_user AND wide.minute = outside.minute
    GROUP BY wide.sign, wide.weight, wide.auth_user, wide.minute
    UNION ALL
    SELECT 'success after failures' AS sign, 2 AS weight, guessed.auth_user AS auth_user, guessed.minute AS minute, guessed.ts AS ts
    FROM guessed
    CROSS JOIN params
    WHERE guessed.n >= params.min_failures
    UNION ALL
    SELECT 'new network' AS sign, 1 AS weight, first_networks.auth_user AS auth_user, first_networks.minute AS minute, first_networks.ts AS ts
    FROM first_networks
    JOIN begun ON first_networks.auth_user = begun.auth_user
    WHERE first_networks.minute >= begun.minute + 1440
    UNION ALL
    SELECT 'foreign sender' AS sign, 1 AS weight, auth_user, minute, ts FROM foreign_senders
), sign_minutes AS (
    SELECT auth_user, sign, weight, minute, MIN(ts) AS ts FROM signs GROUP BY auth_user, sign, weight, minute
), anchors AS (
    SELECT DISTINCT auth_user, minute FROM sign_minutes
), together AS (
    SELECT anchors.auth_user AS auth_user, anchors.minute AS minute, sign_minutes.sign AS sign, sign_minutes.weight AS weight, MIN(sign_minutes.ts) AS ts
    FROM anchors
    JOIN sign_minutes ON anchors.auth_user = sign_minutes.auth_user
    WHERE sign_minutes.minute >= anchors.minute AND sign_minutes.minute < anchors.minute + 1440
    GROUP BY anchors.auth_user, anchors.minute, sign_minutes.sign, sign_minutes.weight
), scores AS (
    SELECT auth_user, minute, CAST(SUM(weight) AS BIGINT) AS score, MIN(ts) AS first_ts,
           MAX(CASE WHEN sign = 'burst' THEN 'burst 3, ' ELSE '' END) AS s1,
           MAX(CASE WHEN sign = 'many networks' THEN 'many networks 3, ' ELSE '' END) AS s2,
           MAX(CASE WHEN sign = 'spread' THEN 'spread 2, ' ELSE '' END) AS s3,
           MAX(CASE WHEN sign = 'success after failures' THEN 'success after failures 2, ' ELSE '' END) AS s4,
           MAX(CASE WHEN sign = 'invalid recipients' THEN 'invalid recipients 2, ' ELSE '' END) AS s5,
           MAX(CASE WHEN sign = 'spam replies' THEN 'spam replies 2, ' ELSE '' END) AS s6,
           MAX(CASE WHEN sign = 'fan-out' THEN 'fan-out 2, ' ELSE '' END) AS s7,
           MAX(CASE WHEN sign = 'new network' THEN 'new network 1, ' ELSE '' END) AS s8,
           MAX(CASE WHEN sign = 'foreign sender' THEN 'foreign sender 1, ' ELSE '' END) AS s9
    FROM together
    GROUP BY auth_user, minute
), best AS (
    SELECT auth_user, score, first_ts, CONCAT(s1, s2, s3, s4, s5, s6, s7, s8, s9) AS words
    FROM (SELECT auth_user, score, first_ts, s1, s2, s3, s4, s5, s6, s7, s8, s9,
                 ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY -score, minute) AS no
          FROM scores) AS ranked
    WHERE no = 1 AND score >= 2
), good AS (
    SELECT auth_user, ts, client_ip
    FROM (SELECT won.auth_user AS auth_user, won.ts AS ts, won.client_ip AS client_ip,
                 ROW_NUMBER() OVER (PARTITION BY won.auth_user ORDER BY won.ts DESC, won.source DESC, won.line DESC) AS no
          FROM won
          JOIN best ON won.auth_user = best.auth_user
          WHERE won.ts < best.first_ts) AS ranked
    WHERE no = 1
), seen AS (
    SELECT won.auth_user AS auth_user, won.client_ip AS client_ip
    FROM won
    JOIN best ON won.auth_user = best.auth_user
    WHERE won.ts >= best.first_ts AND won.client_ip IS NOT NULL
    UNION ALL
    SELECT own.auth_user AS auth_user, own.client_ip AS client_ip
    FROM own
    JOIN best ON own.auth_user = best.auth_user
    WHERE own.received_ts >= best.first_ts AND own.client_ip IS NOT NULL
), addresses AS (
    SELECT auth_user, COUNT(DISTINCT client_ip) AS n FROM seen GROUP BY auth_user
), sendings AS (
    SELECT own.auth_user AS auth_user, COUNT(*) AS messages, MAX(own.received_ts) AS last_ts, MIN(own.source * 10000000000 + own.line) AS place
    FROM own
    JOIN best ON own.auth_user = best.auth_user
    WHERE own.received_ts >= best.first_ts
    GROUP BY own.auth_user
), reached AS (
    SELECT sent.auth_user AS auth_user,
           COUNT(DISTINCT CASE WHEN sent.taken = 1 THEN sent.recipient END) AS recipients,
           COUNT(DISTINCT CASE WHEN sent.taken = 1 THEN sent.recipient_domain END) AS recipient_domains,
           SUM(sent.delivered) AS delivered, SUM(sent.invalid) AS invalid, SUM(sent.spam) AS spam
    FROM sent
    JOIN best ON sent.auth_user = best.auth_user
    WHERE sent.ts >= best.first_ts
    GROUP BY sent.auth_user
)
SELECT best.auth_user AS auth_user,
       best.score AS score,
       SUBSTR(best.words, 1, LENGTH(best.words) - 2) AS signs,
       best.first_ts AS first_ts,
       good.ts AS last_good_ts,
       COALESCE(good.client_ip, 'none in these logs') AS last_good_ip,
       CAST(COALESCE(addresses.n, 0) AS BIGINT) AS addresses,
       CAST(COALESCE(sendings.messages, 0) AS BIGINT) AS messages,
       CAST(COALESCE(reached.recipients, 0) AS BIGINT) AS recipients,
       CAST(COALESCE(reached.recipient_domains, 0) AS BIGINT) AS recipient_domains,
       CAST(COALESCE(reached.delivered, 0) AS BIGINT) AS delivered,
       CAST(COALESCE(reached.invalid, 0) AS BIGINT) AS invalid,
       CAST(COALESCE(reached.spam, 0) AS BIGINT) AS spam_replies,
       sendings.last_ts AS last_ts,
       sendings.place AS place
FROM best
LEFT JOIN good ON best.auth_user = good.auth_user
LEFT JOIN addresses ON best.auth_user = addresses.auth_user
LEFT JOIN sendings ON best.auth_user = sendings.auth_user
LEFT JOIN reached ON best.auth_user = reached.auth_user
ORDER BY score DESC, recipients DESC, auth_user
