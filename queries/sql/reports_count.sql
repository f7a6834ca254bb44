-- How many reports a scope has.
SELECT count(*) AS reports FROM reports
WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($organization IS NULL OR organization = $organization)
