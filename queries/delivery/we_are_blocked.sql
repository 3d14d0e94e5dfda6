-- title    = "Who blocks us, and since when"
-- question = "Which lists or servers refuse our mail for our address or reputation?"
-- tables   = ["attempts", "deliveries"]
-- limits   = "The list and the address are read from the replies; many servers name neither. A server that keeps its own list shows as `not named`. A listing that no server told us about is not seen. Refusals of single messages as spam are in delivery/by_reason. With `--pseudonymise` the names have another form, and what rests on it is not seen."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- sensitivity = "min_messages"
-- rows     = 20
-- columns  = [
--   { name = "list", kind = "text", about = "block list, rating or page that the replies name; `not named` where they name none" },
--   { name = "address", kind = "text", about = "address of ours that the replies complain of; `not named` where they name none" },
--   { name = "tries", kind = "count", about = "tries refused" },
--   { name = "messages", kind = "count", about = "different messages among them" },
--   { name = "sender_domains", kind = "count", about = "different domains of their senders" },
--   { name = "domains", kind = "count", about = "different recipient domains that refused" },
--   { name = "lost", kind = "count", about = "deliveries refused for good" },
--   { name = "waiting", kind = "count", about = "deliveries still waiting at the end of the logs" },
--   { name = "first_ts", kind = "time", about = "first refusal in the logs" },
--   { name = "last_ts", kind = "time", about = "last refusal" },
--   { name = "delivered_after", kind = "count", about = "deliveries to the same recipient domains that arrived after the last refusal" },
--   { name = "example_domain", kind = "text", about = "one of the recipient domains" },
--   { name = "example", kind = "text", about = "one of the replies" },
--   { name = "place", kind = "place", about = "line of the first refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "status IS NOT NULL"
-- missing = "the logs hold no delivery attempt"
-- remedy  = "lines of smtp, lmtp, local and virtual at level info of the facility mail (`mail.info`), not warnings alone"
--
-- [params.min_messages]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit, after Lightmeter: every list that refuses us is reported"
-- about   = "messages refused by a list that is named, from which it is pointed out"
--
-- [params.many_messages]
-- default = 10
-- unit    = "messages"
-- source  = "mtaudit"
-- about   = "messages refused for our reputation without a list named, from which it is grave"
--
-- [derived.listed]
-- with  = "block_lists"
-- input = """
-- SELECT DISTINCT reply FROM attempts WHERE status IN ('deferred', 'bounced', 'expired') AND reason = 'blocklist'"""
--
-- [[findings]]
-- severity   = "high"
-- when       = "list <> 'not named' AND messages >= min_messages"
-- sentence   = "Other servers refused our mail because of {list} (our address: {address}): {tries|try|tries} of {messages|message|messages} to {domains|domain|domains}, first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended; after the last refusal, {delivered_after|delivery|deliveries} to the same domains arrived."
-- advice     = "Find out what {list} saw before you ask it to delist us: look for a compromised account or forwarded spam in the day before {first_ts}, stop it, then ask for removal."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT listed.list AS list, listed.address AS address, attempts.source AS source, attempts.line AS line FROM attempts JOIN (SELECT reply, CASE WHEN list = '' THEN 'not named' ELSE list END AS list, CASE WHEN address = '' THEN 'not named' ELSE address END AS address FROM listed) AS listed ON attempts.reply = listed.reply WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason = 'blocklist'"
-- keys       = ["list", "address"]
--
-- [[findings]]
-- severity   = "high"
-- when       = "messages >= many_messages"
-- sentence   = "Other servers refused our mail for the reputation of our address or network (our address: {address}) and named no list: {tries|try|tries} of {messages|message|messages} to {domains|domain|domains}, first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended; after the last refusal, {delivered_after|delivery|deliveries} to the same domains arrived."
-- advice     = "Look in the replies for a page or a code of the provider and in our logs for a burst of mail before {first_ts}, and register with the postmaster pages of the large providers among the {domains|domain|domains}."
-- thresholds = ["many_messages"]
-- limit      = 5
-- evidence   = "SELECT listed.list AS list, listed.address AS address, attempts.source AS source, attempts.line AS line FROM attempts JOIN (SELECT reply, CASE WHEN list = '' THEN 'not named' ELSE list END AS list, CASE WHEN address = '' THEN 'not named' ELSE address END AS address FROM listed) AS listed ON attempts.reply = listed.reply WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason = 'blocklist'"
-- keys       = ["list", "address"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "messages >= min_messages"
-- sentence   = "Some mail was refused for the reputation of our address or network (our address: {address}), and no list was named: {tries|try|tries} of {messages|message|messages} to {domains|domain|domains} (for example {example_domain|one not named}), first at {first_ts}, last at {last_ts}. In the end {lost|delivery was|deliveries were} lost, and {waiting} still waited when the logs ended."
-- advice     = "Ask the postmaster of {example_domain|the domain} why, and quote the reply and its time; a single server that refuses usually keeps a list of its own."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT listed.list AS list, listed.address AS address, attempts.source AS source, attempts.line AS line FROM attempts JOIN (SELECT reply, CASE WHEN list = '' THEN 'not named' ELSE list END AS list, CASE WHEN address = '' THEN 'not named' ELSE address END AS address FROM listed) AS listed ON attempts.reply = listed.reply WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason = 'blocklist'"
-- keys       = ["list", "address"]
WITH refused AS (
    SELECT CASE WHEN listed.list = '' THEN 'not named' ELSE listed.list END AS list,
           CASE WHEN listed.address = '' THEN 'not named' ELSE listed.address END AS address,
           attempts.message AS message, attempts.recipient AS recipient, attempts.recipient_domain AS recipient_domain,
           attempts.sender_domain AS sender_domain, attempts.ts AS ts, attempts.reply AS reply, attempts.source AS source, attempts.line AS line
    FROM attempts
    JOIN listed ON attempts.reply = listed.reply
    WHERE attempts.status IN ('deferred', 'bounced', 'expired') AND attempts.reason = 'blocklist'
), grouped AS (
    SELECT list, address,
           CAST(COUNT(*) AS BIGINT) AS tries, COUNT(DISTINCT message) AS messages, COUNT(DISTINCT sender_domain) AS sender_domains,
           COUNT(DISTINCT recipient_domain) AS domains, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(recipient_domain) AS example_domain, MIN(reply) AS example, MIN(source * 10000000000 + line) AS place
    FROM refused
    GROUP BY list, address
), touched AS (
    SELECT DISTINCT list, address, message, recipient FROM refused
), fates AS (
    SELECT touched.list AS list, touched.address AS address,
           COUNT(*) FILTER (WHERE deliveries.outcome IN ('bounced', 'expired')) AS lost,
           COUNT(*) FILTER (WHERE deliveries.outcome = 'open') AS waiting
    FROM touched
    JOIN deliveries ON touched.message = deliveries.message
    WHERE touched.recipient = deliveries.recipient AND deliveries.outcome IN ('bounced', 'expired', 'open')
    GROUP BY touched.list, touched.address
), places AS (
    SELECT DISTINCT refused.list AS list, refused.address AS address, refused.recipient_domain AS recipient_domain, grouped.last_ts AS last_ts
    FROM refused
    JOIN grouped ON refused.list = grouped.list AND refused.address = grouped.address
), later AS (
    SELECT places.list AS list, places.address AS address, COUNT(*) AS delivered
    FROM places
    JOIN deliveries ON places.recipient_domain = deliveries.recipient_domain
    WHERE deliveries.outcome = 'delivered' AND deliveries.last_ts > places.last_ts
    GROUP BY places.list, places.address
)
SELECT grouped.list AS list,
       grouped.address AS address,
       grouped.tries AS tries,
       grouped.messages AS messages,
       grouped.sender_domains AS sender_domains,
       grouped.domains AS domains,
       CAST(COALESCE(fates.lost, 0) AS BIGINT) AS lost,
       CAST(COALESCE(fates.waiting, 0) AS BIGINT) AS waiting,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       CAST(COALESCE(later.delivered, 0) AS BIGINT) AS delivered_after,
       grouped.example_domain AS example_domain,
       grouped.example AS example,
       grouped.place AS place
FROM grouped
LEFT JOIN fates ON grouped.list = fates.list AND grouped.address = fates.address
LEFT JOIN later ON grouped.list = later.list AND grouped.address = later.address
ORDER BY messages DESC, list, address
