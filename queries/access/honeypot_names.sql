-- title    = "Logins tried with names from a guesser's list"
-- question = "Who tried to log in with names that guessers have in their lists and that nobody here uses?"
-- tables   = ["logins"]
-- limits   = "The list holds 35 usual names. A name counts as used here when it logged in even once in these logs; one that exists and was not used is taken for a trap. Names are not always logged. With `--pseudonymise` the names have another form, and what rests on it is not seen."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "min_tries"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "tries", kind = "count", about = "failures with such names" },
--   { name = "names", kind = "count", about = "different such names" },
--   { name = "example", kind = "text", about = "one of them, the first by the alphabet" },
--   { name = "other_failures", kind = "count", about = "its failures with other names" },
--   { name = "successes", kind = "count", about = "logins from the address that worked" },
--   { name = "first_ts", kind = "time", about = "first of these tries" },
--   { name = "last_ts", kind = "time", about = "last of them" },
--   { name = "place", kind = "place", about = "line of the first try in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "NOT success AND auth_user <> ''"
-- or      = ["sessions"]
-- missing = "the logs hold no failed login with the name that was tried"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.min_tries]
-- default = 1
-- unit    = "tries"
-- source  = "CrowdSec honeypot users: any try"
-- about   = "tries with such names from which a client is a guesser"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "tries >= min_tries AND successes > 0"
-- sentence   = "{client_ip} tried to log in {tries|time|times} with {names|name|names} from a guesser's list, for example {example}, and {successes|login|logins} from there worked."
-- advice     = "Find out who is behind {client_ip}: if it is an office with a device that was set up wrongly, correct the device; if it is a guesser who got in, change the passwords of the accounts that logged in from there."
-- thresholds = ["min_tries"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE success OR credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "tries >= min_tries"
-- sentence   = "{client_ip} tried to log in {tries|time|times} with {names|name|names} from a guesser's list, for example {example}, besides {other_failures|failure|failures} with other names. No login from there worked."
-- thresholds = ["min_tries"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
WITH fails AS (
    SELECT client_ip, client_name, LOWER(CAST(auth_user AS VARCHAR)) AS name, SPLIT_PART(LOWER(CAST(auth_user AS VARCHAR)), '@', 1) AS local,
           COALESCE(attempts, 1) AS n, ts, source, line
    FROM logins
    WHERE NOT success AND credentials AND auth_user <> '' AND client_ip IS NOT NULL
), used AS (
    SELECT DISTINCT LOWER(CAST(auth_user AS VARCHAR)) AS name FROM logins WHERE success AND auth_user <> ''
), traps AS (
    SELECT fails.client_ip AS client_ip, fails.client_name AS client_name, fails.name AS name, fails.n AS n, fails.ts AS ts, fails.source AS source, fails.line AS line
    FROM fails
    LEFT JOIN used ON fails.name = used.name
    WHERE used.name IS NULL AND fails.local IN ('admin', 'administrator', 'root', 'test', 'tester', 'testuser', 'guest', 'user', 'demo', 'backup', 'oracle', 'mysql', 'postgres', 'www', 'www-data', 'web', 'webmaster', 'hostmaster', 'postmaster', 'abuse', 'mailer-daemon', 'nobody', 'ftp', 'anonymous', 'scan', 'scanner', 'info', 'mail', 'smtp', 'sales', 'support', 'office', 'contact', 'noreply', 'no-reply')
), by_client AS (
    SELECT client_ip, MAX(client_name) AS client_name, CAST(SUM(n) AS BIGINT) AS tries, COUNT(DISTINCT name) AS names, MIN(name) AS example,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM traps
    GROUP BY client_ip
), totals AS (
    SELECT client_ip, CAST(SUM(n) AS BIGINT) AS n FROM fails GROUP BY client_ip
), wins AS (
    SELECT client_ip, COUNT(*) AS n FROM logins WHERE success AND client_ip IS NOT NULL GROUP BY client_ip
)
SELECT by_client.client_ip AS client_ip,
       by_client.client_name AS client_name,
       by_client.tries AS tries,
       by_client.names AS names,
       by_client.example AS example,
       totals.n - by_client.tries AS other_failures,
       CAST(COALESCE(wins.n, 0) AS BIGINT) AS successes,
       by_client.first_ts AS first_ts,
       by_client.last_ts AS last_ts,
       by_client.place AS place
FROM by_client
JOIN totals ON by_client.client_ip = totals.client_ip
LEFT JOIN wins ON by_client.client_ip = wins.client_ip
ORDER BY tries DESC, names DESC, client_ip
