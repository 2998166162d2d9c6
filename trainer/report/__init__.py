"""The evaluation's report: one self-contained HTML page, its charts and its pictures."""
