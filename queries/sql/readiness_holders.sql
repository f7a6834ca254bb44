-- The policy that each organization worked from in its newest trusted report that tells one, most sessions first.
WITH told AS (
  SELECT policy_domain, organization, day, canonical,
    sum(total_successful_session_count + total_failure_session_count) AS sessions
  FROM policies
  WHERE (NOT superseded OR report IN (SELECT unnest($kept::BIGINT[]))) AND report NOT IN (SELECT unnest($late::BIGINT[]))
    AND trust IN ('vouched', 'known') AND policy_type = 'sts' AND canonical <> '' AND day >= $since AND day <= $until
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND report NOT IN (
      SELECT report FROM reports WHERE day >= $since AND day <= $until AND excluded IS NOT NULL)
  GROUP BY policy_domain, organization, day, canonical
),
newest AS (
  SELECT policy_domain, organization, max(day) AS day FROM told GROUP BY policy_domain, organization
)
SELECT told.policy_domain, told.organization, told.day, canonical, sessions
FROM told JOIN newest ON newest.policy_domain = told.policy_domain AND newest.organization = told.organization
  AND newest.day = told.day
ORDER BY told.policy_domain, sessions DESC, told.organization, canonical
