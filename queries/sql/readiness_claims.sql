-- What reports claim whose origin nobody answers for, most reports first; of each policy type the larger count.
WITH typed AS (
  SELECT trust, organization, policy_type, count(DISTINCT report) AS reports,
    sum(total_successful_session_count + total_failure_session_count) AS sessions,
    sum(total_failure_session_count) AS failed,
    sum(would_block) AS would_block
  FROM counted_policies
  WHERE trust NOT IN ('vouched', 'known') AND day >= $since AND day <= $until AND policy_domain = $policy_domain
    AND report NOT IN (
      SELECT report FROM counted_reports WHERE day >= $since AND day <= $until AND received_at > $at)
  GROUP BY trust, organization, policy_type
)
SELECT trust, organization, max(reports) AS reports, max(sessions) AS sessions, max(failed) AS failed,
  max(would_block) AS would_block
FROM typed GROUP BY trust, organization
ORDER BY reports DESC, sessions DESC, trust, organization LIMIT $limit
