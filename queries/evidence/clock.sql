-- title    = "Clocks that stepped"
-- question = "Did the clock of a host go back, or run ahead and come back?"
-- tables   = ["clock_steps", "activity", "sources"]
-- limits   = "Each line is compared with the line of its host before it in its source, and the first of a file with the last of the one that it follows by its name (numbers or dates of rotation). A step ahead alone cannot be told from silence, see `evidence/gaps`. A pause that was as long as a later step back looks like a step ahead too. A clock that is wrong all the time does not step: see `evidence/clock_hosts`."
-- controls = ["ISO/IEC 27001 A.8.17", "NIST SP 800-53 AU-8", "PCI DSS 10.6"]
-- rows     = 20
-- sensitivity = "back_seconds"
-- columns  = [
--   { name = "host", kind = "text", about = "host of the lines" },
--   { name = "kind", kind = "text", about = "back: time went back and went on from there; ahead and back: it jumped ahead before, at most a week by its own time, by as much but for a fifth, whatever pauses lie between; late lines: it came ahead again after a few lines, by about as much; repeated hour: the clocks were set back for the winter, and time went back by less than the half hour from which the second hour is told" },
--   { name = "from_ts", kind = "time", about = "line before the step" },
--   { name = "to_ts", kind = "time", about = "line after it" },
--   { name = "seconds", kind = "seconds", about = "by how much time went back" },
--   { name = "ahead_from", kind = "time", about = "ahead and back: line before the jump ahead" },
--   { name = "steps", kind = "count", about = "steps back of the host in all, of 5 seconds or more" },
--   { name = "lines", kind = "count", about = "lines with a time from the host: the denominator" },
--   { name = "path", kind = "text", about = "source of the line after it" },
--   { name = "line", kind = "count", about = "its line" },
-- ]
--
-- [[needs]]
-- table   = "activity"
-- missing = "no line with a time was read from a log of a mail server"
--
-- [params.back_seconds]
-- default = 60
-- unit    = "seconds"
-- source  = "mtaudit: programs that write at a time are out of order by a second or two, lines sent over a network by some more"
-- about   = "step back from which it is listed"
--
-- [params.alike]
-- default = 0.2
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "by how much the step ahead after late lines may differ from the step back before them"
--
-- [params.late_lines]
-- default = 20
-- unit    = "lines"
-- source  = "mtaudit"
-- about   = "lines after which time must be ahead again for them to be late lines"
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'ahead and back'"
-- sentence   = "The clock of {host|a host without a name} was wrong for a time: it jumped ahead after {ahead_from}, and at {from_ts} it went back to {to_ts} ({seconds}). Times in between are later than they should be."
-- advice     = "Ask what set the clock of {host} at that time (NTP, a restored snapshot, a person), and treat its times from {ahead_from} to {from_ts} as wrong."
-- thresholds = ["back_seconds"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, from_ts, to_ts, source, line FROM clock_steps WHERE seconds < 0"
-- keys       = ["host", "from_ts", "to_ts"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "kind = 'back'"
-- sentence   = "The time of {host|a host without a name} went back by {seconds}, from {from_ts} to {to_ts}: its clock was set back, or lines were put together in another order. Which of these times are right, the logs cannot tell."
-- advice     = "Look at line {line} of {path} and the lines before it, then at the logs of the time service of {host} around {from_ts}."
-- thresholds = ["back_seconds"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, from_ts, to_ts, source, line FROM clock_steps WHERE seconds < 0"
-- keys       = ["host", "from_ts", "to_ts"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "kind = 'repeated hour'"
-- sentence   = "When the clocks were set back for the winter, time went back on {host|a host without a name} from {from_ts} to {to_ts}, and its lines do not say which of the two hours they belong to. They are read as of the first hour; those after the step may be of the second."
-- advice     = "Have {host} log with an offset (`$ActionFileDefaultTemplate RSYSLOG_FileFormat` in rsyslog), and take times of that hour as uncertain by one hour."
-- thresholds = ["back_seconds"]
-- limit      = 5
-- evidence   = "SELECT COALESCE(host, '') AS host, from_ts, to_ts, source, line FROM clock_steps WHERE seconds < 0"
-- keys       = ["host", "from_ts", "to_ts"]
WITH steps AS (
    SELECT COALESCE(host, '') AS host, source, line, from_ts, to_ts, seconds, ahead_ts, repeated
    FROM clock_steps
    CROSS JOIN params
    WHERE seconds >= back_seconds OR seconds <= -back_seconds
), sides AS (
    SELECT host, source, line, from_ts, to_ts, seconds, ahead_ts, repeated,
           LEAD(seconds) OVER (PARTITION BY host, source ORDER BY line) AS after_seconds,
           LEAD(line) OVER (PARTITION BY host, source ORDER BY line) AS after_line
    FROM steps
), backs AS (
    SELECT COALESCE(host, '') AS host, COUNT(*) AS steps
    FROM clock_steps
    WHERE seconds < 0
    GROUP BY COALESCE(host, '')
), written AS (
    SELECT COALESCE(host, '') AS host, SUM(lines) AS lines
    FROM activity
    GROUP BY COALESCE(host, '')
), kinds AS (
    SELECT sides.host AS host, sides.source AS source, sides.line AS line, sides.from_ts AS from_ts, sides.to_ts AS to_ts,
           -sides.seconds AS seconds, sides.ahead_ts AS ahead_ts,
           CASE WHEN sides.repeated AND COALESCE(sources.utc_offset, '') <> 'in the lines' THEN 'repeated hour'
                WHEN sides.after_line - sides.line <= params.late_lines
                     AND sides.after_seconds >= -sides.seconds * (1 - params.alike)
                     AND sides.after_seconds <= -sides.seconds * (1 + params.alike) THEN 'late lines'
                WHEN sides.ahead_ts IS NOT NULL THEN 'ahead and back'
                ELSE 'back' END AS kind
    FROM sides
    LEFT JOIN sources ON sides.source = sources.source
    CROSS JOIN params
    WHERE sides.seconds < 0
)
SELECT kinds.host AS host,
       kinds.kind AS kind,
       kinds.from_ts AS from_ts,
       kinds.to_ts AS to_ts,
       kinds.seconds AS seconds,
       CASE WHEN kinds.kind = 'ahead and back' THEN kinds.ahead_ts END AS ahead_from,
       backs.steps AS steps,
       written.lines AS lines,
       sources.path AS path,
       kinds.line AS line
FROM kinds
JOIN backs ON kinds.host = backs.host
JOIN written ON kinds.host = written.host
LEFT JOIN sources ON kinds.source = sources.source
ORDER BY seconds DESC, host, from_ts, to_ts, path, line
