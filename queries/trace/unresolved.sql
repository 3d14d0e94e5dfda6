-- title    = "Mail without a known end"
-- question = "Which messages have no final outcome in the logs, how long have they waited, and what is to be done?"
-- tables   = ["messages", "deliveries", "activity"]
-- limits   = "What is under way when the logs end is listed, healthy or not; the age tells. Ages are from the arrival to the last line of the host, to the minute. A message counts as accepted when the queue manager has seen it: one that was cut off while it came in is not listed. Where lines are missing, what ended within the gap is listed as well: see evidence/gaps."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- rows     = 30
-- sensitivity = "min_lost"
-- columns  = [
--   { name = "number", kind = "count", about = "lost ones first, then those that wait, the longest first; then what only lacks its beginning" },
--   { name = "state", kind = "text", about = "no outcome (left the queue, and its last try is not final), removed untried (left it without any try), waiting (in the queue when the logs end), never tried (the same, without any try), no beginning (ended, and how it came in is not in the logs)" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "queue_id", kind = "text", about = "queue ID: `mtaudit trace` tells its way" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient", kind = "text", about = "envelope recipient, where a try names it" },
--   { name = "received_ts", kind = "time", about = "when we took it in" },
--   { name = "last_ts", kind = "time", about = "last try, or when it left the queue" },
--   { name = "age", kind = "seconds", about = "from its arrival to the last line of the host; null for what left the queue, and where the arrival is not in the logs" },
--   { name = "attempts", kind = "count", about = "tries" },
--   { name = "reason", kind = "text", about = "why the last try failed" },
--   { name = "reply", kind = "text", about = "last reply" },
--   { name = "next_step", kind = "text", about = "what to do" },
--   { name = "lost", kind = "count", about = "no outcome and removed untried together (the same on every row)" },
--   { name = "waiting", kind = "count", about = "waiting and never tried together (the same on every row)" },
--   { name = "old", kind = "count", about = "of those that wait: older than old_seconds (the same on every row)" },
--   { name = "oldest", kind = "seconds", about = "age of the oldest that waits (the same on every row)" },
--   { name = "place", kind = "place", about = "line of its first try, or its first line" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "queue_id IS NOT NULL"
-- or      = ["deliveries"]
-- missing = "the logs hold no message"
-- remedy  = "lines of smtpd, cleanup, qmgr and the delivery agents at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.old_seconds]
-- default = 14400
-- unit    = "seconds"
-- source  = "Postfix, DELAY NOTICES: delay_warning_time, 4h in its example"
-- about   = "age from which a waiting message is pointed out"
--
-- [params.min_lost]
-- default = 1
-- unit    = "messages and recipients"
-- source  = "mtaudit: a mail server loses none"
-- about   = "those without an outcome from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "number = 1 AND lost >= min_lost"
-- sentence   = "{lost|delivery|deliveries} left the queue without an outcome in the logs."
-- advice     = "Look at evidence/gaps first, as lines may be missing; if none are, somebody removed the mail in a way that the log does not show: trace the queue IDs (`mtaudit trace`) and ask the recipients."
-- thresholds = ["min_lost"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome = 'unknown'"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "number = lost + 1 AND old > 0"
-- sentence   = "Of {waiting|delivery|deliveries} waiting at the end of the logs, {old} had waited for {params.old_seconds} s or more, the oldest for {oldest}."
-- advice     = "Look at the last reply of each, the oldest first, and tell the senders before the queue lifetime ends."
-- thresholds = ["old_seconds"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome = 'open'"
-- keys       = []
WITH ends AS (
    SELECT host, MAX(last_second) AS last_second
    FROM activity
    GROUP BY host
), tried AS (
    SELECT message, COUNT(*) AS n
    FROM deliveries
    GROUP BY message
), found AS (
    SELECT CASE WHEN d.outcome = 'open' THEN 'waiting' ELSE 'no outcome' END AS state,
           d.host AS host, d.queue_id AS queue_id, d.sender AS sender, d.recipient AS recipient,
           d.received_ts AS received_ts, d.last_ts AS last_ts, m.minute AS minute, d.attempts AS attempts,
           d.cause AS cause, d.reason AS reason, d.reply AS reply, d.source * 10000000000 + d.line AS place
    FROM deliveries AS d
    LEFT JOIN messages AS m ON d.message = m.message
    WHERE d.outcome IN ('open', 'unknown')
    UNION ALL
    SELECT CASE WHEN tried.message IS NOT NULL THEN 'no beginning'
                WHEN m.removed_ts IS NULL THEN 'never tried'
                ELSE 'removed untried' END AS state,
           m.host AS host, m.queue_id AS queue_id, m.sender AS sender, CAST(NULL AS VARCHAR) AS recipient,
           m.received_ts AS received_ts, m.removed_ts AS last_ts, m.minute AS minute, CAST(0 AS BIGINT) AS attempts,
           CAST(NULL AS VARCHAR) AS cause, CAST(NULL AS VARCHAR) AS reason, CAST(NULL AS VARCHAR) AS reply,
           m.source * 10000000000 + m.line AS place
    FROM messages AS m
    LEFT JOIN tried ON m.message = tried.message
    WHERE (tried.message IS NULL AND (m.nrcpt IS NOT NULL OR m.removed_ts IS NOT NULL))
       OR (tried.message IS NOT NULL AND m.removed_ts IS NOT NULL AND m.parent IS NULL AND NOT m.head_seen)
), aged AS (
    SELECT found.state AS state, found.host AS host, found.queue_id AS queue_id,
           CASE WHEN found.sender = '' THEN '<>' ELSE found.sender END AS sender,
           found.recipient AS recipient, found.received_ts AS received_ts, found.last_ts AS last_ts,
           CASE WHEN found.state IN ('waiting', 'never tried') THEN ends.last_second - found.minute * 60 END AS age,
           found.attempts AS attempts, found.cause AS cause, found.reason AS reason, found.reply AS reply, found.place AS place,
           CASE WHEN found.state IN ('no outcome', 'removed untried') THEN 1
                WHEN found.state IN ('waiting', 'never tried') THEN 2
                ELSE 3 END AS class
    FROM found
    LEFT JOIN ends ON found.host = ends.host
), whole AS (
    SELECT COUNT(*) FILTER (WHERE class = 1) AS lost,
           COUNT(*) FILTER (WHERE class = 2) AS waiting,
           MAX(age) AS oldest
    FROM aged
), late AS (
    SELECT COUNT(*) AS old
    FROM aged
    CROSS JOIN params
    WHERE aged.age >= params.old_seconds
)
SELECT ROW_NUMBER() OVER (ORDER BY aged.class, -COALESCE(aged.age, 0), aged.place, COALESCE(aged.recipient, '')) AS number,
       aged.state AS state,
       aged.host AS host,
       aged.queue_id AS queue_id,
       aged.sender AS sender,
       aged.recipient AS recipient,
       aged.received_ts AS received_ts,
       aged.last_ts AS last_ts,
       aged.age AS age,
       aged.attempts AS attempts,
       aged.reason AS reason,
       aged.reply AS reply,
       CASE WHEN aged.state = 'no outcome' THEN 'look for missing lines, and ask the recipient'
            WHEN aged.state = 'removed untried' THEN 'look for missing lines of the delivery agents'
            WHEN aged.state = 'never tried' THEN 'look into the queue: is it active, on hold, or gone?'
            WHEN aged.state = 'no beginning' THEN 'read the logs before these as well'
            WHEN aged.reason = 'greylist' THEN 'wait: the next try should pass'
            WHEN aged.reason = 'mailbox-full' THEN 'tell the recipient by other means'
            WHEN aged.cause = 'dns' THEN 'check the domain, for typing errors too, and our resolver'
            WHEN aged.cause = 'network' THEN 'check whether others reach the destination; ask its postmaster'
            WHEN aged.cause = 'tls' THEN 'check certificates and TLS versions on both sides'
            WHEN aged.cause IN ('reputation', 'policy') THEN 'check how the destination sees our address: block lists, SPF, DKIM, host name'
            WHEN aged.cause = 'local' THEN 'repair our server: see evidence/server_events'
            WHEN aged.cause = 'remote' THEN 'wait; when it lasts, ask the postmaster of the destination'
            ELSE 'read the last reply' END AS next_step,
       whole.lost AS lost,
       whole.waiting AS waiting,
       late.old AS old,
       whole.oldest AS oldest,
       aged.place AS place
FROM aged
CROSS JOIN whole
CROSS JOIN late
ORDER BY number
