-- title    = "Outages of destinations, and of our own line"
-- question = "When could a destination not be reached at all, what ended it, and was it ours?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "An outage runs from the first to the last failed try between two tries that got through or were answered; it is seen only as often as our server tries. Times are whole minutes. Failures of many domains at once, which otherwise work, point to our own line or resolver, but a large provider of many domains looks the same; the logs cannot prove either."
-- controls = ["ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.5.24"]
-- sensitivity = "min_minutes"
-- rows     = 20
-- columns  = [
--   { name = "kind", kind = "text", about = "`destination`: one domain; `many at once`: several domains that otherwise work failed within 10 minutes" },
--   { name = "recipient_domain", kind = "text", about = "the destination; empty for many at once" },
--   { name = "begin_ts", kind = "time", about = "first try that failed" },
--   { name = "last_failed_ts", kind = "time", about = "last try that failed" },
--   { name = "end_ts", kind = "time", about = "next try that got through or was answered; null when there is none in the logs" },
--   { name = "ended_by", kind = "text", about = "`delivered`, `answered` (refused by a server that works), or `not in the logs`" },
--   { name = "seconds", kind = "seconds", about = "from the first failure to the end, or to the last failure where the end is not in the logs" },
--   { name = "tries", kind = "count", about = "tries that failed in it" },
--   { name = "messages", kind = "count", about = "different messages among them" },
--   { name = "lost", kind = "count", about = "deliveries of these messages to the destination that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries of these messages still waiting at the end of the logs" },
--   { name = "reason", kind = "text", about = "most frequent reason" },
--   { name = "worked_before", kind = "flag", about = "a try got through or was answered earlier in the logs" },
--   { name = "domains", kind = "count", about = "many at once: domains that failed within the worst 10 minutes; for a destination: the same of an overlapping time" },
--   { name = "reached", kind = "count", about = "domains that mail reached in these 10 minutes" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_minutes]
-- default = 15
-- unit    = "minutes"
-- source  = "mtaudit"
-- about   = "length from which an outage of a destination is pointed out"
--
-- [params.min_tries]
-- default = 10
-- unit    = "tries"
-- source  = "mtaudit"
-- about   = "failed tries below which nothing is said about a destination"
--
-- [params.own_domains]
-- default = 10
-- unit    = "domains in 10 minutes"
-- source  = "mtaudit"
-- about   = "domains failing at once from which our own line or resolver is suspected"
--
-- [[findings]]
-- severity   = "high"
-- when       = "kind = 'many at once' AND domains >= own_domains AND domains > reached"
-- sentence   = "Mail for many domains that otherwise work failed at once ({reason}), first at {begin_ts}, last at {last_failed_ts}: within the worst 10 minutes {domains|domain|domains} failed, and mail reached {reached}. This held up {messages|message|messages}, and {lost|delivery was|deliveries were} lost. It points to our own line or resolver; it is a pattern, not proof."
-- advice     = "Look at our own line, firewall and resolver from {begin_ts} on before you write to any of the destinations, and flush the queue (`postqueue -f`) when it is over."
-- thresholds = ["own_domains"]
-- limit      = 5
-- evidence   = "SELECT source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND (cause = 'network' OR reason IN ('servfail', 'dns-timeout'))"
-- keys       = []
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'many at once' AND domains >= own_domains"
-- sentence   = "Mail for many domains that otherwise work failed at once ({reason}), first at {begin_ts}, last at {last_failed_ts}: within the worst 10 minutes {domains|domain|domains} failed, but mail reached {reached}. This held up {messages|message|messages}, and {lost|delivery was|deliveries were} lost. A provider of many domains, or a part of the net, was probably out of reach."
-- advice     = "See in delivery/connectivity whether the domains share a server or a network: if so, the fault was theirs; if not, look at our own line and resolver."
-- thresholds = ["own_domains"]
-- limit      = 5
-- evidence   = "SELECT source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND (cause = 'network' OR reason IN ('servfail', 'dns-timeout'))"
-- keys       = []
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'destination' AND (worked_before OR end_ts IS NOT NULL) AND seconds >= 60 * min_minutes AND tries >= min_tries AND COALESCE(domains, 0) < own_domains AND (lost > 0 OR end_ts IS NULL)"
-- sentence   = "{recipient_domain|A destination without a domain} could not be reached from {begin_ts} on ({reason}): {tries|try|tries} of {messages|message|messages} failed in {seconds} without one success. Of the deliveries, {lost|was lost|were lost} and {waiting} still waited when the logs ended (end of the outage: {ended_by})."
-- advice     = "Tell the senders of the {lost} lost and {waiting} waiting mails, and ask the postmaster of {recipient_domain} by another way whether their server is up."
-- thresholds = ["min_minutes", "min_tries", "own_domains"]
-- limit      = 5
-- evidence   = """
-- WITH tried AS (
--     SELECT COALESCE(recipient_domain, '') AS recipient_domain, ts, source, line,
--            CASE WHEN status IN ('deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired' AND (cause IN ('network', 'tls', 'remote') OR reason IN ('servfail', 'dns-timeout')) THEN 1 ELSE 0 END AS failed
--     FROM attempts
--     WHERE status IN ('delivered', 'deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired'
-- ), counted AS (
--     SELECT recipient_domain, ts, source, line, failed,
--            CAST(SUM(1 - failed) OVER (PARTITION BY recipient_domain ORDER BY ts, source, line) AS BIGINT) AS run
--     FROM tried
-- ), failures AS (
--     SELECT recipient_domain, run, ts, source, line FROM counted WHERE failed = 1
-- )
-- SELECT recipient_domain, MIN(ts) OVER (PARTITION BY recipient_domain, run) AS begin_ts, source, line FROM failures"""
-- keys       = ["recipient_domain", "begin_ts"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "kind = 'destination' AND (worked_before OR end_ts IS NOT NULL) AND seconds >= 60 * min_minutes AND tries >= min_tries AND COALESCE(domains, 0) < own_domains"
-- sentence   = "{recipient_domain|A destination without a domain} could not be reached from {begin_ts} to {end_ts} ({reason}): {tries|try|tries} of {messages|message|messages} failed in {seconds}, then one was {ended_by}. No delivery was lost, and {waiting} still waited when the logs ended."
-- advice     = "There is nothing to do for mail that went out late; if {recipient_domain} matters and this comes again, speak to their postmaster."
-- thresholds = ["min_minutes", "min_tries", "own_domains"]
-- limit      = 5
-- evidence   = """
-- WITH tried AS (
--     SELECT COALESCE(recipient_domain, '') AS recipient_domain, ts, source, line,
--            CASE WHEN status IN ('deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired' AND (cause IN ('network', 'tls', 'remote') OR reason IN ('servfail', 'dns-timeout')) THEN 1 ELSE 0 END AS failed
--     FROM attempts
--     WHERE status IN ('delivered', 'deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired'
-- ), counted AS (
--     SELECT recipient_domain, ts, source, line, failed,
--            CAST(SUM(1 - failed) OVER (PARTITION BY recipient_domain ORDER BY ts, source, line) AS BIGINT) AS run
--     FROM tried
-- ), failures AS (
--     SELECT recipient_domain, run, ts, source, line FROM counted WHERE failed = 1
-- )
-- SELECT recipient_domain, MIN(ts) OVER (PARTITION BY recipient_domain, run) AS begin_ts, source, line FROM failures"""
-- keys       = ["recipient_domain", "begin_ts"]
WITH tried AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, message, ts, minute, status, reason, source, line,
           CASE WHEN status IN ('deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired' AND (cause IN ('network', 'tls', 'remote') OR reason IN ('servfail', 'dns-timeout')) THEN 1 ELSE 0 END AS failed
    FROM attempts
    WHERE status IN ('delivered', 'deferred', 'bounced', 'expired') AND COALESCE(reason, '') <> 'expired'
), troubled AS (
    -- Few domains have failures enough, which leaves out nearly all tries.
    SELECT recipient_domain FROM tried WHERE failed = 1 GROUP BY recipient_domain HAVING COUNT(*) >= 5
), counted AS (
    -- Every try that got through or was answered begins a new run.
    SELECT tried.recipient_domain AS recipient_domain, tried.message AS message, tried.ts AS ts, tried.minute AS minute,
           tried.status AS status, tried.reason AS reason, tried.source AS source, tried.line AS line, tried.failed AS failed,
           CAST(SUM(1 - tried.failed) OVER (PARTITION BY tried.recipient_domain ORDER BY tried.ts, tried.source, tried.line) AS BIGINT) AS run
    FROM tried
    JOIN troubled ON tried.recipient_domain = troubled.recipient_domain
), runs AS (
    SELECT recipient_domain, run,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages,
           MIN(ts) AS begin_ts, MAX(ts) AS last_failed_ts, MIN(minute) AS begin_minute, MAX(minute) AS last_minute,
           MIN(source * 10000000000 + line) AS place
    FROM counted
    WHERE failed = 1
    GROUP BY recipient_domain, run
), ends AS (
    SELECT recipient_domain, run - 1 AS run, MIN(ts) AS end_ts, MIN(minute) AS end_minute,
           MAX(CASE WHEN status = 'delivered' THEN 'delivered' ELSE 'answered' END) AS ended_by
    FROM counted
    WHERE failed = 0
    GROUP BY recipient_domain, run
), windows AS (
    SELECT runs.recipient_domain AS recipient_domain, runs.run AS run, runs.tries AS tries, runs.messages AS messages,
           runs.begin_ts AS begin_ts, runs.last_failed_ts AS last_failed_ts, runs.begin_minute AS begin_minute,
           COALESCE(ends.end_minute, runs.last_minute) AS until_minute, ends.end_ts AS end_ts,
           COALESCE(ends.ended_by, 'not in the logs') AS ended_by, runs.place AS place
    FROM runs
    LEFT JOIN ends ON runs.recipient_domain = ends.recipient_domain AND runs.run = ends.run
    WHERE runs.tries >= 5 AND COALESCE(ends.end_minute, runs.last_minute) - runs.begin_minute >= 5
), reasons AS (
    SELECT recipient_domain, run, reason FROM (
    SELECT recipient_domain, run, reason, ROW_NUMBER() OVER (PARTITION BY recipient_domain, run ORDER BY -n, reason) AS no
    FROM (
        SELECT recipient_domain, run, COALESCE(reason, 'undetermined') AS reason, CAST(COUNT(*) AS BIGINT) AS n
        FROM counted
        WHERE failed = 1
        GROUP BY recipient_domain, run, COALESCE(reason, 'undetermined')
    ) AS by_reason
    ) AS numbered
    WHERE no = 1
), touched AS (
    SELECT DISTINCT recipient_domain, run, message FROM counted WHERE failed = 1
), fates AS (
    SELECT touched.recipient_domain AS recipient_domain, touched.run AS run,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message AND touched.recipient_domain = COALESCE(deliveries.recipient_domain, '')
    WHERE deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY touched.recipient_domain, touched.run
), works AS (
    SELECT DISTINCT recipient_domain FROM attempts WHERE status = 'delivered'
), broken AS (
    -- Tries for domains that otherwise work, and failed on the way.
    SELECT attempts.recipient_domain AS recipient_domain, attempts.message AS message, attempts.ts AS ts, attempts.minute AS minute,
           attempts.reason AS reason, attempts.source AS source, attempts.line AS line
    FROM attempts
    JOIN works ON attempts.recipient_domain = works.recipient_domain
    WHERE status IN ('deferred', 'bounced', 'expired') AND (cause = 'network' OR reason IN ('servfail', 'dns-timeout'))
), back AS (
    SELECT CAST(v.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS v(n)
), starts AS (
    -- A minute belongs to every window that begins in it or up to 9 minutes before; only those count that begin with a failure.
    SELECT spans.starts AS starts, CAST(COUNT(DISTINCT spans.recipient_domain) AS BIGINT) AS domains
    FROM (
        SELECT broken.recipient_domain AS recipient_domain, broken.minute - back.minutes AS starts
        FROM broken
        CROSS JOIN back
    ) AS spans
    WHERE spans.starts IN (SELECT minute FROM broken)
    GROUP BY spans.starts
    HAVING COUNT(DISTINCT spans.recipient_domain) >= 5
), breaks AS (
    SELECT starts, domains,
           CASE WHEN starts - LAG(starts) OVER (ORDER BY starts) <= 10 THEN 0 ELSE 1 END AS fresh
    FROM starts
), islands AS (
    SELECT starts, domains, CAST(SUM(fresh) OVER (ORDER BY starts) AS BIGINT) AS island FROM breaks
), worst AS (
    SELECT island, starts, domains
    FROM (SELECT island, starts, domains, ROW_NUMBER() OVER (PARTITION BY island ORDER BY -domains, starts) AS no FROM islands) AS numbered
    WHERE no = 1
), reached AS (
    SELECT worst.island AS island, COUNT(DISTINCT attempts.recipient_domain) AS reached
    FROM worst
    CROSS JOIN back
    JOIN attempts ON worst.starts + back.minutes = attempts.minute
    WHERE attempts.status = 'delivered' AND attempts.relay_ip IS NOT NULL
    GROUP BY worst.island
), covered AS (
    SELECT DISTINCT islands.island AS island, islands.starts + back.minutes AS minute
    FROM islands
    CROSS JOIN back
), hits AS (
    SELECT covered.island AS island, broken.message AS message, broken.ts AS ts, broken.minute AS minute, broken.reason AS reason,
           broken.source AS source, broken.line AS line
    FROM broken
    JOIN covered ON broken.minute = covered.minute
), storms AS (
    SELECT island, CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, MIN(ts) AS begin_ts, MAX(ts) AS last_failed_ts,
           MIN(minute) AS begin_minute, MAX(minute) AS until_minute, MIN(source * 10000000000 + line) AS place
    FROM hits
    GROUP BY island
), storm_reasons AS (
    SELECT island, reason FROM (
        SELECT island, reason, ROW_NUMBER() OVER (PARTITION BY island ORDER BY -n, reason) AS no
        FROM (SELECT island, COALESCE(reason, 'undetermined') AS reason, CAST(COUNT(*) AS BIGINT) AS n FROM hits GROUP BY island, COALESCE(reason, 'undetermined')) AS by_reason
    ) AS numbered
    WHERE no = 1
), storm_fates AS (
    SELECT struck.island AS island,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM (SELECT DISTINCT island, message FROM hits) AS struck
    JOIN deliveries ON struck.message = deliveries.message
    WHERE deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY struck.island
), meets AS (
    SELECT windows.recipient_domain AS recipient_domain, windows.run AS run, MAX(worst.domains) AS domains
    FROM windows
    CROSS JOIN storms
    JOIN worst ON storms.island = worst.island
    WHERE windows.begin_minute <= storms.until_minute AND storms.begin_minute <= windows.until_minute
    GROUP BY windows.recipient_domain, windows.run
), answers AS (
    SELECT 'many at once' AS kind, '' AS recipient_domain, storms.begin_ts AS begin_ts, storms.last_failed_ts AS last_failed_ts,
           CAST(NULL AS TIMESTAMP) AS end_ts, '' AS ended_by, 60 * (storms.until_minute - storms.begin_minute) AS seconds,
           storms.tries AS tries, storms.messages AS messages,
           CAST(COALESCE(storm_fates.lost, 0) AS BIGINT) AS lost, CAST(COALESCE(storm_fates.waiting, 0) AS BIGINT) AS waiting,
           storm_reasons.reason AS reason, CAST(NULL AS BOOLEAN) AS worked_before, worst.domains AS domains,
           CAST(COALESCE(reached.reached, 0) AS BIGINT) AS reached, storms.place AS place
    FROM storms
    JOIN worst ON storms.island = worst.island
    JOIN storm_reasons ON storms.island = storm_reasons.island
    LEFT JOIN reached ON storms.island = reached.island
    LEFT JOIN storm_fates ON storms.island = storm_fates.island
    UNION ALL
    SELECT 'destination' AS kind, windows.recipient_domain AS recipient_domain, windows.begin_ts AS begin_ts, windows.last_failed_ts AS last_failed_ts,
           windows.end_ts AS end_ts, windows.ended_by AS ended_by, 60 * (windows.until_minute - windows.begin_minute) AS seconds,
           windows.tries AS tries, windows.messages AS messages,
           CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost, CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
           reasons.reason AS reason, windows.run > 0 AS worked_before, meets.domains AS domains,
           CAST(NULL AS BIGINT) AS reached, windows.place AS place
    FROM windows
    JOIN reasons ON windows.recipient_domain = reasons.recipient_domain AND windows.run = reasons.run
    LEFT JOIN fates ON windows.recipient_domain = fates.recipient_domain AND windows.run = fates.run
    LEFT JOIN meets ON windows.recipient_domain = meets.recipient_domain AND windows.run = meets.run
)
SELECT kind, recipient_domain, begin_ts, last_failed_ts, end_ts, ended_by, seconds, tries, messages, lost, waiting, reason, worked_before, domains, reached, place
FROM answers
ORDER BY kind DESC, tries DESC, begin_ts, recipient_domain
