-- title    = "Clients trying to relay"
-- question = "Who tried to send mail to outside addresses through our server, and did any pass?"
-- aliases  = ["relay_probe"]
-- tables   = ["rejections", "messages"]
-- limits   = "Refused tries show that the server is closed at that door, not at every other. A refused try may also be a user whose mail program does not log in. Windows are whole minutes, so `6 in 90 s` is counted as 6 in 2 minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 20
-- sensitivity = "fast_tries"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "tries", kind = "count", about = "recipients refused as relaying" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "most_in_10_min", kind = "count", about = "most tries within 10 minutes" },
--   { name = "most_in_2_min", kind = "count", about = "most tries within 2 minutes" },
--   { name = "accepted", kind = "count", about = "messages accepted from the same address" },
--   { name = "relayed", kind = "count", about = "of them without login, for recipients outside" },
--   { name = "first_ts", kind = "time", about = "first try" },
--   { name = "last_ts", kind = "time", about = "last try" },
--   { name = "place", kind = "place", about = "line of the first try in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.slow_tries]
-- default = 2
-- unit    = "tries in 10 minutes"
-- source  = "CrowdSec postfix-relay-denied: the second within 10 minutes"
-- about   = "tries from which a client is pointed out"
--
-- [params.fast_tries]
-- default = 6
-- unit    = "tries in 2 minutes"
-- source  = "OSSEC rule 3351: 6 within 90 seconds"
-- about   = "tries from which it is more than a mistake"
--
-- [params.relayed_messages]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit, after RFC 5321 7.9: relaying is for clients that are known; one message shows that it was not"
-- about   = "messages relayed for a client without login from which it is pointed out"
--
-- [[findings]]
-- severity   = "high"
-- when       = "relayed >= relayed_messages"
-- sentence   = "{client_ip} was refused as relaying {tries|time|times}, yet {relayed} of {accepted|message|messages} accepted from there went to recipients outside without login. If this client is not meant to relay, our server is open to it."
-- advice     = "If {client_ip} may relay, name it as a relay in mtaudit.toml; if not, take it out of mynetworks or of the access map that lets it pass, now, and look at what was sent (spam/open_relay_proof)."
-- thresholds = ["relayed_messages"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE reason = 'relay-denied' UNION ALL SELECT client_ip, source, line FROM messages WHERE direction = 'relayed' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_2_min >= fast_tries"
-- sentence   = "{client_ip} tried to relay {most_in_2_min|time|times} within 2 minutes ({tries|try|tries} in all, to {recipients|recipient|different recipients}). All were refused."
-- advice     = "Block {client_ip} if it goes on, and test from outside that every one of our hosts refuses to relay; nothing is broken."
-- thresholds = ["fast_tries"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE reason = 'relay-denied'"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_10_min >= slow_tries"
-- sentence   = "{client_ip} tried to relay {most_in_10_min|time|times} within 10 minutes ({tries|try|tries} in all, to {recipients|recipient|different recipients}). All were refused; it may also be a user who did not log in."
-- advice     = "If {client_ip} belongs to one of your users, have them log in on port 587 or 465; otherwise there is nothing to do."
-- thresholds = ["slow_tries"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE reason = 'relay-denied'"
-- keys       = ["client_ip"]
WITH tries AS (
    SELECT client_ip, client_name, sender, recipient, ts, minute, source, line
    FROM rejections
    WHERE reason = 'relay-denied' AND client_ip IS NOT NULL AND action IN ('reject', 'defer')
), clients AS (
    SELECT client_ip,
           MAX(client_name) AS client_name,
           COUNT(*) AS tries,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT sender) AS senders,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM tries
    GROUP BY client_ip
), per_minute AS (
    SELECT client_ip, minute, CAST(COUNT(*) AS BIGINT) AS n
    FROM tries
    GROUP BY client_ip, minute
), back AS (
    SELECT CAST(v.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v(n)
), windows AS (
    -- A minute belongs to every window that begins in it or up to 9 (or 1) minutes before.
    SELECT per_minute.client_ip AS client_ip,
           per_minute.minute - back.minutes AS starts,
           SUM(per_minute.n) AS in_10,
           SUM(CASE WHEN back.minutes < 2 THEN per_minute.n ELSE 0 END) AS in_2
    FROM per_minute
    CROSS JOIN back
    GROUP BY per_minute.client_ip, per_minute.minute - back.minutes
), bursts AS (
    SELECT client_ip, CAST(MAX(in_10) AS BIGINT) AS most_in_10_min, CAST(MAX(in_2) AS BIGINT) AS most_in_2_min
    FROM windows
    GROUP BY client_ip
), taken AS (
    SELECT client_ip,
           COUNT(*) AS accepted,
           COUNT(*) FILTER (WHERE direction = 'relayed' AND COALESCE(auth_user, '') = '') AS relayed
    FROM messages
    WHERE client_ip IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')
    GROUP BY client_ip
)
SELECT clients.client_ip AS client_ip,
       clients.client_name AS client_name,
       clients.tries AS tries,
       clients.recipients AS recipients,
       clients.senders AS senders,
       bursts.most_in_10_min AS most_in_10_min,
       bursts.most_in_2_min AS most_in_2_min,
       CAST(COALESCE(taken.accepted, 0) AS BIGINT) AS accepted,
       CAST(COALESCE(taken.relayed, 0) AS BIGINT) AS relayed,
       clients.first_ts AS first_ts,
       clients.last_ts AS last_ts,
       clients.place AS place
FROM clients
LEFT JOIN bursts ON clients.client_ip = bursts.client_ip
LEFT JOIN taken ON clients.client_ip = taken.client_ip
ORDER BY tries DESC, client_ip
