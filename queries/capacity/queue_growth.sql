-- title    = "Queue build-ups"
-- question = "When did mail come in faster than it left, for how long, what for, and how long did it take to drain?"
-- tables   = ["messages", "deliveries", "attempts"]
-- limits   = "Counted per host in steps of 10 minutes (UTC); a build-up is a row of steps in each of which more came in than left. A message leaves with the last try for its last recipient, if its removal is in the logs. Mail that was waiting when the logs begin is not in the depth. What is named as cause is what was put off most meanwhile: a pattern, not proof."
-- controls = ["ISO/IEC 27001 A.8.6", "NIST SP 800-53 SC-5"]
-- rows     = 15
-- sensitivity = "min_growth"
-- columns  = [
--   { name = "host", kind = "text", about = "our server" },
--   { name = "begin_ts", kind = "time", about = "first arrival of the build-up" },
--   { name = "end_ts", kind = "time", about = "last arrival of it" },
--   { name = "minutes", kind = "count", about = "its length, in whole steps of 10 minutes" },
--   { name = "arrivals", kind = "count", about = "messages that came in meanwhile" },
--   { name = "departures", kind = "count", about = "messages that left meanwhile" },
--   { name = "depth_before", kind = "count", about = "messages in the queue before it" },
--   { name = "depth_after", kind = "count", about = "messages in the queue at its end" },
--   { name = "grew", kind = "count", about = "arrivals - departures" },
--   { name = "drain_seconds", kind = "seconds", about = "what is in the queue at the end / departures in that time: how long it would take without new mail; null when nothing left" },
--   { name = "drained_seconds", kind = "seconds", about = "how long it took until no more were waiting than before, in whole steps; null when that is not in the logs" },
--   { name = "deferred", kind = "count", about = "tries put off meanwhile" },
--   { name = "top_domain", kind = "text", about = "destination put off most; empty when none was" },
--   { name = "top_domain_share", kind = "share", about = "of the tries put off" },
--   { name = "top_reason", kind = "text", about = "most frequent reason" },
--   { name = "top_reason_share", kind = "share", about = "of the tries put off" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "received_ts IS NOT NULL AND removed_ts IS NOT NULL"
-- missing = "the logs hold no message with the times of its acceptance and its removal"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_minutes]
-- default = 60
-- unit    = "minutes"
-- source  = "mtaudit: six steps in a row are no chance"
-- about   = "length from which a build-up is pointed out"
--
-- [params.min_growth]
-- default = 200
-- unit    = "messages"
-- source  = "Exchange Online: alert from 200 queued messages on"
-- about   = "growth from which a build-up is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "minutes >= min_minutes AND grew >= min_growth AND 2 * top_domain_share > 1"
-- sentence   = "The queue of {host} built up for {minutes|minute|minutes} from {begin_ts} on: {arrivals|message|messages} came in and {departures} left, so {grew} more were waiting ({depth_after} in all). Meanwhile {deferred|try was|tries were} put off, {top_domain_share} of them for {top_domain|an unknown destination} (most often: {top_reason|no reason known})."
-- advice     = "Give {top_domain|this destination} a transport of its own with few processes, so that it cannot fill the active queue, and see in delivery/by_destination what it answers."
-- thresholds = ["min_growth", "min_minutes"]
-- evidence   = "SELECT host, COALESCE(CAST(recipient_domain AS VARCHAR), '') AS top_domain, source, line FROM attempts WHERE status = 'deferred'"
-- keys       = ["host", "top_domain"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "minutes >= min_minutes AND grew >= min_growth"
-- sentence   = "The queue of {host} built up for {minutes|minute|minutes} from {begin_ts} on: {arrivals|message|messages} came in and {departures} left, so {grew} more were waiting ({depth_after} in all). Meanwhile {deferred|try was|tries were} put off, for no single destination above all (most often: {top_reason|no reason known})."
-- advice     = "Look on our side first: at the content filter, the resolver, the line and the disk of {host} at {begin_ts} (evidence/server_events, delivery/dns_failures), then at who sent so much (capacity/top_senders)."
-- thresholds = ["min_growth", "min_minutes"]
-- evidence   = "SELECT host, source, line FROM attempts WHERE status = 'deferred'"
-- keys       = ["host"]
WITH last_tries AS (
    SELECT message, MAX(minute) AS minute
    FROM deliveries
    GROUP BY message
), changes AS (
    SELECT host, minute - minute % 10 AS starts, 1 AS arrived, 0 AS departed, received_ts
    FROM messages
    WHERE received_ts IS NOT NULL
    UNION ALL
    SELECT messages.host AS host,
           COALESCE(last_tries.minute, messages.minute) - COALESCE(last_tries.minute, messages.minute) % 10 AS starts,
           0 AS arrived, 1 AS departed, CAST(NULL AS TIMESTAMP) AS received_ts
    FROM messages
    LEFT JOIN last_tries ON messages.message = last_tries.message
    WHERE messages.received_ts IS NOT NULL AND messages.removed_ts IS NOT NULL
), slots AS (
    SELECT host, starts,
           CAST(SUM(arrived) AS BIGINT) AS arrivals,
           CAST(SUM(departed) AS BIGINT) AS departures,
           MIN(received_ts) AS first_ts,
           MAX(received_ts) AS last_ts
    FROM changes
    GROUP BY host, starts
), depths AS (
    SELECT host, starts, arrivals, departures, first_ts, last_ts,
           CAST(SUM(arrivals - departures) OVER (PARTITION BY host ORDER BY starts) AS BIGINT) AS depth
    FROM slots
), growing AS (
    -- Steps in a row have the same difference to their number.
    SELECT host, starts, arrivals, departures, first_ts, last_ts, depth,
           starts - 10 * ROW_NUMBER() OVER (PARTITION BY host ORDER BY starts) AS island
    FROM depths
    WHERE arrivals > departures
), runs AS (
    SELECT host, island,
           MIN(starts) AS begins,
           MAX(starts) AS lasts,
           CAST(10 * COUNT(*) AS BIGINT) AS minutes,
           CAST(SUM(arrivals) AS BIGINT) AS arrivals,
           CAST(SUM(departures) AS BIGINT) AS departures,
           MAX(depth) AS depth_after,
           MIN(first_ts) AS begin_ts,
           MAX(last_ts) AS end_ts
    FROM growing
    GROUP BY host, island
    HAVING COUNT(*) >= 3
), drained AS (
    SELECT runs.host AS host, runs.island AS island, MIN(depths.starts) - MAX(runs.lasts) AS minutes
    FROM runs
    JOIN depths ON runs.host = depths.host
    WHERE depths.starts > runs.lasts AND depths.depth <= runs.depth_after - (runs.arrivals - runs.departures)
    GROUP BY runs.host, runs.island
), put_off AS (
    SELECT growing.host AS host, growing.island AS island, COALESCE(CAST(tries.recipient_domain AS VARCHAR), '') AS recipient_domain,
           COALESCE(CAST(tries.reason AS VARCHAR), '') AS reason
    FROM (SELECT host, minute - minute % 10 AS starts, recipient_domain, reason FROM attempts WHERE status = 'deferred') AS tries
    JOIN growing ON tries.host = growing.host AND tries.starts = growing.starts
    JOIN runs ON growing.host = runs.host AND growing.island = runs.island
), all_off AS (
    SELECT host, island, CAST(COUNT(*) AS BIGINT) AS n FROM put_off GROUP BY host, island
), domains AS (
    SELECT host, island, recipient_domain, n, ROW_NUMBER() OVER (PARTITION BY host, island ORDER BY -n, recipient_domain) AS no
    FROM (SELECT host, island, recipient_domain, CAST(COUNT(*) AS BIGINT) AS n FROM put_off GROUP BY host, island, recipient_domain) AS counted
), reasons AS (
    SELECT host, island, reason, n, ROW_NUMBER() OVER (PARTITION BY host, island ORDER BY -n, reason) AS no
    FROM (SELECT host, island, reason, CAST(COUNT(*) AS BIGINT) AS n FROM put_off GROUP BY host, island, reason) AS counted
)
SELECT runs.host AS host,
       runs.begin_ts AS begin_ts,
       runs.end_ts AS end_ts,
       runs.minutes AS minutes,
       runs.arrivals AS arrivals,
       runs.departures AS departures,
       runs.depth_after - (runs.arrivals - runs.departures) AS depth_before,
       runs.depth_after AS depth_after,
       runs.arrivals - runs.departures AS grew,
       CASE WHEN runs.departures > 0 THEN ROUND(60.0 * runs.minutes * runs.depth_after / runs.departures, 0) END AS drain_seconds,
       60.0 * drained.minutes AS drained_seconds,
       CAST(COALESCE(all_off.n, 0) AS BIGINT) AS deferred,
       COALESCE(top_domains.recipient_domain, '') AS top_domain,
       ROUND(CAST(top_domains.n AS DOUBLE) / all_off.n, 4) AS top_domain_share,
       top_reasons.reason AS top_reason,
       ROUND(CAST(top_reasons.n AS DOUBLE) / all_off.n, 4) AS top_reason_share
FROM runs
LEFT JOIN drained ON runs.host = drained.host AND runs.island = drained.island
LEFT JOIN all_off ON runs.host = all_off.host AND runs.island = all_off.island
LEFT JOIN (SELECT host, island, recipient_domain, n FROM domains WHERE no = 1) AS top_domains ON runs.host = top_domains.host AND runs.island = top_domains.island
LEFT JOIN (SELECT host, island, reason, n FROM reasons WHERE no = 1) AS top_reasons ON runs.host = top_reasons.host AND runs.island = top_reasons.island
ORDER BY grew DESC, host, begin_ts
