-- How many failure series there are, how many of them enforce would block, and the last day of a failure.
SELECT count(*) AS series, count(*) FILTER (WHERE blocking) AS blocking, max(last_day) AS last_day
FROM (
  SELECT bool_or(impact IN ('would-block', 'unclear')) AS blocking, max(day) AS last_day
  FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($result_type IS NULL OR result_type = $result_type)
  AND ($cause IS NULL OR cause = $cause)
  AND ($mx IS NULL OR mx_key = $mx)
  GROUP BY policy_domain, cause, mx_key
)
