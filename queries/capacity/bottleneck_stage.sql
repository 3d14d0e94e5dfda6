-- title    = "Where the time of deliveries goes"
-- question = "In which stage does mail lose its time, for each way of delivery?"
-- tables   = ["attempts"]
-- limits   = "Successful deliveries only, with the four times that the server logs. The first stage holds the time before the queue manager and, after a failed try, all waiting between the tries. Logged times are rounded, so short stages are coarse."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 15
-- sensitivity = "stage_share"
-- columns  = [
--   { name = "transport", kind = "text", about = "way of delivery, as configured on the server: smtp, lmtp, local, …" },
--   { name = "deliveries", kind = "count", about = "successful deliveries with all four times" },
--   { name = "seconds", kind = "seconds", about = "their time together" },
--   { name = "mean_seconds", kind = "seconds", about = "seconds / deliveries" },
--   { name = "before_queue", kind = "share", about = "of it before the queue manager, waits between tries included" },
--   { name = "in_queue", kind = "share", about = "of it in the queue manager, waiting for a free process" },
--   { name = "connecting", kind = "share", about = "of it for DNS, connecting, greeting and TLS" },
--   { name = "transmitting", kind = "share", about = "of it for the transmission and the answer" },
--   { name = "stage", kind = "text", about = "the longest stage; null when all times are zero" },
--   { name = "stage_part", kind = "share", about = "share of the longest stage" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status = 'delivered' AND delay_transmit IS NOT NULL"
-- missing = "the logs hold no successful delivery with the times of its stages"
-- remedy  = "lines with `delays=` of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`); Postfix writes them since 2.3"
--
-- [params.stage_share]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit, after Postfix QSHAPE_README"
-- about   = "share of the time in one stage from which it is the bottleneck"
--
-- [params.min_deliveries]
-- default = 100
-- unit    = "deliveries"
-- source  = "mtaudit: below it, one slow message decides"
-- about   = "deliveries below which nothing is concluded"
--
-- [params.min_mean]
-- default = 10.0
-- unit    = "seconds"
-- source  = "mtaudit: what takes less on average needs no cure"
-- about   = "mean time below which nothing is concluded"
--
-- [chart]
-- kind  = "stacked"
-- x     = "transport"
-- y     = ["before_queue", "in_queue", "connecting", "transmitting"]
-- label = "share of the time"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "stage = 'in the queue' AND stage_part > stage_share AND deliveries >= min_deliveries AND mean_seconds >= min_mean"
-- sentence   = "Mail by {transport|an unnamed transport} waited on our side: {in_queue} of the time of {deliveries|delivery|deliveries} (mean {mean_seconds}) went by in the queue manager, until a process was free."
-- advice     = "See with `qshape active` whether one slow destination holds the processes of {transport}; if so, give that one a transport of its own, and only then raise `maxproc` of {transport} in master.cf."
-- thresholds = ["stage_share", "min_deliveries", "min_mean"]
-- evidence   = "SELECT transport, source, line FROM attempts WHERE status = 'delivered' AND delay_in_queue > 10"
-- keys       = ["transport"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "stage = 'connecting' AND stage_part > stage_share AND deliveries >= min_deliveries AND mean_seconds >= min_mean"
-- sentence   = "Mail by {transport|an unnamed transport} lost much of its time while connecting: {connecting} of the time of {deliveries|delivery|deliveries} (mean {mean_seconds})."
-- advice     = "First time a lookup on the mail server itself (`dig MX` of a usual destination), as a slow resolver costs every delivery; then see delivery/connectivity for hosts that do not answer."
-- thresholds = ["stage_share", "min_deliveries", "min_mean"]
-- evidence   = "SELECT transport, source, line FROM attempts WHERE status = 'delivered' AND delay_connect > 10"
-- keys       = ["transport"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "stage = 'transmitting' AND stage_part > stage_share AND deliveries >= min_deliveries AND mean_seconds >= min_mean"
-- sentence   = "Mail by {transport|an unnamed transport} lost much of its time in transmission: {transmitting} of the time of {deliveries|delivery|deliveries} (mean {mean_seconds})."
-- advice     = "Compare with the sizes (capacity/large_messages): if they do not explain it, the receiving end checks slowly, which for {transport} may be our own filter or mailbox server."
-- thresholds = ["stage_share", "min_deliveries", "min_mean"]
-- evidence   = "SELECT transport, source, line FROM attempts WHERE status = 'delivered' AND delay_transmit > 10"
-- keys       = ["transport"]
WITH timed AS (
    -- Whole microseconds: a sum of fractions would depend on the order of the rows.
    SELECT COALESCE(CAST(transport AS VARCHAR), '') AS transport,
           CAST(COUNT(*) AS BIGINT) AS deliveries,
           SUM(CAST(ROUND(delay_before_queue * 1000000) AS BIGINT)) AS a,
           SUM(CAST(ROUND(delay_in_queue * 1000000) AS BIGINT)) AS b,
           SUM(CAST(ROUND(delay_connect * 1000000) AS BIGINT)) AS c,
           SUM(CAST(ROUND(delay_transmit * 1000000) AS BIGINT)) AS d
    FROM attempts
    WHERE status = 'delivered'
      AND delay_before_queue IS NOT NULL AND delay_in_queue IS NOT NULL AND delay_connect IS NOT NULL AND delay_transmit IS NOT NULL
    GROUP BY COALESCE(CAST(transport AS VARCHAR), '')
), shares AS (
    SELECT transport, deliveries, a, b, c, d, a + b + c + d AS whole, CAST(NULLIF(a + b + c + d, 0) AS DOUBLE) AS parts
    FROM timed
)
SELECT transport,
       deliveries,
       ROUND(whole / 1000000.0, 3) AS seconds,
       ROUND(whole / 1000000.0 / deliveries, 3) AS mean_seconds,
       ROUND(a / parts, 4) AS before_queue,
       ROUND(b / parts, 4) AS in_queue,
       ROUND(c / parts, 4) AS connecting,
       ROUND(d / parts, 4) AS transmitting,
       CASE WHEN whole = 0 THEN NULL WHEN a >= b AND a >= c AND a >= d THEN 'before the queue' WHEN b >= c AND b >= d THEN 'in the queue'
            WHEN c >= d THEN 'connecting' ELSE 'transmitting' END AS stage,
       ROUND(GREATEST(a, b, c, d) / parts, 4) AS stage_part
FROM shares
ORDER BY whole DESC, transport
