-- title    = "Clients trying one password on many accounts"
-- question = "Which clients tried many accounts with few passwords each, and did one of them work?"
-- tables   = ["logins"]
-- limits   = "An office or a webmail server behind one address looks alike when its password store fails. Names are not always logged. A success is listed only when the account had failed from the same address before; that is a pattern, not proof. Windows are whole minutes."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "fast_accounts"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "accounts", kind = "count", about = "different names tried" },
--   { name = "failures", kind = "count", about = "tries refused for user, password or mechanism" },
--   { name = "most_per_account", kind = "count", about = "most tries for one name" },
--   { name = "most_in_5_min", kind = "count", about = "most different names within 5 minutes" },
--   { name = "most_in_24_h", kind = "count", about = "most different names within 24 hours" },
--   { name = "opened", kind = "count", about = "accounts that failed from this address first and logged in from it later" },
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
-- [params.fast_accounts]
-- default = 10
-- unit    = "accounts in 5 minutes"
-- source  = "Splunk ESCU, o365_multiple_users_failing_to_authenticate_from_ip: more than 10 in 5 minutes"
-- about   = "different names in 5 minutes above which it is a spray"
--
-- [params.day_accounts]
-- default = 5
-- unit    = "accounts in 24 hours"
-- source  = "Elastic, okta_password_spray_single_source: at least 5 users"
-- about   = "different names in 24 hours from which it is a slow spray"
--
-- [params.min_failures]
-- default = 15
-- unit    = "failures"
-- source  = "Elastic, okta_password_spray_single_source: at least 15 attempts"
-- about   = "failures in all from which a slow spray is pointed out"
--
-- [params.max_per_account]
-- default = 8
-- unit    = "tries"
-- source  = "Elastic, okta_password_spray_single_source: at most 8 for one user"
-- about   = "tries for one name above which it is guessing, not spraying"
--
-- [[findings]]
-- severity   = "high"
-- when       = "opened > 0 AND (most_in_5_min > fast_accounts OR (most_in_24_h >= day_accounts AND failures >= min_failures AND most_per_account <= max_per_account))"
-- sentence   = "{client_ip} tried {accounts|different account|different accounts} ({failures|failure|failures}, at most {most_per_account} for one) and afterwards logged in to {opened} of them for the first time. This fits a password that was sprayed; an office behind one address looks alike."
-- advice     = "Find out whether {client_ip} is one of your offices or gateways; if not, change the passwords of the accounts that it got into, end their sessions, and look at what they sent."
-- thresholds = ["fast_accounts", "day_accounts", "min_failures", "max_per_account"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE success OR credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_5_min > fast_accounts"
-- sentence   = "{client_ip} tried {most_in_5_min|different account|different accounts} within 5 minutes ({accounts|account|accounts} and {failures|failure|failures} in all, at most {most_per_account} for one account). It then got into no account that it had not used before."
-- advice     = "Block {client_ip}, and look in access/spray_distributed whether other addresses try the same accounts."
-- thresholds = ["fast_accounts"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_24_h >= day_accounts AND failures >= min_failures AND most_per_account <= max_per_account"
-- sentence   = "{client_ip} tried {most_in_24_h|different account|different accounts} within 24 hours ({accounts|account|accounts} and {failures|failure|failures} in all, at most {most_per_account} for one account). It then got into no account that it had not used before."
-- advice     = "Block {client_ip} unless it is a gateway of yours, and make sure that common passwords are refused when users choose one."
-- thresholds = ["day_accounts", "min_failures", "max_per_account"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
WITH fails AS (
    SELECT client_ip, client_name, auth_user, COALESCE(attempts, 1) AS n, ts, day, minute, source, line
    FROM logins
    WHERE NOT success AND credentials AND client_ip IS NOT NULL AND auth_user <> ''
), pairs AS (
    SELECT client_ip, auth_user, CAST(SUM(n) AS BIGINT) AS n, MIN(ts) AS first_ts FROM fails GROUP BY client_ip, auth_user
), clients_seen AS (
    SELECT client_ip, MAX(client_name) AS client_name, COUNT(DISTINCT auth_user) AS accounts, CAST(SUM(n) AS BIGINT) AS failures,
           MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM fails
    GROUP BY client_ip
), heaviest AS (
    SELECT client_ip, MAX(n) AS n FROM pairs GROUP BY client_ip
), minutes AS (
    SELECT DISTINCT client_ip, auth_user, minute FROM fails
), fast_around AS (
    SELECT client_ip, auth_user, minute,
           LAG(minute) OVER (PARTITION BY client_ip, auth_user ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, auth_user ORDER BY minute) AS after
    FROM minutes
), fast_steps AS (
    -- Each counts from its minute on, and until 5 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM fast_around WHERE before IS NULL OR before + 5 <= minute
    UNION ALL
    SELECT client_ip, minute + 5 AS minute, -1 AS n FROM fast_around WHERE after IS NULL OR after >= minute + 5
), fast_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM fast_steps GROUP BY client_ip, minute
), fast_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM fast_nets
), slow_around AS (
    SELECT client_ip, auth_user, minute,
           LAG(minute) OVER (PARTITION BY client_ip, auth_user ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, auth_user ORDER BY minute) AS after
    FROM minutes
), slow_steps AS (
    -- Each counts from its minute on, and until 1440 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM slow_around WHERE before IS NULL OR before + 1440 <= minute
    UNION ALL
    SELECT client_ip, minute + 1440 AS minute, -1 AS n FROM slow_around WHERE after IS NULL OR after >= minute + 1440
), slow_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM slow_steps GROUP BY client_ip, minute
), slow_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM slow_nets
), fast AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM fast_running GROUP BY client_ip
), slow AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM slow_running GROUP BY client_ip
), won AS (
    SELECT client_ip, auth_user, MIN(ts) AS first_ts FROM logins WHERE success AND client_ip IS NOT NULL GROUP BY client_ip, auth_user
), opened AS (
    SELECT pairs.client_ip AS client_ip, COUNT(*) AS n
    FROM pairs
    JOIN won ON pairs.client_ip = won.client_ip AND pairs.auth_user = won.auth_user
    WHERE won.first_ts > pairs.first_ts
    GROUP BY pairs.client_ip
)
SELECT clients_seen.client_ip AS client_ip,
       clients_seen.client_name AS client_name,
       clients_seen.accounts AS accounts,
       clients_seen.failures AS failures,
       heaviest.n AS most_per_account,
       fast.n AS most_in_5_min,
       slow.n AS most_in_24_h,
       CAST(COALESCE(opened.n, 0) AS BIGINT) AS opened,
       clients_seen.first_ts AS first_ts,
       clients_seen.last_ts AS last_ts,
       clients_seen.place AS place
FROM clients_seen
JOIN heaviest ON clients_seen.client_ip = heaviest.client_ip
JOIN fast ON clients_seen.client_ip = fast.client_ip
JOIN slow ON clients_seen.client_ip = slow.client_ip
LEFT JOIN opened ON clients_seen.client_ip = opened.client_ip
WHERE clients_seen.accounts >= 3
ORDER BY accounts DESC, failures DESC, client_ip
