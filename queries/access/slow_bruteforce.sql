-- title    = "Clients guessing passwords slowly"
-- question = "Which clients guess passwords so slowly that a ban on bursts does not see them?"
-- tables   = ["logins"]
-- limits   = "An old phone with an old password looks the same, but tries one account only. An address may stand for many machines. Windows are whole minutes. Not every server logs the names that were tried."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "day_failures"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "client_name", kind = "text", about = "its host name, as far as known" },
--   { name = "failures", kind = "count", about = "tries refused for user, password or mechanism" },
--   { name = "accounts", kind = "count", about = "different names tried, as far as logged" },
--   { name = "most_in_24_h", kind = "count", about = "most failures within 24 hours" },
--   { name = "most_in_10_min", kind = "count", about = "most failures within 10 minutes: below what a ban on bursts sees" },
--   { name = "days", kind = "count", about = "different days with failures" },
--   { name = "successes", kind = "count", about = "successful logins from the address" },
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
-- [params.burst]
-- default = 5
-- unit    = "failures in 10 minutes"
-- source  = "fail2ban jail.conf: maxretry = 5, findtime = 10m"
-- about   = "failures in 10 minutes from which a client is no slow one (see access/password_guessing)"
--
-- [params.day_failures]
-- default = 14
-- unit    = "failures in 24 hours"
-- source  = "CrowdSec postfix-sasl-bf: a bucket of 2 that loses one in 2 hours overflows above 14 a day"
-- about   = "failures in 24 hours above which slow guessing is suspected"
--
-- [params.slow_days]
-- default = 3
-- unit    = "days"
-- source  = "mtaudit; fail2ban recidive counts bans of one day"
-- about   = "different days with failures from which a client is patient"
--
-- [params.slow_accounts]
-- default = 3
-- unit    = "accounts"
-- source  = "mtaudit: a device of a user tries one"
-- about   = "different names from which it is no forgotten device"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_in_24_h > day_failures AND accounts >= slow_accounts AND days >= slow_days"
-- sentence   = "{client_ip} kept trying passwords slowly: {failures|failure|failures} on {days|day|days} for {accounts|account|accounts}, at most {most_in_10_min} within 10 minutes. In these logs, {successes|login|logins} from there worked."
-- advice     = "Block {client_ip} for good and set a second, slow limit beside the fast one (fail2ban: a jail with findtime = 1d); if logins from there worked, ask the owners of these accounts."
-- thresholds = ["day_failures", "slow_accounts", "slow_days", "burst"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_24_h > day_failures"
-- sentence   = "{client_ip} failed to log in {most_in_24_h|time|times} within 24 hours, and never more than {most_in_10_min|time|times} within 10 minutes ({failures|failure|failures} in all, with {accounts|name|names} logged). In these logs, {successes|login|logins} from there worked. A device with an old password looks alike."
-- advice     = "If logins from {client_ip} work as well, look for its owner's device with an old password; otherwise block the address with a slow limit (fail2ban: findtime = 1d)."
-- thresholds = ["day_failures", "burst"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM logins WHERE NOT success AND credentials"
-- keys       = ["client_ip"]
WITH fails AS (
    SELECT client_ip, client_name, COALESCE(auth_user, '') AS auth_user, COALESCE(attempts, 1) AS n, ts, day, minute, source, line
    FROM logins
    WHERE NOT success AND credentials AND client_ip IS NOT NULL
), clients_seen AS (
    SELECT client_ip, MAX(client_name) AS client_name, CAST(SUM(n) AS BIGINT) AS failures,
           COUNT(DISTINCT CASE WHEN auth_user <> '' THEN auth_user END) AS accounts,
           COUNT(DISTINCT day) AS days, MIN(ts) AS first_ts, MAX(ts) AS last_ts,
           MIN(source * 10000000000 + line) AS place
    FROM fails
    GROUP BY client_ip
), per_minute AS (
    SELECT client_ip, minute, CAST(SUM(n) AS BIGINT) AS n FROM fails GROUP BY client_ip, minute
), fast_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT client_ip, minute, n FROM per_minute
    UNION ALL
    SELECT client_ip, minute + 10 AS minute, -n AS n FROM per_minute
), fast_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM fast_steps GROUP BY client_ip, minute
), fast_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n
    FROM fast_nets
), slow_steps AS (
    -- What comes in at a minute leaves the window when it is over: the running sum is what lies within.
    SELECT client_ip, minute, n FROM per_minute
    UNION ALL
    SELECT client_ip, minute + 1440 AS minute, -n AS n FROM per_minute
), slow_nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM slow_steps GROUP BY client_ip, minute
), slow_running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n
    FROM slow_nets
), fast AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM fast_running GROUP BY client_ip
), slow AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM slow_running GROUP BY client_ip
), wins AS (
    SELECT client_ip, COUNT(*) AS n FROM logins WHERE success AND client_ip IS NOT NULL GROUP BY client_ip
)
SELECT clients_seen.client_ip AS client_ip,
       clients_seen.client_name AS client_name,
       clients_seen.failures AS failures,
       clients_seen.accounts AS accounts,
       slow.n AS most_in_24_h,
       fast.n AS most_in_10_min,
       clients_seen.days AS days,
       CAST(COALESCE(wins.n, 0) AS BIGINT) AS successes,
       clients_seen.first_ts AS first_ts,
       clients_seen.last_ts AS last_ts,
       clients_seen.place AS place
FROM clients_seen
JOIN fast ON clients_seen.client_ip = fast.client_ip
JOIN slow ON clients_seen.client_ip = slow.client_ip
LEFT JOIN wins ON clients_seen.client_ip = wins.client_ip
CROSS JOIN params
WHERE slow.n >= 3 AND fast.n < params.burst
ORDER BY most_in_24_h DESC, failures DESC, client_ip
