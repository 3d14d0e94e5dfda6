-- title    = "What changed, part by part"
-- question = "Which destinations, senders, accounts and reasons are behind a change since the period before?"
-- tables   = ["activity", "attempts", "deliveries", "messages", "rejections"]
-- limits   = "Compared are means a day on an equal mix of weekdays, as in capacity/period_compare. Of each breakdown only the largest parts of both periods together are looked at, so what is small does not show. As many parts are tested, chance alone would make some of them differ: the level is divided by their number (Bonferroni), which misses small changes rather than inventing some."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 40
-- empty    = "the logs do not hold the period before, or no period was asked for (`--month`, or `--since` and `--until`; `--baseline` names another one)"
-- sensitivity = "change_share"
-- columns  = [
--   { name = "breakdown", kind = "text", about = "by what is counted" },
--   { name = "part", kind = "text", about = "the destination, sender, account or reason; `(none)` where the lines name none" },
--   { name = "now", kind = "number", unit = "a day", about = "mean a day in the period" },
--   { name = "before", kind = "number", unit = "a day", about = "mean a day in the period before, at the weekday mix of this one" },
--   { name = "difference", kind = "number", unit = "a day", about = "now - before" },
--   { name = "change", kind = "share", about = "difference / before; null when there was none before" },
--   { name = "p", kind = "number", about = "how often chance alone makes two such periods differ as much, for one part looked at alone" },
--   { name = "more_than_noise", kind = "flag", about = "p is below the level divided by the number of parts that were compared; null when there are too few days" },
--   { name = "days_now", kind = "count", about = "days of the period that are compared" },
--   { name = "days_before", kind = "count", about = "days of the period before" },
--   { name = "compared", kind = "count", about = "parts that were compared (the same on every row)" },
--   { name = "bad", kind = "flag", about = "more of it is trouble" },
-- ]
--
-- [params.change_share]
-- default = 0.20
-- unit    = "share"
-- source  = "mtaudit: as in capacity/period_compare"
-- about   = "change from which it is pointed out"
--
-- [params.level]
-- default = 0.05
-- unit    = "probability"
-- source  = "convention; R. A. Fisher, Statistical Methods for Research Workers, 1925"
-- about   = "chance that any of the parts is called a change that is none"
--
-- [params.min_a_day]
-- default = 10
-- unit    = "a day"
-- source  = "mtaudit: as in capacity/period_compare"
-- about   = "mean of the larger period below which no change is pointed out"
--
-- [params.parts]
-- default = 12
-- unit    = "parts"
-- source  = "mtaudit"
-- about   = "largest parts of each breakdown that are compared"
--
-- [derived.compared]
-- with  = "compare_periods"
-- input = """
-- WITH covered AS (
--     SELECT 'now' AS sample, day, weekday, MIN(hour_of_day) AS from_hour, MAX(hour_of_day) AS to_hour
--     FROM activity WHERE day IS NOT NULL GROUP BY day, weekday
--     UNION ALL
--     SELECT 'before' AS sample, day, weekday, MIN(hour_of_day) AS from_hour, MAX(hour_of_day) AS to_hour
--     FROM before_activity WHERE day IS NOT NULL GROUP BY day, weekday
-- ), framed AS (
--     SELECT sample, day, weekday, from_hour, to_hour,
--            MIN(day) OVER (PARTITION BY sample) AS first_day, MAX(day) OVER (PARTITION BY sample) AS last_day
--     FROM covered
-- ), days AS (
--     SELECT sample, day, weekday FROM framed
--     WHERE (day > first_day OR from_hour < 6) AND (day < last_day OR to_hour >= 18)
-- ), counted AS (
--     SELECT 'now' AS sample, day, 'd' AS kind, COALESCE(CAST(recipient_domain AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM deliveries WHERE outcome = 'delivered' AND direction = 'outbound' GROUP BY day, COALESCE(CAST(recipient_domain AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 'd' AS kind, COALESCE(CAST(recipient_domain AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_deliveries WHERE outcome = 'delivered' AND direction = 'outbound' GROUP BY day, COALESCE(CAST(recipient_domain AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 's' AS kind, COALESCE(CAST(sender_domain AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM messages WHERE origin = 'smtp' AND direction = 'inbound' GROUP BY day, COALESCE(CAST(sender_domain AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 's' AS kind, COALESCE(CAST(sender_domain AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_messages WHERE origin = 'smtp' AND direction = 'inbound' GROUP BY day, COALESCE(CAST(sender_domain AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 'a' AS kind, COALESCE(CAST(auth_user AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM messages WHERE auth_user <> '' AND origin <> 'reinjected' GROUP BY day, COALESCE(CAST(auth_user AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 'a' AS kind, COALESCE(CAST(auth_user AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_messages WHERE auth_user <> '' AND origin <> 'reinjected' GROUP BY day, COALESCE(CAST(auth_user AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 't' AS kind, COALESCE(CAST(transport AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM attempts WHERE status = 'delivered' GROUP BY day, COALESCE(CAST(transport AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 't' AS kind, COALESCE(CAST(transport AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_attempts WHERE status = 'delivered' GROUP BY day, COALESCE(CAST(transport AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 'f' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM deliveries WHERE outcome IN ('bounced', 'expired') GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 'f' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_deliveries WHERE outcome IN ('bounced', 'expired') GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 'w' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM attempts WHERE status = 'deferred' GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 'w' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_attempts WHERE status = 'deferred' GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
--     UNION ALL
--     SELECT 'now' AS sample, day, 'r' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM rejections WHERE action IN ('reject', 'defer') GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
--     UNION ALL
--     SELECT 'before' AS sample, day, 'r' AS kind, COALESCE(CAST(reason AS VARCHAR), '') AS part, CAST(COUNT(*) AS DOUBLE) AS value
--     FROM before_rejections WHERE action IN ('reject', 'defer') GROUP BY day, COALESCE(CAST(reason AS VARCHAR), '')
-- ), sums AS (
--     SELECT kind, part, SUM(value) AS value FROM counted GROUP BY kind, part
-- ), ranked AS (
--     SELECT kind, part, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY -value, part) AS no FROM sums
-- ), largest AS (
--     SELECT ranked.kind AS kind, ranked.part AS part FROM ranked CROSS JOIN params WHERE ranked.no <= params.parts
-- ), grid AS (
--     SELECT days.sample AS sample, days.day AS day, days.weekday AS weekday, largest.kind AS kind, largest.part AS part
--     FROM days
--     CROSS JOIN largest
-- )
-- SELECT CONCAT(grid.kind, grid.part) AS measure, grid.sample AS sample, grid.weekday AS weekday, COALESCE(counted.value, 0.0) AS value
-- FROM grid
-- LEFT JOIN counted ON grid.kind = counted.kind AND grid.part = counted.part AND grid.sample = counted.sample AND grid.day = counted.day"""
--
-- [[findings]]
-- severity   = "low"
-- when       = "bad AND change >= change_share AND more_than_noise AND now >= min_a_day"
-- sentence   = "{part} ({breakdown}): {now} a day, against {before} a day in the period before, on an equal mix of weekdays ({days_now|day|days} against {days_before})."
-- advice     = "Find the day on which it began in the daily figures, and look at the lines of that day for what was new."
-- thresholds = ["change_share", "level", "min_a_day"]
-- limit      = 8
--
-- [[findings]]
-- severity   = "info"
-- when       = "(change >= change_share OR change <= -change_share OR before = 0) AND more_than_noise AND (now >= min_a_day OR before >= min_a_day)"
-- sentence   = "{part} ({breakdown}): {now} a day, against {before} a day in the period before, on an equal mix of weekdays ({days_now|day|days} against {days_before})."
-- thresholds = ["change_share", "level", "min_a_day"]
-- limit      = 12
WITH amount AS (
    SELECT COUNT(*) AS n FROM compared
), kinds AS (
    SELECT v.kind AS kind, v.position AS position, v.breakdown AS breakdown, v.bad AS bad
    FROM (VALUES ('d', 1, 'delivered, by destination', FALSE), ('s', 2, 'received, by domain of the sender', FALSE), ('a', 3, 'sent, by account', FALSE),
                 ('t', 4, 'delivered, by transport', FALSE), ('f', 5, 'failed, by reason', TRUE), ('w', 6, 'put off, by reason', TRUE), ('r', 7, 'refused by us, by reason', FALSE)) AS v(kind, position, breakdown, bad)
), parts AS (
    SELECT SUBSTR(measure, 1, 1) AS kind, SUBSTR(measure, 2) AS part, days_now, days_before, now, before, p FROM compared
)
SELECT kinds.breakdown AS breakdown,
       CASE WHEN parts.part = '' THEN '(none)' ELSE parts.part END AS part,
       ROUND(parts.now, 1) AS now,
       ROUND(parts.before, 1) AS before,
       ROUND(parts.now - parts.before, 1) AS difference,
       CASE WHEN parts.before > 0 THEN ROUND((parts.now - parts.before) / parts.before, 4) END AS change,
       ROUND(parts.p, 4) AS p,
       parts.p < params.level / amount.n AS more_than_noise,
       parts.days_now AS days_now,
       parts.days_before AS days_before,
       amount.n AS compared,
       kinds.bad AS bad
FROM parts
JOIN kinds ON parts.kind = kinds.kind
CROSS JOIN amount
CROSS JOIN params
ORDER BY kinds.position, ABS(parts.now - parts.before) DESC, part
