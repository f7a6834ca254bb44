-- What each organization counted on each UTC day under each policy; trusted reports alone.
SELECT policy_domain, organization, day, policy_type, canonical,
  count(DISTINCT report) AS reports,
  sum(total_successful_session_count) AS successful,
  sum(total_failure_session_count) AS failed,
  sum(would_block) AS would_block,
  sum(unclassified) AS unclassified,
  sum(evaluated) AS evaluated
FROM policies
WHERE (NOT superseded OR report IN (SELECT unnest($kept::BIGINT[]))) AND report NOT IN (SELECT unnest($late::BIGINT[]))
  AND trust IN ('vouched', 'known') AND day >= $since AND day <= $until
  AND ($policy_domain IS NULL OR policy_domain = $policy_domain)
  AND ($policy_domains IS NULL OR policy_domain IN (SELECT unnest($policy_domains::VARCHAR[])))
  AND report NOT IN (
    SELECT report FROM reports WHERE day >= $since AND day <= $until AND excluded IS NOT NULL)
GROUP BY policy_domain, organization, day, policy_type, canonical
ORDER BY policy_domain, day, organization, policy_type, canonical
