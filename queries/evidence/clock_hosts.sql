-- title    = "Hosts whose clocks differ"
-- question = "Do our hosts agree on the time at which one passed a message to another?"
-- tables   = ["messages", "attempts"]
-- limits   = "Rests on messages that one host of these logs handed to another: the reply names the queue ID there, and the Message-ID is the same. While the first host transmits, the second logs that it accepts; a time outside of that shows how far the clocks are apart at least. Which of the two clocks is right the logs cannot tell. Times are taken to the second; rewritten Message-IDs and hosts without queue IDs in their replies are not seen."
-- controls = ["ISO/IEC 27001 A.8.17", "NIST SP 800-53 AU-8", "PCI DSS 10.6"]
-- empty    = "no message was passed from one host of these logs to another, as its queue ID and Message-ID would show"
-- rows     = 20
-- sensitivity = "skew_seconds"
-- columns  = [
--   { name = "from_host", kind = "text", about = "host that passed messages on" },
--   { name = "to_host", kind = "text", about = "host that accepted them" },
--   { name = "messages", kind = "count", about = "messages passed: the denominator" },
--   { name = "ahead_host", kind = "text", about = "the one of the two whose clock is ahead of the other; null when the median is within the transmission" },
--   { name = "seconds", kind = "seconds", about = "by how much at least: the median over all messages" },
--   { name = "least", kind = "number", unit = "seconds", about = "smallest difference, negative when the accepting host is behind" },
--   { name = "most", kind = "number", unit = "seconds", about = "largest difference" },
--   { name = "impossible", kind = "count", about = "messages accepted before they were sent, or after they had been passed on, by more than the parameter allows" },
--   { name = "impossible_share", kind = "share", about = "impossible / messages" },
--   { name = "first_ts", kind = "time", about = "first message accepted" },
--   { name = "last_ts", kind = "time", about = "last message accepted" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "next_queue_id IS NOT NULL"
-- missing = "no reply in the logs names the queue ID at the next host"
-- remedy  = "the logs of all our hosts that pass mail on, with the whole reply of the next one"
--
-- [[needs]]
-- table   = "messages"
-- where   = "message_id IS NOT NULL"
-- missing = "the logs hold no Message-ID"
-- remedy  = "lines of cleanup at level info of the facility mail (`mail.info`)"
--
-- [params.skew_seconds]
-- default = 5
-- unit    = "seconds"
-- source  = "mtaudit; a clock kept by NTP is right to a fraction of a second"
-- about   = "median difference above which clocks differ"
--
-- [params.min_messages]
-- default = 10
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages below which no clock is said to differ"
--
-- [params.slack_seconds]
-- default = 2
-- unit    = "seconds"
-- source  = "mtaudit: two times cut to whole seconds"
-- about   = "difference above which an order is impossible"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "messages >= min_messages AND seconds > skew_seconds"
-- sentence   = "The clocks of {from_host|a host without a name} and {to_host|a host without a name} differed: that of {ahead_host|one of them} was ahead by {seconds} or more (median of {messages|message|messages} from one to the other, {impossible} of them impossible by the times logged). The order of events across these hosts cannot be relied on."
-- advice     = "Check the time service of {ahead_host|both hosts} first (`chronyc tracking`, `timedatectl`), and do not put events of these two hosts in order that lie less than {seconds} apart."
-- thresholds = ["skew_seconds", "min_messages", "slack_seconds"]
-- limit      = 5
-- evidence   = """
-- SELECT DISTINCT COALESCE(sent.host, '') AS from_host, COALESCE(taken.host, '') AS to_host, taken.source AS source, taken.line AS line
-- FROM attempts AS sent
-- JOIN messages AS taken ON sent.next_queue_id = taken.queue_id
-- JOIN messages AS passed ON sent.message = passed.message
-- WHERE passed.message_id = taken.message_id AND COALESCE(sent.host, '') <> COALESCE(taken.host, '')"""
-- keys       = ["from_host", "to_host"]
WITH hosts AS (
    SELECT COUNT(DISTINCT COALESCE(host, '')) AS hosts FROM messages
), sent AS (
    SELECT message, COALESCE(host, '') AS from_host, next_queue_id,
           MAX(minute * 60 + EXTRACT(SECOND FROM ts)) AS passed_second,
           MAX(COALESCE(delay_transmit, 0)) AS transmit
    FROM attempts
    CROSS JOIN hosts
    WHERE hosts.hosts > 1 AND next_queue_id IS NOT NULL AND status IN ('delivered', 'forwarded')
    GROUP BY message, COALESCE(host, ''), next_queue_id
), passed AS (
    SELECT sent.from_host AS from_host, sent.next_queue_id AS next_queue_id, messages.message_id AS message_id,
           sent.passed_second AS passed_second, sent.passed_second - FLOOR(sent.transmit) AS begun_second
    FROM sent
    JOIN messages ON sent.message = messages.message
    WHERE messages.message_id IS NOT NULL
), found AS (
    -- A queue ID that the first host has itself is a re-injection there.
    SELECT passed.from_host AS from_host, COALESCE(messages.host, '') AS to_host, passed.next_queue_id AS next_queue_id, passed.message_id AS message_id, messages.received_ts AS received_ts,
           passed.begun_second AS begun_second, passed.passed_second AS passed_second,
           messages.minute * 60 + EXTRACT(SECOND FROM messages.received_ts) AS taken_second
    FROM passed
    JOIN messages ON passed.next_queue_id = messages.queue_id
    WHERE passed.message_id = messages.message_id AND messages.received_ts IS NOT NULL
), own AS (
    SELECT DISTINCT from_host, next_queue_id, message_id FROM found WHERE from_host = to_host
), pairs AS (
    SELECT found.from_host AS from_host, found.to_host AS to_host, found.received_ts AS received_ts,
           found.begun_second AS begun_second, found.passed_second AS passed_second, found.taken_second AS taken_second
    FROM found
    LEFT JOIN own ON found.from_host = own.from_host AND found.next_queue_id = own.next_queue_id AND found.message_id = own.message_id
    WHERE own.from_host IS NULL
), differences AS (
    SELECT from_host, to_host, received_ts,
           CASE WHEN taken_second > passed_second THEN taken_second - passed_second
                WHEN taken_second < begun_second THEN taken_second - begun_second
                ELSE 0 END AS differs
    FROM pairs
), measured AS (
    SELECT differences.from_host AS from_host, differences.to_host AS to_host,
           COUNT(*) AS messages,
           QUANTILE_CONT(differences.differs, 0.5) AS usual,
           MIN(differences.differs) AS least,
           MAX(differences.differs) AS most,
           COUNT(*) FILTER (WHERE differences.differs > params.slack_seconds OR differences.differs < -params.slack_seconds) AS impossible,
           MIN(differences.received_ts) AS first_ts,
           MAX(differences.received_ts) AS last_ts
    FROM differences
    CROSS JOIN params
    GROUP BY differences.from_host, differences.to_host
)
SELECT from_host, to_host, messages,
       CASE WHEN usual > 0 THEN to_host WHEN usual < 0 THEN from_host END AS ahead_host,
       ABS(usual) AS seconds,
       least, most, impossible,
       ROUND(CAST(impossible AS DOUBLE) / messages, 6) AS impossible_share,
       first_ts, last_ts
FROM measured
ORDER BY seconds DESC, from_host, to_host
