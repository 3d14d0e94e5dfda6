-- title    = "The period at a glance"
-- question = "How much mail did we handle, and what became of it?"
-- tables   = ["messages", "deliveries", "attempts", "rejections", "sessions", "logins"]
-- limits   = "A message that our own content filter or forwarding put back into the queue counts once in `accepted` and once per pass in `accepted_all_hops`. Hand-overs between our own queues are no deliveries. Refusals are counted per refused command, so one client may cause many. The totals of pflogsumm differ by rule: it takes every queue ID given to a client as received, also when the data were then refused, but no bounce and no forwarded copy; every `status=sent` as delivered, also a hand-over to our own filter and discarded mail; deferred messages by queue ID; as rejected only lines with `reject:`, not sessions broken off nor refusals known from a session's counters; and as reject warnings also header checks that warn, but no `warn` action."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 AU-6"]
-- empty    = "the logs hold no message, delivery, refusal or connection"
-- sensitivity = "pause_share"
-- columns  = [
--   { name = "accepted", kind = "count", about = "messages taken in, each once however often our filter re-injected it" },
--   { name = "accepted_all_hops", kind = "count", about = "queue entries: every pass through a content filter or alias counts" },
--   { name = "bytes_accepted", kind = "bytes", about = "size of the accepted messages, each once" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs, without hand-overs to our own queue" },
--   { name = "delivered", kind = "count", about = "deliveries that succeeded" },
--   { name = "bounced", kind = "count", about = "deliveries refused for good" },
--   { name = "expired", kind = "count", about = "deliveries given up after too long in the queue" },
--   { name = "open", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "discarded", kind = "count", about = "deliveries thrown away by a rule" },
--   { name = "unknown", kind = "count", about = "deliveries whose end is not in the logs" },
--   { name = "final", kind = "count", about = "delivered + bounced + expired: the denominator of the failure share" },
--   { name = "failed", kind = "count", about = "bounced + expired" },
--   { name = "failed_share", kind = "share", about = "failed / final" },
--   { name = "bytes_delivered", kind = "bytes", about = "size of the message for every successful delivery" },
--   { name = "rejections", kind = "count", about = "commands refused during SMTP; null when the logs hold neither connections nor refusals" },
--   { name = "rejected_of_handled", kind = "share", about = "rejections / (delivered + rejections + discarded), as pflogsumm counts" },
--   { name = "rejected_of_offered", kind = "share", about = "rejections / (accepted + rejections)" },
--   { name = "warned", kind = "count", about = "refusals that were only logged (reject_warning)" },
--   { name = "sessions", kind = "count", about = "inbound connections; null when none is logged" },
--   { name = "clients", kind = "count", about = "different client addresses among them" },
--   { name = "logins", kind = "count", about = "successful authentications; null when the logs hold none of either kind" },
--   { name = "senders", kind = "count", about = "different envelope senders, without the null sender" },
--   { name = "recipients", kind = "count", about = "different recipients of deliveries" },
--   { name = "recipient_domains", kind = "count", about = "different domains of recipients" },
--   { name = "first_ts", kind = "time", about = "earliest event" },
--   { name = "last_ts", kind = "time", about = "latest event" },
-- ]
--
-- [params.min_final]
-- default = 200
-- unit    = "deliveries"
-- source  = "coss.com: no bounce limit below 200 recipients"
-- about   = "final deliveries below which no conclusion about the failure share is drawn"
--
-- [params.review_share]
-- default = 0.05
-- unit    = "share"
-- source  = "Amazon SES: account under review at a bounce rate of 5 %; Lightmeter: 5 %"
-- about   = "failure share from which it should be looked into"
--
-- [params.pause_share]
-- default = 0.10
-- unit    = "share"
-- source  = "Amazon SES: sending may be paused at a bounce rate of 10 %"
-- about   = "failure share from which large providers act"
--
-- [[findings]]
-- severity   = "high"
-- when       = "final >= min_final AND failed_share >= pause_share"
-- sentence   = "{failed_share} of all mail with a known end was not delivered ({failed} of {final|delivery|deliveries}). From {params.pause_share} on, large providers stop taking mail from a sender."
-- advice     = "Begin with the largest group in delivery/by_reason, and stop the lists or accounts that cause it (capacity/top_senders) before they send again."
-- thresholds = ["pause_share", "min_final"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = []
--
-- [[findings]]
-- severity   = "medium"
-- when       = "final >= min_final AND failed_share >= review_share"
-- sentence   = "{failed_share} of all mail with a known end was not delivered ({failed} of {final|delivery|deliveries}). Above {params.review_share} the reasons should be looked into."
-- advice     = "See which reasons make up the {failed|failure|failures} (delivery/by_reason), and take recipients that do not exist off the lists (delivery/unknown_recipients)."
-- thresholds = ["review_share", "min_final"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = []
WITH m AS (
    SELECT COUNT(*) AS accepted_all_hops,
           COUNT(*) FILTER (WHERE origin NOT IN ('reinjected', 'forwarded')) AS accepted,
           SUM(size) FILTER (WHERE origin NOT IN ('reinjected', 'forwarded')) AS bytes_accepted,
           COUNT(DISTINCT sender) FILTER (WHERE sender <> '') AS senders
    FROM messages
), d AS (
    SELECT COUNT(*) AS deliveries,
           COUNT(*) FILTER (WHERE outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE outcome = 'bounced') AS bounced,
           COUNT(*) FILTER (WHERE outcome = 'expired') AS expired,
           COUNT(*) FILTER (WHERE outcome = 'open') AS open,
           COUNT(*) FILTER (WHERE outcome = 'discarded') AS discarded,
           COUNT(*) FILTER (WHERE outcome = 'unknown') AS unknown,
           COUNT(*) FILTER (WHERE outcome IN ('delivered', 'bounced', 'expired')) AS final,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS failed,
           COUNT(DISTINCT recipient) AS recipients,
           COUNT(DISTINCT recipient_domain) AS recipient_domains
    FROM deliveries
    WHERE outcome <> 'forwarded'
), sent AS (
    SELECT SUM(size) AS bytes_delivered
    FROM deliveries
    WHERE outcome = 'delivered'
), r AS (
    SELECT COUNT(*) FILTER (WHERE action IN ('reject', 'defer')) AS rejections,
           COUNT(*) FILTER (WHERE action = 'reject_warning') AS warned,
           COUNT(*) AS lines
    FROM rejections
), s AS (
    SELECT COUNT(*) AS sessions, COUNT(DISTINCT client_ip) AS clients
    FROM sessions
), l AS (
    SELECT COUNT(*) FILTER (WHERE success) AS successes, COUNT(*) AS lines
    FROM logins
), times AS (
    SELECT MIN(received_ts) AS first_ts, MAX(received_ts) AS last_ts FROM messages
    UNION ALL
    SELECT MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM attempts
    UNION ALL
    SELECT MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM rejections
    UNION ALL
    SELECT MIN(connect_ts) AS first_ts, MAX(connect_ts) AS last_ts FROM sessions
    UNION ALL
    SELECT MIN(ts) AS first_ts, MAX(ts) AS last_ts FROM logins
), t AS (
    SELECT MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts FROM times
)
SELECT m.accepted AS accepted,
       m.accepted_all_hops AS accepted_all_hops,
       CASE WHEN m.accepted > 0 THEN m.bytes_accepted ELSE 0 END AS bytes_accepted,
       d.deliveries AS deliveries,
       d.delivered AS delivered,
       d.bounced AS bounced,
       d.expired AS expired,
       d.open AS open,
       d.discarded AS discarded,
       d.unknown AS unknown,
       d.final AS final,
       d.failed AS failed,
       CASE WHEN d.final > 0 THEN ROUND(CAST(d.failed AS DOUBLE) / d.final, 4) END AS failed_share,
       CASE WHEN d.delivered > 0 THEN sent.bytes_delivered ELSE 0 END AS bytes_delivered,
       CASE WHEN s.sessions + r.lines > 0 THEN r.rejections END AS rejections,
       CASE WHEN s.sessions + r.lines > 0 AND d.delivered + r.rejections + d.discarded > 0
            THEN ROUND(CAST(r.rejections AS DOUBLE) / (d.delivered + r.rejections + d.discarded), 4) END AS rejected_of_handled,
       CASE WHEN s.sessions + r.lines > 0 AND m.accepted + r.rejections > 0
            THEN ROUND(CAST(r.rejections AS DOUBLE) / (m.accepted + r.rejections), 4) END AS rejected_of_offered,
       CASE WHEN s.sessions + r.lines > 0 THEN r.warned END AS warned,
       CASE WHEN s.sessions > 0 THEN s.sessions END AS sessions,
       CASE WHEN s.sessions > 0 THEN s.clients END AS clients,
       CASE WHEN l.lines > 0 THEN l.successes END AS logins,
       m.senders AS senders,
       d.recipients AS recipients,
       d.recipient_domains AS recipient_domains,
       t.first_ts AS first_ts,
       t.last_ts AS last_ts
FROM m
CROSS JOIN d
CROSS JOIN sent
CROSS JOIN r
CROSS JOIN s
CROSS JOIN l
CROSS JOIN t
WHERE m.accepted_all_hops + d.deliveries + r.lines + s.sessions > 0
ORDER BY accepted
