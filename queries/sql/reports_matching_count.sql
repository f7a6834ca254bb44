-- How many reports have certain policies or failures.
SELECT count(*) AS reports FROM reports
WHERE ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($organization IS NULL OR organization = $organization)
  AND (($policy_domain IS NULL AND $policy_type IS NULL AND NOT $failing) OR report IN (
    SELECT report FROM policies WHERE TRUE
      AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
      AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
      AND ($organization IS NULL OR organization = $organization)
      AND ($policy_type IS NULL OR policy_type = $policy_type)
      AND (NOT $failing OR total_failure_session_count > 0 OR would_block > 0)))
  AND (($result_type IS NULL AND $cause IS NULL AND $mx IS NULL) OR report IN (
    SELECT report FROM counted_failures WHERE TRUE
      AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
      AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
      AND ($organization IS NULL OR organization = $organization)
      AND ($policy_type IS NULL OR policy_type = $policy_type)
      AND ($result_type IS NULL OR result_type = $result_type)
      AND ($cause IS NULL OR cause = $cause)
      AND ($mx IS NULL OR mx_key = $mx)
    ))
