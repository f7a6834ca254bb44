-- The MTA-STS policy that each organization worked from in its newest report that tells one, most sessions first.
WITH told AS (
  SELECT organization, day, canonical, sum(total_successful_session_count + total_failure_session_count) AS sessions
  FROM counted_policies
  WHERE policy_type = 'sts' AND canonical <> ''
    AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organizations IS NULL OR organization IN (SELECT unnest($organizations::VARCHAR[])))
  GROUP BY organization, day, canonical
),
newest AS (
  SELECT organization, max(day) AS day FROM told GROUP BY organization
)
SELECT told.organization, told.day, canonical, sessions
FROM told JOIN newest ON newest.organization = told.organization AND newest.day = told.day
ORDER BY told.organization, sessions DESC, canonical
