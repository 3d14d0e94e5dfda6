-- title    = "The sources and how much of them was read"
-- question = "Which files does this report rest on, and what is wrong with them?"
-- aliases  = ["manifest"]
-- tables   = ["sources", "line_shapes"]
-- limits   = "`understood` says that a line's kind is known, not that the line is true. The hash is of the file as found by this program; how it came there is for the custody record to say."
-- controls = ["ISO/IEC 27001 A.5.28", "ISO/IEC 27001 A.8.15", "NIST SP 800-53 AU-10", "PCI DSS 10.3"]
-- rows     = 50
-- sensitivity = "low_share"
-- columns  = [
--   { name = "number", kind = "count", about = "number of the source, as in the rows of the tables" },
--   { name = "path", kind = "text", about = "path as given or found" },
--   { name = "member", kind = "text", about = "name inside an archive" },
--   { name = "format", kind = "text", about = "what its lines are; null when they are no mail log" },
--   { name = "hosts", kind = "text", about = "host names in it" },
--   { name = "first_ts", kind = "time", about = "earliest line" },
--   { name = "last_ts", kind = "time", about = "latest line" },
--   { name = "bytes", kind = "bytes", about = "size as found" },
--   { name = "lines", kind = "count", about = "lines read" },
--   { name = "events", kind = "count", about = "lines that this report counts" },
--   { name = "ignored", kind = "count", about = "lines of known kinds that say nothing about mail" },
--   { name = "unrecognised", kind = "count", about = "lines of no known kind" },
--   { name = "undecodable", kind = "count", about = "lines that are no text, or too long" },
--   { name = "understood", kind = "share", about = "(events + ignored) / lines" },
--   { name = "year_method", kind = "text", about = "how the year was found" },
--   { name = "year_confidence", kind = "text", about = "certain: in the lines or proven by their IDs; declared: --year; likely: a date in the path, or other sources of the host; assumed: gzip header or mtime; none" },
--   { name = "contradictions", kind = "text", about = "what speaks against its times, or leaves them in doubt" },
--   { name = "repeated", kind = "count", about = "lines that another source has as well: counted once" },
--   { name = "sha256", kind = "text", about = "SHA-256 of the file as found" },
--   { name = "duplicate_of", kind = "count", about = "number of the source with the same content" },
--   { name = "problem", kind = "text", about = "what is wrong with it" },
-- ]
--
-- [[needs]]
-- table   = "sources"
-- missing = "no source was read"
--
-- [params.low_share]
-- default = 0.90
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of understood lines below which the report may miss much"
--
-- [params.warn_share]
-- default = 0.99
-- unit    = "share"
-- source  = "mtaudit"
-- about   = "share of understood lines below which it is pointed out"
--
-- [params.min_lines]
-- default = 100
-- unit    = "lines"
-- source  = "mtaudit"
-- about   = "lines below which a source is not judged"
--
-- [[findings]]
-- severity   = "high"
-- when       = "duplicate_of IS NULL AND problem NOT IN ('empty', 'not text', 'no line of a known mail server')"
-- sentence   = "The source {path} is incomplete or unusable: {problem}. {lines|line was|lines were} read from it, of which {events|counts|count} in this report."
-- advice     = "Fetch {path} again from the server or its backup, compare sizes and hashes, and run the report again."
-- limit      = 10
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "high"
-- when       = "format <> '' AND lines >= min_lines AND understood < low_share"
-- sentence   = "Of {lines|line|lines} of {path}, only {understood} were understood; {unrecognised|line is|lines are} of no known kind. The figures of this report may miss much of what happened."
-- advice     = "See in evidence/line_shapes which lines these are; if they are from a mail server, send their shapes to the makers of mtaudit, and do not rely on totals until they are understood."
-- thresholds = ["low_share", "min_lines"]
-- limit      = 10
-- evidence   = "SELECT source AS number, source, line FROM sources UNION ALL SELECT example_source AS number, example_source AS source, example_line AS line FROM line_shapes"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "format <> '' AND lines >= min_lines AND understood < warn_share"
-- sentence   = "Of {lines|line|lines} of {path}, {understood} were understood; {unrecognised|line is|lines are} of no known kind."
-- advice     = "See in evidence/line_shapes which lines these are, and whether any of them is about mail."
-- thresholds = ["warn_share", "min_lines"]
-- limit      = 10
-- evidence   = "SELECT source AS number, source, line FROM sources UNION ALL SELECT example_source AS number, example_source AS source, example_line AS line FROM line_shapes"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "medium"
-- when       = "contradictions <> ''"
-- sentence   = "The times of {path} are in doubt: {contradictions}."
-- advice     = "Find out which clock or copy is wrong for {path} before times from it are quoted; `--year` sets the year when only that is in doubt."
-- limit      = 10
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "low"
-- when       = "format <> '' AND year_confidence IN ('assumed', 'none')"
-- sentence   = "The lines of {path} name no year and hold no proof of one; it was found by {year_method|nothing} (certainty: {year_confidence|none})."
-- advice     = "Confirm the year of {path} and give it with `--year`."
-- limit      = 5
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "repeated > 0"
-- sentence   = "Of {lines|line|lines} of {path}, {repeated|is|are} in another source of the same host as well, and counted once."
-- limit      = 5
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "duplicate_of IS NOT NULL"
-- sentence   = "{path} has the same content as source number {duplicate_of}."
-- limit      = 5
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
--
-- [[findings]]
-- severity   = "info"
-- when       = "problem <> ''"
-- sentence   = "{path} adds nothing to this report: {problem}."
-- limit      = 5
-- evidence   = "SELECT source AS number, source, line FROM sources"
-- keys       = ["number"]
SELECT source AS number,
       path,
       member,
       format,
       hosts,
       first_ts,
       last_ts,
       bytes,
       lines,
       events,
       ignored,
       unrecognised,
       undecodable,
       CASE WHEN lines > 0 THEN ROUND(CAST(events + ignored AS DOUBLE) / lines, 4) END AS understood,
       year_method,
       year_confidence,
       contradictions,
       repeated,
       sha256,
       duplicate_of,
       problem
FROM sources
ORDER BY number
