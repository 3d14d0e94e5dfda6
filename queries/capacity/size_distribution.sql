-- title    = "How large messages are"
-- question = "How large is our mail, and which sizes fill the disks and lines?"
-- tables   = ["messages"]
-- limits   = "Size as queued, headers included. Messages whose size is not in the logs are left out. Re-injected and forwarded copies are not counted."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 10
-- columns  = [
--   { name = "position", kind = "count", about = "order of the classes" },
--   { name = "size", kind = "text", about = "class of size; 1 k = 1,024 bytes" },
--   { name = "messages", kind = "count", about = "messages accepted, each once" },
--   { name = "share", kind = "share", about = "of the messages with a known size" },
--   { name = "bytes", kind = "bytes", about = "their size together" },
--   { name = "bytes_share", kind = "share", about = "of all bytes" },
--   { name = "known", kind = "count", about = "messages with a known size in all: the denominator" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "size IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')"
-- missing = "the logs hold no message with its size"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [chart]
-- kind  = "bar"
-- x     = "size"
-- y     = ["messages"]
-- label = "messages"
WITH classes AS (
    SELECT CAST(v.p AS BIGINT) AS position, v.s AS size
    FROM (VALUES (1, 'up to 10 k'), (2, '10 k to 50 k'), (3, '50 k to 100 k'), (4, '100 k to 500 k'), (5, '500 k to 1 M'),
                 (6, '1 M to 5 M'), (7, '5 M to 10 M'), (8, '10 M to 25 M'), (9, '25 M to 50 M'), (10, 'over 50 M')) AS v(p, s)
), sized AS (
    SELECT CAST(CASE WHEN size <= 10240 THEN 1
                     WHEN size <= 51200 THEN 2
                     WHEN size <= 102400 THEN 3
                     WHEN size <= 512000 THEN 4
                     WHEN size <= 1048576 THEN 5
                     WHEN size <= 5242880 THEN 6
                     WHEN size <= 10485760 THEN 7
                     WHEN size <= 26214400 THEN 8
                     WHEN size <= 52428800 THEN 9
                     ELSE 10 END AS BIGINT) AS position,
           size
    FROM messages
    WHERE size IS NOT NULL AND origin NOT IN ('reinjected', 'forwarded')
), summed AS (
    SELECT position, COUNT(*) AS messages, SUM(size) AS bytes
    FROM sized
    GROUP BY position
), whole AS (
    SELECT COUNT(*) AS messages, SUM(size) AS bytes FROM sized
)
SELECT classes.position AS position,
       classes.size AS size,
       CAST(COALESCE(summed.messages, 0) AS BIGINT) AS messages,
       ROUND(CAST(COALESCE(summed.messages, 0) AS DOUBLE) / whole.messages, 4) AS share,
       CAST(COALESCE(summed.bytes, 0) AS BIGINT) AS bytes,
       CASE WHEN whole.bytes > 0 THEN ROUND(CAST(COALESCE(summed.bytes, 0) AS DOUBLE) / whole.bytes, 4) END AS bytes_share,
       whole.messages AS known
FROM classes
CROSS JOIN whole
LEFT JOIN summed ON classes.position = summed.position
WHERE whole.messages > 0
ORDER BY position
