-- title    = "What these logs can answer"
-- question = "Which questions can these logs answer, and what would have to be logged for the others?"
-- tables   = ["sources"]
-- limits   = "A question counts as answerable when the logs hold at least one line of the kind that it needs. Whether all lines of that kind are there is another question: see evidence/gaps and evidence/sequence."
-- controls = ["ISO/IEC 27001 A.8.15", "NIST SP 800-53 AU-2", "NIST SP 800-53 AU-12", "PCI DSS 10.2"]
-- rows     = 100
-- columns  = [
--   { name = "query", kind = "text", about = "name of the query" },
--   { name = "title", kind = "text", about = "its heading" },
--   { name = "assessable", kind = "flag", about = "whether the logs can answer it" },
--   { name = "missing", kind = "text", about = "what they lack for it" },
--   { name = "remedy", kind = "text", about = "what would have to be logged, or read" },
--   { name = "answerable", kind = "count", about = "questions that the logs can answer (the same on every row)" },
--   { name = "questions", kind = "count", about = "questions in all: the denominator" },
--   { name = "lines", kind = "count", about = "lines of the logs" },
-- ]
WITH counted AS (
    SELECT CAST(COUNT(*) AS BIGINT) AS questions,
           CAST(COUNT(*) FILTER (WHERE missing IS NULL) AS BIGINT) AS answerable
    FROM questions
), whole AS (
    SELECT CAST(COALESCE(SUM(lines), 0) AS BIGINT) AS lines FROM sources
)
SELECT questions.query AS query,
       questions.title AS title,
       questions.missing IS NULL AS assessable,
       questions.missing AS missing,
       questions.remedy AS remedy,
       counted.answerable AS answerable,
       counted.questions AS questions,
       whole.lines AS lines
FROM questions
CROSS JOIN counted
CROSS JOIN whole
ORDER BY assessable, query
