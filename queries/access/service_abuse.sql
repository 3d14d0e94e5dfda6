-- title    = "Clients that misuse the service"
-- question = "Which clients flood us with connections, ask for what is not offered, or try to log in where no login is offered?"
-- tables   = ["logins", "rejections", "sessions"]
-- limits   = "Postfix writes VRFY that it answered only in a counter of the disconnect line, which is not in the tables: what is refused is seen. Monitoring connects often too: name it as trusted. Trusted, relay and scanner clients are left out. Windows are whole minutes by the clock."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SC-5", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "connections_per_minute"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "connections", kind = "count", about = "connections" },
--   { name = "most_in_minute", kind = "count", about = "most connections within one minute" },
--   { name = "empty_connections", kind = "count", about = "connections without a message, a refusal or a login" },
--   { name = "odd_commands", kind = "count", about = "VRFY, EXPN, ETRN or TURN that were refused" },
--   { name = "unoffered_logins", kind = "count", about = "tries to log in that were refused before a password was asked for: not offered or not encrypted" },
--   { name = "messages", kind = "count", about = "messages accepted from the address" },
--   { name = "first_ts", kind = "time", about = "first connection" },
--   { name = "last_ts", kind = "time", about = "last connection" },
--   { name = "place", kind = "place", about = "line of the first connection in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "sessions"
-- missing = "the logs hold no connection of a client"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.connections_per_minute]
-- default = 30
-- unit    = "connections in a minute"
-- source  = "mtaudit; Postfix allows 50 at once (smtpd_client_connection_count_limit)"
-- about   = "connections in a minute from which it is a flood"
--
-- [params.odd]
-- default = 1
-- unit    = "commands"
-- source  = "logwatch lists any VRFY, EXPN and ETRN"
-- about   = "refused commands from which a client is pointed out"
--
-- [params.unoffered]
-- default = 10
-- unit    = "tries"
-- source  = "mtaudit: a mail program that is set up wrongly tries a few times"
-- about   = "tries to log in where none is offered from which it is a machine"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_minute >= connections_per_minute AND messages = 0"
-- sentence   = "{client_ip} connected {most_in_minute|time|times} within one minute and delivered nothing; of {connections|connection|connections} in all, {empty_connections} were empty (no message, no refusal, no login)."
-- advice     = "If {client_ip} is your own monitoring, name it as trusted in mtaudit.toml; otherwise block it, or limit it (Postfix: smtpd_client_connection_rate_limit; postscreen)."
-- thresholds = ["connections_per_minute"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM sessions"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "most_in_minute >= connections_per_minute"
-- sentence   = "{client_ip} connected {most_in_minute|time|times} within one minute ({connections|connection|connections} in all) and delivered {messages|message|messages}."
-- thresholds = ["connections_per_minute"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM sessions"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "unoffered_logins >= unoffered"
-- sentence   = "{client_ip} tried {unoffered_logins|time|times} to log in where no login is offered, or without encryption ({connections|connection|connections} in all)."
-- advice     = "If {client_ip} is one of your users, set the mail program to port 587 with STARTTLS or 465 with TLS; otherwise block it."
-- thresholds = ["unoffered"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND NOT credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "odd_commands >= odd"
-- sentence   = "{client_ip} asked for VRFY, EXPN, ETRN or TURN {odd_commands|time|times} and was refused ({connections|connection|connections} in all)."
-- thresholds = ["odd"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE STRPOS(reply, 'VRFY') = 1 OR STRPOS(reply, 'EXPN') = 1 OR STRPOS(reply, 'ETRN') = 1 OR STRPOS(reply, 'TURN') = 1"
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip FROM clients WHERE kind NOT IN ('trusted', 'relay', 'scanner') AND client_ip <> '127.0.0.1' AND client_ip <> '::1'
), seen AS (
    SELECT sessions.client_ip AS client_ip, sessions.client_name AS client_name, sessions.connect_ts AS ts, sessions.minute AS minute,
           COALESCE(sessions.messages, 0) AS messages, COALESCE(sessions.rejections, 0) AS rejections, sessions.auth_user AS auth_user,
           COALESCE(sessions.auth_failures, 0) AS auth_failures, sessions.source AS source, sessions.line AS line
    FROM sessions
    JOIN strangers ON sessions.client_ip = strangers.client_ip
), by_client AS (
    SELECT client_ip, MAX(client_name) AS client_name, COUNT(*) AS connections,
           COUNT(*) FILTER (WHERE messages = 0 AND rejections = 0 AND auth_failures = 0 AND COALESCE(auth_user, '') = '') AS empty_connections,
           CAST(SUM(messages) AS BIGINT) AS messages, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM seen
    GROUP BY client_ip
), per_minute AS (
    SELECT client_ip, minute, COUNT(*) AS n FROM seen GROUP BY client_ip, minute
), fast AS (
    SELECT client_ip, MAX(n) AS n FROM per_minute GROUP BY client_ip
), odd AS (
    SELECT client_ip, COUNT(*) AS n
    FROM rejections
    WHERE STRPOS(reply, 'VRFY') = 1 OR STRPOS(reply, 'EXPN') = 1 OR STRPOS(reply, 'ETRN') = 1 OR STRPOS(reply, 'TURN') = 1
    GROUP BY client_ip
), unoffered AS (
    SELECT client_ip, CAST(SUM(COALESCE(attempts, 1)) AS BIGINT) AS n
    FROM logins
    WHERE NOT success AND NOT credentials AND (failure LIKE 'refused without a reason%' OR failure LIKE '%tried to use dis%')
    GROUP BY client_ip
)
SELECT by_client.client_ip AS client_ip,
       by_client.client_name AS client_name,
       by_client.connections AS connections,
       fast.n AS most_in_minute,
       by_client.empty_connections AS empty_connections,
       CAST(COALESCE(odd.n, 0) AS BIGINT) AS odd_commands,
       CAST(COALESCE(unoffered.n, 0) AS BIGINT) AS unoffered_logins,
       by_client.messages AS messages,
       by_client.first_ts AS first_ts,
       by_client.last_ts AS last_ts,
       by_client.place AS place
FROM by_client
JOIN fast ON by_client.client_ip = fast.client_ip
LEFT JOIN odd ON by_client.client_ip = odd.client_ip
LEFT JOIN unoffered ON by_client.client_ip = unoffered.client_ip
WHERE fast.n >= 5 OR COALESCE(odd.n, 0) > 0 OR COALESCE(unoffered.n, 0) > 1
ORDER BY most_in_minute DESC, odd_commands DESC, unoffered_logins DESC, client_ip
