-- The UTC days of each failure series, or of those at some MXs, oldest first. Policy types overlap: of each organization the larger sum is taken.
WITH typed AS (
  SELECT policy_domain, cause, mx_key, organization, day, policy_type, sum(failed_session_count) AS failed_session_count
  FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($result_type IS NULL OR result_type = $result_type)
  AND ($cause IS NULL OR cause = $cause)
  AND ($mx IS NULL OR mx_key = $mx)
  AND ($mxs IS NULL OR mx_key IN (SELECT unnest($mxs)))
  GROUP BY policy_domain, cause, mx_key, organization, day, policy_type
),
told AS (
  SELECT policy_domain, cause, mx_key, organization, day, max(failed_session_count) AS failed_session_count
  FROM typed GROUP BY policy_domain, cause, mx_key, organization, day
)
SELECT policy_domain, cause, mx_key, day, sum(failed_session_count) AS failed_session_count
FROM told GROUP BY policy_domain, cause, mx_key, day ORDER BY policy_domain, cause, mx_key, day
