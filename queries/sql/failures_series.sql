-- Failure series over all organizations with all of some words, what enforce would block first or otherwise, a page of them.
-- `matches` is how many there are, of those that began on a day or later if one is given. One session may stand under two
-- policy types: the larger sum of an organization is taken.
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
      ELSE max(impact) END AS impact
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
    AND ($cause IS NULL OR cause = $cause)
    AND ($mx IS NULL OR mx_key = $mx)
  GROUP BY policy_domain, cause, mx_key
),
fresh AS (
  SELECT policy_domain, cause, mx_key FROM counted_failures
  WHERE $began IS NOT NULL AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organization IS NULL OR organization = $organization)
    AND ($policy_type IS NULL OR policy_type = $policy_type)
    AND ($result_type IS NULL OR result_type = $result_type)
    AND ($cause IS NULL OR cause = $cause)
    AND ($mx IS NULL OR mx_key = $mx)
  GROUP BY policy_domain, cause, mx_key HAVING min(day) >= $began
),
tellers AS (
  SELECT policy_domain, cause, mx_key, string_agg(organization, chr(10)) AS told_by
  FROM told WHERE len($words) > 0 GROUP BY policy_domain, cause, mx_key
),
matched AS (
  SELECT scoped.*, days, last_day,
    CASE $order WHEN 'failed_session_count' THEN failed_session_count WHEN 'organizations' THEN organizations
      WHEN 'days' THEN days WHEN 'last_day' THEN datediff('day', DATE '1970-01-01', last_day) END AS number,
    lower(CASE $order WHEN 'impact' THEN impact WHEN 'cause' THEN scoped.cause WHEN 'mx_key' THEN scoped.mx_key
      WHEN 'policy_domain' THEN scoped.policy_domain END) AS word
  FROM scoped
  JOIN lasted ON scoped.policy_domain = lasted.policy_domain AND scoped.cause = lasted.cause
    AND scoped.mx_key = lasted.mx_key
  LEFT JOIN tellers ON scoped.policy_domain = tellers.policy_domain AND scoped.cause = tellers.cause
    AND scoped.mx_key = tellers.mx_key
  WHERE len(list_filter($words, lambda word: NOT contains(
      lower(concat_ws(chr(10), impact, scoped.cause, CASE scoped.mx_key WHEN '*' THEN 'no MX' ELSE scoped.mx_key END,
        scoped.policy_domain, last_day, told_by)), word))) = 0
    AND ($began IS NULL OR (scoped.policy_domain, scoped.cause, scoped.mx_key) IN (
      SELECT (policy_domain, cause, mx_key) FROM fresh))
),
wanted AS (
  SELECT *, row_number() OVER (
    ORDER BY
      CASE WHEN $descending THEN number END DESC NULLS LAST, CASE WHEN NOT $descending THEN number END NULLS FIRST,
      CASE WHEN $descending THEN word END DESC NULLS LAST, CASE WHEN NOT $descending THEN word END NULLS FIRST,
      CASE impact WHEN 'would-block' THEN 0 WHEN 'unclear' THEN 1 WHEN 'dane' THEN 2 WHEN 'projected' THEN 3 ELSE 4 END,
      failed_session_count DESC, policy_domain, cause, mx_key) AS place
  FROM matched
  ORDER BY place LIMIT $limit OFFSET $offset
),
named AS (
  SELECT told.policy_domain, told.cause, told.mx_key,
    string_agg(organization, ', ' ORDER BY told.failed_session_count DESC, organization) AS organization_names
  FROM told JOIN wanted ON wanted.policy_domain = told.policy_domain AND wanted.cause = told.cause
    AND wanted.mx_key = told.mx_key
  GROUP BY told.policy_domain, told.cause, told.mx_key
),
always AS (
  SELECT policy_domain, cause, mx_key, min(day) AS first_day
  FROM counted_failures
  WHERE ($limit IS NULL OR mx_key IN (SELECT mx_key FROM wanted))
    AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organization IS NULL OR organization = $organization)
    AND ($policy_type IS NULL OR policy_type = $policy_type)
    AND ($result_type IS NULL OR result_type = $result_type)
    AND ($cause IS NULL OR cause = $cause)
    AND ($mx IS NULL OR mx_key = $mx)
  GROUP BY policy_domain, cause, mx_key
)
SELECT wanted.policy_domain, wanted.cause, wanted.mx_key, impact, failed_session_count, organizations, days, first_day,
  last_day, organization_names, (SELECT count(*) FROM matched) AS matches
FROM wanted
JOIN named ON wanted.policy_domain = named.policy_domain AND wanted.cause = named.cause
  AND wanted.mx_key = named.mx_key
JOIN always ON wanted.policy_domain = always.policy_domain AND wanted.cause = always.cause
  AND wanted.mx_key = always.mx_key
ORDER BY place
