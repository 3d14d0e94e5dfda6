-- title    = "Tries for each delivery"
-- question = "How much of our work is done again and again, and for which destinations?"
-- tables   = ["deliveries"]
-- limits   = "Tries that the logs hold: a delivery that began before them had more. Greylisting costs one try more for the first mail to a destination and is no fault. Hand-overs to our own queue are not counted."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 15
-- sensitivity = "amplification"
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "destination; (all) on the first row" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs" },
--   { name = "attempts", kind = "count", about = "tries for them" },
--   { name = "extra", kind = "count", about = "tries beyond the first of each: attempts - deliveries" },
--   { name = "extra_share", kind = "share", about = "of the extra tries for all destinations" },
--   { name = "per_delivery", kind = "number", unit = "tries", about = "attempts / deliveries" },
--   { name = "delivered", kind = "count", about = "deliveries that succeeded" },
--   { name = "per_delivered", kind = "number", unit = "tries", about = "attempts / delivered" },
--   { name = "retried", kind = "count", about = "deliveries with more than one try" },
--   { name = "most", kind = "count", about = "most tries for one delivery" },
--   { name = "open", kind = "count", about = "deliveries that still wait" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded' AND attempts > 0"
-- missing = "the logs hold no try of a delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.amplification]
-- default = 3.0
-- unit    = "tries for each delivery"
-- source  = "mtaudit"
-- about   = "tries for each delivery from which the work done again weighs"
--
-- [params.note]
-- default = 1.5
-- unit    = "tries for each delivery"
-- source  = "mtaudit"
-- about   = "tries for each delivery from which it is noted"
--
-- [params.min_deliveries]
-- default = 100
-- unit    = "deliveries"
-- source  = "mtaudit: below it, a few addresses decide"
-- about   = "deliveries below which nothing is concluded"
--
-- [params.top]
-- default = 100
-- unit    = "destinations"
-- source  = "mtaudit"
-- about   = "destinations listed"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "recipient_domain = '(all)' AND deliveries >= min_deliveries AND per_delivery >= amplification"
-- sentence   = "Much of our work was done again: {attempts|try|tries} for {deliveries|delivery|deliveries}, {per_delivery} each; {retried|delivery|deliveries} needed more than one, and one needed {most}."
-- advice     = "Begin with the destinations at the top of this list: delete or bounce mail that cannot succeed (dead domains, blocked senders; `postsuper -d`), and raise `minimal_backoff_time` if the tries come too close together."
-- thresholds = ["amplification", "min_deliveries"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome <> 'forwarded' AND attempts > 1"
-- keys       = []
--
-- [[findings]]
-- severity   = "low"
-- when       = "recipient_domain <> '(all)' AND deliveries >= min_deliveries AND per_delivery >= amplification"
-- sentence   = "Mail for {recipient_domain|an unknown domain} was tried again and again: {attempts|try|tries} for {deliveries|delivery|deliveries}, {per_delivery} each, {extra_share} of all tries beyond the first. In the end {delivered} succeeded, and {open} still waited when the logs ended."
-- advice     = "Read what {recipient_domain} answers (delivery/by_destination), and take its mail out of the queue if nothing there will ever accept it."
-- thresholds = ["amplification", "min_deliveries"]
-- limit      = 3
-- evidence   = "SELECT COALESCE(CAST(recipient_domain AS VARCHAR), '') AS recipient_domain, source, line FROM deliveries WHERE outcome <> 'forwarded' AND attempts > 1"
-- keys       = ["recipient_domain"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "recipient_domain = '(all)' AND deliveries >= min_deliveries AND per_delivery >= note"
-- sentence   = "{attempts|try was|tries were} made for {deliveries|delivery|deliveries}, {per_delivery} each; {retried|delivery|deliveries} needed more than one."
-- thresholds = ["note", "min_deliveries"]
-- evidence   = "SELECT source, line FROM deliveries WHERE outcome <> 'forwarded' AND attempts > 1"
-- keys       = []
WITH counted AS (
    SELECT COALESCE(CAST(recipient_domain AS VARCHAR), '') AS recipient_domain,
           CAST(COUNT(*) AS BIGINT) AS deliveries,
           CAST(SUM(attempts) AS BIGINT) AS attempts,
           CAST(COUNT(*) FILTER (WHERE outcome = 'delivered') AS BIGINT) AS delivered,
           CAST(COUNT(*) FILTER (WHERE attempts > 1) AS BIGINT) AS retried,
           CAST(MAX(attempts) AS BIGINT) AS most,
           CAST(COUNT(*) FILTER (WHERE outcome = 'open') AS BIGINT) AS open
    FROM deliveries
    WHERE outcome <> 'forwarded' AND attempts > 0
    GROUP BY COALESCE(CAST(recipient_domain AS VARCHAR), '')
), whole AS (
    SELECT CAST(SUM(attempts) - SUM(deliveries) AS BIGINT) AS extra FROM counted
), listed AS (
    SELECT recipient_domain, deliveries, attempts, delivered, retried, most, open,
           ROW_NUMBER() OVER (ORDER BY deliveries - attempts, recipient_domain) AS no
    FROM counted
    WHERE attempts > deliveries
    UNION ALL
    SELECT '(all)' AS recipient_domain, CAST(SUM(deliveries) AS BIGINT) AS deliveries, CAST(SUM(attempts) AS BIGINT) AS attempts,
           CAST(SUM(delivered) AS BIGINT) AS delivered, CAST(SUM(retried) AS BIGINT) AS retried, MAX(most) AS most, CAST(SUM(open) AS BIGINT) AS open, 0 AS no
    FROM counted
)
SELECT listed.recipient_domain AS recipient_domain,
       listed.deliveries AS deliveries,
       listed.attempts AS attempts,
       listed.attempts - listed.deliveries AS extra,
       CASE WHEN whole.extra > 0 THEN ROUND(CAST(listed.attempts - listed.deliveries AS DOUBLE) / whole.extra, 4) END AS extra_share,
       ROUND(CAST(listed.attempts AS DOUBLE) / listed.deliveries, 2) AS per_delivery,
       listed.delivered AS delivered,
       CASE WHEN listed.delivered > 0 THEN ROUND(CAST(listed.attempts AS DOUBLE) / listed.delivered, 2) END AS per_delivered,
       listed.retried AS retried,
       listed.most AS most,
       listed.open AS open
FROM listed
CROSS JOIN whole
CROSS JOIN params
WHERE listed.no <= params.top AND listed.deliveries > 0
ORDER BY listed.no
