-- title    = "Mail relayed for strangers"
-- question = "Did our server pass on mail of strangers to recipients that are not ours?"
-- tables   = ["attempts", "messages", "rejections"]
-- limits   = "Local domains are those given, or those delivered to here. Mail for domains that we relay by design (transport `relay`), forwards by aliases, null senders and bounces are left out. A client that also sends in our name without a login is taken for a machine of ours that may relay: name such networks in mtaudit.toml to be sure."
-- controls = ["ISO/IEC 27001 A.8.20", "ISO/IEC 27001 A.8.16", "NIST SP 800-53 SC-7"]
-- rows     = 15
-- sensitivity = "min_messages"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "messages", kind = "count", about = "its messages from outside to outside, without login, that were delivered" },
--   { name = "recipients", kind = "count", about = "different recipients of these" },
--   { name = "senders", kind = "count", about = "different senders of these" },
--   { name = "accepted", kind = "count", about = "messages accepted from the client without login" },
--   { name = "in_our_name", kind = "count", about = "of these, sent under a domain of ours to the outside: what a machine of ours does" },
--   { name = "refused", kind = "count", about = "recipients refused to it as relaying" },
--   { name = "first_ts", kind = "time", about = "first of the messages" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of the first of them in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "origin IN ('smtp', 'submission')"
-- missing = "the logs hold no message that came in by SMTP"
-- remedy  = "lines of smtpd, cleanup and qmgr at level info of the facility mail"
--
-- [params.min_messages]
-- default = 1
-- unit    = "messages"
-- source  = "RFC 5321 7.9; SendmailAnalyzer lists external to external"
-- about   = "messages relayed for a stranger from which the server is open"
--
-- [[findings]]
-- severity   = "high"
-- when       = "messages >= min_messages AND in_our_name = 0"
-- sentence   = "{client_ip} ({client_name|unknown}) passed mail through our server without login, from outside to outside: {messages} of {accepted|message|messages} accepted, from {senders|sender|different senders} to {recipients|recipient|recipients}, while {refused|recipient was|recipients were} refused as relaying. For this client our server is an open relay."
-- advice     = "Find the rule that lets {client_ip} pass (mynetworks, check_client_access, permit rules before reject_unauth_destination) and close it now; if it is a machine of yours, name it as a relay in mtaudit.toml."
-- thresholds = ["min_messages"]
-- limit      = 10
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE direction = 'relayed' AND origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "messages >= min_messages"
-- sentence   = "{client_ip} ({client_name|unknown}) passed mail from outside to outside without login ({messages} of {accepted|message|messages} accepted), but also sent {in_our_name|message|messages} in our name. It is probably a machine of ours that forwards."
-- advice     = "If {client_ip} is yours, name it as a relay in mtaudit.toml, and see why it sends under domains that are not ours; if not, close the rule that lets it pass."
-- thresholds = ["min_messages"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM messages WHERE direction = 'relayed' AND origin = 'smtp' AND COALESCE(auth_user, '') = ''"
-- keys       = ["client_ip"]
WITH strangers AS (
    SELECT client_ip, network, block FROM clients WHERE kind = 'other'
), taken AS (
    SELECT messages.message AS message, messages.client_ip AS client_ip, messages.client_name AS client_name, messages.sender AS sender,
           messages.direction AS direction, messages.received_ts AS ts, messages.source AS source, messages.line AS line
    FROM messages
    JOIN strangers ON messages.client_ip = strangers.client_ip
    WHERE messages.origin = 'smtp' AND COALESCE(messages.auth_user, '') = ''
), hops AS (
    SELECT message AS hop, message AS root FROM taken WHERE direction = 'relayed' AND sender <> ''
    UNION ALL
    SELECT messages.message AS hop, taken.message AS root
    FROM messages
    JOIN taken ON messages.parent = taken.message
    WHERE messages.origin = 'reinjected' AND taken.direction = 'relayed' AND taken.sender <> ''
), tries AS (
    SELECT hops.root AS message, attempts.recipient AS recipient, attempts.orig_recipient AS orig_recipient, attempts.status AS status,
           attempts.transport AS transport, attempts.relay_ip AS relay_ip
    FROM hops
    JOIN attempts ON hops.hop = attempts.message
), aliased AS (
    -- An alias of ours led outside: that is a forward.
    SELECT DISTINCT message, recipient FROM tries WHERE orig_recipient <> recipient
), passed AS (
    SELECT tries.message AS message, tries.recipient AS recipient
    FROM tries
    LEFT JOIN aliased ON tries.message = aliased.message AND tries.recipient = aliased.recipient
    WHERE tries.status = 'delivered' AND tries.relay_ip IS NOT NULL AND aliased.message IS NULL
      AND tries.transport NOT IN ('relay', 'relay/smtp', 'lmtp', 'local', 'virtual', 'pipe', 'discard')
), relayed AS (
    SELECT taken.client_ip AS client_ip, COUNT(DISTINCT taken.message) AS messages, COUNT(DISTINCT passed.recipient) AS recipients, COUNT(DISTINCT taken.sender) AS senders,
           MIN(taken.ts) AS first_ts, MAX(taken.ts) AS last_ts, MIN(taken.source * 10000000000 + taken.line) AS place
    FROM taken
    JOIN passed ON taken.message = passed.message
    GROUP BY taken.client_ip
), by_client AS (
    SELECT client_ip, MAX(client_name) AS client_name, COUNT(*) AS accepted, COUNT(*) FILTER (WHERE direction = 'outbound') AS in_our_name
    FROM taken
    GROUP BY client_ip
), refused AS (
    SELECT client_ip, COUNT(*) AS n FROM rejections WHERE reason = 'relay-denied' GROUP BY client_ip
)
SELECT relayed.client_ip AS client_ip,
       by_client.client_name AS client_name,
       relayed.messages AS messages,
       relayed.recipients AS recipients,
       relayed.senders AS senders,
       by_client.accepted AS accepted,
       by_client.in_our_name AS in_our_name,
       CAST(COALESCE(refused.n, 0) AS BIGINT) AS refused,
       relayed.first_ts AS first_ts,
       relayed.last_ts AS last_ts,
       relayed.place AS place
FROM relayed
JOIN by_client ON relayed.client_ip = by_client.client_ip
LEFT JOIN refused ON relayed.client_ip = refused.client_ip
ORDER BY messages DESC, client_ip
