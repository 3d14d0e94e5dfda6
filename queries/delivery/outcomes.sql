-- title    = "What became of the mail, day by day"
-- question = "How much of our mail arrived, and on which days did it not?"
-- tables   = ["deliveries"]
-- limits   = "A delivery counts on the day of its last try. Hand-overs to our own queue (content filter, alias) are not counted. What is still open at the end of the logs has no outcome yet and is not in the failure share."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "review_share"
-- rows     = 31
-- columns  = [
--   { name = "day", kind = "date", about = "day of the last try, in the report's time zone" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs" },
--   { name = "delivered", kind = "count", about = "arrived" },
--   { name = "open", kind = "count", about = "deferred, and still waiting at the end of the logs" },
--   { name = "bounced", kind = "count", about = "refused for good" },
--   { name = "expired", kind = "count", about = "given up after too long in the queue" },
--   { name = "discarded", kind = "count", about = "thrown away by a rule" },
--   { name = "other", kind = "count", about = "end not in the logs" },
--   { name = "final", kind = "count", about = "delivered + bounced + expired: the denominator of the failure share" },
--   { name = "failed", kind = "count", about = "bounced + expired" },
--   { name = "failed_share", kind = "share", about = "failed / final; null below the minimum count" },
--   { name = "outbound_failed", kind = "count", about = "failed ones of outbound messages; null when the logs do not tell which domains are ours" },
--   { name = "inbound_failed", kind = "count", about = "failed ones of inbound messages; null likewise" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_final]
-- default = 50
-- unit    = "deliveries"
-- source  = "mtaudit: below it, one failure is more than 2 %"
-- about   = "final deliveries on a day below which no share is given"
--
-- [params.review_share]
-- default = 0.05
-- unit    = "share"
-- source  = "Lightmeter: bounce rate above 5 %; Amazon SES: review at 5 %"
-- about   = "failure share from which a day is pointed out"
--
-- [params.pause_share]
-- default = 0.10
-- unit    = "share"
-- source  = "Amazon SES: sending may be paused at a bounce rate of 10 %"
-- about   = "failure share from which large providers act"
--
-- [chart]
-- kind  = "stacked"
-- x     = "day"
-- y     = ["delivered", "open", "bounced", "expired", "discarded"]
-- label = "deliveries a day"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "final >= min_final AND failed_share >= pause_share"
-- sentence   = "On {day}, {failed_share} of the mail with a known end was not delivered: of {final|delivery|deliveries}, {failed} failed ({bounced} refused for good, {expired} given up)."
-- advice     = "See delivery/by_reason and delivery/by_destination for that day, stop the sender or list that most failures come from, and clean its addresses before large providers slow us down."
-- thresholds = ["pause_share", "min_final"]
-- limit      = 3
-- evidence   = "SELECT day, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["day"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "final >= min_final AND failed_share >= review_share"
-- sentence   = "On {day}, {failed_share} of the mail with a known end was not delivered: of {final|delivery|deliveries}, {failed} failed ({bounced} refused for good, {expired} given up)."
-- advice     = "See delivery/by_reason for that day: many unknown addresses mean an old list, one destination alone means an outage there."
-- thresholds = ["review_share", "min_final"]
-- limit      = 3
-- evidence   = "SELECT day, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["day"]
WITH daily AS (
    SELECT day,
           COUNT(*) AS deliveries,
           COUNT(*) FILTER (WHERE outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE outcome = 'open') AS open,
           COUNT(*) FILTER (WHERE outcome = 'bounced') AS bounced,
           COUNT(*) FILTER (WHERE outcome = 'expired') AS expired,
           COUNT(*) FILTER (WHERE outcome = 'discarded') AS discarded,
           COUNT(*) FILTER (WHERE outcome NOT IN ('delivered', 'open', 'bounced', 'expired', 'discarded')) AS other,
           COUNT(*) FILTER (WHERE outcome IN ('delivered', 'bounced', 'expired')) AS final,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS failed,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired') AND direction = 'outbound') AS outbound_failed,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired') AND direction = 'inbound') AS inbound_failed
    FROM deliveries
    WHERE outcome <> 'forwarded'
    GROUP BY day
), known AS (
    SELECT COUNT(*) FILTER (WHERE direction <> 'unknown') AS directions FROM deliveries
)
SELECT daily.day AS day,
       daily.deliveries AS deliveries,
       daily.delivered AS delivered,
       daily.open AS open,
       daily.bounced AS bounced,
       daily.expired AS expired,
       daily.discarded AS discarded,
       daily.other AS other,
       daily.final AS final,
       daily.failed AS failed,
       CASE WHEN daily.final >= params.min_final THEN ROUND(CAST(daily.failed AS DOUBLE) / daily.final, 4) END AS failed_share,
       CASE WHEN known.directions > 0 THEN daily.outbound_failed END AS outbound_failed,
       CASE WHEN known.directions > 0 THEN daily.inbound_failed END AS inbound_failed
FROM daily
CROSS JOIN known
CROSS JOIN params
ORDER BY day
