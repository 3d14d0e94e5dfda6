-- title    = "Clients that try out addresses"
-- question = "Which clients tried many recipients that do not exist, to learn which ones do?"
-- tables   = ["deliveries", "messages", "rejections"]
-- limits   = "Strange is a recipient that was refused and to whom nothing was delivered in these logs: postscreen, greylisting and checks of the client refuse before it is known whether the address exists. An outdated address list looks alike. Trusted and private clients are left out. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "unknown_per_hour"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "strange", kind = "count", about = "different strange recipients" },
--   { name = "most_in_hour", kind = "count", about = "most different strange ones within one hour" },
--   { name = "unknown", kind = "count", about = "of them said not to exist" },
--   { name = "most_unknown", kind = "count", about = "most different ones said not to exist within one hour" },
--   { name = "tried", kind = "count", about = "different recipients tried in all: refused as above or accepted" },
--   { name = "strange_share", kind = "share", about = "strange / tried" },
--   { name = "accepted", kind = "count", about = "messages accepted from the client" },
--   { name = "example", kind = "text", about = "one of the strange recipients, the first by the alphabet" },
--   { name = "first_ts", kind = "time", about = "first of these refusals" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of the first of them in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.unknown_per_hour]
-- default = 5
-- unit    = "recipients in an hour"
-- source  = "Trend Micro DDEI, directory harvest: more than 5 nonexistent recipients in an hour"
-- about   = "recipients said not to exist in an hour above which addresses are tried out"
--
-- [params.strange_per_hour]
-- default = 10
-- unit    = "recipients in an hour"
-- source  = "Trend Micro DDEI, directory harvest: more than 10 recipients in an hour"
-- about   = "strange recipients in an hour above which the same is suspected"
--
-- [params.max_share]
-- default = 0.2
-- unit    = "of the recipients tried"
-- source  = "Trend Micro DDEI, directory harvest: rate 20 %"
-- about   = "share of strange recipients above which it counts"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_unknown > unknown_per_hour AND strange_share > max_share"
-- sentence   = "{client_ip} tried {most_unknown|recipient that does|recipients that do} not exist within one hour. Of {tried|recipient|recipients} tried in all, {strange} were refused and never had mail delivered here (for example {example}), and {accepted|message was|messages were} accepted from there."
-- advice     = "Block {client_ip}, and let errors cost (Postfix: smtpd_error_sleep_time, smtpd_hard_error_limit); if messages were accepted, look whether the recipients that exist get spam now."
-- thresholds = ["unknown_per_hour", "max_share"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE stage = 'rcpt' AND cause IN ('address', 'policy', 'reputation')"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_hour > strange_per_hour AND strange_share > max_share AND accepted * 10 <= strange"
-- sentence   = "{client_ip} tried {most_in_hour|recipient|recipients} within one hour to whom nothing was ever delivered here ({strange} of {tried} tried in all, for example {example}), and was turned away before it learnt whether they exist; {accepted|message was|messages were} accepted from there."
-- advice     = "There is nothing to do as long as such clients are held off; block {client_ip} if it comes back."
-- thresholds = ["strange_per_hour", "max_share"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE stage = 'rcpt' AND cause IN ('address', 'policy', 'reputation')"
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), known AS (
    -- Addresses that mail was ever delivered to, here or elsewhere: nobody guesses those.
    SELECT DISTINCT recipient FROM deliveries WHERE outcome IN ('delivered', 'forwarded')
), refused AS (
    SELECT rejections.client_ip AS client_ip, rejections.client_name AS client_name, rejections.recipient AS recipient,
           rejections.reason = 'user-unknown' AS unknown, rejections.ts AS ts, rejections.minute AS minute, rejections.source AS source, rejections.line AS line
    FROM rejections
    JOIN strangers ON rejections.client_ip = strangers.client_ip
    WHERE rejections.action = 'reject' AND rejections.stage = 'rcpt' AND rejections.cause IN ('address', 'policy', 'reputation') AND rejections.reason <> 'bad-sender' AND rejections.recipient <> '' AND COALESCE(rejections.auth_user, '') = ''
), strange AS (
    SELECT refused.client_ip AS client_ip, refused.client_name AS client_name, refused.recipient AS recipient, refused.unknown AS unknown,
           refused.ts AS ts, refused.minute AS minute, refused.source AS source, refused.line AS line
    FROM refused
    LEFT JOIN known ON refused.recipient = known.recipient
    WHERE known.recipient IS NULL
), totals AS (
    -- Fewer are no harvest, which leaves out most clients.
    SELECT client_ip, MAX(client_name) AS client_name, COUNT(DISTINCT recipient) AS strange, COUNT(DISTINCT CASE WHEN unknown THEN recipient END) AS unknown,
           MIN(recipient) AS example, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM strange
    GROUP BY client_ip
    HAVING COUNT(DISTINCT recipient) >= 3
), all_minutes AS (
    SELECT strange.client_ip AS client_ip, strange.recipient AS recipient, strange.minute AS minute, MAX(CASE WHEN strange.unknown THEN 1 ELSE 0 END) AS unknown
    FROM strange
    JOIN totals ON strange.client_ip = totals.client_ip
    GROUP BY strange.client_ip, strange.recipient, strange.minute
), all_around AS (
    SELECT client_ip, recipient, minute,
           LAG(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS after
    FROM all_minutes
), all_steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM all_around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT client_ip, minute + 60 AS minute, -1 AS n FROM all_around WHERE after IS NULL OR after >= minute + 60
), all_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM all_steps GROUP BY client_ip, minute
), all_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM all_nets
), unknown_minutes AS (
    SELECT client_ip, recipient, minute FROM all_minutes WHERE unknown = 1
), unknown_around AS (
    SELECT client_ip, recipient, minute,
           LAG(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, recipient ORDER BY minute) AS after
    FROM unknown_minutes
), unknown_steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM unknown_around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT client_ip, minute + 60 AS minute, -1 AS n FROM unknown_around WHERE after IS NULL OR after >= minute + 60
), unknown_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM unknown_steps GROUP BY client_ip, minute
), unknown_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM unknown_nets
), most AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM all_running GROUP BY client_ip
), most_unknown AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM unknown_running GROUP BY client_ip
), taken AS (
    SELECT messages.client_ip AS client_ip, messages.message AS message, deliveries.recipient AS recipient
    FROM messages
    JOIN deliveries ON messages.message = deliveries.message
    WHERE messages.origin = 'smtp' AND messages.client_ip IS NOT NULL
), accepted AS (
    SELECT client_ip, COUNT(DISTINCT message) AS n FROM taken GROUP BY client_ip
), tried AS (
    SELECT client_ip, COUNT(DISTINCT recipient) AS n
    FROM (SELECT client_ip, recipient FROM refused UNION ALL SELECT client_ip, recipient FROM taken) AS every
    GROUP BY client_ip
)
SELECT totals.client_ip AS client_ip,
       totals.client_name AS client_name,
       totals.strange AS strange,
       most.n AS most_in_hour,
       totals.unknown AS unknown,
       CAST(COALESCE(most_unknown.n, 0) AS BIGINT) AS most_unknown,
       tried.n AS tried,
       ROUND(CAST(totals.strange AS DOUBLE) / tried.n, 4) AS strange_share,
       CAST(COALESCE(accepted.n, 0) AS BIGINT) AS accepted,
       totals.example AS example,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
JOIN most ON totals.client_ip = most.client_ip
JOIN tried ON totals.client_ip = tried.client_ip
LEFT JOIN most_unknown ON totals.client_ip = most_unknown.client_ip
LEFT JOIN accepted ON totals.client_ip = accepted.client_ip
ORDER BY strange DESC, client_ip
