-- title    = "Servers that could not be reached"
-- question = "Which other servers did not answer or broke off, and at which point?"
-- tables   = ["attempts"]
-- limits   = "The stage is read from the words of our own server and is empty where they do not tell it. A fault on our own line looks like many unreachable servers at once. Windows are whole minutes, and begin with a failure."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "min_tries"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "relay", kind = "text", about = "server that was tried, as named in the log; empty when no connection came about" },
--   { name = "reason", kind = "text", about = "timeout, refused, unreachable, reset, lost, tls" },
--   { name = "stage", kind = "text", about = "connect, greeting, tls, mail, rcpt, data, message, quit" },
--   { name = "tries", kind = "count", about = "tries that failed so" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "domain_tries", kind = "count", about = "all tries for the domain, successful ones included" },
--   { name = "domain_failed", kind = "count", about = "of them failed for the network or for encryption" },
--   { name = "worst_ts", kind = "time", about = "first failed try in the domain's worst 15 minutes" },
--   { name = "worst_tries", kind = "count", about = "all tries in them" },
--   { name = "worst_failed", kind = "count", about = "of them failed for the network or for encryption" },
--   { name = "first_row", kind = "flag", about = "the domain's first row, which speaks for the domain" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first try in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_tries]
-- default = 20
-- unit    = "tries in 15 minutes"
-- source  = "mtaudit"
-- about   = "tries within 15 minutes below which a domain is not judged"
--
-- [params.failed_share]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of failed tries in them above which a domain is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "first_row AND worst_tries >= min_tries AND worst_failed > failed_share * worst_tries"
-- sentence   = "The servers of {recipient_domain|recipients without a domain} were hard to reach: in the worst quarter of an hour, from {worst_ts} on, {worst_failed} of {worst_tries|try|tries} failed for the network or for encryption ({domain_failed} of {domain_tries} in the whole period)."
-- advice     = "Connect to the servers of {recipient_domain} from our server and from elsewhere (`nc -vz HOST 25`): if only we fail, look at our firewall and line, otherwise tell their postmaster."
-- thresholds = ["min_tries", "failed_share"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND cause IN ('network', 'tls')"
-- keys       = ["recipient_domain"]
WITH failures AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COALESCE(relay_name, COALESCE(relay_ip, '')) AS relay,
           COALESCE(reason, 'undetermined') AS reason,
           CASE WHEN STRPOS(reply, 'onnect to ') > 0 THEN 'connect'
                WHEN STRPOS(reply, 'initial server greeting') > 0 OR STRPOS(reply, 'HELO handshake') > 0 OR STRPOS(reply, 'EHLO handshake') > 0 OR STRPOS(reply, 'LHLO handshake') > 0 THEN 'greeting'
                WHEN STRPOS(reply, 'TLS') > 0 OR STRPOS(reply, 'ertificate') > 0 THEN 'tls'
                WHEN STRPOS(reply, 'MAIL FROM') > 0 THEN 'mail'
                WHEN STRPOS(reply, 'RCPT TO') > 0 THEN 'rcpt'
                WHEN STRPOS(reply, 'DATA command') > 0 THEN 'data'
                WHEN STRPOS(reply, 'message body') > 0 OR STRPOS(reply, 'end of data') > 0 THEN 'message'
                WHEN STRPOS(reply, 'QUIT') > 0 THEN 'quit'
                ELSE '' END AS stage,
           message, ts, reply, source, line
    FROM attempts
    WHERE cause IN ('network', 'tls') AND status IN ('deferred', 'bounced', 'expired')
), grouped AS (
    SELECT recipient_domain, relay, reason, stage,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(reply) AS example,
           MIN(source * 10000000000 + line) AS place
    FROM failures
    GROUP BY recipient_domain, relay, reason, stage
), per_minute AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain, minute,
           CAST(COUNT(*) AS BIGINT) AS tries,
           CAST(COUNT(*) FILTER (WHERE cause IN ('network', 'tls') AND status IN ('deferred', 'bounced', 'expired')) AS BIGINT) AS failed,
           MIN(ts) FILTER (WHERE cause IN ('network', 'tls') AND status IN ('deferred', 'bounced', 'expired')) AS first_ts
    FROM attempts
    GROUP BY COALESCE(recipient_domain, ''), minute
), totals AS (
    SELECT recipient_domain, CAST(SUM(tries) AS BIGINT) AS domain_tries, CAST(SUM(failed) AS BIGINT) AS domain_failed
    FROM per_minute
    GROUP BY recipient_domain
), back AS (
    SELECT CAST(v.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14)) AS v(n)
), spans AS (
    -- Every minute with a failure begins a window of fifteen.
    SELECT per_minute.recipient_domain AS recipient_domain, per_minute.minute AS starts, per_minute.minute + back.minutes AS minute
    FROM per_minute
    CROSS JOIN back
    WHERE per_minute.failed > 0
), windows AS (
    SELECT spans.recipient_domain AS recipient_domain, spans.starts AS starts,
           CAST(SUM(per_minute.tries) AS BIGINT) AS tries, CAST(SUM(per_minute.failed) AS BIGINT) AS failed, MIN(per_minute.first_ts) AS first_ts
    FROM spans
    JOIN per_minute ON spans.recipient_domain = per_minute.recipient_domain AND spans.minute = per_minute.minute
    GROUP BY spans.recipient_domain, spans.starts
), numbered AS (
    SELECT recipient_domain, tries, failed, first_ts,
           ROW_NUMBER() OVER (PARTITION BY recipient_domain ORDER BY -failed, starts) AS no
    FROM windows
), worst AS (
    SELECT recipient_domain, tries, failed, first_ts FROM numbered WHERE no = 1
), domains AS (
    SELECT totals.recipient_domain AS recipient_domain, totals.domain_tries AS domain_tries, totals.domain_failed AS domain_failed,
           worst.first_ts AS worst_ts, worst.tries AS worst_tries, worst.failed AS worst_failed
    FROM totals
    JOIN worst ON totals.recipient_domain = worst.recipient_domain
)
SELECT grouped.recipient_domain AS recipient_domain,
       grouped.relay AS relay,
       grouped.reason AS reason,
       grouped.stage AS stage,
       grouped.tries AS tries,
       grouped.messages AS messages,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       domains.domain_tries AS domain_tries,
       domains.domain_failed AS domain_failed,
       domains.worst_ts AS worst_ts,
       domains.worst_tries AS worst_tries,
       domains.worst_failed AS worst_failed,
       ROW_NUMBER() OVER (PARTITION BY grouped.recipient_domain ORDER BY -grouped.tries, grouped.relay, grouped.reason, grouped.stage) = 1 AS first_row,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
JOIN domains ON grouped.recipient_domain = domains.recipient_domain
ORDER BY tries DESC, recipient_domain, relay, reason, stage
