-- title    = "Networks that send little from many addresses"
-- question = "Which networks send mail of one domain from many neighbouring addresses, a little from each, as spammers do who hide in numbers?"
-- tables   = ["deliveries", "messages", "rejections", "verdicts"]
-- limits   = "Large providers send like this too; only the bad signs of the addresses (block lists, spam) make it a finding. A network is /24 or /64. Days are those of the report's time zone. Trusted and private clients are left out. With `--pseudonymise` the names have another form, and what rests on it is not seen."
-- controls = ["ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "min_addresses"
-- columns  = [
--   { name = "network", kind = "text", about = "network" },
--   { name = "sender_domain", kind = "text", about = "domain of the envelope senders" },
--   { name = "day", kind = "date", about = "day" },
--   { name = "addresses", kind = "count", about = "different addresses that delivered on that day" },
--   { name = "messages", kind = "count", about = "messages accepted from them" },
--   { name = "most_per_address", kind = "count", about = "most messages of one address" },
--   { name = "senders", kind = "count", about = "different envelope senders" },
--   { name = "recipients", kind = "count", about = "different recipients" },
--   { name = "bad_addresses", kind = "count", about = "of these addresses, those that were listed, or refused for reputation, spam or a virus, at any time in these logs" },
--   { name = "bad_share", kind = "share", about = "bad_addresses / addresses" },
--   { name = "place", kind = "place", about = "line of the first message of that day in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('smtp', 'submission')"
-- missing = "the logs hold no message that came in by SMTP"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail"
--
-- [params.min_addresses]
-- default = 10
-- unit    = "addresses in a day"
-- source  = "mtaudit"
-- about   = "addresses of one network from which it is spread out"
--
-- [params.max_messages]
-- default = 20
-- unit    = "messages of an address"
-- source  = "mtaudit"
-- about   = "messages of one address above which it does not hide"
--
-- [params.min_bad]
-- default = 0.3
-- unit    = "of the addresses"
-- source  = "mtaudit: at a large provider few of them are bad"
-- about   = "share of bad addresses from which it is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "addresses >= min_addresses AND most_per_address <= max_messages AND bad_share >= min_bad"
-- sentence   = "On {day}, {addresses|address|addresses} of {network} delivered {messages|message|messages} from {sender_domain|no domain}, none more than {most_per_address}; {bad_addresses} of the addresses were also on a block list, or refused for reputation, spam or a virus."
-- advice     = "Look at one of the messages; if it is spam, block {network} as a whole rather than address by address."
-- thresholds = ["min_addresses", "max_messages", "min_bad"]
-- limit      = 5
-- evidence   = "SELECT sender_domain, day, source, line FROM messages WHERE origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["sender_domain", "day"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), taken AS (
    SELECT strangers.network AS network, messages.sender_domain AS sender_domain, messages.day AS day, messages.client_ip AS client_ip, messages.message AS message,
           messages.sender AS sender, messages.source AS source, messages.line AS line
    FROM messages
    JOIN strangers ON messages.client_ip = strangers.client_ip
    WHERE messages.origin = 'smtp' AND COALESCE(messages.auth_user, '') = '' AND messages.direction = 'inbound' AND messages.sender_domain <> ''
), per_address AS (
    SELECT network, sender_domain, day, client_ip, COUNT(*) AS n FROM taken GROUP BY network, sender_domain, day, client_ip
), spread AS (
    SELECT network, sender_domain, day, COUNT(*) AS addresses, MAX(n) AS most_per_address
    FROM per_address
    GROUP BY network, sender_domain, day
    HAVING COUNT(*) >= 5
), totals AS (
    SELECT spread.network AS network, spread.sender_domain AS sender_domain, spread.day AS day, COUNT(DISTINCT taken.message) AS messages,
           COUNT(DISTINCT taken.sender) AS senders, COUNT(DISTINCT deliveries.recipient) AS recipients, MIN(taken.source * 10000000000 + taken.line) AS place
    FROM spread
    JOIN taken ON spread.network = taken.network AND spread.sender_domain = taken.sender_domain AND spread.day = taken.day
    LEFT JOIN deliveries ON taken.message = deliveries.message
    GROUP BY spread.network, spread.sender_domain, spread.day
), signs AS (
    SELECT client_ip FROM rejections WHERE (cause = 'reputation' OR reason IN ('spam', 'virus')) AND action = 'reject'
    UNION ALL
    SELECT client_ip FROM verdicts WHERE verdict IN ('dnsbl', 'spam', 'virus')
), marked AS (
    SELECT DISTINCT client_ip FROM signs
), bad AS (
    SELECT per_address.network AS network, per_address.sender_domain AS sender_domain, per_address.day AS day, COUNT(*) AS n
    FROM per_address
    JOIN marked ON per_address.client_ip = marked.client_ip
    GROUP BY per_address.network, per_address.sender_domain, per_address.day
)
SELECT spread.network AS network,
       spread.sender_domain AS sender_domain,
       spread.day AS day,
       spread.addresses AS addresses,
       totals.messages AS messages,
       spread.most_per_address AS most_per_address,
       totals.senders AS senders,
       totals.recipients AS recipients,
       CAST(COALESCE(bad.n, 0) AS BIGINT) AS bad_addresses,
       ROUND(CAST(COALESCE(bad.n, 0) AS DOUBLE) / spread.addresses, 4) AS bad_share,
       totals.place AS place
FROM spread
JOIN totals ON spread.network = totals.network AND spread.sender_domain = totals.sender_domain AND spread.day = totals.day
LEFT JOIN bad ON spread.network = bad.network AND spread.sender_domain = bad.sender_domain AND spread.day = bad.day
ORDER BY addresses DESC, network, sender_domain, day
