-- The first and the last UTC day that a report of a scope is about; NULL without one.
SELECT min(day) AS first_day, max(day) AS last_day
FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
