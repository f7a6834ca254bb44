-- The policies of one report, in its order.
SELECT policy, policy_type, policy_domain, policy_string, mx_host, mode, max_age, total_successful_session_count,
  total_failure_session_count, would_block, unclassified
FROM policies WHERE report = $report ORDER BY policy
