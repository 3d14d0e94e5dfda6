-- title    = "Accounts and mailboxes against the limits of a service"
-- question = "Who would come near the sending and receiving limits of a mailbox service, and how near?"
-- tables   = ["messages", "deliveries"]
-- limits   = "Limits are those of Exchange Online unless others are given: what counts before a move to a service, or when ours has limits of its own. Recipients are counted in any 24 whole hours, received messages in any 60 minutes, sent messages in minutes of the clock, so a burst over two of them may be up to twice as high. An account is the login, or the envelope sender of our side where nobody logged in. Only the most active are listed."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 30
-- sensitivity = "warn_share"
-- columns  = [
--   { name = "limit_name", kind = "text", about = "recipients in 24 hours, messages in a minute, received in an hour" },
--   { name = "who", kind = "text", about = "login, sender or mailbox" },
--   { name = "most", kind = "count", about = "most in that time" },
--   { name = "allowed", kind = "count", about = "the limit" },
--   { name = "used", kind = "share", about = "most / allowed" },
--   { name = "begin_ts", kind = "time", about = "first event of that time" },
--   { name = "rank", kind = "count", about = "among those measured against this limit" },
--   { name = "measured", kind = "count", about = "logins, senders or mailboxes measured against this limit" },
--   { name = "place", kind = "place", about = "line of the first event of that time" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL AND sender IS NOT NULL"
-- missing = "the logs hold no accepted message with its time and sender"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.recipients_per_day]
-- default = 10000
-- unit    = "recipients in 24 hours"
-- source  = "Exchange Online: recipient rate limit 10,000 a day"
-- about   = "recipients that one account may send to"
--
-- [params.messages_per_minute]
-- default = 30
-- unit    = "messages in a minute"
-- source  = "Exchange Online: message rate limit 30 a minute"
-- about   = "messages that one account may send"
--
-- [params.received_per_hour]
-- default = 3600
-- unit    = "messages in an hour"
-- source  = "Exchange Online: receiving limit 3,600 an hour"
-- about   = "messages that one mailbox may receive"
--
-- [params.warn_share]
-- default = 0.8
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of a limit from which an account is pointed out"
--
-- [params.top]
-- default = 10
-- unit    = "accounts"
-- source  = "mtaudit"
-- about   = "accounts listed for each limit"
--
-- [[findings]]
-- severity   = "low"
-- when       = "used >= warn_share AND used > 1"
-- sentence   = "{who} went over the limit of {allowed} ({limit_name}): from {begin_ts} on it reached {most}, which is {used} of it. A service with this limit would have refused the rest."
-- advice     = "Ask what {who} sends or receives: bulk mail belongs on a list server or a relay with a limit of its own, and an account that never did so before may be misused (spam/sender_burst)."
-- thresholds = ["warn_share"]
-- limit      = 5
--
-- [[findings]]
-- severity   = "info"
-- when       = "used >= warn_share"
-- sentence   = "{who} came near the limit of {allowed} ({limit_name}): from {begin_ts} on it reached {most}, which is {used} of it."
-- advice     = "Spread what {who} sends or receives, or agree on a higher limit before it is reached."
-- thresholds = ["warn_share"]
-- limit      = 5
WITH sent AS (
    SELECT CASE WHEN auth_user <> '' THEN CAST(auth_user AS VARCHAR) ELSE CAST(sender AS VARCHAR) END AS who,
           minute, received_ts, COALESCE(nrcpt, 1) AS nrcpt, source * 10000000000 + line AS place
    FROM messages
    WHERE origin NOT IN ('reinjected', 'forwarded', 'bounce') AND received_ts IS NOT NULL AND sender IS NOT NULL
      AND (auth_user <> '' OR (sender <> '' AND direction IN ('outbound', 'internal')))
), hours AS (
    SELECT who, minute - minute % 60 AS slot, CAST(SUM(nrcpt) AS BIGINT) AS n, MIN(received_ts) AS ts, MIN(place) AS place
    FROM sent
    GROUP BY who, minute - minute % 60
), minutes AS (
    SELECT who, minute, CAST(COUNT(*) AS BIGINT) AS n, MIN(received_ts) AS ts, MIN(place) AS place
    FROM sent
    GROUP BY who, minute
), got AS (
    SELECT CAST(deliveries.recipient AS VARCHAR) AS who, messages.minute AS minute, messages.received_ts AS received_ts, deliveries.source * 10000000000 + deliveries.line AS place
    FROM deliveries
    JOIN messages ON deliveries.message = messages.message
    WHERE deliveries.outcome = 'delivered' AND deliveries.direction IN ('inbound', 'internal') AND messages.received_ts IS NOT NULL AND deliveries.recipient IS NOT NULL
), got_minutes AS (
    SELECT who, minute, CAST(COUNT(*) AS BIGINT) AS n, MIN(received_ts) AS ts, MIN(place) AS place
    FROM got
    GROUP BY who, minute
), sender_totals AS (
    SELECT who, CAST(SUM(n) AS BIGINT) AS n FROM hours GROUP BY who
), senders AS (
    -- The most active alone: windows of all accounts would be most of the query.
    SELECT who, ROW_NUMBER() OVER (ORDER BY -n, who) AS no FROM sender_totals
), mailbox_totals AS (
    SELECT who, CAST(SUM(n) AS BIGINT) AS n FROM got_minutes GROUP BY who
), mailboxes AS (
    SELECT who, ROW_NUMBER() OVER (ORDER BY -n, who) AS no FROM mailbox_totals
), tens AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v(n)
), sixties AS (
    SELECT 10 * a.n + b.n AS back FROM tens AS a CROSS JOIN tens AS b WHERE a.n < 6
), windows AS (
    -- A slot belongs to every window that begins in it or before it, as long as the window lasts; windows begin where something happened.
    SELECT 1 AS position, hours.who AS who, hours.slot - 60 * sixties.back AS starts, hours.n AS n
    FROM hours
    JOIN senders ON hours.who = senders.who
    CROSS JOIN sixties
    WHERE sixties.back < 24 AND senders.no <= 200
    UNION ALL
    SELECT 3 AS position, got_minutes.who AS who, got_minutes.minute - sixties.back AS starts, got_minutes.n AS n
    FROM got_minutes
    JOIN mailboxes ON got_minutes.who = mailboxes.who
    CROSS JOIN sixties
    WHERE mailboxes.no <= 50
), summed AS (
    SELECT position, who, starts, CAST(SUM(n) AS BIGINT) AS n
    FROM windows
    GROUP BY position, who, starts
), begun AS (
    SELECT 1 AS position, summed.who AS who, summed.n AS n, hours.ts AS ts, hours.place AS place
    FROM summed
    JOIN hours ON summed.who = hours.who AND summed.starts = hours.slot
    WHERE summed.position = 1
    UNION ALL
    SELECT 2 AS position, who, n, ts, place
    FROM minutes
    UNION ALL
    SELECT 3 AS position, summed.who AS who, summed.n AS n, got_minutes.ts AS ts, got_minutes.place AS place
    FROM summed
    JOIN got_minutes ON summed.who = got_minutes.who AND summed.starts = got_minutes.minute
    WHERE summed.position = 3
), peaks AS (
    SELECT DISTINCT ON (position, who) position, who, n, ts, place
    FROM begun
    ORDER BY position, who, -n, ts, place
), ranked AS (
    SELECT position, who, n, ts, place, ROW_NUMBER() OVER (PARTITION BY position ORDER BY -n, who) AS rank
    FROM peaks
), amounts AS (
    SELECT 1 AS position, CAST(COUNT(*) AS BIGINT) AS measured FROM sender_totals
    UNION ALL
    SELECT 2 AS position, CAST(COUNT(*) AS BIGINT) AS measured FROM sender_totals
    UNION ALL
    SELECT 3 AS position, CAST(COUNT(*) AS BIGINT) AS measured FROM mailbox_totals
), bounds AS (
    SELECT 1 AS position, 'recipients in 24 hours' AS limit_name, recipients_per_day AS allowed FROM params
    UNION ALL
    SELECT 2 AS position, 'messages in a minute' AS limit_name, messages_per_minute AS allowed FROM params
    UNION ALL
    SELECT 3 AS position, 'received in an hour' AS limit_name, received_per_hour AS allowed FROM params
)
SELECT bounds.limit_name AS limit_name,
       ranked.who AS who,
       ranked.n AS most,
       bounds.allowed AS allowed,
       ROUND(CAST(ranked.n AS DOUBLE) / NULLIF(bounds.allowed, 0), 4) AS used,
       ranked.ts AS begin_ts,
       ranked.rank AS rank,
       amounts.measured AS measured,
       ranked.place AS place
FROM ranked
JOIN bounds ON ranked.position = bounds.position
JOIN amounts ON ranked.position = amounts.position
CROSS JOIN params
WHERE ranked.rank <= params.top
ORDER BY ranked.position, rank
