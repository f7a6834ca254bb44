-- Failures by policy element, cause and place, each with what its element counts; trusted reports alone.
WITH failing AS (
  SELECT policy_domain, report, policy, day, organization, policy_type, result_type, cause, impact, mx_key,
    min(failure_reason_code) AS reason, sum(failed_session_count) AS sessions
  FROM failures
  WHERE (NOT superseded OR report IN (SELECT unnest($kept::BIGINT[]))) AND report NOT IN (SELECT unnest($late::BIGINT[]))
    AND trust IN ('vouched', 'known') AND day >= $since AND day <= $until
    AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
    AND report NOT IN (
      SELECT report FROM reports WHERE day >= $since AND day <= $until AND excluded IS NOT NULL)
  GROUP BY policy_domain, report, policy, day, organization, policy_type, result_type, cause, impact, mx_key
),
element AS (
  SELECT report, policy, canonical, total_successful_session_count, total_failure_session_count, would_block, evaluated
  FROM policies
  WHERE day >= $since AND day <= $until AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
    AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
)
SELECT failing.policy_domain, failing.report, failing.policy, day, organization, policy_type, result_type, cause, impact,
  mx_key, reason, sessions, canonical, total_successful_session_count AS successful,
  total_failure_session_count AS failed, would_block, evaluated
FROM failing JOIN element ON element.report = failing.report AND element.policy = failing.policy
ORDER BY failing.policy_domain, day, organization, failing.report, failing.policy, cause, mx_key, result_type, impact
