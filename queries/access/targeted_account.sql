-- title    = "Accounts that someone tried to get into"
-- question = "Which accounts are being guessed at, from how many addresses, and did a login work?"
-- tables   = ["logins"]
-- limits   = "A device with an old password fails as often. Names of failures are not always logged. Windows are whole minutes. An account without any login in these logs may not exist at all. Lockouts and bans hide tries that were not logged."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "fast_failures"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "name that was tried" },
--   { name = "failures", kind = "count", about = "tries refused for user, password or mechanism, from any address" },
--   { name = "addresses", kind = "count", about = "different addresses they came from" },
--   { name = "most_in_5_min", kind = "count", about = "most failures within 5 minutes" },
--   { name = "most_in_24_h", kind = "count", about = "most failures within 24 hours" },
--   { name = "strange_failures", kind = "count", about = "failures from addresses that the account never logged in from" },
--   { name = "successes", kind = "count", about = "logins of the account that worked" },
--   { name = "opened", kind = "count", about = "addresses that failed for it first, three times at least, and then logged in for the first time" },
--   { name = "first_ts", kind = "time", about = "first failure" },
--   { name = "last_ts", kind = "time", about = "last failure" },
--   { name = "place", kind = "place", about = "line of the first failure in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "NOT success AND auth_user <> ''"
-- or      = ["sessions"]
-- missing = "the logs hold no failed login with the name that was tried"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.fast_failures]
-- default = 10
-- unit    = "failures in 5 minutes"
-- source  = "Splunk ESCU, o365_high_number_of_failed_authentications_for_user: more than 10 in 5 minutes"
-- about   = "failures of one account in 5 minutes above which it is a target"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_5_min > fast_failures AND opened > 0"
-- sentence   = "{auth_user} was tried {most_in_5_min|time|times} within 5 minutes ({failures|failure|failures} in all, from {addresses|address|addresses}), and {opened|address that had failed for it at least three times|addresses that had failed for it at least three times} then logged in to it for the first time. A new device that was hard to set up looks alike."
-- advice     = "Ask the owner of {auth_user} whether the logins after {first_ts} were theirs; if not, change the password, end the sessions, and go on with spam/compromised_account."
-- thresholds = ["fast_failures"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE auth_user <> '' AND (success OR credentials)"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_5_min > fast_failures"
-- sentence   = "{auth_user} was tried {most_in_5_min|time|times} within 5 minutes ({failures|failure|failures} in all, from {addresses|address|addresses}); {strange_failures} of the {failures} came from addresses that it never logged in from. In these logs, {successes|login|logins} of this account worked."
-- advice     = "If {auth_user} exists and the failures come from its usual address, look for a device with an old password; if it does not exist, blocking the addresses is enough."
-- thresholds = ["fast_failures"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE NOT success AND credentials AND auth_user <> ''"
-- keys       = ["auth_user"]
WITH fails AS (
    SELECT auth_user, client_ip, COALESCE(attempts, 1) AS n, ts, minute, source, line
    FROM logins
    WHERE NOT success AND credentials AND auth_user <> ''
), won AS (
    SELECT auth_user, client_ip, MIN(ts) AS first_ts, COUNT(*) AS n FROM logins WHERE success AND auth_user <> '' GROUP BY auth_user, client_ip
), accounts AS (
    SELECT auth_user, CAST(SUM(n) AS BIGINT) AS failures, COUNT(DISTINCT client_ip) AS addresses,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM fails
    GROUP BY auth_user
), strange AS (
    SELECT fails.auth_user AS auth_user, CAST(SUM(fails.n) AS BIGINT) AS n
    FROM fails
    LEFT JOIN won ON fails.auth_user = won.auth_user AND fails.client_ip = won.client_ip
    WHERE won.auth_user IS NULL
    GROUP BY fails.auth_user
), used AS (
    SELECT auth_user, CAST(SUM(n) AS BIGINT) AS successes FROM won GROUP BY auth_user
), before AS (
    SELECT won.auth_user AS auth_user, won.client_ip AS client_ip, CAST(SUM(fails.n) AS BIGINT) AS n
    FROM won
    JOIN fails ON won.auth_user = fails.auth_user AND won.client_ip = fails.client_ip
    WHERE fails.ts < won.first_ts
    GROUP BY won.auth_user, won.client_ip
), opened AS (
    SELECT auth_user, COUNT(*) AS n FROM before WHERE n >= 3 GROUP BY auth_user
), per_minute AS (
    SELECT auth_user, minute, CAST(SUM(n) AS BIGINT) AS n FROM fails GROUP BY auth_user, minute
), fast_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT auth_user, minute, n FROM per_minute
    UNION ALL
    SELECT auth_user, minute + 5 AS minute, -n AS n FROM per_minute
), fast_nets AS (
    SELECT auth_user, minute, SUM(n) AS n FROM fast_steps GROUP BY auth_user, minute
), fast_running AS (
    SELECT auth_user, minute, SUM(n) OVER (PARTITION BY auth_user ORDER BY minute) AS n
    FROM fast_nets
), slow_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT auth_user, minute, n FROM per_minute
    UNION ALL
    SELECT auth_user, minute + 1440 AS minute, -n AS n FROM per_minute
), slow_nets AS (
    SELECT auth_user, minute, SUM(n) AS n FROM slow_steps GROUP BY auth_user, minute
), slow_running AS (
    SELECT auth_user, minute, SUM(n) OVER (PARTITION BY auth_user ORDER BY minute) AS n
    FROM slow_nets
), fast AS (
    SELECT auth_user, CAST(MAX(n) AS BIGINT) AS n FROM fast_running GROUP BY auth_user
), slow AS (
    SELECT auth_user, CAST(MAX(n) AS BIGINT) AS n FROM slow_running GROUP BY auth_user
)
SELECT accounts.auth_user AS auth_user,
       accounts.failures AS failures,
       accounts.addresses AS addresses,
       fast.n AS most_in_5_min,
       slow.n AS most_in_24_h,
       CAST(COALESCE(strange.n, 0) AS BIGINT) AS strange_failures,
       CAST(COALESCE(used.successes, 0) AS BIGINT) AS successes,
       CAST(COALESCE(opened.n, 0) AS BIGINT) AS opened,
       accounts.first_ts AS first_ts,
       accounts.last_ts AS last_ts,
       accounts.place AS place
FROM accounts
JOIN fast ON accounts.auth_user = fast.auth_user
JOIN slow ON accounts.auth_user = slow.auth_user
LEFT JOIN strange ON accounts.auth_user = strange.auth_user
LEFT JOIN used ON accounts.auth_user = used.auth_user
LEFT JOIN opened ON accounts.auth_user = opened.auth_user
WHERE accounts.failures >= 2
ORDER BY failures DESC, auth_user
