-- title    = "Mail refused for a failed check of its sender"
-- question = "Whose mail from us fails SPF, DKIM, DMARC or the checks of our host name?"
-- tables   = ["attempts", "deliveries", "messages"]
-- limits   = "What the other servers say in their replies; one that marks such mail as spam says nothing. Forwarded mail fails SPF by design: these are messages that came in from outside and went on to another server."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_messages"
-- rows     = 20
-- columns  = [
--   { name = "about", kind = "text", about = "sender domain, <> for the null sender, or `our server` for the checks of our host name" },
--   { name = "reason", kind = "text", about = "spf, dkim, dmarc: check of the sender domain; ptr: reverse name of our address; helo: name that we greet with" },
--   { name = "tries", kind = "count", about = "tries put off or refused for it" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "forwarded", kind = "count", about = "of them forwarded by us for others" },
--   { name = "domains", kind = "count", about = "different recipient domains that refused" },
--   { name = "lost", kind = "count", about = "deliveries that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "first_ts", kind = "time", about = "first refusal" },
--   { name = "last_ts", kind = "time", about = "last refusal" },
--   { name = "example_domain", kind = "text", about = "one of the recipient domains" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_messages]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit, after the IANA registry of codes X.7.20 to X.7.30: one such reply shows a fault that concerns all mail of the sender"
-- about   = "messages refused for a failed check from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "reason IN ('ptr', 'helo') AND messages >= min_messages"
-- sentence   = "Other servers refused our server for its name ({reason}): they put off or refused {tries|try|tries} of {messages|message|messages} to {domains|domain|domains} (for example {example_domain|one not named}), first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended."
-- advice     = "Make sure that each of our sending addresses, IPv6 included, has a reverse name, that this name leads back to the address, and that we greet with it (`smtp_helo_name`)."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN reason IN ('ptr', 'helo') THEN 'our server' WHEN COALESCE(sender_domain, '') = '' THEN '<>' ELSE CAST(sender_domain AS VARCHAR) END AS about, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('spf', 'dkim', 'dmarc', 'ptr', 'helo')"
-- keys       = ["about", "reason"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "forwarded < messages AND messages >= min_messages"
-- sentence   = "Mail from {about} failed {reason} at other servers: they put off or refused {tries|try|tries} of {messages|message|messages} ({forwarded} forwarded by us) to {domains|domain|domains} (for example {example_domain|one not named}), first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended."
-- advice     = "Check that the SPF record of {about} names all our sending addresses and that what we send is signed with DKIM for {about}, and only then tighten its DMARC policy."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN reason IN ('ptr', 'helo') THEN 'our server' WHEN COALESCE(sender_domain, '') = '' THEN '<>' ELSE CAST(sender_domain AS VARCHAR) END AS about, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('spf', 'dkim', 'dmarc', 'ptr', 'helo')"
-- keys       = ["about", "reason"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "messages >= min_messages"
-- sentence   = "Mail from {about} that we forwarded failed {reason} at other servers: they put off or refused {tries|try|tries} of {messages|message|messages}, all forwarded, to {domains|domain|domains} (for example {example_domain|one not named}), first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended."
-- advice     = "Rewrite the envelope sender of forwarded mail (SRS) and leave the mail itself unchanged so that its DKIM signature holds, or have the users fetch their mail instead of forwarding it."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT CASE WHEN reason IN ('ptr', 'helo') THEN 'our server' WHEN COALESCE(sender_domain, '') = '' THEN '<>' ELSE CAST(sender_domain AS VARCHAR) END AS about, reason, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('spf', 'dkim', 'dmarc', 'ptr', 'helo')"
-- keys       = ["about", "reason"]
WITH failed AS (
    SELECT CASE WHEN reason IN ('ptr', 'helo') THEN 'our server' WHEN COALESCE(sender_domain, '') = '' THEN '<>' ELSE CAST(sender_domain AS VARCHAR) END AS about,
           reason, message, recipient, recipient_domain, ts, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('spf', 'dkim', 'dmarc', 'ptr', 'helo')
), grouped AS (
    SELECT about, reason,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, COUNT(DISTINCT recipient_domain) AS domains,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(recipient_domain) AS example_domain, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM failed
    GROUP BY about, reason
), touched AS (
    SELECT DISTINCT about, reason, message FROM failed
), passed AS (
    SELECT touched.about AS about, touched.reason AS reason, COUNT(DISTINCT touched.message) AS forwarded
    FROM touched
    JOIN messages ON touched.message = messages.message
    WHERE messages.origin = 'forwarded' OR (messages.direction IN ('relayed', 'inbound') AND COALESCE(messages.auth_user, '') = '')
    GROUP BY touched.about, touched.reason
), pairs AS (
    SELECT DISTINCT about, reason, message, recipient FROM failed
), fates AS (
    SELECT pairs.about AS about, pairs.reason AS reason,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM pairs
    JOIN deliveries ON pairs.message = deliveries.message
    WHERE pairs.recipient = deliveries.recipient AND deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY pairs.about, pairs.reason
)
SELECT grouped.about AS about,
       grouped.reason AS reason,
       grouped.tries AS tries,
       grouped.messages AS messages,
       CAST(COALESCE(passed.forwarded, 0) AS BIGINT) AS forwarded,
       grouped.domains AS domains,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost,
       CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.example_domain AS example_domain,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
LEFT JOIN passed ON grouped.about = passed.about AND grouped.reason = passed.reason
LEFT JOIN fates ON grouped.about = fates.about AND grouped.reason = fates.reason
ORDER BY messages DESC, about, reason
