-- title    = "Which destinations fail"
-- question = "To which domains does our mail not arrive?"
-- tables   = ["deliveries"]
-- limits   = "The lower bound is the failure share that is at least likely (Wilson, 95 %), so that a handful of failures among a handful of mails does not stand out. What is still open is not in the share. Hand-overs to our own queue are not counted."
-- controls = ["ISO/IEC 27001 A.8.16"]
-- sensitivity = "low_share"
-- rows     = 20
-- columns  = [
--   { name = "recipient_domain", kind = "text", about = "domain of the recipients" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs" },
--   { name = "delivered", kind = "count", about = "arrived" },
--   { name = "bounced", kind = "count", about = "refused for good" },
--   { name = "expired", kind = "count", about = "given up after too long in the queue" },
--   { name = "open", kind = "count", about = "still waiting at the end of the logs" },
--   { name = "final", kind = "count", about = "delivered + bounced + expired: the denominator" },
--   { name = "failed", kind = "count", about = "bounced + expired" },
--   { name = "failed_share", kind = "share", about = "failed / final" },
--   { name = "failed_share_low", kind = "share", about = "lower bound of the failure share; null below the minimum count" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "first_failed_ts", kind = "time", about = "last try of the first delivery that failed" },
--   { name = "last_failed_ts", kind = "time", about = "last try of the last one" },
--   { name = "last_delivered_ts", kind = "time", about = "last success" },
--   { name = "place", kind = "place", about = "first line of a delivery that failed; of any where none did" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "outcome <> 'forwarded'"
-- missing = "the logs hold no delivery"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_final]
-- default = 20
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "final deliveries below which a domain is not judged"
--
-- [params.low_share]
-- default = 0.05
-- unit    = "share"
-- source  = "Lightmeter and Amazon SES: 5 %, here of the lower bound"
-- about   = "lower bound of the failure share from which a domain is pointed out"
--
-- [chart]
-- kind  = "bar"
-- x     = "recipient_domain"
-- y     = ["failed"]
-- label = "failed deliveries"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "final >= min_final AND delivered = 0"
-- sentence   = "No mail at all arrived at {recipient_domain|recipients without a domain}: {failed} of {final|delivery|deliveries} with a known end failed ({bounced} refused for good, {expired} given up)."
-- advice     = "Send a test message to postmaster@{recipient_domain} and read the reply to it: a domain that takes nothing at all is mistyped, given up by its owner, or refuses our server as such."
-- thresholds = ["min_final"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["recipient_domain"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "failed_share_low > low_share"
-- sentence   = "{failed_share} of the mail to {recipient_domain|recipients without a domain} failed: {failed} of {final|delivery|deliveries} with a known end. Allowing for chance, at least {failed_share_low} of such mail fails."
-- advice     = "Look in delivery/by_reason for what {recipient_domain} answers: if it complains of the recipient, clean the addresses; if it complains of us, mend our standing there."
-- thresholds = ["low_share", "min_final"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(recipient_domain, '') AS recipient_domain, source, line FROM deliveries WHERE outcome IN ('bounced', 'expired')"
-- keys       = ["recipient_domain"]
WITH d AS (
    SELECT COALESCE(recipient_domain, '') AS recipient_domain,
           COUNT(*) AS deliveries,
           COUNT(*) FILTER (WHERE outcome = 'delivered') AS delivered,
           COUNT(*) FILTER (WHERE outcome = 'bounced') AS bounced,
           COUNT(*) FILTER (WHERE outcome = 'expired') AS expired,
           COUNT(*) FILTER (WHERE outcome = 'open') AS open,
           COUNT(*) FILTER (WHERE outcome IN ('delivered', 'bounced', 'expired')) AS final,
           COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS failed,
           COUNT(DISTINCT recipient) AS recipients,
           MIN(last_ts) FILTER (WHERE outcome IN ('bounced', 'expired')) AS first_failed_ts,
           MAX(last_ts) FILTER (WHERE outcome IN ('bounced', 'expired')) AS last_failed_ts,
           MAX(last_ts) FILTER (WHERE outcome = 'delivered') AS last_delivered_ts,
           COALESCE(MIN(source * 10000000000 + line) FILTER (WHERE outcome IN ('bounced', 'expired')), MIN(source * 10000000000 + line)) AS place
    FROM deliveries
    WHERE outcome <> 'forwarded'
    GROUP BY COALESCE(recipient_domain, '')
), shares AS (
    SELECT recipient_domain, deliveries, delivered, bounced, expired, open, final, failed, recipients,
           first_failed_ts, last_failed_ts, last_delivered_ts, place,
           CAST(final AS DOUBLE) AS n,
           CASE WHEN final > 0 THEN CAST(failed AS DOUBLE) / final END AS p
    FROM d
)
SELECT shares.recipient_domain AS recipient_domain,
       shares.deliveries AS deliveries,
       shares.delivered AS delivered,
       shares.bounced AS bounced,
       shares.expired AS expired,
       shares.open AS open,
       shares.final AS final,
       shares.failed AS failed,
       ROUND(shares.p, 4) AS failed_share,
       CASE WHEN shares.final >= params.min_final AND shares.failed = 0 THEN 0.0
            WHEN shares.final >= params.min_final
            THEN ROUND((shares.p + 1.92 / shares.n - 1.96 * SQRT((shares.p * (1 - shares.p) + 0.96 / shares.n) / shares.n)) / (1 + 3.84 / shares.n), 4)
       END AS failed_share_low,
       shares.recipients AS recipients,
       shares.first_failed_ts AS first_failed_ts,
       shares.last_failed_ts AS last_failed_ts,
       shares.last_delivered_ts AS last_delivered_ts,
       shares.place AS place
FROM shares
CROSS JOIN params
ORDER BY failed DESC, deliveries DESC, recipient_domain
