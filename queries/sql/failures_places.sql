-- Failed sessions by cause and MX, most first. One session may stand under two policy types: the larger sum is taken.
WITH typed AS (
  SELECT cause, mx_key, organization, policy_type,
    CASE WHEN bool_or(impact = 'would-block') THEN 'would-block' WHEN bool_or(impact = 'unclear') THEN 'unclear'
      ELSE max(impact) END AS impact,
    sum(failed_session_count) AS failed_session_count
  FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  GROUP BY cause, mx_key, organization, policy_type
),
told AS (
  SELECT cause, mx_key, organization, max(failed_session_count) AS failed_session_count,
    CASE WHEN bool_or(impact = 'would-block') THEN 'would-block' WHEN bool_or(impact = 'unclear') THEN 'unclear'
      ELSE max(impact) END AS impact
  FROM typed GROUP BY cause, mx_key, organization
)
SELECT cause, mx_key,
  CASE WHEN bool_or(impact = 'would-block') THEN 'would-block' WHEN bool_or(impact = 'unclear') THEN 'unclear'
    ELSE max(impact) END AS impact,
  sum(failed_session_count) AS failed_session_count
FROM told GROUP BY cause, mx_key
ORDER BY failed_session_count DESC, cause, mx_key LIMIT $limit
