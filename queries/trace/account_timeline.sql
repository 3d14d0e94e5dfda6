-- title    = "What happened, in order"
-- question = "What did the logs see of this address, client, account, domain or message, and in which order?"
-- tables   = ["attempts", "logins", "messages", "rejections", "verdicts"]
-- limits   = "Only for a report about one key (`--about`): of all mail it would be the log itself. Connections without a login, a message or a refusal are left out. `mtaudit trace` tells the same message by message, in whole sentences."
-- controls = ["ISO/IEC 27001 A.5.28", "NIST SP 800-53 AU-12", "NIST SP 800-61"]
-- rows     = 200
-- empty    = "the report is about all mail: `--about` names an address, a client, a domain or a queue ID to follow"
-- columns  = [
--   { name = "ts", kind = "time", about = "when" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "what", kind = "text", about = "what happened: message in, delivery, refusal, login, failed login, verdict" },
--   { name = "queue_id", kind = "text", about = "queue ID, where there is one" },
--   { name = "sender", kind = "text", about = "envelope sender; empty = null sender" },
--   { name = "recipient", kind = "text", about = "envelope recipient" },
--   { name = "auth_user", kind = "text", about = "account that logged in, or tried to" },
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "outcome", kind = "text", about = "how it went, in our words" },
--   { name = "reply", kind = "text", about = "what was said, as logged" },
--   { name = "place", kind = "place", about = "the line" },
-- ]
WITH steps AS (
    SELECT messages.received_ts AS ts, messages.host AS host, 'message in' AS what, messages.queue_id AS queue_id,
           messages.sender AS sender, CAST(NULL AS VARCHAR) AS recipient, messages.auth_user AS auth_user, messages.client_ip AS client_ip,
           messages.origin AS outcome, CAST(NULL AS VARCHAR) AS reply, messages.source AS source, messages.line AS line, 1 AS no
    FROM messages
    CROSS JOIN period
    WHERE period.narrowed
    UNION ALL
    SELECT attempts.ts AS ts, attempts.host AS host, 'delivery' AS what, attempts.queue_id AS queue_id,
           attempts.sender AS sender, attempts.recipient AS recipient, CAST(NULL AS VARCHAR) AS auth_user, CAST(NULL AS VARCHAR) AS client_ip,
           attempts.status AS outcome, attempts.reply AS reply, attempts.source AS source, attempts.line AS line, 2 AS no
    FROM attempts
    CROSS JOIN period
    WHERE period.narrowed
    UNION ALL
    SELECT rejections.ts AS ts, rejections.host AS host, 'refusal' AS what, rejections.queue_id AS queue_id,
           rejections.sender AS sender, rejections.recipient AS recipient, rejections.auth_user AS auth_user, rejections.client_ip AS client_ip,
           rejections.action AS outcome, rejections.reply AS reply, rejections.source AS source, rejections.line AS line, 3 AS no
    FROM rejections
    CROSS JOIN period
    WHERE period.narrowed
    UNION ALL
    SELECT logins.ts AS ts, logins.host AS host, CASE WHEN logins.success THEN 'login' ELSE 'failed login' END AS what, CAST(NULL AS VARCHAR) AS queue_id,
           CAST(NULL AS VARCHAR) AS sender, CAST(NULL AS VARCHAR) AS recipient, logins.auth_user AS auth_user, logins.client_ip AS client_ip,
           logins.auth_method AS outcome, logins.failure AS reply, logins.source AS source, logins.line AS line, 4 AS no
    FROM logins
    CROSS JOIN period
    WHERE period.narrowed
    UNION ALL
    SELECT verdicts.ts AS ts, verdicts.host AS host, 'verdict' AS what, verdicts.queue_id AS queue_id,
           verdicts.sender AS sender, verdicts.recipient AS recipient, CAST(NULL AS VARCHAR) AS auth_user, verdicts.client_ip AS client_ip,
           verdicts.verdict AS outcome, verdicts.detail AS reply, verdicts.source AS source, verdicts.line AS line, 5 AS no
    FROM verdicts
    CROSS JOIN period
    WHERE period.narrowed
)
SELECT ts, host, what, queue_id, sender, recipient, auth_user, client_ip, outcome, reply,
       source * 10000000000 + line AS place
FROM steps
WHERE ts IS NOT NULL
ORDER BY ts, place, no, recipient
