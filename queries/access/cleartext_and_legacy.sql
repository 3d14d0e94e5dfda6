-- title    = "Accounts that log in unencrypted or over old TLS"
-- question = "Which accounts log in without encryption, or over a TLS version that is no longer safe?"
-- tables   = ["logins", "sessions"]
-- limits   = "The TLS version is known where the connection's own line is in the logs, which IMAP servers seldom write. Challenge methods (CRAM-MD5 and the like) do not show the password, but whoever listens can try to guess it. Loopback and private addresses are left out: they are judged by those who know the network."
-- controls = ["NIST SP 800-53 SC-8", "ISO/IEC 27001 A.8.24", "PCI DSS 4.2"]
-- rows     = 20
-- sensitivity = "clear_logins"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "service", kind = "text", about = "service that it logs in to" },
--   { name = "channel", kind = "text", about = "clear: no encryption; or the TLS version" },
--   { name = "auth_method", kind = "text", about = "mechanism; empty when not logged" },
--   { name = "logins", kind = "count", about = "such logins" },
--   { name = "all_logins", kind = "count", about = "logins of the account in all" },
--   { name = "addresses", kind = "count", about = "different addresses of such logins" },
--   { name = "first_ts", kind = "time", about = "first such login" },
--   { name = "last_ts", kind = "time", about = "last such login" },
--   { name = "place", kind = "place", about = "line of the first such login in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "success AND tls IS NOT NULL"
-- missing = "the logs hold no successful login of which it is known whether it was encrypted"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.clear_logins]
-- default = 1
-- unit    = "logins"
-- source  = "PCI DSS 4.2: no credentials in clear over open networks"
-- about   = "unencrypted logins from which an account is pointed out"
--
-- [params.legacy_logins]
-- default = 1
-- unit    = "logins"
-- source  = "RFC 8996: TLS 1.0 and 1.1 must not be used"
-- about   = "logins over TLS 1.1 or older from which an account is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "channel = 'clear' AND auth_method NOT IN ('CRAM-MD5', 'DIGEST-MD5', 'NTLM', 'GSSAPI', 'SCRAM-SHA-1', 'SCRAM-SHA-256') AND logins >= clear_logins"
-- sentence   = "{auth_user} logged in to {service|a service that is not named} without encryption {logins|time|times}, from {addresses|address|addresses}, by {auth_method|a method that is not logged} (the account has {all_logins|login|logins} in all). The password could be read on the way."
-- advice     = "Help the owner of {auth_user} to switch the mail program to TLS and then to change the password; refuse unencrypted logins once everybody has moved."
-- thresholds = ["clear_logins"]
-- limit      = 5
-- evidence   = "SELECT auth_user, service, source, line FROM logins WHERE success AND NOT tls"
-- keys       = ["auth_user", "service"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "channel <> 'clear' AND logins >= legacy_logins"
-- sentence   = "{auth_user} logged in to {service|a service that is not named} over {channel}, which is no longer considered safe, {logins|time|times} from {addresses|address|addresses} (the account has {all_logins|login|logins} in all)."
-- advice     = "Find the old device or program of {auth_user} and replace it; once nobody needs it, allow TLS 1.2 and newer only."
-- thresholds = ["legacy_logins"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
WITH won AS (
    SELECT logins.auth_user AS auth_user, COALESCE(logins.service, '') AS service, COALESCE(logins.auth_method, '') AS auth_method,
           CASE WHEN NOT logins.tls THEN 'clear'
                WHEN sessions.tls_version IN ('SSLv2', 'SSLv3', 'TLSv1', 'TLSv1.0', 'TLSv1.1') THEN CAST(sessions.tls_version AS VARCHAR) END AS channel,
           logins.client_ip AS client_ip, logins.ts AS ts, logins.source AS source, logins.line AS line
    FROM logins
    JOIN clients ON logins.client_ip = clients.client_ip
    LEFT JOIN sessions ON logins.session = sessions.session
    WHERE logins.success AND logins.auth_user <> '' AND clients.kind NOT IN ('private', 'trusted')
), totals AS (
    SELECT auth_user, COUNT(*) AS n FROM logins WHERE success AND auth_user <> '' GROUP BY auth_user
), grouped AS (
    SELECT auth_user, service, channel, auth_method, COUNT(*) AS logins, COUNT(DISTINCT client_ip) AS addresses, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM won
    WHERE channel IS NOT NULL
    GROUP BY auth_user, service, channel, auth_method
)
SELECT grouped.auth_user AS auth_user,
       grouped.service AS service,
       grouped.channel AS channel,
       grouped.auth_method AS auth_method,
       grouped.logins AS logins,
       totals.n AS all_logins,
       grouped.addresses AS addresses,
       grouped.first_ts AS first_ts,
       grouped.last_ts AS last_ts,
       grouped.place AS place
FROM grouped
JOIN totals ON grouped.auth_user = totals.auth_user
ORDER BY logins DESC, auth_user, service, channel, auth_method
