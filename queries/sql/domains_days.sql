-- What each policy domain, or some of them, had on each UTC day that has a report. Policy types overlap: the largest stands for all.
SELECT policy_domain, day,
  count(DISTINCT report) AS reports,
  coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_successful,
  coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'sts'), 0) AS sts_failed,
  sum(would_block) AS would_block,
  greatest(
    coalesce(sum(greatest(total_failure_session_count, would_block)) FILTER (WHERE policy_type = 'sts'), 0),
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0),
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')), 0)
  ) AS failed,
  coalesce(sum(total_successful_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_successful,
  coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0) AS tlsa_failed
FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organization IS NULL OR organization = $organization)
  AND ($policy_type IS NULL OR policy_type = $policy_type)
  AND ($names IS NULL OR policy_domain IN (SELECT unnest($names)))
GROUP BY policy_domain, day ORDER BY policy_domain, day
