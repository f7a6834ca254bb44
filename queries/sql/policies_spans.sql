-- Each policy that organizations saw: from when to when, and by how many, the last to be seen first.
WITH told AS (
  SELECT policy_domain, policy_type, canonical, organization, min(day) AS first_day, max(day) AS last_day,
    sum(total_successful_session_count + total_failure_session_count) AS sessions
  FROM counted_policies WHERE canonical <> '' AND (NOT $trusted OR trust IN ('vouched', 'known'))
    AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($organization IS NULL OR organization = $organization)
    AND ($policy_type IS NULL OR policy_type = $policy_type)
  GROUP BY policy_domain, policy_type, canonical, organization
),
placed AS (
  SELECT policy_domain, policy_type, canonical, organization, first_day, last_day, sessions,
    row_number() OVER (PARTITION BY policy_domain, policy_type, canonical ORDER BY sessions DESC, organization) AS place
  FROM told
)
SELECT policy_domain, policy_type, canonical, min(first_day) AS first_day, max(last_day) AS last_day,
  count(*) AS organizations, sum(sessions) AS sessions,
  string_agg(organization, ', ' ORDER BY place) FILTER (WHERE place <= 12) AS organization_names,
  count(*) OVER () AS policies
FROM placed
GROUP BY policy_domain, policy_type, canonical
ORDER BY last_day DESC, first_day DESC, policy_domain, policy_type, canonical LIMIT $limit
