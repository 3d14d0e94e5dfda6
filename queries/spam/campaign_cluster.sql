-- title    = "The same mail from many clients that hardly ever write"
-- question = "Did many clients that hardly ever write to us deliver mail of the same size within half an hour?"
-- tables   = ["deliveries", "messages"]
-- limits   = "The logs hold neither subject nor text: the same is what has the same size, give or take 2 %, and the same number of recipients. Only clients with few messages in all these logs count, as providers send mail of any size all day. Common sizes meet by chance: look at one message. Trusted and private clients are left out. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "min_clients"
-- columns  = [
--   { name = "first_ts", kind = "time", about = "first message of the cluster" },
--   { name = "last_ts", kind = "time", about = "last message of the cluster" },
--   { name = "clients", kind = "count", about = "different clients" },
--   { name = "most_in_30_min", kind = "count", about = "most different clients within 30 minutes" },
--   { name = "messages", kind = "count", about = "messages" },
--   { name = "no_name", kind = "count", about = "clients of them without a host name" },
--   { name = "sender_domains", kind = "count", about = "different domains of envelope senders" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "delivered", kind = "count", about = "messages delivered to at least one" },
--   { name = "size_low", kind = "bytes", about = "smallest of them" },
--   { name = "size_high", kind = "bytes", about = "largest of them" },
--   { name = "nrcpt", kind = "count", about = "recipients of each" },
--   { name = "example", kind = "text", about = "one of the senders, the first by the alphabet" },
--   { name = "place", kind = "place", about = "line of the first message in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin = 'smtp' AND size > 0"
-- missing = "the logs hold no message of known size that came in by SMTP"
-- remedy  = "lines of smtpd and qmgr at level info of the facility mail"
--
-- [params.min_clients]
-- default = 5
-- unit    = "clients in 30 minutes"
-- source  = "mtaudit"
-- about   = "different clients from which it is a campaign"
--
-- [params.max_messages]
-- default = 3
-- unit    = "messages"
-- source  = "mtaudit: a bot delivers a few"
-- about   = "messages in all these logs up to which a client is a one-off"
--
-- [params.min_no_name]
-- default = 0.5
-- unit    = "of the clients"
-- source  = "mtaudit: servers have host names, bots of dial-up lines often none"
-- about   = "share of clients without a host name from which it looks like a botnet"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_30_min >= min_clients AND no_name >= min_no_name * clients"
-- sentence   = "{clients|client that hardly ever writes|clients that hardly ever write} to us delivered {messages|message|messages} of about the same size ({size_low} to {size_high}), first at {first_ts}, last at {last_ts}, from {sender_domains|sender domain|sender domains} to {recipients|recipient|recipients}; {no_name} of the clients had no host name. A spam campaign that passed the filter looks like this."
-- advice     = "Look at one of the messages (for example from {example|the null sender}); if it is spam, teach the filter, and remove what was delivered ({delivered|message|messages}) from the mailboxes."
-- thresholds = ["min_clients", "max_messages", "min_no_name"]
-- limit      = 5
-- evidence   = "SELECT source * 10000000000 + line AS place, source, line FROM messages WHERE origin = 'smtp' AND direction = 'inbound'"
-- keys       = ["place"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "most_in_30_min >= min_clients"
-- sentence   = "{clients|client that hardly ever writes|clients that hardly ever write} to us delivered {messages|message|messages} of about the same size ({size_low} to {size_high}), first at {first_ts}, last at {last_ts}, from {sender_domains|sender domain|sender domains}."
-- thresholds = ["min_clients", "max_messages"]
-- limit      = 3
-- evidence   = "SELECT source * 10000000000 + line AS place, source, line FROM messages WHERE origin = 'smtp' AND direction = 'inbound'"
-- keys       = ["place"]
WITH strangers AS (
    SELECT client_ip FROM clients WHERE kind = 'other'
), inbound AS (
    SELECT messages.message AS message, messages.client_ip AS client_ip, messages.client_name AS client_name, messages.sender AS sender, messages.sender_domain AS sender_domain,
           messages.size AS size, COALESCE(messages.nrcpt, 1) AS nrcpt, messages.received_ts AS ts, messages.minute AS minute, messages.source AS source, messages.line AS line
    FROM messages
    JOIN strangers ON messages.client_ip = strangers.client_ip
    WHERE messages.origin = 'smtp' AND messages.direction = 'inbound' AND messages.size > 0 AND COALESCE(messages.auth_user, '') = ''
), rare AS (
    SELECT counted.client_ip AS client_ip
    FROM (SELECT client_ip, COUNT(*) AS n FROM inbound GROUP BY client_ip) AS counted
    CROSS JOIN params
    WHERE counted.n <= params.max_messages
), single AS (
    SELECT inbound.message AS message, inbound.client_ip AS client_ip, inbound.client_name AS client_name, inbound.sender AS sender, inbound.sender_domain AS sender_domain,
           inbound.size AS size, inbound.nrcpt AS nrcpt, inbound.ts AS ts, inbound.minute AS minute, inbound.source AS source, inbound.line AS line
    FROM inbound
    JOIN rare ON inbound.client_ip = rare.client_ip
), grids AS (
    -- Two grids of 4 %, half a step apart: whatever lies within 2 % shares a cell of one of them.
    SELECT message, client_ip, minute, 2 * CAST(FLOOR(LN(CAST(size AS DOUBLE)) / 0.04) AS BIGINT) AS cell, nrcpt FROM single
    UNION ALL
    SELECT message, client_ip, minute, 2 * CAST(FLOOR(LN(CAST(size AS DOUBLE)) / 0.04 + 0.5) AS BIGINT) + 1 AS cell, nrcpt FROM single
), minutes AS (
    SELECT DISTINCT cell, nrcpt, client_ip, minute FROM grids
), around AS (
    SELECT cell, nrcpt, client_ip, minute,
           LAG(minute) OVER (PARTITION BY cell, nrcpt, client_ip ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY cell, nrcpt, client_ip ORDER BY minute) AS after
    FROM minutes
), steps AS (
    -- Each counts from its minute on, and until 30 minutes after its last: the running sum is how many differ.
    SELECT cell, nrcpt, minute, 1 AS n FROM around WHERE before IS NULL OR before + 30 <= minute
    UNION ALL
    SELECT cell, nrcpt, minute + 30 AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + 30
), nets AS (
    SELECT cell, nrcpt, minute, SUM(n) AS n FROM steps GROUP BY cell, nrcpt, minute
), running AS (
    SELECT cell, nrcpt, minute, SUM(n) OVER (PARTITION BY cell, nrcpt ORDER BY minute) AS n FROM nets
), hot AS (
    -- Candidates: half of the threshold, but no pair.
    SELECT running.cell AS cell, running.nrcpt AS nrcpt, running.minute AS minute, running.n AS n
    FROM running
    CROSS JOIN params
    WHERE running.n * 2 >= params.min_clients AND running.n >= 3
), begins AS (
    SELECT cell, nrcpt, minute, n,
           CASE WHEN minute - LAG(minute) OVER (PARTITION BY cell, nrcpt ORDER BY minute) <= 30 THEN 0 ELSE 1 END AS begins
    FROM hot
), numbered AS (
    SELECT cell, nrcpt, minute, n, SUM(begins) OVER (PARTITION BY cell, nrcpt ORDER BY minute) AS episode FROM begins
), episodes AS (
    SELECT cell, nrcpt, episode, MIN(minute) - 29 AS first_minute, MAX(minute) AS last_minute, CAST(MAX(n) AS BIGINT) AS n
    FROM numbered
    GROUP BY cell, nrcpt, episode
), members AS (
    -- A message belongs to the larger of its two clusters.
    SELECT grids.message AS message, episodes.cell AS cell, episodes.nrcpt AS nrcpt, episodes.episode AS episode, episodes.n AS n,
           ROW_NUMBER() OVER (PARTITION BY grids.message ORDER BY -episodes.n, episodes.cell, episodes.episode) AS no
    FROM episodes
    JOIN grids ON episodes.cell = grids.cell AND episodes.nrcpt = grids.nrcpt
    WHERE grids.minute >= episodes.first_minute AND grids.minute <= episodes.last_minute
), fates AS (
    SELECT messages.message AS message, MAX(CASE WHEN deliveries.outcome IN ('delivered', 'forwarded') THEN 1 ELSE 0 END) AS delivered
    FROM messages
    JOIN deliveries ON messages.message = deliveries.message
    GROUP BY messages.message
), clusters AS (
    SELECT members.cell AS cell, members.nrcpt AS nrcpt, members.episode AS episode, MIN(single.ts) AS first_ts, MAX(single.ts) AS last_ts,
           MAX(members.n) AS most_in_30_min, COUNT(DISTINCT single.client_ip) AS clients, COUNT(DISTINCT single.message) AS messages,
           COUNT(DISTINCT CASE WHEN COALESCE(single.client_name, 'unknown') = 'unknown' THEN single.client_ip END) AS no_name,
           COUNT(DISTINCT single.sender_domain) AS sender_domains,
           COUNT(DISTINCT CASE WHEN fates.delivered = 1 THEN single.message END) AS delivered,
           MIN(single.size) AS size_low, MAX(single.size) AS size_high, MIN(single.sender) AS example,
           MIN(single.source * 10000000000 + single.line) AS place
    FROM members
    JOIN single ON members.message = single.message
    LEFT JOIN fates ON members.message = fates.message
    WHERE members.no = 1
    GROUP BY members.cell, members.nrcpt, members.episode
), reached AS (
    SELECT members.cell AS cell, members.nrcpt AS nrcpt, members.episode AS episode, COUNT(DISTINCT deliveries.recipient) AS recipients
    FROM members
    JOIN deliveries ON members.message = deliveries.message
    WHERE members.no = 1
    GROUP BY members.cell, members.nrcpt, members.episode
)
SELECT clusters.first_ts AS first_ts,
       clusters.last_ts AS last_ts,
       clusters.clients AS clients,
       clusters.most_in_30_min AS most_in_30_min,
       clusters.messages AS messages,
       clusters.no_name AS no_name,
       clusters.sender_domains AS sender_domains,
       CAST(COALESCE(reached.recipients, 0) AS BIGINT) AS recipients,
       clusters.delivered AS delivered,
       clusters.size_low AS size_low,
       clusters.size_high AS size_high,
       clusters.nrcpt AS nrcpt,
       clusters.example AS example,
       clusters.place AS place
FROM clusters
LEFT JOIN reached ON clusters.cell = reached.cell AND clusters.nrcpt = reached.nrcpt AND clusters.episode = reached.episode
WHERE clusters.clients >= 3
ORDER BY clients DESC, first_ts, place
