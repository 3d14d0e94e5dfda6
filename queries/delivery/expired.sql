-- title    = "Mail that was given up"
-- question = "Which mail did our server stop trying to deliver?"
-- tables   = ["deliveries", "sources"]
-- limits   = "Only what the server itself declared to have expired within the logs. Mail that is still waiting may expire later: see delivery/deferral_hotspots."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_expired"
-- rows     = 20
-- columns  = [
--   { name = "number", kind = "count", about = "in order of the last try" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "queue_id", kind = "text", about = "queue ID" },
--   { name = "sender", kind = "text", about = "envelope sender; <> is the null sender" },
--   { name = "recipient", kind = "text", about = "envelope recipient" },
--   { name = "received_ts", kind = "time", about = "when we took it in" },
--   { name = "last_ts", kind = "time", about = "last try" },
--   { name = "seconds", kind = "seconds", about = "from reception to the last try" },
--   { name = "attempts", kind = "count", about = "tries" },
--   { name = "reason", kind = "text", about = "why it could not be delivered" },
--   { name = "reply", kind = "text", about = "last reply" },
--   { name = "total", kind = "count", about = "mails given up (the same on every row)" },
--   { name = "final", kind = "count", about = "delivered, bounced and expired deliveries together" },
--   { name = "domains", kind = "count", about = "different recipient domains given up" },
--   { name = "longest", kind = "seconds", about = "longest time one of them waited" },
--   { name = "place", kind = "text", about = "file:line that shows it" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_expired]
-- default = 1
-- unit    = "deliveries"
-- source  = "mtaudit, after RFC 5321 4.5.4.1: a server gives up only after days of tries"
-- about   = "deliveries given up from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "number = 1 AND total >= min_expired"
-- sentence   = "Of {final|delivery|deliveries} with a known end, {total|was|were} given up after too long in the queue ({domains|recipient domain|recipient domains}); the longest wait was {longest|not logged}. The senders were told only if the notice reached them."
-- advice     = "Tell the senders in the table that their mail did not arrive, and look for destinations that come again: these need a call to their postmaster or a corrected address."
-- thresholds = ["min_expired"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome = 'expired'"
-- keys       = []
WITH e AS (
    SELECT host, queue_id, CASE WHEN sender = '' THEN '<>' ELSE sender END AS sender, recipient, received_ts, last_ts, seconds, attempts, reason, reply, source, line,
           ROW_NUMBER() OVER (ORDER BY last_ts, source, line, recipient) AS number
    FROM deliveries
    WHERE outcome = 'expired'
), whole AS (
    SELECT COUNT(*) FILTER (WHERE outcome = 'expired') AS total,
           COUNT(*) AS final,
           COUNT(DISTINCT CASE WHEN outcome = 'expired' THEN recipient_domain END) AS domains,
           MAX(seconds) FILTER (WHERE outcome = 'expired') AS longest
    FROM deliveries
    WHERE outcome IN ('delivered', 'bounced', 'expired')
)
SELECT e.number AS number,
       e.host AS host,
       e.queue_id AS queue_id,
       e.sender AS sender,
       e.recipient AS recipient,
       e.received_ts AS received_ts,
       e.last_ts AS last_ts,
       e.seconds AS seconds,
       e.attempts AS attempts,
       e.reason AS reason,
       e.reply AS reply,
       whole.total AS total,
       whole.final AS final,
       whole.domains AS domains,
       whole.longest AS longest,
       CASE WHEN sources.member IS NULL THEN CONCAT(sources.path, ':', CAST(e.line AS VARCHAR))
            ELSE CONCAT(sources.path, '!/', sources.member, ':', CAST(e.line AS VARCHAR)) END AS place
FROM e
CROSS JOIN whole
LEFT JOIN sources ON e.source = sources.source
ORDER BY number
