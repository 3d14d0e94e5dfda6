-- title    = "Logins from places not seen before"
-- question = "Which accounts logged in from a network that they had never used, after these logs had known them for two weeks?"
-- tables   = ["logins", "messages"]
-- limits   = "A journey, a new phone contract or a new provider looks the same. New is what was not in these logs before. Networks are /24 or /64, blocks /16 or /32: no country is looked up. Trusted and private addresses are left out."
-- controls = ["NIST SP 800-53 AC-2(12)", "ISO/IEC 27001 A.8.16", "PCI DSS 10.4.1"]
-- rows     = 20
-- sensitivity = "baseline_days"
-- columns  = [
--   { name = "ts", kind = "time", about = "first login from the network" },
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "client_ip", kind = "text", about = "address of that login" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "network", kind = "text", about = "its network" },
--   { name = "new_block", kind = "flag", about = "the block around it is new to the account as well" },
--   { name = "known_days", kind = "count", about = "days from the account's first login in these logs until then" },
--   { name = "known_networks", kind = "count", about = "networks that it had used before" },
--   { name = "failures_before", kind = "count", about = "failures of the account from other networks in the 24 hours before" },
--   { name = "logins", kind = "count", about = "logins from the network since" },
--   { name = "messages", kind = "count", about = "messages that the account handed in from there since" },
--   { name = "place", kind = "place", about = "line of that login" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "success"
-- missing = "the logs hold no successful login"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.baseline_days]
-- default = 14
-- unit    = "days"
-- source  = "mtaudit: two weeks show the places of a working life"
-- about   = "days for which an account must be known"
--
-- [params.few_networks]
-- default = 5
-- unit    = "networks"
-- source  = "mtaudit: who is often on the way has new networks every day"
-- about   = "networks used before, up to which a new one is worth a look"
--
-- [params.min_failures]
-- default = 5
-- unit    = "failures"
-- source  = "fail2ban jail.conf: maxretry = 5"
-- about   = "failures elsewhere in the 24 hours before from which it looks like a guess that worked"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "new_block AND failures_before >= min_failures"
-- sentence   = "On {ts}, {auth_user} logged in from {client_ip}, a place it had not used in the {known_days|day|days} before, after {failures_before|failure|failures} from other networks within 24 hours. From then on, {logins|login|logins} (this one included) and {messages|message|messages} came from that network."
-- advice     = "Ask {auth_user} by phone whether the login from {client_ip} was theirs; if not, change the password, end the open sessions, and look at what was sent from there."
-- thresholds = ["baseline_days", "min_failures"]
-- limit      = 10
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "new_block AND known_networks <= few_networks AND messages > 0"
-- sentence   = "On {ts}, {auth_user} logged in from {client_ip}, a place it had not used in the {known_days|day|days} before, and sent {messages|message|messages} from there. Until then it had used {known_networks|network|networks}."
-- advice     = "There is nothing to do if {auth_user} is travelling or has changed provider; otherwise ask whether the login was theirs."
-- thresholds = ["baseline_days", "few_networks"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
WITH outside AS (
    SELECT logins.auth_user AS auth_user, logins.client_ip AS client_ip, clients.network AS network, clients.block AS block,
           logins.client_name AS client_name, logins.ts AS ts, logins.minute AS minute, logins.day AS day, logins.source AS source, logins.line AS line
    FROM logins
    JOIN clients ON logins.client_ip = clients.client_ip
    WHERE logins.success AND logins.auth_user <> '' AND clients.kind = 'other'
), begun AS (
    SELECT auth_user, MIN(minute) AS minute FROM logins WHERE success AND auth_user <> '' GROUP BY auth_user
), numbered AS (
    SELECT auth_user, client_ip, client_name, network, block, ts, minute, source, line,
           ROW_NUMBER() OVER (PARTITION BY auth_user, network ORDER BY ts, source, line) AS no
    FROM outside
), firsts AS (
    SELECT auth_user, client_ip, client_name, network, block, ts, minute, source, line FROM numbered WHERE no = 1
), late AS (
    SELECT firsts.auth_user AS auth_user, firsts.client_ip AS client_ip, firsts.client_name AS client_name, firsts.network AS network, firsts.block AS block,
           firsts.ts AS ts, firsts.minute AS minute, firsts.source AS source, firsts.line AS line, begun.minute AS begun
    FROM firsts
    JOIN begun ON firsts.auth_user = begun.auth_user
    CROSS JOIN params
    WHERE firsts.minute - begun.minute >= params.baseline_days * 1440
), earlier AS (
    SELECT late.auth_user AS auth_user, late.network AS network, COUNT(*) AS networks,
           MAX(CASE WHEN firsts.block = late.block THEN 1 ELSE 0 END) AS same_block
    FROM late
    JOIN firsts ON late.auth_user = firsts.auth_user
    WHERE firsts.ts < late.ts
    GROUP BY late.auth_user, late.network
), failed AS (
    SELECT late.auth_user AS auth_user, late.network AS network, CAST(SUM(COALESCE(logins.attempts, 1)) AS BIGINT) AS n
    FROM late
    JOIN logins ON late.auth_user = logins.auth_user
    LEFT JOIN clients ON logins.client_ip = clients.client_ip
    WHERE NOT logins.success AND logins.credentials AND logins.ts <= late.ts AND logins.minute > late.minute - 1440
      AND COALESCE(clients.network, '') <> late.network
    GROUP BY late.auth_user, late.network
), since AS (
    SELECT auth_user, network, COUNT(*) AS n FROM outside GROUP BY auth_user, network
), sent AS (
    SELECT messages.auth_user AS auth_user, clients.network AS network, COUNT(*) AS n
    FROM messages
    JOIN clients ON messages.client_ip = clients.client_ip
    WHERE messages.auth_user <> '' AND messages.origin <> 'reinjected'
    GROUP BY messages.auth_user, clients.network
)
SELECT late.ts AS ts,
       late.auth_user AS auth_user,
       late.client_ip AS client_ip,
       late.client_name AS client_name,
       late.network AS network,
       COALESCE(earlier.same_block, 0) = 0 AS new_block,
       CAST(FLOOR(CAST(late.minute - late.begun AS DOUBLE) / 1440) AS BIGINT) AS known_days,
       CAST(COALESCE(earlier.networks, 0) AS BIGINT) AS known_networks,
       CAST(COALESCE(failed.n, 0) AS BIGINT) AS failures_before,
       since.n AS logins,
       CAST(COALESCE(sent.n, 0) AS BIGINT) AS messages,
       late.source * 10000000000 + late.line AS place
FROM late
LEFT JOIN earlier ON late.auth_user = earlier.auth_user AND late.network = earlier.network
LEFT JOIN failed ON late.auth_user = failed.auth_user AND late.network = failed.network
JOIN since ON late.auth_user = since.auth_user AND late.network = since.network
LEFT JOIN sent ON late.auth_user = sent.auth_user AND late.network = sent.network
ORDER BY failures_before DESC, messages DESC, ts, auth_user, network
