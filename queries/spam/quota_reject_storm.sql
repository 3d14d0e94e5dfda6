-- title    = "Senders that run into our limits"
-- question = "Which accounts or clients were refused again and again because they sent too much?"
-- tables   = ["rejections", "sessions"]
-- limits   = "Knows the limits whose refusals are logged: of a policy server, of anvil (connections, messages, recipients in a time), of postscreen. The login is known where the refusal or its connection names it."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4", "NIST SP 800-53 SC-5"]
-- rows     = 15
-- sensitivity = "min_refusals"
-- columns  = [
--   { name = "who", kind = "text", about = "login, else address of the client" },
--   { name = "kind", kind = "text", about = "login or client" },
--   { name = "refusals", kind = "count", about = "refusals for a rate, a quota or too many connections" },
--   { name = "most_in_hour", kind = "count", about = "most within one hour" },
--   { name = "recipients", kind = "count", about = "different recipients refused" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "example", kind = "text", about = "one of the replies, the first by the alphabet" },
--   { name = "first_ts", kind = "time", about = "first refusal" },
--   { name = "last_ts", kind = "time", about = "last refusal" },
--   { name = "place", kind = "place", about = "line of the first refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "rejections"
-- or      = ["sessions"]
-- missing = "the logs hold neither a connection nor a refusal"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_refusals]
-- default = 150
-- unit    = "refusals"
-- source  = "loganom (PyPI): 150 quota rejects"
-- about   = "refusals from which it is a storm"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'login' AND refusals >= min_refusals"
-- sentence   = "{who} ran into our sending limit {refusals|time|times} (at most {most_in_hour} within an hour, for {recipients|recipient|different recipients}), first at {first_ts}, last at {last_ts}. Stolen accounts are stopped like this, and so are newsletters."
-- advice     = "Ask the owner of {who} what was sent; if it was a newsletter, give it a server or a limit of its own, and if not, go on with spam/compromised_account."
-- thresholds = ["min_refusals"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(client_ip, '') AS who, source, line FROM rejections WHERE reason IN ('rate-limit', 'connection-limit')"
--
-- [[findings]]
-- severity   = "low"
-- when       = "refusals >= min_refusals"
-- sentence   = "The client {who} ran into our limits {refusals|time|times} (at most {most_in_hour} within an hour), first at {first_ts}, last at {last_ts}."
-- advice     = "If mail from {who} is wanted, exempt it from the limit (smtpd_client_event_limit_exceptions); otherwise the limit does its work."
-- thresholds = ["min_refusals"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(client_ip, '') AS who, source, line FROM rejections WHERE reason IN ('rate-limit', 'connection-limit')"
-- keys       = ["who"]
WITH refused AS (
    SELECT COALESCE(CAST(rejections.auth_user AS VARCHAR), CAST(sessions.auth_user AS VARCHAR), '') AS auth_user, COALESCE(CAST(rejections.client_ip AS VARCHAR), '') AS client_ip,
           rejections.recipient AS recipient, rejections.sender AS sender, rejections.reply AS reply, rejections.ts AS ts, rejections.minute AS minute, rejections.source AS source, rejections.line AS line
    FROM rejections
    LEFT JOIN sessions ON rejections.session = sessions.session
    WHERE rejections.reason IN ('rate-limit', 'connection-limit') AND rejections.action IN ('reject', 'defer')
), named AS (
    SELECT CASE WHEN auth_user <> '' THEN auth_user ELSE client_ip END AS who, CASE WHEN auth_user <> '' THEN 'login' ELSE 'client' END AS kind,
           recipient, sender, reply, ts, minute, source, line
    FROM refused
), per_minute AS (
    SELECT kind, who, minute, CAST(COUNT(*) AS BIGINT) AS n FROM named GROUP BY kind, who, minute
), steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT kind, who, minute, n FROM per_minute
    UNION ALL
    SELECT kind, who, minute + 60 AS minute, -n AS n FROM per_minute
), nets AS (
    SELECT kind, who, minute, SUM(n) AS n FROM steps GROUP BY kind, who, minute
), running AS (
    SELECT kind, who, minute, SUM(n) OVER (PARTITION BY kind, who ORDER BY minute) AS n
    FROM nets
), most AS (
    SELECT kind, who, CAST(MAX(n) AS BIGINT) AS n FROM running GROUP BY kind, who
), totals AS (
    SELECT kind, who, COUNT(*) AS refusals, COUNT(DISTINCT recipient) AS recipients, COUNT(DISTINCT sender) AS senders, MIN(reply) AS example,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM named
    GROUP BY kind, who
)
SELECT totals.who AS who,
       totals.kind AS kind,
       totals.refusals AS refusals,
       most.n AS most_in_hour,
       totals.recipients AS recipients,
       totals.senders AS senders,
       totals.example AS example,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
JOIN most ON totals.kind = most.kind AND totals.who = most.who
ORDER BY refusals DESC, kind, who
