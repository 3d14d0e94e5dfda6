-- title    = "Encryption that did not come about"
-- question = "Which deliveries failed for TLS, certificates, DANE or MTA-STS?"
-- tables   = ["attempts", "deliveries", "server_events"]
-- limits   = "`To others` is what stopped or held up a delivery; where encryption is only wished for, Postfix goes on without it and nothing fails. `From others` is what our server noted of handshakes that clients broke off, most of them by scanners and old devices."
-- controls = ["ISO/IEC 27001 A.8.16", "ISO/IEC 27001 A.8.24", "NIST SP 800-53 SC-8"]
-- sensitivity = "min_messages"
-- rows     = 20
-- columns  = [
--   { name = "way", kind = "text", about = "`to others` or `from others`" },
--   { name = "peer", kind = "text", about = "recipient domain; our host for `from others`" },
--   { name = "what", kind = "text", about = "not-offered, certificate, dane, mta-sts, demanded (the other server wants encryption), handshake, other" },
--   { name = "tries", kind = "count", about = "tries that failed, or handshakes" },
--   { name = "messages", kind = "count", about = "different messages" },
--   { name = "lost", kind = "count", about = "deliveries that failed for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "delivered", kind = "count", about = "deliveries to the domain that arrived" },
--   { name = "last_delivered_ts", kind = "time", about = "the last of them" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
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
-- source  = "mtaudit: a policy that is not met stops all mail to the destination"
-- about   = "messages stopped or held up from which a destination is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "way = 'to others' AND what <> 'handshake' AND messages >= min_messages AND lost + waiting > 0"
-- sentence   = "Mail to {peer|recipients without a domain} was stopped by the rules for encryption ({what}): {tries|try|tries} of {messages|message|messages} failed, first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended; {delivered|delivery|deliveries} to the same domain arrived."
-- advice     = "Look at the certificate and the TLS offer of {peer} yourself (`openssl s_client -starttls smtp -connect HOST:25`), tell their postmaster, and relax the rule for {peer} alone if the mail cannot wait."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS peer, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'tls'"
-- keys       = ["peer"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "way = 'to others' AND messages >= min_messages"
-- sentence   = "Encryption with {peer|the servers of recipients without a domain} failed ({what}): {tries|try|tries} of {messages|message|messages}, first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended; {delivered|delivery|deliveries} to the same domain arrived."
-- advice     = "If it comes again, compare the protocols and ciphers that {peer} and our server allow; a server that is too old is usually the cause."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS peer, source, line FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'tls'"
-- keys       = ["peer"]
WITH failed AS (
    SELECT COALESCE(recipient_domain, '') AS peer,
           CASE WHEN STRPOS(reply, 'not offered') > 0 THEN 'not-offered'
                WHEN STRPOS(reply, 'TLSA') > 0 OR STRPOS(reply, 'DANE') > 0 THEN 'dane'
                WHEN STRPOS(reply, 'MTA-STS') > 0 OR STRPOS(reply, 'mta-sts') > 0 THEN 'mta-sts'
                WHEN STRPOS(reply, 'ertificate') > 0 THEN 'certificate'
                WHEN STRPOS(reply, 'Cannot start TLS') > 0 OR STRPOS(reply, 'andshake') > 0 OR STRPOS(reply, 'SSL_connect') > 0 THEN 'handshake'
                WHEN STRPOS(reply, 'STARTTLS') > 0 OR STRPOS(reply, 'ncryption') > 0 OR STRPOS(reply, 'TLS is required') > 0 OR STRPOS(reply, 'TLS required') > 0 THEN 'demanded'
                ELSE 'other' END AS what,
           message, recipient, ts, reply, source, line
    FROM attempts
    WHERE status IN ('deferred', 'bounced', 'expired') AND cause = 'tls'
), grouped AS (
    SELECT peer, what,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM failed
    GROUP BY peer, what
), touched AS (
    SELECT DISTINCT peer, what, message, recipient FROM failed
), fates AS (
    SELECT touched.peer AS peer, touched.what AS what,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message
    WHERE touched.recipient = deliveries.recipient AND deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY touched.peer, touched.what
), arrived AS (
    SELECT COALESCE(recipient_domain, '') AS peer, COUNT(*) AS delivered, MAX(last_ts) AS last_delivered_ts
    FROM deliveries
    WHERE outcome = 'delivered'
    GROUP BY COALESCE(recipient_domain, '')
)
SELECT 'to others' AS way, grouped.peer AS peer, grouped.what AS what, grouped.tries AS tries, CAST(grouped.messages AS BIGINT) AS messages,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost,
       CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       CAST(COALESCE(arrived.delivered, 0) AS BIGINT) AS delivered,
       arrived.last_delivered_ts AS last_delivered_ts,
       grouped.first_ts AS first_ts, grouped.last_ts AS last_ts, grouped.example AS example, grouped.place AS place
FROM grouped
LEFT JOIN fates ON grouped.peer = fates.peer AND grouped.what = fates.what
LEFT JOIN arrived ON grouped.peer = arrived.peer
UNION ALL
SELECT 'from others' AS way, COALESCE(host, '') AS peer, 'handshake' AS what, CAST(COUNT(*) AS BIGINT) AS tries,
       CAST(0 AS BIGINT) AS messages, CAST(0 AS BIGINT) AS lost, CAST(0 AS BIGINT) AS waiting,
       CAST(NULL AS BIGINT) AS delivered, CAST(NULL AS TIMESTAMP) AS last_delivered_ts,
       MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN("text") AS example, MIN(source * 10000000000 + line) AS place
FROM server_events
WHERE kind = 'tls'
GROUP BY COALESCE(host, '')
ORDER BY way DESC, tries DESC, peer, what
