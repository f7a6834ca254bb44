-- Policies as organizations saw them, newest first; texts that differ only in form are one policy.
SELECT policy_domain, policy_type, canonical, organization, min(day) AS first_day, max(day) AS last_day,
  count(DISTINCT report) AS reports,
  sum(total_successful_session_count) AS successful,
  sum(total_failure_session_count) AS failed
FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND (NOT $failing OR total_failure_session_count > 0)
GROUP BY policy_domain, policy_type, canonical, organization
ORDER BY policy_domain, last_day DESC, first_day DESC, successful DESC, policy_type, organization, canonical
