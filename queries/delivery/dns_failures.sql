-- title    = "Name lookups that failed"
-- question = "Which domains could not be looked up, and was it our own resolver?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "Only failures that held up or stopped a delivery. Many domains without an answer at the same time point to our own resolver or line, but the logs cannot prove it. Windows are whole minutes. Domains that do not exist are judged in delivery/unknown_domains."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SC-20"]
-- sensitivity = "outage_domains"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "reason", kind = "text", about = "nxdomain, no-mx, null-mx: an answer that stops the mail; servfail, dns-timeout: no usable answer" },
--   { name = "tries", kind = "count", about = "tries that failed for it" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "failed", kind = "count", about = "deliveries to the domain that failed for good for this reason" },
--   { name = "delivered", kind = "count", about = "deliveries to the domain that arrived" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "peak", kind = "flag", about = "the first row, which also speaks for the worst ten minutes" },
--   { name = "peak_domains", kind = "count", about = "most domains without a usable answer within 10 minutes (the same on every row)" },
--   { name = "peak_tries", kind = "count", about = "failed lookups in them" },
--   { name = "peak_ts", kind = "time", about = "first of them" },
--   { name = "peak_reached", kind = "count", about = "domains that mail reached over the network in these 10 minutes" },
--   { name = "place", kind = "place", about = "line of the first try in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.outage_domains]
-- default = 10
-- unit    = "domains in 10 minutes"
-- source  = "mtaudit"
-- about   = "domains without an answer within 10 minutes from which our own resolver is suspected"
--
-- [[findings]]
-- severity   = "high"
-- when       = "peak AND peak_domains >= outage_domains AND peak_domains > peak_reached"
-- sentence   = "Within 10 minutes from {peak_ts} on, lookups of {peak_domains|domain|different domains} got no usable answer ({peak_tries|try|tries}), while mail reached {peak_reached|domain|domains}. So many at once point to our own resolver or connection rather than to the domains; the logs cannot prove it."
-- advice     = "Look at the resolver's own log and at our line at {peak_ts}, and give mail servers two resolvers, one of them on the server itself."
-- thresholds = ["outage_domains"]
-- evidence   = "SELECT source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('servfail', 'dns-timeout')"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "peak AND peak_domains >= outage_domains"
-- sentence   = "Within 10 minutes from {peak_ts} on, lookups of {peak_domains|domain|different domains} got no usable answer ({peak_tries|try|tries}), while mail reached {peak_reached|domain|domains}. This looks more like many broken domains written to at once, as by notices to forged senders, than like a fault of our resolver."
-- advice     = "See in the table which domains these are and what the mail to them is; mail that nobody asked for should be refused at the door instead of bounced."
-- thresholds = ["outage_domains"]
-- evidence   = "SELECT source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason IN ('servfail', 'dns-timeout')"
-- keys       = []
WITH failures AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, COALESCE(reason, 'undetermined') AS reason,
           COUNT(*) AS tries, COUNT(DISTINCT message) AS messages, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM attempts
    WHERE cause = 'dns' AND status IN ('deferred', 'bounced', 'expired')
    GROUP BY COALESCE(recipient_domain, ''), COALESCE(reason, 'undetermined')
), lost AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, COALESCE(reason, 'undetermined') AS reason, COUNT(*) AS failed
    FROM deliveries
    WHERE cause = 'dns' AND outcome IN ('bounced', 'expired')
    GROUP BY COALESCE(recipient_domain, ''), COALESCE(reason, 'undetermined')
), arrived AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, COUNT(*) AS delivered
    FROM deliveries
    WHERE outcome = 'delivered'
    GROUP BY COALESCE(recipient_domain, '')
), unanswered AS (
    SELECT recipient_domain, minute, ts
    FROM attempts
    WHERE reason IN ('servfail', 'dns-timeout') AND status IN ('deferred', 'bounced', 'expired')
), back AS (
    SELECT CAST(v.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v(n)
), windows AS (
    -- A minute belongs to every window that begins in it or up to 9 minutes before; only those count that begin with a failure.
    SELECT unanswered.minute - back.minutes AS starts, CAST(COUNT(DISTINCT unanswered.recipient_domain) AS BIGINT) AS domains,
           CAST(COUNT(*) AS BIGINT) AS tries, MIN(unanswered.ts) AS first_ts
    FROM unanswered
    CROSS JOIN back
    WHERE unanswered.minute - back.minutes IN (SELECT minute FROM unanswered)
    GROUP BY unanswered.minute - back.minutes
), worst AS (
    SELECT starts, domains, tries, first_ts
    FROM (SELECT starts, domains, tries, first_ts, ROW_NUMBER() OVER (ORDER BY -(domains * 1000000 + tries), starts) AS no FROM windows) AS ranked
    WHERE no = 1
), answered AS (
    SELECT COUNT(DISTINCT attempts.recipient_domain) AS reached
    FROM worst
    CROSS JOIN back
    JOIN attempts ON worst.starts + back.minutes = attempts.minute
    WHERE attempts.status = 'delivered' AND attempts.relay_ip IS NOT NULL
), peak AS (
    SELECT MAX(worst.domains) AS domains, MAX(worst.tries) AS tries, MAX(worst.first_ts) AS first_ts,
           MAX(answered.reached) AS reached
    FROM worst
    CROSS JOIN answered
), rows_out AS (
    SELECT failures.recipient_domain AS recipient_domain, failures.reason AS reason,
           CAST(failures.tries AS BIGINT) AS tries, failures.messages AS messages,
           CAST(COALESCE(lost.failed, 0) AS BIGINT) AS failed,
           CAST(COALESCE(arrived.delivered, 0) AS BIGINT) AS delivered,
           failures.first_ts AS first_ts, failures.last_ts AS last_ts, failures.example AS example,
           failures.place AS place
    FROM failures
    LEFT JOIN lost ON failures.recipient_domain = lost.recipient_domain AND failures.reason = lost.reason
    LEFT JOIN arrived ON failures.recipient_domain = arrived.recipient_domain
)
SELECT r.recipient_domain AS recipient_domain,
       r.reason AS reason,
       r.tries AS tries,
       r.messages AS messages,
       r.failed AS failed,
       r.delivered AS delivered,
       r.first_ts AS first_ts,
       r.last_ts AS last_ts,
       r.example AS example,
       ROW_NUMBER() OVER (ORDER BY -r.tries, r.recipient_domain, r.reason) = 1 AS peak,
       peak.domains AS peak_domains,
       peak.tries AS peak_tries,
       peak.first_ts AS peak_ts,
       peak.reached AS peak_reached,
       r.place AS place
FROM rows_out AS r
CROSS JOIN peak
ORDER BY tries DESC, recipient_domain, reason
