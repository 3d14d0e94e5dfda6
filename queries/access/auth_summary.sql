-- title    = "Logins by service"
-- question = "Who logs in where and how, how often does it fail, and is the connection encrypted?"
-- tables   = ["logins"]
-- limits   = "A mail server logs a login for every message sent, an IMAP server for every connection: compare within a service only. Whether a session was encrypted is not always logged. Tries that one line sums up are counted each."
-- controls = ["NIST SP 800-53 AC-7", "NIST SP 800-53 SC-8", "ISO/IEC 27001 A.8.5", "PCI DSS 4.2"]
-- rows     = 30
-- sensitivity = "clear_logins"
-- columns  = [
--   { name = "service", kind = "text", about = "service that asked for the login" },
--   { name = "auth_method", kind = "text", about = "mechanism; empty when not logged" },
--   { name = "encryption", kind = "text", about = "yes, no, or not logged" },
--   { name = "successes", kind = "count", about = "logins that worked" },
--   { name = "failures", kind = "count", about = "tries refused for user, password or mechanism" },
--   { name = "server_failures", kind = "count", about = "tries that failed because of a fault of the server" },
--   { name = "not_checked", kind = "count", about = "tries refused before a password was checked: not offered, not encrypted, or for no logged reason" },
--   { name = "failure_share", kind = "share", about = "failures / (successes + failures)" },
--   { name = "accounts", kind = "count", about = "different accounts that logged in" },
--   { name = "names_tried", kind = "count", about = "different names among the failures" },
--   { name = "clients", kind = "count", about = "different client addresses" },
--   { name = "remote_successes", kind = "count", about = "successes from other machines" },
--   { name = "first_ts", kind = "time", about = "first login or try" },
--   { name = "last_ts", kind = "time", about = "last login or try" },
--   { name = "place", kind = "place", about = "first of the lines counted" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- missing = "the logs hold no authentication line (SASL or Dovecot)"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.clear_logins]
-- default = 1
-- unit    = "logins"
-- source  = "PCI DSS 4.2: no credentials in clear over open networks"
-- about   = "unencrypted logins from other machines from which it is pointed out"
--
-- [params.server_faults]
-- default = 1
-- unit    = "tries"
-- source  = "mtaudit: users see it as their own mistake and try on"
-- about   = "logins failed for a fault of the server from which it is pointed out"
--
-- [[findings]]
-- severity   = "high"
-- when       = "encryption = 'no' AND remote_successes >= clear_logins AND auth_method NOT IN ('CRAM-MD5', 'DIGEST-MD5', 'NTLM', 'GSSAPI', 'SCRAM-SHA-1', 'SCRAM-SHA-256')"
-- sentence   = "Passwords went to {service|a service that is not named} unencrypted: of {successes|such login|such logins} by {auth_method|a method that is not logged}, to {accounts|account|accounts}, {remote_successes} came from other machines. Whoever can listen on the way can read them."
-- advice     = "Let {service|the service} offer logins on encrypted connections only (Postfix: smtpd_tls_auth_only = yes; Dovecot: disable_plaintext_auth = yes, from 2.4 on auth_allow_cleartext = no), help users to change over, and have the passwords of {accounts|account|accounts} changed."
-- thresholds = ["clear_logins"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(service, '') AS service, COALESCE(auth_method, '') AS auth_method, source, line FROM logins WHERE success AND NOT tls"
-- keys       = ["service", "auth_method"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "server_failures >= server_faults"
-- sentence   = "{server_failures|login|logins} to {service|a service that is not named} by {auth_method|a method that is not logged} failed for a fault of the server, not of the user, while {successes} worked (encryption: {encryption})."
-- advice     = "Compare the lines shown with what the server said about itself at that time (evidence/server_events), and repair the password lookup or its connection before users begin to change passwords that were right."
-- thresholds = ["server_faults"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(service, '') AS service, COALESCE(auth_method, '') AS auth_method, source, line FROM logins WHERE NOT success AND NOT credentials AND COALESCE(failure, '') NOT LIKE 'refused without a reason%' AND COALESCE(failure, '') NOT LIKE '%tried to use dis%'"
-- keys       = ["service", "auth_method"]
WITH marked AS (
    -- What only the counter of the disconnect line tells, and a mechanism refused for want of encryption, is no fault of the server.
    SELECT service, auth_method, tls, success, credentials, attempts, auth_user, client_ip, ts, source, line,
           COALESCE(failure LIKE 'refused without a reason%' OR failure LIKE '%tried to use dis%', FALSE) AS unchecked
    FROM logins
), tries AS (
    SELECT COALESCE(service, '') AS service,
           COALESCE(auth_method, '') AS auth_method,
           CASE WHEN tls THEN 'yes' WHEN NOT tls THEN 'no' ELSE 'not logged' END AS encryption,
           success,
           CASE WHEN NOT success AND credentials THEN COALESCE(attempts, 1) ELSE 0 END AS failures,
           CASE WHEN NOT success AND NOT credentials AND NOT unchecked THEN COALESCE(attempts, 1) ELSE 0 END AS server_failures,
           CASE WHEN NOT success AND NOT credentials AND unchecked THEN COALESCE(attempts, 1) ELSE 0 END AS not_checked,
           CASE WHEN success THEN auth_user END AS account,
           CASE WHEN NOT success THEN auth_user END AS name_tried,
           client_ip,
           success AND client_ip IS NOT NULL AND CAST(client_ip AS VARCHAR) NOT LIKE '127.%' AND client_ip <> '::1' AS remote_success,
           ts, source, line
    FROM marked
), grouped AS (
    SELECT service, auth_method, encryption,
           CAST(COUNT(*) FILTER (WHERE success) AS BIGINT) AS successes,
           CAST(SUM(failures) AS BIGINT) AS failures,
           CAST(SUM(server_failures) AS BIGINT) AS server_failures,
           CAST(SUM(not_checked) AS BIGINT) AS not_checked,
           COUNT(DISTINCT account) AS accounts,
           COUNT(DISTINCT name_tried) AS names_tried,
           COUNT(DISTINCT client_ip) AS clients,
           COUNT(*) FILTER (WHERE remote_success) AS remote_successes,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM tries
    GROUP BY service, auth_method, encryption
)
SELECT service, auth_method, encryption, successes, failures, server_failures, not_checked,
       CASE WHEN successes + failures > 0 THEN ROUND(CAST(failures AS DOUBLE) / (successes + failures), 4) END AS failure_share,
       accounts, names_tried, clients, remote_successes, first_ts, last_ts, place
FROM grouped
ORDER BY successes DESC, failures DESC, service, auth_method, encryption
