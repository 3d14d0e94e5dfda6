-- title    = "Bounces that we send to strangers"
-- question = "Do we accept mail from strangers and then bounce it to senders that may be forged?"
-- tables   = ["deliveries", "messages"]
-- limits   = "Counts messages with null sender that our server made for mail that a stranger had handed in without login. Vacation notices of users are made elsewhere and not seen. Whether the sender was forged is not in the logs. Windows are whole minutes; a window belongs to the day in which it ends."
-- controls = ["ISO/IEC 27001 A.8.20", "NIST SP 800-53 SI-8"]
-- rows     = 31
-- sensitivity = "bounces_per_hour"
-- columns  = [
--   { name = "day", kind = "date", about = "day of the bounces" },
--   { name = "bounces", kind = "count", about = "bounces made for mail of strangers" },
--   { name = "delivered", kind = "count", about = "of them taken by the sender's server" },
--   { name = "accepted", kind = "count", about = "messages taken from strangers on that day" },
--   { name = "bounce_share", kind = "share", about = "bounces / accepted" },
--   { name = "most_in_hour", kind = "count", about = "most bounces within one hour" },
--   { name = "senders", kind = "count", about = "different recipients of these bounces" },
--   { name = "clients", kind = "count", about = "different clients that the mail had come from" },
--   { name = "main_reason", kind = "text", about = "most frequent reason of what was bounced" },
--   { name = "place", kind = "place", about = "line of the first bounce in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('smtp', 'submission')"
-- missing = "the logs hold no message that came in by SMTP"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail"
--
-- [params.bounces_per_hour]
-- default = 20
-- unit    = "bounces in an hour"
-- source  = "mtaudit"
-- about   = "bounces to strangers in an hour from which it is backscatter"
--
-- [params.max_share]
-- default = 0.05
-- unit    = "of the messages accepted"
-- source  = "mtaudit; Amazon SES reviews senders at 5 % bounces"
-- about   = "share of bounces above which it is backscatter"
--
-- [params.least_share]
-- default = 0.01
-- unit    = "of the messages accepted"
-- source  = "mtaudit: on a large site some bounces cannot be avoided"
-- about   = "share of bounces below which their number alone says nothing"
--
-- [params.min_bounces]
-- default = 20
-- unit    = "bounces"
-- source  = "mtaudit: a share of fewer means little"
-- about   = "bounces in a day from which the share is judged"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "(most_in_hour >= bounces_per_hour AND bounce_share > least_share) OR (bounces >= min_bounces AND bounce_share > max_share)"
-- sentence   = "On {day} our server took mail from strangers and bounced it afterwards: {bounces|bounce|bounces} to {senders|address|addresses} for {accepted|message|messages} accepted ({bounce_share}), at most {most_in_hour} within an hour, most often for {main_reason|no known reason}. Where senders are forged, this hits the innocent and gets us onto block lists."
-- advice     = "Refuse in the SMTP dialogue what cannot be delivered instead of bouncing it: give smtpd the list of recipients (relay_recipient_maps, reject_unverified_recipient), and let the content filter refuse before the queue."
-- thresholds = ["bounces_per_hour", "least_share", "max_share", "min_bounces"]
-- limit      = 3
-- evidence   = "SELECT day, source, line FROM messages WHERE origin = 'bounce'"
-- keys       = ["day"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), taken AS (
    SELECT messages.message AS message, messages.client_ip AS client_ip, messages.day AS day
    FROM messages
    JOIN strangers ON messages.client_ip = strangers.client_ip
    WHERE messages.origin = 'smtp' AND COALESCE(messages.auth_user, '') = '' AND messages.direction IN ('inbound', 'relayed')
), hops AS (
    SELECT message AS hop, client_ip FROM taken
    UNION ALL
    SELECT messages.message AS hop, taken.client_ip AS client_ip
    FROM messages
    JOIN taken ON messages.parent = taken.message
    WHERE messages.origin IN ('reinjected', 'forwarded')
), bounces AS (
    SELECT messages.message AS message, messages.parent AS parent, hops.client_ip AS client_ip, messages.day AS day, messages.minute AS minute,
           messages.source AS source, messages.line AS line
    FROM messages
    JOIN hops ON messages.parent = hops.hop
    WHERE messages.origin = 'bounce'
), fates AS (
    SELECT bounces.day AS day, bounces.message AS message, deliveries.recipient AS recipient, deliveries.outcome AS outcome
    FROM bounces
    JOIN deliveries ON bounces.message = deliveries.message
    WHERE deliveries.direction IN ('outbound', 'relayed')
), outward AS (
    SELECT DISTINCT message FROM fates
), counted AS (
    SELECT bounces.day AS day, COUNT(DISTINCT bounces.message) AS bounces, COUNT(DISTINCT bounces.client_ip) AS clients,
           MIN(bounces.source * 10000000000 + bounces.line) AS place
    FROM bounces
    JOIN outward ON bounces.message = outward.message
    GROUP BY bounces.day
), reached AS (
    SELECT day, COUNT(DISTINCT recipient) AS senders, COUNT(DISTINCT CASE WHEN outcome = 'delivered' THEN message END) AS delivered FROM fates GROUP BY day
), per_minute AS (
    SELECT bounces.minute AS minute, MIN(bounces.day) AS day, CAST(COUNT(*) AS BIGINT) AS n
    FROM bounces
    JOIN outward ON bounces.message = outward.message
    GROUP BY bounces.minute
), steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT minute, n FROM per_minute
    UNION ALL
    SELECT minute + 60 AS minute, -n AS n FROM per_minute
), nets AS (
    SELECT minute, SUM(n) AS n FROM steps GROUP BY minute
), running AS (
    SELECT minute, SUM(n) OVER (ORDER BY minute) AS n
    FROM nets
), most AS (
    SELECT per_minute.day AS day, CAST(MAX(running.n) AS BIGINT) AS n
    FROM per_minute
    JOIN running ON per_minute.minute = running.minute
    GROUP BY per_minute.day
), reasons AS (
    SELECT bounces.day AS day, COALESCE(deliveries.reason, 'undetermined') AS reason, COUNT(*) AS n
    FROM bounces
    JOIN outward ON bounces.message = outward.message
    JOIN deliveries ON bounces.parent = deliveries.message
    WHERE deliveries.outcome IN ('bounced', 'expired')
    GROUP BY bounces.day, COALESCE(deliveries.reason, 'undetermined')
), ranked AS (
    SELECT day, reason, ROW_NUMBER() OVER (PARTITION BY day ORDER BY -CAST(n AS BIGINT), reason) AS no FROM reasons
), main_reasons AS (
    SELECT day, reason FROM ranked WHERE no = 1
), accepted AS (
    SELECT day, COUNT(*) AS n FROM taken GROUP BY day
)
SELECT counted.day AS day,
       counted.bounces AS bounces,
       reached.delivered AS delivered,
       CAST(COALESCE(accepted.n, 0) AS BIGINT) AS accepted,
       CASE WHEN accepted.n > 0 THEN ROUND(CAST(counted.bounces AS DOUBLE) / accepted.n, 4) END AS bounce_share,
       most.n AS most_in_hour,
       reached.senders AS senders,
       counted.clients AS clients,
       main_reasons.reason AS main_reason,
       counted.place AS place
FROM counted
JOIN reached ON counted.day = reached.day
JOIN most ON counted.day = most.day
LEFT JOIN accepted ON counted.day = accepted.day
LEFT JOIN main_reasons ON counted.day = main_reasons.day
ORDER BY day
