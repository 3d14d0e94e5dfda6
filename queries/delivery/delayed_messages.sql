-- title    = "Mail that came late"
-- question = "Which mail took long to arrive, and what held it up?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "From reception by our server to the last try in the logs: what still waits takes longer than shown. The reason is that of most of its deferrals; without a deferral the mail waited in our own queue, or came in slowly."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "late_share"
-- rows     = 20
-- columns  = [
--   { name = "number", kind = "count", about = "in order of the time taken, the longest first" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "queue_id", kind = "text", about = "queue ID" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient", kind = "text", about = "envelope recipient" },
--   { name = "received_ts", kind = "time", about = "when we took it in" },
--   { name = "last_ts", kind = "time", about = "last try" },
--   { name = "seconds", kind = "seconds", about = "from one to the other" },
--   { name = "outcome", kind = "text", about = "delivered, or open: it still waits at the end of the logs" },
--   { name = "tries", kind = "count", about = "tries" },
--   { name = "held_by", kind = "text", about = "most frequent reason of its deferrals; `our own queue` when it had none" },
--   { name = "delayed", kind = "count", about = "deliveries that took longer than the threshold (the same on every row)" },
--   { name = "own", kind = "count", about = "of them without a deferral (the same on every row)" },
--   { name = "still_waiting", kind = "count", about = "of them still open (the same on every row)" },
--   { name = "all_deliveries", kind = "count", about = "deliveries that arrived or wait (the same on every row): the denominator" },
--   { name = "delayed_share", kind = "share", about = "delayed / all" },
--   { name = "main_reason", kind = "text", about = "most frequent reason among the delayed ones (the same on every row)" },
--   { name = "main_reason_deliveries", kind = "count", about = "delayed deliveries held up by it (the same on every row)" },
--   { name = "place", kind = "place", about = "line of the last try" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.slow]
-- default = 3600
-- unit    = "seconds"
-- source  = "mtaudit: one hour; senders are told after four"
-- about   = "time from which a delivery is late"
--
-- [params.late_share]
-- default = 0.05
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of late deliveries from which it is more than single cases"
--
-- [params.min_delayed]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "late deliveries below which no share is judged"
--
-- [params.one_delayed]
-- default = 1
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "late deliveries from which they are pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "number = 1 AND delayed >= min_delayed AND delayed_share >= late_share"
-- sentence   = "{delayed} of {all_deliveries|delivery|deliveries} ({delayed_share}) took longer than {params.slow|second|seconds}, the longest {seconds}; {still_waiting} of them still waited when the logs ended, and {own} met no deferral. What held up most was {main_reason} ({main_reason_deliveries|delivery|deliveries})."
-- advice     = "Act on {main_reason} first; see delivery/outage_windows and delivery/throttled for the others, and capacity/queue_depth where it was our own queue."
-- thresholds = ["late_share", "min_delayed", "slow"]
-- evidence   = "SELECT deliveries.source AS source, deliveries.line AS line FROM deliveries CROSS JOIN params WHERE deliveries.outcome IN ('delivered', 'open') AND deliveries.seconds > params.slow"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "number = 1 AND delayed >= one_delayed"
-- sentence   = "{delayed} of {all_deliveries|delivery|deliveries} took longer than {params.slow|second|seconds}, the longest {seconds}; {still_waiting} of them still waited when the logs ended, and {own} met no deferral. What held up most was {main_reason} ({main_reason_deliveries|delivery|deliveries})."
-- advice     = "Look through the table for mail that mattered, and tell its senders."
-- thresholds = ["one_delayed", "slow"]
-- evidence   = "SELECT deliveries.source AS source, deliveries.line AS line FROM deliveries CROSS JOIN params WHERE deliveries.outcome IN ('delivered', 'open') AND deliveries.seconds > params.slow"
-- keys       = []
WITH timed AS (
    SELECT deliveries.message AS message, deliveries.host AS host, deliveries.queue_id AS queue_id, deliveries.sender AS sender,
           COALESCE(deliveries.recipient, '') AS recipient, deliveries.received_ts AS received_ts, deliveries.last_ts AS last_ts,
           deliveries.seconds AS seconds, deliveries.outcome AS outcome, deliveries.attempts AS tries,
           deliveries.source AS source, deliveries.line AS line
    FROM deliveries
    CROSS JOIN params
    WHERE deliveries.outcome IN ('delivered', 'open') AND deliveries.seconds > params.slow
), late AS (
    SELECT DISTINCT message, recipient FROM timed
), deferrals AS (
    SELECT attempts.message AS message, attempts.recipient AS recipient, COALESCE(attempts.reason, 'undetermined') AS reason, CAST(COUNT(*) AS BIGINT) AS n
    FROM attempts
    JOIN late ON attempts.message = late.message AND attempts.recipient = late.recipient
    WHERE attempts.status = 'deferred'
    GROUP BY attempts.message, attempts.recipient, COALESCE(attempts.reason, 'undetermined')
), main AS (
    SELECT message, recipient, reason
    FROM (SELECT message, recipient, reason, ROW_NUMBER() OVER (PARTITION BY message, recipient ORDER BY -n, reason) AS no FROM deferrals) AS numbered
    WHERE no = 1
), shown AS (
    SELECT timed.host AS host, timed.queue_id AS queue_id, CASE WHEN timed.sender = '' THEN '<>' ELSE timed.sender END AS sender, timed.recipient AS recipient,
           timed.received_ts AS received_ts, timed.last_ts AS last_ts, timed.seconds AS seconds, timed.outcome AS outcome, timed.tries AS tries,
           COALESCE(main.reason, 'our own queue') AS held_by,
           timed.source * 10000000000 + timed.line AS place
    FROM timed
    LEFT JOIN main ON timed.message = main.message AND timed.recipient = main.recipient
), reasons AS (
    SELECT held_by, n FROM (
        SELECT held_by, n, ROW_NUMBER() OVER (ORDER BY -n, held_by) AS no
        FROM (SELECT held_by, CAST(COUNT(*) AS BIGINT) AS n FROM shown GROUP BY held_by) AS by_reason
    ) AS numbered
    WHERE no = 1
), whole AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS delayed,
           CAST(COUNT(*) FILTER (WHERE held_by = 'our own queue') AS BIGINT) AS own,
           CAST(COUNT(*) FILTER (WHERE outcome = 'open') AS BIGINT) AS still_waiting
    FROM shown
), everything AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS all_deliveries FROM deliveries WHERE outcome IN ('delivered', 'open')
)
SELECT CAST(ROW_NUMBER() OVER (ORDER BY -shown.seconds, shown.place, shown.recipient) AS BIGINT) AS number,
       shown.host AS host,
       shown.queue_id AS queue_id,
       shown.sender AS sender,
       shown.recipient AS recipient,
       shown.received_ts AS received_ts,
       shown.last_ts AS last_ts,
       shown.seconds AS seconds,
       shown.outcome AS outcome,
       shown.tries AS tries,
       shown.held_by AS held_by,
       whole.delayed AS delayed,
       whole.own AS own,
       whole.still_waiting AS still_waiting,
       everything.all_deliveries AS all_deliveries,
       ROUND(CAST(whole.delayed AS DOUBLE) / everything.all_deliveries, 4) AS delayed_share,
       reasons.held_by AS main_reason,
       reasons.n AS main_reason_deliveries,
       shown.place AS place
FROM shown
CROSS JOIN whole
CROSS JOIN everything
CROSS JOIN reasons
ORDER BY number
