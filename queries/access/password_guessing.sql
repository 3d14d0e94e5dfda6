-- title    = "Clients guessing passwords"
-- question = "Which clients tried many passwords, and did one work?"
-- aliases  = ["bruteforce_ip"]
-- tables   = ["logins"]
-- limits   = "An address may stand for many machines (an office, a webmail server), and a guesser may use many addresses and stay below the limits. Windows are whole minutes. Not every server logs the names that were tried. A success after failures is a pattern, not proof of a break-in."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "PCI DSS 10.2.1.4"]
-- rows     = 20
-- sensitivity = "max_failures"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client; empty when not logged" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "failures", kind = "count", about = "tries refused for user, password or mechanism" },
--   { name = "accounts", kind = "count", about = "different names tried, as far as logged" },
--   { name = "most_in_window", kind = "count", about = "most failures within the window" },
--   { name = "most_accounts", kind = "count", about = "most different names tried within the window" },
--   { name = "successes_after", kind = "count", about = "successful logins from the address after its first failure" },
--   { name = "successes_before", kind = "count", about = "successful logins from the address before its first failure" },
--   { name = "days", kind = "count", about = "different days with failures" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- missing = "the logs hold no authentication line (SASL or Dovecot)"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.max_failures]
-- default = 5
-- unit    = "failures"
-- source  = "fail2ban jail.conf: maxretry = 5"
-- about   = "failures within the window from which guessing is suspected"
--
-- [params.window_minutes]
-- default = 10
-- unit    = "minutes, at most 60"
-- source  = "fail2ban jail.conf: findtime = 10m"
-- about   = "width of the sliding window"
--
-- [params.spray_accounts]
-- default = 10
-- unit    = "accounts"
-- source  = "Splunk ESCU, o365_multiple_users_failing_to_authenticate_from_ip: more than 10 (there in 5 minutes)"
-- about   = "different names within the window above which one password is probably tried on many accounts"
--
-- [[findings]]
-- severity   = "high"
-- when       = "most_in_window >= max_failures AND successes_after > 0 AND successes_before = 0"
-- sentence   = "{client_ip} failed to log in {most_in_window|time|times} within {params.window_minutes|minute|minutes} ({failures|failure|failures} in all, with {accounts|name|names} logged). After its first failure {successes_after|login|logins} from there worked, and none had before. This fits a guessed password as well as a new user who mistyped it."
-- advice     = "Ask the owners of the accounts that logged in from {client_ip} after the failures whether it was they; if one says no, change the password, end the open sessions, and look at what was sent since (spam/compromised_account)."
-- thresholds = ["max_failures", "window_minutes"]
-- limit      = 5
-- evidence   = """
-- WITH firsts AS (SELECT client_ip, MIN(ts) AS first_ts FROM logins WHERE NOT success AND credentials AND client_ip IS NOT NULL GROUP BY client_ip)
-- SELECT logins.client_ip AS client_ip, logins.source AS source, logins.line AS line
-- FROM logins JOIN firsts ON logins.client_ip = firsts.client_ip
-- WHERE (logins.success OR logins.credentials) AND logins.ts >= firsts.first_ts"""
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_accounts > spray_accounts AND successes_after > 0"
-- sentence   = "{client_ip} failed to log in to {most_accounts|different account|different accounts} within {params.window_minutes|minute|minutes} ({failures|failure|failures} in all); {successes_before|login|logins} from there had worked before the first failure, and {successes_after} did after it. Many users behind one address look alike."
-- advice     = "Find out whether {client_ip} is an office, a webmail server or a gateway: if it is yours, name it as trusted in mtaudit.toml; if not, treat the accounts that logged in from there as taken over."
-- thresholds = ["spray_accounts", "window_minutes"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(client_ip, '') AS client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_accounts > spray_accounts AND successes_after = 0"
-- sentence   = "{client_ip|Clients whose address is not logged} tried {most_accounts|different account|different accounts} within {params.window_minutes|minute|minutes} ({failures|failure|failures} in all). No login from there is logged afterwards."
-- advice     = "Block {client_ip|such clients} at the firewall or let fail2ban do it, and make sure that none of the accounts tried has a weak password or one that is known from a breach."
-- thresholds = ["spray_accounts", "window_minutes"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(client_ip, '') AS client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_window >= max_failures AND successes_after = 0"
-- sentence   = "{client_ip|Clients whose address is not logged} failed to log in {most_in_window|time|times} within {params.window_minutes|minute|minutes} ({failures|failure|failures} in all, with {accounts|name|names} logged). No login from there is logged afterwards."
-- advice     = "Check that a ban on repeated failures is in force (fail2ban: jails postfix-sasl and dovecot); if {client_ip|the client} is one of yours, look for a device with an old password."
-- thresholds = ["max_failures", "window_minutes"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(client_ip, '') AS client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
WITH fails AS (
    SELECT COALESCE(client_ip, '') AS client_ip, client_name, COALESCE(auth_user, '') AS auth_user, COALESCE(attempts, 1) AS n, ts, day, minute, source, line
    FROM logins
    WHERE NOT success AND credentials
), clients AS (
    SELECT client_ip,
           MAX(client_name) AS client_name,
           CAST(SUM(n) AS BIGINT) AS failures,
           COUNT(DISTINCT CASE WHEN auth_user <> '' THEN auth_user END) AS accounts,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM fails
    GROUP BY client_ip
), back AS (
    SELECT CAST(tens.n AS BIGINT) * 10 + CAST(ones.n AS BIGINT) AS minutes
    FROM (VALUES (0), (1), (2), (3), (4), (5)) AS tens(n)
    CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS ones(n)
    CROSS JOIN params
    WHERE CAST(tens.n AS BIGINT) * 10 + CAST(ones.n AS BIGINT) < params.window_minutes
), per_minute AS (
    SELECT client_ip, auth_user, minute, CAST(SUM(n) AS BIGINT) AS n
    FROM fails
    GROUP BY client_ip, auth_user, minute
), windows AS (
    -- A minute belongs to every window that begins in it or up to window_minutes - 1 before.
    SELECT per_minute.client_ip AS client_ip,
           per_minute.minute - back.minutes AS starts,
           CAST(SUM(per_minute.n) AS BIGINT) AS n,
           COUNT(DISTINCT CASE WHEN per_minute.auth_user <> '' THEN per_minute.auth_user END) AS accounts
    FROM per_minute
    CROSS JOIN back
    GROUP BY per_minute.client_ip, per_minute.minute - back.minutes
), bursts AS (
    SELECT client_ip, MAX(n) AS most_in_window, MAX(accounts) AS most_accounts
    FROM windows
    GROUP BY client_ip
), firsts AS (
    SELECT client_ip, MIN(ts) AS first_ts
    FROM fails
    GROUP BY client_ip
), wins AS (
    SELECT firsts.client_ip AS client_ip,
           COUNT(*) FILTER (WHERE logins.ts > firsts.first_ts) AS later,
           COUNT(*) FILTER (WHERE logins.ts <= firsts.first_ts) AS earlier
    FROM firsts
    JOIN logins ON firsts.client_ip = logins.client_ip
    WHERE logins.success
    GROUP BY firsts.client_ip
)
SELECT clients.client_ip AS client_ip,
       clients.client_name AS client_name,
       clients.failures AS failures,
       clients.accounts AS accounts,
       bursts.most_in_window AS most_in_window,
       bursts.most_accounts AS most_accounts,
       CAST(COALESCE(wins.later, 0) AS BIGINT) AS successes_after,
       CAST(COALESCE(wins.earlier, 0) AS BIGINT) AS successes_before,
       clients.days AS days,
       clients.first_ts AS first_ts,
       clients.last_ts AS last_ts,
       clients.place AS place
FROM clients
LEFT JOIN bursts ON clients.client_ip = bursts.client_ip
LEFT JOIN wins ON clients.client_ip = wins.client_ip
ORDER BY failures DESC, client_ip
