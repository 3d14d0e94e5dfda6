-- title    = "What the content filters said"
-- question = "How much of the mail is spam, infected or otherwise unwanted, by direction, and what became of it?"
-- tables   = ["deliveries", "messages", "rejections"]
-- limits   = "Counts what was refused, bounced or discarded for its content by our own side: in the dialogue, or by a filter that is handed the mail. Spam that a filter only marks and lets pass is not seen in these lines. What remote servers call spam stands in delivery/by_reason."
-- controls = ["ISO/IEC 27001 A.8.7", "NIST SP 800-53 SI-3", "NIST SP 800-53 SI-8"]
-- rows     = 15
-- sensitivity = "min_outbound"
-- columns  = [
--   { name = "direction", kind = "text", about = "inbound, outbound, internal, relayed; unknown where it was refused before" },
--   { name = "reason", kind = "text", about = "spam, virus, attachment and other reasons of content" },
--   { name = "stopped", kind = "count", about = "messages or commands stopped for it" },
--   { name = "refused", kind = "count", about = "of them refused in the dialogue" },
--   { name = "bounced", kind = "count", about = "of them bounced after they were accepted" },
--   { name = "discarded", kind = "count", about = "of them thrown away without a word" },
--   { name = "messages", kind = "count", about = "messages of this direction that were accepted, beside those refused" },
--   { name = "stopped_share", kind = "share", about = "stopped / (messages + refused)" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "main_sender", kind = "text", about = "the most frequent of them" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('submission', 'smtp', 'local')"
-- missing = "the logs hold no message that came in here"
-- remedy  = "the log of the server that users and applications hand mail to, at level info of the facility mail"
--
-- [params.max_outbound]
-- default = 0.01
-- unit    = "of the messages"
-- source  = "mtaudit"
-- about   = "share of outbound mail stopped as spam or virus above which something of ours sends it"
--
-- [params.min_outbound]
-- default = 10
-- unit    = "messages"
-- source  = "mtaudit: fewer are mistakes of the filter"
-- about   = "such messages from which it is judged"
--
-- [params.min_bounced]
-- default = 10
-- unit    = "messages"
-- source  = "mtaudit; RFC 3834 and common practice: never bounce spam"
-- about   = "messages stopped as spam or virus and bounced to senders that may be forged"
--
-- [[findings]]
-- severity   = "high"
-- when       = "direction = 'outbound' AND reason IN ('spam', 'virus') AND stopped >= min_outbound AND stopped_share > max_outbound"
-- sentence   = "Our filters stopped {stopped|outgoing message|outgoing messages} as {reason}, {stopped_share} of what was handed in ({messages} accepted, {refused} refused), from {senders|sender|different senders}, most often {main_sender|the null sender}. Something of ours sends it."
-- advice     = "Find out who handed in the mail of {main_sender|the null sender} (trace it by that address), stop that account or machine, and look for what passed before the filter knew it."
-- thresholds = ["max_outbound", "min_outbound"]
-- limit      = 5
-- evidence   = "SELECT direction, COALESCE(reason, 'spam') AS reason, source, line FROM deliveries WHERE outcome IN ('bounced', 'discarded') AND relay_ip IN ('127.0.0.1', '::1') AND (cause = 'content' OR (outcome = 'discarded' AND (reply LIKE '%spam%' OR reply LIKE '%SPAM%')))"
-- keys       = ["direction", "reason"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "direction = 'inbound' AND reason IN ('spam', 'virus') AND bounced >= min_bounced"
-- sentence   = "Incoming mail was accepted, stopped as {reason} and then bounced ({bounced} of {stopped} stopped). The senders of such mail are mostly forged, so the bounces hit the innocent."
-- advice     = "Let the filter refuse before the queue (milter, smtpd_proxy_filter) or put such mail into quarantine, but do not bounce it."
-- thresholds = ["min_bounced"]
-- limit      = 5
-- evidence   = "SELECT direction, COALESCE(reason, 'spam') AS reason, source, line FROM deliveries WHERE outcome IN ('bounced', 'discarded') AND relay_ip IN ('127.0.0.1', '::1') AND (cause = 'content' OR (outcome = 'discarded' AND (reply LIKE '%spam%' OR reply LIKE '%SPAM%')))"
-- keys       = ["direction", "reason"]
WITH local AS (
    -- A filter that is handed the mail answers from this machine, or discards.
    SELECT message, direction, reason, cause, outcome, reply, source, line
    FROM deliveries
    WHERE outcome IN ('bounced', 'discarded') AND relay_ip IN ('127.0.0.1', '::1')
), stopped AS (
    SELECT CAST(local.direction AS VARCHAR) AS direction, COALESCE(CAST(local.reason AS VARCHAR), 'spam') AS reason, local.message AS message, CAST(messages.sender AS VARCHAR) AS sender,
           CAST(local.outcome AS VARCHAR) AS what, local.source AS source, local.line AS line
    FROM local
    JOIN messages ON local.message = messages.message
    WHERE (local.cause = 'content' OR (local.outcome = 'discarded' AND (local.reply LIKE '%spam%' OR local.reply LIKE '%SPAM%')))
    UNION ALL
    SELECT CASE WHEN auth_user <> '' THEN 'outbound' ELSE 'unknown' END AS direction, CAST(reason AS VARCHAR) AS reason, NULL AS message, CAST(sender AS VARCHAR) AS sender, 'refused' AS what, source, line
    FROM rejections
    WHERE cause = 'content' AND action IN ('reject', 'discard')
), grouped AS (
    SELECT direction, reason,
           COUNT(DISTINCT CASE WHEN what <> 'refused' THEN message END) AS taken,
           COUNT(*) FILTER (WHERE what = 'refused') AS refused,
           COUNT(DISTINCT CASE WHEN what = 'bounced' THEN message END) AS bounced,
           COUNT(DISTINCT CASE WHEN what = 'discarded' THEN message END) AS discarded,
           COUNT(DISTINCT sender) AS senders, MIN(source * 10000000000 + line) AS place
    FROM stopped
    GROUP BY direction, reason
), by_sender AS (
    SELECT direction, reason, COALESCE(sender, '') AS sender, CAST(COUNT(*) AS BIGINT) AS n FROM stopped GROUP BY direction, reason, COALESCE(sender, '')
), ranked AS (
    SELECT direction, reason, sender, ROW_NUMBER() OVER (PARTITION BY direction, reason ORDER BY -n, sender) AS no FROM by_sender
), main_senders AS (
    SELECT direction, reason, sender FROM ranked WHERE no = 1
), accepted AS (
    SELECT direction, COUNT(*) AS n
    FROM (SELECT CAST(direction AS VARCHAR) AS direction FROM messages WHERE origin IN ('smtp', 'submission', 'local', 'unknown')) AS directions
    GROUP BY direction
)
SELECT grouped.direction AS direction,
       grouped.reason AS reason,
       grouped.taken + grouped.refused AS stopped,
       grouped.refused AS refused,
       grouped.bounced AS bounced,
       grouped.discarded AS discarded,
       CAST(COALESCE(accepted.n, 0) AS BIGINT) AS messages,
       CASE WHEN COALESCE(accepted.n, 0) > 0 THEN ROUND(CAST(grouped.taken + grouped.refused AS DOUBLE) / (accepted.n + grouped.refused), 4) END AS stopped_share,
       grouped.senders AS senders,
       main_senders.sender AS main_sender,
       grouped.place AS place
FROM grouped
LEFT JOIN accepted ON grouped.direction = accepted.direction
LEFT JOIN main_senders ON grouped.direction = main_senders.direction AND grouped.reason = main_senders.reason
ORDER BY stopped DESC, direction, reason
