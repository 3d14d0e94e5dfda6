-- title    = "New forwards to the outside"
-- question = "Which of our addresses began to be forwarded to addresses outside, and since when?"
-- tables   = ["attempts"]
-- limits   = "A forward shows only when mail passes it (`orig_to=`); what a mailbox server redirects on its own (Sieve, Outlook rules) is not seen unless it hands the mail back to Postfix. New is what the first days of these logs do not show."
-- controls = ["ISO/IEC 27001 A.8.12", "ISO/IEC 27001 A.5.14", "NIST SP 800-53 AC-4"]
-- rows     = 20
-- sensitivity = "baseline_days"
-- columns  = [
--   { name = "orig_recipient", kind = "text", about = "address of ours" },
--   { name = "recipient", kind = "text", about = "where it leads to" },
--   { name = "recipient_domain", kind = "text", about = "domain of that" },
--   { name = "first_ts", kind = "time", about = "first mail that passed" },
--   { name = "days_before", kind = "count", about = "whole days of these logs before it" },
--   { name = "seen_before", kind = "count", about = "messages to the address of ours in that time that did not go there" },
--   { name = "messages", kind = "count", about = "messages that passed" },
--   { name = "new_domain", kind = "flag", about = "nothing was forwarded to the domain before" },
--   { name = "last_ts", kind = "time", about = "last mail that passed" },
--   { name = "place", kind = "place", about = "line of the first in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "attempts"
-- where   = "orig_recipient IS NOT NULL"
-- or      = ["sessions"]
-- missing = "the logs hold no delivery that names the address before an alias"
-- remedy  = "the log of the server that expands aliases, at level info of the facility mail"
--
-- [params.baseline_days]
-- default = 14
-- unit    = "days"
-- source  = "mtaudit"
-- about   = "days of logs that must lie before a forward so that it counts as new"
--
-- [params.min_seen]
-- default = 1
-- unit    = "messages"
-- source  = "mtaudit: only who was seen without the forward can have a new one"
-- about   = "messages that reached the address without the forward in that time"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "days_before >= baseline_days AND seen_before >= min_seen AND new_domain"
-- sentence   = "Since {first_ts}, mail for {orig_recipient} has gone to {recipient} ({messages|message|messages}). In the {days_before|day|days} before, {seen_before|message|messages} to this address did not, and nothing was forwarded to {recipient_domain}."
-- advice     = "Ask the owner of {orig_recipient} whether the forward is wanted, as thieves of accounts set such forwards to read on after the password is changed."
-- thresholds = ["baseline_days", "min_seen"]
-- limit      = 10
-- evidence   = "SELECT orig_recipient, recipient, source, line FROM attempts WHERE orig_recipient <> recipient"
-- keys       = ["orig_recipient", "recipient"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "days_before >= baseline_days AND seen_before >= min_seen"
-- sentence   = "Since {first_ts}, mail for {orig_recipient} has gone to {recipient} ({messages|message|messages}). In the {days_before|day|days} before, {seen_before|message|messages} to this address did not."
-- advice     = "Ask the owner of {orig_recipient} whether the forward is wanted, and remove it if not."
-- thresholds = ["baseline_days", "min_seen"]
-- limit      = 5
-- evidence   = "SELECT orig_recipient, recipient, source, line FROM attempts WHERE orig_recipient <> recipient"
-- keys       = ["orig_recipient", "recipient"]
WITH begun AS (
    SELECT MIN(minute) AS minute FROM attempts
), ours AS (
    SELECT DISTINCT recipient_domain AS domain FROM attempts WHERE transport IN ('lmtp', 'local', 'virtual', 'pipe') AND status = 'delivered' AND recipient_domain <> ''
), aliased AS (
    SELECT message, orig_recipient, recipient, recipient_domain, ts, minute, source, line
    FROM attempts
    WHERE orig_recipient <> recipient AND recipient <> '' AND status IN ('delivered', 'forwarded', 'deferred')
), outward AS (
    SELECT aliased.message AS message, aliased.orig_recipient AS orig_recipient, aliased.recipient AS recipient, aliased.recipient_domain AS recipient_domain,
           aliased.ts AS ts, aliased.minute AS minute, aliased.source AS source, aliased.line AS line
    FROM aliased
    LEFT JOIN ours ON aliased.recipient_domain = ours.domain
    WHERE ours.domain IS NULL AND aliased.recipient_domain <> ''
), pairs AS (
    SELECT orig_recipient, recipient, recipient_domain, MIN(ts) AS first_ts, MIN(minute) AS minute, COUNT(DISTINCT message) AS messages, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM outward
    GROUP BY orig_recipient, recipient, recipient_domain
), domains AS (
    SELECT recipient_domain, MIN(first_ts) AS first_ts FROM pairs GROUP BY recipient_domain
), reached AS (
    -- Every message to the address of ours: as itself, or before an alias.
    SELECT message, recipient AS address, minute FROM attempts WHERE orig_recipient IS NULL
    UNION ALL
    SELECT message, orig_recipient AS address, minute FROM attempts WHERE orig_recipient IS NOT NULL
), earlier AS (
    SELECT pairs.orig_recipient AS orig_recipient, pairs.recipient AS recipient, COUNT(DISTINCT reached.message) AS n
    FROM pairs
    JOIN reached ON pairs.orig_recipient = reached.address
    WHERE reached.minute < pairs.minute
    GROUP BY pairs.orig_recipient, pairs.recipient
)
SELECT pairs.orig_recipient AS orig_recipient,
       pairs.recipient AS recipient,
       pairs.recipient_domain AS recipient_domain,
       pairs.first_ts AS first_ts,
       CAST(FLOOR(CAST(pairs.minute - begun.minute AS DOUBLE) / 1440) AS BIGINT) AS days_before,
       CAST(COALESCE(earlier.n, 0) AS BIGINT) AS seen_before,
       pairs.messages AS messages,
       domains.first_ts = pairs.first_ts AS new_domain,
       pairs.last_ts AS last_ts,
       pairs.place AS place
FROM pairs
CROSS JOIN begun
JOIN domains ON pairs.recipient_domain = domains.recipient_domain
LEFT JOIN earlier ON pairs.orig_recipient = earlier.orig_recipient AND pairs.recipient = earlier.recipient
ORDER BY first_ts DESC, orig_recipient, recipient
