-- title    = "Clients that we refused most"
-- question = "Who was turned away most often, and did anyone try out our addresses?"
-- aliases  = ["rejects_by_client"]
-- tables   = ["rejections", "messages"]
-- limits   = "An address may stand for many machines, and an attacker uses many addresses. Windows are whole minutes. Guessing at addresses and an outdated address list look alike."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 20
-- sensitivity = "burst"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "rejections", kind = "count", about = "commands refused" },
--   { name = "reasons", kind = "count", about = "different reasons" },
--   { name = "main_reason", kind = "text", about = "most frequent reason" },
--   { name = "recipients", kind = "count", about = "different recipients it was refused for" },
--   { name = "unknown_recipients", kind = "count", about = "different recipients refused as unknown" },
--   { name = "most_unknown", kind = "count", about = "most different unknown recipients within one hour by the clock (UTC)" },
--   { name = "most_in_window", kind = "count", about = "most refusals within the window" },
--   { name = "accepted", kind = "count", about = "messages accepted from the same address" },
--   { name = "days", kind = "count", about = "different days with refusals" },
--   { name = "first_ts", kind = "time", about = "first refusal" },
--   { name = "last_ts", kind = "time", about = "last refusal" },
--   { name = "place", kind = "place", about = "line of the first refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- where   = "client_ip IS NOT NULL"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal with the address of the client"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.unknown_per_hour]
-- default = 5
-- unit    = "recipients in an hour"
-- source  = "Trend Micro DDEI, directory harvest: more than 5 nonexistent recipients in an hour"
-- about   = "different unknown recipients above which guessing at addresses is suspected"
--
-- [params.burst]
-- default = 5
-- unit    = "refusals"
-- source  = "fail2ban jail.conf: maxretry = 5"
-- about   = "refusals within the window from which a client is pointed out"
--
-- [params.window_minutes]
-- default = 10
-- unit    = "minutes, at most 60"
-- source  = "fail2ban jail.conf: findtime = 10m"
-- about   = "width of the sliding window"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_unknown > unknown_per_hour"
-- sentence   = "{client_ip} tried {most_unknown|address that does|different addresses that do} not exist within one hour ({unknown_recipients} in all; {rejections|refusal|refusals} for any reason), and {accepted|message was|messages were} accepted from there. Address lists are probed like this; an outdated list looks alike."
-- advice     = "If {client_ip} is a partner with an outdated address list, tell its postmaster; otherwise block it, and let a limit on errors end such sessions (Postfix: smtpd_hard_error_limit; fail2ban)."
-- thresholds = ["unknown_per_hour"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE reason = 'user-unknown'"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "most_in_window >= burst AND main_reason <> 'greylist'"
-- sentence   = "{client_ip} met {most_in_window|refusal|refusals} within {params.window_minutes|minute|minutes} ({rejections} in all, mostly {main_reason}), and {accepted|message was|messages were} accepted from there."
-- advice     = "Look at one of the refusals of {client_ip}: a stranger needs blocking only if it burdens the server, a sender whose mail you want has to be told what it does wrong ({main_reason})."
-- thresholds = ["burst", "window_minutes"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE action IN ('reject', 'defer')"
-- keys       = ["client_ip"]
WITH refused AS (
    SELECT client_ip, client_name, COALESCE(reason, 'undetermined') AS reason, recipient, ts, day, minute, source, line
    FROM rejections
    WHERE client_ip IS NOT NULL AND action IN ('reject', 'defer')
), clients AS (
    SELECT client_ip,
           MAX(client_name) AS client_name,
           CAST(COUNT(*) AS BIGINT) AS rejections,
           COUNT(DISTINCT reason) AS reasons,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT CASE WHEN reason = 'user-unknown' THEN recipient END) AS unknown_recipients,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM refused
    GROUP BY client_ip
), reasons AS (
    SELECT client_ip, reason, CAST(COUNT(*) AS BIGINT) AS n
    FROM refused
    GROUP BY client_ip, reason
), main AS (
    SELECT client_ip, reason
    FROM (
        SELECT client_ip, reason, ROW_NUMBER() OVER (PARTITION BY client_ip ORDER BY -n, reason) AS no
        FROM reasons
    ) AS numbered
    WHERE no = 1
), hourly AS (
    SELECT client_ip, minute - minute % 60 AS slot, COUNT(DISTINCT recipient) AS unknown
    FROM refused
    WHERE reason = 'user-unknown'
    GROUP BY client_ip, minute - minute % 60
), harvest AS (
    SELECT client_ip, MAX(unknown) AS most_unknown
    FROM hourly
    GROUP BY client_ip
), back AS (
    SELECT CAST(tens.n AS BIGINT) * 10 + CAST(ones.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5)) AS tens(n)
    CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS ones(n)
    CROSS JOIN params
    WHERE CAST(tens.n AS BIGINT) * 10 + CAST(ones.n AS BIGINT) < params.window_minutes
), per_minute AS (
    SELECT client_ip, minute, CAST(COUNT(*) AS BIGINT) AS n
    FROM refused
    GROUP BY client_ip, minute
), windows AS (
    -- A minute belongs to every window that begins in it or up to window_minutes - 1 before.
    SELECT per_minute.client_ip AS client_ip, per_minute.minute - back.minutes AS starts, CAST(SUM(per_minute.n) AS BIGINT) AS n
    FROM per_minute
    CROSS JOIN back
    GROUP BY per_minute.client_ip, per_minute.minute - back.minutes
), bursts AS (
    SELECT client_ip, MAX(n) AS most_in_window
    FROM windows
    GROUP BY client_ip
), taken AS (
    SELECT client_ip, COUNT(*) AS accepted
    FROM messages
    WHERE client_ip IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')
    GROUP BY client_ip
)
SELECT clients.client_ip AS client_ip,
       clients.client_name AS client_name,
       clients.rejections AS rejections,
       clients.reasons AS reasons,
       main.reason AS main_reason,
       clients.recipients AS recipients,
       clients.unknown_recipients AS unknown_recipients,
       CAST(COALESCE(harvest.most_unknown, 0) AS BIGINT) AS most_unknown,
       bursts.most_in_window AS most_in_window,
       CAST(COALESCE(taken.accepted, 0) AS BIGINT) AS accepted,
       clients.days AS days,
       clients.first_ts AS first_ts,
       clients.last_ts AS last_ts,
       clients.place AS place
FROM clients
LEFT JOIN main ON clients.client_ip = main.client_ip
LEFT JOIN harvest ON clients.client_ip = harvest.client_ip
LEFT JOIN bursts ON clients.client_ip = bursts.client_ip
LEFT JOIN taken ON clients.client_ip = taken.client_ip
ORDER BY rejections DESC, client_ip
