-- title    = "Accounts tried from many addresses at once"
-- question = "Did many addresses together try many accounts, each so little that none of them stands out?"
-- tables   = ["logins"]
-- limits   = "Failures from addresses that the same account had logged in from, or did within 10 minutes, are left out (mistyped passwords), as are addresses of several users (offices), and those that burst on their own (see access/password_guessing). A broken password store makes all users fail at once and looks alike. Windows are whole minutes."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "min_failures"
-- columns  = [
--   { name = "first_ts", kind = "time", about = "first failure of the episode" },
--   { name = "last_ts", kind = "time", about = "last failure of the episode" },
--   { name = "failures", kind = "count", about = "failures in it" },
--   { name = "addresses", kind = "count", about = "different addresses" },
--   { name = "accounts", kind = "count", about = "different names tried" },
--   { name = "most_in_15_min", kind = "count", about = "most failures within 15 minutes" },
--   { name = "most_addresses", kind = "count", about = "most addresses within 15 minutes" },
--   { name = "most_accounts", kind = "count", about = "most names within 15 minutes" },
--   { name = "per_account", kind = "number", about = "failures for each name, on average" },
--   { name = "opened", kind = "count", about = "of these accounts, those that one of these addresses logged in to after it had failed, up to 24 hours after the end" },
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
-- [params.min_addresses]
-- default = 5
-- unit    = "addresses in 15 minutes"
-- source  = "Elastic, okta multi-source password spray: at least 5 IPs"
-- about   = "different addresses from which it is distributed"
--
-- [params.min_accounts]
-- default = 8
-- unit    = "accounts in 15 minutes"
-- source  = "Elastic, okta multi-source password spray: at least 8 users"
-- about   = "different names from which it is a spray"
--
-- [params.min_failures]
-- default = 25
-- unit    = "failures in 15 minutes"
-- source  = "Elastic, okta multi-source password spray: at least 25 attempts"
-- about   = "failures from which it is one"
--
-- [params.burst]
-- default = 5
-- unit    = "failures in 10 minutes"
-- source  = "fail2ban jail.conf: maxretry = 5"
-- about   = "failures in 10 minutes from which an address stands out on its own and is left out"
--
-- [[findings]]
-- severity   = "high"
-- when       = "most_in_15_min >= min_failures AND most_addresses >= min_addresses AND most_accounts >= min_accounts AND opened > 0"
-- sentence   = "{addresses|address|addresses} tried {accounts|account|accounts}, first at {first_ts}, last at {last_ts} ({failures|failure|failures}, {per_account} for each account on average), and afterwards got into {opened} of them. This fits a distributed password spray that worked; it is a pattern, not proof."
-- advice     = "Ask the owners of the accounts that these addresses logged in to since {first_ts} (access/first_seen_source) whether it was they, change the passwords where they say no, and require a second factor where you can."
-- thresholds = ["min_failures", "min_addresses", "min_accounts", "burst"]
-- limit      = 3
-- evidence   = "SELECT source, line FROM logins WHERE NOT success AND credentials AND auth_user <> ''"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_15_min >= min_failures AND most_addresses >= min_addresses AND most_accounts >= min_accounts"
-- sentence   = "{addresses|address|addresses} tried {accounts|account|accounts}, first at {first_ts}, last at {last_ts} ({failures|failure|failures}, {per_account} for each account on average), none of them fast enough to stand out. None of the addresses got into one of these accounts within a day."
-- advice     = "Check first that the password store worked at {first_ts}; if it did, refuse common passwords and tell whoever runs your firewall the addresses, as banning them one by one does not help."
-- thresholds = ["min_failures", "min_addresses", "min_accounts", "burst"]
-- limit      = 3
-- evidence   = "SELECT source, line FROM logins WHERE NOT success AND credentials AND auth_user <> ''"
WITH won AS (
    SELECT auth_user, client_ip, MIN(ts) AS first_ts, MIN(minute) AS minute FROM logins WHERE success AND auth_user <> '' AND client_ip IS NOT NULL GROUP BY auth_user, client_ip
), all_fails AS (
    SELECT client_ip, auth_user, COALESCE(attempts, 1) AS n, ts, minute, source, line
    FROM logins
    WHERE NOT success AND credentials AND auth_user <> '' AND client_ip IS NOT NULL
), client_minutes AS (
    SELECT client_ip, minute, CAST(SUM(n) AS BIGINT) AS n FROM all_fails GROUP BY client_ip, minute
), loud_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT client_ip, minute, n FROM client_minutes
    UNION ALL
    SELECT client_ip, minute + 10 AS minute, -n AS n FROM client_minutes
), loud_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM loud_steps GROUP BY client_ip, minute
), loud_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n
    FROM loud_nets
), loud_most AS (
    SELECT client_ip, MAX(n) AS n FROM loud_running GROUP BY client_ip
), offices AS (
    SELECT client_ip FROM won GROUP BY client_ip HAVING COUNT(*) > 1
), quiet AS (
    SELECT loud_most.client_ip AS client_ip
    FROM loud_most
    CROSS JOIN params
    LEFT JOIN offices ON loud_most.client_ip = offices.client_ip
    WHERE loud_most.n < params.burst AND offices.client_ip IS NULL
), fails AS (
    SELECT all_fails.client_ip AS client_ip, all_fails.auth_user AS auth_user, all_fails.n AS n, all_fails.ts AS ts,
           all_fails.minute AS minute, all_fails.source AS source, all_fails.line AS line
    FROM all_fails
    JOIN quiet ON all_fails.client_ip = quiet.client_ip
    LEFT JOIN won ON all_fails.auth_user = won.auth_user AND all_fails.client_ip = won.client_ip
    WHERE won.auth_user IS NULL OR won.minute > all_fails.minute + 10
), per_minute AS (
    SELECT 'all' AS kind, minute, CAST(SUM(n) AS BIGINT) AS n FROM fails GROUP BY minute
), things AS (
    SELECT DISTINCT 'address' AS kind, CAST(client_ip AS VARCHAR) AS what, minute FROM fails
    UNION ALL
    SELECT DISTINCT 'account' AS kind, CAST(auth_user AS VARCHAR) AS what, minute FROM fails
), thing_around AS (
    SELECT kind, what, minute,
           LAG(minute) OVER (PARTITION BY kind, what ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY kind, what ORDER BY minute) AS after
    FROM things
), thing_steps AS (
    -- Each counts from its minute on, and until 15 minutes after its last: the running sum is how many differ.
    SELECT kind, minute, 1 AS n FROM thing_around WHERE before IS NULL OR before + 15 <= minute
    UNION ALL
    SELECT kind, minute + 15 AS minute, -1 AS n FROM thing_around WHERE after IS NULL OR after >= minute + 15
), fail_steps AS (
    SELECT kind, minute, n FROM per_minute
    UNION ALL
    SELECT kind, minute + 15 AS minute, -n AS n FROM per_minute
), thing_nets AS (
    SELECT minute,
           SUM(CASE WHEN kind = 'all' THEN n ELSE 0 END) AS failures,
           SUM(CASE WHEN kind = 'address' THEN n ELSE 0 END) AS addresses,
           SUM(CASE WHEN kind = 'account' THEN n ELSE 0 END) AS accounts
    FROM (SELECT kind, minute, n FROM thing_steps UNION ALL SELECT kind, minute, n FROM fail_steps) AS every
    GROUP BY minute
), thing_running AS (
    SELECT minute,
           SUM(failures) OVER (ORDER BY minute) AS failures,
           SUM(addresses) OVER (ORDER BY minute) AS addresses,
           SUM(accounts) OVER (ORDER BY minute) AS accounts
    FROM thing_nets
), hot AS (
    -- Candidates: a third of each threshold, so that half of it is among them.
    SELECT thing_running.minute AS minute, thing_running.failures AS failures, thing_running.addresses AS addresses, thing_running.accounts AS accounts
    FROM thing_running
    CROSS JOIN params
    WHERE thing_running.failures * 3 >= params.min_failures AND thing_running.addresses * 3 >= params.min_addresses AND thing_running.accounts * 3 >= params.min_accounts
), begins AS (
    SELECT minute, failures, addresses, accounts,
           CASE WHEN minute - LAG(minute) OVER (ORDER BY minute) <= 15 THEN 0 ELSE 1 END AS begins
    FROM hot
), numbered AS (
    SELECT minute, failures, addresses, accounts, SUM(begins) OVER (ORDER BY minute) AS episode FROM begins
), episodes AS (
    SELECT episode, MIN(minute) - 14 AS first_minute, MAX(minute) AS last_minute,
           MAX(failures) AS most_in_15_min, MAX(addresses) AS most_addresses, MAX(accounts) AS most_accounts
    FROM numbered
    GROUP BY episode
), tried AS (
    SELECT episodes.episode AS episode, fails.client_ip AS client_ip, fails.auth_user AS auth_user, fails.n AS n, fails.ts AS ts, fails.source AS source, fails.line AS line
    FROM episodes
    CROSS JOIN fails
    WHERE fails.minute >= episodes.first_minute AND fails.minute <= episodes.last_minute
), counted AS (
    SELECT episode, MIN(ts) AS first_ts, MAX(ts) AS last_ts, CAST(SUM(n) AS BIGINT) AS failures,
           COUNT(DISTINCT client_ip) AS addresses, COUNT(DISTINCT auth_user) AS accounts, MIN(source * 10000000000 + line) AS place
    FROM tried
    GROUP BY episode
), addresses_seen AS (
    SELECT tried.episode AS episode, tried.client_ip AS client_ip, MIN(tried.ts) AS ts FROM tried GROUP BY tried.episode, tried.client_ip
), accounts_tried AS (
    SELECT DISTINCT episode, auth_user FROM tried
), opened AS (
    -- One of the accounts, by one of the addresses, after it had failed.
    SELECT addresses_seen.episode AS episode, COUNT(DISTINCT won.auth_user) AS n
    FROM addresses_seen
    JOIN episodes ON addresses_seen.episode = episodes.episode
    JOIN accounts_tried ON addresses_seen.episode = accounts_tried.episode
    JOIN won ON addresses_seen.client_ip = won.client_ip AND accounts_tried.auth_user = won.auth_user
    WHERE won.first_ts > addresses_seen.ts AND won.minute <= episodes.last_minute + 1440
    GROUP BY addresses_seen.episode
)
SELECT counted.first_ts AS first_ts,
       counted.last_ts AS last_ts,
       counted.failures AS failures,
       counted.addresses AS addresses,
       counted.accounts AS accounts,
       CAST(episodes.most_in_15_min AS BIGINT) AS most_in_15_min,
       CAST(episodes.most_addresses AS BIGINT) AS most_addresses,
       CAST(episodes.most_accounts AS BIGINT) AS most_accounts,
       ROUND(CAST(counted.failures AS DOUBLE) / counted.accounts, 1) AS per_account,
       CAST(COALESCE(opened.n, 0) AS BIGINT) AS opened,
       counted.place AS place
FROM counted
JOIN episodes ON counted.episode = episodes.episode
LEFT JOIN opened ON counted.episode = opened.episode
ORDER BY failures DESC, first_ts, place
