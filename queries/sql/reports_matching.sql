-- Reports with certain policies or failures, newest day first, a page of them.
WITH wanted AS (
  SELECT * FROM reports
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
  ORDER BY day DESC, report DESC LIMIT $limit OFFSET $offset
),
scoped AS (
  SELECT report,
    string_agg(DISTINCT policy_domain, ', ' ORDER BY policy_domain) AS policy_domains,
    sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts') AS sts_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts') AS sts_failed,
    sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa') AS tlsa_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa') AS tlsa_failed,
    sum(total_successful_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')) AS no_policy_successful,
    sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')) AS no_policy_failed
  FROM policies WHERE report IN (SELECT report FROM wanted) GROUP BY report
)
SELECT wanted.report, day, organization, coalesce(policy_domains, '') AS policy_domains, sts_successful, sts_failed,
  tlsa_successful, tlsa_failed, no_policy_successful, no_policy_failed, defects, trust, superseded, report_id
FROM wanted LEFT JOIN scoped ON scoped.report = wanted.report
ORDER BY day DESC, wanted.report DESC
