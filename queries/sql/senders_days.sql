-- On which UTC days organizations reported, oldest first. Policy types overlap: the largest stands for all.
SELECT organization, day,
  sum(would_block) AS would_block,
  greatest(
    coalesce(sum(greatest(total_failure_session_count, would_block)) FILTER (WHERE policy_type = 'sts'), 0),
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type = 'tlsa'), 0),
    coalesce(sum(total_failure_session_count) FILTER (WHERE policy_type NOT IN ('sts', 'tlsa')), 0)
  ) AS failed
FROM counted_policies WHERE TRUE
  AND ($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($organizations IS NULL OR organization IN (SELECT unnest($organizations::VARCHAR[])))
GROUP BY organization, day ORDER BY organization, day
