-- title    = "Connections at the same time"
-- question = "How many clients were connected at once, and did one of them take more than its share?"
-- tables   = ["sessions"]
-- limits   = "Counted at each new connection, itself included. Connections without their begin or end in the logs are left out, as nobody knows how long they lasted; with times in whole seconds, those that only touch count as together. Trusted clients, relays, scanners and the server itself are listed, but not pointed out."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 SC-5"]
-- rows     = 20
-- sensitivity = "client_limit"
-- columns  = [
--   { name = "basis", kind = "text", about = "service: all clients of a service; client: one address" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "service", kind = "text", about = "service connected to" },
--   { name = "client_ip", kind = "text", about = "address of the client; null for a service" },
--   { name = "kind", kind = "text", about = "who is there: trusted, relay, scanner, private, other; null for a service" },
--   { name = "sessions", kind = "count", about = "connections with begin and end" },
--   { name = "most", kind = "count", about = "most at the same time" },
--   { name = "p99", kind = "number", unit = "connections", about = "of 100 new connections, 99 found at most so many, themselves included" },
--   { name = "most_ts", kind = "time", about = "when there were most for the first time" },
--   { name = "place", kind = "place", about = "first line of the connection that made them most" },
-- ]
--
-- [[needs]]
-- table   = "sessions"
-- where   = "connect_ts IS NOT NULL AND disconnect_ts IS NOT NULL"
-- missing = "the logs hold no connection with its begin and end"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.client_limit]
-- default = 50
-- unit    = "connections"
-- source  = "Postfix: smtpd_client_connection_count_limit = 50"
-- about   = "connections of one client at the same time from which it is pointed out"
--
-- [params.service_limit]
-- default = 100
-- unit    = "connections"
-- source  = "Postfix: default_process_limit = 100"
-- about   = "connections to one service at the same time from which it is pointed out"
--
-- [params.listed]
-- default = 5
-- unit    = "connections"
-- source  = "mtaudit"
-- about   = "connections of one client at the same time from which it is listed"
--
-- [[findings]]
-- severity   = "low"
-- when       = "basis = 'service' AND most >= service_limit"
-- sentence   = "At {most_ts}, {most|client was|clients were} connected to {service|a service} on {host} at once ({sessions|connection|connections} in all; 99 of 100 new ones found at most {p99}, themselves included). Unless told otherwise, Postfix serves {params.service_limit} at a time, and whoever comes then waits."
-- advice     = "Compare with `maxproc` of {service|the service} in master.cf and with the memory of {host}; put postscreen in front if most of these clients bring no mail."
-- thresholds = ["service_limit"]
-- evidence   = "SELECT host, COALESCE(CAST(service AS VARCHAR), '') AS service, connect_ts AS most_ts, source, line FROM sessions"
-- keys       = ["host", "service", "most_ts"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "basis = 'client' AND kind IN ('private', 'other') AND client_ip NOT IN ('127.0.0.1', '::1') AND most >= client_limit"
-- sentence   = "At {most_ts}, {client_ip} held {most|connection|connections} to {service|a service} on {host} at once ({sessions} in all). Unless told otherwise, Postfix allows a client {params.client_limit}."
-- advice     = "Find out who {client_ip} is: if it is yours, name it as a relay in mtaudit.toml, otherwise lower `smtpd_client_connection_count_limit` so that it cannot crowd out others."
-- thresholds = ["client_limit"]
-- evidence   = "SELECT host, COALESCE(CAST(service AS VARCHAR), '') AS service, client_ip, connect_ts AS most_ts, source, line FROM sessions"
-- keys       = ["host", "service", "client_ip", "most_ts"]
WITH held AS (
    SELECT host, COALESCE(CAST(service AS VARCHAR), '') AS service, COALESCE(CAST(client_ip AS VARCHAR), '') AS client_ip,
           connect_ts, disconnect_ts, source * 10000000000 + line AS place
    FROM sessions
    WHERE connect_ts IS NOT NULL AND disconnect_ts IS NOT NULL
), busy AS (
    -- Fewer connections in all cannot be more at once.
    SELECT held.host AS host, held.service AS service, held.client_ip AS client_ip
    FROM held
    CROSS JOIN params
    WHERE held.client_ip <> ''
    GROUP BY held.host, held.service, held.client_ip
    HAVING COUNT(*) >= MAX(params.listed)
), keyed AS (
    SELECT 'service' AS basis, host, service, '' AS client_ip, connect_ts, disconnect_ts, place
    FROM held
    UNION ALL
    SELECT 'client' AS basis, held.host AS host, held.service AS service, held.client_ip AS client_ip, held.connect_ts AS connect_ts,
           held.disconnect_ts AS disconnect_ts, held.place AS place
    FROM held
    JOIN busy ON held.host = busy.host AND held.service = busy.service AND held.client_ip = busy.client_ip
), changes AS (
    SELECT basis, host, service, client_ip, connect_ts AS ts, 1 AS begins, 0 AS finishes, place
    FROM keyed
    UNION ALL
    SELECT basis, host, service, client_ip, disconnect_ts AS ts, 0 AS begins, 1 AS finishes, CAST(NULL AS BIGINT) AS place
    FROM keyed
), instants AS (
    -- One row an instant makes the running sum independent of the order of rows.
    SELECT basis, host, service, client_ip, ts,
           CAST(SUM(begins) AS BIGINT) AS begins,
           CAST(SUM(finishes) AS BIGINT) AS finishes,
           MIN(place) AS place
    FROM changes
    GROUP BY basis, host, service, client_ip, ts
), running AS (
    -- Those that end in an instant are taken off after it.
    SELECT basis, host, service, client_ip, ts, begins, place,
           SUM(begins - finishes) OVER (PARTITION BY basis, host, service, client_ip ORDER BY ts) + finishes AS depth
    FROM instants
), ranked AS (
    SELECT basis, host, service, client_ip, ts, place, depth,
           ROW_NUMBER() OVER (PARTITION BY basis, host, service, client_ip ORDER BY -depth, ts) AS no
    FROM running
    WHERE begins > 0
), summed AS (
    SELECT basis, host, service, client_ip, CAST(SUM(begins) AS BIGINT) AS sessions, QUANTILE_CONT(depth, 0.99) AS p99
    FROM running
    WHERE begins > 0
    GROUP BY basis, host, service, client_ip
), kinds AS (
    SELECT CAST(client_ip AS VARCHAR) AS client_ip, kind FROM clients
)
SELECT ranked.basis AS basis,
       ranked.host AS host,
       ranked.service AS service,
       CASE WHEN ranked.basis = 'client' THEN ranked.client_ip END AS client_ip,
       kinds.kind AS kind,
       summed.sessions AS sessions,
       CAST(ranked.depth AS BIGINT) AS most,
       ROUND(summed.p99, 2) AS p99,
       ranked.ts AS most_ts,
       ranked.place AS place
FROM ranked
JOIN summed ON ranked.basis = summed.basis AND ranked.host = summed.host AND ranked.service = summed.service AND ranked.client_ip = summed.client_ip
CROSS JOIN params
LEFT JOIN kinds ON ranked.client_ip = kinds.client_ip
WHERE ranked.no = 1 AND (ranked.basis = 'service' OR ranked.depth >= params.listed)
ORDER BY basis DESC, most DESC, host, service, client_ip
