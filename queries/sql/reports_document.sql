-- The JSON of one report, as received.
SELECT content FROM payloads WHERE delivery = (SELECT delivery FROM reports WHERE report = $report)
