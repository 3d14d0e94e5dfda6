-- title    = "Clients on block lists"
-- question = "Which clients stood on a block list, and did mail from them come in all the same?"
-- aliases  = ["rbl_rejects"]
-- tables   = ["rejections", "verdicts", "messages"]
-- limits   = "Knows only the lists that our server asked and logged. A listing is the list's opinion at that time. Accepted mail may have come before the listing."
-- controls = ["ISO/IEC 27001 A.8.7", "NIST SP 800-53 SI-8"]
-- rows     = 20
-- sensitivity = "min_accepted"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "list", kind = "text", about = "block list named in our reply; empty when the log names none" },
--   { name = "refusals", kind = "count", about = "commands refused for the listing" },
--   { name = "listings", kind = "count", about = "listings noted without a refusal: by a check before the dialogue (postscreen, dnsblog), or as a warning only" },
--   { name = "accepted", kind = "count", about = "messages accepted from the same address" },
--   { name = "accepted_after", kind = "count", about = "of them after the first sign of the listing" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "first_ts", kind = "time", about = "first sign" },
--   { name = "last_ts", kind = "time", about = "last sign" },
--   { name = "place", kind = "place", about = "line of the first sign in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["verdicts", "sessions"]
-- missing = "the logs hold no connection, refusal or check of a client"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_accepted]
-- default = 1
-- unit    = "messages"
-- source  = "fail2ban postfix-rbl: maxretry = 1"
-- about   = "messages accepted after the listing from which a client is pointed out"
--
-- [[findings]]
-- severity   = "low"
-- when       = "accepted_after >= min_accepted"
-- sentence   = "{client_ip} stood on a block list ({list|name not logged}): {refusals|command was|commands were} refused for it, and {listings|listing was|listings were} noted without a refusal. Of {accepted|message|messages} accepted from there, {accepted_after} came after the first sign of it; either the listing had ended, or not every way in asks the list."
-- advice     = "Look at what {client_ip} delivered after the listing; if it was spam, let every way in (port 25 of each host, backup MX) ask the same lists."
-- thresholds = ["min_accepted"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM rejections WHERE dnsbl IS NOT NULL OR reason = 'blocklist' UNION ALL SELECT client_ip, source, line FROM verdicts WHERE verdict LIKE 'dnsbl%'"
-- keys       = ["client_ip"]
WITH signs AS (
    SELECT client_ip, COALESCE(dnsbl, '') AS list, CASE WHEN action IN ('reject', 'defer') THEN 1 ELSE 0 END AS refusal,
           CASE WHEN action IN ('reject', 'defer') THEN 0 ELSE 1 END AS listing, ts, day, source, line
    FROM rejections
    WHERE client_ip IS NOT NULL AND (reason = 'blocklist' OR dnsbl <> '')
    UNION ALL
    SELECT client_ip, '' AS list, 0 AS refusal, 1 AS listing, ts, day, source, line
    FROM verdicts
    WHERE client_ip IS NOT NULL AND verdict LIKE 'dnsbl%'
), listed AS (
    SELECT client_ip, list,
           CAST(SUM(refusal) AS BIGINT) AS refusals,
           CAST(SUM(listing) AS BIGINT) AS listings,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM signs
    GROUP BY client_ip, list
), taken AS (
    SELECT listed.client_ip AS client_ip, listed.list AS list,
           COUNT(*) AS accepted,
           COUNT(*) FILTER (WHERE messages.received_ts > listed.first_ts) AS accepted_after
    FROM listed
    JOIN messages ON listed.client_ip = messages.client_ip
    WHERE messages.origin NOT IN ('reinjected', 'forwarded')
    GROUP BY listed.client_ip, listed.list
)
SELECT listed.client_ip AS client_ip,
       listed.list AS list,
       listed.refusals AS refusals,
       listed.listings AS listings,
       CAST(COALESCE(taken.accepted, 0) AS BIGINT) AS accepted,
       CAST(COALESCE(taken.accepted_after, 0) AS BIGINT) AS accepted_after,
       listed.days AS days,
       listed.first_ts AS first_ts,
       listed.last_ts AS last_ts,
       listed.place AS place
FROM listed
LEFT JOIN taken ON listed.client_ip = taken.client_ip AND listed.list = taken.list
ORDER BY refusals DESC, listings DESC, client_ip, list
