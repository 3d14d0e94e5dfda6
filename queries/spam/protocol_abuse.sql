-- title    = "Clients that break the protocol"
-- question = "Which clients speak out of turn, send commands of other protocols or go on after errors?"
-- tables   = ["messages", "rejections", "verdicts"]
-- limits   = "Needs the checks of postscreen or the warnings of smtpd: a server without them sees little. Some honest senders are written badly too. Windows are whole minutes by the clock."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "burst"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "violations", kind = "count", about = "lines that say so" },
--   { name = "most_in_2_min", kind = "count", about = "most within two minutes" },
--   { name = "before_greeting", kind = "count", about = "talked before the greeting" },
--   { name = "pipelining", kind = "count", about = "sent commands without waiting" },
--   { name = "other_protocol", kind = "count", about = "commands that are no SMTP: HTTP, headers, TLS in the wrong place" },
--   { name = "bare_newline", kind = "count", about = "lines without CR" },
--   { name = "errors", kind = "count", about = "too many errors, commands or too much time" },
--   { name = "accepted", kind = "count", about = "messages accepted from the client" },
--   { name = "first_ts", kind = "time", about = "first violation" },
--   { name = "last_ts", kind = "time", about = "last violation" },
--   { name = "place", kind = "place", about = "line of the first violation in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "verdicts"
-- or      = ["sessions"]
-- missing = "the logs hold no connection of a client"
-- remedy  = "lines of smtpd and postscreen at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.burst]
-- default = 6
-- unit    = "violations in 2 minutes"
-- source  = "OSSEC rule 3354: 6 within 120 seconds"
-- about   = "violations in two minutes from which a client is a machine that does not listen"
--
-- [params.min_accepted]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit: a sender of ours, or a hole"
-- about   = "messages accepted from which a violation is more than noise"
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_2_min >= burst AND accepted >= min_accepted"
-- sentence   = "{client_ip} broke the protocol {most_in_2_min|time|times} within two minutes ({violations} in all), and {accepted|message was|messages were} accepted from there."
-- advice     = "Look at what {client_ip} delivers: tell its postmaster if the mail is wanted, and block it if not."
-- thresholds = ["burst", "min_accepted"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM verdicts"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "most_in_2_min >= burst"
-- sentence   = "{client_ip} broke the protocol {most_in_2_min|time|times} within two minutes ({violations} in all). Nothing was accepted from there."
-- thresholds = ["burst"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM verdicts"
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), said AS (
    SELECT client_ip, CAST(verdict AS VARCHAR) AS kind, ts, minute, source, line
    FROM verdicts
    WHERE verdict IN ('pregreet', 'pipelining', 'non-smtp-command', 'bare-newline', 'command-count-limit', 'command-time-limit', 'command-length-limit', 'long-request', 'data-without-recipient')
    UNION ALL
    SELECT client_ip, 'errors' AS kind, ts, minute, source, line FROM rejections WHERE reason = 'protocol' AND action = 'reject'
), deeds AS (
    SELECT said.client_ip AS client_ip, said.kind AS kind, said.ts AS ts, said.minute AS minute, said.source AS source, said.line AS line
    FROM said
    JOIN strangers ON said.client_ip = strangers.client_ip
), per_minute AS (
    SELECT client_ip, minute, CAST(COUNT(*) AS BIGINT) AS n FROM deeds GROUP BY client_ip, minute
), steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT client_ip, minute, n FROM per_minute
    UNION ALL
    SELECT client_ip, minute + 2 AS minute, -n AS n FROM per_minute
), nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM steps GROUP BY client_ip, minute
), running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n
    FROM nets
), most AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM running GROUP BY client_ip
), totals AS (
    SELECT client_ip, COUNT(*) AS violations,
           COUNT(*) FILTER (WHERE kind = 'pregreet') AS before_greeting,
           COUNT(*) FILTER (WHERE kind = 'pipelining') AS pipelining,
           COUNT(*) FILTER (WHERE kind IN ('non-smtp-command', 'long-request')) AS other_protocol,
           COUNT(*) FILTER (WHERE kind = 'bare-newline') AS bare_newline,
           COUNT(*) FILTER (WHERE kind IN ('errors', 'command-count-limit', 'command-time-limit', 'command-length-limit', 'data-without-recipient')) AS errors,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM deeds
    GROUP BY client_ip
), accepted AS (
    SELECT client_ip, COUNT(*) AS n FROM messages WHERE origin IN ('smtp', 'submission') AND client_ip IS NOT NULL GROUP BY client_ip
)
SELECT totals.client_ip AS client_ip,
       totals.violations AS violations,
       most.n AS most_in_2_min,
       totals.before_greeting AS before_greeting,
       totals.pipelining AS pipelining,
       totals.other_protocol AS other_protocol,
       totals.bare_newline AS bare_newline,
       totals.errors AS errors,
       CAST(COALESCE(accepted.n, 0) AS BIGINT) AS accepted,
       totals.first_ts AS first_ts,
       totals.last_ts AS last_ts,
       totals.place AS place
FROM totals
JOIN most ON totals.client_ip = most.client_ip
LEFT JOIN accepted ON totals.client_ip = accepted.client_ip
ORDER BY violations DESC, client_ip
