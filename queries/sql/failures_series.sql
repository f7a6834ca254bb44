-- Failure series over all organizations: what enforce would block first, then most sessions.
-- One session may stand under two policy types: the larger sum of an organization is taken.
WITH typed AS (
  SELECT policy_domain, cause, mx_key, organization, policy_type, max(impact) AS impact,
    sum(failed_session_count) AS failed_session_count
  FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($result_type IS NULL OR result_type = $result_type)
  AND ($cause IS NULL OR cause = $cause)
  AND ($mx IS NULL OR mx_key = $mx)
  GROUP BY policy_domain, cause, mx_key, organization, policy_type
),
told AS (
  SELECT policy_domain, cause, mx_key, organization, max(failed_session_count) AS failed_session_count,
    CASE WHEN bool_or(impact = 'would-block') THEN 'would-block' WHEN bool_or(impact = 'unclear') THEN 'unclear'
      ELSE max(impact) END AS impact
  FROM typed GROUP BY policy_domain, cause, mx_key, organization
),
scoped AS (
  SELECT policy_domain, cause, mx_key, sum(failed_session_count) AS failed_session_count,
    count(*) AS organizations,
    CASE WHEN bool_or(impact = 'would-block') THEN 'would-block' WHEN bool_or(impact = 'unclear') THEN 'unclear'
      ELSE max(impact) END AS impact,
    string_agg(organization, ', ' ORDER BY failed_session_count DESC, organization) AS organization_names
  FROM told GROUP BY policy_domain, cause, mx_key
),
lasted AS (
  SELECT policy_domain, cause, mx_key, count(DISTINCT day) AS days, max(day) AS last_day
  FROM counted_failures
  WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organization IS NULL OR organization = $organization)
    AND ($policy_type IS NULL OR policy_type = $policy_type)
    AND ($result_type IS NULL OR result_type = $result_type)
  GROUP BY policy_domain, cause, mx_key
),
always AS (
  SELECT policy_domain, cause, mx_key, min(day) AS first_day
  FROM counted_failures
  WHERE ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organization IS NULL OR organization = $organization)
    AND ($policy_type IS NULL OR policy_type = $policy_type)
    AND ($result_type IS NULL OR result_type = $result_type)
  GROUP BY policy_domain, cause, mx_key
)
SELECT scoped.policy_domain, scoped.cause, scoped.mx_key, impact, failed_session_count, organizations, days, first_day,
  last_day, organization_names
FROM scoped
JOIN lasted ON scoped.policy_domain = lasted.policy_domain AND scoped.cause = lasted.cause
  AND scoped.mx_key = lasted.mx_key
JOIN always ON scoped.policy_domain = always.policy_domain AND scoped.cause = always.cause
  AND scoped.mx_key = always.mx_key
ORDER BY CASE impact WHEN 'would-block' THEN 0 WHEN 'unclear' THEN 1 WHEN 'dane' THEN 2 WHEN 'projected' THEN 3 ELSE 4 END,
  failed_session_count DESC, scoped.policy_domain, scoped.cause, scoped.mx_key
