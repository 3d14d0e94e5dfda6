-- title    = "Bounces for mail that we did not send"
-- question = "Which of our addresses are forged by others, so that we get their bounces?"
-- tables   = ["deliveries", "messages"]
-- limits   = "A bounce counts when its recipient sent nothing from here in the seven days before (days by UTC). A user who sends by another server gets bounces by right. At the beginning of the logs the mail before is not known. Windows are whole minutes."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-8"]
-- rows     = 15
-- sensitivity = "per_hour"
-- columns  = [
--   { name = "recipient", kind = "text", about = "address of ours" },
--   { name = "bounces", kind = "count", about = "messages with null sender that reached it from outside" },
--   { name = "unexplained", kind = "count", about = "of them, with nothing sent by it in the seven days before" },
--   { name = "most_in_hour", kind = "count", about = "most unexplained ones within one hour" },
--   { name = "most_in_24_h", kind = "count", about = "most unexplained ones within 24 hours" },
--   { name = "clients", kind = "count", about = "different clients that sent them" },
--   { name = "first_ts", kind = "time", about = "first unexplained one" },
--   { name = "last_ts", kind = "time", about = "last unexplained one" },
--   { name = "place", kind = "place", about = "line of the first unexplained one in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('smtp', 'submission')"
-- missing = "the logs hold no message that came in by SMTP"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail"
--
-- [params.per_hour]
-- default = 20
-- unit    = "bounces in an hour"
-- source  = "mtaudit"
-- about   = "unexplained bounces in an hour from which an address is being forged"
--
-- [params.per_day]
-- default = 100
-- unit    = "bounces in 24 hours"
-- source  = "mtaudit"
-- about   = "unexplained bounces in 24 hours from which the same holds"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_hour >= per_hour OR most_in_24_h >= per_day"
-- sentence   = "{recipient} got bounces although it had sent nothing in the week before: {unexplained} of {bounces|bounce|bounces}, from {clients|client|clients}, at most {most_in_hour} within one hour and {most_in_24_h} within 24 hours. Probably someone else sends under this address."
-- advice     = "Tell the owner of {recipient} that the account itself is probably not broken into; publish SPF, DKIM and a DMARC policy for the domain, and refuse such bounces for as long as the wave lasts."
-- thresholds = ["per_hour", "per_day"]
-- limit      = 5
-- evidence   = "SELECT deliveries.recipient AS recipient, messages.source AS source, messages.line AS line FROM messages JOIN deliveries ON messages.message = deliveries.message WHERE messages.sender = '' AND messages.origin = 'smtp' AND messages.direction = 'inbound'"
-- keys       = ["recipient"]
WITH bounces AS (
    SELECT deliveries.recipient AS recipient, messages.client_ip AS client_ip, messages.received_ts AS ts, messages.minute AS minute,
           CAST(FLOOR(CAST(messages.minute AS DOUBLE) / 1440) AS BIGINT) AS day_no, messages.source AS source, messages.line AS line
    FROM messages
    JOIN deliveries ON messages.message = deliveries.message
    WHERE messages.sender = '' AND messages.origin = 'smtp' AND messages.direction = 'inbound' AND COALESCE(messages.auth_user, '') = ''
), writers AS (
    SELECT DISTINCT sender AS recipient, CAST(FLOOR(CAST(minute AS DOUBLE) / 1440) AS BIGINT) AS day_no
    FROM messages
    WHERE sender <> '' AND direction IN ('outbound', 'internal') AND origin IN ('submission', 'smtp', 'local')
), explained AS (
    SELECT DISTINCT bounces.recipient AS recipient, bounces.day_no AS day_no
    FROM bounces
    JOIN writers ON bounces.recipient = writers.recipient
    WHERE writers.day_no <= bounces.day_no AND writers.day_no >= bounces.day_no - 7
), marked AS (
    SELECT bounces.recipient AS recipient, bounces.client_ip AS client_ip, bounces.ts AS ts, bounces.minute AS minute, bounces.source AS source, bounces.line AS line,
           explained.recipient IS NULL AS strange
    FROM bounces
    LEFT JOIN explained ON bounces.recipient = explained.recipient AND bounces.day_no = explained.day_no
), totals AS (
    SELECT recipient, COUNT(*) AS bounces FROM marked GROUP BY recipient
), strange AS (
    SELECT recipient, COUNT(*) AS n, COUNT(DISTINCT client_ip) AS clients, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM marked
    WHERE strange
    GROUP BY recipient
), per_minute AS (
    SELECT recipient, minute, CAST(COUNT(*) AS BIGINT) AS n FROM marked WHERE strange GROUP BY recipient, minute
), hour_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT recipient, minute, n FROM per_minute
    UNION ALL
    SELECT recipient, minute + 60 AS minute, -n AS n FROM per_minute
), hour_nets AS (
    SELECT recipient, minute, SUM(n) AS n FROM hour_steps GROUP BY recipient, minute
), hour_running AS (
    SELECT recipient, minute, SUM(n) OVER (PARTITION BY recipient ORDER BY minute) AS n
    FROM hour_nets
), day_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT recipient, minute, n FROM per_minute
    UNION ALL
    SELECT recipient, minute + 1440 AS minute, -n AS n FROM per_minute
), day_nets AS (
    SELECT recipient, minute, SUM(n) AS n FROM day_steps GROUP BY recipient, minute
), day_running AS (
    SELECT recipient, minute, SUM(n) OVER (PARTITION BY recipient ORDER BY minute) AS n
    FROM day_nets
), hourly AS (
    SELECT recipient, CAST(MAX(n) AS BIGINT) AS n FROM hour_running GROUP BY recipient
), daily AS (
    SELECT recipient, CAST(MAX(n) AS BIGINT) AS n FROM day_running GROUP BY recipient
)
SELECT strange.recipient AS recipient,
       totals.bounces AS bounces,
       strange.n AS unexplained,
       hourly.n AS most_in_hour,
       daily.n AS most_in_24_h,
       strange.clients AS clients,
       strange.first_ts AS first_ts,
       strange.last_ts AS last_ts,
       strange.place AS place
FROM strange
JOIN totals ON strange.recipient = totals.recipient
JOIN hourly ON strange.recipient = hourly.recipient
JOIN daily ON strange.recipient = daily.recipient
ORDER BY unexplained DESC, recipient
