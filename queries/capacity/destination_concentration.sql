-- title    = "Providers that our mail depends on"
-- question = "How much of our outbound mail goes to each large provider, and would one of them refusing us hurt?"
-- tables   = ["deliveries"]
-- limits   = "A provider is told by the name of the host that answered, after a list of the common ones; where no host answered, by the recipient's domain, or it stays on its own. Domains behind a filter of their own count for the filter. Mail within our own domains and hand-overs to our own queue are left out. The concentration index (HHI) is the sum of the squared shares: 1 is a single provider, 0.25 and more is called concentrated."
-- controls = ["ISO/IEC 27001 A.8.6"]
-- rows     = 20
-- sensitivity = "top_share"
-- columns  = [
--   { name = "rank", kind = "count", about = "by deliveries" },
--   { name = "provider", kind = "text", about = "provider, or the domain where none is known" },
--   { name = "deliveries", kind = "count", about = "message and recipient pairs" },
--   { name = "share", kind = "share", about = "of all outbound deliveries" },
--   { name = "up_to", kind = "share", about = "share of this and all larger ones together" },
--   { name = "domains", kind = "count", about = "different recipient domains" },
--   { name = "delivered", kind = "count", about = "of the deliveries succeeded" },
--   { name = "failed", kind = "count", about = "of them bounced or expired" },
--   { name = "bytes", kind = "bytes", about = "size of what was delivered" },
--   { name = "bytes_share", kind = "share", about = "of all bytes delivered outbound" },
--   { name = "all_deliveries", kind = "count", about = "all outbound deliveries: the denominator (the same on every row)" },
--   { name = "hhi", kind = "number", about = "concentration index over all providers (the same on every row)" },
-- ]
--
-- [[needs]]
-- table   = "deliveries"
-- where   = "direction IN ('outbound', 'relayed') AND outcome IN ('delivered', 'bounced', 'expired', 'open')"
-- missing = "the logs hold no delivery to the outside"
-- remedy  = "the log of the server that sends to the outside, and `--local-domain` for each of our domains"
--
-- [params.top]
-- default = 100
-- unit    = "providers"
-- source  = "mtaudit"
-- about   = "providers listed"
--
-- [params.top_share]
-- default = 0.5
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of one provider from which it is noted"
--
-- [params.min_deliveries]
-- default = 200
-- unit    = "deliveries"
-- source  = "mtaudit"
-- about   = "outbound deliveries below which nothing is concluded"
--
-- [chart]
-- kind  = "bar"
-- x     = "provider"
-- y     = ["share"]
-- label = "share of outbound deliveries"
--
-- [[findings]]
-- severity   = "low"
-- when       = "rank = 1 AND all_deliveries >= min_deliveries AND share >= top_share"
-- sentence   = "{share} of our outbound mail went to {provider|a provider that is not known} ({deliveries} of {all_deliveries|delivery|deliveries}, to {domains|domain|domains}; concentration index {hhi}). Should this provider throttle or block us, so much of our mail would stand still."
-- advice     = "Register with the postmaster pages of {provider}, watch what it answers (delivery/by_destination), and send bulk mail from another address than the mail of people."
-- thresholds = ["top_share", "min_deliveries"]
-- evidence   = "SELECT source, line FROM deliveries WHERE direction IN ('outbound', 'relayed') AND outcome IN ('delivered', 'bounced', 'expired', 'open')"
-- keys       = []
WITH known AS (
    -- Ends of the names of mail exchangers and of domains.
    SELECT v.tail AS tail, v.provider AS provider
    FROM (VALUES
        ('.google.com', 'Google'), ('.googlemail.com', 'Google'), ('.gmail.com', 'Google'), ('.psmtp.com', 'Google'),
        ('.outlook.com', 'Microsoft'), ('.hotmail.com', 'Microsoft'), ('.live.com', 'Microsoft'), ('.msn.com', 'Microsoft'), ('.mx.microsoft', 'Microsoft'),
        ('.yahoodns.net', 'Yahoo'), ('.yahoo.com', 'Yahoo'), ('.aol.com', 'Yahoo'),
        ('.icloud.com', 'Apple'), ('.me.com', 'Apple'), ('.mac.com', 'Apple'),
        ('.web.de', 'GMX and WEB.DE'), ('.gmx.net', 'GMX and WEB.DE'), ('.gmx.de', 'GMX and WEB.DE'), ('.gmx.com', 'GMX and WEB.DE'), ('.mail.com', 'GMX and WEB.DE'),
        ('.kundenserver.de', 'IONOS'), ('.ionos.com', 'IONOS'), ('.ionos.de', 'IONOS'), ('.1and1.com', 'IONOS'), ('.perfora.net', 'IONOS'),
        ('.t-online.de', 'Telekom'), ('.telekom.de', 'Telekom'), ('.freenet.de', 'freenet'), ('.strato.de', 'Strato'), ('.rzone.de', 'Strato'),
        ('.mailbox.org', 'mailbox.org'), ('.posteo.de', 'Posteo'), ('.hosteurope.de', 'Host Europe'), ('.your-server.de', 'Hetzner'), ('.kasserver.com', 'All-Inkl'),
        ('.ovh.net', 'OVH'), ('.gandi.net', 'Gandi'), ('.infomaniak.ch', 'Infomaniak'), ('.bluewin.ch', 'Swisscom'), ('.hostpoint.ch', 'Hostpoint'),
        ('.orange.fr', 'Orange'), ('.wanadoo.fr', 'Orange'), ('.free.fr', 'Free'), ('.sfr.fr', 'SFR'), ('.laposte.net', 'La Poste'),
        ('.libero.it', 'Libero'), ('.aruba.it', 'Aruba'), ('.tiscali.it', 'Tiscali'), ('.virgilio.it', 'Libero'),
        ('.seznam.cz', 'Seznam'), ('.wp.pl', 'WP'), ('.onet.pl', 'Onet'), ('.o2.pl', 'WP'), ('.interia.pl', 'Interia'),
        ('.mail.ru', 'Mail.ru'), ('.yandex.ru', 'Yandex'), ('.yandex.net', 'Yandex'), ('.rambler.ru', 'Rambler'), ('.ukr.net', 'ukr.net'),
        ('.qq.com', 'Tencent'), ('.163.com', 'NetEase'), ('.netease.com', 'NetEase'), ('.126.com', 'NetEase'), ('.aliyun.com', 'Alibaba'), ('.mxhichina.com', 'Alibaba'),
        ('.naver.com', 'Naver'), ('.daum.net', 'Kakao'), ('.zoho.com', 'Zoho'), ('.zoho.eu', 'Zoho'),
        ('.comcast.net', 'Comcast'), ('.charter.net', 'Charter'), ('.cox.net', 'Cox'), ('.att.net', 'AT&T'), ('.verizon.net', 'Yahoo'),
        ('.btinternet.com', 'BT'), ('.virginmedia.com', 'Virgin Media'), ('.bigpond.com', 'Telstra'), ('.telenet.be', 'Telenet'), ('.ziggo.nl', 'Ziggo'), ('.kpnmail.nl', 'KPN'),
        ('.pphosted.com', 'Proofpoint'), ('.ppe-hosted.com', 'Proofpoint'), ('.mimecast.com', 'Mimecast'), ('.messagelabs.com', 'Broadcom'), ('.barracudanetworks.com', 'Barracuda'),
        ('.iphmx.com', 'Cisco'), ('.trendmicro.com', 'Trend Micro'), ('.trendmicro.eu', 'Trend Micro'), ('.hornetsecurity.com', 'Hornetsecurity'), ('.antispameurope.com', 'Hornetsecurity'),
        ('.mailcontrol.com', 'Forcepoint'), ('.retarus.com', 'Retarus'), ('.sophos.com', 'Sophos'), ('.fireeyecloud.com', 'Trellix'), ('.spamexperts.com', 'SpamExperts'), ('.spamexperts.eu', 'SpamExperts'),
        ('.emailsrvr.com', 'Rackspace'), ('.secureserver.net', 'GoDaddy'), ('.registrar-servers.com', 'Namecheap'), ('.privateemail.com', 'Namecheap'), ('.messagingengine.com', 'Fastmail'),
        ('.protonmail.ch', 'Proton'), ('.proton.me', 'Proton'), ('.amazonaws.com', 'Amazon'), ('.mailgun.org', 'Mailgun'), ('.sendgrid.net', 'SendGrid')
    ) AS v(tail, provider)
), sent AS (
    SELECT COALESCE(relay_name, '') AS relay_name, COALESCE(recipient_domain, '') AS recipient_domain, outcome, size
    FROM deliveries
    WHERE direction IN ('outbound', 'relayed') AND outcome IN ('delivered', 'bounced', 'expired', 'open')
), pairs AS (
    SELECT CAST(relay_name AS VARCHAR) AS relay_name, CAST(recipient_domain AS VARCHAR) AS recipient_domain,
           CAST(COUNT(*) AS BIGINT) AS deliveries,
           CAST(COUNT(*) FILTER (WHERE outcome = 'delivered') AS BIGINT) AS delivered,
           CAST(COUNT(*) FILTER (WHERE outcome IN ('bounced', 'expired')) AS BIGINT) AS failed,
           CAST(COALESCE(SUM(CASE WHEN outcome = 'delivered' THEN size END), 0) AS BIGINT) AS bytes
    FROM sent
    GROUP BY CAST(relay_name AS VARCHAR), CAST(recipient_domain AS VARCHAR)
), names AS (
    SELECT DISTINCT relay_name AS name FROM pairs
    UNION
    SELECT DISTINCT recipient_domain AS name FROM pairs
), providers AS (
    -- The longest end of a name counts; a dot before the name lets a domain itself match.
    SELECT names.name AS name, MAX(known.provider) AS provider
    FROM names
    CROSS JOIN known
    WHERE RIGHT(CONCAT('.', LOWER(names.name)), LENGTH(known.tail)) = known.tail
    GROUP BY names.name
), of_domain AS (
    -- The provider that answered most for a domain, for those of its deliveries that no host answered.
    SELECT recipient_domain, provider, ROW_NUMBER() OVER (PARTITION BY recipient_domain ORDER BY -deliveries, provider) AS no
    FROM (
        SELECT pairs.recipient_domain AS recipient_domain, providers.provider AS provider, CAST(SUM(pairs.deliveries) AS BIGINT) AS deliveries
        FROM pairs
        JOIN providers ON pairs.relay_name = providers.name
        GROUP BY pairs.recipient_domain, providers.provider
    ) AS answered
), named AS (
    SELECT COALESCE(by_relay.provider, by_answer.provider, by_domain.provider, pairs.recipient_domain) AS provider,
           pairs.recipient_domain AS recipient_domain, pairs.deliveries AS deliveries, pairs.delivered AS delivered, pairs.failed AS failed, pairs.bytes AS bytes
    FROM pairs
    LEFT JOIN providers AS by_relay ON pairs.relay_name = by_relay.name
    LEFT JOIN (SELECT recipient_domain, provider FROM of_domain WHERE no = 1) AS by_answer ON pairs.recipient_domain = by_answer.recipient_domain
    LEFT JOIN providers AS by_domain ON pairs.recipient_domain = by_domain.name
), summed AS (
    SELECT provider,
           CAST(SUM(deliveries) AS BIGINT) AS deliveries,
           CAST(COUNT(DISTINCT recipient_domain) AS BIGINT) AS domains,
           CAST(SUM(delivered) AS BIGINT) AS delivered,
           CAST(SUM(failed) AS BIGINT) AS failed,
           CAST(SUM(bytes) AS BIGINT) AS bytes
    FROM named
    GROUP BY provider
), whole AS (
    -- Squares of whole numbers: their sum does not depend on the order of the rows.
    SELECT CAST(SUM(deliveries) AS BIGINT) AS deliveries, CAST(SUM(bytes) AS BIGINT) AS bytes, SUM(deliveries * deliveries) AS squares
    FROM summed
), ranked AS (
    SELECT provider, deliveries, domains, delivered, failed, bytes, ROW_NUMBER() OVER (ORDER BY -deliveries, provider) AS rank
    FROM summed
), running AS (
    SELECT rank, provider, deliveries, domains, delivered, failed, bytes, SUM(deliveries) OVER (ORDER BY rank) AS up_to
    FROM ranked
)
SELECT running.rank AS rank,
       running.provider AS provider,
       running.deliveries AS deliveries,
       ROUND(CAST(running.deliveries AS DOUBLE) / whole.deliveries, 4) AS share,
       ROUND(CAST(running.up_to AS DOUBLE) / whole.deliveries, 4) AS up_to,
       running.domains AS domains,
       running.delivered AS delivered,
       running.failed AS failed,
       running.bytes AS bytes,
       CASE WHEN whole.bytes > 0 THEN ROUND(CAST(running.bytes AS DOUBLE) / whole.bytes, 4) END AS bytes_share,
       whole.deliveries AS all_deliveries,
       ROUND(CAST(whole.squares AS DOUBLE) / whole.deliveries / whole.deliveries, 4) AS hhi
FROM running
CROSS JOIN whole
CROSS JOIN params
WHERE running.rank <= params.top
ORDER BY rank
