-- title    = "Clients with false names in HELO"
-- question = "Which clients greet us with our own name, a bare address, a name without a domain, or many names?"
-- tables   = ["deliveries", "messages", "rejections"]
-- limits   = "Knows the HELO of accepted messages and of refusals, on port 25 and without a login. Ours is a domain that mail is delivered for here, and the name of a log's host with or without it; our addresses are not known. Many names may be many machines behind one address. Windows are whole minutes. With `--pseudonymise` the names have another form, and what rests on it is not seen."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "names_per_hour"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "uses", kind = "count", about = "messages and refusals with a HELO" },
--   { name = "names", kind = "count", about = "different names" },
--   { name = "most_in_hour", kind = "count", about = "most different names within one hour" },
--   { name = "as_us", kind = "count", about = "uses of a name of ours" },
--   { name = "bare_address", kind = "count", about = "uses of an address without brackets" },
--   { name = "no_domain", kind = "count", about = "uses of a name without a domain: no dot, or .localdomain, .local, .lan" },
--   { name = "example", kind = "text", about = "one of these false names; the first by the alphabet" },
--   { name = "accepted", kind = "count", about = "messages accepted with a false name" },
--   { name = "first_ts", kind = "time", about = "first use" },
--   { name = "last_ts", kind = "time", about = "last use" },
--   { name = "place", kind = "place", about = "line of the first use in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.as_us_uses]
-- default = 1
-- unit    = "uses"
-- source  = "mtaudit: nobody outside has our name"
-- about   = "uses of our own name from which a client is pointed out"
--
-- [params.names_per_hour]
-- default = 5
-- unit    = "names in an hour"
-- source  = "mtaudit"
-- about   = "different names in an hour from which a client changes them at will"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "as_us >= as_us_uses AND accepted > 0"
-- sentence   = "{client_ip} ({client_name|unknown}) greeted us with our own name ({example}) in {as_us} of {uses|message or refusal|messages and refusals}, and {accepted|message under a false name was|messages under false names were} accepted from it."
-- advice     = "If {client_ip} is not one of yours, refuse our own names in HELO (Postfix: check_helo_access), and look at what was accepted."
-- thresholds = ["as_us_uses"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' UNION ALL SELECT client_ip, source, line FROM rejections"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_hour >= names_per_hour AND accepted > 0"
-- sentence   = "{client_ip} ({client_name|unknown}) greeted us with {most_in_hour|different name|different names} within one hour ({names} in all, in {uses|message or refusal|messages and refusals}), and {accepted|message under a false name was|messages under false names were} accepted from it."
-- advice     = "Look at what {client_ip} delivers, as an honest server keeps one name; block it if that is spam."
-- thresholds = ["names_per_hour"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE origin = 'smtp' UNION ALL SELECT client_ip, source, line FROM rejections"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "as_us >= as_us_uses OR most_in_hour >= names_per_hour"
-- sentence   = "{client_ip} ({client_name|unknown}) greeted us with false or changing names, for example {example} ({names|name|names}; a name of ours in {as_us} of {uses|message or refusal|messages and refusals}). Nothing was accepted under false names."
-- thresholds = ["as_us_uses", "names_per_hour"]
-- limit      = 3
-- evidence   = "SELECT client_ip, source, line FROM rejections"
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), ours AS (
    SELECT DISTINCT LOWER(CAST(recipient_domain AS VARCHAR)) AS name
    FROM (SELECT DISTINCT recipient_domain FROM deliveries WHERE direction IN ('inbound', 'internal') AND outcome = 'delivered' AND recipient_domain <> '') AS domains
), hosts AS (
    SELECT DISTINCT LOWER(CAST(host AS VARCHAR)) AS host
    FROM (SELECT DISTINCT host FROM messages WHERE host <> '') AS names
), our_names AS (
    SELECT name FROM ours
    UNION
    SELECT host AS name FROM hosts
    UNION
    SELECT CONCAT(hosts.host, '.', ours.name) AS name FROM hosts CROSS JOIN ours
), relays AS (
    -- Whom the server lets write to the outside without a login is one of ours.
    SELECT DISTINCT client_ip FROM messages WHERE direction IN ('outbound', 'relayed') AND origin = 'smtp' AND COALESCE(auth_user, '') = '' AND client_ip IS NOT NULL
), uses AS (
    SELECT client_ip, client_name, LOWER(CAST(helo AS VARCHAR)) AS helo, 1 AS taken, received_ts AS ts, minute, source, line
    FROM messages
    WHERE origin = 'smtp' AND COALESCE(auth_user, '') = '' AND helo <> ''
    UNION ALL
    SELECT client_ip, client_name, LOWER(CAST(helo AS VARCHAR)) AS helo, 0 AS taken, ts, minute, source, line
    FROM rejections
    WHERE service IN ('smtpd', 'postscreen') AND COALESCE(auth_user, '') = '' AND helo <> ''
), named AS (
    SELECT uses.client_ip AS client_ip, uses.client_name AS client_name, uses.helo AS helo, uses.taken AS taken, uses.ts AS ts, uses.minute AS minute,
           uses.source AS source, uses.line AS line,
           CASE WHEN our_names.name IS NOT NULL THEN 'ours'
                -- No letter, no bracket, but dots: an IPv4 address.
                WHEN uses.helo = UPPER(uses.helo) AND uses.helo LIKE '%.%' AND uses.helo NOT LIKE '[%' THEN 'address'
                WHEN uses.helo NOT LIKE '%.%' AND uses.helo NOT LIKE '[%' AND uses.helo NOT LIKE '%:%' THEN 'bare'
                WHEN uses.helo LIKE '%.localdomain' OR uses.helo LIKE '%.local' OR uses.helo LIKE '%.lan' THEN 'bare'
                ELSE 'name' END AS kind
    FROM uses
    JOIN strangers ON uses.client_ip = strangers.client_ip
    LEFT JOIN relays ON uses.client_ip = relays.client_ip
    LEFT JOIN our_names ON uses.helo = our_names.name
    WHERE relays.client_ip IS NULL
), minutes AS (
    SELECT DISTINCT client_ip, helo, minute FROM named
), around AS (
    SELECT client_ip, helo, minute,
           LAG(minute) OVER (PARTITION BY client_ip, helo ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, helo ORDER BY minute) AS after
    FROM minutes
), steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT client_ip, minute + 60 AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + 60
), nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM steps GROUP BY client_ip, minute
), running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM nets
), most AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM running GROUP BY client_ip
), totals AS (
    SELECT client_ip, COALESCE(MAX(client_name), 'unknown') AS client_name, COUNT(*) AS uses, COUNT(DISTINCT helo) AS names,
           COUNT(*) FILTER (WHERE kind = 'ours') AS as_us,
           COUNT(*) FILTER (WHERE kind = 'address') AS bare_address,
           COUNT(*) FILTER (WHERE kind = 'bare') AS no_domain,
           COALESCE(MIN(CASE WHEN kind = 'ours' THEN helo END), MIN(CASE WHEN kind <> 'name' THEN helo END), MIN(helo)) AS example,
           COUNT(*) FILTER (WHERE taken = 1 AND kind <> 'name') AS accepted,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM named
    GROUP BY client_ip
)
SELECT totals.client_ip AS client_ip,
       totals.client_name AS client_name,
       totals.uses AS uses,
       totals.names AS names,
       most.n AS most_in_hour,
       totals.as_us AS as_us,
       totals.bare_address AS bare_address,
       totals.no_domain AS no_domain,
       totals.example AS example,
       totals.accepted AS accepted,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
JOIN most ON totals.client_ip = most.client_ip
WHERE totals.as_us + totals.bare_address + totals.no_domain > 0 OR most.n >= 3
ORDER BY as_us DESC, names DESC, uses DESC, client_ip
