-- title    = "Clients trying out account names"
-- question = "Which clients tried to log in with names that do not exist?"
-- tables   = ["logins", "verdicts"]
-- limits   = "Rests on the lines of Dovecot's auth process that say `unknown user`; a server that does not say so answers nothing here. A misspelt name counts too. Windows are whole minutes, so `within 30 s` is counted as within one minute."
-- controls = ["NIST SP 800-53 AC-7", "ISO/IEC 27001 A.8.5", "ISO/IEC 27001 A.8.16", "PCI DSS 10.2.1.4"]
-- rows     = 15
-- sensitivity = "hour_names"
-- columns  = [
--   { name = "client_ip", kind = "text", about = "address of the client" },
--   { name = "names", kind = "count", about = "different names that do not exist" },
--   { name = "tries", kind = "count", about = "lines that say so" },
--   { name = "most_in_minute", kind = "count", about = "most different names within one minute" },
--   { name = "most_in_hour", kind = "count", about = "most different names within one hour" },
--   { name = "successes", kind = "count", about = "logins from the address that worked" },
--   { name = "example", kind = "text", about = "one of the names, the first by the alphabet" },
--   { name = "first_ts", kind = "time", about = "first try" },
--   { name = "last_ts", kind = "time", about = "last try" },
--   { name = "place", kind = "place", about = "line of the first try in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "verdicts"
-- where   = "verdict IN ('unknown-user', 'password-mismatch')"
-- missing = "the logs do not say which of the names tried exist"
-- remedy  = "`auth_verbose = yes` of Dovecot, and its log at level info"
--
-- [params.fast_names]
-- default = 3
-- unit    = "names in a minute"
-- source  = "CrowdSec email-user-bf: 3 different users, one forgotten every 30 s"
-- about   = "different names in a minute above which names are tried out"
--
-- [params.hour_names]
-- default = 5
-- unit    = "names in an hour"
-- source  = "CrowdSec exim-user-bf: more than 5"
-- about   = "different names in an hour above which the same holds"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "(most_in_minute > fast_names OR most_in_hour > hour_names) AND successes > 0"
-- sentence   = "{client_ip} tried {names|name that does|names that do} not exist, at most {most_in_hour} within an hour, and {successes|login|logins} from there worked. A gateway of our own looks alike."
-- advice     = "If {client_ip} is not one of your gateways, treat the accounts that logged in from there as taken over, and change their passwords."
-- thresholds = ["fast_names", "hour_names"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM verdicts WHERE verdict = 'unknown-user'"
-- keys       = ["client_ip"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_in_minute > fast_names OR most_in_hour > hour_names"
-- sentence   = "{client_ip} tried {names|name that does|names that do} not exist ({tries|try|tries}, at most {most_in_hour|name|names} within an hour). No login from there worked."
-- advice     = "Block {client_ip}, and check that the server answers a wrong name and a wrong password with the same words and after the same time."
-- thresholds = ["fast_names", "hour_names"]
-- limit      = 5
-- evidence   = "SELECT client_ip, source, line FROM verdicts WHERE verdict = 'unknown-user'"
-- keys       = ["client_ip"]
WITH said AS (
    -- `passwd-file(name,192.0.2.1,<session>): unknown user`
    SELECT client_ip, LOWER(SPLIT_PART(SPLIT_PART(detail, '(', 2), ',', 1)) AS name, ts, minute, source, line
    FROM verdicts
    WHERE verdict = 'unknown-user' AND client_ip IS NOT NULL
), by_client AS (
    SELECT client_ip, COUNT(DISTINCT name) AS names, COUNT(*) AS tries, MIN(name) AS example, MIN(ts) AS first_ts, MAX(ts) AS last_ts, MIN(source * 10000000000 + line) AS place
    FROM said
    GROUP BY client_ip
), minutes AS (
    SELECT DISTINCT client_ip, name, minute FROM said
), per_minute AS (
    SELECT client_ip, minute, COUNT(*) AS n FROM minutes GROUP BY client_ip, minute
), fast AS (
    SELECT client_ip, MAX(n) AS n FROM per_minute GROUP BY client_ip
), around AS (
    SELECT client_ip, name, minute,
           LAG(minute) OVER (PARTITION BY client_ip, name ORDER BY minute) AS before,
           LEAD(minute) OVER (PARTITION BY client_ip, name ORDER BY minute) AS after
    FROM minutes
), steps AS (
    -- Each counts from its minute on, and until 60 minutes after its last: the running sum is how many differ.
    SELECT client_ip, minute, 1 AS n FROM around WHERE before IS NULL OR before + 60 <= minute
    UNION ALL
    SELECT client_ip, minute + 60 AS minute, -1 AS n FROM around WHERE after IS NULL OR after >= minute + 60
), nets AS (
    SELECT client_ip, minute, SUM(n) AS n FROM steps GROUP BY client_ip, minute
), running AS (
    SELECT client_ip, minute, SUM(n) OVER (PARTITION BY client_ip ORDER BY minute) AS n FROM nets
), hourly AS (
    SELECT client_ip, CAST(MAX(n) AS BIGINT) AS n FROM running GROUP BY client_ip
), wins AS (
    SELECT client_ip, COUNT(*) AS n FROM logins WHERE success AND client_ip IS NOT NULL GROUP BY client_ip
)
SELECT by_client.client_ip AS client_ip,
       by_client.names AS names,
       by_client.tries AS tries,
       fast.n AS most_in_minute,
       hourly.n AS most_in_hour,
       CAST(COALESCE(wins.n, 0) AS BIGINT) AS successes,
       by_client.example AS example,
       by_client.first_ts AS first_ts,
       by_client.last_ts AS last_ts,
       by_client.place AS place
FROM by_client
JOIN fast ON by_client.client_ip = fast.client_ip
JOIN hourly ON by_client.client_ip = hourly.client_ip
LEFT JOIN wins ON by_client.client_ip = wins.client_ip
ORDER BY names DESC, tries DESC, client_ip
