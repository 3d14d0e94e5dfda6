-- title    = "Accounts used from many addresses"
-- question = "Which accounts logged in from unusually many addresses on one day?"
-- tables   = ["logins"]
-- limits   = "Phones and IPv6 change their addresses often, mostly within one network: a network is /24 or /64. Shared accounts and mail services in the cloud have many. Trusted and private addresses are left out. Days are those of the report's time zone."
-- controls = ["NIST SP 800-53 AC-2(12)", "ISO/IEC 27001 A.8.16"]
-- rows     = 15
-- sensitivity = "addresses_per_day"
-- columns  = [
--   { name = "auth_user", kind = "text", about = "account" },
--   { name = "most_addresses", kind = "count", about = "most different addresses on one day" },
--   { name = "day", kind = "date", about = "that day" },
--   { name = "networks", kind = "count", about = "different networks on that day" },
--   { name = "usual_addresses", kind = "number", about = "median of its other days with logins" },
--   { name = "days", kind = "count", about = "days with logins" },
--   { name = "logins", kind = "count", about = "logins on that day" },
--   { name = "place", kind = "place", about = "line of the first login of that day in the order of the logs" },
-- ]
--
-- [[needs]]
-- table   = "logins"
-- where   = "success"
-- missing = "the logs hold no successful login"
-- remedy  = "the log of the server that users log in to: smtpd and Dovecot write these lines by default, at level info of the facility mail"
--
-- [params.addresses_per_day]
-- default = 10
-- unit    = "addresses in a day"
-- source  = "Exim wiki, DetectSMTPAuthAbuse: more than 10"
-- about   = "addresses in a day above which an account is pointed out"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "most_addresses > addresses_per_day AND networks > addresses_per_day"
-- sentence   = "On {day}, {auth_user} logged in {logins|time|times} from {most_addresses|different address|different addresses} in {networks|network|networks} (it has {days|day|days} with logins in all). Passwords that are passed around or stolen look like this."
-- advice     = "Ask the owner of {auth_user} which devices use the account; if they do not explain {networks|network|networks}, change the password and end all sessions."
-- thresholds = ["addresses_per_day"]
-- limit      = 5
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "most_addresses > addresses_per_day"
-- sentence   = "On {day}, {auth_user} logged in {logins|time|times} from {most_addresses|different address|different addresses}, but in {networks|network|networks} only (it has {days|day|days} with logins in all). Changing addresses of one provider look like this."
-- advice     = "There is nothing to do unless {auth_user} also appears in spam/compromised_account."
-- thresholds = ["addresses_per_day"]
-- limit      = 3
-- evidence   = "SELECT auth_user, source, line FROM logins WHERE success AND auth_user <> ''"
-- keys       = ["auth_user"]
WITH outside AS (
    SELECT logins.auth_user AS auth_user, logins.client_ip AS client_ip, clients.network AS network, clients.block AS block,
           logins.ts AS ts, logins.minute AS minute, logins.day AS day, logins.source AS source, logins.line AS line
    FROM logins
    JOIN clients ON logins.client_ip = clients.client_ip
    WHERE logins.success AND logins.auth_user <> '' AND clients.kind = 'other'
), daily AS (
    SELECT auth_user, day, CAST(COUNT(DISTINCT client_ip) AS BIGINT) AS addresses, CAST(COUNT(DISTINCT network) AS BIGINT) AS networks, COUNT(*) AS logins, MIN(source * 10000000000 + line) AS place
    FROM outside
    GROUP BY auth_user, day
), ranked AS (
    SELECT auth_user, day, addresses, networks, logins, place, ROW_NUMBER() OVER (PARTITION BY auth_user ORDER BY -(addresses * 1000000 + networks), day) AS no FROM daily
), others AS (
    SELECT auth_user, MEDIAN(CAST(addresses AS DOUBLE)) AS addresses FROM ranked WHERE no > 1 GROUP BY auth_user
), all_days AS (
    SELECT auth_user, COUNT(*) AS days FROM daily GROUP BY auth_user
)
SELECT ranked.auth_user AS auth_user,
       ranked.addresses AS most_addresses,
       ranked.day AS day,
       ranked.networks AS networks,
       others.addresses AS usual_addresses,
       all_days.days AS days,
       ranked.logins AS logins,
       ranked.place AS place
FROM ranked
JOIN all_days ON ranked.auth_user = all_days.auth_user
LEFT JOIN others ON ranked.auth_user = others.auth_user
WHERE ranked.no = 1 AND ranked.addresses >= 3
ORDER BY most_addresses DESC, networks DESC, auth_user
