-- title    = "Lines that were not understood"
-- question = "Which kinds of lines does this report not know, and how many are there?"
-- aliases  = ["parse_coverage"]
-- tables   = ["line_shapes", "sources"]
-- limits   = "Numbers, addresses and IDs are masked, so that lines of one kind fall together. Whether such a line matters can only be told by reading it."
-- controls = ["ISO/IEC 27001 A.8.15", "NIST SP 800-53 AU-6"]
-- rows     = 20
-- columns  = [
--   { name = "format", kind = "text", about = "log format it was read as" },
--   { name = "program", kind = "text", about = "program that wrote it" },
--   { name = "shape", kind = "text", about = "the line, masked" },
--   { name = "lines", kind = "count", about = "lines of this shape" },
--   { name = "share", kind = "share", about = "of all lines that were read" },
--   { name = "all_lines", kind = "count", about = "lines that were read: the denominator" },
--   { name = "example_path", kind = "text", about = "source of an example" },
--   { name = "example_line", kind = "count", about = "its line" },
-- ]
--
-- [[needs]]
-- table   = "sources"
-- where   = "lines > 0"
-- missing = "no line was read"
WITH whole AS (
    SELECT SUM(lines) AS lines FROM sources
)
SELECT COALESCE(line_shapes.format, '') AS format,
       COALESCE(line_shapes.program, '') AS program,
       line_shapes.shape AS shape,
       line_shapes.lines AS lines,
       CASE WHEN whole.lines > 0 THEN ROUND(CAST(line_shapes.lines AS DOUBLE) / whole.lines, 6) END AS share,
       whole.lines AS all_lines,
       sources.path AS example_path,
       line_shapes.example_line AS example_line
FROM line_shapes
CROSS JOIN whole
LEFT JOIN sources ON line_shapes.example_source = sources.source
ORDER BY lines DESC, format, program, shape, example_path, example_line
