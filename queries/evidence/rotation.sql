-- title    = "Files of each host, in the order of their times"
-- question = "Do the files of each host follow one another, without holes, overlaps and copies?"
-- tables   = ["sources", "activity"]
-- limits   = "Files are put in order by the times in them, whatever their names. A hole between two files is listed by its length alone; whether it is unusual for that host, `evidence/gaps` says. Files that overlap in time are no fault where a host writes several logs at a time. Only the first host's name of a copy is told. Files of no mail server are left out."
-- controls = ["ISO/IEC 27001 A.8.15", "ISO/IEC 27001 A.5.28", "NIST SP 800-53 AU-11", "PCI DSS 10.5"]
-- rows     = 40
-- sensitivity = "overlap_seconds"
-- columns  = [
--   { name = "host", kind = "text", about = "host the lines are from" },
--   { name = "by_time", kind = "count", about = "number of the file in the order of its first line; null for a copy or an extract" },
--   { name = "by_name", kind = "count", about = "number of the file in the order of names: shorter ones first, suffixes of compression left out" },
--   { name = "path", kind = "text", about = "path as given or found" },
--   { name = "member", kind = "text", about = "name inside an archive" },
--   { name = "follows", kind = "text", about = "first: of the host; on time: less than the threshold after the file before; hole: later; overlap: begins before the files before it have ended; within: and ends before them; extract: a part of what its host logs, see `sources.extract`; copy: same content as another file, not counted again" },
--   { name = "seconds", kind = "seconds", about = "length of the hole or the overlap; else from the last line before" },
--   { name = "first_ts", kind = "time", about = "earliest line of the host in it" },
--   { name = "last_ts", kind = "time", about = "latest line of the host in it" },
--   { name = "lines", kind = "count", about = "lines of the host in it that have a time" },
--   { name = "problem", kind = "text", about = "what is wrong with the file" },
--   { name = "turns", kind = "count", about = "of the host: how often the order of names turns round against that of times" },
--   { name = "files", kind = "count", about = "files of the host, copies and extracts left out" },
-- ]
--
-- [[needs]]
-- table   = "activity"
-- missing = "no line with a time was read from a log of a mail server"
--
-- [params.gap_minutes]
-- default = 30
-- unit    = "minutes"
-- source  = "chainsaw analyse gaps: 30 minutes"
-- about   = "time between two files from which it is a hole"
--
-- [params.overlap_seconds]
-- default = 60
-- unit    = "seconds"
-- source  = "mtaudit: a rotation takes seconds"
-- about   = "time that two files have in common from which they overlap"
--
-- [params.max_turns]
-- default = 2
-- unit    = "times"
-- source  = "mtaudit: names count up or down; the file that is being written stands apart"
-- about   = "turns of the order of names that are usual"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "follows IN ('overlap', 'within')"
-- sentence   = "{path} overlaps the files of {host|a host without a name} before it by {seconds}, from {first_ts} on: they are logs of different kinds, or parts of one were put together, copied or altered."
-- advice     = "Compare the lines around {first_ts} in both files: if both hold the same lines, keep one of the files; if not, find out who put {path} together."
-- thresholds = ["overlap_seconds"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(activity.host, '') AS host, sources.path AS path, activity.first_ts AS first_ts, activity.source AS source, activity.line AS line FROM activity JOIN sources ON activity.source = sources.source"
-- keys       = ["host", "path", "first_ts"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "follows = 'copy'"
-- sentence   = "{path} has the same content as another file and was not counted again."
-- advice     = "Leave {path} out next time, and check that rotation does not copy files that it also renames."
-- limit      = 5
-- evidence   = "SELECT path, source, line FROM sources WHERE duplicate_of IS NOT NULL"
-- keys       = ["path"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "follows = 'first' AND turns > max_turns"
-- sentence   = "The names of {files|file|files} of {host|a host without a name} are not in the order of their times (the order turns round {turns|time|times}): they were renamed, or belong to several series."
-- advice     = "Ask who renamed the files of {host|this host}, and take the originals from the server or its backup if the order must be proven."
-- thresholds = ["max_turns"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(activity.host, '') AS host, activity.source AS source, MIN(activity.line) AS line FROM activity GROUP BY COALESCE(activity.host, ''), activity.source"
-- keys       = ["host"]
WITH spans AS (
    SELECT COALESCE(host, '') AS host, source, SUM(lines) AS lines,
           MIN(first_ts) AS first_ts, MAX(last_ts) AS last_ts,
           MIN(first_second) AS first_second, MAX(last_second) AS last_second
    FROM activity
    GROUP BY COALESCE(host, ''), source
), files AS (
    SELECT spans.host AS host, spans.source AS source, spans.lines AS lines, spans.first_ts AS first_ts, spans.last_ts AS last_ts,
           spans.first_second AS first_second, spans.last_second AS last_second,
           sources.path AS path, sources.member AS member, sources.problem AS problem,
           LENGTH(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(sources.path, '.gz', ''), '.zst', ''), '.bz2', ''), '.xz', ''), '.lz4', '')) AS path_length,
           LENGTH(REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(COALESCE(sources.member, ''), '.gz', ''), '.zst', ''), '.bz2', ''), '.xz', ''), '.lz4', '')) AS member_length
    FROM spans
    JOIN sources ON spans.source = sources.source
    WHERE NOT COALESCE(sources.extract, FALSE)
), named AS (
    SELECT host, source, lines, first_ts, last_ts, first_second, last_second, path, member, problem,
           ROW_NUMBER() OVER (PARTITION BY host ORDER BY first_second, last_second, source) AS by_time,
           ROW_NUMBER() OVER (PARTITION BY host ORDER BY path_length, path, member_length, member, source) AS by_name
    FROM files
), ends AS (
    SELECT host, by_time,
           MAX(last_second) OVER (PARTITION BY host ORDER BY by_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reached
    FROM named
), before AS (
    SELECT named.host AS host, named.by_time AS by_time, named.by_name AS by_name, named.path AS path, named.member AS member,
           named.first_ts AS first_ts, named.last_ts AS last_ts, named.lines AS lines, named.problem AS problem,
           named.first_second AS first_second, named.last_second AS last_second,
           ends.reached AS reached
    FROM named
    LEFT JOIN ends ON named.host = ends.host AND named.by_time = ends.by_time + 1
), ways AS (
    SELECT host, by_time,
           CASE WHEN by_name > LAG(by_name) OVER (PARTITION BY host ORDER BY by_time) THEN 1 ELSE 0 END AS up
    FROM named
), changes AS (
    SELECT host, by_time, up, LAG(up) OVER (PARTITION BY host ORDER BY by_time) AS up_before
    FROM ways
    WHERE by_time > 1
), turned AS (
    SELECT host, COUNT(*) + 1 AS files, COUNT(*) FILTER (WHERE up <> up_before) AS turns
    FROM changes
    GROUP BY host
), listed AS (
    SELECT before.host AS host, before.by_time AS by_time, before.by_name AS by_name, before.path AS path, before.member AS member,
           CASE WHEN before.reached IS NULL THEN 'first'
                WHEN before.first_second - before.reached > 60 * params.gap_minutes THEN 'hole'
                WHEN before.reached - before.first_second < params.overlap_seconds THEN 'on time'
                WHEN before.last_second <= before.reached THEN 'within'
                ELSE 'overlap' END AS follows,
           CASE WHEN before.last_second <= before.reached THEN before.last_second - before.first_second
                WHEN before.first_second < before.reached THEN before.reached - before.first_second
                ELSE before.first_second - before.reached END AS seconds,
           before.first_ts AS first_ts, before.last_ts AS last_ts, before.lines AS lines, before.problem AS problem,
           COALESCE(turned.turns, 0) AS turns, COALESCE(turned.files, 1) AS files
    FROM before
    LEFT JOIN turned ON before.host = turned.host
    CROSS JOIN params
    UNION ALL
    SELECT COALESCE(hosts, '') AS host, NULL AS by_time, NULL AS by_name, path, member, 'copy' AS follows,
           NULL AS seconds, first_ts, last_ts, lines, problem, NULL AS turns, NULL AS files
    FROM sources
    WHERE duplicate_of IS NOT NULL
    UNION ALL
    SELECT COALESCE(hosts, '') AS host, NULL AS by_time, NULL AS by_name, path, member, 'extract' AS follows,
           NULL AS seconds, first_ts, last_ts, lines, problem, NULL AS turns, NULL AS files
    FROM sources
    WHERE COALESCE(extract, FALSE) AND duplicate_of IS NULL
)
SELECT host, by_time, by_name, path, member, follows, seconds, first_ts, last_ts, lines, problem, turns, files
FROM listed
ORDER BY host, COALESCE(by_time, 1000000000), first_ts, path, member
