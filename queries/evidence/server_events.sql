-- title    = "What the servers said about themselves"
-- question = "Did our servers start, stop, fail or run into limits?"
-- tables   = ["server_events"]
-- limits   = "Only what the mail programs themselves logged; the operating system and other services are not seen. A program that dies silently leaves no line."
-- controls = ["ISO/IEC 27001 A.8.15", "ISO/IEC 27001 A.8.16", "NIST SP 800-53 AU-6"]
-- rows     = 25
-- sensitivity = "min_events"
-- columns  = [
--   { name = "host", kind = "text", about = "our server" },
--   { name = "program", kind = "text", about = "program that said it" },
--   { name = "severity", kind = "text", about = "panic, fatal, error, warning, info" },
--   { name = "kind", kind = "text", about = "start, stop, reload, config, limit, resource, tls, dns, lookup, filter, queue, other" },
--   { name = "events", kind = "count", about = "how often" },
--   { name = "texts", kind = "count", about = "different texts" },
--   { name = "days", kind = "count", about = "different days" },
--   { name = "first_ts", kind = "time", about = "first time" },
--   { name = "last_ts", kind = "time", about = "last time" },
--   { name = "example", kind = "text", about = "one of the texts" },
--   { name = "place", kind = "place", about = "first of the lines counted" },
-- ]
--
-- [[needs]]
-- table   = "server_events"
-- missing = "the logs hold no line of a server about itself"
-- remedy  = "lines of all programs of the server, its warnings among them"
--
-- [params.min_events]
-- default = 1
-- unit    = "events"
-- source  = "mtaudit: the server says itself that something is wrong"
-- about   = "events of one program, severity and kind from which they are pointed out"
--
-- [[findings]]
-- severity   = "high"
-- when       = "severity IN ('panic', 'fatal') AND events >= min_events"
-- sentence   = "{program|A program} on {host|our server} stopped with a fatal error {events|time|times} on {days|day|days}, last at {last_ts} ({severity}, kind: {kind|none}), for example: {example}."
-- advice     = "Read the lines of {program|the program} before {last_ts} on {host|the server}, correct what they name, and check with `postfix check` (or `doveconf -n`) that it starts cleanly."
-- thresholds = ["min_events"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, COALESCE(program, '') AS program, severity, COALESCE(kind, '') AS kind, source, line FROM server_events WHERE severity IN ('panic', 'fatal')"
-- keys       = ["host", "program", "severity", "kind"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "severity IN ('warning', 'error') AND kind IN ('limit', 'resource') AND events >= min_events"
-- sentence   = "{program|A program} on {host|our server} reported {events|time|times} on {days|day|days}, last at {last_ts}, that a limit was reached or a resource ran out ({severity}, kind: {kind|none}), for example: {example}."
-- advice     = "Free or raise what ran out ({kind}) on {host|the server}, and watch whether {program|the program} says it again, as mail may have waited or been put off meanwhile."
-- thresholds = ["min_events"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, COALESCE(program, '') AS program, severity, COALESCE(kind, '') AS kind, source, line FROM server_events WHERE severity IN ('warning', 'error') AND kind IN ('limit', 'resource')"
-- keys       = ["host", "program", "severity", "kind"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "severity = 'error' AND events >= min_events"
-- sentence   = "{program|A program} on {host|our server} reported an error of its own {events|time|times} on {days|day|days}, last at {last_ts} ({severity}, kind: {kind|none}), for example: {example}."
-- advice     = "Read the lines of {program|the program} on {host|the server} around {last_ts} and correct the cause that they name."
-- thresholds = ["min_events"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, COALESCE(program, '') AS program, severity, COALESCE(kind, '') AS kind, source, line FROM server_events WHERE severity = 'error'"
-- keys       = ["host", "program", "severity", "kind"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "severity = 'warning' AND kind IN ('filter', 'lookup', 'queue') AND events >= min_events"
-- sentence   = "{program|A program} on {host|our server} warned of trouble of its own {events|time|times} on {days|day|days}, last at {last_ts} ({severity}, kind: {kind|none}), for example: {example}."
-- advice     = "Check the service or the table that {program|the program} on {host|the server} could not use, as mail waits for as long as this lasts."
-- thresholds = ["min_events"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, COALESCE(program, '') AS program, severity, COALESCE(kind, '') AS kind, source, line FROM server_events WHERE severity = 'warning'"
-- keys       = ["host", "program", "severity", "kind"]
WITH grouped AS (
    SELECT COALESCE(host, '') AS host,
           COALESCE(program, '') AS program,
           COALESCE(severity, '') AS severity,
           COALESCE(kind, '') AS kind,
           CASE WHEN severity = 'panic' THEN 1 WHEN severity = 'fatal' THEN 2 WHEN severity = 'error' THEN 3 WHEN severity = 'warning' THEN 4 ELSE 5 END AS position,
           ts, day, "text", source, line
    FROM server_events
), counted AS (
    SELECT position, host, program, severity, kind,
           COUNT(*) AS events,
           COUNT(DISTINCT "text") AS texts,
           COUNT(DISTINCT day) AS days,
           MIN(ts) AS first_ts,
           MAX(ts) AS last_ts,
           MIN("text") AS example,
           MIN(source * 10000000000 + line) AS place
    FROM grouped
    GROUP BY position, host, program, severity, kind
)
SELECT host, program, severity, kind, events, texts, days, first_ts, last_ts, example, place
FROM counted
ORDER BY position, events DESC, host, program, severity, kind
