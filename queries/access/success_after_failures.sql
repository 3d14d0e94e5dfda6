-- title    = "Logins that worked after many failures"
-- question = "Did a password guess succeed?"
-- tables   = ["logins", "sources"]
-- limits   = "Failures count when they come in a row, with no success of the same account (or from the same address) between. People mistype passwords too: a login from an address that the account had used before weighs less. Of one line that sums up many tries, at most 10 count. A pattern, not proof."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 20
-- sensitivity = "min_failures"
-- columns  = [
--   { name = "ts", kind = "time", about = "when the login worked" },
--   { name = "host", kind = "text", about = "our server" },
--   { name = "service", kind = "text", about = "service that asked for the login" },
--   { name = "auth_user", kind = "text", about = "account that logged in; empty when the line names none" },
--   { name = "client_ip", kind = "text", about = "address it logged in from" },
--   { name = "account_failures", kind = "count", about = "failures in a row of this account before, from any address; 0 when too few or too long ago" },
--   { name = "address_failures", kind = "count", about = "failures in a row from this address before, for any account; 0 when too few or too long ago" },
--   { name = "failures", kind = "count", about = "the larger of the two" },
--   { name = "used_before", kind = "flag", about = "the account had logged in from this address earlier in the logs, before the window: what came within it belongs to the same tries" },
--   { name = "row_source", kind = "count", about = "number of the source of the login's line (see evidence/sources)" },
--   { name = "row_line", kind = "count", about = "number of the line" },
--   { name = "place", kind = "text", about = "the same as file:line" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "success"
-- missing = "the logs hold no successful login, so whether a guess worked cannot be told"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.min_failures]
-- default = 5
-- unit    = "failures"
-- source  = "Elastic: 5 failures, then success (Windows logons); fail2ban: maxretry = 5"
-- about   = "failures in a row from which a login is listed"
--
-- [params.window_minutes]
-- default = 10
-- unit    = "minutes"
-- source  = "fail2ban jail.conf: findtime = 10m"
-- about   = "time before the login within which the last of so many failures must lie"
--
-- [[findings]]
-- severity   = "high"
-- when       = "auth_user = '' AND NOT used_before"
-- sentence   = "On {ts}, someone logged in from {client_ip} after {address_failures|failure|failures} in a row from this address; the line names no account. This fits a guessed password; it is a pattern, not proof."
-- advice     = "Look at the sessions of {client_ip} around {ts}, in Dovecot's log as well, for the account that logged in, and ask its owner whether it was they; if not, change the password and block the address."
-- thresholds = ["min_failures", "window_minutes"]
-- limit      = 10
-- evidence   = """
-- SELECT auth_user, client_ip, source, line FROM logins WHERE NOT success AND credentials
-- UNION ALL
-- SELECT auth_user, client_ip, source, line
-- FROM (SELECT DISTINCT ON (auth_user, client_ip) auth_user, client_ip, ts, source, line FROM logins WHERE success ORDER BY auth_user, client_ip, ts, source, line) AS firsts"""
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "high"
-- when       = "NOT used_before AND account_failures > 0"
-- sentence   = "On {ts}, {auth_user} logged in from {client_ip|an address that is not logged} after {account_failures|failure|failures} in a row of this account. From earlier than {params.window_minutes|minute|minutes} before, these logs hold no login of it from this address. This fits a guessed password; it is a pattern, not proof."
-- advice     = "Ask {auth_user} by phone whether the login from {client_ip|there} was theirs; if not, change the password, end the open sessions, and look for mail sent and forwards set since {ts}."
-- thresholds = ["min_failures", "window_minutes"]
-- limit      = 10
-- evidence   = """
-- SELECT auth_user, client_ip, source, line FROM logins WHERE NOT success AND credentials
-- UNION ALL
-- SELECT auth_user, client_ip, source, line
-- FROM (SELECT DISTINCT ON (auth_user, client_ip) auth_user, client_ip, ts, source, line FROM logins WHERE success ORDER BY auth_user, client_ip, ts, source, line) AS firsts"""
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "high"
-- when       = "NOT used_before AND address_failures > 0"
-- sentence   = "On {ts}, {auth_user} logged in from {client_ip} after {address_failures|failure|failures} in a row from this address. From earlier than {params.window_minutes|minute|minutes} before, these logs hold no login of this account from there. This fits a guessed password; it is a pattern, not proof."
-- advice     = "Ask {auth_user} by phone whether the login from {client_ip} was theirs; if not, change the password, block the address, and look at the other accounts that it tried."
-- thresholds = ["min_failures", "window_minutes"]
-- limit      = 10
-- evidence   = """
-- SELECT auth_user, client_ip, source, line FROM logins WHERE NOT success AND credentials
-- UNION ALL
-- SELECT auth_user, client_ip, source, line
-- FROM (SELECT DISTINCT ON (auth_user, client_ip) auth_user, client_ip, ts, source, line FROM logins WHERE success ORDER BY auth_user, client_ip, ts, source, line) AS firsts"""
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "account_failures > 0"
-- sentence   = "On {ts}, {auth_user} logged in from {client_ip|an address that is not logged} after {account_failures|failure|failures} in a row of this account. The account had used this address before, so a mistyped or changed password is likely."
-- advice     = "There is nothing to do unless it recurs; then look for a device of {auth_user} that still has the old password."
-- thresholds = ["min_failures", "window_minutes"]
-- limit      = 5
-- evidence   = """
-- SELECT auth_user, client_ip, source, line FROM logins WHERE NOT success AND credentials
-- UNION ALL
-- SELECT auth_user, client_ip, source, line
-- FROM (SELECT DISTINCT ON (auth_user, client_ip) auth_user, client_ip, ts, source, line FROM logins WHERE success ORDER BY auth_user, client_ip, ts, source, line) AS firsts"""
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "address_failures > 0"
-- sentence   = "On {ts}, {auth_user|an account that the line does not name} logged in from {client_ip} after {address_failures|failure|failures} in a row from this address. It had used this address before, so a mistyped or changed password is likely."
-- advice     = "There is nothing to do unless it recurs; then look at {client_ip} for a device that still has an old password."
-- thresholds = ["min_failures", "window_minutes"]
-- limit      = 5
-- evidence   = """
-- SELECT auth_user, client_ip, source, line FROM logins WHERE NOT success AND credentials
-- UNION ALL
-- SELECT auth_user, client_ip, source, line
-- FROM (SELECT DISTINCT ON (auth_user, client_ip) auth_user, client_ip, ts, source, line FROM logins WHERE success ORDER BY auth_user, client_ip, ts, source, line) AS firsts"""
-- keys       = ["client_ip"]
WITH more AS (
    SELECT CAST(v.n AS BIGINT) AS n FROM (VALUES (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS v(n)
), tries AS (
    -- One row a try: a line that sums up several counts as several.
    SELECT auth_user, client_ip, ts, minute, success, host, service, source, line, CAST(1 AS BIGINT) AS n
    FROM logins
    WHERE success OR credentials
    UNION ALL
    SELECT logins.auth_user AS auth_user, logins.client_ip AS client_ip, logins.ts AS ts, logins.minute AS minute, logins.success AS success,
           logins.host AS host, logins.service AS service, logins.source AS source, logins.line AS line, more.n AS n
    FROM logins
    CROSS JOIN more
    WHERE NOT logins.success AND logins.credentials AND logins.attempts >= more.n
), keyed AS (
    SELECT 'account' AS basis, auth_user AS who, auth_user, client_ip, ts, minute, success, host, service, source, line, n
    FROM tries
    WHERE auth_user <> ''
    UNION ALL
    SELECT 'address' AS basis, client_ip AS who, auth_user, client_ip, ts, minute, success, host, service, source, line, n
    FROM tries
    WHERE client_ip <> ''
), winners AS (
    -- Whoever never got in needs no counting, which leaves out nearly all of an attack.
    SELECT DISTINCT basis, who FROM keyed WHERE success
), tried AS (
    SELECT keyed.basis AS basis, keyed.who AS who, keyed.auth_user AS auth_user, keyed.client_ip AS client_ip, keyed.ts AS ts, keyed.minute AS minute,
           keyed.success AS success, keyed.host AS host, keyed.service AS service, keyed.source AS source, keyed.line AS line, keyed.n AS n
    FROM keyed
    JOIN winners ON keyed.basis = winners.basis AND keyed.who = winners.who
), counted AS (
    SELECT basis, who, auth_user, client_ip, ts, minute, success, host, service, source, line, n,
           CAST(SUM(CASE WHEN success THEN 0 ELSE 1 END) OVER (PARTITION BY basis, who ORDER BY ts, source, line, n) AS BIGINT) AS failed
    FROM tried
), wins AS (
    SELECT basis, who, auth_user, client_ip, ts, minute, host, service, source, line, failed,
           failed - COALESCE(LAG(failed) OVER (PARTITION BY basis, who ORDER BY ts, source, line), 0) AS streak
    FROM counted
    WHERE success
), candidates AS (
    -- The failure that must lie within the window: the min_failures-th before the success.
    SELECT wins.basis AS basis, wins.who AS who, wins.auth_user AS auth_user, wins.client_ip AS client_ip, wins.ts AS ts, wins.minute AS minute,
           wins.host AS host, wins.service AS service, wins.source AS source, wins.line AS line, wins.streak AS streak,
           wins.failed - params.min_failures + 1 AS decisive,
           params.window_minutes AS window_minutes
    FROM wins
    CROSS JOIN params
    WHERE wins.streak >= params.min_failures
), failures AS (
    SELECT basis, who, failed, minute FROM counted WHERE NOT success
), hits AS (
    SELECT candidates.auth_user AS auth_user, candidates.client_ip AS client_ip, candidates.ts AS ts,
           candidates.minute - candidates.window_minutes AS habit_before, candidates.host AS host, candidates.service AS service, candidates.source AS source, candidates.line AS line,
           CASE WHEN candidates.basis = 'account' THEN candidates.streak ELSE 0 END AS account_failures,
           CASE WHEN candidates.basis = 'address' THEN candidates.streak ELSE 0 END AS address_failures,
           candidates.streak AS streak
    FROM candidates
    JOIN failures ON candidates.basis = failures.basis AND candidates.who = failures.who AND candidates.decisive = failures.failed
    WHERE candidates.minute - failures.minute <= candidates.window_minutes
), found AS (
    SELECT ts, COALESCE(host, '') AS host, COALESCE(service, '') AS service, COALESCE(auth_user, '') AS auth_user, COALESCE(client_ip, '') AS client_ip, source, line,
           MAX(account_failures) AS account_failures,
           MAX(address_failures) AS address_failures,
           MAX(streak) AS failures,
           MIN(habit_before) AS habit_before
    FROM hits
    GROUP BY ts, COALESCE(host, ''), COALESCE(service, ''), COALESCE(auth_user, ''), COALESCE(client_ip, ''), source, line
), known AS (
    -- A login within the window before is part of the same attack, and no habit.
    SELECT COALESCE(auth_user, '') AS auth_user, COALESCE(client_ip, '') AS client_ip, MIN(minute) AS first_minute
    FROM logins
    WHERE success
    GROUP BY COALESCE(auth_user, ''), COALESCE(client_ip, '')
)
SELECT found.ts AS ts,
       found.host AS host,
       found.service AS service,
       found.auth_user AS auth_user,
       found.client_ip AS client_ip,
       found.account_failures AS account_failures,
       found.address_failures AS address_failures,
       found.failures AS failures,
       COALESCE(known.first_minute < found.habit_before, FALSE) AS used_before,
       found.source AS row_source,
       found.line AS row_line,
       CASE WHEN sources.member IS NULL THEN CONCAT(sources.path, ':', CAST(found.line AS VARCHAR))
            ELSE CONCAT(sources.path, '!/', sources.member, ':', CAST(found.line AS VARCHAR)) END AS place
FROM found
LEFT JOIN known ON found.auth_user = known.auth_user AND found.client_ip = known.client_ip
LEFT JOIN sources ON found.source = sources.source
ORDER BY ts, row_source, row_line
