-- title    = "Accounts that write under other names"
-- question = "Which accounts sent, or tried to send, under a name that is not that of the login?"
-- tables   = ["deliveries", "messages", "rejections", "sessions"]
-- limits   = "Shared mailboxes, aliases and applications write under other names by right. Domains are ours when mail for them is delivered here. A login that is no address counts the domain of its first message as its own. Refusals name the login only when the server says so (`not owned by user`)."
-- controls = ["ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "NIST SP 800-53 SI-4"]
-- rows     = 15
-- sensitivity = "min_refused"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "sender_domain", kind = "text", about = "domain of the envelope sender" },
--   { name = "ours", kind = "flag", about = "mail for this domain is delivered here" },
--   { name = "senders", kind = "count", about = "different senders other than the login" },
--   { name = "example", kind = "text", about = "one of them, the first by the alphabet" },
--   { name = "messages", kind = "count", about = "messages accepted under such a name" },
--   { name = "all_messages", kind = "count", about = "messages of the account in all" },
--   { name = "refused", kind = "count", about = "recipients refused because the sender is not the account's own" },
--   { name = "first_ts", kind = "time", about = "first message or refusal" },
--   { name = "last_ts", kind = "time", about = "last message or refusal" },
--   { name = "place", kind = "place", about = "line of the first message or refusal in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "messages"
-- where   = "auth_user <> ''"
-- missing = "the logs hold no message that an account handed in (`sasl_username=`)"
-- remedy  = "the log of the submission server (smtpd on ports 587 and 465), at level info of the facility mail"
--
-- [params.min_refused]
-- default = 5
-- unit    = "refusals"
-- source  = "mtaudit: one message to several recipients of a mail program set up wrongly"
-- about   = "refusals from which someone tries to forge"
--
-- [params.min_foreign]
-- default = 1
-- unit    = "messages"
-- source  = "RFC 6409 6.1: a submission server may enforce the sender of its users"
-- about   = "messages under a domain that is not ours from which an account is pointed out"
--
-- [params.min_senders]
-- default = 5
-- unit    = "senders"
-- source  = "mtaudit: a person has a few aliases, not more"
-- about   = "different senders of one foreign domain from which it is no alias"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "refused >= min_refused AND NOT ours"
-- sentence   = "{auth_user} tried to send as {example|the null sender}, which is not its own: {refused|recipient was|recipients were} refused, and {messages|message was|messages were} accepted under that domain, of {all_messages} in all. Stolen accounts are used like this."
-- advice     = "Ask the owner of {auth_user}; if nobody set up a mail program with that name, change the password and look at spam/compromised_account."
-- thresholds = ["min_refused"]
-- limit      = 5
-- evidence   = "SELECT SPLIT_PART(reply, 'not owned by user ', 2) AS auth_user, source, line FROM rejections WHERE STRPOS(reply, 'not owned by user ') > 0"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "NOT ours AND messages >= min_foreign AND senders >= min_senders"
-- sentence   = "{auth_user} sent {messages} of its {all_messages|message|messages} under {senders|name|different names} of {sender_domain}, which is none of our domains."
-- advice     = "Find out what {auth_user} is used for, and allow each account its own senders only (Postfix: smtpd_sender_login_maps and reject_sender_login_mismatch)."
-- thresholds = ["min_foreign", "min_senders"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "NOT ours AND messages >= min_foreign"
-- sentence   = "{auth_user} sent {messages} of its {all_messages|message|messages} under {sender_domain}, which is none of our domains (for example from {example|an address not named}). Receivers that check SPF or DMARC may refuse such mail."
-- advice     = "Have the owner of {auth_user} send this mail through the server of {sender_domain}, or add our server to the SPF record and a DKIM key of ours to that domain."
-- thresholds = ["min_foreign"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM messages WHERE auth_user <> '' AND origin <> 'reinjected'"
-- keys       = ["auth_user"]
WITH own AS (
    SELECT message, auth_user, sender, sender_domain, client_ip, received_ts, minute, day, source, line
    FROM messages
    WHERE auth_user <> '' AND origin <> 'reinjected'
), refused AS (
    -- A refusal seldom names the login; its text or its connection may.
    SELECT CASE WHEN STRPOS(rejections.reply, 'not owned by user ') > 0 THEN SPLIT_PART(rejections.reply, 'not owned by user ', 2)
                ELSE CAST(COALESCE(rejections.auth_user, sessions.auth_user) AS VARCHAR) END AS auth_user,
           rejections.sender AS sender, rejections.sender_domain AS sender_domain, rejections.recipient AS recipient, rejections.reason AS reason, rejections.reply AS reply,
           rejections.ts AS ts, rejections.minute AS minute, rejections.source AS source, rejections.line AS line
    FROM rejections
    LEFT JOIN sessions ON rejections.session = sessions.session
    WHERE rejections.action = 'reject'
), ours AS (
    SELECT DISTINCT CAST(recipient_domain AS VARCHAR) AS domain FROM deliveries WHERE direction IN ('inbound', 'internal') AND outcome = 'delivered'
    UNION
    SELECT DISTINCT CAST(sender_domain AS VARCHAR) AS domain FROM own WHERE LOWER(CAST(sender AS VARCHAR)) = LOWER(CAST(auth_user AS VARCHAR))
), first_domains AS (
    SELECT auth_user, domain
    FROM (SELECT auth_user, CAST(sender_domain AS VARCHAR) AS domain, ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY received_ts, source, line) AS no FROM own WHERE sender <> '') AS numbered
    WHERE no = 1 AND STRPOS(CAST(auth_user AS VARCHAR), '@') = 0
), named AS (
    SELECT CAST(own.auth_user AS VARCHAR) AS auth_user, CAST(own.sender AS VARCHAR) AS sender, CAST(own.sender_domain AS VARCHAR) AS sender_domain,
           1 AS taken, own.received_ts AS ts, own.source AS source, own.line AS line
    FROM own
    LEFT JOIN first_domains ON own.auth_user = first_domains.auth_user
    WHERE own.sender <> '' AND LOWER(CAST(own.sender AS VARCHAR)) <> LOWER(CAST(own.auth_user AS VARCHAR))
      AND COALESCE(first_domains.domain, '') <> COALESCE(CAST(own.sender_domain AS VARCHAR), '')
    UNION ALL
    SELECT auth_user, CAST(sender AS VARCHAR) AS sender, CAST(sender_domain AS VARCHAR) AS sender_domain, 0 AS taken, ts, source, line
    FROM refused
    WHERE auth_user <> '' AND STRPOS(reply, 'not owned by user ') > 0 AND sender <> ''
), totals AS (
    SELECT CAST(auth_user AS VARCHAR) AS auth_user, COUNT(*) AS messages FROM own GROUP BY CAST(auth_user AS VARCHAR)
), grouped AS (
    SELECT auth_user, COALESCE(sender_domain, '') AS sender_domain, COUNT(DISTINCT sender) AS senders, MIN(sender) AS example,
           COUNT(*) FILTER (WHERE taken = 1) AS messages, COUNT(*) FILTER (WHERE taken = 0) AS refused, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM named
    GROUP BY auth_user, COALESCE(sender_domain, '')
)
SELECT grouped.auth_user AS auth_user,
       grouped.sender_domain AS sender_domain,
       ours.domain IS NOT NULL AS ours,
       grouped.senders AS senders,
       grouped.example AS example,
       grouped.messages AS messages,
       CAST(COALESCE(totals.messages, 0) AS BIGINT) AS all_messages,
       grouped.refused AS refused,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.place AS place
FROM grouped
LEFT JOIN totals ON grouped.auth_user = totals.auth_user
LEFT JOIN ours ON grouped.sender_domain = ours.domain
ORDER BY refused DESC, messages DESC, auth_user, sender_domain
