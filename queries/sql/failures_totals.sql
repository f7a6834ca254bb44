-- Failed sessions of a scope by policy type, and how many of them enforce would block. Types are never added up.
SELECT policy_type, sum(failed_session_count) AS failed_session_count,
  coalesce(sum(failed_session_count) FILTER (WHERE impact IN ('would-block', 'unclear')), 0) AS would_block
FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($result_type IS NULL OR result_type = $result_type)
  AND ($cause IS NULL OR cause = $cause)
  AND ($mx IS NULL OR mx_key = $mx)
GROUP BY policy_type
ORDER BY policy_type
