-- What was read past in one report.
SELECT place, message FROM defects WHERE report = $report ORDER BY place, message
