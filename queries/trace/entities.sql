-- title    = "Who was involved"
-- question = "Which addresses, clients, accounts and domains occur together with this one, how often and when?"
-- tables   = ["deliveries", "logins", "messages", "rejections"]
-- limits   = "Only for a report about one key (`--about`). Occurring together is no guilt: most of these are correspondents."
-- controls = ["ISO/IEC 27001 A.5.28", "NIST SP 800-61"]
-- rows     = 60
-- empty    = "the report is about all mail: `--about` names an address, a client, a domain or a queue ID to follow"
-- columns  = [
--   { name = "kind", kind = "text", about = "account, client, recipient, sender" },
--   { name = "entity", kind = "text", about = "as logged" },
--   { name = "events", kind = "count", about = "rows that name it: messages, deliveries, refusals, logins" },
--   { name = "messages", kind = "count", about = "of them messages, or recipients of messages" },
--   { name = "refusals", kind = "count", about = "of them refusals" },
--   { name = "logins", kind = "count", about = "of them logins that worked" },
--   { name = "failed_logins", kind = "count", about = "of them logins that failed" },
--   { name = "first_ts", kind = "time", about = "first of them" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of one of them: the first in the order of the logs" },
-- ]
WITH named AS (
    SELECT 'sender' AS kind, sender AS entity, received_ts AS ts, source, line, 1 AS message, 0 AS refusal, 0 AS login, 0 AS failed FROM messages
    UNION ALL
    SELECT 'account' AS kind, auth_user AS entity, received_ts AS ts, source, line, 1 AS message, 0 AS refusal, 0 AS login, 0 AS failed FROM messages
    UNION ALL
    SELECT 'client' AS kind, client_ip AS entity, received_ts AS ts, source, line, 1 AS message, 0 AS refusal, 0 AS login, 0 AS failed FROM messages
    UNION ALL
    SELECT 'recipient' AS kind, recipient AS entity, last_ts AS ts, source, line, 1 AS message, 0 AS refusal, 0 AS login, 0 AS failed FROM deliveries
    UNION ALL
    SELECT 'sender' AS kind, sender AS entity, ts, source, line, 0 AS message, 1 AS refusal, 0 AS login, 0 AS failed FROM rejections
    UNION ALL
    SELECT 'recipient' AS kind, recipient AS entity, ts, source, line, 0 AS message, 1 AS refusal, 0 AS login, 0 AS failed FROM rejections
    UNION ALL
    SELECT 'client' AS kind, client_ip AS entity, ts, source, line, 0 AS message, 1 AS refusal, 0 AS login, 0 AS failed FROM rejections
    UNION ALL
    SELECT 'account' AS kind, auth_user AS entity, ts, source, line, 0 AS message, 0 AS refusal, CASE WHEN success THEN 1 ELSE 0 END AS login, CASE WHEN success THEN 0 ELSE 1 END AS failed FROM logins
    UNION ALL
    SELECT 'client' AS kind, client_ip AS entity, ts, source, line, 0 AS message, 0 AS refusal, CASE WHEN success THEN 1 ELSE 0 END AS login, CASE WHEN success THEN 0 ELSE 1 END AS failed FROM logins
), wanted AS (
    SELECT named.kind AS kind, named.entity AS entity, named.ts AS ts, named.source AS source, named.line AS line,
           named.message AS message, named.refusal AS refusal, named.login AS login, named.failed AS failed
    FROM named
    CROSS JOIN period
    WHERE period.narrowed AND named.entity <> ''
)
SELECT kind, entity,
       CAST(COUNT(*) AS BIGINT) AS events,
       CAST(SUM(message) AS BIGINT) AS messages,
       CAST(SUM(refusal) AS BIGINT) AS refusals,
       CAST(SUM(login) AS BIGINT) AS logins,
       CAST(SUM(failed) AS BIGINT) AS failed_logins,
       MIN(ts) AS first_ts,
       MAX(ts) AS last_ts,
       MIN(source * 10000000000 + line) AS place
FROM wanted
GROUP BY kind, entity
ORDER BY events DESC, kind, entity
