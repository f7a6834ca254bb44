-- Who reports about a scope, most days first, with sessions by policy type; types are never added up.
SELECT organization,
  CASE WHEN min(trust) = max(trust) THEN min(trust) ELSE concat(min(trust), ', ', max(trust)) END AS trust,
  count(DISTINCT report) AS reports,
  count(DISTINCT day) AS days,
  min(day) AS first_day,
  max(day) AS last_day,
  coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_successful,
  coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_failed,
  sum(would_block) AS would_block,
  coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_successful,
  coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_failed,
  count(*) OVER () AS organizations
FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
GROUP BY organization
ORDER BY days DESC, sts_successful DESC, sts_failed DESC, organization LIMIT $limit
