-- The reports behind failures, newest day first: one row per report, policy type, result type and reason.
SELECT report, day, organization, policy_type, result_type, failure_reason_code,
  sum(failed_session_count) AS failed_session_count,
  count(DISTINCT sending_mta_ip) AS sending_mta_ips,
  min(sending_mta_ip) AS sending_mta_ip,
  min(receiving_ip) AS receiving_ip,
  min(receiving_mx_hostname) AS receiving_mx_hostname
FROM counted_failures WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($result_type IS NULL OR result_type = $result_type)
  AND ($cause IS NULL OR cause = $cause)
  AND ($mx IS NULL OR mx_key = $mx)
GROUP BY report, day, organization, policy_type, result_type, failure_reason_code
ORDER BY day DESC, failed_session_count DESC, report DESC, policy_type, result_type, failure_reason_code
