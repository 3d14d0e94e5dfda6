-- title    = "Addresses tried out from many clients at once"
-- question = "Did many clients together try recipients that do not exist, each so few that none stands out?"
-- tables   = ["rejections"]
-- limits   = "Counts recipients said not to exist. Clients that tried many on their own are left out (see spam/directory_harvest). Spam to bought lists looks alike. Windows are whole minutes; episodes less than an hour apart are one."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "min_recipients"
-- columns  = [
--   { name = "first_ts", kind = "time", about = "first refusal of the episode" },
--   { name = "last_ts", kind = "time", about = "last refusal of the episode" },
--   { name = "refusals", kind = "count", about = "refusals in it" },
--   { name = "clients", kind = "count", about = "different clients" },
--   { name = "recipients", kind = "count", about = "different recipients that do not exist" },
--   { name = "most_clients", kind = "count", about = "most different clients within one hour" },
--   { name = "most_recipients", kind = "count", about = "most different recipients within one hour" },
--   { name = "example", kind = "text", about = "one of the recipients, the first by the alphabet" },
--   { name = "place", kind = "place", about = "line of the first refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_clients]
-- default = 20
-- unit    = "clients in an hour"
-- source  = "mtaudit"
-- about   = "different clients in an hour from which it is distributed"
--
-- [params.min_recipients]
-- default = 50
-- unit    = "recipients in an hour"
-- source  = "mtaudit"
-- about   = "different recipients that do not exist in an hour from which addresses are tried out"
--
-- [params.loud]
-- default = 5
-- unit    = "recipients in an hour"
-- source  = "Trend Micro DDEI, directory harvest: more than 5 nonexistent recipients in an hour"
-- about   = "recipients of one client above which it stands out on its own and is left out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_clients >= min_clients AND most_recipients >= min_recipients"
-- sentence   = "{clients|client|clients} tried {recipients|recipient that does|recipients that do} not exist, first at {first_ts}, last at {last_ts} ({refusals|refusal|refusals}, at most {most_recipients|recipient|recipients} within an hour, for example {example}). Each tried only a few, as bots do that share a list; spam to bought lists looks alike."
-- advice     = "Blocking single addresses does not help: let block lists and postscreen turn such clients away before RCPT, and make sure that every host refuses unknown recipients in the dialogue."
-- thresholds = ["min_clients", "min_recipients", "loud"]
-- limit      = 3
-- evidence   = "SELECT source, line FROM rejections WHERE reason = 'user-unknown'"
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), refused AS (
    SELECT rejections.client_ip AS client_ip, rejections.recipient AS recipient, rejections.ts AS ts, rejections.minute AS minute, rejections.source AS source, rejections.line AS line
    FROM rejections
    JOIN strangers ON rejections.client_ip = strangers.client_ip
    WHERE rejections.reason = 'user-unknown' AND rejections.action = 'reject' AND rejections.recipient <> '' AND COALESCE(rejections.auth_user, '') = ''
), own_minutes AS (
    SELECT DISTINCT client_ip, recipient, minute FROM refused
), own_around AS (
    SELECT client_ip, recipient, minute,
           LAG(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS after
    FROM own_minutes
), own_steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM own_around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT client_ip, minute + 60 AS minute, -1 AS n FROM own_around WHERE after IS NULL OR after >= minute + 60
), own_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM own_steps GROUP BY client_ip, minute
), own_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM own_nets
), own_most AS (
    SELECT client_ip, MAX(n) AS n FROM own_running GROUP BY client_ip
), quiet AS (
    SELECT own_most.client_ip AS client_ip
    FROM own_most
    CROSS JOIN params
    WHERE own_most.n <= params.loud
), tries AS (
    SELECT refused.client_ip AS client_ip, refused.recipient AS recipient, refused.ts AS ts, refused.minute AS minute, refused.source AS source, refused.line AS line
    FROM refused
    JOIN quiet ON refused.client_ip = quiet.client_ip
), things AS (
    SELECT DISTINCT 'client' AS kind, CAST(client_ip AS VARCHAR) AS what, minute FROM tries
    UNION ALL
    SELECT DISTINCT 'recipient' AS kind, CAST(recipient AS VARCHAR) AS what, minute FROM tries
), thing_around AS (
    SELECT kind, what, minute,
           LAG(minute) OVER (PARTITION BY kind, what ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY kind, what ORDER BY minute) AS after
    FROM things
), thing_steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT kind, minute, 1 AS n FROM thing_around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT kind, minute + 60 AS minute, -1 AS n FROM thing_around WHERE after IS NULL OR after >= minute + 60
), thing_nets AS (
    SELECT minute,
           SUM(CASE WHEN kind = 'client' THEN n ELSE 0 END) AS clients,
           SUM(CASE WHEN kind = 'recipient' THEN n ELSE 0 END) AS recipients
    FROM thing_steps
    GROUP BY minute
), thing_running AS (
    SELECT minute, SUM(clients) OVER (ORDER BY minute) AS clients, SUM(recipients) OVER (ORDER BY minute) AS recipients FROM thing_nets
), hot AS (
    -- Candidates: a third of each threshold, so that half of it is among them.
    SELECT thing_running.minute AS minute, thing_running.clients AS clients, thing_running.recipients AS recipients
    FROM thing_running
    CROSS JOIN params
    WHERE thing_running.clients * 3 >= params.min_clients AND thing_running.recipients * 3 >= params.min_recipients
), begins AS (
    SELECT minute, clients, recipients, CASE WHEN minute - LAG(minute) OVER (ORDER BY minute) <= 60 THEN 0 ELSE 1 END AS begins FROM hot
), numbered AS (
    SELECT minute, clients, recipients, SUM(begins) OVER (ORDER BY minute) AS episode FROM begins
), episodes AS (
    SELECT episode, MIN(minute) - 59 AS first_minute, MAX(minute) AS last_minute, MAX(clients) AS most_clients, MAX(recipients) AS most_recipients
    FROM numbered
    GROUP BY episode
), counted AS (
    SELECT episodes.episode AS episode, MIN(tries.ts) AS first_ts, MAX(tries.ts) AS last_ts, COUNT(*) AS refusals,
           COUNT(DISTINCT tries.client_ip) AS clients, COUNT(DISTINCT tries.recipient) AS recipients, MIN(tries.recipient) AS example,
           MIN(tries.source * 10000000000 + tries.line) AS place
    FROM episodes
    CROSS JOIN tries
    WHERE tries.minute >= episodes.first_minute AND tries.minute <= episodes.last_minute
    GROUP BY episodes.episode
)
SELECT counted.first_ts AS first_ts,
       counted.last_ts AS last_ts,
       counted.refusals AS refusals,
       counted.clients AS clients,
       counted.recipients AS recipients,
       CAST(episodes.most_clients AS BIGINT) AS most_clients,
       CAST(episodes.most_recipients AS BIGINT) AS most_recipients,
       counted.example AS example,
       counted.place AS place
FROM counted
JOIN episodes ON counted.episode = episodes.episode
ORDER BY recipients DESC, first_ts, place
